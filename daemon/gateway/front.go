package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"synod/protocol"
)

// front is the door: listeners and connections.
type front struct {
	mu        sync.Mutex
	listeners []net.Listener
	open      map[net.Conn]string // to the host that it came from
	byHost    map[string]int
	closed    bool
	running   sync.WaitGroup

	lines    *rate.Limiter // of complaints about strangers
	silent   uint64        // complaints not written
	refusing int           // connections above a limit that are told so
}

// Complaints a second, and at once.
const (
	complaintsPerSecond = 5
	complaintsAtOnce    = 20
)

func (f *front) init() {
	f.open, f.byHost = map[net.Conn]string{}, map[string]int{}
	f.lines = rate.NewLimiter(complaintsPerSecond, complaintsAtOnce)
}

// Serve takes connections from a listener until it is closed; it owns it.
func (g *Gateway) Serve(listener net.Listener) error {
	f := &g.front
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return listener.Close()
	}
	f.listeners = append(f.listeners, listener)
	f.mu.Unlock()
	for {
		accepted, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Out of file descriptors, most likely: the others go on meanwhile.
			g.complain("accept failed", listener.Addr().String(), err)
			time.Sleep(acceptPause)
			continue
		}
		f.running.Go(func() { g.receive(accepted) })
	}
}

// acceptPause after a failed accept keeps the loop from spinning.
const acceptPause = 50 * time.Millisecond

// refusingMax bounds the connections that are told that they are too many; all
// others are closed without a word, or a flood of them would need memory.
const refusingMax = 64

// admit counts a connection, or says which limit it would break. If talk is
// false the connection is to be closed without a word; else leave must follow.
func (g *Gateway) admit(c net.Conn) (refused error, talk bool) {
	f := &g.front
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		host = c.RemoteAddr().String()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return errors.New("this replica is stopping"), false
	case len(f.open)-f.refusing >= g.limits.Connections:
		refused = fmt.Errorf("%d connections are open, the limit is reached", g.limits.Connections)
	case f.byHost[host] >= g.limits.ConnectionsPerHost:
		refused = fmt.Errorf("%d connections from %s are open, the limit is reached", f.byHost[host], host)
	}
	if refused != nil {
		if f.refusing >= refusingMax {
			return refused, false
		}
		f.refusing++
		host = ""
	}
	f.open[c] = host
	f.byHost[host]++
	return refused, true
}

func (f *front) leave(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	host := f.open[c]
	delete(f.open, c)
	if host == "" {
		f.refusing--
	}
	if f.byHost[host]--; f.byHost[host] == 0 {
		delete(f.byHost, host)
	}
}

// Connections is how many are open.
func (g *Gateway) Connections() int {
	g.front.mu.Lock()
	defer g.front.mu.Unlock()
	return len(g.front.open) - g.front.refusing
}

// receive owns one connection, from its preface to its end.
func (g *Gateway) receive(c net.Conn) {
	address := c.RemoteAddr().String()
	overfull, talk := g.admit(c)
	if !talk {
		g.options.Counters.Refused.Add(1)
		_ = c.Close()
		return
	}
	defer g.front.leave(c)
	preface, err := protocol.ReceivePreface(c)
	if err != nil {
		g.malformed(address, err)
		_ = c.Close()
		return
	}
	identity := g.options.Identity
	refusal := preface.Refusal(identity)
	switch {
	case refusal != nil:
	case preface.Connection.Peer():
		refusal = protocol.Refuse(protocol.CodeDenied, identity.Replica,
			"this is the address for clients, replicas use the one called peer in the configuration")
	case preface.Connection == protocol.Operator && g.options.Operator == nil:
		refusal = protocol.Refuse(protocol.CodeDenied, identity.Replica, "operators are not served here")
	case overfull != nil:
		refusal = protocol.Refuse(protocol.CodeOverloaded, identity.Replica, overfull.Error())
	}
	if refusal != nil {
		g.options.Counters.Refused.Add(1)
		g.complain("connection refused", address, refusal)
		_ = protocol.AnswerPreface(c, protocol.Refusing(identity, refusal))
		_ = c.Close()
		return
	}
	if err := protocol.AnswerPreface(c, preface.Accepting(identity)); err != nil {
		_ = c.Close()
		return
	}
	session, err := protocol.NewSession(c, false, protocol.SessionOptions{
		Connection: preface.Connection, Logger: g.options.Logger,
	})
	if err != nil {
		_ = c.Close()
		return
	}
	g.Streams(session, address)
}

// Streams serves the streams of a session until it ends; it owns it.
func (g *Gateway) Streams(session *protocol.Session, address string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var streams sync.WaitGroup
	// Who was let in has to say something.
	patience := time.AfterFunc(protocol.FirstFrameTimeout, cancel)
	for {
		stream, err := session.Accept(ctx)
		patience.Stop()
		if err != nil {
			var bad *protocol.FrameError
			if errors.As(err, &bad) || errors.Is(err, protocol.ErrMalformed) {
				g.malformed(address, err)
			}
			break
		}
		streams.Go(func() {
			if stream.Purpose() == protocol.PurposeRequests {
				g.serveRequests(stream, address)
			} else {
				g.serveOperator(stream, address)
			}
		})
	}
	_ = session.Close()
	streams.Wait()
}

func (g *Gateway) serveRequests(stream *protocol.Stream, address string) {
	c := &conn{
		gateway: g, stream: stream, address: address,
		outbox: protocol.NewOutbox(stream, g.limits.AnswerBytes),
	}
	c.serve()
}

// streamEnded tells why a stream ended, if that is worth a line: strangers' bytes
// are, clients that go away are not.
func (g *Gateway) streamEnded(address string, stream *protocol.Stream, err error) {
	var bad *protocol.FrameError
	switch {
	case isMalformed(err):
		g.malformed(address, err)
		_ = stream.Session().Close()
	case errors.As(err, &bad):
		g.malformed(address, err)
	default:
		g.options.Logger.Debug("client stream ended", "client", address, "reason", err)
	}
}

// malformed counts what could not be read and tells of it.
func (g *Gateway) malformed(address string, err error) {
	if errors.Is(err, io.EOF) {
		g.options.Logger.Debug("connection without a preface", "client", address)
		return // somebody only looked whether the port is open
	}
	g.options.Counters.Malformed.Add(1)
	g.complain("malformed input, connection closed", address, err)
}

// complain writes one line about a stranger, unless there are too many.
func (g *Gateway) complain(what, address string, err error) {
	f := &g.front
	f.mu.Lock()
	if !f.lines.Allow() {
		f.silent++
		f.mu.Unlock()
		return
	}
	silent := f.silent
	f.silent = 0
	f.mu.Unlock()
	if silent > 0 {
		g.options.Logger.Warn(what, "client", address, "reason", err, "left_out", silent)
		return
	}
	g.options.Logger.Warn(what, "client", address, "reason", err)
}

// stopListening closes the listeners; connections go on.
func (f *front) stopListening() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listeners {
		_ = l.Close()
	}
	f.listeners = nil
}

// close cuts everything and waits for all goroutines.
func (f *front) close() {
	f.stopListening()
	f.mu.Lock()
	f.closed = true
	for c := range f.open {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.running.Wait()
}
