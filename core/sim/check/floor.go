package check

import (
	"fmt"

	"synod/core/paxos"
)

// lives knows which incarnation of each acceptor is the latest that was ever normal.
// A disk that was put back to an older life may speak until it hears of the later
// one; what it says counts for nobody, and no promise is made for it.
type lives struct {
	latest [paxos.ReplicasMax + 1]paxos.Incarnation
}

func (*lives) Name() string { return "lives" }

func (w *lives) Watch(e *Event) error {
	if e.Kind == Told && e.Note.Kind == paxos.EventNormal {
		latest := &w.latest[e.Agent.Replica]
		*latest = max(*latest, e.Note.Incarnation)
	}
	return nil
}

// of is the latest life of a replica's acceptor.
func (w *lives) of(r paxos.ReplicaID) paxos.Incarnation { return w.latest[r] }

func (w *lives) isOld(e *paxos.Envelope) bool { return e.Incarnation < w.latest[e.From.Replica] }

func (*lives) Finish() error { return nil }

// floor is S8: what an acceptor that is normal has cut is in the store of its own
// replica, so that no crash can lose it.
type floor struct {
	lives  *lives
	floors [paxos.ReplicasMax + 1]paxos.Slot
	stores [paxos.ReplicasMax + 1]paxos.Slot
}

func (*floor) Name() string { return "floor" }

func (w *floor) Watch(e *Event) error {
	r := e.Agent.Replica
	learner := e.Agent.Roles == paxos.RoleLearner
	switch {
	case e.Kind == Started && learner, e.Kind == Stored, e.Kind == Installed:
		w.stores[r] = e.Slot
	case e.Kind == Told && e.Agent.Roles == paxos.RoleAcceptor:
		if e.Note.Kind == paxos.EventFloor || e.Note.Kind == paxos.EventNormal {
			w.floors[r] = e.Note.Slot
		}
		if e.Note.Kind == paxos.EventLost {
			w.floors[r] = 0
		}
	case e.Kind == Sent && e.Agent.Roles == paxos.RoleAcceptor && !w.lives.isOld(e.Envelope):
		return w.sent(e)
	}
	return nil
}

func (w *floor) sent(e *Event) error {
	r := e.Agent.Replica
	says := w.floors[r]
	switch m := e.Envelope.Message.(type) {
	case *paxos.Promise:
		says = max(says, m.Floor)
	case *paxos.RecoverState:
		says = max(says, m.Floor)
	case *paxos.Held:
		says = max(says, m.Floor)
	case *paxos.Accepted, *paxos.ReadAnswer:
	default:
		return nil
	}
	if says > w.stores[r] {
		return fmt.Errorf("%s sends %s and has cut all through slot %d, but the store of its replica holds slot %d",
			e.Agent, e.Envelope.Message.Kind(), says, w.stores[r])
	}
	return nil
}

func (*floor) Finish() error { return nil }
