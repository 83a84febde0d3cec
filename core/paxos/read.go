package paxos

import "synod/core/mutant"

// reads answers linearizable reads without a leader, a clock or a lease.
//
// A read joins the next round. A round asks all acceptors for the highest slot
// that each holds, and is over when a majority has answered this very round.
// Every update that was acknowledged before the read arrived was voted for by a
// majority, which shares an acceptor with the answering one: so the highest
// answer covers it. When everything up to that slot is applied here, the read
// may be answered from the local store. (Paxos Quorum Reads: Charapko, Ailijiang,
// Demirbas, HotStorage 2019; here with the slot's resolution instead of a
// rinse phase.)
//
// One round is under way at a time; the next takes all that waits. A read
// never joins a round whose first message was made before the read arrived.
type reads struct {
	counter uint64
	// waiting are the reads for the next round.
	waiting []uint64
	// asking are the reads of the round under way; it is under way if open.
	open     bool
	asking   []uint64
	answered uint8
	answers  int
	target   Slot
	sent     uint64
	// granted are reads that wait for a slot to be applied, in order of rounds.
	granted []grantedReads
	free    [][]uint64
}

type grantedReads struct {
	ids    []uint64
	target Slot
	since  uint64
}

// readsWaitingMax bounds the reads that wait for a round; the gateway refuses
// long before.
const readsWaitingMax = 1 << 16

func (l *Learner) onRead(e *Envelope, m *Read) {
	if e.From.Replica != l.cfg.Self {
		return
	}
	r := &l.reads
	if l.cfg.Mutant.Has(mutant.M27b) {
		r.granted = append(r.granted, grantedReads{append(l.reuse(), m.IDs...), 0, l.now})
		return
	}
	if l.cfg.Mutant.Has(mutant.M29) && r.open {
		r.asking = append(r.asking, m.IDs...)
		return
	}
	if len(r.waiting)+len(m.IDs) > readsWaitingMax {
		return
	}
	r.waiting = append(r.waiting, m.IDs...)
}

// settleReads opens the next round for all that waits.
func (l *Learner) settleReads(out *Output) {
	r := &l.reads
	if r.open || len(r.waiting) == 0 {
		return
	}
	r.asking, r.waiting = r.waiting, l.reuse()
	r.open, r.answered, r.answers, r.target = true, 0, 0, 0
	r.counter++
	l.query(Everyone, out)
}

func (l *Learner) query(to ReplicaID, out *Output) {
	r := &l.reads
	r.sent = l.now
	m := &ReadQuery{Round: ReadRound{l.options.Run, r.counter}}
	out.Prompt = append(out.Prompt, l.cfg.envelope(RoleLearner, Address{to, RoleAcceptor}, m))
}

func (l *Learner) onReadAnswer(e *Envelope, m *ReadAnswer) {
	r := &l.reads
	stale := m.Round != ReadRound{l.options.Run, r.counter}
	if !r.open || stale && !l.cfg.Mutant.Has(mutant.M28) {
		return
	}
	bit := uint8(1) << (e.From.Replica - 1)
	if r.answered&bit != 0 {
		return
	}
	r.answered |= bit
	r.answers++
	r.target = max(r.target, m.Highest)
	need := l.cfg.Majority()
	if l.cfg.Mutant.Has(mutant.M27) {
		need = 1
	}
	if r.answers < need {
		return
	}
	r.open = false
	l.wanted = max(l.wanted, r.target)
	r.granted = append(r.granted, grantedReads{r.asking, r.target, l.now})
	r.asking = nil
}

// releaseReads hands out the reads whose slot is applied.
func (l *Learner) releaseReads(out *Output) {
	r := &l.reads
	kept := r.granted[:0]
	for _, g := range r.granted {
		if g.target > l.applied && !l.cfg.Mutant.Has(mutant.M32) {
			kept = append(kept, g)
			continue
		}
		for _, id := range g.ids {
			out.Reads = append(out.Reads, ReadDone{ID: id, Applied: l.applied})
		}
		if len(r.free) < readListsKeptMax {
			r.free = append(r.free, g.ids[:0])
		}
	}
	clear(r.granted[len(kept):])
	r.granted = kept
}

const readListsKeptMax = 4

func (l *Learner) reuse() []uint64 {
	r := &l.reads
	if n := len(r.free); n > 0 {
		ids := r.free[n-1]
		r.free = r.free[:n-1]
		return ids
	}
	return nil
}

// tickReads repeats the question of the round under way to those that have not
// answered, and asks the leader to close slots that reads wait for.
func (l *Learner) tickReads(out *Output) {
	r := &l.reads
	if r.open && l.now-r.sent >= uint64(l.options.ResendTicks) {
		for i := ReplicaID(1); int(i) <= l.cfg.Replicas; i++ {
			if r.answered&(1<<(i-1)) == 0 {
				l.query(i, out)
			}
		}
	}
	for _, g := range r.granted {
		if l.now-g.since >= gapTicks {
			l.complainAbout(&Close{First: l.applied + 1, Last: g.target}, out)
			break
		}
	}
}
