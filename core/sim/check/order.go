package check

import (
	"fmt"

	"synod/core/kv"
)

// order is S10a. Every operation has a place in the log, so linearizability is
// simple to judge from inside: an operation that began after another one had
// returned must stand behind it, and a read must show what the log says there.
type order struct {
	returned Position            // the furthest place of all that has returned
	begun    map[uint64]Position // returned, at the begin of each operation
	done     Position
	versions map[string][]version
}

type version struct {
	at       Position
	exists   bool
	value    string
	revision uint64
}

func newOrder() *order {
	return &order{begun: map[uint64]Position{}, versions: map[string][]version{}}
}

func (*order) Name() string { return "order" }

func (w *order) Watch(e *Event) error {
	switch e.Kind {
	case Executed:
		w.executed(e)
	case Invoked:
		w.begun[e.Operation.ID] = w.returned
	case Returned:
		return w.judge(e.Operation)
	}
	return nil
}

func (w *order) executed(e *Event) {
	at := Position{e.Slot, e.Result.Index}
	if !isExecution(e) || !w.done.Before(at) {
		return
	}
	w.done = at
	key := string(e.Command.Key)
	put := e.Command.Op == kv.Put
	v := version{at: at, exists: put, revision: e.Result.Revision}
	if put {
		v.value = string(e.Command.Value)
	}
	w.versions[key] = append(w.versions[key], v)
}

func (w *order) judge(o *Operation) error {
	begun := w.begun[o.ID]
	delete(w.begun, o.ID)
	if o.Outcome != Done {
		return nil
	}
	at := o.position()
	if o.Op == Get {
		if err := w.read(o); err != nil {
			return err
		}
	}
	if o.Stale {
		return nil
	}
	late := begun.Before(at) || o.Op == Get && begun == at
	if !late && begun != (Position{}) {
		return fmt.Errorf("%v began when the log was known through %s, but was answered from %s", o, begun, at)
	}
	if w.returned.Before(at) {
		w.returned = at
	}
	return nil
}

// read holds a get against the log's state at its slot.
func (w *order) read(o *Operation) error {
	var want version
	for _, v := range w.versions[o.Key] {
		if !v.at.Before(o.position()) {
			break
		}
		want = v
	}
	if o.Found == want.exists && o.Read == want.value && (!o.Found || o.Revision == want.revision) {
		return nil
	}
	return fmt.Errorf("%v was answered %q revision %d (there: %v) at slot %d; the log says %q revision %d (there: %v)",
		o, o.Read, o.Revision, o.Found, o.Slot, want.value, want.revision, want.exists)
}

func (*order) Finish() error { return nil }

// durability is S6: an update that was acknowledged is in the log of every
// replica at the end.
type durability struct {
	acknowledged []*Operation
	executed     map[Position]string
}

func newDurability() *durability { return &durability{executed: map[Position]string{}} }

func (*durability) Name() string { return "durability" }

func (w *durability) Watch(e *Event) error {
	switch e.Kind {
	case Executed:
		if isExecution(e) {
			w.executed[Position{e.Slot, e.Result.Index}] = string(e.Command.Key)
		}
	case Returned:
		if e.Operation.Op != Get && e.Operation.Outcome == Done {
			w.acknowledged = append(w.acknowledged, e.Operation)
		}
	case Audited:
		return w.audited(e)
	}
	return nil
}

func (w *durability) audited(e *Event) error {
	for _, o := range w.acknowledged {
		if o.Slot > e.Slot {
			return fmt.Errorf("%v was acknowledged at %s, but %s ends at slot %d",
				o, o.position(), e.Agent.Replica, e.Slot)
		}
		if key, ok := w.executed[o.position()]; !ok || key != o.Key {
			return fmt.Errorf("%v was acknowledged at %s, which holds no such update", o, o.position())
		}
	}
	return nil
}

func (*durability) Finish() error { return nil }
