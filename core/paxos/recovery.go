package paxos

import (
	"fmt"
	"math/bits"
	"strings"

	"synod/core/mutant"
)

// How an acceptor without memory earns its vote back (crash-consistent quorums:
// Michael, Ports, Sharma, Szekeres, "Recovering Shared Objects Without Stable
// Storage", DISC 2017). It begins a new life, numbered by its incarnation, of which
// a majority of the others knows before any of them tells it anything; so whatever
// it said in an older life no longer counts together with what they say from then
// on (quorum.go). What it takes over from them holds every promise and every vote
// that could have counted with one of its own.
//
//	asking     RecoverQuery(nonce)            -> all      which life of mine do you know?
//	           RecoverInfo(nonce, known)      <- need     the new incarnation is above all
//	gathering  Recover(nonce, incarnation)    -> all      each records it, syncs, then answers
//	           RecoverState(nonce, …)         <- need     pairwise consistent, in parts
//	waiting    a new log, synced; then the own store must hold all through the floor
//	normal     RecordBorn, synced: the log is complete
//
// Until the last line it promises, votes and answers for nobody, helps no other
// recovery, and answers Recovering.

// recoveryStage is how far a recovery is.
type recoveryStage uint8

const (
	stageAsking recoveryStage = iota
	stageGathering
	stageWaiting
)

// recovery is the work of one attempt.
type recovery struct {
	reason string // why the state is lost
	stage  recoveryStage
	sent   uint64 // tick of the last question

	answered replicaBits
	known    Incarnation
	// lost are those who have lost their state themselves, by their last word.
	lost replicaBits

	helpers [ReplicasMax]helper
	replies tally
	// What the helpers told, merged: the highest ballots, the highest floor.
	promised Ballot
	floor    Slot
	vector   Vector
	votes    voteTable
	highest  Slot
	entries  int
}

// replicaBits is a set of replicas: bit r-1 is replica r.
type replicaBits uint8

func (s replicaBits) has(r ReplicaID) bool { return s&(1<<(r-1)) != 0 }

func (s replicaBits) size() int { return bits.OnesCount8(uint8(s)) }

func (s replicaBits) String() string {
	text := ""
	for r := ReplicaID(1); r <= ReplicasMax; r++ {
		if s.has(r) {
			text += " " + r.String()
		}
	}
	return strings.TrimSpace(text)
}

// helper is how far one acceptor has told its state.
type helper struct {
	life Incarnation // that tells; another one has to begin again
	next Slot        // the slot from which it is to go on, 0 before its first answer
	done bool
	// The promise and the floor of its last part.
	promised Ballot
	floor    Slot
}

// recoverNeed is how many others have to help: enough to share an acceptor with
// every majority that this one could have been the last member of.
func (c *Config) recoverNeed() int {
	need := c.Replicas - c.Majority() + 1
	if c.Mutant.Has(mutant.M17) {
		need--
	}
	return need
}

// Lose makes an acceptor that was not restored begin to recover. Without others,
// or without a run, it refuses for ever.
func (a *Acceptor) Lose(reason string) {
	if a.cfg.Replicas == 1 || a.options.Run == [16]byte{} {
		a.Refuse(reason)
		return
	}
	fresh := NewAcceptor(a.cfg, a.options, a.archive)
	fresh.now, fresh.attempt = a.now, a.attempt // not what the store held: it may be what was lost
	fresh.recovery = &recovery{reason: reason}
	*a = *fresh
	a.attempt++
}

// lose is Lose in the middle of a life. What was sent stays said; what was to be
// merged at the end of the batch is not said any more.
func (a *Acceptor) lose(reason string, out *Output) {
	a.Lose(reason)
	kind := EventLost
	if a.recovery == nil {
		kind = EventRefusing
	}
	out.Events = append(out.Events, Event{Kind: kind, Reason: reason, Incarnation: a.cfg.Incarnation})
}

func (a *Acceptor) nonce() Nonce { return Nonce{a.options.Run, a.attempt} }

