package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/protocol"
)

// connection is a living connection of consensus.
type connection struct {
	session   *protocol.Session
	run       uint64 // of the process at the other end
	consensus *protocol.Outbox
	control   *protocol.Outbox
}

// dial keeps the link to a replica with a higher number.
func (l *Links) dial(k *link, address string) {
	limit := pauseMin
	for l.ctx.Err() == nil {
		connected, err := l.connect(k, address)
		if connected {
			limit = pauseMin
		}
		if l.ctx.Err() != nil {
			return
		}
		var refusal *protocol.Error
		if errors.As(err, &refusal) {
			l.tellOnce("link refused by the other replica", address, k.peer, refusal)
			limit = pauseMax
		} else if !connected {
			l.options.Logger.Debug("dial failed", "peer", k.peer, "address", address, "reason", err)
		}
		pause := pauseMin/2 + rand.N(limit)
		limit = min(2*limit, pauseMax)
		select {
		case <-l.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// connect makes one connection and serves it until it ends.
func (l *Links) connect(k *link, address string) (connected bool, err error) {
	session, welcome, err := l.greet(k, address, protocol.PeerConsensus)
	if err != nil {
		return false, err
	}
	consensus, err := session.Open(protocol.PurposeConsensus)
	if err != nil {
		return false, err
	}
	control, err := session.Open(protocol.PurposeControl)
	if err != nil {
		return false, err
	}
	return true, l.serve(k, welcome.Run, consensus, control)
}

// greet dials and exchanges prefaces.
func (l *Links) greet(k *link, address string, kind protocol.Connection) (*protocol.Session, protocol.Welcome, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(l.ctx, "tcp", address)
	if err != nil {
		return nil, protocol.Welcome{}, err
	}
	if !l.guard(conn, time.Time{}) {
		_ = conn.Close()
		return nil, protocol.Welcome{}, protocol.ErrSessionClosed
	}
	defer l.unguard(conn)
	id := &l.options.Identity
	welcome, err := protocol.Greet(conn, protocol.Preface{
		Low: protocol.VersionLow, High: protocol.VersionHigh, Connection: kind, Replica: id.Replica, To: k.peer,
		Cluster: id.Cluster, Incarnation: id.Incarnation, Run: id.Run,
	})
	if err == nil && (welcome.Cluster != id.Cluster || welcome.Replica != k.peer) {
		err = protocol.Refuse(protocol.CodeDenied, id.Replica, fmt.Sprintf(
			"%s of cluster %s answers where %s is configured", welcome.Replica, welcome.Cluster, k.peer))
	}
	if err != nil {
		_ = conn.Close()
		return nil, welcome, err
	}
	session, err := protocol.NewSession(conn, true, l.sessionOptions(kind))
	if err != nil {
		_ = conn.Close()
	}
	return session, welcome, err
}

func (l *Links) sessionOptions(kind protocol.Connection) protocol.SessionOptions {
	return protocol.SessionOptions{Connection: kind, Logger: l.options.Logger}
}

// guard notes a connection whose preface is under way, so that Close can cut it. Of
// those that came in, strangeMax are let wait; one more cuts the oldest, because who
// belongs here says so at once, and strangers that say nothing must not keep it out.
func (l *Links) guard(conn net.Conn, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.strange[conn] = since
	var oldest net.Conn
	waiting := 0
	for c, at := range l.strange {
		if at.IsZero() {
			continue
		}
		if waiting++; oldest == nil || at.Before(l.strange[oldest]) {
			oldest = c
		}
	}
	if waiting > strangeMax {
		delete(l.strange, oldest)
		_ = oldest.Close()
	}
	return true
}

// strangeMax bounds the connections that came in and whose preface is under way.
const strangeMax = 64

func (l *Links) unguard(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.strange, conn)
}

// serve runs a connection until it ends, and tells its end.
func (l *Links) serve(k *link, run uint64, consensus, control *protocol.Stream) error {
	session := consensus.Session()
	c := &connection{
		session: session, run: run,
		consensus: protocol.NewOutbox(consensus, queueBytesMax),
		control:   protocol.NewOutbox(control, controlBytesMax),
	}
	k.heard.Store(l.millis())
	k.mu.Lock()
	before := k.current
	k.current = c
	k.mu.Unlock()
	if before != nil {
		before.session.Abort(errors.New("replaced by a new connection of the same process"))
	}
	l.options.Logger.Info("link up", "peer", k.peer)
	var parts sync.WaitGroup
	parts.Go(func() { l.read(k, consensus, c.consensus, 0) })
	parts.Go(func() { l.read(k, control, c.control, silenceMax) })
	parts.Go(func() { l.ping(c) })
	select {
	case <-session.Done():
	case <-l.ctx.Done():
		_ = session.Close()
	}
	err := session.Err()
	k.mu.Lock()
	lost := k.current == c
	if lost {
		k.current = nil
	}
	k.mu.Unlock()
	c.consensus.Abort()
	c.control.Abort()
	parts.Wait()
	<-c.consensus.Done()
	<-c.control.Done()
	if lost && l.ctx.Err() == nil {
		l.options.Counters.LinkBreaks.Add(1)
		l.options.Logger.Warn("link down", "peer", k.peer, "reason", reason(err))
		l.options.Down(k.peer)
	}
	return err
}

// reason words the usual end of a connection.
func reason(err error) string {
	var silence net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, protocol.ErrSessionClosed):
		return "the other replica closed it"
	case errors.As(err, &silence) && silence.Timeout():
		return fmt.Sprintf("it was silent for %v", silenceMax)
	}
	return err.Error()
}

