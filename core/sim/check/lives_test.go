package check

import (
	"testing"

	"synod/core/paxos"
)

// in puts a message of an acceptor into a life, with what it knows of the others.
func in(life paxos.Incarnation, known paxos.Vector, e Event) Event {
	own := *e.Envelope
	own.Incarnation = life
	known[own.From.Replica-1] = life
	switch m := own.Message.(type) {
	case *paxos.Accepted:
		copied := *m
		copied.Vector, own.Message = known, &copied
	case *paxos.Promise:
		copied := *m
		copied.Vector, own.Message = known, &copied
	}
	e.Envelope = &own
	return e
}

func tells(r paxos.ReplicaID, note paxos.Event) Event {
	return Event{Kind: Told, Agent: agentOf(r, paxos.RoleAcceptor), Note: &note}
}

// recovers: an acceptor is normal again.
func recovers(r paxos.ReplicaID, life paxos.Incarnation, promised paxos.Ballot, floor paxos.Slot) Event {
	return tells(r, paxos.Event{Kind: paxos.EventNormal, Incarnation: life, Ballot: promised, Slot: floor})
}

var ones = paxos.Vector{1, 1, 1}

// knows is what an acceptor knows that has heard of r1's second life.
var knows = paxos.Vector{2, 1, 1}

// TestQuorumOverLives: votes of different lives are no majority.
func TestQuorumOverLives(t *testing.T) {
	makeIt := withLedger(func(l *Ledger) Watcher { return &agreement{ledger: l} })
	makeIt2 := func() (Watcher, []Watcher) { w, _ := makeIt(); return w, nil }
	old := in(1, ones, votes(1, low, 1))
	expect(t, makeIt2, []planted{
		{"of one life", events(proposes(low, 1, "a"), old, in(1, ones, votes(2, low, 1)), takes(1, 1, "a")), ""},
		{
			"of two lives",
			events(proposes(low, 1, "a"), old, in(1, knows, votes(2, low, 1)), takes(1, 1, "a")), "no majority",
		},
		{
			"of the new life",
			events(proposes(low, 1, "a"), old, in(1, knows, votes(2, low, 1)), in(2, ones, votes(1, low, 1)),
				takes(1, 1, "a")), "",
		},
		{
			"of two who do not know", // the third one does, and helped
			events(proposes(low, 1, "a"), old, in(1, knows, votes(3, low, 1)), in(1, ones, votes(2, low, 1)),
				takes(1, 1, "a")), "",
		},
	})
}

// TestPromiseOverLives: what was counted in a quorum binds every later life.
func TestPromiseOverLives(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) {
		l := &lives{}
		return newPromise(NewLedger(3), l), []Watcher{l}
	}
	counted := []Event{in(1, ones, promises(1, high)), in(1, ones, promises(2, high))}
	alone := []Event{in(1, ones, promises(1, high)), in(1, knows, promises(2, high))}
	expect(t, makeIt, []planted{
		{"known again", events(append(counted[:2:2], recovers(1, 2, high, 0))...), ""},
		{"forgotten", events(append(counted[:2:2], recovers(1, 2, low, 0))...), "was counted for"},
		{"forgotten, and nobody counts it", events(append(alone[:2:2], recovers(1, 2, low, 0))...), ""},
		{
			"an older life speaks", events(append(alone[:2:2], recovers(1, 2, high, 0),
				in(1, ones, promises(1, low)))...), "",
		},
	})
}

// TestVoteOverLives: a counted vote is reported in every later life.
func TestVoteOverLives(t *testing.T) {
	entry := paxos.Entry{Slot: 1, Ballot: low, Value: paxos.Value("a")}
	makeIt := withLedger(func(l *Ledger) Watcher { return &vote{ledger: l, lives: &lives{}} })
	chosen := []Event{proposes(low, 1, "a"), in(1, ones, votes(1, low, 1)), in(1, ones, votes(2, low, 1))}
	single := []Event{proposes(low, 1, "a"), in(1, ones, votes(1, low, 1)), in(1, knows, votes(2, low, 1))}
	helps := func(floor paxos.Slot, entries ...paxos.Entry) Event {
		return in(2, ones, sent(1, paxos.RoleAcceptor, &paxos.RecoverState{
			From: 1, Through: 1, Last: true, Floor: floor, Entries: entries,
		}))
	}
	expect(t, makeIt, []planted{
		{"told", events(append(chosen[:3:3], helps(0, entry))...), ""},
		{"cut", events(append(chosen[:3:3], helps(1))...), ""},
		{"forgotten", events(append(chosen[:3:3], helps(0))...), "has voted there"},
		{"forgotten, and nobody counts it", events(append(single[:3:3], helps(0))...), ""},
		{
			"forgotten in a read",
			events(append(chosen[:3:3], in(2, ones, sent(1, paxos.RoleAcceptor, &paxos.ReadAnswer{})))...),
			"has voted for slot 1",
		},
	})
}

func TestFloor(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) {
		l := &lives{}
		return &floor{lives: l}, []Watcher{l}
	}
	stores := func(s paxos.Slot) Event {
		return Event{Kind: Stored, Agent: agentOf(1, paxos.RoleLearner), Slot: s}
	}
	raises := tells(1, paxos.Event{Kind: paxos.EventFloor, Slot: 5})
	votesNow := in(1, ones, votes(1, low, 9))
	expect(t, makeIt, []planted{
		{"below the checkpoint", events(stores(5), raises, votesNow), ""},
		{"above it", events(stores(4), raises, votesNow), "has cut all through slot 5"},
		{"the store is lost", events(stores(5), raises, started(1, paxos.RoleLearner), votesNow), "holds slot 0"},
		{"the store is lost, and so is the log", events(stores(5), raises, started(1, paxos.RoleLearner),
			tells(1, paxos.Event{Kind: paxos.EventLost}), votesNow), ""},
		{"normal too early", events(recovers(1, 2, low, 3), in(2, ones, votes(1, low, 9))), "has cut all through slot 3"},
		{"a copy is there", events(Event{Kind: Installed, Agent: agentOf(1, paxos.RoleLearner), Slot: 3},
			recovers(1, 2, low, 3), in(2, ones, votes(1, low, 9))), ""},
	})
}

// TestSilenceInRecovery: nobody without memory helps.
func TestSilenceInRecovery(t *testing.T) {
	makeIt := func() (Watcher, []Watcher) { return &silence{}, nil }
	lost := tells(1, paxos.Event{Kind: paxos.EventLost})
	helps := sent(1, paxos.RoleAcceptor, &paxos.RecoverState{})
	expect(t, makeIt, []planted{
		{"waits", events(lost, sent(1, paxos.RoleAcceptor, &paxos.Recovering{})), ""},
		{"helps", events(lost, helps), "refuses, and yet sends RecoverState"},
		{"helps later", events(lost, recovers(1, 2, low, 0), helps), ""},
	})
}
