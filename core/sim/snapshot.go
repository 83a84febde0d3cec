package sim

import (
	"fmt"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/paxos"
	"synod/core/sim/check"
)

// snapshot is a copy of another replica's state, on its way or here.
type snapshot struct {
	store *memstore.Store
	slot  paxos.Slot
}

// Want implements agent.Sink: the copy is taken now and is here some time later, if
// both replicas live that long and hear each other.
func (s *sink) Want(want paxos.Snapshot) {
	c, r := s.replica.cluster, s.replica
	from := c.replicas[want.From-1]
	if s.fetching || s.fetched != nil {
		return
	}
	s.fetching = true
	c.after(between(c.streams.network, check.Millisecond, 100*check.Millisecond), func() {
		s.fetching = false
		if r.machine != s.machine || r.learner.agent == nil || !c.reaches(from, r) || from.machine == nil {
			return
		}
		copied := copyStore(from.store, c.options.StorePendingMax)
		slot, err := copied.Durable()
		if err != nil || paxos.Slot(slot) < want.AtLeast {
			return
		}
		s.fetched = &snapshot{copied, paxos.Slot(slot)}
		e := paxos.Envelope{
			Cluster: c.id, From: r.learner.address, Incarnation: 1, To: r.learner.address,
			Message: &paxos.SnapshotReady{Slot: paxos.Slot(slot)},
		}
		r.learner.receive(&e)
	})
}

// reaches reports whether messages pass both ways between two running replicas.
func (c *cluster) reaches(a, b *replica) bool {
	return a.up && b.up && a.paused == 0 && b.paused == 0 &&
		c.network.link(a.id, b.id).cut == 0 && c.network.link(b.id, a.id).cut == 0
}

// copyStore copies every row, in one durable batch.
func copyStore(store *memstore.Store, pendingMax int) *memstore.Store {
	view := store.Snapshot()
	var batch kv.Batch
	err := view.Ascend(nil, []byte{0xff}, func(key, value []byte) bool {
		batch.Set(key, value)
		return true
	})
	copied := memstore.New(pendingMax)
	if err == nil {
		err = copied.Apply(&batch)
	}
	if err == nil {
		err = copied.Flush()
	}
	if err == nil {
		err = view.Close()
	}
	if err != nil {
		panic(err) // a store in memory does not fail
	}
	return copied
}

// Install implements agent.Sink.
func (s *sink) Install(slot paxos.Slot) error {
	if s.fetched == nil || s.fetched.slot != slot {
		return fmt.Errorf("no snapshot at slot %d is here", slot)
	}
	r := s.replica
	r.store, s.fetched = s.fetched.store, nil
	machine, err := r.newMachine()
	if err != nil {
		return err
	}
	r.machine, s.machine = machine, machine
	mark := machine.Chain()
	r.cluster.show(check.Event{
		Kind: check.Installed, Agent: r.learner.address, Slot: paxos.Slot(mark.Slot),
		State: stateOf(machine), Revision: machine.Revision(),
	})
	return nil
}

// stateOf is a hash of the state.
func stateOf(machine *kv.Machine) uint64 {
	return machine.Chain().Hash ^ uint64(machine.Sessions())<<48 ^ machine.LogMillis()
}

// flush makes the store durable now and then, and says so.
func (r *replica) flush() {
	c := r.cluster
	if r.machine == nil || c.now < r.flushAt {
		return
	}
	r.flushAt = c.now + c.options.FlushEvery
	if err := r.store.Flush(); err != nil {
		panic(err) // a store in memory does not fail
	}
	c.show(check.Event{Kind: check.Stored, Agent: r.learner.address, Slot: r.durable()})
}
