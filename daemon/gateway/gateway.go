package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/daemon/host"
	"synod/daemon/monitor"
	"synod/protocol"
)

// Replica is what the gateway needs of the rest of its daemon. All methods may
// be called by any goroutine and never block.
type Replica interface {
	// Submit hands a message to a role here; the errors are those of the host.
	Submit(paxos.Envelope) error
	// Forward sends to the proposer of another replica.
	Forward(paxos.Envelope)
	// Proposing reports whether the own proposer works: it is neither down nor
	// paused.
	Proposing() bool
	// Leader is the replica whose proposer leads, as far as it is known here; 0 if
	// none is.
	Leader() paxos.ReplicaID
	// Quorum reports whether a majority of acceptors was heard within an election
	// time-out.
	Quorum() bool
}

// Limits of a gateway; the zero value means those of package protocol.
type Limits struct {
	Connections        int
	ConnectionsPerHost int
	Requests           int // without answer, in total; as many reads as updates
	RequestsPerClient  int
	Bytes              int // of requests without answer, in total
	BytesPerClient     int
	AnswerBytes        int // that wait for a client to take them
	Idle               time.Duration
}

func (l Limits) withDefaults() Limits {
	pick := func(value *int, usual int) {
		if *value == 0 {
			*value = usual
		}
	}
	pick(&l.Connections, protocol.ConnectionsMax)
	pick(&l.ConnectionsPerHost, protocol.ConnectionsPerHostMax)
	pick(&l.Requests, protocol.RequestsMax)
	pick(&l.RequestsPerClient, protocol.RequestsPerConnectionMax)
	pick(&l.Bytes, protocol.InFlightBytesMax)
	pick(&l.BytesPerClient, protocol.InFlightBytesPerConnectionMax)
	pick(&l.AnswerBytes, protocol.OutboxBytesMax)
	if l.Idle == 0 {
		l.Idle = protocol.IdleTimeout
	}
	return l
}

const (
	// retryMillis after which an update that is not applied is proposed again.
	retryMillis = 500
	// retryCommandsMax bounds one Propose of repeated updates.
	retryCommandsMax = 1024
	// clockStep is the step of retries and deadlines.
	clockStep = 20 * time.Millisecond
	// defaultRemaining is granted to a request that states no time, remainingMax
	// to any.
	defaultRemaining = 5 * time.Second
	remainingMax     = time.Minute
	// forever is the deadline of what the gateway itself waits for.
	forever = 1 << 50
)

// Options of a gateway.
type Options struct {
	Identity protocol.Identity
	Replica  Replica
	Limits   Limits
	Logger   *slog.Logger
	Requests *monitor.Requests
	Counters *monitor.Counters
	// Operator answers operators; nil refuses their connections.
	Operator Operator
}

// Gateway joins requests to applied entries. See the package comment for who
// may call what.
type Gateway struct {
	options Options
	limits  Limits
	start   time.Time // of the clock that all deadlines use
	updates atomic.Uint64
	reads   atomic.Uint64
	failed  atomic.Uint64

	state   state
	scans   chan scanJob
	scanned sync.WaitGroup
	// scansEnded: scans is closed. Guarded by scansMu, which senders hold.
	scansMu    sync.Mutex
	scansEnded bool

	mu       sync.Mutex // guards what follows
	waiters  *session.Waiters[handle]
	handles  []handle // reused by whoever holds mu
	retries  [][]byte // reused by the clock, under mu
	own      ownSession
	direct   directness
	waiting  map[uint64]*readBatch // reads that the learner has, by their ID
	readID   uint64
	readsNow int // single reads in waiting

	// results and entries are reused by the learner's goroutine.
	results []session.Result
	entries []kv.Entry
	touched []*conn

	hurry    chan struct{} // wakes the clock: the leader changed
	stop     chan struct{}
	stopping atomic.Bool
	clock    sync.WaitGroup
	front    front
}

// handle is how the answer to an update finds its asker.
type handle struct {
	conn    *conn // nil for what the gateway itself waits for
	request uint64
	begun   int64 // microseconds of the gateway's clock
	size    int32 // bytes counted as in flight
	kind    handleKind
	counted monitor.Operation
	logged  bool // the answer gets a line
}

type handleKind uint8

const (
	handleUpdate handleKind = iota
	handleOpen              // a client's session
	handleOneShot
	handleOwnOpen   // the gateway's session
	handleOwnUpdate // the bookkeeping of a one-shot update
)

