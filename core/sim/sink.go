package sim

import (
	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/core/sim/check"
)

// sink is the state machine behind a learner. It shows the tap what is applied and
// hands results and reads to the gateway.
type sink struct {
	replica *replica
	machine *kv.Machine

	entries []kv.Entry
	results []session.Result
}

// Apply implements agent.Sink.
func (s *sink) Apply(chosen []paxos.Entry) error {
	s.entries = s.entries[:0]
	c, learner := s.replica.cluster, s.replica.learner.address
	for i := range chosen {
		c.show(check.Event{Kind: check.Chose, Agent: learner, Slot: chosen[i].Slot, Entry: &chosen[i]})
		s.entries = append(s.entries, kv.Entry{Slot: uint64(chosen[i].Slot), Value: chosen[i].Value})
	}
	if c.violated() {
		return nil // the state machine may panic at what agreement has forbidden
	}
	results, err := s.machine.ApplyBatch(s.entries, s.results[:0])
	s.results = results
	if err != nil {
		return err
	}
	s.showResults()
	mark := s.machine.Chain()
	c.show(check.Event{
		Kind: check.Applied, Agent: learner, Slot: paxos.Slot(mark.Slot),
		State: mark.Hash ^ uint64(s.machine.Sessions())<<48 ^ s.machine.LogMillis(), Revision: s.machine.Revision(),
	})
	for i := range results {
		s.replica.gateway.applied(results[i])
	}
	return nil
}

// showResults pairs the results with their commands.
func (s *sink) showResults() {
	c, next := s.replica.cluster, 0
	for _, entry := range s.entries {
		for commands := kv.ReadCommands(entry.Value); commands.Next(); next++ {
			command, err := kv.Decode(commands.Command())
			if err != nil {
				panic(err) // the machine has just executed it
			}
			c.show(check.Event{
				Kind: check.Executed, Agent: s.replica.learner.address, Slot: paxos.Slot(entry.Slot),
				Command: &command, Result: &s.results[next],
			})
		}
	}
}

// Read implements agent.Sink.
func (s *sink) Read(done []paxos.ReadDone) {
	for _, read := range done {
		s.replica.gateway.readDone(read)
	}
}

// Durable implements agent.Sink.
func (s *sink) Durable() paxos.Slot {
	durable, err := s.replica.store.Durable()
	if err != nil {
		panic(err) // a store in memory does not fail
	}
	return paxos.Slot(durable)
}

// Want implements agent.Sink.
func (s *sink) Want(paxos.Snapshot) {}

// Install implements agent.Sink.
func (s *sink) Install(paxos.Slot) error { return nil }

// Close implements agent.Sink.
func (s *sink) Close() error { return nil }

// Abandon implements agent.Sink: the batches that the store has not made durable
// are gone, as many as the crash takes.
func (s *sink) Abandon() {
	store := s.replica.store
	keep := 0
	if pending := store.Pending(); pending > 0 {
		keep = s.replica.cluster.streams.disk.IntN(pending + 1)
	}
	store.Crash(keep)
	s.replica.machine = nil
}