// ping asks for a sign of life, again and again.
func (l *Links) ping(c *connection) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	var frame []byte
	for {
		frame = protocol.AppendFrame(frame[:0], &protocol.Frame{
			Kind: protocol.KindPing, Request: uint64(time.Since(l.start)),
		})
		if _, err := c.control.Write(frame); err != nil && !errors.Is(err, protocol.ErrOutboxFull) {
			return
		}
		select {
		case <-c.session.Done():
			return
		case <-ticker.C:
		}
	}
}

// read hands in what arrives on a stream, all that is there at once, until the
// stream ends. Silence, if not 0, is how long nothing may come.
func (l *Links) read(k *link, stream *protocol.Stream, answers *protocol.Outbox, silence time.Duration) {
	batch := make([]paxos.Envelope, 0, envelopesMax)
	for {
		if silence > 0 {
			if err := stream.SetReadDeadline(time.Now().Add(silence)); err != nil {
				stream.Session().Abort(err)
				return
			}
		}
		f, err := stream.Next()
		damage := l.options.Faults.Damage(k.peer, fault.In)
		for err == nil {
			before := len(batch)
			if batch, err = l.take(k, batch, f, answers); err != nil {
				stream.Session().Abort(err)
				break
			}
			if damage != nil && len(batch) > before && l.hinderIn(k, batch[before], len(f.Body), damage) {
				batch = batch[:before]
			}
			if len(batch) == cap(batch) || !stream.Ready() {
				break
			}
			f, err = stream.Next()
		}
		k.heard.Store(l.millis())
		if len(batch) > 0 {
			l.receive(k, batch)
			clear(batch)
			batch = batch[:0]
		}
		if err != nil {
			return
		}
	}
}

// receive hands in one batch.
func (l *Links) receive(k *link, batch []paxos.Envelope) {
	for i := range batch {
		if batch[i].From.Roles&paxos.RoleAcceptor != 0 {
			k.acceptor.Store(l.millis())
			break
		}
	}
	l.options.Receive(batch)
}

// take handles one frame of a peer: it answers pings and adds envelopes to the
// batch. An error ends the session.
func (l *Links) take(
	k *link, batch []paxos.Envelope, f protocol.Frame, answers *protocol.Outbox,
) ([]paxos.Envelope, error) {
	switch {
	case f.Kind == protocol.KindPing:
		_, err := answers.Write(protocol.AppendFrame(nil, &protocol.Frame{Kind: protocol.KindPong, Request: f.Request}))
		if errors.Is(err, protocol.ErrOutboxFull) {
			err = nil
		}
		return batch, err
	case f.Kind == protocol.KindPong:
		k.measured(time.Since(l.start) - time.Duration(f.Request))
		return batch, nil
	case f.Kind == protocol.KindSnapshotAsk || f.Kind == protocol.KindSnapshotChunk:
		return batch, l.takeSnapshot(k, f)
	case f.Kind == protocol.KindCondition:
		return batch, l.takeCondition(k, f)
	case !f.Kind.Peer() && f.Kind.Optional():
		return batch, nil
	}
	k.received.Add(uint64(protocol.HeaderBytes + len(f.Body)))
	e, err := protocol.DecodeEnvelope(f)
	if err != nil {
		l.options.Counters.PeerForeign.Add(1)
		return batch, fmt.Errorf("frame of %s: %w, length %d", k.peer, err, len(f.Body))
	}
	id := &l.options.Identity
	mine := e.To.Replica == id.Replica || e.To.Replica == paxos.Everyone
	if e.Cluster != id.Cluster || e.From.Replica != k.peer || !mine {
		l.options.Counters.PeerForeign.Add(1)
		return batch, nil
	}
	l.options.Counters.FramesReceived.Add(e.Message.Kind(), 1)
	return append(batch, e), nil
}

// measured smooths the round trip over the last eight or so.
func (k *link) measured(rtt time.Duration) {
	if rtt < 0 {
		return // an answer to a ping that we never sent
	}
	before := k.rtt.Load()
	if before == 0 {
		k.rtt.Store(int64(rtt))
		return
	}
	k.rtt.Store(before + (int64(rtt)-before)/8)
}

// tellOnce logs a refusal the first time it is given.
func (l *Links) tellOnce(what, address string, peer paxos.ReplicaID, refusal *protocol.Error) {
	key := what + peer.String() + refusal.Error()
	l.mu.Lock()
	_, told := l.told[key]
	if len(l.told) < toldMax {
		l.told[key] = struct{}{}
	} else if !told {
		told = !l.lines.Allow() // somebody gives ever new reasons
	}
	l.mu.Unlock()
	if told {
		l.options.Logger.Debug(what, "peer", peer, "address", address, "reason", refusal)
		return
	}
	l.options.Logger.Warn(what, "peer", peer, "address", address, "reason", refusal)
}

// acceptStreams waits for the two streams of a consensus connection.
func acceptStreams(ctx context.Context, session *protocol.Session) (consensus, control *protocol.Stream, err error) {
	ctx, cancel := context.WithTimeout(ctx, protocol.FirstFrameTimeout)
	defer cancel()
	for range 2 {
		stream, err := session.Accept(ctx)
		if err != nil {
			return nil, nil, err
		}
		if stream.Purpose() == protocol.PurposeConsensus {
			consensus = stream
		} else {
			control = stream
		}
	}
	if consensus == nil || control == nil {
		return nil, nil, fmt.Errorf("%w: two streams of the same purpose", protocol.ErrMalformed)
	}
	return consensus, control, nil
}
