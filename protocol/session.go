package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// Purpose says what a stream is for. The first frame of a stream states it.
type Purpose uint8

// The purposes.
const (
	// PurposeConsensus: batches of proposers, acceptors and learners.
	PurposeConsensus Purpose = 1
	// PurposeControl: heartbeats and campaigns, never behind a batch.
	PurposeControl Purpose = 2
	// PurposeBulk: catching up and snapshots.
	PurposeBulk Purpose = 3
	// PurposeRequests: a client's requests and their answers.
	PurposeRequests Purpose = 4
	// PurposeStatus, PurposeLogs and PurposeOperator: an operator's pushed
	// status, pushed log lines, and commands with their answers.
	PurposeStatus   Purpose = 5
	PurposeLogs     Purpose = 6
	PurposeOperator Purpose = 7
)

func (p Purpose) String() string {
	names := [...]string{"", "consensus", "control", "bulk", "requests", "status", "logs", "operator"}
	if p == 0 || int(p) >= len(names) {
		return fmt.Sprintf("purpose(%d)", uint8(p))
	}
	return names[p]
}

// Fits reports whether a stream of this purpose belongs on the connection: an
// operator may do what a client does, nobody else's purposes mix.
func (p Purpose) Fits(c Connection) bool {
	switch p {
	case PurposeConsensus, PurposeControl:
		return c == PeerConsensus
	case PurposeBulk:
		return c == PeerBulk
	case PurposeRequests:
		return c == Client || c == Operator
	case PurposeStatus, PurposeLogs, PurposeOperator:
		return c == Operator
	default:
		return false
	}
}

// ErrSessionClosed: the session has ended, in good order or not.
var ErrSessionClosed = errors.New("session closed")

// RawStream is what lies under a [Stream]: yamux's, or one in memory. A fault
// injector wraps it.
type RawStream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// SessionOptions of [NewSession] and [SessionPair].
type SessionOptions struct {
	// Connection decides windows, time limits and the limit of frames.
	Connection Connection
	// Logger gets what yamux has to say, at debug, sampled. nil discards it.
	Logger *slog.Logger
	// Wrap, if not nil, is put around every stream, below the frames.
	Wrap func(RawStream) RawStream
}

func (o *SessionOptions) frameBytesMax() int {
	if o.Connection.Peer() {
		return PeerFrameBytesMax
	}
	return ClientFrameBytesMax
}

func (o *SessionOptions) writeTimeout() time.Duration {
	if o.Connection == PeerConsensus {
		return WriteTimeout
	}
	return BulkWriteTimeout
}

// mux makes many streams of one connection. There are two: yamux over a
// net.Conn, and one in memory for tests under a fake clock, in which yamux
// cannot run.
type mux interface {
	open() (RawStream, error)
	accept(context.Context) (RawStream, error)
	streams() int
	done() <-chan struct{}
	// close lets written bytes arrive, abort does not.
	close() error
	abort()
}

// Session is one connection after its preface: a few long-lived streams. The
// dialler opens them right away; none is reopened in a living session. Any
// error of any stream ends the session, because after a failed write nobody
// knows what left. It is safe for concurrent use.
type Session struct {
	mux     mux
	options SessionOptions

	mu  sync.Mutex
	err error // why it ended
}

// NewSession starts a session over a connection whose preface was exchanged,
// and owns the connection from now on.
func NewSession(conn net.Conn, dialler bool, options SessionOptions) (*Session, error) {
	m, err := newYamux(conn, dialler, &options)
	if err != nil {
		return nil, fmt.Errorf("start session with %s: %w", conn.RemoteAddr(), err)
	}
	return &Session{mux: m, options: options}, nil
}

// SessionPair gives the two ends of a session in memory, without yamux,
// sockets or goroutines, for tests.
func SessionPair(options SessionOptions) (dialler, listener *Session) {
	near, far := newMemoryMux()
	return &Session{mux: near, options: options}, &Session{mux: far, options: options}
}

