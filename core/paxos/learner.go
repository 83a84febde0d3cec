package paxos

import (
	"synod/core/mutant"
)

// LearnerOptions are a learner's parameters. Times are counted in ticks.
type LearnerOptions struct {
	// Run is random, not zero, and new at every start: it names read rounds.
	Run uint64
	// Applied is the slot up to which the state machine's store is complete.
	Applied Slot
	// AheadMax bounds the slots kept beyond the applied one (default 1,024);
	// what lies further ahead is fetched when its turn comes.
	AheadMax int
	// FetchBytesMax bounds one answer in catching up (default 256 KiB).
	FetchBytesMax int
	// ResendTicks after which an unanswered question is put again (default 10).
	ResendTicks int
}

func (o *LearnerOptions) setDefaults() {
	if o.AheadMax <= 0 {
		o.AheadMax = 1024
	}
	if o.FetchBytesMax <= 0 {
		o.FetchBytesMax = 256 << 10
	}
	if o.ResendTicks <= 0 {
		o.ResendTicks = 10
	}
}

// Learner finds out what was chosen and hands it on in order. It believes
// exactly five things: a quorum of votes of one ballot together with the value
// of that ballot; the mark of a leader, for a value of the leader's own ballot;
// an acceptor's entry that a chosen run covers by slot and by ballot; a snapshot
// of another replica's state; and nothing else.
type Learner struct {
	cfg     Config
	options LearnerOptions
	now     uint64

	// applied is the last slot that was handed out. What follows is in window;
	// slot s has its place at s modulo AheadMax.
	applied Slot
	window  []learning
	// mark is what the leader says to be chosen in its own ballot.
	mark ChosenRun
	// wanted is the highest slot that must be chosen sooner or later: someone
	// voted for it, has it, or waits for it.
	wanted Slot
	// known is the highest slot of which somebody said that it is chosen.
	known Slot
	// ready collects runs for the own acceptor until Settle.
	ready []ChosenRun
	// snapshot is the slot of a copy that is here and waits to be installed.
	snapshot Slot

	catchUp catchUp
	reads   reads
}

// learning is what a learner knows of one slot.
type learning struct {
	slot     Slot
	ballot   Ballot // the highest ballot heard of
	votes    tally
	value    Value
	hasValue bool // value is that of an Accept in this ballot
	chosen   bool
	proof    Ballot // the ballot of the run that will vouch for the slot
}

// NewLearner returns a learner that goes on after the applied slot.
func NewLearner(cfg Config, options LearnerOptions) *Learner {
	options.setDefaults()
	if options.Run == 0 {
		panic("paxos: a learner needs a random run")
	}
	l := &Learner{cfg: cfg, options: options, applied: options.Applied}
	l.window = make([]learning, options.AheadMax)
	l.wanted, l.known = l.applied, l.applied
	return l
}

// Applied returns the last slot handed out.
func (l *Learner) Applied() Slot { return l.applied }

// Known returns the highest slot of which somebody said that it is chosen.
func (l *Learner) Known() Slot { return max(l.known, l.applied) }

// Restore implements [Role]; a learner has no log of its own.
func (l *Learner) Restore(Record) { panic("paxos: a learner has no log") }

// Step implements [Role].
func (l *Learner) Step(e Envelope, out *Output) {
	if l.cfg.foreign(&e) {
		return
	}
	switch m := e.Message.(type) {
	case *Accept:
		l.onAccept(m)
	case *Accepted:
		l.onAccepted(&e, m)
	case *Heartbeat:
		l.onHeartbeat(m)
	case *Held:
		l.onHeld(&e, m)
	case *Read:
		l.onRead(&e, m)
	case *ReadAnswer:
		l.onReadAnswer(&e, m)
	case *Refusing:
		if l.catchUp.started { // at the start the own acceptor only waits for a word of ours
			l.onNoAnswer(&e)
		}
	case *Recovering:
		l.onNoAnswer(&e)
	case *SnapshotReady:
		if e.From.Replica == l.cfg.Self {
			l.snapshot = max(l.snapshot, m.Slot)
		}
	}
	l.deliver(out)
}

// Tick implements [Role].
func (l *Learner) Tick(_ int64, out *Output) {
	l.now++
	l.tickReads(out)
	l.tickCatchUp(out)
	l.announce(out)
}

// Settle implements [Role].
func (l *Learner) Settle(out *Output) {
	l.deliver(out)
	if len(l.ready) > 0 {
		to := Address{l.cfg.Self, RoleAcceptor}
		l.send(out, to, &ChosenRuns{Runs: l.ready})
		l.ready = nil
	}
	l.install(out)
	l.settleReads(out)
	l.settleCatchUp(out)
}

func (l *Learner) send(out *Output, to Address, m Message) {
	out.Messages = append(out.Messages, l.cfg.envelope(RoleLearner, to, m))
}

