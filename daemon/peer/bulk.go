package peer

import (
	"context"
	"errors"
	"time"

	"synod/protocol"
)

const (
	// bulkBytesMax bounds what waits for a bulk connection, pendingBytesMax what
	// waits for it to be dialled.
	bulkBytesMax    = 8 << 20
	pendingBytesMax = 64 << 10
	// bulkIdle without a frame, a bulk connection is closed by who dialled it.
	bulkIdle = 30 * time.Second
)

// bulk is a living connection for catching up.
type bulk struct {
	session *protocol.Session
	outbox  *protocol.Outbox
}

// fetchLocked keeps a question until the bulk connection is there, and dials it
// if nobody does.
func (l *Links) fetchLocked(k *link, frames []byte) {
	if len(k.pending)+len(frames) > pendingBytesMax || k.current == nil {
		l.options.Counters.PeerDropped.Add(1)
		return
	}
	k.pending = append(k.pending, frames...)
	if k.dialing || !l.startBulk(k) {
		return
	}
	k.dialing = true
}

// startBulk starts the goroutine of a bulk connection, unless the links are
// closed.
func (l *Links) startBulk(k *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(func() {
		err := l.ask(k)
		k.mu.Lock()
		k.asking, k.dialing, k.pending = nil, false, nil
		k.mu.Unlock()
		l.options.Logger.Debug("bulk connection ended", "peer", k.peer, "reason", err)
	})
	return true
}

// ask dials the bulk connection and serves it until it is idle or lost.
func (l *Links) ask(k *link) error {
	session, _, err := l.greet(k, l.options.Addresses[k.peer], protocol.PeerBulk)
	if err != nil {
		return err
	}
	stream, err := session.Open(protocol.PurposeBulk)
	if err != nil {
		return err
	}
	b := &bulk{session: session, outbox: protocol.NewOutbox(stream, bulkBytesMax)}
	k.mu.Lock()
	k.asking = b
	_, err = b.outbox.Write(k.pending)
	k.pending = nil
	k.mu.Unlock()
	if err != nil {
		session.Abort(err)
	}
	l.serveBulk(k, b, stream)
	return session.Err()
}

// serveAsked serves a bulk connection that the other replica dialled.
func (l *Links) serveAsked(k *link, session *protocol.Session) {
	ctx, cancel := context.WithTimeout(l.ctx, protocol.FirstFrameTimeout)
	stream, err := session.Accept(ctx)
	cancel()
	if err != nil {
		session.Abort(err)
		return
	}
	b := &bulk{session: session, outbox: protocol.NewOutbox(stream, bulkBytesMax)}
	k.mu.Lock()
	before := k.asked
	k.asked = b
	k.mu.Unlock()
	if before != nil {
		before.session.Abort(errors.New("replaced by a new bulk connection"))
	}
	l.serveBulk(k, b, stream)
	k.mu.Lock()
	if k.asked == b {
		k.asked = nil
	}
	k.mu.Unlock()
}

func (l *Links) serveBulk(k *link, b *bulk, stream *protocol.Stream) {
	stopped := context.AfterFunc(l.ctx, func() { _ = b.session.Close() })
	defer stopped()
	l.read(k, stream, b.outbox, bulkIdle)
	b.outbox.Abort()
	<-b.outbox.Done()
}
