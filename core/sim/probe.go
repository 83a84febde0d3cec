package sim

import (
	"strings"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/core/sim/check"
	"synod/core/wal"
)

// probe names a rare state. A sweep that never reaches one of them has tested
// nothing there, and fails.
type probe uint8

const (
	probeMailboxFull probe = iota
	probeDiedOpening
	probeSyncFailed
	probeGatewayFull
	probeGatewayTimeout
	probeGatewayRetry
	probeGatewayExpired
	probeWaiterJoined
	probeSessionExpired
	probeTornTail
	probeCopiedTail
	probeSegments
	probeRefusing
	probeLeading
	probeResigned
	probeLeaderLost
	probeStuck
	probeDuel
	probeNackPrepare
	probeNackAccept
	probePromiseParts
	probePromiseEntries
	probePromiseChosenAhead
	probeReproposal
	probeNoop
	probeBatch
	probeVotesMerged
	probeOldVote
	probeForward
	probeForwardRelayed
	probeCanvassRefused
	probeFetch
	probeHeldRuns
	probeClose
	probeReadBehind
	probeReadStale
	probeRepeated
	probeConflictOrOverload
	probeExpiredResult
	probeStaleResult
	probeOpenRefused
	probeLearnerBehind
	probeLost
	probeOlderLife
	probeStoreLost
	probeRecovered
	probeRecoveredTwice
	probeRecoveryRedrawn
	probeStateParts
	probeStateEntries
	probeStateFloor
	probeStateHelperRefuses
	probeWaitsForStore
	probeFloor
	probeBelowFloor
	probePromiseFloor
	probeHeldFloor
	probeInstalled
	probeLivesDiffer
	probeCount
)

var probeNames = [probeCount]string{
	"mailbox full", "died while opening the log", "file operation failed", "gateway full", "gateway timeout",
	"gateway retry", "gateway's session expired", "waiter joined", "client's session expired",
	"torn tail cut", "unsynced tail copied", "log of several segments", "acceptor refuses", "leader elected",
	"leader resigned", "leader lost", "slot stuck, opened again", "two campaigns at once", "Prepare refused",
	"Accept refused", "Promise in parts", "Promise with entries", "Promise of chosen slots beyond the campaign's",
	"value of an older ballot proposed again", "gap closed with a no-op", "several commands in a slot",
	"votes merged", "vote for an older ballot arrives", "commands forwarded", "commands relayed", "canvass refused",
	"learner fetches", "answer with chosen runs", "slot asked to be closed", "read waits for a slot",
	"answer to an older read round", "update repeated", "update overloaded", "update in an expired session",
	"update acknowledged before", "open refused", "learner starts behind",
	"acceptor's state lost", "older life found out", "store lost alone", "acceptor recovered",
	"acceptor recovered a second time", "recovery begun again with a later life", "recovered state in parts",
	"recovered entries", "floor recovered", "recovering acceptor asked for help", "acceptor waits for its store",
	"floor raised", "Accept below the floor", "Promise with a floor", "answer with a floor", "snapshot installed",
	"votes with different lives",
}

func (p probe) String() string { return probeNames[p] }

// mandatory says which probes every sweep of some hundred seeds must hit.
func (p probe) mandatory() bool {
	switch p {
	case probeConflictOrOverload, probeGatewayFull, probeOpenRefused, probeStaleResult, probeDiedOpening,
		probeRecoveryRedrawn:
		return false // needs luck or far more seeds
	}
	return true
}

// prober finds the rare states in what the tap shows.
type prober struct {
	campaigning replicaSet
	promised    [paxos.ReplicasMax + 1]paxos.Ballot
	proposed    map[paxos.Slot]paxos.Ballot
	rounds      [paxos.ReplicasMax + 1]paxos.ReadRound
	lives       paxos.Vector // of the last vote
}

func (c *cluster) probe(p probe) { c.probes[p]++ }

func (c *cluster) probeIf(condition bool, p probe) {
	if condition {
		c.probes[p]++
	}
}

// probeLog looks at a log that was just opened.
func (c *cluster) probeLog(s wal.Stats) {
	c.probeIf(s.Torn != wal.Position{}, probeTornTail)
	c.probeIf(s.Copied > 0, probeCopiedTail)
	c.probeIf(s.Segments > 2, probeSegments)
}

func (p *prober) watch(c *cluster, e *check.Event) {
	switch e.Kind {
	case check.Started:
		c.probeIf(e.Refusing, probeRefusing)
		c.probeIf(e.Agent.Roles == paxos.RoleLearner && e.Slot < c.panel.Ledger().Last(), probeLearnerBehind)
	case check.Stopped:
		if e.Agent.Roles == paxos.RoleProposer {
			p.campaigning = p.campaigning.without(only(e.Agent.Replica))
		}
	case check.Told:
		p.told(c, e)
	case check.Sent:
		p.sent(c, e)
	case check.Received:
		p.received(c, e)
	case check.Executed:
		p.executed(c, e)
	}
}

func (p *prober) told(c *cluster, e *check.Event) {
	me := only(e.Agent.Replica)
	switch e.Note.Kind {
	case paxos.EventCampaigning:
		c.probeIf(p.campaigning.without(me) != 0, probeDuel)
		p.campaigning |= me
	case paxos.EventLeading:
		c.probe(probeLeading)
		p.campaigning = p.campaigning.without(me)
	case paxos.EventResigned:
		c.probe(probeResigned)
		p.campaigning = p.campaigning.without(me)
	case paxos.EventFollowing:
		p.campaigning = p.campaigning.without(me)
	case paxos.EventLeaderLost:
		c.probe(probeLeaderLost)
	case paxos.EventStuck:
		c.probe(probeStuck)
	default:
		p.toldMemory(c, e)
	}
}