// at returns what is known of a slot, or nil if it is not within reach.
func (l *Learner) at(s Slot) *learning {
	if s <= l.applied || s > l.applied+Slot(len(l.window)) {
		return nil
	}
	w := &l.window[s%Slot(len(l.window))]
	if w.slot != s {
		*w = learning{slot: s}
	}
	return w
}

// hear brings a slot to a ballot and reports whether the message is about the
// ballot that now counts. Votes of different ballots never count together,
// even for equal values: a majority must have voted in one ballot.
func (l *Learner) hear(w *learning, b Ballot) bool {
	switch {
	case w.chosen || b.IsZero():
		return false
	case w.ballot.Less(b):
		votes := w.votes
		*w = learning{slot: w.slot, ballot: b, value: w.value}
		if l.cfg.Mutant.Has(mutant.M37) {
			w.votes = votes
		}
		return true
	case l.cfg.Mutant.Has(mutant.M37):
		return true
	}
	return w.ballot == b
}

func (l *Learner) onAccept(m *Accept) {
	l.wanted = max(l.wanted, m.Slot)
	w := l.at(m.Slot)
	if w == nil || !l.hear(w, m.Ballot) {
		return
	}
	w.value, w.hasValue = m.Value, true
	l.decide(w)
}

// onAccepted counts a vote for each slot that it speaks of.
//
// PUT 6/8 a majority of votes of one ballot: chosen, and handed out in order. Next: core/kv Apply executes it.
func (l *Learner) onAccepted(e *Envelope, m *Accepted) {
	l.wanted = max(l.wanted, m.Last)
	l.known = max(l.known, m.Chosen)
	last := min(m.Last, l.applied+Slot(len(l.window)))
	for s := max(m.First, l.applied+1); s <= last; s++ {
		w := l.at(s)
		if !l.hear(w, m.Ballot) {
			continue
		}
		if !w.votes.add(e.From.Replica, e.Incarnation, &m.Vector) && l.cfg.Mutant.Has(mutant.M12) {
			w.votes.extra++
		}
		l.decide(w)
	}
}

// onHeartbeat takes the leader's mark: slots up to m.Chosen were chosen in
// exactly its ballot, from its first slot on. It says nothing about a value
// that was voted for in another ballot.
func (l *Learner) onHeartbeat(m *Heartbeat) {
	if m.First == 0 || m.Chosen < m.First {
		return
	}
	l.known, l.wanted = max(l.known, m.Chosen), max(l.wanted, m.Chosen)
	if m.Ballot.Less(l.mark.Ballot) {
		return
	}
	// Only what the mark adds need be looked at, and what follows the applied
	// slot: an Accept that comes later meets the mark in decide.
	next := l.applied + 1
	if l.mark.Ballot == m.Ballot {
		next = max(next, l.mark.Last+1)
	}
	l.mark = ChosenRun{m.Ballot, m.First, max(m.Chosen, l.markLast(m.Ballot))}
	last := min(l.mark.Last, l.applied+Slot(len(l.window)))
	for s := max(m.First, next); s <= last; s++ {
		l.decide(l.at(s))
	}
}

func (l *Learner) markLast(b Ballot) Slot {
	if l.mark.Ballot == b {
		return l.mark.Last
	}
	return 0
}

// decide marks a slot chosen if its votes or the leader's mark prove it.
func (l *Learner) decide(w *learning) {
	if w.chosen || !w.hasValue {
		return
	}
	marked := l.mark.Ballot == w.ballot && l.mark.First <= w.slot && w.slot <= l.mark.Last
	if l.cfg.Mutant.Has(mutant.M36) {
		marked = l.mark.First <= w.slot && w.slot <= l.mark.Last
	}
	if marked || l.cfg.proves(&w.votes, l.cfg.needAccept(), mutant.M20b) {
		w.chosen, w.proof = true, w.ballot
	}
}

// deliver hands out the unbroken chosen prefix.
func (l *Learner) deliver(out *Output) {
	for {
		w := &l.window[(l.applied+1)%Slot(len(l.window))]
		if w.slot != l.applied+1 || !w.chosen {
			break
		}
		out.Chosen = append(out.Chosen, Entry{Slot: w.slot, Ballot: w.proof, Value: w.value})
		l.tell(ChosenRun{w.proof, w.slot, w.slot})
		*w = learning{}
		l.applied++
	}
	l.known, l.wanted = max(l.known, l.applied), max(l.wanted, l.applied)
	l.releaseReads(out)
}

// tell collects what the own acceptor may hear about a chosen slot.
func (l *Learner) tell(run ChosenRun) {
	if n := len(l.ready); n > 0 && l.ready[n-1].Ballot == run.Ballot && l.ready[n-1].Last+1 == run.First {
		l.ready[n-1].Last = run.Last
		return
	}
	l.ready = append(l.ready, run)
}
