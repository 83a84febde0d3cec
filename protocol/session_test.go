package protocol

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// loopback gives the two ends of a TCP connection.
func loopback(t testing.TB) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	near, err = net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return near, <-accepted
}

// sessions gives the two ends of a session of each kind there is.
func sessions(t *testing.T, test func(t *testing.T, dialler, listener *Session)) {
	options := SessionOptions{Connection: Operator}
	over := func(connect func() (net.Conn, net.Conn)) func(*testing.T) {
		return func(t *testing.T) {
			near, far := connect()
			listener, err := NewSession(far, false, options)
			if err != nil {
				t.Fatal(err)
			}
			dialler, err := NewSession(near, true, options)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Abort(ErrSessionClosed)
			defer dialler.Abort(ErrSessionClosed)
			test(t, dialler, listener)
		}
	}
	t.Run("loopback", over(func() (net.Conn, net.Conn) { return loopback(t) }))
	t.Run("pipe", over(net.Pipe))
	t.Run("memory", func(t *testing.T) {
		dialler, listener := SessionPair(options)
		test(t, dialler, listener)
	})
}

// connectStreams opens a stream and gives both its ends.
func connectStreams(t *testing.T, dialler, listener *Session, purpose Purpose) (near, far *Stream) {
	t.Helper()
	near, err := dialler.Open(purpose)
	if err != nil {
		t.Fatal(err)
	}
	far, err = listener.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if far.Purpose() != purpose {
		t.Fatalf("a stream for %s arrived for %s", purpose, far.Purpose())
	}
	return near, far
}

func TestStreamsCarryFramesBothWays(t *testing.T) {
	sessions(t, func(t *testing.T, dialler, listener *Session) {
		var group sync.WaitGroup
		for _, purpose := range []Purpose{PurposeRequests, PurposeOperator, PurposeStatus} {
			near, far := connectStreams(t, dialler, listener, purpose)
			for _, end := range [][2]*Stream{{near, far}, {far, near}} {
				const frames = 150
				group.Go(func() {
					outbox := NewOutbox(end[0], OutboxBytesMax)
					for n := range frames {
						if _, err := outbox.Write(frameOf(n * n)); err != nil {
							t.Error(err)
						}
					}
					if err := outbox.Close(); err != nil {
						t.Error(err)
					}
				})
				group.Go(func() {
					for n := range frames {
						f, err := end[1].Next()
						if err != nil || f.Request != uint64(n*n) || len(f.Body) != n*n {
							t.Errorf("frame %d of %d bytes, %v, want %d", f.Request, len(f.Body), err, n*n)
							return
						}
					}
				})
			}
		}
		group.Wait()
	})
}

