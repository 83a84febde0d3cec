package client

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"synod/core/session"
	"synod/protocol"
)

// lateMax bounds the requests on a connection that nobody waits for any more
// and that have no answer yet. A replica that lets so many pass is not worth
// its connection.
const lateMax = 1024

// connection is one session to a replica with its one stream of requests. A
// writer batches whatever waits, a reader dispatches by request id.
type connection struct {
	link    *link
	session *protocol.Session
	stream  *protocol.Stream
	outbox  *protocol.Outbox

	heard   atomic.Int64 // unix nanoseconds of the last frame
	leaving atomic.Bool

	mu    sync.Mutex
	table []place
	free  []uint32
	busy  int   // places with a caller or a late answer to come
	late  int   // of these, those without a caller
	err   error // why it ended
	// alarm fires at alarmAt, when the first attempt has had its time; zero: it
	// is not set. One timer for all calls: most have their answer long before,
	// and the alarm then finds the next, so that it is set anew once in a while
	// and not twice per call.
	alarm   *time.Timer
	alarmAt time.Time
}

// place is where the answer to one request goes. The request id is made of its
// number and its turn, so that an answer that comes twice finds nobody.
type place struct {
	turn uint32
	told bool // the call has been told that its time is up
	call *call
	// What is left of a call that gave up.
	gone *gone
}

type gone struct {
	operation string
	request   protocol.Kind
	lane      *lane
	ticket    session.Ticket
	fate      *fate // of an update
}

var (
	errTooManyLate = errors.New("the replica leaves too many requests unanswered")
	errLeft        = errors.New("the replica takes its leave")
)

func newConnection(l *link, s *protocol.Session) (*connection, error) {
	stream, err := s.Open(protocol.PurposeRequests)
	if err != nil {
		s.Abort(err)
		return nil, err
	}
	c := &connection{
		link: l, session: s, stream: stream,
		outbox: protocol.NewOutbox(stream, protocol.OutboxBytesMax),
	}
	c.heard.Store(time.Now().UnixNano())
	return c, nil
}

// send hands the call's request to the writer. If that fails nothing was sent.
// The outcome is Pending unless the update's session has ended.
func (c *connection) send(call *call) (session.Outcome, error) {
	id, err := c.register(call)
	if err != nil {
		return session.Pending, err
	}
	call.id = id
	outcome, now := session.Pending, time.Now()
	err = c.outbox.Add(func(dst []byte) []byte {
		if call.updates() {
			if outcome = c.link.client.lanes.sending(call); outcome != session.Pending {
				return dst
			}
		}
		return call.append(dst, now)
	})
	if err != nil || outcome != session.Pending {
		if !c.withdraw(call, nil) {
			call.awaitAnswer() // the connection has failed meanwhile and said so
		}
	}
	return outcome, err
}

// register finds a place for the call's answer.
func (c *connection) register(call *call) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	var number uint32
	if n := len(c.free); n > 0 {
		number = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		number = uint32(len(c.table))
		c.table = append(c.table, place{})
	}
	p := &c.table[number]
	p.turn++
	p.call, p.told = call, false
	c.busy++
	if c.alarmAt.IsZero() || call.until.Before(c.alarmAt) {
		c.setAlarm(call.until)
	}
	return uint64(p.turn)<<32 | uint64(number), nil
}

// withdraw takes a call back that does not want its answer any more, and
// reports whether the answer had not come; else it waits in done. What is left
// of the call stays for the late answer, if given.
func (c *connection) withdraw(call *call, left *gone) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	number := uint32(call.id)
	p := &c.table[number]
	if p.call != call || p.turn != uint32(call.id>>32) {
		return false
	}
	select {
	case <-call.done: // impatient; nobody sends another now
	default:
	}
	p.call, p.gone = nil, left
	if left == nil {
		c.release(number)
		return true
	}
	if c.late++; c.late > lateMax {
		c.session.Abort(errTooManyLate)
	}
	return true
}

func (c *connection) release(number uint32) {
	p := &c.table[number]
	p.call, p.gone = nil, nil
	c.busy--
	c.free = append(c.free, number)
}

// read dispatches answers until the connection ends, and then tells everybody
// who still waits.
func (c *connection) read() {
	var err error
	for err == nil {
		var f protocol.Frame
		if f, err = c.stream.Next(); err == nil {
			err = c.dispatch(f)
		}
		if err == nil && c.leaving.Load() && c.idle() {
			err = errLeft
		}
	}
	c.session.Abort(err)
	c.outbox.Abort()
	<-c.outbox.Done()
	c.fail(c.session.Err())
}

