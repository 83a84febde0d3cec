package paxos

import (
	"fmt"
	"slices"

	"synod/core/mutant"
)

// Archive gives back values that the acceptor no longer keeps in memory. The
// agent implements it on the acceptor's log.
type Archive interface {
	// Load returns the value of the last vote recorded for a slot.
	Load(Slot) Value
}

// AcceptorOptions are the limits of an acceptor.
type AcceptorOptions struct {
	// MemoryBytesMax bounds the values kept in memory; older ones are read
	// back from the log when somebody asks.
	MemoryBytesMax int
	// PartBytesMax bounds the values in one part of a Promise, in a Held or in a
	// RecoverState.
	PartBytesMax int
	// Cuts: the acceptor forgets what its replica's store holds durably; else it
	// keeps everything for ever. KeepSlots so many slots are kept below the store's
	// checkpoint for others that lag; fewer if all values that are kept have more
	// bytes than KeepBytesMax (0: no limit).
	Cuts         bool
	KeepSlots    Slot
	KeepBytesMax int64
	// Run is random, not zero, and new at every start: it names the attempts of a
	// recovery. Without it an acceptor that has lost its state refuses for ever.
	Run [16]byte
	// RecoverTicks after which an unanswered question of a recovery is put again
	// (default 20).
	RecoverTicks int
}

// Acceptor is the memory of the protocol. It promises and votes, and what it
// has promised and voted it never forgets: every promise and vote is a record
// that is durable before the answer leaves.
//
// Invariants: the promise only grows; a vote in ballot b raises the promise to
// b; a slot's vote is only replaced by one of a ballot at least as high; what is
// cut lies below a durable checkpoint of the own replica's store (floor.go). An
// acceptor that has lost its memory is nobody until it has recovered (recovery.go).
type Acceptor struct {
	cfg     Config
	options AcceptorOptions
	archive Archive

	// refusing says why this acceptor cannot prove its state complete; empty
	// if it can. A refusing acceptor promises, votes and answers for nobody.
	refusing string
	// born is set by the record that says that the log is complete.
	born bool
	// recovery is under way if it is not nil.
	recovery *recovery
	// floor: everything through this slot is chosen, in the own store, and may be
	// gone here. checkpoint is what the own replica has said to hold durably; an
	// acceptor whose floor is above it waits, see Refusing.
	floor, checkpoint Slot
	// promised is the highest ballot ever promised or voted in.
	promised Ballot
	vector   Vector
	votes    voteTable
	// highest is the highest slot with an entry, or the floor.
	highest Slot
	// held counts the bytes of all values above the floor.
	held int64
	// resident counts the bytes of values in memory, which belong to the
	// slots from evictNext on.
	resident  int
	evictNext Slot
	// runs says what the own learner saw chosen, merged and in slot order.
	runs []ChosenRun
	// chosen is the end of the unbroken chosen prefix from slot 1 on.
	chosen Slot

	// voted collects this batch's votes until Settle merges them.
	voted []pendingVote
	// told collects this batch's new runs for one record.
	told []ChosenRun
	// answered are the Prepares that this batch has answered.
	answered []prepared
	// newlyNormal: it became normal in this batch.
	newlyNormal bool

	now     uint64 // ticks since the start
	revived uint64 // when the others were last told of this life
	// memories are what the others have said that they remember.
	memories [ReplicasMax]memoryOf
	// attempt counts the attempts to recover since the start.
	attempt uint64
}

// prepared is a Prepare and who sent it.
type prepared struct {
	Prepare
	from Address
}

type pendingVote struct {
	ballot Ballot
	slot   Slot
	to     ReplicaID // the proposer that asked
}

// NewAcceptor returns an acceptor that has yet to be restored from its log.
func NewAcceptor(cfg Config, options AcceptorOptions, archive Archive) *Acceptor {
	if options.MemoryBytesMax <= 0 {
		options.MemoryBytesMax = 16 << 20
	}
	if options.PartBytesMax <= 0 {
		options.PartBytesMax = 256 << 10
	}
	if options.RecoverTicks <= 0 {
		options.RecoverTicks = 20
	}
	return &Acceptor{cfg: cfg, options: options, archive: archive, evictNext: 1}
}

