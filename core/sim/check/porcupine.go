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
	judgeNanosMax = 120_000_000_000
)

// ErrUndecided: the judge ran out of time or of room. That is no pass.
var ErrUndecided = errors.New("cannot tell whether the history is linearizable")

// linearizable is S10b: the history of the clients alone, judged by porcupine.
type linearizable struct {
	history  []*Operation
	executed map[uint64]Execution
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
			w.sessions, w.executed = map[submission]uint64{}, map[uint64]Execution{}
		}
		w.sessions[submission{e.Session, e.Sequence}] = e.Operation.ID
	case Executed:
		if !isExecution(e) {
			return nil
		}
		id := w.sessions[submission{e.Command.Update.Session, e.Command.Update.Sequence}]
		if _, again := w.executed[id]; !again {
			w.executed[id] = Execution{e.At, e.Result.Revision}
		}
	}
	return nil
}

func (w *linearizable) Finish() error { return Linearizable(w.history, w.executed) }

// Execution is when an update was first executed anywhere, and the revision it made.
type Execution struct {
	At       Time
	Revision uint64
}

// register is the state of one key, as the judge sees it. Clients see revisions, and
// revisions grow, so they are a part of it; that leaves few orders to try.
type register struct {
	exists   bool
	value    string
	revision uint64
}

// Linearizable judges a history of puts, deletes and gets, key by key. The log is
// asked only about updates of whose outcome their clients know nothing, because to
// try such an update at all later times would cost the judge most: one that is not
// in the log is left out, any other has ended when it was executed.
func Linearizable(history []*Operation, executed map[uint64]Execution) error {
	byKey := map[string][]porcupine.Operation{}
	keys := []string{}
	for _, o := range history {
		call := called{o.Op, register{o.Op == kv.Put || o.Found, o.Value + o.Read, o.Revision}}
		end := o.Returned
		if o.Outcome != Done {
			execution, known := executed[o.ID]
			if !known {
				continue
			}
			end, call.register.revision = execution.At, execution.Revision
		}
		if byKey[o.Key] == nil {
			keys = append(keys, o.Key)
		}
		byKey[o.Key] = append(byKey[o.Key], porcupine.Operation{
			ClientId: o.Client, Input: call, Call: int64(o.Invoked), Return: int64(end),
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

// called is an operation with what it made of the key's state, or what it saw of it.
type called struct {
	op       kv.Op
	register register
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
	r, c := before.(register), input.(called)
	if c.op != Get {
		return r.revision < c.register.revision, c.register
	}
	return r.exists == c.register.exists && (!r.exists || r == c.register), before
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