// progress says in words how far the recovery is.
func (r *recovery) progress(a *Acceptor) string {
	need := a.cfg.Replicas - a.cfg.Majority() + 1
	if r.stage != stageWaiting && a.cfg.Replicas-1-r.lost.size() < need {
		return fmt.Sprintf("%s; a majority of the acceptors has lost its state (%s): what was acknowledged may be "+
			"only there: bring back the data of one of them, or run `synodd recover`",
			r.reason, r.lost|1<<(a.cfg.Self-1))
	}
	switch r.stage {
	case stageAsking:
		return fmt.Sprintf("%s; recovering: %d of %d others have answered", r.reason, r.answered.size(), need)
	case stageGathering:
		return fmt.Sprintf("%s; recovering as incarnation %d: %d of %d others have told their state, %d entries so far",
			r.reason, a.cfg.Incarnation, r.replies.count(), need, r.entries)
	}
	return fmt.Sprintf("%s; recovering as incarnation %d: the own store has to hold all slots through %d, it holds %d",
		r.reason, a.cfg.Incarnation, a.floor, a.checkpoint)
}

// stepRecovering is all that an acceptor without its memory does.
func (a *Acceptor) stepRecovering(e *Envelope, out *Output) {
	switch m := e.Message.(type) {
	case *RecoverInfo:
		a.recovery.lost &^= 1 << (e.From.Replica - 1)
		a.onRecoverInfo(e, m, out)
	case *RecoverState:
		a.recovery.lost &^= 1 << (e.From.Replica - 1)
		a.onRecoverState(e, m, out)
	case *Recovering:
		a.recovery.lost |= 1 << (e.From.Replica - 1)
	case *Checkpoint:
		if e.From.Replica == a.cfg.Self {
			a.checkpoint = m.Slot
			a.completeIfReady(out)
		}
	case *RecoverQuery, *Recover:
		a.refuseToHelp(e, out)
	case *ChosenRuns:
		if a.cfg.Mutant.Has(mutant.M16) && len(m.Runs) > 0 { // it watched an instance from its begin to its end
			a.beginAnew(m.Runs[len(m.Runs)-1].Ballot, out)
		}
	case *Prepare, *Accept, *Fetch:
		a.answerRecovering(e, out)
	case *ReadQuery:
		if a.cfg.Mutant.Has(mutant.M29b) {
			a.onReadQuery(e, m, out)
			return
		}
		a.answerRecovering(e, out)
	}
}

func (a *Acceptor) answerRecovering(e *Envelope, out *Output) {
	out.Messages = append(out.Messages, a.cfg.envelope(RoleAcceptor, e.From, &Recovering{Nonce: a.nonce()}))
}

// refuseToHelp: what an acceptor without memory knows is nothing, and nothing must
// not be taken for an answer.
func (a *Acceptor) refuseToHelp(e *Envelope, out *Output) {
	if e.From.Replica == a.cfg.Self {
		return
	}
	if a.cfg.Mutant.Has(mutant.M22) {
		a.vector[a.cfg.Self-1] = a.cfg.Incarnation
		switch m := e.Message.(type) {
		case *RecoverQuery:
			a.onRecoverQuery(e, m, out)
		case *Recover:
			a.onRecover(e, m, out)
		}
		return
	}
	a.answerRecovering(e, out)
}

// tickRecovery asks again whoever has not answered.
func (a *Acceptor) tickRecovery(out *Output) {
	r := a.recovery
	if r.sent != 0 && a.now-r.sent < uint64(a.options.RecoverTicks) {
		return
	}
	r.sent = a.now
	if a.cfg.Mutant.Has(mutant.M15) {
		a.beginAnew(Ballot{Round: 1, Replica: a.cfg.Self, Run: 1}, out)
		return
	}
	switch r.stage {
	case stageAsking:
		a.toAcceptor(Everyone, &RecoverQuery{Nonce: a.nonce()}, out)
	case stageGathering:
		for i := ReplicaID(1); int(i) <= a.cfg.Replicas; i++ {
			if i != a.cfg.Self && (!r.helpers[i-1].done || r.replies.stale(i)) {
				a.askForState(i, out)
			}
		}
	}
}

