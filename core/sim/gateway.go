package sim

import (
	"encoding/binary"
	"math/rand/v2"

	"synod/core/kv"
	"synod/core/mutant"
	"synod/core/paxos"
	"synod/core/session"
	"synod/core/sim/check"
)

// gateway takes the requests of clients at one replica, as the daemon's does: it
// registers them, proposes their commands, tries again until they are applied or
// out of time, and runs one-shot updates in a session of its own. It ends with its
// process.
type gateway struct {
	replica *replica
	ended   bool
	waiters *session.Waiters[*request]

	// own is the gateway's session, token that of its Open under way.
	own    *session.Sequencer[*request]
	token  session.Token
	queue  []*request // one-shots that wait for the session
	asking int64      // when the Open is sent again, in milliseconds

	reads    map[uint64]*request
	nextRead uint64

	handles  []*request
	commands [][]byte
}

// request is one request of a client at one gateway.
type request struct {
	call    *call
	gateway *gateway
	// answer tells the client, once.
	answer   func(answer)
	answered bool
	// Of an update, an Open or a Close.
	key     session.Key
	command []byte
	// A one-shot's place in the gateway's session.
	sequence uint64
	deadline int64
}

// answerKind says what an answer is.
type answerKind uint8

const (
	answerResult      answerKind = iota + 1 // result holds
	answerRead                              // found, value, revision, slot hold
	answerRefused                           // nothing of this request was or will be executed
	answerTimeout                           // outcome unknown
	answerNeverSent                         // a one-shot that never left the gateway
	answerUnreachable                       // the replica was not reached
)

type answer struct {
	kind     answerKind
	result   session.Result
	found    bool
	value    string
	revision uint64
	slot     paxos.Slot
}

const (
	gatewayRetryMillis    = 500
	gatewayCountMax       = 64
	gatewayBytesMax       = 64 << 10
	gatewayRetriesAtATime = 32
)

func newGateway(r *replica) *gateway {
	return &gateway{
		replica: r,
		waiters: session.NewWaiters[*request](session.WaitersOptions{
			CountMax: gatewayCountMax, BytesMax: gatewayBytesMax, RetryMillis: gatewayRetryMillis,
		}),
		own:   session.NewSequencer[*request](r.cluster.options.Mutant),
		reads: map[uint64]*request{},
	}
}

func (g *gateway) millis() int64 { return int64(g.replica.cluster.now / check.Millisecond) }

// start opens the gateway's own session.
func (g *gateway) start() {
	g.token = drawToken(g.replica.cluster.streams.host)
	g.asking = g.millis()
}

// end is the end of the process: every connection breaks.
func (g *gateway) end() { g.ended = true }

// take takes a request that has arrived.
func (g *gateway) take(q *request) {
	c := g.replica.cluster
	if g.ended || !g.replica.up {
		q.reply(answer{kind: answerUnreachable})
		return
	}
	if g.replica.paused > 0 {
		c.after(20*check.Millisecond, func() { g.take(q) })
		return
	}
	q.gateway = g
	switch {
	case q.call != nil && q.call.operation.Op == check.Get:
		g.takeGet(q)
	case g.replica.proposer.agent == nil:
		q.reply(answer{kind: answerRefused})
	case q.call != nil && q.call.oneShot:
		g.queue = append(g.queue, q)
		g.runQueue()
	default:
		g.register(q, q.command)
	}
}

// register makes the request wait and proposes its command.
func (g *gateway) register(q *request, command []byte) {
	decoded, err := kv.Decode(command)
	if err != nil {
		panic(err) // we made it
	}
	joined, err := g.waiters.Register(g.millis(), session.Request[*request]{
		Key: q.key, Command: command, Digest: decoded.Digest(), DeadlineMillis: q.deadline, Handle: q,
	})
	switch {
	case err != nil:
		g.replica.cluster.probe(probeGatewayFull)
		q.reply(answer{kind: answerRefused})
	case joined:
		g.replica.cluster.probe(probeWaiterJoined)
	default:
		g.propose([][]byte{command})
	}
}

func (g *gateway) propose(commands [][]byte) {
	g.local(paxos.RoleProposer, &paxos.Propose{Commands: commands})
}

// local sends a message to a role of the own replica.
func (g *gateway) local(role paxos.Roles, m paxos.Message) {
	r := g.replica
	e := paxos.Envelope{
		Cluster: r.cluster.id, From: paxos.Address{Replica: r.id, Roles: paxos.RoleGateway}, Incarnation: 1,
		To: paxos.Address{Replica: r.id, Roles: role}, Message: m,
	}
	r.cluster.show(check.Event{Kind: check.Sent, Agent: e.From, Envelope: &e})
	r.host(role).receive(&e)
}

