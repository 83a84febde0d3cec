package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"synod/protocol"
)

// Operator is the connection of an operator to one replica. Unlike a [Client]
// it does not reconnect: who watches a replica wants to know that it is gone.
// It is safe for concurrent use.
type Operator struct {
	endpoint Endpoint
	session  *protocol.Session
	timeout  time.Duration
	commands *exchange

	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// exchange is a stream of an operator on which one request at a time waits for
// its answer.
type exchange struct {
	mu     sync.Mutex
	stream *protocol.Stream
	last   uint64
}

// OpenOperator connects to a replica. The options about connections apply:
// [WithCluster], [WithTimeout], [WithLogger], [WithDial], [WithConnector].
func OpenOperator(ctx context.Context, endpoint Endpoint, options ...Option) (*Operator, error) {
	s := newSettings(options)
	if s.connect == nil {
		s.connect = s.connectTCP(&clusterPin{id: s.cluster})
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	session, err := s.connect(ctx, endpoint, protocol.Operator)
	if err != nil {
		return nil, unconnected(endpoint, err)
	}
	o := &Operator{endpoint: endpoint, session: session, timeout: s.timeout}
	stream, err := session.Open(protocol.PurposeOperator)
	if err != nil {
		session.Abort(err)
		return nil, unconnected(endpoint, err)
	}
	o.commands = &exchange{stream: stream}
	return o, nil
}

// Replica is the name of the replica this operator is connected to.
func (o *Operator) Replica() string { return o.endpoint.Replica }

// Done is closed when the connection has ended.
func (o *Operator) Done() <-chan struct{} { return o.session.Done() }

// Close ends the connection and every subscription, and waits for their
// goroutines. It may be called again, but not from a subscription's callback.
func (o *Operator) Close() error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.session.Abort(ErrClosed)
	o.group.Wait()
	return nil
}

// Hello asks who is there.
func (o *Operator) Hello(ctx context.Context, hello protocol.Hello) (*protocol.HelloAnswer, error) {
	return ask[protocol.Hello, protocol.HelloAnswer](ctx, o, "hello", &hello)
}

// Role injects or ends a fault of a role. A failure whose Outcome is Unknown
// may have been done.
func (o *Operator) Role(ctx context.Context, control protocol.RoleControl) (*protocol.Done, error) {
	if err := control.Check(); err != nil {
		return nil, &Error{
			Code: protocol.CodeDenied, Operation: "role", Replica: o.endpoint.Replica, Text: err.Error(), cause: err,
		}
	}
	return ask[protocol.RoleControl, protocol.Done](ctx, o, "role", &control)
}

// Chaos switches the random schedule of faults.
func (o *Operator) Chaos(ctx context.Context, control protocol.ChaosControl) (string, error) {
	done, err := ask[protocol.ChaosControl, protocol.Done](ctx, o, "chaos", &control)
	if err != nil {
		return "", err
	}
	return done.Text, nil
}

// Link breaks links between the replica and others. A failure whose Outcome is
// Unknown may have been done.
func (o *Operator) Link(ctx context.Context, control protocol.LinkControl) (*protocol.Done, error) {
	if err := control.Check(); err != nil {
		return nil, &Error{
			Code: protocol.CodeDenied, Operation: "link", Replica: o.endpoint.Replica, Text: err.Error(), cause: err,
		}
	}
	return ask[protocol.LinkControl, protocol.Done](ctx, o, "link", &control)
}

// Clear ends injected faults of the replica. One that has ended already is no
// error.
func (o *Operator) Clear(ctx context.Context, clear protocol.FaultClear) (*protocol.Done, error) {
	return ask[protocol.FaultClear, protocol.Done](ctx, o, "clear", &clear)
}

// Slots asks what the replica has seen of slots lately.
func (o *Operator) Slots(ctx context.Context, query protocol.SlotsQuery) (*protocol.Slots, error) {
	return ask[protocol.SlotsQuery, protocol.Slots](ctx, o, "slots", &query)
}

// Ballots asks for the changes of leadership that the replica has seen.
func (o *Operator) Ballots(ctx context.Context, query protocol.BallotsQuery) (*protocol.Ballots, error) {
	return ask[protocol.BallotsQuery, protocol.Ballots](ctx, o, "ballots", &query)
}

// Digest asks what the replica's state hashes to.
func (o *Operator) Digest(ctx context.Context) (*protocol.Digest, error) {
	return ask[protocol.DigestQuery, protocol.Digest](ctx, o, "digest", &protocol.DigestQuery{})
}

// ask sends a command and waits for its answer. A command without an answer in
// time ends the connection: the next answer could not be told from it.
func ask[Q, A protocol.OperatorMessage](ctx context.Context, o *Operator, verb string, q *Q) (*A, error) {
	ctx, cancel := withDefault(ctx, o.timeout)
	defer cancel()
	x := o.commands
	x.mu.Lock()
	defer x.mu.Unlock()
	x.last++
	frame, err := protocol.AppendJSON(nil, x.last, q)
	if err != nil {
		return nil, &Error{
			Code: protocol.CodeTooLarge, Operation: verb, Replica: o.endpoint.Replica, Text: err.Error(), cause: err,
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, operatorError(verb, o.endpoint, NotSent, err)
	}
	stop := context.AfterFunc(ctx, func() { o.session.Abort(context.Cause(ctx)) })
	defer stop()
	if _, err := x.stream.Write(frame); err != nil {
		return nil, operatorError(verb, o.endpoint, Unknown, errors.Join(ctx.Err(), err))
	}
	for {
		f, err := x.stream.Next()
		switch {
		case err != nil:
			return nil, operatorError(verb, o.endpoint, Unknown, errors.Join(ctx.Err(), err))
		case f.Kind == protocol.KindError && f.Request == x.last:
			return nil, o.refused(verb, f)
		case f.Kind.Optional() || f.Kind == protocol.KindLeaving || f.Kind == protocol.KindPong:
			continue
		case f.Request != x.last:
			err = fmt.Errorf("%w: answer to request %d, this is %d", protocol.ErrMalformed, f.Request, x.last)
			o.session.Abort(err)
			return nil, operatorError(verb, o.endpoint, Unknown, err)
		}
		answer, err := protocol.DecodeJSON[A](f)
		if err != nil {
			o.session.Abort(err)
			return nil, operatorError(verb, o.endpoint, Unknown, err)
		}
		return answer, nil
	}
}

// refused makes the error of a refusal.
func (o *Operator) refused(verb string, f protocol.Frame) error {
	refusal, err := protocol.DecodeError(f.Body)
	if err != nil {
		o.session.Abort(err)
		return operatorError(verb, o.endpoint, Unknown, err)
	}
	return operatorError(verb, o.endpoint, NotSent, refusal)
}

func withDefault(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, limited := ctx.Deadline(); limited {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// unconnected is the error of an attempt to connect. Its code is unreachable
// unless the replica itself refused.
func unconnected(endpoint Endpoint, err error) error {
	e := &Error{
		Code: protocol.CodeUnreachable, Replica: endpoint.Replica, Attempts: 1, Operation: "connect",
		Text: err.Error(), Retry: protocol.RetryElsewhere, cause: err,
	}
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		e.Code, e.Text, e.Retry = refusal.Code, refusal.Text, refusal.Retry
	} else if errors.Is(err, protocol.ErrMalformed) {
		e.Code = protocol.CodeCorrupt
	}
	return e
}

func operatorError(verb string, endpoint Endpoint, outcome Outcome, err error) error {
	e := &Error{
		Code: protocol.CodeUnavailable, Outcome: outcome, Replica: endpoint.Replica, Attempts: 1,
		Operation: verb, Text: err.Error(), cause: err,
	}
	var refusal *protocol.Error
	switch {
	case errors.As(err, &refusal):
		e.Code, e.Text, e.Retry = refusal.Code, refusal.Text, refusal.Retry
		if refusal.MayHaveRun() {
			e.Outcome = Unknown
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Code = protocol.CodeTimeout
	case errors.Is(err, protocol.ErrMalformed):
		e.Code = protocol.CodeCorrupt
	case outcome == NotSent:
		e.Code = protocol.CodeUnreachable
	}
	return e
}

// Subscription is a stream of pushed messages. It ends with the connection.
type Subscription[M protocol.OperatorMessage] struct {
	ready chan struct{} // one element: something to take, or the end

	mu      sync.Mutex
	waiting []*M
	skipped uint64
	err     error
}

// linesWaiting bounds the frames of log lines that wait for a slow reader.
const linesWaiting = 16

// Status subscribes to the replica's status: one now, then one on every change
// but not more often than the interval, 50 to 500 ms. Only the newest waits for
// a slow reader.
func (o *Operator) Status(interval time.Duration) (*Subscription[protocol.Status], error) {
	request := &protocol.StatusSubscribe{IntervalMillis: int(interval.Milliseconds())}
	return subscribe[protocol.StatusSubscribe, protocol.Status](o, protocol.PurposeStatus, request, 1)
}

// Logs subscribes to log lines of at least the level from a sequence on; 0 is
// from now on. What a slow reader misses is counted in Dropped of the next.
func (o *Operator) Logs(level string, from uint64) (*Subscription[protocol.LogLines], error) {
	request := &protocol.LogSubscribe{Level: level, From: from}
	return subscribe[protocol.LogSubscribe, protocol.LogLines](o, protocol.PurposeLogs, request, linesWaiting)
}

func subscribe[Q, M protocol.OperatorMessage](
	o *Operator, purpose protocol.Purpose, request *Q, waitingMax int,
) (*Subscription[M], error) {
	verb := purpose.String()
	frame, err := protocol.AppendJSON(nil, 1, request)
	if err != nil {
		return nil, operatorError(verb, o.endpoint, NotSent, err)
	}
	stream, err := o.session.Open(purpose)
	if err == nil {
		_, err = stream.Write(frame)
	}
	if err != nil {
		return nil, operatorError(verb, o.endpoint, NotSent, err)
	}
	s := &Subscription[M]{ready: make(chan struct{}, 1)}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, operatorError(verb, o.endpoint, NotSent, ErrClosed)
	}
	o.group.Go(func() { s.end(operatorError(verb, o.endpoint, NotSent, s.read(stream, waitingMax))) })
	return s, nil
}

// Next waits for the next message. The error io.EOF never comes: the end of a
// subscription is that of the connection, an [*Error].
func (s *Subscription[M]) Next(ctx context.Context) (*M, error) {
	for {
		s.mu.Lock()
		if len(s.waiting) > 0 {
			m := s.waiting[0]
			s.waiting = append(s.waiting[:0], s.waiting[1:]...)
			s.mu.Unlock()
			return m, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Subscription[M]) read(stream *protocol.Stream, waitingMax int) error {
	for {
		f, err := stream.Next()
		switch {
		case errors.Is(err, io.EOF):
			return protocol.ErrSessionClosed
		case err != nil:
			return err
		case f.Kind == protocol.KindError:
			refusal, err := protocol.DecodeError(f.Body)
			if err != nil {
				return err
			}
			return refusal
		case f.Kind.Optional() || f.Kind == protocol.KindLeaving || f.Kind == protocol.KindPong:
			continue
		}
		m, err := protocol.DecodeJSON[M](f)
		if err != nil {
			stream.Session().Abort(err)
			return err
		}
		s.push(m, waitingMax)
	}
}

// push adds a message and drops the oldest above the limit.
func (s *Subscription[M]) push(m *M, waitingMax int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= waitingMax {
		if oldest, ok := any(s.waiting[0]).(*protocol.LogLines); ok {
			s.skipped += uint64(len(oldest.Lines)) + oldest.Dropped
		}
		s.waiting = append(s.waiting[:0], s.waiting[1:]...)
		if len(s.waiting) > 0 {
			s.account(s.waiting[0])
		} else {
			s.account(m)
		}
	}
	s.waiting = append(s.waiting, m)
	s.rouse()
}

// account adds what was skipped to the message that follows the gap.
func (s *Subscription[M]) account(m *M) {
	if lines, ok := any(m).(*protocol.LogLines); ok {
		lines.Dropped += s.skipped
		s.skipped = 0
	}
}

func (s *Subscription[M]) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.rouse()
}

func (s *Subscription[M]) rouse() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}
