package command

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"synod/protocol"
)

// hashes is what one replica's state hashed to, by slot.
type hashes struct {
	replica string
	applied uint64
	hash    string
	at      map[uint64]string
	err     error
}

// digest compares the states of all replicas.
func (e *Executor) digest(ctx context.Context, f *frame, c *call) bool {
	all := e.hashes(ctx, f.limit(c))
	judged := compareHashes(all)
	var rows [][]string
	failed, differing := 0, ""
	for i := range all {
		if all[i].err != nil {
			failed++
			rows = append(rows, []string{all[i].replica, "-", "-", "-", "no answer: " + cut(Visible(all[i].err.Error()))})
			continue
		}
		if judged[i].differs {
			differing = all[i].replica
		}
		rows = append(rows, []string{
			all[i].replica, number10(all[i].applied), Visible(all[i].hash), judged[i].slot, judged[i].word,
		})
	}
	e.report(c, []string{"replica", "#applied", "hash", "compared at", "verdict"}, rows)
	e.looked(f, failed, len(all))
	if differing != "" {
		e.mutex.Lock()
		e.summary.Diverged = true
		e.mutex.Unlock()
		e.note(c.at, Failed, "DIVERGENCE: %s has applied another history than the others", differing)
		f.failed = true
	}
	return true
}

func (e *Executor) hashes(ctx context.Context, timeout time.Duration) []hashes {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	all := make([]hashes, len(e.known()))
	var asked sync.WaitGroup
	for i, replica := range e.known() {
		all[i] = hashes{replica: replica, err: errNoOperator}
		if e.ports.Operator != nil {
			asked.Go(func() {
				digest, err := e.ports.Operator.Digest(ctx, replica)
				all[i] = hashesOf(replica, digest, err)
			})
		}
	}
	asked.Wait()
	return all
}

func hashesOf(replica string, digest *protocol.Digest, err error) hashes {
	h := hashes{replica: replica, err: err, at: map[uint64]string{}}
	if err != nil {
		return h
	}
	h.applied, h.hash = digest.Applied, digest.Hash
	for _, mark := range digest.Marks {
		h.at[mark.Slot] = mark.Hash
	}
	h.at[digest.Applied] = digest.Hash
	return h
}

// judgement is what a comparison says about one replica.
type judgement struct {
	slot    string // at which it was compared
	word    string
	differs bool
}

// compareHashes compares the replicas that answer, at the highest slot that all of them have kept, and at every other
// slot that some share: a difference at any of them is a divergence. Of different hashes the one that most have is taken
// for right.
func compareHashes(all []hashes) []judgement {
	judged := make([]judgement, len(all))
	newest := uint64(0)
	for i := range all {
		newest = max(newest, all[i].applied)
	}
	common, shared := sharedSlots(all)
	for i := range all {
		if all[i].err != nil {
			continue
		}
		j := &judged[i]
		j.slot, j.word = "-", "nothing to compare"
		for _, slot := range shared {
			hash, kept := all[i].at[slot]
			if kept && hash != usual(all, slot) {
				j.slot, j.word, j.differs = number10(slot), "DIVERGENCE", true
				break
			}
		}
		switch {
		case j.differs:
		case common == 0 && all[i].applied < newest:
			j.word = fmt.Sprintf("BEHIND by %d, no slot to compare at", newest-all[i].applied)
		case common == 0:
		case all[i].applied < newest:
			j.slot, j.word = number10(common), fmt.Sprintf("same, BEHIND by %d", newest-all[i].applied)
		default:
			j.slot, j.word = number10(common), "same"
		}
	}
	return judged
}

// sharedSlots gives the slots of which at least two replicas have kept the hash, ascending, and the highest of which all
// that answer have, 0 if there is none.
func sharedSlots(all []hashes) (common uint64, shared []uint64) {
	kept, answering := map[uint64]int{}, 0
	for i := range all {
		if all[i].err == nil {
			answering++
			for slot := range all[i].at {
				kept[slot]++
			}
		}
	}
	for slot, count := range kept {
		if count > 1 {
			shared = append(shared, slot)
		}
		if count > 1 && count == answering {
			common = max(common, slot)
		}
	}
	slices.Sort(shared)
	return common, shared
}

// usual is the hash that most replicas have at a slot, of equals the first in the order of the replicas.
func usual(all []hashes, slot uint64) string {
	votes := map[string]int{}
	for i := range all {
		if hash, kept := all[i].at[slot]; kept {
			votes[hash]++
		}
	}
	best := ""
	for i := range all {
		if hash, kept := all[i].at[slot]; kept && votes[hash] > votes[best] {
			best = hash
		}
	}
	return best
}