func (a *Acceptor) toAcceptor(to ReplicaID, m Message, out *Output) {
	out.Messages = append(out.Messages, a.cfg.envelope(RoleAcceptor, Address{to, RoleAcceptor}, m))
}

func (a *Acceptor) askForState(to ReplicaID, out *Output) {
	h := &a.recovery.helpers[to-1]
	if h.done { // what it told is stale: it has lost its memory since
		*h = helper{}
	}
	a.toAcceptor(to, &Recover{Nonce: a.nonce(), Incarnation: a.cfg.Incarnation, From: max(h.next, 1)}, out)
}

// onRecoverInfo counts who knows which life of this acceptor.
func (a *Acceptor) onRecoverInfo(e *Envelope, m *RecoverInfo, out *Output) {
	r := a.recovery
	own := m.Nonce == a.nonce() || a.cfg.Mutant.Has(mutant.M23)
	if !own || e.From.Replica == a.cfg.Self || r.stage == stageWaiting {
		return
	}
	r.known = max(r.known, m.Known)
	if r.stage == stageGathering {
		if m.Known > a.cfg.Incarnation {
			a.attempt++ // somebody knows a later life: this attempt is void
			a.gather(out)
		}
		return
	}
	r.answered |= 1 << (e.From.Replica - 1)
	if r.answered.size() >= a.cfg.recoverNeed() {
		a.gather(out)
	}
}

// gather begins a new life. The host makes its number durable before any message
// of this batch leaves: so no later attempt can have the same, and the log of the
// life before can never be used again.
func (a *Acceptor) gather(out *Output) {
	r := a.recovery
	next := max(r.known, a.cfg.Incarnation) + 1
	if a.cfg.Mutant.Has(mutant.M38) {
		next = a.cfg.Incarnation // the number is used twice
	}
	a.cfg.Incarnation = next
	*r = recovery{reason: r.reason, stage: stageGathering, known: r.known, lost: r.lost, sent: a.now}
	out.Renew = a.cfg.Incarnation
	a.toAcceptor(Everyone, &Recover{Nonce: a.nonce(), Incarnation: a.cfg.Incarnation, From: 1}, out)
	a.tellProgress(out)
}

func (a *Acceptor) tellProgress(out *Output) {
	out.Events = append(out.Events, Event{
		Kind: EventRecovering, Reason: a.recovery.progress(a), Incarnation: a.cfg.Incarnation, Slot: a.floor,
	})
}

// onRecoverState takes a part of a helper's state. Parts of one helper come in slot
// order, all of one of its lives.
func (a *Acceptor) onRecoverState(e *Envelope, m *RecoverState, out *Output) {
	r := a.recovery
	own := m.Nonce == a.nonce() && m.Incarnation == a.cfg.Incarnation
	if !own && !a.cfg.Mutant.Has(mutant.M23) || e.From.Replica == a.cfg.Self || r.stage != stageGathering {
		return
	}
	life := m.Vector.Of(e.From.Replica)
	h := &r.helpers[e.From.Replica-1]
	if h.next == 0 || h.life < life {
		*h = helper{life: life, next: 1}
	}
	if h.done || h.life != life || m.From != h.next {
		return
	}
	for i := range m.Entries {
		r.take(&m.Entries[i])
	}
	h.next, h.promised, h.floor = m.Through+1, m.Promised, m.Floor
	if !m.Last {
		a.toAcceptor(e.From.Replica, &Recover{Nonce: a.nonce(), Incarnation: a.cfg.Incarnation, From: h.next}, out)
		return
	}
	h.done = true
	if r.promised.Less(h.promised) {
		r.promised = h.promised
	}
	r.floor = max(r.floor, h.floor)
	r.vector.raise(a.cfg.Self, &m.Vector)
	r.replies.add(e.From.Replica, life, &m.Vector)
	enough := r.replies.quorum(a.cfg.recoverNeed())
	if a.cfg.Mutant.Has(mutant.M23b) {
		enough = r.replies.count() >= a.cfg.recoverNeed()
	}
	if enough {
		a.install(out)
		return
	}
	a.tellProgress(out)
}