// New makes a gateway and starts its clock and its scan workers; Close ends
// them.
func New(options Options) *Gateway {
	g := &Gateway{
		options: options, limits: options.Limits.withDefaults(), start: time.Now(),
		waiting: map[uint64]*readBatch{}, hurry: make(chan struct{}, 1), stop: make(chan struct{}),
		scans: make(chan scanJob, scansWaitingMax),
	}
	g.waiters = session.NewWaiters[handle](session.WaitersOptions{
		CountMax: g.limits.Requests, BytesMax: g.limits.Bytes, RetryMillis: retryMillis,
	})
	g.own.sequencer = &session.Sequencer[struct{}]{}
	g.front.init()
	g.clock.Go(g.runClock)
	for range scanWorkers {
		g.scanned.Go(g.runScans)
	}
	return g
}

// now is the clock of all deadlines, in milliseconds; it never goes back.
func (g *Gateway) now() int64 { return time.Since(g.start).Milliseconds() }

// micros is the same clock for durations.
func (g *Gateway) micros() int64 { return time.Since(g.start).Microseconds() }

// answered counts a request that is answered now, and had begun before.
func (g *Gateway) answered(kind monitor.Operation, begun, now int64) {
	g.options.Counters.Operations.Answered(kind, time.Duration(now-begun)*time.Microsecond)
}

// deadline is when a request that began at a microsecond is answered at the latest,
// in milliseconds: at 90 % of its time, so that the answer still finds its asker.
func deadline(begun int64, remainingMicros uint32) int64 {
	remaining := time.Duration(remainingMicros) * time.Microsecond
	if remaining == 0 {
		remaining = defaultRemaining
	}
	return begun/1000 + max((min(remaining, remainingMax)*9/10).Milliseconds(), 1)
}

// LeaderChanged makes the gateway repeat what waits, at once.
func (g *Gateway) LeaderChanged() {
	select {
	case g.hurry <- struct{}{}:
	default:
	}
}

// Served counts answered updates, answered reads and errors.
func (g *Gateway) Served() (updates, reads, failed uint64) {
	return g.updates.Load(), g.reads.Load(), g.failed.Load()
}

// Waiting is the number of requests without answer.
func (g *Gateway) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiters.Len() + g.readsNow
}

// WaitingMax is the limit of Waiting.
func (g *Gateway) WaitingMax() int { return 2 * g.limits.Requests }

// runClock repeats updates and answers what is out of time.
func (g *Gateway) runClock() {
	ticker := time.NewTicker(clockStep)
	defer ticker.Stop()
	for {
		hurried := false
		select {
		case <-g.stop:
			return
		case <-g.hurry:
			hurried = true
		case <-ticker.C:
		}
		g.repeat(hurried)
		g.expire()
	}
}

// repeat hands the commands that are due to the proposer once more.
func (g *Gateway) repeat(all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if all {
		g.waiters.RetryAll(now)
	}
	g.openOwnLocked(now)
	lost := g.direct.lost(g.waiters.Prompt(), now)
	for {
		g.retries = g.waiters.Retry(now, retryCommandsMax, g.retries[:0])
		if len(g.retries) == 0 {
			return
		}
		g.options.Counters.Retries.Add(uint64(len(g.retries)))
		// The proposer keeps the list, the waiters want theirs back.
		commands := append([][]byte(nil), g.retries...)
		g.propose(commands)
		if lost && !all {
			g.detourLocked(commands)
			lost = false // one batch a step: others may be slow, not deaf
		}
	}
}

// directness tells whether commands get to the leader the first time they are sent.
type directness struct {
	prompt uint64 // commands that did, when last looked
	at     int64  // when that last grew, in milliseconds
	turn   int    // of the detours
}

// lost reports whether none did for as long as commands wait for their repetition.
func (d *directness) lost(prompt uint64, now int64) bool {
	if prompt != d.prompt {
		d.prompt, d.at = prompt, now
	}
	return now-d.at >= retryMillis
}

// detourLocked sends commands to another replica, each time the next one, which
// passes them on if it hears a leader: a link may be cut in the one direction that
// heartbeats do not take, and then the leader is well and everything sent to it is
// lost.
func (g *Gateway) detourLocked(commands [][]byte) {
	self, leader := g.options.Identity.Replica, g.options.Replica.Leader()
	if leader == self {
		return
	}
	for range g.options.Identity.Replicas {
		g.direct.turn++
		other := paxos.ReplicaID(g.direct.turn%g.options.Identity.Replicas + 1)
		if other != self && other != leader {
			g.forward(other, commands)
			return
		}
	}
}

