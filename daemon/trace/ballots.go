package trace

import (
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// BallotsKept is how many changes of leadership are remembered.
const BallotsKept = 512

// change is one event of leadership; equal ones that follow each other are one.
type change struct {
	at     time.Time // of the last
	kind   paxos.EventKind
	ballot paxos.Ballot
	reason string
	phase  time.Duration
	by     paxos.ReplicaSet
	open   int
	times  int
}

// ballots is the ring of changes. They are rare, so it may use strings.
type ballots struct {
	mu      sync.Mutex
	changes []change // by count modulo BallotsKept
	count   int

	// lost is the leader that is missed, and why; the cause of the next campaign.
	lost   paxos.Ballot
	cause  string
	origin *atomic.Uint64 // counts the campaigns of this cause
	// begun is when the campaign of ballot began.
	begun  time.Time
	ballot paxos.Ballot
	leader paxos.Ballot // the last one known
}

// Tell notes what a role tells of leadership; all else is left to the log.
func (r *Recorder) Tell(role paxos.Roles, events []paxos.Event, at time.Time) {
	if role != paxos.RoleProposer {
		return
	}
	b := &r.ballots
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range events {
		r.tellLocked(&events[i], at)
	}
}

func (r *Recorder) tellLocked(e *paxos.Event, at time.Time) {
	b := &r.ballots
	c := change{at: at, kind: e.Kind, ballot: e.Ballot, times: 1}
	switch e.Kind {
	case paxos.EventLeaderLost:
		if b.lost == e.Ballot && b.cause != "" {
			return // told already, when the connection broke
		}
		c.reason = r.blameLocked(e)
	case paxos.EventStuck:
		b.cause = fmt.Sprintf("a replica can get slot %d from nobody: it is chosen again", e.Slot)
		b.origin = &r.options.Rounds.Stuck
		return
	case paxos.EventCanvassing:
		c.reason = r.canvassReason(e)
	case paxos.EventCampaigning:
		b.begun, b.ballot = at, e.Ballot
		c.reason = r.originLocked()
	case paxos.EventLeading:
		c.reason, c.by, c.open = r.causeLocked(), e.Replicas, e.Slots
		if b.ballot == e.Ballot {
			c.phase = at.Sub(b.begun)
		}
		r.followedLocked(e.Ballot)
	case paxos.EventFollowing:
		c.reason = "its heartbeat arrived"
		if e.Ballot == b.leader {
			c.reason = "it is heard again"
		}
		r.followedLocked(e.Ballot)
	case paxos.EventResigned:
		c.reason = r.resignReason(e)
		b.cause, b.origin = fmt.Sprintf("no leader since it gave up %s", e.Ballot), nil
	default:
		return
	}
	b.addLocked(c)
}

// addLocked adds a change, or counts it if it says the same as the last one.
func (b *ballots) addLocked(c change) {
	if b.count > 0 {
		last := &b.changes[(b.count-1)%BallotsKept]
		if last.kind == c.kind && last.ballot == c.ballot && last.reason == c.reason {
			last.times++
			last.at = c.at
			return
		}
	}
	if len(b.changes) < BallotsKept {
		b.changes = append(b.changes, c)
	} else {
		b.changes[b.count%BallotsKept] = c
	}
	b.count++
}

// blameLocked words why a leader is taken for lost, and remembers it for the
// campaign that may follow.
func (r *Recorder) blameLocked(e *paxos.Event) string {
	b := &r.ballots
	b.lost = e.Ballot
	silence := time.Duration(e.Ticks) * r.options.Tick
	if e.Reason != "" { // the hint of the links is the only one
		b.cause, b.origin = fmt.Sprintf("lost the connection to %s", e.Ballot.Replica), &r.options.Rounds.LinkDown
	} else {
		b.cause = fmt.Sprintf("no heartbeat of %s for %s", e.Ballot.Replica, shown(silence))
		b.origin = &r.options.Rounds.Silence
	}
	return b.cause
}

// causeLocked words why there is a campaign.
func (r *Recorder) causeLocked() string {
	if b := &r.ballots; b.cause != "" {
		return b.cause
	}
	return "no leader was known"
}

// originLocked is causeLocked for the beginning of a campaign, which it counts.
func (r *Recorder) originLocked() string {
	origin := r.ballots.origin
	if origin == nil {
		origin = &r.options.Rounds.NoLeader
	}
	origin.Add(1)
	return r.causeLocked()
}

// followedLocked notes that there is a leader.
func (r *Recorder) followedLocked(leader paxos.Ballot) {
	b := &r.ballots
	if b.leader != leader {
		r.options.Rounds.Leaders.Add(1)
	}
	b.leader, b.lost, b.cause, b.origin = leader, paxos.Ballot{}, "", nil
}

func (r *Recorder) canvassReason(e *paxos.Event) string {
	if e.Replicas == 0 {
		return "asks all whether they hear no leader either"
	}
	return fmt.Sprintf("asks again: the last attempt got the consent of %s, %d of %d, too few",
		named(e.Replicas), bits.OnesCount8(uint8(e.Replicas)), r.options.Replicas)
}

func (r *Recorder) resignReason(e *paxos.Event) string {
	switch {
	case e.Ticks > 0:
		return fmt.Sprintf("gave up: slot %d made no progress for %s", e.Slot, shown(time.Duration(e.Ticks)*r.options.Tick))
	case e.Replicas != 0:
		return fmt.Sprintf("gave up: only %s, %d of %d, answer its heartbeats",
			named(e.Replicas), bits.OnesCount8(uint8(e.Replicas)), r.options.Replicas)
	}
	return "gave up: " + e.Reason
}

// named lists replicas: r1, r3.
func named(set paxos.ReplicaSet) string { return strings.Join(names(set), ", ") }

func names(set paxos.ReplicaSet) []string {
	var all []string
	for id := paxos.ReplicaID(1); id <= paxos.ReplicasMax; id++ {
		if set.Has(id) {
			all = append(all, id.String())
		}
	}
	return all
}

// shown words a duration as people say it.
func shown(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// Ballots answers an operator.
func (r *Recorder) Ballots(q protocol.BallotsQuery) protocol.Ballots {
	most := q.Max
	if most <= 0 || most > protocol.BallotsMax {
		most = protocol.BallotsMax
	}
	b := &r.ballots
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := min(len(b.changes), most)
	answer := protocol.Ballots{Events: make([]protocol.BallotEvent, 0, kept)}
	for n := b.count - kept; n < b.count; n++ {
		answer.Events = append(answer.Events, b.changes[n%BallotsKept].show())
	}
	return answer
}

func (c *change) show() protocol.BallotEvent {
	e := protocol.BallotEvent{
		At: c.at, What: c.kind.String(), Reason: c.reason,
		PhaseMicros: c.phase.Microseconds(), PromisedBy: names(c.by), OpenSlots: c.open,
	}
	if !c.ballot.IsZero() {
		e.Ballot, e.Owner = c.ballot.String(), c.ballot.Replica.String()
	}
	if c.times > 1 {
		e.Times = c.times
	}
	return e
}