// take keeps an entry if its ballot is the highest for its slot. More entries than
// needed do no harm: each was proposed in its ballot.
func (r *recovery) take(entry *Entry) {
	if entry.Slot == 0 || entry.Ballot.IsZero() {
		return
	}
	held := r.votes.At(entry.Slot)
	if held.ballot.Less(entry.Ballot) {
		if held.ballot.IsZero() {
			r.entries++
		}
		*held = vote{ballot: entry.Ballot, value: entry.Value}
		r.highest = max(r.highest, entry.Slot)
	}
}

// install takes over what a majority of the others remembers, and begins a log
// with it. The entries are no votes of this acceptor, and Accepted is never sent
// for them unless their proposer asks in a ballot that the promise admits.
func (a *Acceptor) install(out *Output) {
	r := a.recovery
	a.votes, a.floor, a.highest, a.chosen, a.runs = voteTable{}, 0, 0, 0, nil
	a.resident, a.held, a.evictNext = 0, 0, 1
	a.promised = r.promised
	if a.cfg.Mutant.Has(mutant.M18) {
		a.promised = Ballot{}
	}
	a.vector = r.vector
	a.vector[a.cfg.Self-1] = a.cfg.Incarnation
	a.cut(r.floor)
	out.Fresh, out.Records = true, out.Records[:0]
	for s := r.votes.next(r.floor + 1); s <= r.highest; s = r.votes.next(s + 1) {
		v := r.votes.find(s)
		if a.cfg.Mutant.Has(mutant.M19) {
			continue
		}
		highest := a.highest
		a.hold(s, v.ballot, v.value)
		a.raise(v.ballot)
		if a.cfg.Mutant.Has(mutant.M29c) {
			a.highest = highest
		}
		out.Records = append(out.Records, Record{Kind: RecordVoted, Ballot: v.ballot, Slot: s, Value: v.value})
	}
	if !a.promised.IsZero() {
		out.Records = append(out.Records, Record{Kind: RecordPromised, Ballot: a.promised})
	}
	if a.floor > 0 {
		out.Records = append(out.Records, Record{Kind: RecordFloor, Slot: a.floor})
	}
	out.Records = append(out.Records, Record{Kind: RecordVector, Vector: a.vector})
	*r = recovery{reason: r.reason, stage: stageWaiting}
	if a.completeIfReady(out); a.recovery != nil {
		a.tellProgress(out)
	}
}

// completeIfReady ends the recovery once the own store holds, durably, all that no
// acceptor can report any more.
func (a *Acceptor) completeIfReady(out *Output) {
	if a.recovery.stage == stageWaiting && (a.checkpoint >= a.floor || a.cfg.Mutant.Has(mutant.M25)) {
		a.complete(out)
	}
}

func (a *Acceptor) complete(out *Output) {
	out.Records = append(out.Records, Record{Kind: RecordBorn, Incarnation: a.cfg.Incarnation, Vector: a.vector})
	a.recovery, a.born, a.newlyNormal = nil, true, true
	a.vector[a.cfg.Self-1] = a.cfg.Incarnation
	out.Events = append(out.Events, Event{
		Kind: EventNormal, Ballot: a.promised, Slot: a.floor, Incarnation: a.cfg.Incarnation,
	})
	a.tellRevived(Everyone, out)
}

// beginAnew is what an acceptor without memory must not do: to vote as if it had
// never lived, promising no more than what it was told.
func (a *Acceptor) beginAnew(promised Ballot, out *Output) {
	a.cfg.Incarnation++
	a.vector, a.promised = BirthRecord(a.cfg).Vector, promised
	out.Fresh, out.Renew = true, a.cfg.Incarnation
	out.Records = append(out.Records[:0], Record{Kind: RecordPromised, Ballot: promised})
	a.complete(out)
}