// propose hands commands to the own proposer, or past it to the leader's while
// the own one is down or paused. What is lost on the way is repeated by the clock.
func (g *Gateway) propose(commands [][]byte) {
	if g.options.Replica.Proposing() {
		err := g.options.Replica.Submit(g.envelope(paxos.RoleProposer, &paxos.Propose{Commands: commands}))
		if !errors.Is(err, host.ErrDown) {
			return
		}
	}
	leader := g.options.Replica.Leader()
	if leader != paxos.Everyone && leader != g.options.Identity.Replica {
		g.forward(leader, commands)
	}
}

// forward sends commands to the proposer of another replica.
func (g *Gateway) forward(to paxos.ReplicaID, commands [][]byte) {
	for _, m := range paxos.CutForward(commands, false) {
		e := g.envelope(paxos.RoleProposer, m)
		e.To.Replica = to
		g.options.Replica.Forward(e)
	}
}

func (g *Gateway) envelope(to paxos.Roles, message paxos.Message) paxos.Envelope {
	id := &g.options.Identity
	return paxos.Envelope{
		Cluster: id.Cluster, Incarnation: id.Incarnation,
		From:    paxos.Address{Replica: id.Replica, Roles: paxos.RoleGateway},
		To:      paxos.Address{Replica: id.Replica, Roles: to},
		Message: message,
	}
}

// outOfTime is the answer to an update or read whose time is over.
func (g *Gateway) outOfTime() *protocol.Error {
	if !g.options.Replica.Quorum() {
		return protocol.Refuse(protocol.CodeNoQuorum, g.options.Identity.Replica,
			"fewer than a majority of acceptors are heard here, the outcome of an update is unknown")
	}
	return protocol.Refuse(protocol.CodeTimeout, g.options.Identity.Replica,
		"out of time, the outcome of an update is unknown")
}

// expire answers what is out of time.
func (g *Gateway) expire() {
	g.mu.Lock()
	now := g.now()
	g.handles = g.waiters.Expire(now, g.handles[:0])
	late := g.lateReadsLocked(now)
	g.expireParkedLocked(now)
	if len(g.handles) == 0 && len(late) == 0 {
		g.mu.Unlock()
		return
	}
	expired := append([]handle(nil), g.handles...)
	g.mu.Unlock()
	failure := g.outOfTime()
	for _, h := range expired {
		g.fail(h, failure)
	}
	for i := range late {
		late[i].batch.conn.failRead(&late[i].read, failure)
	}
}

// fail answers an update with an error.
func (g *Gateway) fail(h handle, failure *protocol.Error) {
	if h.conn != nil {
		h.conn.answerError(h, failure)
		h.conn.flush()
	}
}

// ready reports why an update or read cannot be served at all, nil if it can.
func (g *Gateway) ready() *protocol.Error {
	if g.stopping.Load() {
		return protocol.Refuse(protocol.CodeUnavailable, g.options.Identity.Replica, "the replica is stopping")
	}
	if !g.state.up.Load() {
		return protocol.Refuse(protocol.CodeUnavailable, g.options.Identity.Replica, "the learner of this replica is down")
	}
	return nil
}

// Drain refuses new requests and waits until all are answered or the time is
// over. Connections stay open for their last answers.
func (g *Gateway) Drain(limit time.Duration) {
	g.stopping.Store(true)
	g.front.stopListening()
	ticker := time.NewTicker(clockStep)
	defer ticker.Stop()
	for end := time.Now().Add(limit); g.pending() > 0 && time.Now().Before(end); {
		<-ticker.C
	}
}

// pending counts the clients' requests without answer.
func (g *Gateway) pending() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiters.Len() - g.own.waiting + g.readsNow
}

// Close cuts all connections and ends all goroutines. Requests without answer
// get none. The learner must have ended: it would find no worker for its scans.
func (g *Gateway) Close() {
	g.stopping.Store(true)
	g.front.close()
	close(g.stop)
	g.clock.Wait()
	g.scansMu.Lock()
	g.scansEnded = true
	close(g.scans)
	g.scansMu.Unlock()
	g.scanned.Wait()
}

// newToken draws a token for the open of a session.
func newToken() session.Token {
	var token session.Token
	if _, err := rand.Read(token[:]); err != nil {
		panic(fmt.Sprintf("gateway: no randomness: %v", err))
	}
	return token
}