// toldMemory looks at what is told about lost and cut memory.
func (p *prober) toldMemory(c *cluster, e *check.Event) {
	switch e.Note.Kind {
	case paxos.EventLost:
		c.probe(probeLost)
		c.probeIf(strings.Contains(e.Note.Reason, "later life"), probeOlderLife)
		c.probeIf(strings.Contains(e.Note.Reason, "store of this replica"), probeStoreLost)
	case paxos.EventNormal:
		c.probe(probeRecovered)
		c.probeIf(e.Note.Incarnation > 2, probeRecoveredTwice)
		c.probeIf(e.Note.Slot > 0, probeStateFloor)
	case paxos.EventRecovering:
		c.probeIf(strings.Contains(e.Note.Reason, "own store has to hold"), probeWaitsForStore)
	case paxos.EventFloor:
		c.probe(probeFloor)
	case paxos.EventInstalled:
		c.probe(probeInstalled)
	}
}

func (p *prober) sent(c *cluster, e *check.Event) {
	switch m := e.Envelope.Message.(type) {
	case *paxos.Promise:
		c.probeIf(m.Parts > 1, probePromiseParts)
		c.probeIf(len(m.Entries) > 0, probePromiseEntries)
		c.probeIf(m.Chosen >= m.From, probePromiseChosenAhead)
		c.probeIf(m.Floor > 0, probePromiseFloor)
		p.promised[e.Agent.Replica] = m.Ballot
	case *paxos.Nack:
		// The acceptor answers a Prepare with a ballot that nobody has proposed in.
		c.probeIf(p.hasProposed(m.Ballot), probeNackAccept)
		c.probeIf(!p.hasProposed(m.Ballot), probeNackPrepare)
	case *paxos.Accept:
		p.accept(c, m)
	case *paxos.Accepted:
		c.probeIf(m.Last > m.First, probeVotesMerged)
		c.probeIf(p.lives != m.Vector && p.lives != (paxos.Vector{}), probeLivesDiffer)
		p.lives = m.Vector
	case *paxos.Forward:
		c.probe(probeForward)
		c.probeIf(m.Relayed, probeForwardRelayed)
	case *paxos.CanvassReply:
		c.probeIf(!m.Granted, probeCanvassRefused)
	case *paxos.Fetch:
		c.probe(probeFetch)
	case *paxos.Held:
		c.probeIf(len(m.Runs) > 0, probeHeldRuns)
		c.probeIf(m.Floor >= m.First, probeHeldFloor)
	case *paxos.Close:
		c.probe(probeClose)
	case *paxos.ReadQuery:
		p.rounds[e.Agent.Replica] = m.Round
	default:
		p.sentMemory(c, e)
	}
}

// sentMemory looks at what acceptors say about lost and cut memory.
func (p *prober) sentMemory(c *cluster, e *check.Event) {
	switch m := e.Envelope.Message.(type) {
	case *paxos.RecoverState:
		c.probeIf(!m.Last, probeStateParts)
		c.probeIf(len(m.Entries) > 0, probeStateEntries)
	case *paxos.RecoverInfo:
		c.probeIf(m.Nonce.Attempt > 1, probeRecoveryRedrawn)
	case *paxos.Recovering:
		c.probeIf(e.Envelope.To.Roles == paxos.RoleAcceptor, probeStateHelperRefuses)
	case *paxos.BelowFloor:
		c.probe(probeBelowFloor)
	}
}

func (p *prober) hasProposed(b paxos.Ballot) bool {
	for _, last := range p.proposed {
		if last == b {
			return true
		}
	}
	return false
}

func (p *prober) accept(c *cluster, m *paxos.Accept) {
	if p.proposed == nil {
		p.proposed = map[paxos.Slot]paxos.Ballot{}
	}
	before, again := p.proposed[m.Slot]
	c.probeIf(again && before.Less(m.Ballot) && !m.Value.IsNoop(), probeReproposal)
	p.proposed[m.Slot] = m.Ballot
	c.probeIf(m.Value.IsNoop(), probeNoop)
	if !again {
		commands := 0
		for range m.Value.Commands() {
			commands++
		}
		c.probeIf(commands > 1, probeBatch)
	}
}

func (p *prober) received(c *cluster, e *check.Event) {
	switch m := e.Envelope.Message.(type) {
	case *paxos.Accepted:
		c.probeIf(m.Ballot.Less(p.proposed[m.First]), probeOldVote)
	case *paxos.ReadAnswer:
		c.probeIf(m.Round != p.rounds[e.Agent.Replica], probeReadStale)
		if machine := c.replicas[e.Agent.Replica-1].machine; machine != nil {
			c.probeIf(m.Highest > paxos.Slot(machine.Applied()), probeReadBehind)
		}
	}
}

func (p *prober) executed(c *cluster, e *check.Event) {
	c.probeIf(e.Result.Repeated, probeRepeated)
	switch e.Result.Status {
	case session.Expired:
		c.probe(probeExpiredResult)
	case session.Stale:
		c.probe(probeStaleResult)
	case session.Overloaded, session.Conflict:
		c.probeIf(e.Command.Op == kv.Open, probeOpenRefused)
		c.probeIf(e.Command.Op != kv.Open, probeConflictOrOverload)
	}
}
