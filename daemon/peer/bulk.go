package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
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

// AskSnapshot asks another replica for bytes of a copy of its state. The ask may be
// lost; the answer comes to Options.AnswerTo.
func (l *Links) AskSnapshot(to paxos.ReplicaID, ask protocol.SnapshotAsk) {
	l.queue(to, classFetch, ask.Append(nil), 1)
}

// Tell sends a condition to all replicas that are connected.
func (l *Links) Tell(c protocol.Condition) {
	l.queue(paxos.Everyone, classControl, c.Append(nil), 1)
}

// takeSnapshot handles a frame that carries a copy of a replica's state, or asks for
// one, when the link lets it through. An answer for which there is no room is left
// out: the other replica asks again.
func (l *Links) takeSnapshot(k *link, f protocol.Frame) error {
	size := protocol.HeaderBytes + len(f.Body)
	k.received.Add(uint64(size))
	damage := l.options.Faults.Damage(k.peer, fault.In)
	var late func()
	if f.Kind == protocol.KindSnapshotChunk {
		answer, err := protocol.DecodeSnapshotChunk(f.Body)
		if err != nil {
			return fmt.Errorf("frame of %s: %w", k.peer, err)
		}
		if damage != nil {
			answer.Data = bytes.Clone(answer.Data) // the body is the stream's
		}
		late = func() {
			if l.options.AnswerTo != nil {
				l.options.AnswerTo(k.peer, answer)
			}
		}
	} else {
		ask, err := protocol.DecodeSnapshotAsk(f.Body)
		if err != nil {
			return fmt.Errorf("frame of %s: %w", k.peer, err)
		}
		late = func() {
			if l.options.Answer != nil {
				answer := l.options.Answer(k.peer, ask)
				l.pass(k, classHeld, answer.Append(nil), 1)
			}
		}
	}
	if damage == nil || !l.hinder(k, &message{bytes: size, late: late}, damage) {
		late()
	}
	return nil
}

// takeCondition handles the word of another replica about how whole it is.
func (l *Links) takeCondition(k *link, f protocol.Frame) error {
	size := protocol.HeaderBytes + len(f.Body)
	k.received.Add(uint64(size))
	c, err := protocol.DecodeCondition(f.Body)
	if err != nil {
		return fmt.Errorf("frame of %s: %w", k.peer, err)
	}
	late := func() {
		if l.options.Condition != nil {
			l.options.Condition(k.peer, c)
		}
	}
	damage := l.options.Faults.Damage(k.peer, fault.In)
	if damage == nil || !l.hinder(k, &message{bytes: size, late: late}, damage) {
		late()
	}
	return nil
}

func (l *Links) serveBulk(k *link, b *bulk, stream *protocol.Stream) {
	stopped := context.AfterFunc(l.ctx, func() { _ = b.session.Close() })
	defer stopped()
	l.read(k, stream, b.outbox, bulkIdle)
	b.outbox.Abort()
	<-b.outbox.Done()
}
