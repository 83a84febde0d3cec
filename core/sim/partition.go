package sim

import (
	"synod/core/paxos"
	"synod/core/sim/check"
)

// breakNetwork makes one fault of the network and plans its end.
func (f *faults) breakNetwork(kind faultKind) {
	switch kind {
	case faultPartition:
		f.partition()
	case faultOneWay:
		f.oneWay()
	case faultLoss, faultDelay:
		f.disturb(kind)
	case faultStarvation:
		f.starve()
	}
}

// partition cuts the network in one of the shapes that have hurt others: one
// replica alone, two sides, a ring, a chain, two sides with a bridge between.
func (f *faults) partition() {
	random, n := f.c.streams.fault, f.c.options.Replicas
	all := everyone(n)
	order := random.Perm(n)
	at := func(i int) paxos.ReplicaID { return paxos.ReplicaID(order[i] + 1) }
	var cuts [][2]replicaSet // each in both directions
	shape := pick(random, "isolate", "split", "ring", "chain", "bridge")
	switch shape {
	case "isolate":
		cuts = append(cuts, [2]replicaSet{only(at(0)), all.without(only(at(0)))})
	case "split", "bridge":
		side := drawSet(random, n, 1+random.IntN(n-1))
		other := all.without(side)
		if shape == "bridge" {
			side, other = side.without(only(at(0))), other.without(only(at(0)))
		}
		cuts = append(cuts, [2]replicaSet{side, other})
	case "ring", "chain":
		for i := range n {
			for j := range i {
				neighbours := i-j == 1 || shape == "ring" && j == 0 && i == n-1
				if !neighbours {
					cuts = append(cuts, [2]replicaSet{only(at(i)), only(at(j))})
				}
			}
		}
	}
	f.note("partition: %s, order %v", shape, order)
	for _, cut := range cuts {
		f.c.network.cutBetween(cut[0], cut[1], 1)
		f.c.network.cutBetween(cut[1], cut[0], 1)
	}
	f.later(func() {
		for _, cut := range cuts {
			f.c.network.cutBetween(cut[0], cut[1], -1)
			f.c.network.cutBetween(cut[1], cut[0], -1)
		}
	})
}

// oneWay cuts links in one direction: one link, or all to or from a replica.
func (f *faults) oneWay() {
	random, n := f.c.streams.fault, f.c.options.Replicas
	from, to := drawSet(random, n, 1), drawSet(random, n, 1)
	switch random.IntN(3) {
	case 0:
		from = everyone(n)
	case 1:
		to = everyone(n)
	}
	f.note("one-way cut from %07b to %07b", from, to)
	f.c.network.cutBetween(from, to, 1)
	f.later(func() { f.c.network.cutBetween(from, to, -1) })
}

// disturb makes some links lossy or slow.
func (f *faults) disturb(kind faultKind) {
	random, n := f.c.streams.fault, f.c.options.Replicas
	from, to := drawSet(random, n, 1+random.IntN(n)), drawSet(random, n, 1+random.IntN(n))
	loss, delay := 0.0, check.Time(0)
	if kind == faultLoss {
		loss = 0.1 + random.Float64()*0.7
	} else {
		delay = between(random, check.Millisecond, 200*check.Millisecond)
	}
	f.note("%s from %07b to %07b: %.2f, %s", kind, from, to, loss, delay)
	change := func(sign float64) {
		from.each(func(a paxos.ReplicaID) {
			to.each(func(b paxos.ReplicaID) {
				l := f.c.network.link(a, b)
				l.loss += sign * loss
				l.delay += check.Time(sign) * delay
			})
		})
	}
	change(1)
	f.later(func() { change(-1) })
}

// starve keeps one kind of messages away.
func (f *faults) starve() {
	random, n := f.c.streams.fault, f.c.options.Replicas
	i := random.IntN(starvationsMax)
	s := &f.c.network.starved[i]
	if s.on {
		return
	}
	*s = starvation{
		on:     true,
		kind:   pick(random, f.c.options.Faults.Starve...),
		stride: paxos.Slot(1 + random.IntN(3)),
	}
	if random.IntN(2) == 0 {
		s.from = paxos.ReplicaID(1 + random.IntN(n))
	}
	if random.IntN(2) == 0 {
		s.to = paxos.ReplicaID(1 + random.IntN(n))
	}
	f.note("starvation: %s from %s to %s, stride %d", s.kind, s.from, s.to, s.stride)
	f.later(func() { f.c.network.starved[i].on = false })
}
