package gateway

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"synod/core/session"
	"synod/daemon/monitor"
	"synod/protocol"
)

// conn is one stream of requests. Its goroutine reads; answers come from any.
type conn struct {
	gateway *Gateway
	stream  *protocol.Stream
	outbox  *protocol.Outbox
	address string
	touched bool // in Gateway.touched; the learner's goroutine only

	mu       sync.Mutex
	answers  []byte // made and not yet given to the outbox
	requests int    // without answer
	bytes    int    // of them
}

// frames is one batch of requests, all that arrived together, sorted by the way
// that they take. It is reused for the next batch.
type frames struct {
	memory  []byte // copies of commands and keys; never reused, others keep parts of it
	updates []update
	reads   []read
	stale   []read
}

// answersKeptMax is the largest buffer that is kept for the next answers.
const answersKeptMax = 256 << 10

// serve reads requests until the stream ends.
func (c *conn) serve() {
	g := c.gateway
	var batch frames
	var bounded time.Time
	for {
		if now := time.Now(); now.Sub(bounded) > g.limits.Idle/8 {
			bounded = now
			if err := c.stream.SetReadDeadline(now.Add(g.limits.Idle)); err != nil {
				break
			}
		}
		f, err := c.stream.Next()
		for err == nil {
			if err = c.take(&batch, f); err != nil {
				err = fmt.Errorf("request %s, length %d: %w", f.Kind, protocol.HeaderBytes+len(f.Body), err)
				break
			}
			if !c.stream.Ready() {
				break
			}
			f, err = c.stream.Next()
		}
		g.submit(c, &batch)
		if err != nil {
			if isMalformed(err) {
				_ = c.outbox.Close() // the error may still find its sender
			}
			g.streamEnded(c.address, c.stream, err)
			break
		}
	}
	// Answers under way are lost with the stream; nobody can read them.
	c.outbox.Abort()
	<-c.outbox.Done()
}

// begin counts a request, or says which limit it would break.
func (c *conn) begin(size int) *protocol.Error {
	limits := &c.gateway.limits
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests >= limits.RequestsPerClient || c.bytes+size > limits.BytesPerClient && c.requests > 0 {
		return protocol.Refuse(protocol.CodeOverloaded, c.gateway.options.Identity.Replica,
			"too many requests of this connection have no answer yet, wait for some")
	}
	c.requests++
	c.bytes += size
	return nil
}

// endLocked counts a request as answered.
func (c *conn) endLocked(size int) {
	c.requests--
	c.bytes -= size
}

// answerResult makes the answer to an update from its result.
func (c *conn) answerResult(h handle, r *session.Result, applied uint64, now int64) {
	if r.Status != session.OK {
		c.answerError(h, c.gateway.resultError(r.Status))
		return
	}
	c.gateway.updates.Add(1)
	c.gateway.answered(h.counted, h.begun, now)
	c.mu.Lock()
	if h.kind == handleOpen {
		m := protocol.SessionOpened{Session: r.Session}
		c.answers = m.Append(c.answers, h.request)
	} else {
		m := protocol.Updated{Slot: r.Slot, Revision: r.Revision, Applied: applied, Repeated: r.Repeated}
		c.answers = m.Append(c.answers, h.request)
	}
	c.endLocked(int(h.size))
	c.mu.Unlock()
	if h.logged {
		c.line("answer", h.request, h.begun, slog.Uint64("slot", r.Slot), slog.Uint64("revision", r.Revision),
			slog.Bool("repeated", r.Repeated))
	}
}

// answerError answers an update with an error.
func (c *conn) answerError(h handle, failure *protocol.Error) {
	c.refuse(h.request, failure, int(h.size), h.counted)
	if h.logged {
		c.line("answer", h.request, h.begun, slog.String("error", failure.Code.String()))
	}
}

// refuse answers a request that was begun with an error.
func (c *conn) refuse(request uint64, failure *protocol.Error, size int, counted monitor.Operation) {
	c.gateway.failed.Add(1)
	c.gateway.options.Counters.Operations.Failed(counted)
	if failure.Code == protocol.CodeOverloaded {
		c.gateway.options.Counters.Overloaded.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = failure.Append(c.answers, request)
	c.endLocked(size)
}

// refuseUnbegun answers a request that was never counted.
func (c *conn) refuseUnbegun(request uint64, failure *protocol.Error, counted monitor.Operation) {
	c.mu.Lock()
	c.requests++
	c.mu.Unlock()
	c.refuse(request, failure, 0, counted)
}

// flush hands the answers to the writer. A client that lets too many wait is cut
// off: its requests would otherwise fill this replica's memory.
func (c *conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) == 0 {
		return
	}
	if _, err := c.outbox.Write(c.answers); err != nil {
		c.stream.Session().Abort(err)
	}
	if c.answers = c.answers[:0]; cap(c.answers) > answersKeptMax {
		c.answers = nil
	}
}

// line writes the readable line of an answer.
func (c *conn) line(message string, request uint64, begun int64, attrs ...slog.Attr) {
	all := append([]slog.Attr{
		slog.Uint64("req", request), slog.String("client", c.address),
		slog.Int64("took_ms", (c.gateway.micros()-begun)/1000),
	}, attrs...)
	c.gateway.options.Requests.Line(message, all...)
}
