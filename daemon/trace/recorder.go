package trace

import (
	"math/bits"
	"time"

	"synod/core/agent"
	"synod/core/paxos"
	"synod/daemon/host"
	"synod/daemon/monitor"
)

// Options of a recorder.
type Options struct {
	// Replicas is the size of the cluster.
	Replicas int
	// Tick is the time between two ticks of the roles, to word what they count.
	Tick time.Duration
	// Rounds counts what is derived from the steps; nil for nobody.
	Rounds *monitor.Rounds
}

// Recorder remembers. Arrived, Delivered, Applied and Tell are called by the goroutine
// of the role that they are about, everything else by any.
type Recorder struct {
	options  Options
	majority int
	proposer *ring
	acceptor *ring
	learner  *ring
	ballots  ballots
	// looked is what the values of the Accepts of this Deliver hold, in their order.
	// It is the acceptor's.
	looked []content
}

// New makes a recorder that has seen nothing. It holds some 8 MiB, most of it in
// the proposer's ring, which is touched at the leader only.
func New(options Options) *Recorder {
	if options.Rounds == nil {
		options.Rounds = new(monitor.Rounds)
	}
	return &Recorder{
		options: options, majority: options.Replicas/2 + 1,
		proposer: newRing(proposerSteps), acceptor: newRing(acceptorSteps), learner: newRing(learnerSteps),
	}
}

// Arrived is for the Tap of the acceptor's agent. It looks at the values while they
// are fresh, before they are written and synced; afterwards it would cost several
// times as much to get them into the processor's caches again. Delivered relies on it.
func (r *Recorder) Arrived(in *agent.Input, _ *paxos.Output) {
	r.looked = r.looked[:0]
	for i := range in.Envelopes {
		if m, ok := in.Envelopes[i].Message.(*paxos.Accept); ok {
			r.looked = append(r.looked, content{})
			r.looked[len(r.looked)-1].look(m.Value)
		}
	}
}

// Delivered is for host.Options.
func (r *Recorder) Delivered(role paxos.Roles, d *host.Delivery) {
	switch role {
	case paxos.RoleProposer:
		r.delivered(r.proposer, d, r.heard, r.sent)
	case paxos.RoleAcceptor:
		j := judge{recorder: r, delivery: d}
		r.delivered(r.acceptor, d, j.judged, nil)
		r.countVotes(d)
	}
}

// delivered shows what came in and what went out, in this order, to functions that
// may use the ring. Most Deliveries hold nothing of slots, and then it is left alone.
func (r *Recorder) delivered(
	ring *ring, d *host.Delivery, in func(*ring, *paxos.Envelope, time.Time), out func(*ring, *paxos.Envelope, time.Time),
) {
	if !aboutSlots(d.Envelopes) && !aboutSlots(d.Messages) {
		return
	}
	ring.mu.Lock()
	defer ring.mu.Unlock()
	next, at := 0, d.Done
	for i := range d.Envelopes {
		for next < len(d.Arrivals) && d.Arrivals[next].First <= i {
			at = d.Arrivals[next].At
			next++
		}
		in(ring, &d.Envelopes[i], at)
	}
	if out == nil {
		return
	}
	for i := range d.Messages {
		out(ring, &d.Messages[i], d.Done)
	}
}

// aboutSlots reports whether one of the messages is an Accept or a vote.
func aboutSlots(envelopes []paxos.Envelope) bool {
	for i := range envelopes {
		if k := envelopes[i].Message.Kind(); k == paxos.KindAccept || k == paxos.KindAccepted {
			return true
		}
	}
	return false
}

