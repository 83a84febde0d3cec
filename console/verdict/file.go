package verdict

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// HistoryOperationsMax bounds the operations that a recorder writes into a history; it says so when it stops.
const HistoryOperationsMax = 5_000_000

// lineBytesMax bounds a line of a history file.
const lineBytesMax = 1 << 20

// writer writes operations as lines of JSON. Safe for concurrent use.
type writer struct {
	mutex  sync.Mutex
	buffer *bufio.Writer
	lines  int
	err    error
}

func newWriter(out io.Writer) *writer { return &writer{buffer: bufio.NewWriterSize(out, 64<<10)} }

func (w *writer) add(operations []*Operation) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	// Windows are written whole: in a part of one a read may stand without the put that it saw.
	if w.lines += len(operations); w.err == nil && w.lines > HistoryOperationsMax {
		w.err = fmt.Errorf("the history is longer than %d operations: the file holds its beginning", HistoryOperationsMax)
	}
	for _, o := range operations {
		if w.err != nil {
			return
		}
		line, err := json.Marshal(o)
		if err == nil {
			_, err = w.buffer.Write(append(line, '\n'))
		}
		if err != nil {
			w.err = fmt.Errorf("write the history: %w", err)
		}
	}
}

func (w *writer) flush() error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if err := w.buffer.Flush(); err != nil {
		return errors.Join(w.err, fmt.Errorf("write the history: %w", err))
	}
	return w.err
}

// Save makes sure that everything judged so far is in the history file.
func (r *Recorder) Save() error {
	if r.history == nil {
		return errors.New("this load keeps no history")
	}
	return r.history.flush()
}

// Verify judges a saved history, each window with its own timeout. Its lines may have any order. It ends early with ctx.
func Verify(ctx context.Context, in io.Reader, timeout time.Duration) (Verdict, error) {
	keys, err := read(ctx, in)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Word: OK, Keys: len(keys)}
	begun := time.Now()
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		for w := range windows(name, keys[name]) {
			if ctx.Err() != nil {
				return Verdict{}, context.Cause(ctx)
			}
			v.take(w, timeout)
		}
	}
	v.Spent = time.Since(begun)
	switch {
	case v.Violations > 0:
		v.Word = Violation
	case len(v.Undecided) > 0:
		v.Word = Undecided
	}
	return v, nil
}

// take judges a window.
func (v *Verdict) take(w *window, timeout time.Duration) {
	for _, o := range w.recorded {
		if o.Outcome == Unknown && o.Kind != Get {
			v.Unknown++
		}
	}
	v.Checked += len(w.operations)
	switch w.judge(timeout) {
	case porcupine.Unknown:
		if n := len(v.Undecided); n == 0 || v.Undecided[n-1] != w.key {
			v.Undecided = append(v.Undecided, w.key)
		}
	case porcupine.Illegal:
		if v.Violations++; v.Failing == nil {
			v.Failing = failingOf(w, w.shortest())
		}
	}
}

// windows cuts a key's operations, in the order of their calls, where none of them is under way, as a [Recorder] does
// while they come in. Behind a delete of unknown outcome nothing is cut: it may be executed at any time.
func windows(name string, operations []*Operation) iter.Seq[*window] {
	return func(yield func(*window) bool) {
		var from register
		var pending []*Operation
		first, end, lost := 0, time.Duration(math.MinInt64), false
		for i := 0; i <= len(operations); i++ {
			if i < len(operations) && (i-first < windowOperations || lost || operations[i].Call <= end) {
				o := operations[i]
				end, lost = max(end, o.Return), lost || o.Kind == Delete && o.Outcome == Unknown
				continue
			}
			w := &window{key: name, from: from, recorded: operations[first:i]}
			pending = w.resolve(w.recorded, pending, w.recorded[0].Call)
			from = w.after()
			if !yield(w) {
				return
			}
			if first = i; i < len(operations) {
				end = operations[i].Return
				lost = operations[i].Kind == Delete && operations[i].Outcome == Unknown
			}
		}
	}
}

// read gives the operations of a history file by key, in the order of their calls.
func read(ctx context.Context, in io.Reader) (map[string][]*Operation, error) {
	keys := map[string][]*Operation{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineBytesMax)
	number := 0
	for lines.Scan() {
		if number++; ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if len(lines.Bytes()) == 0 {
			continue
		}
		o := &Operation{}
		if err := json.Unmarshal(lines.Bytes(), o); err != nil {
			return nil, fmt.Errorf("line %d of the history: %w", number, err)
		}
		if err := o.check(); err != nil {
			return nil, fmt.Errorf("line %d of the history: %w", number, err)
		}
		keys[o.Key] = append(keys[o.Key], o)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the history after line %d: %w", number, err)
	}
	if len(keys) == 0 {
		return nil, errors.New("the history is empty")
	}
	for _, operations := range keys {
		slices.SortStableFunc(operations, func(a, b *Operation) int { return cmp.Compare(a.Call, b.Call) })
	}
	return keys, nil
}

func (o *Operation) check() error {
	switch {
	case o.Kind != Put && o.Kind != Get && o.Kind != Delete:
		return fmt.Errorf("unknown op %q, use put, get or del", o.Kind)
	case o.Outcome != Done && o.Outcome != NotSent && o.Outcome != Unknown:
		return fmt.Errorf("unknown outcome %q, use done, not_done or unknown", o.Outcome)
	case o.Return < o.Call:
		return fmt.Errorf("the operation ended %v before it began", o.Call-o.Return)
	case o.Outcome == Done && o.Kind != Get && o.Revision == 0:
		return errors.New("an update that was done has no revision")
	}
	return nil
}
