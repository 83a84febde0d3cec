package paxos

// memory is what a world can lose beside what is not synced: the logs of acceptors
// and the stores of learners, with or without the replica's identity. As the
// product's permits do, it never takes the memory of more acceptors than a minority.
type memory struct {
	often      int           // how often something of this happens, of 200 steps
	wipes      int           // how many are still to come
	identities []Incarnation // what each host keeps outside of the log
	stores     []Slot        // through which slot each replica's store is durable
	lost       []bool        // acceptors that have yet to recover
	recovered  int
}

func (m *memory) draw(w *world) {
	m.identities, m.stores, m.lost = make([]Incarnation, w.replicas), make([]Slot, w.replicas), make([]bool, w.replicas)
	for i := range m.identities {
		m.identities[i] = 1
	}
	if w.random.IntN(3) == 0 {
		return
	}
	m.often, m.wipes = 10+w.random.IntN(20), w.random.IntN(6)
	w.options.RecoverTicks = 1
	w.options.Cuts = w.random.IntN(2) == 0
	w.options.KeepSlots = Slot(w.random.IntN(2))
}

// live lets time pass for an acceptor, makes a store durable, or loses something.
func (w *world) live() {
	i := w.random.IntN(w.replicas)
	switch n := w.random.IntN(10); {
	case n < 4:
		w.note("r%d.acceptor ticks", i+1)
		w.stepAcceptor(i, func(a *Acceptor, out *Output) { a.Tick(0, out) })
	case n < 7 || w.memory.wipes == 0:
		w.checkpoint(i)
	default:
		w.wipe(i)
	}
	for i := range w.acceptors { // whoever has lost its memory is in a hurry
		if w.acceptors[i].Recovering() && w.random.IntN(2) == 0 {
			w.stepAcceptor(i, func(a *Acceptor, out *Output) { a.Tick(0, out) })
		}
	}
	for i := range w.acceptors {
		if a := w.acceptors[i]; a.Recovering() && a.recovery.stage == stageWaiting {
			w.checkpoint(i)
		}
	}
	w.available()
}

// state is through which slot a replica's store is complete, durable or not.
func (w *world) state(i int) Slot {
	if i < len(w.learners) {
		return w.ghost.applied[i]
	}
	return w.memory.stores[i]
}

// checkpoint makes a store durable and tells the acceptor of its replica. A replica
// without a learner in this world copies the state of another one now and then.
func (w *world) checkpoint(i int) {
	m := &w.memory
	if i >= len(w.learners) {
		m.stores[i] = max(m.stores[i], w.state(w.random.IntN(w.replicas)))
	} else if now := w.ghost.applied[i]; now > m.stores[i] {
		m.stores[i] += 1 + Slot(w.random.IntN(int(now-m.stores[i])))
	}
	w.tellCheckpoint(i)
}

func (w *world) tellCheckpoint(i int) {
	self := Address{ReplicaID(i + 1), RoleAcceptor}
	w.note("r%d.store is durable through slot %d", i+1, w.memory.stores[i])
	w.stepAcceptor(i, func(a *Acceptor, out *Output) {
		a.Step(a.cfg.envelope(RoleLearner, self, &Checkpoint{Slot: w.memory.stores[i]}), out)
	})
}

// copyState gives a learner the state of another replica, as it is now.
func (w *world) copyState(i int, want Snapshot) {
	slot := w.state(int(want.From) - 1)
	if slot < want.AtLeast {
		return // that replica has lost it since
	}
	w.note("r%d.learner gets a snapshot of %s at slot %d", i+1, want.From, slot)
	l := w.learners[i]
	w.stepLearner(i, func(out *Output) {
		l.Step(l.cfg.envelope(RoleLearner, Address{l.cfg.Self, RoleLearner}, &SnapshotReady{Slot: slot}), out)
	})
}

// wipe loses the acceptor's log, the store, or both, and perhaps the identity.
func (w *world) wipe(i int) {
	m, count := &w.memory, 1
	for _, lost := range m.lost {
		if lost {
			count++
		}
	}
	if m.lost[i] {
		count--
	}
	if count > w.replicas-w.replicas/2-1 {
		return // no permit
	}
	m.wipes--
	m.lost[i] = true
	log, store := w.random.IntN(4) > 0, w.random.IntN(3) == 0
	if store {
		w.note("r%d loses its store", i+1)
		m.stores[i] = 0
		if i < len(w.learners) {
			w.startLearner(i, 0)
		}
	}
	if log || !store {
		w.note("r%d loses its log", i+1)
		w.disks[i].records, w.disks[i].durable = nil, 0
		if w.random.IntN(3) == 0 {
			w.note("r%d loses its identity", i+1)
			m.identities[i] = 1
		}
	}
	w.crashAcceptor(i)
	w.tellCheckpoint(i)
	m.lost[i] = w.acceptors[i].Refusing() != "" // a store without a floor is no loss
}

// remember looks at an acceptor after each of its steps.
func (w *world) remember(i int, events []Event) {
	for _, e := range events {
		switch e.Kind {
		case EventLost:
			w.memory.lost[i] = true
			w.note("r%d.acceptor is lost: %s", i+1, e.Reason)
		case EventNormal:
			w.memory.lost[i] = false
			w.memory.recovered++
			w.note("r%d.acceptor has recovered as incarnation %d", i+1, e.Incarnation)
		}
	}
	if a := w.acceptors[i]; a.Refusing() == "" {
		w.ghost.knows(a, w.memory.stores[i])
	}
}

// available: what is chosen is held, as an entry or below a floor, by a majority of
// acceptors, where those that have lost their memory count as if they held it, and
// by one of them really.
func (w *world) available() {
	for s, chosen := range w.ghost.chosen {
		holders, lost := 0, 0
		for i, a := range w.acceptors {
			held, _ := a.ballotOf(s)
			switch {
			case w.memory.lost[i]:
				lost++
			case s <= a.floor && s <= w.memory.stores[i], s > a.floor && !held.Less(chosen.Ballot):
				holders++
			}
		}
		if holders == 0 || holders+lost < w.ghost.majority {
			w.ghost.breaks("availability: slot %d is chosen, %d acceptors hold it, %d are lost", s, holders, lost)
		}
	}
}
