package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// dialAgainMin is the least pause between two dials of a replica, however many
// calls ask for it.
const dialAgainMin = 50 * time.Millisecond

// link keeps the connection to one replica. It dials when a call first needs it
// and from then on whenever the connection is lost.
type link struct {
	client   *Client
	endpoint Endpoint
	wanted   chan struct{} // a call wants a connection now
	// avoided is until when calls that may go anywhere go elsewhere, in nanoseconds
	// since 1970: the replica is connected, but has just said that it cannot serve.
	avoided atomic.Int64

	mu      sync.Mutex
	started bool
	conn    *connection
	err     error         // of the last attempt, while there is no connection
	dialled time.Time     // end of the last attempt
	changed chan struct{} // closed when an attempt has ended
}

func newLink(c *Client, endpoint Endpoint) *link {
	return &link{client: c, endpoint: endpoint, wanted: make(chan struct{}, 1), changed: make(chan struct{})}
}

// avoidTime is how long a replica that cannot serve is left alone by calls that
// have a choice. Without it a client whose preferred replica is half dead would
// spend a retry on every call, and soon have none left.
const avoidTime = 500 * time.Millisecond

func (l *link) avoid() { l.avoided.Store(time.Now().Add(avoidTime).UnixNano()) }

func (l *link) isAvoided() bool { return l.avoided.Load() > time.Now().UnixNano() }

// connected gives the connection if there is one that takes requests.
func (l *link) connected() *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil && l.conn.leaving.Load() {
		return nil
	}
	return l.conn
}

// failing reports whether the last attempt to connect has failed.
func (l *link) failing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn == nil && l.err != nil || l.conn != nil && l.conn.leaving.Load()
}

