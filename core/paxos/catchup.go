package paxos

import "synod/core/mutant"

// catchUp is how a learner gets what it missed: it asks one acceptor after the
// other, its own first, for entries together with the chosen runs that prove
// them. While answers bring it on, it keeps asking the same one.
type catchUp struct {
	// peer is asked now, since tick asked; 0 means that no question is open.
	peer  ReplicaID
	asked uint64
	// turn counts the acceptors asked without progress since applied moved.
	turn     int
	turnSlot Slot
	// helper is whose answer of this batch brought something, 0 if none did;
	// answered says that one came at all.
	helper   ReplicaID
	answered bool
	// seen is when applied last moved, and announced what was last told.
	seen        uint64
	seenSlot    Slot
	announced   Slot
	announcedAt uint64 // tick of it, 0 for never
	complain    uint64 // tick of the last Close
	// floors are those above applied that acceptors spoke of in this round of
	// questions, and rounds counts the rounds that ended with such a floor.
	floors [ReplicasMax]Slot
	rounds int
	// started is set when the own acceptor has told at the start what it can
	// prove. Until then this learner does not say how far it is: a campaign that
	// begins at the slot that the store had reached would have everything
	// proposed again that the log only has to be asked for.
	started bool
}

// gapTicks is how long a gap may stay before it is not just a message under way.
const gapTicks = 3

// announce tells the own proposer how far this learner is, at its first tick, and
// again now and then: a proposer that was started anew knows nothing, and would
// have slots that are long applied opened again.
func (l *Learner) announce(out *Output) {
	c := &l.catchUp
	if !c.started {
		return
	}
	again := c.announcedAt == 0 || l.now-c.announcedAt >= uint64(l.options.ResendTicks)
	if l.applied != c.announced || again {
		c.announced, c.announcedAt = l.applied, l.now
		l.send(out, Address{l.cfg.Self, RoleProposer}, &Applied{Slot: l.applied})
	}
}

func (l *Learner) tickCatchUp(out *Output) {
	c := &l.catchUp
	if !c.started {
		l.tickStart(out)
		return
	}
	if c.seenSlot != l.applied || l.wanted <= l.applied {
		c.seen, c.seenSlot = l.now, l.applied
		if l.wanted <= l.applied {
			c.turn = 0
			return
		}
	}
	if c.peer != 0 && l.now-c.asked >= uint64(l.options.ResendTicks) {
		c.peer = 0 // no answer; somebody else may know
	}
	if c.peer == 0 && l.now-c.seen >= gapTicks && l.now-c.asked >= l.pauseTicks() {
		l.fetch(l.nextPeer(), out)
		if c.turn > 1 && (c.turn-1)%l.cfg.Replicas == 0 && !l.wantSnapshot(out) {
			l.complainAbout(&Close{First: l.applied + 1, Last: l.wanted, Stuck: true}, out)
		}
	}
}

// wantSnapshot asks for the state of a replica whose acceptor has cut what is
// missing here, if everybody was asked and nobody could help. Another replica each
// time: the one before may have gone.
func (l *Learner) wantSnapshot(out *Output) bool {
	c := &l.catchUp
	var from []ReplicaID
	for r := ReplicaID(1); int(r) <= l.cfg.Replicas; r++ {
		if c.floors[r-1] > l.applied && r != l.cfg.Self {
			from = append(from, r)
		}
	}
	if len(from) == 0 {
		return false
	}
	chosen := from[c.rounds%len(from)]
	out.Want = Snapshot{From: chosen, AtLeast: c.floors[chosen-1]}
	c.rounds++
	c.floors = [ReplicasMax]Slot{}
	return true
}

// install goes on from a snapshot, unless this learner has come as far by itself.
func (l *Learner) install(out *Output) {
	slot := l.snapshot
	l.snapshot = 0
	if slot <= l.applied {
		return
	}
	out.Install = slot
	out.Events = append(out.Events, Event{Kind: EventInstalled, Slot: slot})
	l.applied = slot
	l.known, l.wanted = max(l.known, slot), max(l.wanted, slot)
	l.releaseReads(out)
}

// onNoAnswer: the acceptor that was asked has nothing to tell.
func (l *Learner) onNoAnswer(e *Envelope) {
	if e.From.Replica == l.catchUp.peer {
		l.catchUp.peer, l.catchUp.answered = 0, true
	}
}

// tickStart asks the own acceptor for all that it can prove, before anything
// else. An acceptor that is down or refuses is not waited for.
func (l *Learner) tickStart(out *Output) {
	c := &l.catchUp
	switch {
	case c.peer == 0:
		l.fetch(l.cfg.Self, out)
	case l.now-c.asked >= uint64(l.options.ResendTicks):
		c.peer, c.started = 0, true
	}
}

