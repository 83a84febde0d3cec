package check

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"synod/core/kv"
)

const (
	// overlapMax bounds how many operations of one key may overlap: the judge's
	// work grows exponentially with it.
	overlapMax = 24
	// judgeNanosMax is real time, but no verdict depends on it: running out of it
	// fails the run.
	judgeNanosMax = 20_000_000_000
)

// ErrUndecided: the judge ran out of time or of room. That is no pass.
var ErrUndecided = errors.New("cannot tell whether the history is linearizable")

// linearizable is S10b: the history of the clients alone, judged by porcupine.
type linearizable struct {
	history  []*Operation
	executed map[uint64]Time
	sessions map[submission]uint64
}

func (*linearizable) Name() string { return "linearizable" }

func (w *linearizable) Watch(e *Event) error {
	switch e.Kind {
	case Invoked:
		if !e.Operation.Stale {
			w.history = append(w.history, e.Operation)
		}
	case Submitted:
		if w.sessions == nil {
			w.sessions, w.executed = map[submission]uint64{}, map[uint64]Time{}
		}
		w.sessions[submission{e.Session, e.Sequence}] = e.Operation.ID
	case Executed:
		if !isExecution(e) {
			return nil
		}
		id := w.sessions[submission{e.Command.Update.Session, e.Command.Update.Sequence}]
		if _, again := w.executed[id]; !again {
			w.executed[id] = e.At
		}
	}
	return nil
}

func (w *linearizable) Finish() error { return Linearizable(w.history, w.executed) }

// register is the state of one key, as the judge sees it. Clients see revisions, and
// revisions grow, so they are a part of it; that leaves few orders to try.
type register struct {
	exists bool
	value  string
	// revision is that of the last change; if it is not exact, a lower bound.
	revision uint64
	exact    bool
}

// Linearizable judges a history of puts, deletes and gets, key by key. Of the log it
// knows one thing: executed tells when an update was first executed anywhere. It is
// asked only about updates of whose outcome their clients know nothing, because to
// try such an update at all later times would cost the judge most: one that is not
// in the log is left out, any other has ended when it was executed.
func Linearizable(history []*Operation, executed map[uint64]Time) error {
	byKey := map[string][]porcupine.Operation{}
	keys := []string{}
	for _, o := range history {
		end, use := interval(o, executed)
		if !use {
			continue
		}
		if byKey[o.Key] == nil {
			keys = append(keys, o.Key)
		}
		byKey[o.Key] = append(byKey[o.Key], porcupine.Operation{
			ClientId: o.Client, Input: o, Call: int64(o.Invoked), Output: o, Return: end,
		})
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := judge(key, byKey[key]); err != nil {
			return err
		}
	}
	return nil
}

// interval is when the operation ended, and whether it counts at all.
func interval(o *Operation, executed map[uint64]Time) (int64, bool) {
	if o.Outcome == Done {
		return int64(o.Returned), true
	}
	at, known := executed[o.ID]
	return int64(at), known
}

func judge(key string, history []porcupine.Operation) error {
	if n := overlap(history); n > overlapMax {
		return fmt.Errorf("%w: %d operations of key %q overlap, the judge takes %d", ErrUndecided, n, key, overlapMax)
	}
	model := porcupine.Model{Init: func() any { return register{} }, Step: step}
	switch porcupine.CheckOperationsTimeout(model, history, judgeNanosMax) {
	case porcupine.Illegal:
		return fmt.Errorf("the %d operations of key %q have no order that explains all answers", len(history), key)
	case porcupine.Unknown:
		return fmt.Errorf("%w: %d operations of key %q", ErrUndecided, len(history), key)
	}
	return nil
}

func step(before, input, _ any) (bool, any) {
	r, o := before.(register), input.(*Operation)
	if o.Op == Get {
		return r.read(o)
	}
	after := register{exists: o.Op == kv.Put, value: o.Value, revision: r.revision}
	if o.Outcome != Done {
		return true, after
	}
	after.revision, after.exact = o.Revision, true
	return r.revision < o.Revision, after
}

// read tells whether the get may be answered from this state. What it saw makes the
// revision exact.
func (r register) read(o *Operation) (bool, any) {
	if o.Found != r.exists || o.Read != r.value {
		return false, r
	}
	if !o.Found {
		return true, r
	}
	if r.exact {
		return o.Revision == r.revision, r
	}
	after := r
	after.revision, after.exact = o.Revision, true
	return r.revision < o.Revision, after
}

// overlap is the largest number of operations that are under way at one time.
func overlap(history []porcupine.Operation) int {
	type edge struct {
		at   int64
		step int
	}
	edges := make([]edge, 0, 2*len(history))
	for _, o := range history {
		edges = append(edges, edge{o.Call, 1}, edge{o.Return, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(b.step, a.step))
	})
	now, most := 0, 0
	for _, e := range edges {
		now += e.step
		most = max(most, now)
	}
	return most
}
