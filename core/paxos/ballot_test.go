package paxos

import (
	"math"
	"slices"
	"testing"
)

// TestBallotsAreTotallyOrdered: "different proposals have different numbers" and
// "proposal numbers are totally ordered" (Paxos Made Simple, section 2.2).
func TestBallotsAreTotallyOrdered(t *testing.T) {
	ordered := []Ballot{
		{},
		{Round: 0, Replica: 1, Run: 9},
		{Round: 1, Replica: 1, Run: 1},
		{Round: 1, Replica: 1, Run: 2},
		{Round: 1, Replica: 2, Run: 1},
		{Round: 2, Replica: 1, Run: 1},
		{Round: 2, Replica: 1, Run: 1<<64 - 1},
		{Round: 1<<64 - 1, Replica: 1, Run: 1},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := a.Less(b), i < j; got != want {
				t.Errorf("%s < %s is %v", a.Long(), b.Long(), got)
			}
			if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (i == j) {
				t.Errorf("%s and %s compare as %d and %d", a.Long(), b.Long(), a.Compare(b), b.Compare(a))
			}
		}
	}
	shuffled := slices.Clone(ordered)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, Ballot.Compare)
	if !slices.Equal(shuffled, ordered) {
		t.Errorf("sorting does not restore the order: %v", shuffled)
	}
}

func TestTextsForPeople(t *testing.T) {
	ballot := Ballot{Round: 12, Replica: 4, Run: 0xabc}
	for got, want := range map[string]string{
		ballot.String():   "12.r4",
		ballot.Long():     "12.r4/0000000000000abc",
		Ballot{}.String(): "-",
		Everyone.String(): "r*",
		Address{2, RoleAcceptor | RoleLearner}.String(): "r2.acceptor+learner",
		Address{2, RoleGateway}.String():                "r2.gateway",
		KindAccepted.String():                           "Accepted",
		Kind(999).String():                              "Kind(999)",
		Leading.String():                                "leading",
		EventRefusing.String():                          "acceptor refuses to vote",
		ClusterID{0xfe}.String()[:4]:                    "fe00",
	} {
		if got != want {
			t.Errorf("%q is printed, want %q", got, want)
		}
	}
}

// TestChosenRunCovers: an entry under a ballot below the run's may be the loser
// of an older ballot, whatever its slot.
func TestChosenRunCovers(t *testing.T) {
	low, at, high := Ballot{1, 1, 1}, Ballot{2, 1, 1}, Ballot{3, 1, 1}
	run := ChosenRun{at, 4, 6}
	for _, c := range []struct {
		slot   Slot
		ballot Ballot
		want   bool
	}{
		{3, high, false}, {4, at, true}, {6, high, true}, {7, at, false}, {5, low, false}, {5, Ballot{}, false},
	} {
		if got := run.Covers(c.slot, c.ballot); got != c.want {
			t.Errorf("run %+v covers slot %d in %s: %v, want %v", run, c.slot, c.ballot, got, c.want)
		}
	}
}

// TestSlotsKeepTheirPlaces checks the table of slots against a map.
func TestSlotsKeepTheirPlaces(t *testing.T) {
	slots := []Slot{1, 2, 511, 512, 513, 1024, 1025, 5000, 5001, 1 << 20}
	var table voteTable
	for _, s := range slots {
		table.At(s).ballot = Ballot{Round: uint64(s), Replica: 1, Run: 1}
	}
	for _, s := range slots {
		if v := table.find(s); v == nil || v.ballot.Round != uint64(s) {
			t.Errorf("slot %d is found as %+v", s, v)
		}
	}
	for _, s := range []Slot{0, 3, 510, 514, 4999, 1<<20 + 1, 1 << 40} {
		if v := table.find(s); v != nil {
			t.Errorf("slot %d is found as %+v, but nothing was put there", s, v)
		}
	}
	for s, want := Slot(0), 0; want < len(slots); want++ {
		got := table.next(s)
		if got != slots[want] {
			t.Fatalf("the next slot from %d on is %d, want %d", s, got, slots[want])
		}
		s = got + 1
	}
	if got := table.next(1<<20 + 1); got <= 1<<20 {
		t.Errorf("beyond the last vote there is slot %d", got)
	}
}

// TestNobodyTakesTheLastRound: one message with a round that nobody can outbid must
// not end the cluster, neither at an acceptor, who would remember it for ever, nor
// at a proposer, whose next round would begin at zero again.
func TestNobodyTakesTheLastRound(t *testing.T) {
	last := Ballot{Round: math.MaxUint64, Replica: 3, Run: 33}
	a := newTestAcceptor(1, 3)
	step(a, from(3, RoleProposer, &Prepare{Ballot: last, From: 1}))
	step(a, from(3, RoleProposer, &Accept{Ballot: last, Slot: 1}))
	if a.Promised() == last {
		t.Error("an acceptor promises the last round")
	}
	p, ballot := newTestProposer(3, ProposerOptions{})
	step(p, from(2, RoleAcceptor, &Nack{Ballot: ballot, Promised: last}))
	step(p, from(2, RoleProposer, &CanvassReply{Highest: math.MaxUint64, Leader: last}))
	step(p, from(3, RoleProposer, &Heartbeat{Ballot: last}))
	var out Output
	p.campaign(1, &out)
	if !ballot.Less(p.ballot) || p.ballot.Round > 2+roundsAheadMax {
		t.Errorf("after %v it campaigns with %v", ballot, p.ballot)
	}
}