// Open opens a stream and states its purpose.
func (s *Session) Open(purpose Purpose) (*Stream, error) {
	raw, err := s.mux.open()
	if err != nil {
		return nil, s.fail(fmt.Errorf("open stream for %s: %w", purpose, err))
	}
	stream := s.stream(raw)
	stream.purpose = purpose
	if _, err := stream.Write(AppendFrame(nil, &Frame{Kind: KindStream, Body: []byte{byte(purpose)}})); err != nil {
		return nil, fmt.Errorf("open stream for %s: %w", purpose, err)
	}
	return stream, nil
}

// Accept waits for the next stream that the dialler opens and reads its
// purpose, for which [FirstFrameTimeout] is allowed. A stream that does not fit
// the connection, or one too many, ends the session.
func (s *Session) Accept(ctx context.Context) (*Stream, error) {
	raw, err := s.mux.accept(ctx)
	if err != nil {
		if ctx.Err() == nil {
			err = s.fail(fmt.Errorf("accept stream: %w", named(err)))
		}
		return nil, err
	}
	if n := s.mux.streams(); n > StreamsMax {
		return nil, s.fail(fmt.Errorf("accept stream: %d streams, the limit is %d", n, StreamsMax))
	}
	stream := s.stream(raw)
	if err := stream.SetReadDeadline(time.Now().Add(FirstFrameTimeout)); err != nil {
		return nil, s.fail(fmt.Errorf("accept stream: %w", err))
	}
	first, err := stream.Next()
	if err != nil {
		return nil, fmt.Errorf("accept stream: %w", err)
	}
	if first.Kind != KindStream || len(first.Body) == 0 || !Purpose(first.Body[0]).Fits(s.options.Connection) {
		return nil, s.fail(fmt.Errorf("accept stream: %w: first frame %s of %d bytes states no purpose for a %s connection",
			ErrMalformed, first.Kind, len(first.Body), s.options.Connection))
	}
	stream.purpose = Purpose(first.Body[0])
	if err := stream.SetReadDeadline(time.Time{}); err != nil {
		return nil, s.fail(fmt.Errorf("accept stream: %w", err))
	}
	return stream, nil
}

// muxHeaderBytes is the length of a header of yamux, what its complaints are about.
const muxHeaderBytes = 12

// named marks what yamux says of bytes that are not its own as malformed input.
func named(err error) error {
	for _, foreign := range []error{
		yamux.ErrInvalidVersion, yamux.ErrInvalidMsgType, yamux.ErrUnexpectedFlag, yamux.ErrDuplicateStream,
		yamux.ErrRecvWindowExceeded,
	} {
		if errors.Is(err, foreign) {
			return fmt.Errorf("%w: header of a stream, length %d: %w", ErrMalformed, muxHeaderBytes, err)
		}
	}
	return err
}

func (s *Session) stream(raw RawStream) *Stream {
	if s.options.Wrap != nil {
		raw = s.options.Wrap(raw)
	}
	return &Stream{session: s, raw: raw, reader: NewReader(raw, s.options.frameBytesMax())}
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.mux.done() }

// Err says why the session has ended; nil while it lives.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	select {
	case <-s.mux.done():
		return ErrSessionClosed
	default:
		return nil
	}
}

// Close ends the session in good order: what was written to its streams still
// arrives if the other side reads on; it waits at most a few seconds for that.
// To lose no answer close the outboxes first. Safe to call again.
func (s *Session) Close() error {
	s.note(ErrSessionClosed)
	return s.mux.close()
}

// Abort ends the session at once. The reason is what [Session.Err] gives.
func (s *Session) Abort(reason error) {
	s.note(reason)
	s.mux.abort()
}

// fail ends the session because of err, and returns it.
func (s *Session) fail(err error) error {
	s.Abort(err)
	return err
}

func (s *Session) note(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = reason
	}
}

// Stream carries frames in both directions. One goroutine reads, one writes.
type Stream struct {
	session *Session
	raw     RawStream
	reader  *Reader
	purpose Purpose
}

// Purpose is what the dialler opened the stream for.
func (s *Stream) Purpose() Purpose { return s.purpose }