// runQueue sends one-shots once the gateway's session is open.
func (g *gateway) runQueue() {
	if g.own.ID().IsZero() {
		return
	}
	c := g.replica.cluster
	waiting := g.queue
	g.queue = nil
	for _, q := range waiting {
		copies := 1
		if c.options.Mutant.Has(mutant.M49) {
			copies = 2 // without a place in a session nobody knows them for one
		}
		for range copies {
			ticket, err := g.own.Begin(q)
			if err != nil {
				q.reply(answer{kind: answerNeverSent})
				break
			}
			q.sequence = ticket.Sequence
			q.key = session.UpdateKey(ticket.Session, ticket.Sequence)
			g.own.Sent(ticket.Sequence)
			c.show(submitted(q.call.operation, ticket))
			g.register(q, q.call.encode(ticket))
		}
	}
}

// tick lets time pass: what is due is sent again, what is out of time given back.
func (g *gateway) tick() {
	now := g.millis()
	if g.own.ID().IsZero() && now >= g.asking {
		g.asking = now + gatewayRetryMillis
		g.propose([][]byte{kv.AppendOpen(nil, g.token)})
	}
	g.handles = g.waiters.Expire(now, g.handles[:0])
	for _, q := range g.handles {
		g.replica.cluster.probe(probeGatewayTimeout)
		if q.sequence != 0 {
			g.own.GiveUp(q.sequence)
		}
		q.reply(answer{kind: answerTimeout})
	}
	for len(g.queue) > 0 && g.queue[0].deadline <= now {
		g.queue[0].reply(answer{kind: answerNeverSent})
		g.queue = g.queue[1:]
	}
	if g.replica.proposer.agent == nil {
		return
	}
	g.commands = g.waiters.Retry(now, gatewayRetriesAtATime, g.commands[:0])
	if len(g.commands) > 0 {
		g.replica.cluster.probe(probeGatewayRetry)
		g.propose(append([][]byte(nil), g.commands...))
	}
}

// leaderChanged sends everything again at once.
func (g *gateway) leaderChanged() { g.waiters.RetryAll(g.millis()) }

// applied takes the result of a command that this replica's learner has applied.
func (g *gateway) applied(result session.Result) {
	if result.Token == g.token && result.Status == session.OK && g.own.ID().IsZero() {
		g.own.Open(result.Session)
		g.runQueue()
	}
	g.appliedOwn(result)
	if result.Status == session.Overloaded {
		return // the command goes on trying
	}
	g.handles = g.waiters.Applied(result, g.handles[:0])
	for _, q := range g.handles {
		q.reply(answer{kind: answerResult, result: result})
	}
}

// appliedOwn keeps the gateway's own session.
func (g *gateway) appliedOwn(result session.Result) {
	if g.own.ID().IsZero() || result.Session != g.own.ID() {
		return
	}
	g.own.Result(result)
	if result.Status != session.Expired {
		return
	}
	g.replica.cluster.probe(probeGatewayExpired)
	for _, ended := range g.own.End() {
		kind := answerTimeout
		if ended.Outcome == session.NotSent {
			kind = answerNeverSent
		}
		ended.Handle.reply(answer{kind: kind})
	}
	g.start()
}

// takeGet answers a stale read at once, and lets the learner place any other.
func (g *gateway) takeGet(q *request) {
	switch {
	case g.replica.learner.agent == nil:
		q.reply(answer{kind: answerRefused})
	case q.call.operation.Stale:
		g.read(q)
	default:
		g.nextRead++
		g.reads[g.nextRead] = q
		g.local(paxos.RoleLearner, &paxos.Read{IDs: []uint64{g.nextRead}})
	}
}

// readDone answers a read from the state that the learner has reached.
func (g *gateway) readDone(done paxos.ReadDone) {
	q := g.reads[done.ID]
	if q == nil {
		return
	}
	delete(g.reads, done.ID)
	g.read(q)
}

func (g *gateway) read(q *request) {
	machine := g.replica.machine
	value, revision, found, err := machine.Get([]byte(q.call.operation.Key), nil)
	if err != nil {
		g.replica.cluster.fail("start", "%s cannot read %q: %v", g.replica.id, q.call.operation.Key, err)
	}
	q.reply(answer{
		kind: answerRead, found: found, value: string(value), revision: revision,
		slot: paxos.Slot(machine.Applied()),
	})
}

// reply sends an answer on its way, unless the process has ended meanwhile.
func (q *request) reply(a answer) {
	if q.answered {
		return
	}
	q.answered = true
	q.answer(a)
}

func drawToken(random *rand.Rand) session.Token {
	var token session.Token
	binary.BigEndian.PutUint64(token[:8], 1+random.Uint64N(1<<63))
	binary.BigEndian.PutUint64(token[8:], random.Uint64())
	return token
}

func submitted(o *check.Operation, t session.Ticket) check.Event {
	return check.Event{
		Kind: check.Submitted, Operation: o, Session: t.Session, Sequence: t.Sequence, Low: t.Low,
	}
}