// BirthRecord is the only record of a new acceptor's log.
func BirthRecord(cfg Config) Record {
	r := Record{Kind: RecordBorn, Incarnation: cfg.Incarnation}
	for i := range cfg.Replicas {
		r.Vector[i] = 1
	}
	r.Vector[cfg.Self-1] = cfg.Incarnation
	return r
}

// Refuse makes the acceptor refuse for ever, for the reason given. A recovery that
// is under way ends: it begins anew with the next start.
func (a *Acceptor) Refuse(reason string) { a.refusing, a.recovery = reason, nil }

// Refusing returns why the acceptor refuses, or "". A recovering acceptor
// refuses, too.
func (a *Acceptor) Refusing() string {
	switch {
	case a.refusing != "":
		return a.refusing
	case a.recovery != nil:
		return a.recovery.progress(a)
	case !a.born:
		return "the log has no beginning"
	case a.checkpoint < a.floor && !a.careless():
		return fmt.Sprintf("slots through %d were cut from the log; the own store has yet to say that it holds them", a.floor)
	}
	return ""
}

// Born reports whether the log that was restored is complete.
func (a *Acceptor) Born() bool { return a.born }

// Recovering reports whether the acceptor has lost its state and works on
// getting it back.
func (a *Acceptor) Recovering() bool { return a.recovery != nil }

// Incarnation is the life that the acceptor is in, or hopes to begin.
func (a *Acceptor) Incarnation() Incarnation { return a.cfg.Incarnation }

// Floor is the last slot that was cut.
func (a *Acceptor) Floor() Slot { return a.floor }

// Promised returns the highest ballot promised.
func (a *Acceptor) Promised() Ballot { return a.promised }

// Highest returns the highest slot that holds an entry, or the floor.
func (a *Acceptor) Highest() Slot { return a.highest }

// ChosenThrough returns the end of the prefix known to be chosen.
func (a *Acceptor) ChosenThrough() Slot { return a.chosen }

// Restore implements [Role].
func (a *Acceptor) Restore(r Record) {
	switch r.Kind {
	case RecordBorn:
		a.born = true
		a.cfg.Incarnation = r.Incarnation
		a.vector.raise(a.cfg.Self, &r.Vector)
		a.vector[a.cfg.Self-1] = r.Incarnation
	case RecordPromised:
		a.raise(r.Ballot)
	case RecordVoted:
		a.raise(r.Ballot)
		if r.Slot > a.floor {
			a.hold(r.Slot, r.Ballot, r.Value)
		}
		a.evict() // a long log would not fit into memory
	case RecordRuns:
		for _, run := range r.Runs {
			a.learn(run)
		}
	case RecordFloor:
		a.cut(r.Slot)
	case RecordVector:
		a.vector.raise(a.cfg.Self, &r.Vector)
	default:
		panic(fmt.Sprintf("paxos: acceptor restores a record of kind %d", r.Kind))
	}
}

// Step implements [Role].
func (a *Acceptor) Step(e Envelope, out *Output) {
	if a.cfg.foreign(&e) {
		return
	}
	if a.recovery != nil {
		a.stepRecovering(&e, out)
		return
	}
	if m, ok := e.Message.(*Checkpoint); ok && a.refusing == "" && a.born {
		a.onCheckpoint(&e, m, out)
		return
	}
	if a.Refusing() != "" {
		a.refuse(&e, out)
		return
	}
	switch m := e.Message.(type) {
	case *Prepare:
		a.onPrepare(&e, m, out)
	case *Accept:
		a.onAccept(&e, m, out)
	case *ChosenRuns:
		a.onChosenRuns(&e, m)
	case *ReadQuery:
		a.onReadQuery(&e, m, out)
	case *Fetch:
		a.onFetch(&e, m, out)
	case *RecoverQuery:
		a.onRecoverQuery(&e, m, out)
	case *Recover:
		a.onRecover(&e, m, out)
	case *Revived:
		a.onRevived(&e, m, out)
	case *Remembered:
		a.onRemembered(&e, m, out)
	}
}

// Tick implements [Role]. Nothing that an acceptor has promised ever ends by time;
// only questions are put again.
func (a *Acceptor) Tick(_ int64, out *Output) {
	a.now++
	switch {
	case a.recovery != nil:
		a.tickRecovery(out)
	case a.Refusing() == "" && (a.revived == 0 || a.now-a.revived >= revivedTicks):
		a.tellRevived(Everyone, out)
	}
}

