package peer

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/daemon/monitor"
	"synod/protocol"
)

const (
	// What waits for a stream of consensus: votes, values and all else, the commands
	// of clients on their way to the leader, and promises. Each has its own limit, so
	// that a burst of one cannot push out another. All parts of a promise are made at
	// once and count only together; their limit is what a mailbox takes.
	queueBytesMax    = 16 << 20
	forwardBytesMax  = 8 << 20
	promisesBytesMax = 64 << 20
	// controlBytesMax bounds what waits for a stream of control.
	controlBytesMax = 1 << 20
	// additionBytesMax is where frames that go the same way are cut: queues take them
	// or drop them together.
	additionBytesMax = 1 << 20
	// envelopesMax bounds what is handed in at once, so that a flood of one peer
	// cannot keep the others out of a mailbox for long.
	envelopesMax = 512
	// pingInterval, and the silence after which a connection is given up. The
	// silence is longer than an election time-out: elections must not depend on
	// it, and a starved process is not a dead one.
	pingInterval = 200 * time.Millisecond
	silenceMax   = 3 * time.Second
	// aliveWithin: a connection heard so recently is not replaced by one of
	// another process with the same identity.
	aliveWithin = time.Second
	// pauseMin and pauseMax bound the random pause before the next dial.
	pauseMin = 50 * time.Millisecond
	pauseMax = time.Second
	// dialTimeout bounds one attempt to connect.
	dialTimeout = 2 * time.Second
)

// Options of links.
type Options struct {
	Identity  protocol.Identity
	Addresses map[paxos.ReplicaID]string // of the others
	// Receive takes what arrives. It must not block and does not keep the slice.
	Receive func([]paxos.Envelope)
	// Down is told at once when the connection to a replica is lost.
	Down func(paxos.ReplicaID)
	// Answer gives the next bytes of a copy of the own state, AnswerTo takes such an
	// answer of another replica. Both must not wait. nil: asks are dropped.
	Answer   func(from paxos.ReplicaID, ask protocol.SnapshotAsk) protocol.SnapshotChunk
	AnswerTo func(from paxos.ReplicaID, answer protocol.SnapshotChunk)
	// Condition takes what another replica says about how whole it is; nil drops it.
	Condition func(from paxos.ReplicaID, c protocol.Condition)
	Logger    *slog.Logger
	Counters  *monitor.Counters
	// Faults says which links are broken on purpose; nil for none.
	Faults *fault.Table
}

// Links are the links of one replica to all others. Any goroutine may use them.
type Links struct {
	options Options
	start   time.Time
	links   [paxos.ReplicasMax + 1]*link // by replica; nil for the own one
	buffers sync.Pool                    // of *[]byte, to code into
	sooner  chan struct{}                // one element: a message is held back for less time than all others

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	closed  bool
	doors   []net.Listener
	strange map[net.Conn]time.Time // connections whose preface is under way, since when; zero for those dialled here
	told    map[string]struct{}    // refusals that were logged
	lines   *rate.Limiter          // of lines about strangers
	silent  uint64                 // such lines not written since the last one; guarded by mu
}

// Lines about strangers a second, and at once.
const (
	linesPerSecond = 5
	linesAtOnce    = 20
)

// toldMax bounds the refusals that are remembered as logged.
const toldMax = 256

// link is what is known of one other replica.
type link struct {
	peer     paxos.ReplicaID
	heard    atomic.Int64  // milliseconds since Links.start; last frame
	acceptor atomic.Int64  // last message of its acceptor
	rtt      atomic.Int64  // nanoseconds, smoothed
	sent     atomic.Uint64 // bytes of frames that were queued for it
	received atomic.Uint64 // bytes of frames that came from it

	// What injected faults hold back, on its way out and in.
	out, in held

	mu      sync.Mutex
	current *connection // nil while there is none
	asking  *bulk       // dialled here, for what we fetch
	asked   *bulk       // dialled there, for what they fetch
	dialing bool        // a bulk connection is being dialled
	pending []byte      // frames that wait for it
}

