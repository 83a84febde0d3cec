package paxos

import "testing"

// told gives the event of a kind in an output.
func told(out *Output, kind EventKind) (Event, bool) {
	for _, e := range out.Events {
		if e.Kind == kind {
			return e, true
		}
	}
	return Event{}, false
}

// awaitEvent lets time pass until the proposer tells an event.
func awaitEvent(t *testing.T, p *Proposer, kind EventKind) Event {
	t.Helper()
	for range 8 * p.options.ElectionTicks {
		if e, ok := told(ticks(p, 1), kind); ok {
			return e
		}
	}
	t.Fatalf("no event %q while it is %s", kind, p.State())
	return Event{}
}

// TestEventsSayWhy: what a person asks about a change of leaders stands in the
// events: for how long nobody was heard, who promised, how much is proposed again,
// who said yes in vain, and who still hears a leader that gives up.
func TestEventsSayWhy(t *testing.T) {
	p := follower(t)
	if e := awaitEvent(t, p, EventLeaderLost); e.Ballot != ballot2 || e.Ticks < uint64(p.options.ElectionTicks) {
		t.Errorf("after %d silent ticks: %+v", p.options.ElectionTicks, e)
	}
	step(p, canvassReply(1, p.attempt, true, Ballot{}, 0), canvassReply(3, p.attempt, true, Ballot{}, 0))
	if e := awaitEvent(t, p, EventCanvassing); e.Replicas != 0b101 {
		t.Errorf("r1 and r3 said yes, the event has %b", e.Replicas)
	}
	for r := ReplicaID(1); r <= 3; r++ {
		step(p, canvassReply(r, p.attempt, true, Ballot{}, 0))
	}
	if p.State() != Preparing {
		t.Fatalf("three of five make it %s", p.State())
	}
	var leads *Output
	for r := ReplicaID(1); r <= 3; r++ {
		held := []Entry{{Slot: 4, Ballot: ballot2, Value: Value("12345678x")}}
		leads = step(p, from(r, RoleAcceptor, &Promise{Ballot: p.ballot, From: p.from, Parts: 1, Entries: held}))
	}
	e, ok := told(leads, EventLeading)
	if !ok || e.Replicas != 0b111 || e.Slots != 4 {
		t.Errorf("r1 to r3 promised, slots 1 to 4 are proposed again: %+v", e)
	}
	if !e.Replicas.Has(3) || e.Replicas.Has(4) || e.Replicas.Has(Everyone) {
		t.Errorf("a set of r1 to r3: %b", e.Replicas)
	}
	if e := awaitEvent(t, p, EventResigned); e.Replicas != 0b1 {
		t.Errorf("only r1 hears itself: %+v", e)
	}
	awaitEvent(t, p, EventCanvassing)
	step(p, canvassReply(4, p.attempt, true, Ballot{}, 0))
	for p.State() == Canvassing {
		ticks(p, 1)
	}
	step(p, heartbeat(Ballot{Round: p.round + 1, Replica: 2, Run: 5}, 1, 0))
	if e := awaitEvent(t, p, EventCanvassing); e.Replicas != 0 {
		t.Errorf("a canvass after a leader was heard tells of one before: %+v", e)
	}
}
