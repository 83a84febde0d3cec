package paxos

import (
	"fmt"
	"slices"

	"synod/core/mutant"
)

// ProposerOptions are a proposer's parameters. Times are counted in ticks.
type ProposerOptions struct {
	// Run is random, not zero, and new at every start of the role: it makes
	// the ballots of this start unlike those of every other one.
	Run uint64
	// Seed feeds the random delays of the election.
	Seed uint64
	// HeartbeatTicks between two heartbeats of a leader (default 5).
	HeartbeatTicks int
	// ElectionTicks without a sign of the leader start a canvass, stretched at
	// random up to half as much again (default 60).
	ElectionTicks int
	// ResendTicks after which an unanswered Prepare or Accept is sent again
	// (default 20).
	ResendTicks int
	// WindowMax slots are in flight at most (default 16).
	WindowMax int
	// BatchBytesMax and BatchCommandsMax end a batch; it holds at least one
	// command, however large (defaults 256 KiB and 1,024).
	BatchBytesMax    int
	BatchCommandsMax int
	// QueueBytesMax bounds the commands that wait for a slot (default 16 MiB);
	// beyond it they are dropped, and whoever sent them tries again.
	QueueBytesMax int
}

func (o *ProposerOptions) setDefaults() {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&o.HeartbeatTicks, 5)
	set(&o.ElectionTicks, 60)
	set(&o.ResendTicks, 20)
	set(&o.WindowMax, 16)
	set(&o.BatchBytesMax, 256<<10)
	set(&o.BatchCommandsMax, 1024)
	set(&o.QueueBytesMax, 16<<20)
}

// ProposerState is what a proposer is doing.
type ProposerState uint8

// The states, in the order in which an election passes through them.
const (
	Following ProposerState = iota
	Canvassing
	Preparing
	Leading
)

func (s ProposerState) String() string {
	return [...]string{"following", "canvassing", "preparing", "leading"}[s]
}

// Proposer gets values chosen. This file holds what agreement depends on:
// phase 1, phase 2, and never two values under one ballot. When to campaign is
// in election.go, which may be wrong without breaking agreement.
type Proposer struct {
	cfg     Config
	options ProposerOptions
	election

	state ProposerState
	// round is the highest round this run has used or seen.
	round uint64
	// ballot is that of the campaign or the leadership, if there is one.
	ballot Ballot
	// from is the first slot that phase 1 of ballot covers and nobody has cut. All
	// slots below it are chosen, and this ballot proposes nothing for them.
	from Slot

	// Phase 1: the promises so far, those that came in parts, and for every
	// reported slot the entry of the highest ballot.
	promises     tally
	parts        [ReplicasMax][]*Promise
	reported     map[Slot]Entry
	reportedLast Slot
	// chosenMark is the highest slot that an acceptor says to be chosen with
	// everything below: no new value may be proposed up to it.
	chosenMark  Slot
	prepareSent uint64

	// Phase 2. Slots from base to next-1 are in flight; slot s has its place at
	// s modulo the window. base-1 is chosen, and everything from `from` to it,
	// in this very ballot.
	flight       []proposal
	base, next   Slot
	closeThrough Slot // someone waits for all slots up to here

	// queue holds commands that wait for a slot, in order of arrival.
	queue      [][]byte
	queueBytes int
	dropped    uint64
}

// proposal is a slot in flight.
type proposal struct {
	value  Value
	votes  tally
	sent   uint64 // tick
	resent int    // times
	chosen bool
}

// NewProposer returns a proposer that follows. It needs no log: see [Ballot].
func NewProposer(cfg Config, options ProposerOptions) *Proposer {
	options.setDefaults()
	if options.Run == 0 {
		panic("paxos: a proposer needs a random run")
	}
	p := &Proposer{cfg: cfg, options: options}
	p.flight = make([]proposal, options.WindowMax)
	p.election.init(&p.options)
	return p
}

// State returns what the proposer is doing.
func (p *Proposer) State() ProposerState { return p.state }

// Ballot returns the ballot of the campaign or the leadership.
func (p *Proposer) Ballot() Ballot { return p.ballot }

// Leader returns the ballot of the leader that this proposer hears, its own if
// it leads, or zero.
func (p *Proposer) Leader() Ballot {
	if p.state == Leading {
		return p.ballot
	}
	if p.hearsLeader() {
		return p.leader
	}
	return Ballot{}
}

