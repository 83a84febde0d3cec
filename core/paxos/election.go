package paxos

import (
	"fmt"
	"math/bits"

	"synod/core/mutant"
)

// election decides who campaigns and when. Nothing in this file can break
// agreement: at worst nobody leads, or leaders change for no reason.
//
// Before a proposer raises a ballot it canvasses (a pre-ballot): it asks
// everyone whether they would welcome a campaign, and goes on only if a
// majority does not hear a leader either. So a replica that cannot hear a
// healthy leader does not depose it, and whoever campaigns is connected with a
// majority. A leader that is heard by less than a majority, or whose slots do
// not get chosen, gives up by itself.
type election struct {
	now        uint64 // ticks since the start of the role
	wallMillis int64
	random     uint64

	// leader is the ballot of the last leader heard, and when. lost says that
	// the connection to it broke since.
	leader      Ballot
	leaderHeard uint64
	lost        bool

	// deadline is the tick at which the present state has lasted too long.
	deadline uint64
	failures int // campaigns in a row that led to nothing

	// The canvass under way: who welcomes it, and how far the learners are.
	attempt         uint64
	grants          uint8
	tooFew          ReplicaSet // said yes to the last canvass or campaign that led to nothing
	lowest, highest Slot
	replies         uint8

	// relay is a replica that hears the leader while we do not, and when it
	// said so.
	relay      ReplicaID
	relayHeard uint64

	// partHeard is when the last new part of each acceptor's promise came.
	partHeard [ReplicasMax]uint64

	// The leadership under way.
	heard         [ReplicasMax]uint64
	leadingSince  uint64
	heartbeat     uint64 // tick of the last one
	sequence      uint64
	progressed    uint64 // tick at which the oldest slot was last chosen
	applied       Slot   // how far the own learner is
	appliedKnown  bool   // it has said so
	electionTicks int
}

func (l *election) init(o *ProposerOptions) {
	l.random = o.Seed ^ o.Run
	l.electionTicks = o.ElectionTicks
	// The first canvass comes early: if there is a leader, the replies say so.
	l.deadline = 2 + l.draw(o.ElectionTicks/4+1)
}

// draw returns a random number below n (SplitMix64).
func (l *election) draw(n int) uint64 {
	l.random += 0x9e3779b97f4a7c15
	z := l.random
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return z % uint64(max(n, 1))
}

// patience is one to one and a half election time-outs, longer after failures.
func (l *election) patience() uint64 {
	stretch := l.electionTicks/2 + l.electionTicks*min(l.failures, 3)/2
	return uint64(l.electionTicks) + l.draw(stretch+1)
}

// hearsLeader reports whether there was a sign of a leader lately.
func (l *election) hearsLeader() bool {
	return !l.leader.IsZero() && !l.lost && l.now-l.leaderHeard < uint64(l.electionTicks)
}

// reopenSlotsMax bounds how far below the most advanced learner phase 1 goes
// back by itself. A learner that is further behind fetches from its peers, and
// asks for a slot to be opened again only if nobody can prove its value. Small,
// because a promise carries the values of all these slots, of up to a MiB each,
// through mailboxes and links that hold 64 MiB.
const reopenSlotsMax = 32

// reopenStuckSlotsMax bounds how far a leader goes back for a learner to which
// nobody can prove a slot. Phase 1 carries everything from there on; beyond this
// it would cost the whole cluster its leader to help one replica, which needs a
// copy of the state instead.
const reopenStuckSlotsMax = 1024

// partArrived notes a new part of a large promise. While parts arrive phase 1 gets
// somewhere, and giving it up would only begin it again.
func (p *Proposer) partArrived(from ReplicaID) {
	p.partHeard[from-1] = p.now
	p.deadline = max(p.deadline, p.now+uint64(p.electionTicks))
}

// arriving reports whether parts of an acceptor's promise came lately. To ask it
// again would have it send all of them again.
func (p *Proposer) arriving(r ReplicaID) bool {
	return p.parts[r-1] != nil && p.now-p.partHeard[r-1] < uint64(p.options.ResendTicks)
}

