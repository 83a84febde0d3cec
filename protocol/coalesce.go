package protocol

import (
	"errors"
	"net"
	"sync"
	"time"
)

// errCoalescerClosed is what a write gets after Close.
var errCoalescerClosed = errors.New("connection closed")

// lingerTimeout bounds how long a clean close waits for the other side to have
// read everything.
const lingerTimeout = time.Second

// coalescer is a net.Conn whose writes are buffered and leave together. Yamux
// writes a header and a body for every frame of its own; this joins them, and
// whatever else piles up while a write is under way, into one write of the
// socket. It is group commit for the network: no timer, nothing waits that
// could leave.
//
// A nil error of Write means "buffered". A failed write of the socket is
// reported by the next Write. Close writes what is buffered, within limits of
// time, and unblocks everybody.
type coalescer struct {
	net.Conn
	timeout time.Duration // of one write of the socket
	limit   int
	done    chan struct{} // the writing goroutine has ended
	readEnd chan struct{} // a read has failed or seen the end

	mu       sync.Mutex
	changed  sync.Cond
	buffer   []byte
	err      error
	closing  bool
	closed   sync.Once
	readOnce sync.Once
}

func newCoalescer(conn net.Conn, timeout time.Duration, limit int) *coalescer {
	c := &coalescer{
		Conn: conn, timeout: timeout, limit: limit,
		done: make(chan struct{}), readEnd: make(chan struct{}),
	}
	c.changed.L = &c.mu
	go c.run()
	return c
}

// Write buffers p. It blocks while the buffer is full.
func (c *coalescer) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for written := 0; ; {
		switch {
		case c.err != nil:
			return written, c.err
		case c.closing:
			return written, errCoalescerClosed
		}
		if room := min(c.limit-len(c.buffer), len(p)-written); room > 0 {
			c.buffer = append(c.buffer, p[written:written+room]...)
			written += room
			c.changed.Broadcast()
		}
		if written == len(p) {
			return written, nil
		}
		c.changed.Wait()
	}
}

// Read reads from the socket.
func (c *coalescer) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.readOnce.Do(func() { close(c.readEnd) })
	}
	return n, err
}

// Close writes what is buffered, waits a moment for the other side to read it,
// and closes the socket. If the other side is gone already it only closes.
func (c *coalescer) Close() error {
	var err error
	c.closed.Do(func() {
		c.mu.Lock()
		c.closing = true
		broken := c.err != nil
		c.changed.Broadcast()
		c.mu.Unlock()
		if !broken {
			c.linger()
		}
		err = c.Conn.Close()
		<-c.done
	})
	return err
}

// abort closes the socket without writing what is buffered.
func (c *coalescer) abort() {
	c.mu.Lock()
	if c.err == nil {
		c.err = errCoalescerClosed
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	_ = c.Conn.Close() // whoever reads or writes learns that it is closed
}

// linger lets the last bytes arrive: a socket closed while bytes for it are
// under way resets the connection and takes what it had sent with it.
func (c *coalescer) linger() {
	over := time.NewTimer(lingerTimeout)
	defer over.Stop()
	select {
	case <-c.done:
	case <-c.readEnd:
		return
	case <-over.C:
		return
	}
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	select {
	case <-c.readEnd:
	case <-over.C:
	}
}

func (c *coalescer) run() {
	defer close(c.done)
	var batch []byte
	for {
		batch = c.next(batch[:0])
		if len(batch) == 0 {
			return
		}
		err := c.Conn.SetWriteDeadline(time.Now().Add(c.timeout))
		if err == nil {
			_, err = c.Conn.Write(batch)
		}
		if err != nil {
			c.mu.Lock()
			if c.err == nil {
				c.err = err
			}
			c.buffer = nil
			c.changed.Broadcast()
			c.mu.Unlock()
			return
		}
	}
}

// next waits for bytes and takes all of them, in exchange for spare; none means
// that there will be no more.
func (c *coalescer) next(spare []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.buffer) == 0 && !c.closing && c.err == nil {
		c.changed.Wait()
	}
	if c.err != nil {
		return nil
	}
	batch := c.buffer
	c.buffer = spare
	if len(batch) >= c.limit {
		c.changed.Broadcast()
	}
	return batch
}