// InFlight returns how many slots wait for a quorum and how many commands wait
// for a slot.
func (p *Proposer) InFlight() (slots, commands int) {
	if p.state != Leading {
		return 0, 0
	}
	return int(p.next - p.base), len(p.queue)
}

// Dropped counts commands that found no room.
func (p *Proposer) Dropped() uint64 { return p.dropped }

// Restore implements [Role]; a proposer has no log.
func (p *Proposer) Restore(Record) { panic("paxos: a proposer has no log") }

// Step implements [Role].
func (p *Proposer) Step(e Envelope, out *Output) {
	if p.cfg.foreign(&e) {
		return
	}
	switch m := e.Message.(type) {
	case *Propose:
		p.onPropose(&e, m, out)
	case *Forward:
		p.onForward(m, out)
	case *Canvass:
		p.onCanvass(&e, m, out)
	case *CanvassReply:
		p.onCanvassReply(&e, m, out)
	case *Promise:
		p.onPromise(&e, m, out)
	case *Nack:
		p.onNack(&e, m, out)
	case *Accepted:
		p.onAccepted(&e, m)
	case *BelowFloor:
		p.onBelowFloor(m)
	case *Heartbeat:
		p.onHeartbeat(&e, m, out)
	case *HeartbeatReply:
		p.onHeartbeatReply(&e, m)
	case *Close:
		p.onClose(m, out)
	case *Applied:
		p.applied, p.appliedKnown = m.Slot, true
	case *LinkDown:
		p.onLinkDown(m, out)
	}
}

// Tick implements [Role].
func (p *Proposer) Tick(wallMillis int64, out *Output) {
	p.now++
	p.wallMillis = wallMillis
	p.elect(out)
	switch p.state {
	case Preparing:
		p.resendPrepare(out)
	case Leading:
		p.resendAccepts(out)
	}
}

// Settle implements [Role]: everything that waits becomes the next batch.
func (p *Proposer) Settle(out *Output) {
	if p.state == Leading {
		p.pump(out)
	}
}

func (p *Proposer) send(out *Output, to Address, m Message) {
	out.Messages = append(out.Messages, p.cfg.envelope(RoleProposer, to, m))
}

// campaign opens phase 1 under a ballot that was never used before.
func (p *Proposer) campaign(from Slot, out *Output) {
	reuse := p.cfg.Mutant.Has(mutant.M41) && p.ballot.Round == p.round && p.round > 0
	if !reuse {
		p.round++
	}
	p.ballot = Ballot{Round: p.round, Replica: p.cfg.Self, Run: p.options.Run}
	if p.cfg.Mutant.Has(mutant.M11) {
		p.ballot.Run = 1
	}
	p.state = Preparing
	p.from = max(from, 1)
	p.promises = tally{}
	p.parts = [ReplicasMax][]*Promise{}
	p.reported, p.reportedLast, p.chosenMark = make(map[Slot]Entry), 0, 0
	p.prepareSent = p.now
	out.Events = append(out.Events, Event{Kind: EventCampaigning, Ballot: p.ballot, Slot: p.from})
	p.send(out, Address{Everyone, RoleAcceptor}, &Prepare{Ballot: p.ballot, From: p.from})
}

// sawRound makes the next campaign go above a round that somebody has used.
func (p *Proposer) sawRound(round uint64) {
	if plausibleRound(round, p.round) {
		p.round = max(p.round, round)
	}
}

// resendPrepare asks those again that have not answered, or whose answers do
// not fit together.
func (p *Proposer) resendPrepare(out *Output) {
	if p.now-p.prepareSent < uint64(p.options.ResendTicks) {
		return
	}
	p.prepareSent = p.now
	for r := ReplicaID(1); int(r) <= p.cfg.Replicas; r++ {
		if (!p.promises.has(r) || p.promises.stale(r)) && !p.arriving(r) {
			p.send(out, Address{r, RoleAcceptor}, &Prepare{Ballot: p.ballot, From: p.from})
		}
	}
}