// elect is called once a tick.
func (p *Proposer) elect(out *Output) {
	switch p.state {
	case Following:
		if p.hearsLeader() {
			p.deadline = max(p.deadline, p.leaderHeard+uint64(p.electionTicks))
		}
		if p.now >= p.deadline && p.ready() {
			p.canvass(out)
		}
	case Canvassing, Preparing:
		if p.now >= p.deadline {
			p.failures++
			if p.tooFew = ReplicaSet(p.grants); p.state == Preparing {
				p.tooFew = ReplicaSet(p.promises.replied)
			}
			p.follow()
		}
	case Leading:
		p.keepLeading(out)
	}
}

// ready reports whether this proposer should take part in elections: once its
// learner has said how far it is, or has had long enough to say so. Where phase 1
// begins rests on it; a majority that knows nothing would begin at slot 1 and
// carry the whole log.
func (l *election) ready() bool {
	return l.appliedKnown || l.now >= 2*uint64(l.electionTicks)
}

// canvass asks everyone, ourselves too, whether to campaign.
func (p *Proposer) canvass(out *Output) {
	if !p.leader.IsZero() && p.state == Following {
		out.Events = append(out.Events, Event{Kind: EventLeaderLost, Ballot: p.leader, Ticks: p.now - p.leaderHeard})
	}
	p.leader = Ballot{}
	p.state = Canvassing
	p.attempt++
	p.grants, p.replies = 0, 0
	p.lowest, p.highest = p.applied, p.applied
	p.deadline = p.now + uint64(p.options.ResendTicks)/2 + p.draw(p.options.ResendTicks)
	out.Events = append(out.Events, Event{Kind: EventCanvassing, Slot: p.applied, Replicas: p.tooFew})
	p.tooFew = 0
	p.send(out, Address{Everyone, RoleProposer}, &Canvass{Attempt: p.attempt})
}

func (p *Proposer) onCanvass(e *Envelope, m *Canvass, out *Output) {
	leader := p.Leader()
	reply := &CanvassReply{
		Attempt: m.Attempt, Leader: leader, Highest: p.round, Applied: p.applied,
		Granted: leader.IsZero() && p.state != Preparing && p.ready() || e.From.Replica == p.cfg.Self,
	}
	p.send(out, Address{e.From.Replica, RoleProposer}, reply)
}

func (p *Proposer) onCanvassReply(e *Envelope, m *CanvassReply, out *Output) {
	p.sawRound(m.Highest)
	p.sawRound(m.Leader.Round)
	if p.state != Canvassing || m.Attempt != p.attempt {
		return
	}
	bit := uint8(1) << (e.From.Replica - 1)
	p.replies |= bit
	p.lowest, p.highest = min(p.lowest, m.Applied), max(p.highest, m.Applied)
	if !m.Granted {
		if !m.Leader.IsZero() && m.Leader.Replica != p.cfg.Self {
			p.relay, p.relayHeard = e.From.Replica, p.now
		}
		return
	}
	p.grants |= bit
	if bits.OnesCount8(p.grants) < p.cfg.Majority() {
		return
	}
	from := p.lowest + 1
	if p.highest > reopenSlotsMax {
		from = max(from, p.highest-reopenSlotsMax+1)
	}
	p.deadline = p.now + p.patience()
	p.campaign(from, out)
}

// follow goes back to waiting, for a random time.
func (p *Proposer) follow() {
	p.state = Following
	p.queue, p.queueBytes = nil, 0 // nobody keeps commands for others
	p.reported = nil
	clear(p.flight)
	p.deadline = p.now + 1 + p.draw((p.options.ElectionTicks/4+1)*(1+min(p.failures, 4)))
}

// resign gives up the campaign or the leadership.
func (p *Proposer) resign(reason string, out *Output) {
	out.Events = append(out.Events, Event{Kind: EventResigned, Ballot: p.ballot, Slot: p.base, Reason: reason})
	p.failures++
	p.follow()
	// Whoever has outbid us deserves the time to lead.
	p.deadline = p.now + p.patience()/2
}

