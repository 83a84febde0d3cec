package verdict

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Word is a verdict in short.
type Word string

// The verdicts.
const (
	OKSoFar   Word = "OK so far" // everything judged until now is linearizable
	OK        Word = "OK"        // everything is
	Violation Word = "VIOLATION" // the store has broken its promise
	Undecided Word = "UNDECIDED" // the judge ran out of time for some keys, and has found nothing
)

// Verdict is what a [Recorder] knows.
type Verdict struct {
	Word       Word
	Checked    int           // operations judged
	Keys       int           // that were used
	Waiting    int           // operations recorded and not judged yet
	Behind     time.Duration // age of the oldest that waits for the judge
	Unknown    int           // updates of unknown outcome
	Slowed     int           // how often the load was told to wait for the judge
	Spent      time.Duration // the judge's time
	Violations int           // windows that are not linearizable
	Failing    *Failing      // the first of them; nil without one
	Undecided  []string      // keys
}

// String gives the verdict on one line.
func (v *Verdict) String() string {
	text := fmt.Sprintf("%s: %d operations on %d keys judged", v.Word, v.Checked, v.Keys)
	if v.Waiting > 0 {
		text += fmt.Sprintf(", %d wait", v.Waiting)
	}
	if v.Unknown > 0 {
		text += fmt.Sprintf(", %d updates of unknown outcome", v.Unknown)
	}
	if v.Violations > 0 {
		text += fmt.Sprintf(", %d windows without an order", v.Violations)
	}
	if n := len(v.Undecided); n > 0 {
		text += fmt.Sprintf(", %d keys undecided", n)
	}
	return text
}

// Failing is a part of one key's history that no order explains.
type Failing struct {
	Key string
	// From says what the key held before.
	From string
	// Shortest is a smallest part that still has no order, by the time of the call; Whole the whole window.
	Shortest, Whole []Operation

	window *window
}

func failingOf(whole, shortest *window) *Failing {
	f := &Failing{Key: whole.key, From: "(no such key)", window: whole}
	if whole.from.exists {
		f.From = fmt.Sprintf("%s, revision %d", whole.from.value, whole.from.revision)
	}
	copied := func(w *window) (all []Operation) {
		for _, o := range w.operations {
			all = append(all, *o)
		}
		slices.SortStableFunc(all, func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
		return all
	}
	f.Shortest, f.Whole = copied(shortest), copied(whole)
	return f
}

// String lists the shortest failing history.
func (f *Failing) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no order of these operations on key %s explains all answers (before them: %s):\n", f.Key, f.From)
	for i := range f.Shortest {
		fmt.Fprintf(&b, "  %s\n", f.Shortest[i].String())
	}
	return b.String()
}

// Picture writes an HTML page that shows the whole failing window and where the judge got stuck.
func (f *Failing) Picture(out io.Writer) error {
	m := model(f.window.from)
	_, info := porcupine.CheckOperationsVerbose(m, events(f.window.operations), JudgeTimeout)
	if err := porcupine.Visualize(m, info, out); err != nil {
		return fmt.Errorf("draw the history of key %s: %w", f.Key, err)
	}
	return nil
}
