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

	durable  paxos.Slot // last shown
	fetching bool
	fetched  *snapshot // is here and was not installed yet
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
		State: stateOf(s.machine), Revision: s.machine.Revision(),
	})
	if s.fetched != nil && s.fetched.slot <= paxos.Slot(mark.Slot) {
		s.fetched = nil // this learner has overtaken it
	}
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
	durable := s.replica.durable()
	if durable != s.durable {
		s.durable = durable
		s.replica.cluster.show(check.Event{Kind: check.Stored, Agent: s.replica.learner.address, Slot: durable})
	}
	return durable
}

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