// connection gives the connection, and dials if there is none. It returns the
// error of the dial it waited for, or at once that of one a moment ago.
func (l *link) connection(ctx context.Context, call *call) (*connection, error) {
	l.mu.Lock()
	conn, changed := l.conn, l.changed
	switch {
	case conn != nil && conn.leaving.Load():
		l.mu.Unlock()
		return nil, errLeft
	case conn != nil:
		l.mu.Unlock()
		return conn, nil
	case l.err != nil && time.Since(l.dialled) < dialAgainMin:
		defer l.mu.Unlock()
		return nil, l.err
	}
	if !l.started {
		if !l.client.run(l.keep) {
			l.mu.Unlock()
			return nil, ErrClosed
		}
		l.started = true
	}
	l.mu.Unlock()
	select {
	case l.wanted <- struct{}{}:
	default:
	}
	call.timer.Reset(time.Until(call.until))
	defer call.timer.Stop()
	select {
	case <-changed:
	case <-ctx.Done():
		return nil, connectError(l.endpoint, ctx.Err())
	case <-call.timer.C:
		return nil, connectError(l.endpoint, context.DeadlineExceeded)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil && l.err == nil {
		return nil, connectError(l.endpoint, protocol.ErrSessionClosed)
	}
	return l.conn, l.err
}

// keep dials, serves the connection until it ends, and dials again, until the
// client is closed.
func (l *link) keep(ctx context.Context) {
	pause := reconnectMin
	for ctx.Err() == nil {
		conn, err := l.dial(ctx)
		l.set(conn, err)
		if err == nil {
			l.client.logger.Info("connected", "replica", l.endpoint.Replica, "address", l.endpoint.Address)
			l.serve(ctx, conn)
			pause = reconnectMin
			continue
		}
		if pause == reconnectMin {
			l.client.logger.Warn("cannot connect", "replica", l.endpoint.Replica, "address", l.endpoint.Address,
				"error", err)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		pause = min(2*pause, reconnectMax)
		select {
		case <-timer.C:
		case <-l.wanted:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	l.set(nil, ErrClosed)
}

// serve runs a connection's goroutines and returns when all have ended. When
// the client closes, it ends the connection in good order.
func (l *link) serve(ctx context.Context, conn *connection) {
	var group sync.WaitGroup
	group.Go(conn.watch)
	group.Go(func() {
		select {
		case <-ctx.Done():
			conn.fail(ErrClosed)
			_ = conn.outbox.Close() // what failed to leave was reported to its caller
			_ = conn.session.Close()
		case <-conn.session.Done():
		}
	})
	conn.read()
	reason := conn.session.Err()
	l.set(nil, nil)
	group.Wait()
	if ctx.Err() == nil {
		l.client.logger.Warn("connection lost", "replica", l.endpoint.Replica, "error", reason)
		// A replica that accepts connections and drops them at once must not be
		// dialled without pause.
		l.mu.Lock()
		l.dialled = time.Now()
		l.mu.Unlock()
		l.rest(ctx)
	}
}

// rest waits a moment before the first dial after a loss.
func (l *link) rest(ctx context.Context) {
	timer := time.NewTimer(dialAgainMin/2 + rand.N(dialAgainMin/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (l *link) set(conn *connection, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := l.conn != nil
	l.conn, l.err = conn, err
	if lost {
		return // no attempt has ended: who waits, waits for the next
	}
	l.dialled = time.Now()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) dial(ctx context.Context) (*connection, error) {
	select {
	case <-l.wanted: // this is what they want
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, protocol.HandshakeTimeout)
	defer cancel()
	s, err := l.client.settings.connect(ctx, l.endpoint, protocol.Client)
	if err != nil {
		return nil, err
	}
	return newConnection(l, s)
}

// number gives the replica's number, 0 if its name has none.
func (e Endpoint) number() paxos.ReplicaID {
	if len(e.Replica) == 2 && e.Replica[0] == 'r' && e.Replica[1] >= '1' && e.Replica[1] <= '0'+paxos.ReplicasMax {
		return paxos.ReplicaID(e.Replica[1] - '0')
	}
	return 0
}

// clusterPin is the cluster that a client has met first; it takes no other.
type clusterPin struct {
	mu sync.Mutex
	id paxos.ClusterID
}

func (p *clusterPin) get() paxos.ClusterID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// check takes the first cluster that answers and refuses others.
func (p *clusterPin) check(id paxos.ClusterID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id == (paxos.ClusterID{}) {
		p.id = id
	}
	if p.id != id {
		return fmt.Errorf("cluster %s answers, this client talks to %s: check the addresses", id, p.id)
	}
	return nil
}

// dialError is why there is no connection, in one sentence without what the
// layers of the standard library put around it.
type dialError struct {
	address string
	reason  string
	err     error
}

func (e *dialError) Error() string { return "connect " + e.address + ": " + e.reason }

func (e *dialError) Unwrap() error { return e.err }

func connectError(endpoint Endpoint, err error) error {
	e := &dialError{address: endpoint.Address, err: err}
	reason := err
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		reason = operation.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](reason); ok {
		reason = call.Err
	}
	if e.reason = reason.Error(); errors.Is(err, context.DeadlineExceeded) {
		e.reason = "no answer in time"
	}
	return e
}

// connectTCP is the default [Connector].
func (s *settings) connectTCP(pin *clusterPin) Connector {
	return func(ctx context.Context, endpoint Endpoint, kind protocol.Connection) (*protocol.Session, error) {
		conn, err := s.dial(ctx, endpoint.Address)
		if err != nil {
			return nil, connectError(endpoint, err)
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends a handshake that is not wanted
		defer stop()
		welcome, err := protocol.Greet(conn, protocol.Preface{
			Low: protocol.VersionLow, High: protocol.VersionHigh, Connection: kind,
			To: endpoint.number(), Cluster: pin.get(),
		})
		if err == nil {
			err = pin.check(welcome.Cluster)
		}
		if err != nil {
			_ = conn.Close() // there is nothing to lose
			if ctx.Err() != nil {
				err = ctx.Err() // which has closed it
			}
			return nil, connectError(endpoint, err)
		}
		return protocol.NewSession(conn, true, protocol.SessionOptions{Connection: kind, Logger: s.logger})
	}
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: 15 * time.Second}
	return dialer.DialContext(ctx, "tcp", address)
}