// New makes the links; nothing is dialled before Start.
func New(options Options) *Links {
	l := &Links{
		options: options, start: time.Now(),
		strange: map[net.Conn]time.Time{}, told: map[string]struct{}{},
		lines: rate.NewLimiter(linesPerSecond, linesAtOnce), sooner: make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	for r := range options.Addresses {
		l.links[r] = &link{peer: r}
	}
	return l
}

// Start dials the replicas that are ours to dial, and goes on until Close.
func (l *Links) Start() {
	if l.options.Faults != nil {
		l.running.Go(l.release)
	}
	for r, address := range l.options.Addresses {
		if r > l.options.Identity.Replica {
			l.running.Go(func() { l.dial(l.links[r], address) })
		}
	}
}

// Close cuts all links and waits for all goroutines.
func (l *Links) Close() {
	l.mu.Lock()
	l.closed = true
	for _, d := range l.doors {
		_ = d.Close()
	}
	for c := range l.strange {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.cancel()
	l.running.Wait()
}

// Status is a link as people see it.
type Status struct {
	Replica   paxos.ReplicaID
	Connected bool
	RTT       time.Duration
	LastHeard time.Time // zero if never
	// Sent and Received are bytes of frames since the start, pings left out; Sent
	// counts what was queued.
	Sent, Received uint64
}

// Status gives the state of all links in the order of replicas.
func (l *Links) Status() []Status {
	var all []Status
	for _, k := range l.links {
		if k == nil {
			continue
		}
		k.mu.Lock()
		s := Status{Replica: k.peer, Connected: k.current != nil, RTT: time.Duration(k.rtt.Load())}
		k.mu.Unlock()
		s.Sent, s.Received = k.sent.Load(), k.received.Load()
		if heard := k.heard.Load(); heard > 0 {
			s.LastHeard = l.start.Add(time.Duration(heard) * time.Millisecond)
		}
		all = append(all, s)
	}
	return all
}

// Waiting is the bytes that wait to be sent, to all replicas together: the commands
// of clients on their way to a leader, and all else.
func (l *Links) Waiting() (forwards, others int) {
	for _, k := range l.links {
		if k == nil {
			continue
		}
		k.mu.Lock()
		if c := k.current; c != nil {
			part := c.consensus.WaitingIn(int(classForward))
			forwards += part
			others += max(c.consensus.Waiting()-part, 0) + c.control.Waiting()
		}
		k.mu.Unlock()
	}
	return forwards, others
}

// WaitingMax is the limits of Waiting.
func (l *Links) WaitingMax() (forwards, others int) {
	count := len(l.options.Addresses)
	return count * forwardBytesMax, count * (queueBytesMax + promisesBytesMax + controlBytesMax)
}

// AcceptorsHeard counts the other replicas whose acceptor was heard within the
// time.
func (l *Links) AcceptorsHeard(within time.Duration) int {
	count, since := 0, l.millis()-within.Milliseconds()
	for _, k := range l.links {
		if k == nil {
			continue
		}
		if at := k.acceptor.Load(); at > 0 && at >= since {
			count++
		}
	}
	return count
}

// millis is the clock of last signs of life; it is never 0.
func (l *Links) millis() int64 { return time.Since(l.start).Milliseconds() + 1 }

// class decides which stream a message takes, and of which limit there.
type class uint8

const (
	// The first three share the stream of consensus; they are its lanes.
	classConsensus class = iota
	classForward
	classPromise
	classControl
	classFetch
	classHeld
)

func classOf(kind paxos.Kind) class {
	switch kind {
	case paxos.KindCanvass, paxos.KindCanvassReply, paxos.KindHeartbeat, paxos.KindHeartbeatReply:
		return classControl
	case paxos.KindForward:
		return classForward
	case paxos.KindPromise, paxos.KindRecoverState:
		return classPromise
	case paxos.KindFetch:
		return classFetch
	case paxos.KindHeld:
		return classHeld
	default:
		return classConsensus
	}
}

// Send sends all envelopes that are not for the own replica. Neighbours that go
// the same way are coded together and queued at once.
func (l *Links) Send(envelopes []paxos.Envelope) {
	buffer, _ := l.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	frames, count := (*buffer)[:0], 0
	var to paxos.ReplicaID
	var way class
	for i := range envelopes {
		e := &envelopes[i]
		if e.To.Replica == l.options.Identity.Replica {
			continue
		}
		next := classOf(e.Message.Kind())
		if count > 0 && (e.To.Replica != to || next != way || len(frames) >= additionBytesMax) {
			l.queue(to, way, frames, count)
			frames, count = frames[:0], 0
		}
		to, way = e.To.Replica, next
		l.countSent(e)
		frames = protocol.AppendEnvelope(frames, e)
		count++
	}
	if count > 0 {
		l.queue(to, way, frames, count)
	}
	if cap(frames) <= bufferBytesKept {
		*buffer = frames
		l.buffers.Put(buffer)
	}
}

// countSent counts a message once for every replica that it goes to.
func (l *Links) countSent(e *paxos.Envelope) {
	receivers := 1
	if e.To.Replica == paxos.Everyone {
		receivers = len(l.options.Addresses)
	}
	l.options.Counters.FramesSent.Add(e.Message.Kind(), uint64(receivers))
}

// bufferBytesKept is the largest buffer for coding that is used again.
const bufferBytesKept = 1 << 20

// queue hands coded frames to one link or to all; the queues copy them.
func (l *Links) queue(to paxos.ReplicaID, way class, frames []byte, count int) {
	if to != paxos.Everyone {
		if int(to) < len(l.links) && l.links[to] != nil {
			l.pass(l.links[to], way, frames, count)
		}
		return
	}
	for _, k := range l.links {
		if k != nil {
			l.pass(k, way, frames, count)
		}
	}
}

// pass puts frames into the queue of a link unless a fault stands in their way.
func (l *Links) pass(k *link, way class, frames []byte, count int) {
	if damage := l.options.Faults.Damage(k.peer, fault.Out); damage != nil {
		l.hinderOut(k, way, frames, damage)
		return
	}
	l.put(k, way, frames, count)
}

// put puts frames into the queue of a link.
func (l *Links) put(k *link, way class, frames []byte, count int) {
	k.mu.Lock()
	box := k.outboxLocked(way)
	if box == nil && way == classFetch {
		l.fetchLocked(k, frames)
		k.mu.Unlock()
		return
	}
	k.mu.Unlock()
	if box != nil && add(box, way, frames) == nil {
		k.sent.Add(uint64(len(frames)))
		return
	}
	l.options.Counters.PeerDropped.Add(uint64(count))
	if way == classForward {
		l.options.Counters.ForwardsDropped.Add(uint64(count))
	}
}

// add puts frames into a queue, within the limit of their class.
func add(box *protocol.Outbox, way class, frames []byte) error {
	switch way {
	case classConsensus:
		return box.WriteLane(int(way), queueBytesMax, frames)
	case classForward:
		return box.WriteLane(int(way), forwardBytesMax, frames)
	case classPromise:
		return box.WriteLane(int(way), promisesBytesMax, frames)
	}
	_, err := box.Write(frames)
	return err
}

// outboxLocked is the queue of a way, nil if the connection is down.
func (k *link) outboxLocked(way class) *protocol.Outbox {
	switch {
	case way == classFetch && k.asking != nil:
		return k.asking.outbox
	case way == classHeld && k.asked != nil:
		return k.asked.outbox
	case way <= classPromise && k.current != nil:
		return k.current.consensus
	case way == classControl && k.current != nil:
		return k.current.control
	}
	return nil
}
