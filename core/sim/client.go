package sim

import (
	"fmt"

	"synod/core/kv"
	"synod/core/mutant"
	"synod/core/paxos"
	"synod/core/session"
	"synod/core/sim/check"
)

// client is a user of the cluster with a session, as the product's library keeps
// one: an update keeps its session and its sequence wherever it is sent again.
type client struct {
	cluster   *cluster
	number    int
	sequencer *session.Sequencer[*call]
	// token is that of the Open under way, zero if there is none.
	token session.Token
	// queue holds updates that wait for a session.
	queue  []*call
	active int
	count  int
	// resolves: the client goes on asking after it gave up, to learn the outcome.
	resolves bool
}

// call is one operation of a client.
type call struct {
	client    *client
	operation *check.Operation
	oneShot   bool
	deadline  check.Time
	sequence  uint64 // 0: not begun in a session
	over      bool   // the outcome is told
	settled   bool   // the outcome is known, or will never be
}

func newClient(c *cluster, number int) *client {
	return &client{
		cluster: c, number: number, resolves: number%2 == 0,
		sequencer: session.NewSequencer[*call](c.options.Mutant),
	}
}

// think schedules the next operation.
func (k *client) think() {
	c := k.cluster
	c.after(1+exponential(c.streams.workload, c.options.Workload.Think), func() {
		if c.asking && k.active < c.options.Workload.Pipeline {
			k.begin(k.draw())
		}
		if c.asking {
			k.think()
		}
	})
}

// draw makes up an operation.
func (k *client) draw() *call {
	w, random := k.cluster.options.Workload, k.cluster.streams.workload
	k.count++
	o := &check.Operation{Client: k.number, Op: kv.Put, Key: string(rune('a' + random.IntN(w.Keys)))}
	draw := random.IntN(100)
	switch {
	case draw < w.Gets:
		o.Op = check.Get
		o.Stale = random.IntN(100) < w.Stales
	case draw < w.Gets+w.Deletes:
		o.Op = kv.Delete
	default:
		pad := random.IntN(w.ValueBytesMax)
		o.Value = fmt.Sprintf("%d.%d%0*d", k.number, k.count, pad, 0)
	}
	q := &call{client: k, operation: o}
	q.oneShot = o.Op != check.Get && random.IntN(100) < w.OneShots
	return q
}

// begin is the moment from which the operation may take effect.
func (k *client) begin(q *call) {
	c := k.cluster
	c.operations++
	q.operation.ID = c.operations
	q.operation.Invoked = c.now
	q.deadline = c.now + c.options.Workload.DeadlineMax
	k.active++
	c.show(check.Event{Kind: check.Invoked, Operation: q.operation})
	c.after(c.options.Workload.DeadlineMax, func() { k.giveUp(q) })
	switch {
	case q.operation.Op == check.Get, q.oneShot:
		k.attempt(q)
	default:
		if chance(c.streams.workload, c.options.Workload.Reopen) && k.sequencer.Len() == 0 && len(k.queue) == 0 {
			k.reopen()
		}
		k.queue = append(k.queue, q)
		k.runQueue()
	}
}

// runQueue sends updates once there is a session.
func (k *client) runQueue() {
	if k.sequencer.ID().IsZero() {
		k.open()
		return
	}
	waiting := k.queue
	k.queue = nil
	for _, q := range waiting {
		if q.over {
			continue
		}
		ticket, err := k.sequencer.Begin(q)
		if err != nil {
			k.finish(q, check.Refused)
			continue
		}
		q.sequence = ticket.Sequence
		k.attempt(q)
	}
}

// attempt sends the operation to a replica, and again later to another one.
func (k *client) attempt(q *call) {
	c := k.cluster
	if q.settled || q.over && !(k.resolves && c.asking) {
		return
	}
	r := &request{call: q, deadline: int64((c.now + c.options.Workload.AttemptMax) / check.Millisecond)}
	if q.operation.Op != check.Get && !q.oneShot {
		ticket, ok := k.sequencer.Ticket(q.sequence)
		if !ok {
			return
		}
		k.sequencer.Sent(q.sequence)
		r.key, r.command = session.UpdateKey(ticket.Session, ticket.Sequence), q.encode(ticket)
		c.show(submitted(q.operation, ticket))
	}
	k.send(r, func(a answer) { k.answered(q, a) })
	if q.oneShot {
		return // a second copy would have another place: nobody would know it again
	}
	c.after(c.options.Workload.AttemptMax, func() { k.attempt(q) })
}

// send takes a request to a replica and its answer back. Either may be lost.
func (k *client) send(r *request, then func(answer)) {
	c := k.cluster
	to := c.chooseReplica()
	gateway := to.gateway
	r.answer = func(a answer) {
		if gateway != nil && gateway.ended && a.kind != answerUnreachable || k.loses() {
			return
		}
		c.after(k.delay(), func() { then(a) })
	}
	if k.loses() {
		return
	}
	c.after(k.delay(), func() {
		if gateway == nil || gateway.ended {
			r.reply(answer{kind: answerUnreachable})
			return
		}
		gateway.take(r)
	})
}

func (k *client) delay() check.Time {
	if k.cluster.options.Scripted {
		return 100
	}
	return between(k.cluster.streams.workload, 30, 400)
}

func (k *client) loses() bool {
	return chance(k.cluster.streams.workload, k.cluster.options.Network.Drop/4) && k.cluster.phase == check.Chaos
}