// Next gives the next frame, see [Reader.Next]. Every error, io.EOF too, has
// ended the session.
func (s *Stream) Next() (Frame, error) {
	f, err := s.reader.Next()
	if err != nil {
		return f, s.session.fail(err)
	}
	return f, nil
}

// Ready reports whether the next frame is there already, see [Reader.Ready].
func (s *Stream) Ready() bool { return s.reader.Ready() }

// Write writes whole frames, at most [WriteBytesMax] at a time for the other
// side's sake; an [Outbox] does so. Every error has ended the session.
func (s *Stream) Write(frames []byte) (int, error) {
	if err := s.raw.SetWriteDeadline(time.Now().Add(s.session.options.writeTimeout())); err != nil {
		return 0, s.session.fail(fmt.Errorf("write to stream for %s: %w", s.purpose, err))
	}
	n, err := s.raw.Write(frames)
	if err != nil {
		return n, s.session.fail(fmt.Errorf("write to stream for %s: %w", s.purpose, err))
	}
	return n, nil
}

// SetReadDeadline bounds the next reads; the zero time takes the bound away. A
// read that runs into it ends the session.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.raw.SetReadDeadline(t) }

// Session gives the session of the stream.
func (s *Stream) Session() *Session { return s.session }

// yamuxMux is a session of yamux over a coalescing connection.
type yamuxMux struct {
	session *yamux.Session
	conn    *coalescer
}

func newYamux(conn net.Conn, dialler bool, options *SessionOptions) (*yamuxMux, error) {
	config := &yamux.Config{
		AcceptBacklog:          StreamsMax,
		EnableKeepAlive:        false, // its pings wait behind data; the streams have their own
		KeepAliveInterval:      time.Hour,
		ConnectionWriteTimeout: options.writeTimeout(),
		MaxStreamWindowSize:    WindowBytes,
		StreamOpenTimeout:      StreamOpenTimeout,
		StreamCloseTimeout:     StreamCloseTimeout,
		Logger:                 &yamuxLog{logger: options.Logger},
	}
	if options.Connection == PeerBulk {
		config.MaxStreamWindowSize = BulkWindowBytes
	}
	start := yamux.Server
	if dialler {
		start = yamux.Client
	}
	m := &yamuxMux{conn: newCoalescer(conn, options.writeTimeout(), CoalesceBytesMax)}
	session, err := start(m.conn, config)
	if err != nil {
		m.conn.abort()
		return nil, err
	}
	m.session = session
	return m, nil
}

func (m *yamuxMux) open() (RawStream, error) { return m.session.OpenStream() }

func (m *yamuxMux) accept(ctx context.Context) (RawStream, error) {
	return m.session.AcceptStreamWithContext(ctx)
}

func (m *yamuxMux) streams() int          { return m.session.NumStreams() }
func (m *yamuxMux) done() <-chan struct{} { return m.session.CloseChan() }
func (m *yamuxMux) close() error          { return m.session.Close() }

func (m *yamuxMux) abort() {
	m.conn.abort()
	_ = m.session.Close() // the connection is closed already: it only waits for its goroutines
}

// yamuxLog passes yamux's lines on at debug: the first few of a session, then
// every hundredth, because the other side can provoke them.
type yamuxLog struct {
	logger *slog.Logger
	mu     sync.Mutex
	lines  int
}

const yamuxLinesFirst, yamuxLinesEvery = 5, 100

func (l *yamuxLog) line(text string) {
	if l.logger == nil {
		return
	}
	l.mu.Lock()
	l.lines++
	lines := l.lines
	l.mu.Unlock()
	if lines <= yamuxLinesFirst || lines%yamuxLinesEvery == 0 {
		l.logger.Debug("yamux", "text", text, "lines", lines)
	}
}

// Print, Printf and Println implement yamux.Logger.
func (l *yamuxLog) Print(v ...any)                 { l.line(fmt.Sprint(v...)) }
func (l *yamuxLog) Printf(format string, v ...any) { l.line(fmt.Sprintf(format, v...)) }
func (l *yamuxLog) Println(v ...any)               { l.line(fmt.Sprintln(v...)) }
