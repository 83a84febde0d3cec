package paxos

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// reply is an acceptor's answer as a tally sees it.
type reply struct {
	from ReplicaID
	inc  Incarnation
	v    Vector
}

// TestQuorumTable: "a majority of acceptors", and with lost memories a majority
// whose members did not forget since (crash-consistent quorums).
func TestQuorumTable(t *testing.T) {
	ones := Vector{1, 1, 1, 1, 1}
	// knows is the vector of somebody who knows that r1 lost its memory once.
	knows := Vector{2, 1, 1, 1, 1}
	for _, c := range []struct {
		name    string
		replies []reply
		want    bool
	}{
		{"nobody", nil, false},
		{"two of five", []reply{{1, 1, ones}, {2, 1, ones}}, false},
		{"three of five", []reply{{1, 1, ones}, {3, 1, ones}, {5, 1, ones}}, true},
		{"one acceptor three times", []reply{{1, 1, ones}, {1, 1, ones}, {1, 1, ones}}, false},
		{"one acceptor in three lives", []reply{{1, 1, ones}, {1, 2, knows}, {1, 3, Vector{3, 1, 1, 1, 1}}}, false},
		{"old life of r1 with one who knows", []reply{{1, 1, ones}, {2, 1, ones}, {3, 1, knows}}, false},
		{"order does not matter", []reply{{3, 1, knows}, {1, 1, ones}, {2, 1, ones}}, false},
		{"new life of r1 with one who knows", []reply{{1, 2, knows}, {2, 1, ones}, {3, 1, knows}}, true},
		{"the new life replaces the old", []reply{{1, 1, ones}, {2, 1, ones}, {3, 1, knows}, {1, 2, knows}}, true},
		{"the old life does not come back", []reply{{1, 2, knows}, {1, 1, ones}, {2, 1, ones}, {3, 1, knows}}, true},
		{
			"three consistent ones beside an old life",
			[]reply{{1, 1, ones}, {2, 1, knows}, {3, 1, knows}, {4, 1, knows}},
			true,
		},
		{
			"two old lives know nothing of each other",
			[]reply{{1, 1, ones}, {2, 1, ones}, {3, 1, Vector{2, 2, 1, 1, 1}}, {4, 1, Vector{2, 2, 1, 1, 1}}},
			false,
		},
	} {
		var tally tally
		for _, r := range c.replies {
			tally.add(r.from, r.inc, &r.v)
		}
		if got := tally.quorum(3); got != c.want {
			t.Errorf("%s: quorum is %v, want %v", c.name, got, c.want)
		}
	}
}

// TestTallyTellsNews: a repeated reply is no news, and counts once.
func TestTallyTellsNews(t *testing.T) {
	var tally tally
	v := Vector{1, 1, 1}
	if !tally.add(2, 1, &v) || tally.add(2, 1, &v) {
		t.Error("a reply is news once")
	}
	if tally.count() != 1 || !tally.has(2) || tally.has(1) {
		t.Errorf("one reply of r2 is counted as %d (r1 %v, r2 %v)", tally.count(), tally.has(1), tally.has(2))
	}
}

// TestQuorumsShareAnAcceptor: "any two majorities have at least one acceptor in
// common" (section 2.1), for every size of a cluster.
func TestQuorumsShareAnAcceptor(t *testing.T) {
	for _, n := range []int{1, 3, 5, 7} {
		cfg := Config{Replicas: n}
		if cfg.needAccept()+cfg.needPrepare() <= n {
			t.Errorf("%d replicas: quorums of %d and %d may miss each other", n, cfg.needAccept(), cfg.needPrepare())
		}
		if cfg.Majority() > (n+1)/2 {
			t.Errorf("%d replicas: %d are more than needed", n, cfg.Majority())
		}
	}
}

// TestQuorumAgainstModel compares the tally with the definition, written as
// directly as it can be.
func TestQuorumAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n := 3 + 2*random.IntN(3)
		var tally tally
		latest := map[ReplicaID]reply{}
		for range random.IntN(12) {
			r := reply{from: ReplicaID(1 + random.IntN(n)), inc: Incarnation(1 + random.IntN(3))}
			for i := range n {
				r.v[i] = Incarnation(1 + random.IntN(2))
			}
			r.v[r.from-1] = r.inc
			tally.add(r.from, r.inc, &r.v)
			if known, ok := latest[r.from]; !ok || known.inc <= r.inc {
				latest[r.from] = r
			}
		}
		if got, want := tally.quorum(n/2+1), modelQuorum(latest, n); got != want {
			t.Fatalf("quorum of %v is %v, want %v", latest, got, want)
		}
	})
}

// modelQuorum tries every set of acceptors.
func modelQuorum(replies map[ReplicaID]reply, n int) bool {
	for set := range 1 << n {
		size, consistent := 0, true
		for i := range n {
			x, ok := replies[ReplicaID(i+1)]
			if set&(1<<i) == 0 {
				continue
			}
			size++
			consistent = consistent && ok
			for j := range n {
				y, ok := replies[ReplicaID(j+1)]
				if set&(1<<j) != 0 && ok {
					consistent = consistent && x.inc >= y.v[i] && y.inc >= x.v[j]
				}
			}
		}
		if consistent && size > n/2 {
			return true
		}
	}
	return false
}
