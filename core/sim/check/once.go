package check

import (
	"fmt"

	"synod/core/kv"
	"synod/core/session"
)

// isExecution: the event is an update that changed the store here and now, not
// one that was refused and not the repetition of an earlier result.
func isExecution(e *Event) bool {
	update := e.Command.Op == kv.Put || e.Command.Op == kv.Delete
	return update && e.Result.Status == session.OK && !e.Result.Repeated
}

// once is S7: every operation is executed at one place at most, however often it
// was sent; its answer names that place; what was refused is never executed. A
// place in a session belongs to one operation alone.
type once struct {
	owners     map[submission]uint64   // operation by session and sequence
	executions map[submission]Position // first execution by session and sequence
	operations map[uint64]*operationFate
	lows       map[session.ID]uint64 // the highest low that each session has sent
}

type submission struct {
	session  session.ID
	sequence uint64
}

type operationFate struct {
	operation *Operation
	executed  bool
	at        Position
	revision  uint64
}

func newOnce() *once {
	return &once{
		owners:     map[submission]uint64{},
		executions: map[submission]Position{},
		operations: map[uint64]*operationFate{},
		lows:       map[session.ID]uint64{},
	}
}

func (*once) Name() string { return "once" }

func (w *once) Watch(e *Event) error {
	switch e.Kind {
	case Invoked:
		w.operations[e.Operation.ID] = &operationFate{operation: e.Operation}
	case Submitted:
		return w.submitted(e)
	case Executed:
		if isExecution(e) {
			return w.executed(e)
		}
	case Returned:
		return w.returned(e.Operation)
	}
	return nil
}

// submitted judges the place that an operation is sent under, and its low: all
// sequences below must have results, which only executed ones have.
func (w *once) submitted(e *Event) error {
	key := submission{e.Session, e.Sequence}
	owner, taken := w.owners[key]
	if taken && owner != e.Operation.ID {
		return fmt.Errorf("sequence %d of session %v is used for operations %d and %d",
			e.Sequence, e.Session, owner, e.Operation.ID)
	}
	w.owners[key] = e.Operation.ID
	for low := max(w.lows[e.Session], 1); low < e.Low; low++ {
		below := submission{e.Session, low}
		owner, sent := w.owners[below]
		if _, executed := w.executions[below]; sent && !executed {
			return fmt.Errorf("%v is sent with low %d, but the result of operation %d, sequence %d of session %v, is unknown",
				e.Operation, e.Low, owner, low, e.Session)
		}
	}
	w.lows[e.Session] = max(w.lows[e.Session], e.Low)
	return nil
}

func (w *once) executed(e *Event) error {
	key := submission{e.Command.Update.Session, e.Command.Update.Sequence}
	at := Position{e.Slot, e.Result.Index}
	first, again := w.executions[key]
	if again && first != at {
		return fmt.Errorf("sequence %d of session %v is executed at %s and at %s",
			key.sequence, key.session, first, at)
	}
	w.executions[key] = at
	owner, ok := w.owners[key]
	if !ok {
		return fmt.Errorf("at %s %s executes sequence %d of session %v, which nobody sent",
			at, e.Agent, key.sequence, key.session)
	}
	fate := w.operations[owner]
	if fate.executed && fate.at != at {
		return fmt.Errorf("%v is executed at %s and at %s", fate.operation, fate.at, at)
	}
	if o := fate.operation; string(e.Command.Key) != o.Key || string(e.Command.Value) != o.Value {
		return fmt.Errorf("at %s %s executes %q = %q under the name of %v",
			at, e.Agent, e.Command.Key, e.Command.Value, o)
	}
	fate.executed, fate.at, fate.revision = true, at, e.Result.Revision
	return w.returned(fate.operation)
}

// returned holds the answer against what happened, as far as both are known.
func (w *once) returned(o *Operation) error {
	if o.Op == Get {
		return nil
	}
	fate := w.operations[o.ID]
	switch o.Outcome {
	case Refused:
		if fate.executed {
			return fmt.Errorf("%v was refused as not executed, but is executed at %s", o, fate.at)
		}
	case Done:
		if !fate.executed {
			return fmt.Errorf("%v was answered as done at %s, but no replica executed it", o, o.position())
		}
		if fate.at != o.position() || fate.revision != o.Revision {
			return fmt.Errorf("%v was answered as done at %s revision %d, but was executed at %s revision %d",
				o, o.position(), o.Revision, fate.at, fate.revision)
		}
	}
	return nil
}

func (*once) Finish() error { return nil }