// Settle implements [Role]: votes for neighbouring slots leave as one message.
func (a *Acceptor) Settle(out *Output) {
	for i := 0; i < len(a.voted); {
		first := a.voted[i]
		last := first.slot
		for i++; i < len(a.voted); i++ {
			next := a.voted[i]
			if next.ballot != first.ballot || next.to != first.to || next.slot != last+1 {
				break
			}
			last = next.slot
		}
		m := &Accepted{Ballot: first.ballot, First: first.slot, Last: last, Vector: a.vector, Chosen: a.chosen}
		a.sendVote(out, first.to, m)
	}
	a.voted, a.answered, a.newlyNormal = a.voted[:0], a.answered[:0], false
	if len(a.told) > 0 {
		out.Records = append(out.Records, Record{Kind: RecordRuns, Runs: a.told})
		a.told = nil
	}
	a.evict()
}

// sendVote tells all learners and the proposer. Both roles of the proposer's
// replica are reached by one message.
func (a *Acceptor) sendVote(out *Output, proposer ReplicaID, m *Accepted) {
	for r := range ReplicaID(a.cfg.Replicas) {
		to := Address{r + 1, RoleLearner}
		if to.Replica == proposer {
			to.Roles |= RoleProposer
		}
		e := a.cfg.envelope(RoleAcceptor, to, m)
		if a.cfg.Mutant.Has(mutant.M2) || (a.cfg.Mutant.Has(mutant.M14) && proposer == a.cfg.Self) {
			out.Prompt = append(out.Prompt, e)
			continue
		}
		out.Messages = append(out.Messages, e)
	}
}

// onPrepare is phase 1b of "Paxos Made Simple", section 2.2: "If an acceptor
// receives a prepare request with number n greater than that of any prepare
// request to which it has already responded, then it responds to the request
// with a promise not to accept any more proposals numbered less than n and
// with the highest-numbered proposal (if any) that it has accepted." Here for
// all slots from m.From on at once. A repeated request is answered again.
func (a *Acceptor) onPrepare(e *Envelope, m *Prepare, out *Output) {
	if a.cfg.Mutant.Has(mutant.M4) && m.Ballot.Round == a.promised.Round {
		a.promised = m.Ballot
	}
	if !m.Ballot.plausible(a.promised.Round) {
		return
	}
	if m.Ballot.Less(a.promised) {
		a.nack(e, m.Ballot, out)
		return
	}
	if a.promised.Less(m.Ballot) {
		a.raise(m.Ballot)
		out.Records = append(out.Records, Record{Kind: RecordPromised, Ballot: m.Ballot})
	}
	// A proposer repeats itself while the log is being read; what waited together
	// gets one answer, for it may be all that was ever voted for from m.From on.
	asked := prepared{*m, e.From}
	if slices.Contains(a.answered, asked) {
		return
	}
	a.answered = append(a.answered, asked)
	for _, promise := range a.promises(m) {
		answer := a.cfg.envelope(RoleAcceptor, e.From, promise)
		if a.cfg.Mutant.Has(mutant.M1) {
			out.Prompt = append(out.Prompt, answer)
			continue
		}
		out.Messages = append(out.Messages, answer)
	}
}

// promises cuts the answer to a Prepare into parts that fit a frame.
func (a *Acceptor) promises(m *Prepare) []*Promise {
	part := func() *Promise {
		return &Promise{Ballot: m.Ballot, From: m.From, Vector: a.vector, Floor: a.floor, Chosen: a.chosen}
	}
	parts := []*Promise{part()}
	size := 0
	for s := a.votes.next(m.From); s <= a.highest; s = a.votes.next(s + 1) {
		entry, _ := a.entry(s)
		if size > 0 && size+len(entry.Value) > a.options.PartBytesMax {
			parts, size = append(parts, part()), 0
		}
		last := parts[len(parts)-1]
		last.Entries = append(last.Entries, entry)
		size += len(entry.Value) + entryOverheadBytes
	}
	for i, p := range parts {
		p.Part, p.Parts = uint32(i), uint32(len(parts))
	}
	return parts
}

// entryOverheadBytes is what an entry costs on the wire beside its value.
const entryOverheadBytes = 32

