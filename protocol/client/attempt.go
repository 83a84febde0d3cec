package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"synod/core/session"
	"synod/protocol"
)

// errPatience ends an attempt at a replica that keeps silent while another
// could still answer in time.
var errPatience = errors.New("no answer yet")

// failure is why an attempt failed.
type failure struct {
	code  protocol.Code
	retry protocol.Retry
	text  string
	cause error
	apart bool // the attempt found no connection
	ended bool // there was no time for another attempt
}

// do runs a call: attempts until one succeeds, the time is out, or nothing more
// may be tried.
func (c *Client) do(ctx context.Context, call *call) error {
	deadline, limited := ctx.Deadline()
	if !limited {
		deadline = call.started.Add(c.settings.timeout)
	}
	call.deadline = deadline
	c.budget.called()
	at, failed := -1, uint8(0) // failed: replicas that failed in this round, as bits
	pause := pauseMin
	for {
		at = c.choose(call, at, failed)
		if at < 0 {
			return c.failed(call, &failure{
				code: protocol.CodeUnreachable, text: fmt.Sprintf("no endpoint of replica %q", call.set.at),
			})
		}
		f := c.attempt(ctx, call, c.links[at])
		if f == nil {
			return nil
		}
		call.apartSoFar(f)
		if f.code == protocol.CodeNoQuorum {
			call.alone, call.aloneAt = f, call.link.endpoint.Replica
		}
		if !c.again(ctx, call, f) {
			return c.failed(call, f)
		}
		failed |= 1 << at
		if call.set.at == "" && f.retry != protocol.RetryLater && failed != 1<<len(c.links)-1 {
			continue // there is another one to ask at once
		}
		if ended := c.rest(ctx, call, pause); ended != nil {
			ended.text = joinText(f.text, ended.text)
			return c.failed(call, ended)
		}
		failed, pause = 0, min(2*pause, pauseMax)
	}
}

// choose picks the link of the next attempt: the one the call names, else the
// preferred or sticky one, else one that has not failed in this round, those
// with a connection first.
func (c *Client) choose(call *call, last int, failed uint8) int {
	if call.set.at != "" {
		return c.find(call.set.at)
	}
	if last < 0 {
		if c.settings.preferred != "" {
			if at := c.find(c.settings.preferred); !c.links[at].failing() && !c.links[at].isAvoided() {
				return at
			}
		}
		if at := int(c.sticky.Load()); !c.links[at].failing() && !c.links[at].isAvoided() {
			return at
		}
	}
	best, bestScore := -1, -1
	offset := rand.IntN(len(c.links))
	for i := range c.links {
		at := (i + offset) % len(c.links)
		score := 0
		if failed&(1<<at) == 0 {
			score += 8
		}
		if !c.links[at].isAvoided() {
			score += 4
		}
		if c.links[at].connected() != nil {
			score += 2
		} else if !c.links[at].failing() {
			score++
		}
		if at != last && score > bestScore || bestScore < 0 {
			best, bestScore = at, score
		}
	}
	return best
}

// attempt makes one attempt; nil means that the call has its answer.
func (c *Client) attempt(ctx context.Context, call *call, l *link) *failure {
	call.link, call.id = l, 0
	call.attempts++
	patience := c.patience(call)
	if patience <= 0 {
		return ended(context.DeadlineExceeded, "no time left")
	}
	call.until = time.Now().Add(patience)
	conn, err := l.connection(ctx, call)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	for {
		if call.updates() && call.lane == nil {
			if err := c.lanes.begin(ctx, call); err != nil {
				return c.sessionless(ctx, err)
			}
		}
		call.answer = answer{}
		outcome, err := conn.send(call)
		switch {
		case err == nil && outcome == session.Pending:
			return c.wait(ctx, call, conn)
		case err == nil && outcome == session.NotSent:
			c.lanes.leave(call) // its session ended before it left: begin anew
		case err == nil:
			return &failure{code: protocol.CodeSessionExpired, text: "the session ended while the outcome was open"}
		case errors.Is(err, protocol.ErrOutboxFull):
			return &failure{code: protocol.CodeOverloaded, retry: protocol.RetryLater, text: "too much waits to be sent"}
		default:
			return c.unreachable(ctx, fmt.Errorf("connection to %s lost: %w", l.endpoint.Address, err))
		}
	}
}

// wait waits for the answer of an attempt that was sent.
func (c *Client) wait(ctx context.Context, call *call, conn *connection) *failure {
	var f *failure
	select {
	case signal := <-call.done:
		if signal == answered {
			return c.judge(call)
		}
		if f = timeout(context.DeadlineExceeded, "no answer in time"); time.Until(call.deadline) > 0 {
			f.cause = errPatience
		}
	case <-ctx.Done():
		f = timeout(ctx.Err(), "no answer in time")
	}
	left := &gone{operation: call.operation, request: call.request, lane: call.lane, ticket: call.ticket}
	if call.updates() {
		if left.fate = call.fate; left.fate == nil {
			left.fate = &fate{}
		}
	}
	if !conn.withdraw(call, left) {
		call.awaitAnswer()
		return c.judge(call) // it came in the very last moment
	}
	call.handed, call.fate = true, left.fate // now that no connection holds the call
	return f
}

