package peer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"synod/protocol"
)

// Serve takes connections of other replicas until Close; it owns the listener.
func (l *Links) Serve(listener net.Listener) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return listener.Close()
	}
	l.doors = append(l.doors, listener)
	l.mu.Unlock()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			l.options.Logger.Warn("accept failed", "address", listener.Addr(), "error", err)
			time.Sleep(pauseMin)
			continue
		}
		if !l.enter(conn) {
			_ = conn.Close()
		}
	}
}

// enter starts the goroutine of a connection, unless the links are closed.
func (l *Links) enter(conn net.Conn) bool {
	if !l.guard(conn, time.Now()) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(func() { l.receiveConnection(conn) })
	return true
}

// receiveConnection owns one incoming connection.
func (l *Links) receiveConnection(conn net.Conn) {
	address := conn.RemoteAddr().String()
	preface, err := protocol.ReceivePreface(conn)
	if err != nil {
		l.unguard(conn)
		_ = conn.Close()
		l.malformed(address, err)
		return
	}
	identity := l.options.Identity
	refusal := l.refusal(&preface)
	if refusal != nil {
		_ = protocol.AnswerPreface(conn, protocol.Refusing(identity, refusal))
		l.unguard(conn)
		_ = conn.Close()
		l.options.Counters.Refused.Add(1)
		l.tellOnce("link refused here", address, preface.Replica, refusal)
		return
	}
	err = protocol.AnswerPreface(conn, preface.Accepting(identity))
	l.unguard(conn)
	if err != nil {
		_ = conn.Close()
		return
	}
	session, err := protocol.NewSession(conn, false, l.sessionOptions(preface.Connection))
	if err != nil {
		_ = conn.Close()
		return
	}
	defer func() { l.judgeEnd(address, session.Err()) }()
	k := l.links[preface.Replica]
	if preface.Connection == protocol.PeerBulk {
		l.serveAsked(k, session)
		return
	}
	consensus, control, err := acceptStreams(l.ctx, session)
	if err != nil {
		session.Abort(err)
		return
	}
	_ = l.serve(k, preface.Run, consensus, control) // it has told its end
}

// judgeEnd tells of a connection that ended because of what came over it.
func (l *Links) judgeEnd(address string, err error) {
	var bad *protocol.FrameError
	if errors.As(err, &bad) || errors.Is(err, protocol.ErrMalformed) {
		l.malformed(address, err)
	}
}

// malformed counts what could not be read, and tells of it unless there are too
// many strangers.
func (l *Links) malformed(address string, err error) {
	if errors.Is(err, io.EOF) {
		l.options.Logger.Debug("connection without a preface", "address", address)
		return // somebody only looked whether the port is open
	}
	l.options.Counters.Malformed.Add(1)
	l.mu.Lock()
	if !l.lines.Allow() {
		l.silent++
		l.mu.Unlock()
		return
	}
	silent := l.silent
	l.silent = 0
	l.mu.Unlock()
	attributes := []any{"address", address, "reason", err}
	if silent > 0 {
		attributes = append(attributes, "left_out", silent)
	}
	l.options.Logger.Warn("malformed input, connection closed", attributes...)
}

// refusal says why a preface is not let in, nil if it is.
func (l *Links) refusal(p *protocol.Preface) *protocol.Error {
	self := l.options.Identity.Replica
	deny := func(format string, args ...any) *protocol.Error {
		return protocol.Refuse(protocol.CodeDenied, self, fmt.Sprintf(format, args...))
	}
	if refusal := p.Refusal(l.options.Identity); refusal != nil {
		return refusal
	}
	switch {
	case !p.Connection.Peer():
		return deny("this is the address for replicas, a %s uses the one called client in the configuration", p.Connection)
	case l.links[p.Replica] == nil:
		return deny("%s is not in the configuration here", p.Replica)
	case p.Connection == protocol.PeerBulk:
		return nil
	case p.Replica > self:
		return deny("%s must wait for %s to dial: the lower number dials", p.Replica, self)
	}
	k := l.links[p.Replica]
	k.mu.Lock()
	defer k.mu.Unlock()
	recent := l.millis()-k.heard.Load() < aliveWithin.Milliseconds()
	if k.current != nil && k.current.run != p.Run && recent {
		return deny("another process runs as %s and is connected: stop one of them", p.Replica)
	}
	return nil
}