// onAccept is phase 2b: "If an acceptor receives an accept request for a
// proposal numbered n, it accepts the proposal unless it has already responded
// to a prepare request having a number greater than n." This is the only place
// from which a vote is ever sent.
//
// PUT 4/8 check the ballot, keep the value, vote. Next: core/agent Deliver makes the vote durable.
func (a *Acceptor) onAccept(e *Envelope, m *Accept, out *Output) {
	if m.Ballot.Less(a.promised) && !a.cfg.Mutant.Has(mutant.M3) && !a.votesAgain(m) {
		a.nack(e, m.Ballot, out)
		return
	}
	if m.Slot != 0 && m.Slot <= a.floor {
		a.belowFloor(e, m, out)
		return
	}
	if m.Slot == 0 || m.Slot > a.highest+slotsAheadMax || !m.Ballot.plausible(a.promised.Round) {
		return
	}
	repeated := false
	if held, ok := a.ballotOf(m.Slot); ok {
		repeated = held == m.Ballot
	}
	a.raise(m.Ballot)
	if !repeated { // a repeated Accept was recorded before, in order
		a.hold(m.Slot, m.Ballot, m.Value)
		out.Records = append(out.Records,
			Record{Kind: RecordVoted, Ballot: m.Ballot, Slot: m.Slot, Value: m.Value})
	}
	a.voted = append(a.voted, pendingVote{m.Ballot, m.Slot, m.Ballot.Replica})
}

func (a *Acceptor) nack(e *Envelope, asked Ballot, out *Output) {
	to := Address{e.From.Replica, RoleProposer}
	out.Messages = append(out.Messages, a.cfg.envelope(RoleAcceptor, to, &Nack{Ballot: asked, Promised: a.promised}))
}

// onChosenRuns takes what the own learner saw chosen. It is recorded with the
// batch and never synced for its own sake: it can be found out again.
func (a *Acceptor) onChosenRuns(e *Envelope, m *ChosenRuns) {
	if e.From.Replica != a.cfg.Self {
		return
	}
	for _, run := range m.Runs {
		if !run.possible() {
			continue
		}
		a.learn(run)
		a.told = append(a.told, run)
	}
}

// onReadQuery answers with the highest slot of which this acceptor knows anything:
// voted for, recovered, or cut. The answer may be too high, never too low.
func (a *Acceptor) onReadQuery(e *Envelope, m *ReadQuery, out *Output) {
	highest := a.highest
	if a.cfg.Mutant.Has(mutant.M29d) && a.votes.next(1) > a.highest {
		highest = 0
	}
	answer := a.cfg.envelope(RoleAcceptor, e.From, &ReadAnswer{Round: m.Round, Highest: highest})
	if a.newlyNormal { // it is nobody until the records of this batch are durable
		out.Messages = append(out.Messages, answer)
		return
	}
	out.Prompt = append(out.Prompt, answer)
}

// onFetch answers from the log. What it sends is no vote and proves nothing
// by itself; together with the runs it does.
func (a *Acceptor) onFetch(e *Envelope, m *Fetch, out *Output) {
	if m.First == 0 || m.Last < m.First {
		return
	}
	held := &Held{First: m.First, Through: min(m.Last, a.highest), Highest: a.highest, Floor: a.floor}
	limit := min(int(m.BytesMax), a.options.PartBytesMax)
	size := 0
	for s := a.votes.next(m.First); s <= held.Through; s = a.votes.next(s + 1) {
		entry, _ := a.entry(s)
		held.Entries = append(held.Entries, entry)
		size += len(entry.Value) + entryOverheadBytes
		if size >= limit {
			held.Through = s
			break
		}
	}
	for _, run := range a.runs {
		if run.Last >= held.First && run.First <= held.Through {
			run.First, run.Last = max(run.First, held.First), min(run.Last, held.Through)
			held.Runs = append(held.Runs, run)
		}
	}
	out.Messages = append(out.Messages, a.cfg.envelope(RoleAcceptor, e.From, held))
}

// refuse answers whoever asked for a promise, a vote or a read.
func (a *Acceptor) refuse(e *Envelope, out *Output) {
	switch e.Message.(type) {
	case *Prepare, *Accept, *ReadQuery, *Fetch:
		m := &Refusing{Reason: a.Refusing()}
		to := Address{e.From.Replica, e.From.Roles}
		out.Messages = append(out.Messages, a.cfg.envelope(RoleAcceptor, to, m))
	}
}