// encode is the bytes of the update in its place in a session.
func (q *call) encode(t session.Ticket) []byte {
	update := kv.Update{Session: t.Session, Sequence: t.Sequence, Low: t.Low}
	if q.operation.Op == kv.Delete {
		return kv.AppendDelete(nil, update, []byte(q.operation.Key))
	}
	return kv.AppendPut(nil, update, []byte(q.operation.Key), []byte(q.operation.Value))
}

// answered takes an answer of any attempt.
func (k *client) answered(q *call, a answer) {
	again := func() {
		pause := between(k.cluster.streams.workload, 5*check.Millisecond, 50*check.Millisecond)
		k.cluster.after(pause, func() { k.attempt(q) })
	}
	switch {
	case a.kind == answerRead:
		o := q.operation
		if !q.over {
			o.Found, o.Read, o.Revision, o.Slot = a.found, a.value, a.revision, a.slot
		}
		k.finish(q, check.Done)
	case a.kind == answerResult:
		k.result(q, a.result)
	case a.kind == answerTimeout && q.oneShot:
		k.finish(q, check.Unknown)
	case a.kind == answerTimeout:
		// Another attempt is under way already.
	case q.oneShot && !q.over:
		again() // it was certainly not executed there
	case !q.over && q.operation.Op == check.Get:
		again()
	}
}

// result takes the result of an update.
func (k *client) result(q *call, result session.Result) {
	if q.oneShot {
		if result.Status == session.OK {
			k.done(q, result)
		} else {
			k.finish(q, check.Unknown)
		}
		return
	}
	known, outcome, ok := k.sequencer.Result(result)
	if !ok {
		return
	}
	switch outcome {
	case session.Executed:
		k.done(known, result)
	case session.Refused:
		k.finish(known, check.Refused)
	case session.Unknown:
		k.finish(known, check.Unknown)
	default:
		if result.Status == session.Expired {
			k.expired()
		}
	}
}

func (k *client) done(q *call, result session.Result) {
	if !q.over {
		o := q.operation
		o.Slot, o.Index, o.Revision = paxos.Slot(result.Slot), result.Index, result.Revision
	}
	k.finish(q, check.Done)
}

// finish tells the outcome, once. The operation is the tap's from then on.
func (k *client) finish(q *call, outcome check.Outcome) {
	q.settled = true
	k.tell(q, outcome)
}

func (k *client) tell(q *call, outcome check.Outcome) {
	if q.over {
		return
	}
	q.over = true
	k.active--
	q.operation.Outcome, q.operation.Returned = outcome, k.cluster.now
	k.cluster.show(check.Event{Kind: check.Returned, Operation: q.operation})
}

// giveUp is the end of the user's patience. A session's update stays pending: low
// must not move past it.
func (k *client) giveUp(q *call) {
	switch {
	case q.over:
	case q.operation.Op == check.Get:
		k.finish(q, check.Unknown)
	case q.oneShot:
		k.finish(q, check.Unknown)
	case q.sequence == 0:
		k.finish(q, check.Refused) // never sent
	case k.sequencer.Cancel(q.sequence):
		k.finish(q, check.Refused)
	default:
		k.sequencer.GiveUp(q.sequence)
		k.tell(q, check.Unknown)
	}
}

// expired ends the session: what was sent and has no result is unknown for ever.
func (k *client) expired() {
	k.cluster.probe(probeSessionExpired)
	for _, ended := range k.sequencer.End() {
		q := ended.Handle
		q.operation.Expired = true
		if ended.Outcome != session.NotSent {
			k.finish(q, check.Unknown)
			continue
		}
		q.sequence = 0
		if k.cluster.options.Mutant.Has(mutant.M45) {
			k.finish(q, check.Refused)
			continue
		}
		k.queue = append(k.queue, q)
	}
	k.runQueue()
}

// open opens a session through the log. All attempts have one token.
func (k *client) open() {
	if k.token != (session.Token{}) {
		return
	}
	k.token = drawToken(k.cluster.streams.workload)
	k.tryOpen(k.token)
}

func (k *client) tryOpen(token session.Token) {
	c := k.cluster
	if k.token != token || len(k.queue) == 0 {
		if k.token == token {
			k.token = session.Token{}
		}
		return
	}
	r := &request{
		key: session.OpenKey(token), command: kv.AppendOpen(nil, token),
		deadline: int64((c.now + c.options.Workload.AttemptMax) / check.Millisecond),
	}
	k.send(r, func(a answer) {
		if a.kind == answerResult && a.result.Status == session.OK && k.token == token {
			k.token = session.Token{}
			k.sequencer.Open(a.result.Session)
			k.runQueue()
		}
	})
	c.after(c.options.Workload.AttemptMax/2, func() { k.tryOpen(token) })
}

// reopen leaves the session for a new one; sometimes it says so.
func (k *client) reopen() {
	id := k.sequencer.ID()
	k.sequencer.End()
	if id.IsZero() || k.cluster.streams.workload.IntN(2) == 0 {
		return
	}
	c := k.cluster
	r := &request{
		key: session.UpdateKey(id, 0), command: kv.AppendClose(nil, id),
		deadline: int64((c.now + c.options.Workload.AttemptMax) / check.Millisecond),
	}
	k.send(r, func(answer) {})
}
