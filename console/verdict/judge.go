package verdict

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// register is one key, as the judge sees it. The zero value is a key that was never written.
type register struct {
	exists   bool
	value    string
	revision uint64
}

// step says whether an operation may come next, and what it leaves. An update without a revision is one of unknown
// outcome that nobody has seen: a delete.
func step(before register, o *Operation) (bool, register) {
	switch {
	case o.Kind == Get && o.Found:
		return before.exists && before.value == o.Value && before.revision == o.Revision, before
	case o.Kind == Get:
		return !before.exists, before
	case o.Revision == 0:
		return true, register{revision: before.revision}
	default:
		return o.Revision > before.revision, register{o.Kind == Put, o.Value, o.Revision}
	}
}

func model(from register) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return from },
		Step: func(state, input, _ any) (bool, any) {
			legal, after := step(state.(register), input.(*Operation))
			return legal, after
		},
		DescribeOperation: func(input, _ any) string { return describe(input.(*Operation)) },
		DescribeState: func(state any) string {
			r := state.(register)
			if !r.exists {
				return "(no such key)"
			}
			return fmt.Sprintf("%s, revision %d", r.value, r.revision)
		},
	}
}

func describe(o *Operation) string {
	switch {
	case o.Kind == Put:
		return fmt.Sprintf("put %s, revision %d", o.Value, o.Revision)
	case o.Kind == Delete:
		return fmt.Sprintf("del, revision %d", o.Revision)
	case o.Found:
		return fmt.Sprintf("get = %s, revision %d, at %s", o.Value, o.Revision, o.Replica)
	default:
		return "get = (no such key), at " + o.Replica
	}
}

// events makes porcupine's operations.
func events(operations []*Operation) []porcupine.Operation {
	all := make([]porcupine.Operation, len(operations))
	for i, o := range operations {
		all[i] = porcupine.Operation{ClientId: max(o.Client, 0), Input: o, Call: int64(o.Call), Return: int64(o.Return)}
	}
	return all
}

// forever is the end of an operation that may still be executed.
const forever = time.Duration(math.MaxInt64)

// window is a part of one key's history: nothing of the key was under way at its beginning or at its end, except updates
// of unknown outcome.
type window struct {
	key  string
	from register
	// operations have known outcomes: reads that were answered, updates that were executed.
	operations []*Operation
	// deletes are those of unknown outcome. Nothing of the key comes after this window if there are any.
	deletes []*Operation
	// recorded are the operations as they were written down, whatever they mean.
	recorded []*Operation
}

// judge tells whether a window is linearizable; Unknown if the time did not suffice.
func (w *window) judge(timeout time.Duration) porcupine.CheckResult {
	result := porcupine.CheckOperationsTimeout(model(w.from), events(w.operations), timeout)
	if result == porcupine.Illegal && len(w.deletes) > 0 {
		result = porcupine.CheckOperationsTimeout(model(w.from), events(append(w.operations[:len(w.operations):len(w.operations)],
			w.deletes...)), timeout)
	}
	return result
}

// after is the state at the end of a window: the update with the highest revision was the last.
func (w *window) after() register {
	last := w.from
	for _, o := range w.operations {
		if o.Kind != Get && o.Revision > last.revision {
			_, last = step(last, o)
		}
	}
	return last
}

// sort out what a key's operations mean for the judge. pending are puts of unknown outcome from before: those whose
// value a read has seen were executed before the first such read ended, at the revision that it tells, and become known.
// What remains of them, with the new ones, is returned: it may yet be seen.
func (w *window) resolve(operations, pending []*Operation, begin time.Duration) (unseen []*Operation) {
	seen := map[string]*Operation{} // by value: the read that ended first
	for _, o := range operations {
		if o.Kind != Get || o.Outcome != Done || !o.Found {
			continue
		}
		if first := seen[o.Value]; first == nil || o.Return < first.Return {
			seen[o.Value] = o
		}
	}
	put := func(o *Operation) {
		read := seen[o.Value]
		if read == nil {
			unseen = append(unseen, o)
			return
		}
		executed := *o
		executed.Revision, executed.Return = read.Revision, max(read.Return, o.Call)
		executed.Call = max(o.Call, begin)
		executed.Return = max(executed.Return, executed.Call)
		w.operations = append(w.operations, &executed)
	}
	for _, o := range pending {
		put(o)
	}
	for _, o := range operations {
		switch {
		case o.Outcome == Done:
			w.operations = append(w.operations, o)
		case o.Outcome == NotSent || o.Kind == Get:
		case o.Kind == Delete:
			open := *o
			open.Return, open.Revision = forever, 0
			w.deletes = append(w.deletes, &open)
		default:
			put(o)
		}
	}
	return unseen
}