// reopen campaigns again, from an earlier slot, without asking: we lead.
func (p *Proposer) reopen(from Slot, out *Output) {
	if p.now-p.leadingSince < uint64(p.electionTicks) {
		return // not more often than leaders may change
	}
	out.Events = append(out.Events, Event{Kind: EventStuck, Ballot: p.ballot, Slot: from})
	p.follow()
	p.deadline = p.now + p.patience()
	p.campaign(from, out)
}

// startLeading announces the leadership at once.
func (p *Proposer) startLeading(out *Output) {
	p.failures, p.tooFew = 0, 0
	p.leadingSince = p.now
	p.progressed = p.now
	for i := range p.heard {
		p.heard[i] = p.now
	}
	p.beat(out)
}

func (p *Proposer) beat(out *Output) {
	p.heartbeat = p.now
	p.sequence++
	m := &Heartbeat{Ballot: p.ballot, Sequence: p.sequence, First: p.from, Chosen: p.base - 1}
	p.send(out, Address{Everyone, RoleProposer | RoleLearner}, m)
}

// keepLeading beats, and gives up when it should.
func (p *Proposer) keepLeading(out *Output) {
	if p.now-p.heartbeat >= uint64(p.options.HeartbeatTicks) {
		p.beat(out)
	}
	if p.cfg.Mutant.Has(mutant.M34) {
		return
	}
	var hearing ReplicaSet
	for r := range p.cfg.Replicas {
		if p.now-p.heard[r] < uint64(p.electionTicks) || ReplicaID(r+1) == p.cfg.Self {
			hearing |= 1 << r
		}
	}
	if n := bits.OnesCount8(uint8(hearing)); n < p.cfg.Majority() {
		p.resign(fmt.Sprintf("only %d of %d replicas hear this leader", n, p.cfg.Replicas), out)
		out.Events[len(out.Events)-1].Replicas = hearing
		return
	}
	if idle := p.now - p.progressed; p.base < p.next && idle > 3*uint64(p.electionTicks) {
		p.resign(fmt.Sprintf("slot %d was not chosen in time", p.base), out)
		out.Events[len(out.Events)-1].Ticks = idle
	}
}

func (p *Proposer) onHeartbeat(e *Envelope, m *Heartbeat, out *Output) {
	if !m.Ballot.plausible(p.round) {
		return
	}
	p.sawRound(m.Ballot.Round)
	if e.From.Replica == p.cfg.Self {
		return
	}
	if m.Ballot.Less(p.leader) || (p.state >= Preparing && m.Ballot.Less(p.ballot)) {
		return // it will learn from a Nack that its time is over
	}
	if p.state == Leading {
		p.resign("outbid by "+m.Ballot.String(), out)
	}
	if p.leader != m.Ballot || p.lost || p.state != Following {
		out.Events = append(out.Events, Event{Kind: EventFollowing, Ballot: m.Ballot, Slot: m.Chosen})
	}
	if p.state != Following {
		p.follow()
	}
	p.leader, p.leaderHeard, p.lost, p.failures, p.tooFew = m.Ballot, p.now, false, 0, 0
	p.deadline = p.now + p.patience()
	reply := &HeartbeatReply{Ballot: m.Ballot, Sequence: m.Sequence, Applied: p.applied}
	p.send(out, Address{e.From.Replica, RoleProposer}, reply)
}

func (p *Proposer) onHeartbeatReply(e *Envelope, m *HeartbeatReply) {
	if p.state == Leading && m.Ballot == p.ballot {
		p.heard[e.From.Replica-1] = p.now
	}
}

// onLinkDown takes a broken connection to the leader as a hint to canvass
// soon, instead of waiting for the election time-out. If the leader lives, the
// others still hear it and say so.
func (p *Proposer) onLinkDown(m *LinkDown, out *Output) {
	if p.state != Following || p.leader.IsZero() || p.leader.Replica != m.Replica || p.lost {
		return
	}
	p.lost = true
	p.deadline = p.now + 1 + p.draw(6)
	out.Events = append(out.Events, Event{
		Kind: EventLeaderLost, Ballot: p.leader, Reason: "connection lost", Ticks: p.now - p.leaderHeard,
	})
}