func TestCloseLetsWrittenFramesArrive(t *testing.T) {
	sessions(t, func(t *testing.T, dialler, listener *Session) {
		near, far := connectStreams(t, dialler, listener, PurposeRequests)
		const frames = 200
		outbox := NewOutbox(far, OutboxBytesMax)
		for n := range frames {
			if _, err := outbox.Write(frameOf(n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := outbox.Close(); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		go func() { closed <- listener.Close() }()
		for n := range frames {
			if f, err := near.Next(); err != nil || len(f.Body) != n {
				t.Fatalf("frame %d: %d bytes, %v", n, len(f.Body), err)
			}
		}
		if _, err := near.Next(); err == nil {
			t.Error("the end of the session is no error")
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		<-dialler.Done()
		<-listener.Done()
		if !errors.Is(listener.Err(), ErrSessionClosed) || dialler.Err() == nil {
			t.Errorf("reasons: %v and %v", listener.Err(), dialler.Err())
		}
		if _, err := dialler.Open(PurposeRequests); err == nil {
			t.Error("a stream was opened in a session that had ended")
		}
		if _, err := listener.Accept(t.Context()); err == nil {
			t.Error("a stream was accepted in a session that had ended")
		}
	})
}

func TestErrorOfAStreamEndsTheSession(t *testing.T) {
	sessions(t, func(t *testing.T, dialler, listener *Session) {
		near, far := connectStreams(t, dialler, listener, PurposeRequests)
		other, _ := connectStreams(t, dialler, listener, PurposeStatus)
		waiting := make(chan error, 1)
		go func() {
			_, err := other.Next()
			waiting <- err
		}()
		if _, err := near.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Next(); !errors.Is(err, ErrFrameOversize) {
			t.Errorf("no frame gave %v", err)
		}
		if !errors.Is(listener.Err(), ErrFrameOversize) {
			t.Errorf("the session ended because of %v", listener.Err())
		}
		if err := <-waiting; err == nil {
			t.Error("a reader of another stream was not told")
		}
	})
}

func TestAcceptRefusesStreamsWithoutPurpose(t *testing.T) {
	sessions(t, func(t *testing.T, dialler, listener *Session) {
		if _, err := dialler.Open(PurposeConsensus); err != nil { // not on an operator's connection
			t.Fatal(err)
		}
		_, err := listener.Accept(t.Context())
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "operator") {
			t.Errorf("a foreign purpose gave %v", err)
		}
		<-listener.Done()
	})
}

func TestAcceptLimitsStreams(t *testing.T) {
	sessions(t, func(t *testing.T, dialler, listener *Session) {
		for range StreamsMax {
			connectStreams(t, dialler, listener, PurposeStatus)
		}
		_, _ = dialler.Open(PurposeStatus) // it may or may not learn of it here
		if _, err := listener.Accept(t.Context()); err == nil {
			t.Errorf("stream %d was accepted", StreamsMax+1)
		}
		<-listener.Done()
	})
}

func TestAcceptWaitsForContext(t *testing.T) {
	sessions(t, func(t *testing.T, _, listener *Session) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := listener.Accept(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("accept gave %v", err)
		}
		if err := listener.Err(); err != nil {
			t.Errorf("that ended the session: %v", err)
		}
	})
}

func TestStalledReaderTimesOutTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialler, listener := SessionPair(SessionOptions{Connection: PeerConsensus})
		near, _ := connectStreams(t, dialler, listener, PurposeConsensus)
		start := time.Now()
		var err error
		for err == nil {
			_, err = near.Write(make([]byte, WriteBytesMax))
		}
		if took := time.Since(start); took != WriteTimeout {
			t.Errorf("the writer waited %s, want %s", took, WriteTimeout)
		}
		<-listener.Done()
	})
}

func TestFirstFrameHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialler, listener := SessionPair(SessionOptions{Connection: Client})
		if _, err := dialler.mux.open(); err != nil { // and says nothing
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := listener.Accept(t.Context()); err == nil {
			t.Error("a stream without a first frame was accepted")
		}
		if took := time.Since(start); took != FirstFrameTimeout {
			t.Errorf("it waited %s", took)
		}
		if !errors.Is(listener.Err(), listener.Err()) || listener.Err() == nil {
			t.Error("the session lives on")
		}
	})
}

func TestWrapSeesTheBytes(t *testing.T) {
	var passed bytes.Buffer
	options := SessionOptions{Connection: Client}
	near, far := newMemoryMux()
	wrapped := options
	wrapped.Wrap = func(r RawStream) RawStream { return tee{r, &passed} }
	dialler, listener := &Session{mux: near, options: wrapped}, &Session{mux: far, options: options}
	out, in := connectStreams(t, dialler, listener, PurposeRequests)
	if _, err := out.Write(frameOf(3)); err != nil {
		t.Fatal(err)
	}
	if f, err := in.Next(); err != nil || len(f.Body) != 3 {
		t.Errorf("%d bytes, %v", len(f.Body), err)
	}
	if !bytes.HasSuffix(passed.Bytes(), frameOf(3)) {
		t.Errorf("% x passed", passed.Bytes())
	}
}

type tee struct {
	RawStream
	copy io.Writer
}

func (t tee) Write(p []byte) (int, error) {
	_, _ = t.copy.Write(p) // a bytes.Buffer does not fail
	return t.RawStream.Write(p)
}
