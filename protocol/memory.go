package protocol

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// memoryMux is one end of a session in memory. Its blocking points are
// channels and conditions, and its deadlines are timers, so that it runs under
// a fake clock.
type memoryMux struct {
	shared   *memoryShared
	accepted chan *memoryStream
	peer     *memoryMux
}

// memoryShared is what both ends know.
type memoryShared struct {
	ended chan struct{}
	mu    sync.Mutex
	open  []*memoryStream // of both ends
	count int             // streams opened
	over  bool
}

func newMemoryMux() (near, far *memoryMux) {
	shared := &memoryShared{ended: make(chan struct{})}
	near = &memoryMux{shared: shared, accepted: make(chan *memoryStream, StreamsMax)}
	far = &memoryMux{shared: shared, accepted: make(chan *memoryStream, StreamsMax), peer: near}
	near.peer = far
	return near, far
}

func (m *memoryMux) open() (RawStream, error) {
	s := m.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, ErrSessionClosed
	}
	there, back := newMemoryPipe(), newMemoryPipe()
	near, far := &memoryStream{read: back, write: there}, &memoryStream{read: there, write: back}
	select {
	case m.peer.accepted <- far:
	default:
		return nil, fmt.Errorf("%d streams are not accepted yet", cap(m.peer.accepted))
	}
	s.open = append(s.open, near, far)
	s.count++
	return near, nil
}

func (m *memoryMux) accept(ctx context.Context) (RawStream, error) {
	select {
	case stream := <-m.accepted:
		return stream, nil
	case <-m.shared.ended:
		return nil, ErrSessionClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memoryMux) streams() int {
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	return m.shared.count
}

func (m *memoryMux) done() <-chan struct{} { return m.shared.ended }

func (m *memoryMux) close() error {
	m.end(false)
	return nil
}

func (m *memoryMux) abort() { m.end(true) }

func (m *memoryMux) end(drop bool) {
	s := m.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over = true
		close(s.ended)
	}
	for _, stream := range s.open {
		stream.write.end(drop)
	}
}

// memoryStream joins two pipes.
type memoryStream struct{ read, write *memoryPipe }

func (s *memoryStream) Read(p []byte) (int, error)         { return s.read.take(p) }
func (s *memoryStream) Write(p []byte) (int, error)        { return s.write.put(p) }
func (s *memoryStream) SetReadDeadline(t time.Time) error  { return s.read.readBy.set(s.read, t) }
func (s *memoryStream) SetWriteDeadline(t time.Time) error { return s.write.writeBy.set(s.write, t) }

// Close ends both directions.
func (s *memoryStream) Close() error {
	s.read.end(false)
	s.write.end(false)
	return nil
}

// memoryPipe is one direction: bytes, at most a window of them.
type memoryPipe struct {
	mu              sync.Mutex
	changed         sync.Cond
	bytes           []byte
	ended           bool
	readBy, writeBy deadline
}

// deadline of one side of a pipe, guarded by the pipe's lock.
type deadline struct {
	timer *time.Timer
	past  bool
	turn  int // tells a timer that was replaced from the living one
}

func newMemoryPipe() *memoryPipe {
	p := &memoryPipe{}
	p.changed.L = &p.mu
	return p
}

func (d *deadline) set(p *memoryPipe, t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.turn++
	turn := d.turn
	d.past = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !d.past {
		d.timer = time.AfterFunc(time.Until(t), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if d.turn == turn {
				d.past = true
				p.changed.Broadcast()
			}
		})
	}
	p.changed.Broadcast()
	return nil
}

func (p *memoryPipe) put(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for written := 0; ; {
		switch {
		case p.ended:
			return written, ErrSessionClosed
		case p.writeBy.past:
			return written, os.ErrDeadlineExceeded
		}
		if room := min(WindowBytes-len(p.bytes), len(b)-written); room > 0 {
			p.bytes = append(p.bytes, b[written:written+room]...)
			written += room
			p.changed.Broadcast()
		}
		if written == len(b) {
			return written, nil
		}
		p.changed.Wait()
	}
}

func (p *memoryPipe) take(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.bytes) == 0 {
		switch {
		case p.ended:
			return 0, io.EOF
		case p.readBy.past:
			return 0, os.ErrDeadlineExceeded
		}
		p.changed.Wait()
	}
	n := copy(b, p.bytes)
	p.bytes = append(p.bytes[:0], p.bytes[n:]...)
	p.changed.Broadcast()
	return n, nil
}

// end lets the reader have what is there, unless it is to be dropped.
func (p *memoryPipe) end(drop bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if drop {
		p.bytes = nil
	}
	for _, d := range []*deadline{&p.readBy, &p.writeBy} {
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
	}
	p.changed.Broadcast()
}
