package check

import (
	"fmt"

	"synod/core/kv"
	"synod/core/paxos"
)

// prefix is S5: every learner applies the chosen sequence slot after slot, and
// all that have applied the same slots are in the same state. At the end it holds
// every store against rows that it computed itself.
type prefix struct {
	ledger   *Ledger
	learners []learned
	states   []state // by slot
	model    model
	final    paxos.Slot
}

type learned struct {
	next    paxos.Slot // the slot that it must hand over next; 0: not known yet
	applied paxos.Slot
}

type state struct {
	known           bool
	owner           paxos.ReplicaID
	state, revision uint64
}

func newPrefix(ledger *Ledger, replicas int) *prefix {
	return &prefix{ledger: ledger, learners: make([]learned, replicas+1), model: newModel()}
}

func (*prefix) Name() string { return "prefix" }

func (w *prefix) Watch(e *Event) error {
	switch e.Kind {
	case Started:
		if e.Agent.Roles == paxos.RoleLearner {
			w.learners[e.Agent.Replica] = learned{next: e.Slot + 1, applied: e.Slot}
		}
	case Chose:
		return w.chose(e)
	case Executed:
		w.model.execute(e)
	case Applied:
		return w.applied(e)
	case Installed:
		w.learners[e.Agent.Replica] = learned{next: e.Slot + 1, applied: e.Slot}
		return w.applied(e)
	case Audited:
		return w.audited(e)
	}
	return nil
}

func (w *prefix) chose(e *Event) error {
	l := &w.learners[e.Agent.Replica]
	if e.Entry.Slot != l.next {
		return fmt.Errorf("%s applies slot %d where slot %d is next", e.Agent, e.Entry.Slot, l.next)
	}
	l.next++
	return nil
}

func (w *prefix) applied(e *Event) error {
	l := &w.learners[e.Agent.Replica]
	if e.Slot+1 != l.next {
		return fmt.Errorf("%s has applied through slot %d, but was given all before slot %d",
			e.Agent, e.Slot, l.next)
	}
	l.applied = e.Slot
	for paxos.Slot(len(w.states)) <= e.Slot {
		w.states = append(w.states, state{})
	}
	s := &w.states[e.Slot]
	switch {
	case !s.known:
		*s = state{true, e.Agent.Replica, e.State, e.Revision}
	case s.state != e.State || s.revision != e.Revision:
		return fmt.Errorf("at slot %d %s is in state %016x revision %d, but %s in %016x revision %d",
			e.Slot, e.Agent.Replica, e.State, e.Revision, s.owner, s.state, s.revision)
	}
	return nil
}

func (w *prefix) audited(e *Event) error {
	if w.final == 0 {
		w.final = e.Slot
	}
	if e.Slot != w.final {
		return fmt.Errorf("at the end %s has applied slot %d, another replica slot %d",
			e.Agent.Replica, e.Slot, w.final)
	}
	rows := 0
	for _, row := range e.Rows {
		want, ok := w.model.rows[row.Key]
		if !ok || want != row {
			return fmt.Errorf("at the end %s holds %q = %q of revision %d; the log gives %q of revision %d (there: %v)",
				e.Agent.Replica, row.Key, row.Value, row.Revision, want.Value, want.Revision, ok)
		}
		rows++
	}
	if rows != len(w.model.rows) {
		return fmt.Errorf("at the end %s holds %d keys, the log gives %d", e.Agent.Replica, rows, len(w.model.rows))
	}
	return nil
}

func (*prefix) Finish() error { return nil }

// model executes the log once, from what the first replica reported for each
// command. Whether a command may be executed is judged by once, not here.
type model struct {
	done Position
	rows map[string]Row
}

func newModel() model { return model{rows: map[string]Row{}} }

// execute takes the event's command if no replica came so far before.
func (m *model) execute(e *Event) {
	at := Position{e.Slot, e.Result.Index}
	if !m.advance(e) {
		return
	}
	switch e.Command.Op {
	case kv.Put:
		key := string(e.Command.Key)
		m.rows[key] = Row{Key: key, Value: string(e.Command.Value), Revision: e.Result.Revision}
	case kv.Delete:
		delete(m.rows, string(e.Command.Key))
	}
	m.done = at
}

// advance reports whether the event is an update that was executed for the first
// time in this place of the log.
func (m *model) advance(e *Event) bool {
	return isExecution(e) && m.done.Before(Position{e.Slot, e.Result.Index})
}