// idle reports whether no answer is to come.
func (c *connection) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy == 0
}

// dispatch handles one frame and all that came with it, under one lock.
func (c *connection) dispatch(f protocol.Frame) error {
	c.heard.Store(time.Now().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := c.one(f); err != nil {
			return err
		}
		if !c.stream.Ready() {
			return nil
		}
		var err error
		if f, err = c.stream.Next(); err != nil {
			return err
		}
	}
}

func (c *connection) one(f protocol.Frame) error {
	switch {
	case f.Kind == protocol.KindPong || f.Kind.Optional():
		return nil
	case f.Kind == protocol.KindPing:
		return c.outbox.Add(func(dst []byte) []byte {
			return protocol.AppendFrame(dst, &protocol.Frame{Kind: protocol.KindPong, Request: f.Request})
		})
	case f.Kind == protocol.KindLeaving:
		c.leaving.Store(true)
		return nil
	}
	number := uint32(f.Request)
	if uint64(number) >= uint64(len(c.table)) || c.table[number].turn != uint32(f.Request>>32) {
		return c.stray(f)
	}
	p := &c.table[number]
	switch {
	case p.call != nil:
		call := p.call
		if !answers(call.request, f.Kind) {
			return fmt.Errorf("%w: %s answers %s", protocol.ErrMalformed, f.Kind, call.request)
		}
		if err := call.answer.take(f); err != nil {
			return err
		}
		c.release(number)
		c.settle(call.lane, call.ticket, call.fate, &call.answer)
		call.done <- answered
	case p.gone != nil:
		left := p.gone
		if !answers(left.request, f.Kind) {
			return fmt.Errorf("%w: %s answers %s", protocol.ErrMalformed, f.Kind, left.request)
		}
		c.late--
		c.release(number)
		var a answer
		if err := a.take(f); err != nil {
			return err
		}
		c.settle(left.lane, left.ticket, left.fate, &a)
		c.link.client.reportLate(c.link, left, &a)
	default:
		return c.stray(f)
	}
	return nil
}

// stray handles an answer to nobody: of a known kind it is only counted, since
// a replica may answer twice.
func (c *connection) stray(f protocol.Frame) error {
	if f.Kind >= protocol.KindSessionOpened && f.Kind <= protocol.KindScanned || f.Kind == protocol.KindError {
		c.link.client.strays.Add(1)
		return nil
	}
	return fmt.Errorf("%w: %s on a client's stream", protocol.ErrMalformed, f.Kind)
}

// settle tells the session what became of an update, and those who gave it up.
func (c *connection) settle(n *lane, ticket session.Ticket, f *fate, a *answer) {
	if n == nil {
		return
	}
	status, ok := session.OK, a.kind == protocol.KindUpdated
	if a.refusal != nil {
		status, ok = statusOf(a.refusal)
	}
	if ok {
		c.link.client.lanes.result(n, ticket, status, f, c.link.endpoint.Replica, a)
	}
}

// fail tells everybody who waits that the connection is gone.
func (c *connection) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err // from now on nobody registers
	for i := range c.table {
		p := &c.table[i]
		if p.call != nil {
			p.call.answer.lost = err
			p.call.done <- answered
		}
		p.call, p.gone = nil, nil
	}
	if c.alarm != nil {
		c.alarm.Stop()
	}
}

// watch pings an idle connection and ends one that is silent.
func (c *connection) watch() {
	ticker := time.NewTicker(protocol.PingInterval)
	defer ticker.Stop()
	for turn := uint64(1); ; turn++ {
		select {
		case <-c.session.Done():
			return
		case now := <-ticker.C:
			if silent := now.Sub(time.Unix(0, c.heard.Load())); silent > protocol.PongTimeout+protocol.PingInterval {
				c.session.Abort(fmt.Errorf("nothing heard for %s", silent.Round(time.Millisecond)))
				return
			}
			// A full outbox needs no ping: its answers are signs of life enough.
			_ = c.outbox.Add(func(dst []byte) []byte {
				return protocol.AppendFrame(dst, &protocol.Frame{Kind: protocol.KindPing, Request: turn})
			})
		}
	}
}