func (p *Proposer) onPromise(e *Envelope, m *Promise, out *Output) {
	other := m.Ballot != p.ballot && !p.cfg.Mutant.Has(mutant.M13)
	if p.state != Preparing || other || m.From > p.from {
		return
	}
	if !p.collect(e.From.Replica, m) {
		return
	}
	for _, part := range p.parts[e.From.Replica-1] {
		if !p.cfg.Mutant.Has(mutant.M40) {
			p.from, p.chosenMark = max(p.from, part.Floor+1), max(p.chosenMark, part.Chosen)
		}
		for _, entry := range part.Entries {
			p.report(entry)
		}
	}
	p.parts[e.From.Replica-1] = nil
	fresh := p.promises.add(e.From.Replica, e.Incarnation, &m.Vector)
	if !fresh && p.cfg.Mutant.Has(mutant.M12) {
		p.promises.extra++
	}
	if p.cfg.proves(&p.promises, p.cfg.needPrepare(), mutant.M20) {
		p.lead(out)
	}
}

// collect keeps the parts of a promise until all are there. Parts that were cut
// from different memories, before and after a loss or a new floor, are not one
// answer.
func (p *Proposer) collect(from ReplicaID, m *Promise) bool {
	if m.Parts == 0 || m.Part >= m.Parts {
		return false
	}
	parts := p.parts[from-1]
	other := func(part *Promise) bool {
		return part != nil && (part.Vector != m.Vector || part.Floor != m.Floor || part.From != m.From)
	}
	if len(parts) != int(m.Parts) || slices.ContainsFunc(parts, other) {
		if m.Parts > promisePartsMax {
			return false
		}
		parts = make([]*Promise, m.Parts)
		p.parts[from-1] = parts
	}
	if m.Parts > 1 && parts[m.Part] == nil {
		p.partArrived(from)
	}
	parts[m.Part] = m
	return !slices.Contains(parts, nil)
}

// promisePartsMax bounds what a promise may announce: 256 KiB times this.
const promisePartsMax = 1 << 16

// report keeps, for each slot, "the value of the highest-numbered proposal
// among the responses" ("Paxos Made Simple", section 2.2).
func (p *Proposer) report(entry Entry) {
	p.reportedLast = max(p.reportedLast, entry.Slot)
	known, ok := p.reported[entry.Slot]
	better := !ok || known.Ballot.Less(entry.Ballot)
	if p.cfg.Mutant.Has(mutant.M8) {
		better = !ok || entry.Ballot.Less(known.Ballot)
	}
	if better {
		p.reported[entry.Slot] = entry
	}
}

// lead ends phase 1. From here on the ballot is this proposer's to use: it
// first proposes what phase 1 reported, then what clients want.
func (p *Proposer) lead(out *Output) {
	p.state = Leading
	p.base, p.next = p.from, p.from
	p.reportedLast = max(p.reportedLast, p.chosenMark)
	p.closeThrough = max(p.reportedLast, p.from-1)
	clear(p.flight)
	p.startLeading(out)
	out.Events = append(out.Events, Event{
		Kind: EventLeading, Ballot: p.ballot, Slot: p.from,
		Replicas: ReplicaSet(p.promises.replied), Slots: int(p.closeThrough - p.from + 1),
	})
}

// recovered returns what phase 1 obliges the proposer to propose for a slot.
func (p *Proposer) recovered(s Slot) (Value, bool) {
	if p.cfg.Mutant.Has(mutant.M7) {
		return nil, false
	}
	if p.cfg.Mutant.Has(mutant.M9) {
		s++
	}
	entry, ok := p.reported[s]
	return entry.Value, ok
}

// pump opens slots while the window has room. Slots that phase 1 covered come
// first: the reported value if there is one, else the no-op, for "process
// leader proposes ... a special no-op command that leaves the state unchanged"
// in gaps (section 3).
func (p *Proposer) pump(out *Output) {
	for p.next-p.base < Slot(p.options.WindowMax) {
		if p.next <= p.reportedLast {
			value, ok := p.recovered(p.next)
			if !ok && p.next <= p.chosenMark {
				p.resign(fmt.Sprintf("slot %d is chosen, but no promise reports it", p.next), out)
				return
			}
			if !ok && p.cfg.Mutant.Has(mutant.M10) {
				p.skip()
				continue
			}
			if !ok && p.cfg.Mutant.Has(mutant.M7) && len(p.queue) > 0 {
				value = p.batch()
			}
			p.propose(value, out)
			continue
		}
		if len(p.queue) > 0 {
			p.propose(p.batch(), out)
			continue
		}
		if p.next > p.closeThrough {
			return
		}
		p.propose(nil, out)
	}
}

