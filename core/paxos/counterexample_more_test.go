package paxos

import "synod/core/mutant"

func moreCounterexamples() []counterexample {
	return []counterexample{
		{"a part told before the new life was recorded", 3, []mutant.ID{mutant.M25c}, partBeforeRecord},
		{"an installed entry is no vote", 3, []mutant.ID{mutant.M35}, installedIsNoVote},
		{"an attempt abandoned at life 3 while life 2 completes", 5, nil, abandonedAttempt},
		{"a log put back to an earlier state of its life", 3, nil, logPutBack},
		{"a read answered by who has recovered", 3, []mutant.ID{mutant.M29c, mutant.M29b}, readAfterRecovery},
		{"a read answered by who has cut", 3, []mutant.ID{mutant.M29d}, readAfterCut},
		{"a cut above the own checkpoint", 3, []mutant.ID{mutant.M24}, cutTooFar},
		{"normal without what the helpers have cut", 3, []mutant.ID{mutant.M25}, normalTooEarly},
		{"a store lost alone", 3, []mutant.ID{mutant.M25b}, storeLostAlone},
		{"an own value below a floor", 3, []mutant.ID{mutant.M40}, ownValueBelowFloor},
		{"a Promise in parts across a new floor", 3, nil, partsAcrossFloor},
	}
}

// partBeforeRecord: B tells its memory in parts. Between two of them it votes again
// in a slot of the first one. That vote must not count with A's of the old life.
func partBeforeRecord(s *stage) {
	s.options.PartBytesMax = 1
	for r := acceptorA; r <= acceptorC; r++ {
		s.start(r)
	}
	s.tell(acceptorB, append(s.accept(first, 1, "one"), s.accept(first, 2, "two")...))
	again := s.accept(second, 1, "one")
	s.tell(acceptorA, again)
	s.wipe(acceptorA, false)
	asked := s.tick(acceptorA)
	asked = s.tell(acceptorA, append(s.tell(acceptorB, asked), s.tell(acceptorC, asked)...))
	more := s.tell(acceptorA, s.tell(acceptorB, asked))
	s.tell(acceptorB, again)
	s.tell(acceptorA, s.tell(acceptorB, more))
	s.tell(acceptorA, s.tell(acceptorC, asked))
	s.recover(acceptorA, acceptorB, acceptorC)
}

// installedIsNoVote: A gets B's entry of the low ballot and C's promise of the high
// one. An Accept of the low ballot comes late: A holds its entry, and yet refuses.
func installedIsNoVote(s *stage) {
	p, asks := s.campaigner(2, 2)
	proposal := s.accept(first, 1, "low")
	promised := append(s.tell(acceptorA, asks), s.tell(acceptorC, asks)...)
	s.tell(acceptorB, proposal)
	s.wipe(acceptorA, false)
	s.recover(acceptorA, acceptorB, acceptorC)
	proposals := s.hear(p, promised) // nobody told it of the low ballot
	s.tell(acceptorC, proposals)
	s.tell(acceptorA, proposal)
	s.tell(acceptorB, proposal)
	s.tell(acceptorA, proposals)
}

// abandonedAttempt: B alone knows of A's life 3, which never began. A, whose disk was
// replaced, completes life 2 without B. Then it hears of life 3, and begins anew.
func abandonedAttempt(s *stage) {
	s.wipe(acceptorA, false)
	asked := s.tick(acceptorA)
	recover := &Recover{Nonce: s.acceptors[0].nonce(), Incarnation: 3, From: 1}
	s.tell(acceptorB, letters{s.acceptors[0].cfg.envelope(RoleAcceptor, Address{acceptorB, RoleAcceptor}, recover)})
	s.wipe(acceptorA, true)
	if !s.recover(acceptorA, acceptorC, acceptorD, acceptorE) || s.acceptors[0].Incarnation() != 2 {
		s.ghost.breaks("A should live its life 2, not %d", s.acceptors[0].Incarnation())
		return
	}
	votes := append(s.tell(acceptorA, s.accept(first, 1, "value")), s.tell(acceptorB, s.accept(first, 1, "value"))...)
	_, _ = votes, asked
	s.tell(acceptorA, s.tell(acceptorB, s.tick(acceptorA)))
	s.acceptors[1].revived = 0
	s.tell(acceptorA, s.tick(acceptorB))
	if !s.acceptors[0].Recovering() && !s.plant.Has(mutant.M38) {
		s.ghost.breaks("A has heard of its life 3 and goes on with life 2")
	}
	s.recover(acceptorA, acceptorB, acceptorC, acceptorD)
	if life := s.acceptors[0].Incarnation(); life < 4 && !s.plant.Has(mutant.M38) {
		s.ghost.breaks("A should have begun a life above 3, not %d", life)
	}
}

// logPutBack: A's disk is put back to before its vote. B has heard of it.
func logPutBack(s *stage) {
	s.tell(acceptorB, s.tick(acceptorA)) // an early word, which says less
	early := len(s.disks[0].records)
	s.tell(acceptorA, s.accept(first, 1, "value"))
	s.acceptors[0].revived = 0
	told := s.tick(acceptorA)
	s.tell(acceptorB, told)
	s.disks[0].records = s.disks[0].records[:early]
	s.start(acceptorA)
	var out Output // nobody judges what it says before it has heard
	s.acceptors[0].Tick(0, &out)
	s.tell(acceptorA, s.tell(acceptorB, out.Messages))
	if !s.acceptors[0].Recovering() {
		s.ghost.breaks("A remembers less than it has said, and has not noticed")
	}
	s.recover(acceptorA, acceptorB, acceptorC)
	s.tell(acceptorA, s.tell(acceptorB, told)) // late words alarm nobody
	if s.acceptors[0].Recovering() {
		s.ghost.breaks("progress: A has not recovered")
	}
}

