package sim

import (
	"math/bits"
	"math/rand/v2"

	"synod/core/paxos"
	"synod/core/sim/check"
)

// network decides what becomes of a message: when it arrives, how often, or never.
// Links have a direction. Messages inside a replica do not pass it.
type network struct {
	options NetworkOptions
	random  *rand.Rand
	links   [paxos.ReplicasMax + 1][paxos.ReplicasMax + 1]link
	// starved are kinds of messages that do not get through now.
	starved [starvationsMax]starvation
	counts  NetworkCounts
}

// starvationsMax bounds how many starvations there are at a time.
const starvationsMax = 8

// NetworkCounts count messages by what became of them.
type NetworkCounts struct {
	Sent, Dropped, Cut, Starved, Duplicated, Capsules, Full uint64
}

// link is the way from one replica to another.
type link struct {
	cut    int        // how many faults cut it now
	delay  check.Time // added to each message
	loss   float64    // added to the probability of a drop
	flight int        // messages under way
	last   check.Time // when the last message arrives, for ordered links
}

// starvation keeps messages of one kind from one replica, or from all, to one,
// or to all. With a stride only slots divisible by it are kept.
type starvation struct {
	on       bool
	kind     paxos.Kind
	from, to paxos.ReplicaID
	stride   paxos.Slot
}

func (v *starvation) hits(from, to paxos.ReplicaID, m paxos.Message) bool {
	if !v.on || m.Kind() != v.kind || v.from != 0 && v.from != from || v.to != 0 && v.to != to {
		return false
	}
	if accept, ok := m.(*paxos.Accept); ok && v.stride > 1 {
		return accept.Slot%v.stride == 0
	}
	return true
}

func (n *network) link(from, to paxos.ReplicaID) *link { return &n.links[from][to] }

// arrivals says when the message arrives; it appends each arrival to times.
func (n *network) arrivals(now check.Time, to paxos.ReplicaID, e *paxos.Envelope, times []check.Time) []check.Time {
	from := e.From.Replica
	l := n.link(from, to)
	n.counts.Sent++
	if l.cut > 0 {
		n.counts.Cut++
		return times
	}
	for i := range n.starved {
		if n.starved[i].hits(from, to, e.Message) {
			n.counts.Starved++
			return times
		}
	}
	if chance(n.random, n.options.Capsule) {
		n.counts.Capsules++
		times = append(times, now+between(n.random, n.options.CapsuleDelay/2, n.options.CapsuleDelay))
	}
	if chance(n.random, n.options.Drop+l.loss) {
		n.counts.Dropped++
		return times
	}
	if l.flight >= n.options.FlightMax {
		n.counts.Full++
		return times
	}
	times = append(times, n.arrival(now, l))
	if chance(n.random, n.options.Duplicate) {
		n.counts.Duplicated++
		times = append(times, n.arrival(now, l))
	}
	return times
}

func (n *network) arrival(now check.Time, l *link) check.Time {
	at := now + n.options.DelayMin + l.delay + exponential(n.random, n.options.DelayMean)
	if n.options.Ordered {
		at = max(at, l.last+1)
		l.last = at
	}
	return at
}

// cutBetween cuts, or with -1 mends, the links from one set of replicas to another.
func (n *network) cutBetween(from, to replicaSet, by int) {
	for a := paxos.ReplicaID(1); a <= paxos.ReplicasMax; a++ {
		for b := paxos.ReplicaID(1); b <= paxos.ReplicasMax; b++ {
			if a != b && from.has(a) && to.has(b) {
				n.links[a][b].cut += by
			}
		}
	}
}

// heal mends everything that faults did to the links of the replicas in the set.
func (n *network) heal(set replicaSet) {
	for a := paxos.ReplicaID(1); a <= paxos.ReplicasMax; a++ {
		for b := paxos.ReplicaID(1); b <= paxos.ReplicasMax; b++ {
			if set.has(a) && set.has(b) {
				l := &n.links[a][b]
				l.cut, l.delay, l.loss = 0, 0, 0
			}
		}
	}
	n.starved = [starvationsMax]starvation{}
}

// replicaSet is a set of replicas, one bit each.
type replicaSet uint8

func (s replicaSet) has(r paxos.ReplicaID) bool        { return s&(1<<(r-1)) != 0 }
func (s replicaSet) with(r paxos.ReplicaID) replicaSet { return s | 1<<(r-1) }
func (s replicaSet) without(o replicaSet) replicaSet   { return s &^ o }
func only(r paxos.ReplicaID) replicaSet                { return 1 << (r - 1) }
func everyone(replicas int) replicaSet                 { return 1<<replicas - 1 }
func (s replicaSet) each(visit func(r paxos.ReplicaID)) {
	for r := paxos.ReplicaID(1); r <= paxos.ReplicasMax; r++ {
		if s.has(r) {
			visit(r)
		}
	}
}

func (s replicaSet) size() int { return bits.OnesCount8(uint8(s)) }

// drawSet draws a set of so many replicas.
func drawSet(random *rand.Rand, replicas, size int) replicaSet {
	var set replicaSet
	for _, i := range random.Perm(replicas)[:size] {
		set = set.with(paxos.ReplicaID(i + 1))
	}
	return set
}