// propose sends the Accept for the next slot. It is the only place that does
// so for the first time, and next only grows within a ballot: so there is one
// value per ballot and slot.
func (p *Proposer) propose(v Value, out *Output) {
	if p.next == p.base {
		p.progressed = p.now
	}
	slot := &p.flight[p.next%Slot(len(p.flight))]
	*slot = proposal{value: v, sent: p.now}
	to := Address{Everyone, RoleAcceptor | RoleLearner}
	p.send(out, to, &Accept{Ballot: p.ballot, Slot: p.next, Value: v})
	delete(p.reported, p.next)
	p.next++
}

// skip leaves a slot open and pretends that it is closed.
func (p *Proposer) skip() {
	p.flight[p.next%Slot(len(p.flight))] = proposal{chosen: true}
	p.next++
	p.advance()
}

func (p *Proposer) onAccepted(e *Envelope, m *Accepted) {
	other := m.Ballot != p.ballot && !p.cfg.Mutant.Has(mutant.M13)
	if p.state != Leading || other {
		return
	}
	for s := max(m.First, p.base); s <= m.Last && s < p.next; s++ {
		slot := &p.flight[s%Slot(len(p.flight))]
		if slot.chosen {
			continue
		}
		if !slot.votes.add(e.From.Replica, e.Incarnation, &m.Vector) && p.cfg.Mutant.Has(mutant.M12) {
			slot.votes.extra++
		}
		slot.chosen = p.cfg.proves(&slot.votes, p.cfg.needAccept(), mutant.M20)
	}
	p.advance()
}

// onBelowFloor leaves slots alone that somebody has cut: they are chosen, and not
// all acceptors will ever vote for them again. The ballot proposes nothing there
// any more, and its mark does not speak of them.
func (p *Proposer) onBelowFloor(m *BelowFloor) {
	if p.state != Leading || m.Ballot != p.ballot || m.Floor < p.base || m.Floor > p.next+slotsAheadMax {
		return
	}
	for s := p.base; s < p.next && s <= m.Floor; s++ {
		p.flight[s%Slot(len(p.flight))] = proposal{}
	}
	p.from, p.base, p.next = m.Floor+1, m.Floor+1, max(p.next, m.Floor+1)
	p.progressed = p.now
	p.advance()
}

// advance moves the window over chosen slots.
func (p *Proposer) advance() {
	for p.base < p.next && p.flight[p.base%Slot(len(p.flight))].chosen {
		p.flight[p.base%Slot(len(p.flight))].value = nil
		p.base++
		p.progressed = p.now
	}
}

// resendAccepts repeats what may have been lost to those that did not vote,
// each time after twice the time: an answer that is late because of large
// values would only come later still.
func (p *Proposer) resendAccepts(out *Output) {
	for s := p.base; s < p.next; s++ {
		slot := &p.flight[s%Slot(len(p.flight))]
		if slot.chosen || p.now-slot.sent < uint64(p.options.ResendTicks)<<min(slot.resent, resendDoublingsMax) {
			continue
		}
		slot.sent = p.now
		slot.resent++
		m := &Accept{Ballot: p.ballot, Slot: s, Value: slot.value}
		for r := ReplicaID(1); int(r) <= p.cfg.Replicas; r++ {
			if !slot.votes.has(r) || slot.votes.stale(r) {
				p.send(out, Address{r, RoleAcceptor | RoleLearner}, m)
			}
		}
	}
}

// resendDoublingsMax keeps the longest pause at sixteen times the first.
const resendDoublingsMax = 4

// onNack ends the campaign or the leadership: someone has a higher ballot.
// "An acceptor ... should probably inform the proposer, who should then
// abandon its proposal" (section 2.4).
func (p *Proposer) onNack(e *Envelope, m *Nack, out *Output) {
	p.sawRound(m.Promised.Round)
	if p.state >= Preparing && m.Ballot == p.ballot && p.ballot.Less(m.Promised) {
		p.resign(fmt.Sprintf("%s has promised %s", e.From.Replica, m.Promised), out)
	}
}

// onClose sees to it that slots somebody waits for are decided.
func (p *Proposer) onClose(m *Close, out *Output) {
	if p.state != Leading || m.First == 0 || m.Last > p.next+slotsAheadMax {
		return
	}
	p.closeThrough = max(p.closeThrough, m.Last)
	if m.Stuck && m.First < p.from && p.next-m.First <= reopenStuckSlotsMax {
		// Nobody can prove to that learner what was chosen there: the slot is
		// chosen again, with the same value, in a new ballot of ours.
		p.reopen(m.First, out)
	}
}