// pauseTicks is the time between two questions. The first round goes to
// everyone quickly; then the answer is rather the leader's to give, and asking
// for megabytes over and over would only be in its way.
func (l *Learner) pauseTicks() uint64 {
	rounds := max(l.catchUp.turn-1, 0) / l.cfg.Replicas
	if rounds == 0 {
		return 1
	}
	return uint64(l.options.ResendTicks) << min(rounds-1, 3)
}

// settleCatchUp asks on at once while it helps.
func (l *Learner) settleCatchUp(out *Output) {
	c := &l.catchUp
	more := l.applied < l.known || !c.started && l.applied < l.wanted
	if c.helper != 0 && c.peer == 0 && more {
		l.fetch(c.helper, out)
	}
	if !c.started && c.answered && c.peer == 0 {
		c.started = true
		l.announce(out)
	}
	c.helper, c.answered = 0, false
}

// nextPeer goes round all replicas, starting with the own one. After each full
// round without progress the leader is to hear of it.
func (l *Learner) nextPeer() ReplicaID {
	c := &l.catchUp
	if c.turnSlot != l.applied {
		c.turnSlot, c.turn = l.applied, 0
	}
	peer := ReplicaID((int(l.cfg.Self)-1+c.turn)%l.cfg.Replicas) + 1
	c.turn++
	return peer
}

func (l *Learner) fetch(peer ReplicaID, out *Output) {
	c := &l.catchUp
	c.peer, c.asked = peer, l.now
	first := l.applied + 1
	last := l.applied + Slot(len(l.window))
	m := &Fetch{First: first, Last: last, BytesMax: uint32(l.options.FetchBytesMax)}
	l.send(out, Address{peer, RoleAcceptor}, m)
}

// complainAbout asks whoever leads to decide slots, not too often. That a slot is
// stuck is said only after everyone was asked, so it needs no other limit; with the
// limit a waiting read, which asks all the time, would keep it from ever being said.
func (l *Learner) complainAbout(m *Close, out *Output) {
	c := &l.catchUp
	if !m.Stuck && l.now-c.complain < uint64(l.options.ResendTicks) && c.complain != 0 {
		return
	}
	c.complain = l.now
	if m.Stuck {
		out.Events = append(out.Events, Event{Kind: EventStuck, Slot: m.First})
	}
	l.send(out, Address{Everyone, RoleProposer}, m)
}

// onHeld takes an entry as chosen only if a run covers its slot and the
// entry's ballot is not below the run's: a held entry by itself is no vote,
// and a run without its ballot proves nothing.
func (l *Learner) onHeld(e *Envelope, m *Held) {
	l.wanted = max(l.wanted, m.Highest)
	if m.Floor > l.applied { // everything through a floor is chosen
		l.known, l.wanted = max(l.known, m.Floor), max(l.wanted, m.Floor)
		l.catchUp.floors[e.From.Replica-1] = m.Floor
	}
	for _, run := range m.Runs {
		l.known, l.wanted = max(l.known, run.Last), max(l.wanted, run.Last)
	}
	proven, next := 0, 0
	for i := range m.Entries {
		entry := &m.Entries[i]
		for next < len(m.Runs) && m.Runs[next].Last < entry.Slot {
			next++
		}
		w := l.at(entry.Slot)
		if w == nil || w.chosen {
			continue
		}
		proof := entry.Ballot
		covered := l.cfg.Mutant.Has(mutant.M36) && entry.Slot <= l.known
		if next < len(m.Runs) && m.Runs[next].Covers(entry.Slot, entry.Ballot) {
			covered, proof = true, m.Runs[next].Ballot
		}
		if covered {
			w.value, w.hasValue, w.chosen, w.proof = entry.Value, true, true, proof
			proven++
			continue
		}
		if l.offer(w, entry); w.chosen {
			proven++
		}
	}
	if e.From.Replica == l.catchUp.peer {
		l.catchUp.peer, l.catchUp.answered = 0, true
		if proven > 0 {
			l.catchUp.helper = e.From.Replica
		}
	}
}

// offer takes the value of a held entry for what it is: what was proposed in
// that ballot. Votes that were counted for the same ballot, or the mark of that
// ballot's leader, may then prove it.
func (l *Learner) offer(w *learning, entry *Entry) {
	if w.hasValue && !w.ballot.Less(entry.Ballot) {
		return
	}
	if l.hear(w, entry.Ballot) {
		w.value, w.hasValue = entry.Value, true
		l.decide(w)
	}
}