// heard notes a vote that the proposer got, for what it has proposed.
func (r *Recorder) heard(ring *ring, e *paxos.Envelope, at time.Time) {
	m, ok := e.Message.(*paxos.Accepted)
	from := e.From.Replica
	if !ok || from == paxos.Everyone || int(from) > r.options.Replicas {
		return
	}
	first, last := m.First, min(m.Last, ring.newest)
	if last >= SlotsKept {
		first = max(first, last-SlotsKept+1)
	}
	for s := first; s <= last; s++ {
		k := ring.findLocked(s)
		if k == nil || k.begun == 0 || k.ballot != m.Ballot {
			continue // proposed in another life or ballot
		}
		if bit := paxos.ReplicaSet(1) << (from - 1); k.voters&bit == 0 {
			k.voters |= bit
			if bits.OnesCount8(uint8(k.voters)) == r.majority {
				r.options.Rounds.Chosen.Add(at, time.Duration(micros(at)-k.begun)*time.Microsecond)
			}
			ring.appendLocked(k, m.Ballot, step{what: voted, from: from, at: micros(at)})
		}
	}
}

// sent notes an Accept of the proposer, to all or once more to one.
func (r *Recorder) sent(ring *ring, e *paxos.Envelope, at time.Time) {
	m, ok := e.Message.(*paxos.Accept)
	if !ok {
		return
	}
	k := ring.atLocked(m.Slot)
	if k == nil {
		return
	}
	if e.To.Replica != paxos.Everyone {
		ring.addLocked(k, m.Ballot, step{what: asked, from: e.To.Replica, at: micros(at)})
		return
	}
	k.begun, k.voters = micros(at), 0
	k.value.look(m.Value)
	ring.addLocked(k, m.Ballot, step{what: proposed, at: micros(at)})
}

// judge goes through the Accepts of one Deliver of the acceptor.
type judge struct {
	recorder *Recorder
	delivery *host.Delivery
	next     int // Accept, in recorder.looked
}

// judged notes what the acceptor made of an Accept: the answer that has left says
// it. No answer, as on a full disk, is none.
func (j *judge) judged(ring *ring, e *paxos.Envelope, arrived time.Time) {
	m, ok := e.Message.(*paxos.Accept)
	if !ok {
		return
	}
	value := &j.recorder.looked[j.next]
	j.next++
	d := j.delivery
	s := step{at: micros(d.Done), took: elapsed(arrived, d.Done)}
	switch {
	case voteFor(d.Messages, m):
		s.what = accepted
	case nacked(d.Messages, m.Ballot):
		s.what, s.from = refused, e.From.Replica
	default:
		return
	}
	k := ring.atLocked(m.Slot)
	if k == nil {
		return
	}
	if s.what == accepted || !k.value.seen {
		k.value = *value
	}
	ring.addLocked(k, m.Ballot, s)
}

// voteFor reports whether one of the messages is the vote for an Accept.
func voteFor(messages []paxos.Envelope, m *paxos.Accept) bool {
	var last paxos.Message
	for i := range messages {
		if messages[i].Message == last {
			continue // the same vote for another replica
		}
		last = messages[i].Message
		v, ok := last.(*paxos.Accepted)
		if ok && v.Ballot == m.Ballot && v.First <= m.Slot && m.Slot <= v.Last {
			return true
		}
	}
	return false
}

func nacked(messages []paxos.Envelope, b paxos.Ballot) bool {
	for i := range messages {
		if n, ok := messages[i].Message.(*paxos.Nack); ok && n.Ballot == b {
			return true
		}
	}
	return false
}

// countVotes counts the slots that became durable with one sync.
func (r *Recorder) countVotes(d *host.Delivery) {
	var last paxos.Message
	slots := 0
	for i := range d.Messages {
		if d.Messages[i].Message == last {
			continue
		}
		last = d.Messages[i].Message
		if v, ok := last.(*paxos.Accepted); ok {
			slots += int(v.Last - v.First + 1)
		}
	}
	if slots > 0 {
		r.options.Rounds.Batches.Add(slots)
	}
}

// Applied notes slots that the learner handed to the state machine, which has
// applied them. The entries are not kept.
func (r *Recorder) Applied(entries []paxos.Entry, known, done time.Time) {
	r.learner.mu.Lock()
	defer r.learner.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		k := r.learner.atLocked(e.Slot)
		if k == nil {
			continue
		}
		k.value.look(e.Value)
		r.learner.addLocked(k, e.Ballot, step{what: chosen, at: micros(known)})
		r.learner.addLocked(k, e.Ballot, step{what: applied, at: micros(done), took: elapsed(known, done)})
	}
}