// readsFrom asks an acceptor for a read round and holds the answer against a slot.
func (s *stage) readsFrom(r ReplicaID, atLeast Slot) {
	cfg := testConfig(3, s.replicas(), s.plant)
	query := cfg.envelope(RoleLearner, Address{r, RoleAcceptor}, &ReadQuery{Round: ReadRound{1, 1}})
	for _, e := range s.tell(r, letters{query}) {
		if answer, ok := e.Message.(*ReadAnswer); ok && answer.Highest < atLeast {
			s.ghost.breaks("read: %s answers %d, but slot %d was chosen before", r, answer.Highest, atLeast)
		}
	}
}

// readAfterRecovery: A and B have chosen, A recovers and never votes in its new life.
// A read that asks A and C has only A to hear of it from.
func readAfterRecovery(s *stage) {
	s.tell(acceptorA, s.accept(first, 1, "chosen"))
	s.tell(acceptorB, s.accept(first, 1, "chosen"))
	s.wipe(acceptorA, false)
	s.readsFrom(acceptorA, 1)
	s.recover(acceptorA, acceptorB, acceptorC)
	s.readsFrom(acceptorA, 1)
}

func (s *stage) checkpoint(r ReplicaID, durable Slot) letters {
	s.stores[r-1] = durable
	cfg := testConfig(int(r), s.replicas(), s.plant)
	return s.tell(r, letters{cfg.envelope(RoleLearner, Address{r, RoleAcceptor}, &Checkpoint{Slot: durable})})
}

func (s *stage) chosenByAB() {
	s.tell(acceptorA, s.accept(first, 1, "chosen"))
	s.tell(acceptorB, s.accept(first, 1, "chosen"))
}

func readAfterCut(s *stage) {
	s.chosenByAB()
	s.checkpoint(acceptorA, 1)
	s.readsFrom(acceptorA, 1)
}

// cutTooFar: A's learner has applied slot 2 and holds slot 1 durably.
func cutTooFar(s *stage) {
	s.chosenByAB()
	s.tell(acceptorA, s.accept(first, 2, "more"))
	s.tell(acceptorB, s.accept(first, 2, "more"))
	cfg := testConfig(1, 3, s.plant)
	s.tell(acceptorA, letters{cfg.envelope(RoleLearner, Address{acceptorA, RoleAcceptor},
		&ChosenRuns{[]ChosenRun{{first, 1, 2}}})})
	s.checkpoint(acceptorA, 1)
	s.tell(acceptorA, s.accept(first, 3, "still more"))
}

// normalTooEarly: B has cut slot 1. A loses its log and its store.
func normalTooEarly(s *stage) {
	s.chosenByAB()
	s.checkpoint(acceptorB, 1)
	s.wipe(acceptorA, false)
	s.recover(acceptorA, acceptorB, acceptorC)
	if s.acceptors[0].Refusing() == "" {
		s.ghost.breaks("floor: A is normal, and holds slot 1 nowhere")
	}
	s.checkpoint(acceptorA, 1)
	if why := s.acceptors[0].Refusing(); why != "" {
		s.ghost.breaks("progress: A has a copy of the state and is not normal: %s", why)
	}
}

// storeLostAlone: A and B have cut slot 1, then A's store is gone, and its log is
// whole. What the store once held counts for nothing, before the recovery and after.
func storeLostAlone(s *stage) {
	s.chosenByAB()
	s.checkpoint(acceptorA, 1)
	s.checkpoint(acceptorB, 1)
	s.checkpoint(acceptorA, 0)
	if s.acceptors[0].Refusing() == "" {
		s.ghost.breaks("floor: A is normal, and holds slot 1 nowhere")
	}
	s.recover(acceptorA, acceptorB, acceptorC)
	if s.acceptors[0].Refusing() == "" {
		s.ghost.breaks("floor: A is normal again, and holds slot 1 nowhere")
	}
}

// ownValueBelowFloor: A has cut slot 1, C has never heard of it. A proposer that asks
// these two must propose nothing there.
func ownValueBelowFloor(s *stage) {
	s.chosenByAB()
	s.checkpoint(acceptorA, 1)
	p, asks := s.campaigner(3, 2)
	s.hear(p, append(s.tell(acceptorA, asks), s.tell(acceptorC, asks)...))
}

// partsAcrossFloor: A answers in parts, cuts slots, and answers again in as many
// parts. Parts of the two answers do not make one.
func partsAcrossFloor(s *stage) {
	s.options.PartBytesMax = 1
	s.start(acceptorA)
	for slot := Slot(1); slot <= 4; slot++ {
		s.tell(acceptorA, s.accept(first, slot, "chosen"))
		s.tell(acceptorB, s.accept(first, slot, "chosen"))
	}
	p, asks := s.campaigner(3, 2)
	whole := s.tell(acceptorA, asks)
	s.checkpoint(acceptorA, 2)
	later := s.tell(acceptorA, asks)
	s.hear(p, append(later[:1:1], whole[len(whole)-1:]...))
	s.hear(p, s.tell(acceptorC, asks))
	s.hear(p, later)
}
