package sim

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"testing"

	"synod/core/paxos"
	"synod/core/sim/check"
)

// partialOptions are a cluster as it is delivered, with a few clients and without any other fault.
func partialOptions(seed uint64) Options {
	return Options{
		Seed: seed, Replicas: 5, ServeMax: 100 * check.Second,
		SegmentBytes: 16384, SyncMin: 100, SyncMean: 200, MailboxMax: 1024, StorePendingMax: 256,
		TickMin: 9900, TickMax: 10100,
		Network:  NetworkOptions{DelayMin: 50, DelayMean: 100, Ordered: true, FlightMax: 1000},
		Sessions: SessionOptions{Max: 1000, GuardSlots: 1000},
		Workload: WorkloadOptions{
			Clients: 5, Keys: 4, Pipeline: 1, ValueBytesMax: 8, Think: 20 * check.Millisecond, Gets: 20,
			AttemptMax: 500 * check.Millisecond, DeadlineMax: 3 * check.Second,
		},
		Faults: FaultOptions{DownMax: 50 * check.Millisecond},
	}
}

// TestAnyCutsThatLeaveAPossibleLeaderSettle cuts links at random, each direction for itself. As long as one replica can
// talk both ways with two others, such a one leads within seconds, and stays, and what its majority is asked for gets
// chosen: those who hear no leader must not disturb, and one that is not heard must give up.
func TestAnyCutsThatLeaveAPossibleLeaderSettle(t *testing.T) {
	runs := uint64(12)
	if os.Getenv("SYNOD_SOAK") != "" {
		runs = 2000
	}
	tried := 0
	for seed := uint64(1); seed <= runs; seed++ {
		if settles(t, seed) {
			tried++
		}
	}
	if tried < int(runs)*2/3 {
		t.Errorf("only %d of %d draws leave a possible leader", tried, runs)
	}
}

// settles runs one draw, and reports whether it leaves a possible leader.
func settles(t *testing.T, seed uint64) bool {
	t.Helper()
	c := newCluster(partialOptions(seed), nil)
	counting, leaders := false, 0
	c.watch = func(e *check.Event) {
		if counting && e.Kind == check.Told && e.Note.Kind == paxos.EventLeading {
			leaders++
		}
	}
	c.boot()
	c.asking = true
	for _, k := range c.clients {
		k.think()
	}
	c.until(c.now+2*check.Second, nil)
	cuts, possible := cutAtRandom(c, seed)
	if possible == 0 {
		return false
	}
	c.until(c.now+4*check.Second, nil)
	counting = true
	last, lastAt, gap := c.panel.Ledger().LastChosen(), c.now, check.Time(0)
	for end := c.now + 6*check.Second; c.now < end && !c.violated(); {
		c.until(c.now+20*check.Millisecond, nil)
		if now := c.panel.Ledger().LastChosen(); now != last {
			last, lastAt = now, c.now
		}
		gap = max(gap, c.now-lastAt)
	}
	leader := c.leader()
	switch {
	case c.violated():
		t.Errorf("seed %d, the cuts are%s: %v", seed, cuts, c.violation())
	case leader == nil || !possible.has(leader.id):
		t.Errorf("seed %d, the cuts are%s: of %07b nobody leads", seed, cuts, possible)
	case leaders > 1:
		t.Errorf("seed %d, the cuts are%s: %d leaders came into office in 6 s", seed, cuts, leaders)
	case gap > 3*check.Second: // the clients' patience is a part of it: most ask where nobody can serve
		t.Errorf("seed %d, the cuts are%s: nothing was chosen for %s", seed, cuts, gap)
	}
	return true
}

// cutAtRandom cuts some links. It gives them, and the replicas that can talk with two others.
func cutAtRandom(c *cluster, seed uint64) (cuts string, possible replicaSet) {
	random := rand.New(rand.NewPCG(seed, 77))
	share := pick(random, 0.15, 0.3, 0.45)
	n := paxos.ReplicaID(c.options.Replicas)
	var whole [paxos.ReplicasMax + 1]replicaSet // to whom each can talk
	for from := paxos.ReplicaID(1); from <= n; from++ {
		for to := paxos.ReplicaID(1); to <= n; to++ {
			switch {
			case from == to:
			case random.Float64() < share:
				c.network.cutBetween(only(from), only(to), 1)
				cuts += fmt.Sprintf(" %s>%s", from, to)
			default:
				whole[from] = whole[from].with(to)
			}
		}
	}
	for r := paxos.ReplicaID(1); r <= n; r++ {
		both := 0
		whole[r].each(func(other paxos.ReplicaID) { both += bits.OnesCount8(uint8(whole[other] & only(r))) })
		if both >= c.options.Replicas/2 {
			possible = possible.with(r)
		}
	}
	return cuts, possible
}
