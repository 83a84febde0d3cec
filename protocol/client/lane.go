package client

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"synod/core/mutant"
	"synod/core/session"
	"synod/protocol"
)

// lanesMax bounds the sessions that a client has at a time.
const lanesMax = 16

// lane is one session in which updates run. A client has one current lane. It
// moves to a new one when the window of the old is full, because an update at
// its low end has no result, or when the session has expired; an old lane lives
// until its last caller has left.
type lane struct {
	sequencer *session.Sequencer[struct{}]
	callers   int
	used      time.Time
	// ended tells what became of the updates without result when the session
	// ended; nil while it lives.
	ended map[uint64]session.Outcome
}

// lanes are the sessions of a client.
type lanes struct {
	planted mutant.Set
	// open asks a replica for a session.
	open func(ctx context.Context, token session.Token) (session.ID, error)
	run  func(func(context.Context)) bool // starts a goroutine that Close waits for

	mu      sync.Mutex
	current *lane
	count   int      // lanes that have not ended
	opening *opening // under way, nil if none
}

// opening is an attempt to get a session, shared by all who wait for it.
type opening struct {
	done chan struct{}
	err  error // valid after done
}

var errLanesFull = errors.New("too many updates without a result")

// begin gives a call its place in a session: its ticket and lane. It waits for
// a session if there is none.
func (l *lanes) begin(ctx context.Context, c *call) error {
	for {
		l.mu.Lock()
		if l.current != nil && l.current.idle() {
			l.retire()
		}
		if lane := l.current; lane != nil {
			ticket, err := lane.sequencer.Begin(struct{}{})
			if err == nil {
				lane.callers++
				c.lane, c.ticket = lane, ticket
				l.mu.Unlock()
				return nil
			}
			l.retire() // its window is full
		}
		if l.count >= lanesMax {
			l.mu.Unlock()
			return errLanesFull
		}
		o := l.opening
		if o == nil {
			o = &opening{done: make(chan struct{})}
			l.opening = o
			if !l.run(func(ctx context.Context) { l.fetch(ctx, o) }) {
				l.opening = nil
				l.mu.Unlock()
				return ErrClosed
			}
		}
		l.mu.Unlock()
		if err := o.wait(ctx, c); err != nil {
			return err
		}
	}
}

// wait waits for the end of the attempt, or of the time of the call's.
func (o *opening) wait(ctx context.Context, c *call) error {
	c.timer.Reset(time.Until(c.until))
	defer c.timer.Stop()
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.timer.C:
		return context.DeadlineExceeded
	}
}

// fetch gets a session from the cluster. The token is the same for every retry,
// so that one asking makes one session.
func (l *lanes) fetch(ctx context.Context, o *opening) {
	var token session.Token
	_, _ = rand.Read(token[:]) // it never fails
	id, err := l.open(ctx, token)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		fresh := &lane{sequencer: session.NewSequencer[struct{}](l.planted), used: time.Now()}
		fresh.sequencer.Open(id)
		l.current = fresh
		l.count++
	}
	o.err = err
	l.opening = nil
	close(o.done)
}

// idle reports whether the replicas may have forgotten the session.
func (n *lane) idle() bool {
	now := time.Now()
	if n.sequencer.Len() == 0 && now.Sub(n.used) > sessionIdle {
		return true
	}
	n.used = now
	return false
}

// retire takes the current lane out of use; it ends with its last caller.
func (l *lanes) retire() {
	old := l.current
	l.current = nil
	if old.callers == 0 {
		l.end(old)
	}
}

// end ends a lane's session. What the sequencer says about its updates is kept
// for the callers that still wait.
func (l *lanes) end(n *lane) {
	if n.ended != nil {
		return
	}
	n.ended = map[uint64]session.Outcome{}
	for _, update := range n.sequencer.End() {
		n.ended[update.Sequence] = update.Outcome
	}
	l.count--
	if l.current == n {
		l.current = nil
	}
}

// sending notes that the call's update is about to leave. If its session has
// ended meanwhile it gives what became of the update instead: Unknown, or
// NotSent, after which the call may begin anew.
func (l *lanes) sending(c *call) session.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.lane.ended != nil {
		return c.lane.ended[c.ticket.Sequence]
	}
	c.lane.sequencer.Sent(c.ticket.Sequence)
	return session.Pending
}

// result settles an update in its session. A session that has ended is of no
// interest any more: the answer is a fact all the same. Who gave the update up
// finds it in its fate, if that is not nil.
func (l *lanes) result(n *lane, ticket session.Ticket, status session.Status, f *fate, replica string, a *answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f != nil {
		f.learn(replica, a)
	}
	if n.ended == nil {
		n.sequencer.Result(session.Result{Session: ticket.Session, Sequence: ticket.Sequence, Status: status})
	}
}

// expired ends a session that the cluster does not know any more and gives what
// became of the call's update.
func (l *lanes) expired(c *call) session.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(c.lane)
	if outcome, ok := c.lane.ended[c.ticket.Sequence]; ok {
		return outcome
	}
	return session.Unknown
}

// leave is called once for every begin: nobody waits for the update any more.
// If it has no result it stays in the session, which low must not pass.
func (l *lanes) leave(c *call) {
	n := c.lane
	if n == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.lane = nil
	n.callers--
	if n.ended != nil {
		return
	}
	if !n.sequencer.Cancel(c.ticket.Sequence) {
		n.sequencer.GiveUp(c.ticket.Sequence)
	}
	if n.callers == 0 && l.current != n {
		l.end(n)
	}
}

// statusOf gives the outcome of an applied command that an error answer stands
// for; ok is false for errors that say nothing about a result.
func statusOf(e *protocol.Error) (status session.Status, ok bool) {
	switch e.Code {
	case protocol.CodeConflict:
		return session.Conflict, true
	case protocol.CodeSessionExpired:
		return session.Expired, true
	default:
		return 0, false
	}
}
