package paxos

import (
	"math/bits"

	"synod/core/mutant"
)

// tally collects replies of acceptors to one question: the promises for a
// ballot, or the votes for a slot in a ballot. A reply of a newer incarnation
// replaces the older one of the same acceptor.
//
// Replies x and y are consistent if neither acceptor has, as far as the other
// one knew when it answered, lost its memory since it gave its own answer. A
// quorum is a majority of distinct acceptors whose replies are pairwise
// consistent (crash-consistent quorums: Michael, Ports, Sharma, Szekeres,
// "Recovering Shared Objects Without Stable Storage", DISC 2017).
type tally struct {
	replied      uint8 // bit r-1: replica r has replied
	incarnations [ReplicasMax]Incarnation
	vectors      [ReplicasMax]Vector
	extra        uint8 // counts what only a mutant counts
}

// add puts a reply in and reports whether it told something new.
func (t *tally) add(from ReplicaID, inc Incarnation, v *Vector) bool {
	i := from - 1
	bit := uint8(1) << i
	if t.replied&bit != 0 && t.incarnations[i] >= inc && t.vectors[i] == *v {
		return false
	}
	if t.replied&bit != 0 && t.incarnations[i] > inc {
		return false
	}
	t.replied |= bit
	t.incarnations[i], t.vectors[i] = inc, *v
	return true
}

// has reports whether the acceptor's reply is in the tally.
func (t *tally) has(r ReplicaID) bool { return t.replied&(1<<(r-1)) != 0 }

// count is the number of distinct acceptors that replied.
func (t *tally) count() int { return bits.OnesCount8(t.replied) + int(t.extra) }

// consistent reports whether the replies of the two acceptors may count
// together.
func (t *tally) consistent(x, y int) bool {
	return t.incarnations[x] >= t.vectors[y][x] && t.incarnations[y] >= t.vectors[x][y]
}

// stale reports whether another reply knows that the acceptor has lost its memory
// since it gave its own: it may be asked again.
func (t *tally) stale(r ReplicaID) bool {
	if !t.has(r) {
		return false
	}
	for y := range ReplicasMax {
		if t.replied&(1<<y) != 0 && t.vectors[y][r-1] > t.incarnations[r-1] {
			return true
		}
	}
	return false
}

// quorum reports whether some need replies are pairwise consistent. With at
// most seven acceptors all subsets are tried; the usual case, in which nobody
// ever lost its memory, needs one pass.
func (t *tally) quorum(need int) bool {
	if t.count() < need {
		return false
	}
	if t.extra > 0 || t.agree(t.replied) {
		return true
	}
	for set := range uint8(1 << ReplicasMax) {
		if set&^t.replied == 0 && bits.OnesCount8(set) == need && t.agree(set) {
			return true
		}
	}
	return false
}

func (t *tally) agree(set uint8) bool {
	for x := range ReplicasMax {
		if set&(1<<x) == 0 {
			continue
		}
		for y := range x {
			if set&(1<<y) != 0 && !t.consistent(x, y) {
				return false
			}
		}
	}
	return true
}

// proves reports whether the replies hold a quorum. A mutant counts acceptors
// instead.
func (c *Config) proves(t *tally, need int, counting mutant.ID) bool {
	if c.Mutant.Has(counting) {
		return t.count() >= need
	}
	return t.quorum(need)
}

// needPrepare and needAccept are the sizes of the two kinds of quorums.
func (c *Config) needPrepare() int {
	if c.Mutant.Has(mutant.M6) {
		return min(2, c.Majority())
	}
	return c.Majority()
}

func (c *Config) needAccept() int {
	if c.Mutant.Has(mutant.M5) {
		return min(2, c.Majority())
	}
	return c.Majority()
}