// judge turns the answer of an attempt into its failure; nil if it is none.
func (c *Client) judge(call *call) *failure {
	a := &call.answer
	if a.lost != nil {
		call.handed = true
		if c.ctx.Err() != nil {
			return &failure{code: protocol.CodeClosed, text: "the client was closed", cause: ErrClosed}
		}
		return &failure{
			code: protocol.CodeUnavailable, retry: protocol.RetrySame,
			text: "connection lost: " + a.lost.Error(), cause: a.lost,
		}
	}
	if a.refusal == nil {
		if call.set.at == "" {
			c.prefer(call.link)
		}
		return nil
	}
	e := a.refusal
	f := &failure{code: e.Code, retry: e.Retry, text: e.Text, cause: e}
	if e.MayHaveRun() {
		call.handed = true
	}
	if e.Code == protocol.CodeUnavailable && e.Retry == protocol.RetryElsewhere {
		call.link.avoid()
	}
	if e.Code == protocol.CodeSessionExpired && call.updates() {
		call.handed = c.lanes.expired(call) != session.NotSent
		f.retry = protocol.RetryNever
	}
	return f
}

// prefer makes later calls go where this one was answered.
func (c *Client) prefer(l *link) {
	if c.links[c.sticky.Load()] == l {
		return
	}
	for i := range c.links {
		if c.links[i] == l {
			c.sticky.Store(int32(i))
		}
	}
}

// patience is how long an attempt may take: all the time that is left, or half
// of it if another replica could then still be asked.
func (c *Client) patience(call *call) time.Duration {
	left := time.Until(call.deadline)
	if call.set.retry == Never || call.set.at != "" || len(c.links) == 1 || left < 2*attemptMin {
		return left
	}
	return left / 2
}

// again decides whether another attempt may be made after this failure.
func (c *Client) again(ctx context.Context, call *call, f *failure) bool {
	switch {
	case call.set.retry == Never || f.retry == protocol.RetryNever || c.ctx.Err() != nil || ctx.Err() != nil:
		return false
	case time.Until(call.deadline) <= 0:
		return false
	case f.code == protocol.CodeUnreachable:
		return true // it cost nobody anything
	default:
		return c.budget.spend()
	}
}

// rest pauses before the next round; a failure means that there is no time for
// it.
func (c *Client) rest(ctx context.Context, call *call, bound time.Duration) *failure {
	pause := rand.N(bound) + time.Millisecond
	if left := time.Until(call.deadline); left <= pause {
		pause = left
	}
	call.timer.Reset(pause)
	defer call.timer.Stop()
	select {
	case <-call.timer.C:
	case <-ctx.Done():
		return ended(ctx.Err(), "")
	case <-c.ctx.Done():
		return &failure{code: protocol.CodeClosed, text: "the client was closed", cause: ErrClosed}
	}
	if time.Until(call.deadline) <= 0 {
		return ended(context.DeadlineExceeded, "")
	}
	return nil
}

// ended is the failure of a call that has no time for another attempt.
func ended(cause error, text string) *failure {
	f := timeout(cause, text)
	f.ended = true
	return f
}

// apartSoFar keeps the failure as long as no attempt has found a connection: it
// says more than that the time is up.
func (c *call) apartSoFar(f *failure) {
	switch {
	case f.ended:
	case f.apart && (c.attempts == 1 || c.apart != nil):
		c.apart = f
	default:
		c.apart = nil
	}
}

func timeout(cause error, text string) *failure {
	if errors.Is(cause, context.Canceled) {
		text = "the caller gave up"
	}
	return &failure{code: protocol.CodeTimeout, retry: protocol.RetrySame, text: text, cause: cause}
}

// unreachable is the failure of an attempt that never left.
func (c *Client) unreachable(ctx context.Context, err error) *failure {
	f := &failure{
		code: protocol.CodeUnreachable, retry: protocol.RetryElsewhere, text: err.Error(), cause: err, apart: true,
	}
	var refusal *protocol.Error
	switch {
	case errors.Is(err, ErrClosed) || c.ctx.Err() != nil:
		return &failure{code: protocol.CodeClosed, text: "the client was closed", cause: ErrClosed}
	case ctx.Err() != nil:
		f.cause = ctx.Err()
	case errors.As(err, &refusal):
		f.code, f.text = refusal.Code, refusal.Text
	}
	return f
}

// sessionless is the failure of an update that got no session. It was not sent.
func (c *Client) sessionless(ctx context.Context, err error) *failure {
	var failed *Error
	switch {
	case errors.Is(err, errLanesFull):
		return &failure{code: protocol.CodeOverloaded, retry: protocol.RetryLater, text: err.Error()}
	case errors.As(err, &failed):
		f := &failure{code: failed.Code, retry: failed.Retry, text: "open session: " + failed.Text, cause: err}
		f.apart = failed.Code == protocol.CodeUnreachable
		if c.ctx.Err() != nil {
			f.code, f.retry = protocol.CodeClosed, protocol.RetryNever
		}
		return f
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return timeout(err, "no session in time")
	default:
		return c.unreachable(ctx, err)
	}
}

// failed makes the error that the user gets. That the time is out says less than
// what a replica said before.
func (c *Client) failed(call *call, f *failure) error {
	replica := ""
	if call.link != nil {
		replica = call.link.endpoint.Replica
	}
	if apart := call.apart; f.ended && apart != nil {
		apart.cause = errors.Join(apart.cause, f.cause)
		f = apart
	} else if alone := call.alone; f.code == protocol.CodeTimeout && alone != nil && !errors.Is(f.cause, context.Canceled) {
		alone.cause = errors.Join(alone.cause, f.cause)
		f, replica = alone, call.aloneAt
	}
	e := &Error{
		Code: f.code, Operation: call.operation, RequestID: call.id, Attempts: call.attempts,
		Text: f.text, Retry: f.retry, cause: f.cause, Replica: replica,
	}
	if call.handed {
		e.Outcome = Unknown
		if call.updates() {
			e.update = c.unsettled(call)
		}
	}
	if errors.Is(e.cause, errPatience) {
		e.cause = context.DeadlineExceeded
	}
	return e
}

func joinText(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + ", then: " + second
}
