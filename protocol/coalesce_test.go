package protocol

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCoalescerJoinsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		counted := &countingConn{Conn: near}
		c := newCoalescer(counted, time.Second, 1<<20)
		for range 100 {
			if _, err := c.Write([]byte("0123456789")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the first write is under way, nobody reads yet
		got := make([]byte, 1000)
		if _, err := io.ReadFull(far, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, bytes.Repeat([]byte("0123456789"), 100)) {
			t.Error("other bytes arrived")
		}
		synctest.Wait()
		if counted.writes > 2 {
			t.Errorf("%d writes of the connection for 100, want at most 2", counted.writes)
		}
		far.Close()
		c.Close()
	})
}

type countingConn struct {
	net.Conn
	mu     sync.Mutex
	writes int
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes++
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// TestCoalescerCloseUnblocksEverybody has writers that wait for room, a write
// that nobody reads, and a reader that gets nothing.
func TestCoalescerCloseUnblocksEverybody(t *testing.T) {
	for name, end := range map[string]func(*coalescer){
		"close": func(c *coalescer) { _ = c.Close() },
		"abort": func(c *coalescer) { c.abort(); _ = c.Close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			c := newCoalescer(near, time.Hour, 100)
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() {
					if _, err := c.Write(make([]byte, 250)); err == nil {
						t.Errorf("%s: a write succeeded that nobody read", name)
					}
				})
			}
			group.Go(func() {
				if _, err := c.Read(make([]byte, 1)); err == nil {
					t.Errorf("%s: a read succeeded", name)
				}
			})
			synctest.Wait()
			start := time.Now()
			end(c)
			group.Wait()
			<-c.done
			if took := time.Since(start); took > lingerTimeout {
				t.Errorf("%s: it took %s", name, took)
			}
			if _, err := c.Write([]byte("x")); err == nil {
				t.Errorf("%s: a write succeeded afterwards", name)
			}
			_ = c.Close() // again
		})
	}
}

func TestCoalescerWriteHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newCoalescer(near, 3*time.Second, 100)
		start := time.Now()
		var err error
		for err == nil {
			_, err = c.Write(make([]byte, 60))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		c.Close()
	})
}

func TestCoalescerCloseWritesWhatIsBuffered(t *testing.T) {
	near, far := loopback(t)
	c := newCoalescer(near, time.Second, 1<<20)
	want := bytes.Repeat([]byte("answer"), 50_000)
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() {
		all, err := io.ReadAll(far)
		if err != nil {
			t.Error(err)
		}
		far.Close()
		got <- all
	}()
	go func() { _, _ = io.Copy(io.Discard, c) }() // as yamux reads, until the end
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if all := <-got; !bytes.Equal(all, want) {
		t.Errorf("%d bytes arrived, want %d", len(all), len(want))
	}
}

// FuzzCoalescer compares what arrives with what was written, for any cut of the
// writes and any size of the buffer.
func FuzzCoalescer(f *testing.F) {
	f.Add([]byte("some bytes to be cut"), uint8(3), uint8(5))
	f.Add(bytes.Repeat([]byte{0, 255, 7}, 500), uint8(255), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, piece, limit uint8) {
		near, far := net.Pipe()
		c := newCoalescer(near, time.Minute, int(limit)+1)
		arrived := make(chan error, 1)
		go func() {
			got := make([]byte, len(data))
			_, err := io.ReadFull(far, got)
			if err == nil && !bytes.Equal(got, data) {
				err = errors.New("other bytes arrived")
			}
			far.Close()
			arrived <- err
		}()
		go func() { _, _ = io.Copy(io.Discard, c) }() // as yamux reads, until the end
		for rest := data; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			if wrote, err := c.Write(rest[:n]); err != nil || wrote != n {
				t.Fatalf("%d of %d bytes written: %v", wrote, n, err)
			}
			rest = rest[n:]
		}
		if err := <-arrived; err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		o := NewOutbox(writer, 100)
		first := frameOf(10)
		if _, err := o.Write(first); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it is being written, nobody reads
		for range 2 {
			if _, err := o.Write(make([]byte, 60)); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Add(func([]byte) []byte { panic("called") }); !errors.Is(err, ErrOutboxFull) {
			t.Errorf("above the limit: %v", err)
		}
		if n := o.Waiting(); n != 120 {
			t.Errorf("%d bytes wait, want 120", n)
		}
		closed := make(chan error, 1)
		go func() { closed <- o.Close() }()
		synctest.Wait()
		if _, err := o.Write(first); !errors.Is(err, ErrOutboxClosed) {
			t.Errorf("while closing: %v", err)
		}
		got := make([]byte, len(first)+120)
		if _, err := io.ReadFull(reader, got); err != nil || !bytes.HasPrefix(got, first) {
			t.Errorf("% x, %v", got, err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestOutboxLanesDoNotKeepOutEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		o := NewOutbox(writer, 10)
		write := func(lane int, text string, want error) {
			t.Helper()
			if err := o.WriteLane(lane, 4, []byte(text)); !errors.Is(err, want) {
				t.Errorf("lane %d, %q: %v, want %v", lane, text, err, want)
			}
		}
		write(0, "a", nil)
		synctest.Wait() // it is being written, nobody reads
		write(1, "bbb", nil)
		write(1, "bb", ErrOutboxFull)
		write(0, "cccc", nil)
		write(1, "d", nil)
		write(2, "eeeee", ErrOutboxFull)
		write(2, "e", nil)
		if n, all := o.WaitingIn(1), o.Waiting(); n != 4 || all != 9 {
			t.Errorf("%d bytes wait in lane 1 of %d, want 4 of 9", n, all)
		}
		got := make([]byte, 1+9)
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != "abbbccccde" {
			t.Errorf("arrived: %q, %v", got, err)
		}
		synctest.Wait()
		write(1, "ffff", nil) // its lane is free again
		o.Abort()
		_ = reader.Close()
		<-o.Done()
		write(1, "g", ErrOutboxClosed)
	})
}

func TestOutboxFails(t *testing.T) {
	reader, writer := io.Pipe()
	broken := errors.New("broken")
	reader.CloseWithError(broken)
	o := NewOutbox(writer, 100)
	if _, err := o.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-o.Done()
	if _, err := o.Write([]byte("y")); !errors.Is(err, ErrOutboxClosed) || !errors.Is(err, broken) {
		t.Errorf("after a failed write: %v", err)
	}
	if err := o.Close(); !errors.Is(err, broken) {
		t.Errorf("close gave %v", err)
	}
	idle := NewOutbox(writer, 100)
	idle.Abort()
	<-idle.Done()
}
