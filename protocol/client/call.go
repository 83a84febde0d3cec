package client

import (
	"sync"
	"time"

	"synod/core/kv"
	"synod/core/session"
	"synod/protocol"
)

// call is one call of a user from its start to its return. It is used again
// afterwards, but only if nobody else can still hold it.
type call struct {
	// done gets at most two signals of an attempt: impatient, then answered.
	done  chan signal
	timer *time.Timer // of everything but the wait for an answer; who sets it stops it

	operation string
	request   protocol.Kind
	key       []byte
	value     []byte
	scan      protocol.Scan
	token     session.Token
	set       callSettings

	// An update's place, while it has one.
	lane   *lane
	ticket session.Ticket

	started  time.Time
	deadline time.Time
	until    time.Time // end of the attempt
	attempts int
	// handed: an attempt was handed to a connection and may have been executed.
	handed bool
	// apart is the last failure while no attempt has found a connection.
	apart *failure
	// alone is the last answer of a replica, named, that it hears no majority.
	alone   *failure
	aloneAt string
	// fate gets what late answers tell; nil until an attempt was given up.
	fate    *fate
	update  *unsettled // what a Retry sends again; nil for a first call
	replica string     // whose late answer is the answer; else empty
	id      uint64     // request id of the last attempt
	link    *link      // of the last attempt

	// The answer of the last attempt.
	answer answer
}

// signal is what a connection has to say to a call.
type signal bool

const (
	// impatient: the attempt has had its time. Its place is still its own.
	impatient signal = false
	// answered: the fields of the answer are valid, nothing more comes.
	answered signal = true
)

// answer is what an attempt brought: a refusal, or one of the others.
type answer struct {
	kind    protocol.Kind
	refusal *protocol.Error // by the replica; nil if there is none
	lost    error           // the connection broke; nil if it did not
	opened  session.ID
	updated protocol.Updated
	got     protocol.Got
	scanned protocol.Scanned
}

type callPool struct{ pool sync.Pool }

func (p *callPool) get() *call {
	c, ok := p.pool.Get().(*call)
	if !ok {
		c = &call{done: make(chan signal, 2), timer: time.NewTimer(time.Hour)}
	}
	return c
}

// put takes a call back that no connection holds.
func (p *callPool) put(c *call) {
	*c = call{done: c.done, timer: c.timer}
	p.pool.Put(c)
}

// updates reports whether the call changes something.
func (c *call) updates() bool { return c.request == protocol.KindUpdate }

// append appends the frame of the request.
func (c *call) append(dst []byte, now time.Time) []byte {
	// The time of this attempt: a replica that cannot serve says so before the call turns away from it.
	header := protocol.Frame{Request: c.id, Remaining: protocol.RemainingOf(c.until.Sub(now))}
	switch c.request {
	case protocol.KindUpdate:
		dst, at := protocol.BeginFrame(dst)
		place := kv.Update{Session: c.ticket.Session, Sequence: c.ticket.Sequence, Low: c.ticket.Low}
		if c.value == nil {
			dst = kv.AppendDelete(dst, place, c.key)
		} else {
			dst = kv.AppendPut(dst, place, c.key, c.value)
		}
		header.Kind = protocol.KindUpdate
		return protocol.EndFrame(dst, at, header)
	case protocol.KindGet:
		get := protocol.Get{Mode: c.set.mode, Key: c.key}
		return get.Append(dst, header)
	case protocol.KindScan:
		return c.scan.Append(dst, header)
	default:
		open := protocol.OpenSession{Token: c.token}
		return open.Append(dst, header)
	}
}

// answers reports whether a frame of this kind can answer the request.
func answers(request, kind protocol.Kind) bool {
	return kind == protocol.KindError || kind == request+(protocol.KindUpdated-protocol.KindUpdate)
}

// take reads the body of an answer. What the user keeps is copied.
func (a *answer) take(f protocol.Frame) (err error) {
	a.kind = f.Kind
	switch f.Kind {
	case protocol.KindUpdated:
		a.updated, err = protocol.DecodeUpdated(f.Body)
	case protocol.KindGot:
		if a.got, err = protocol.DecodeGot(f.Body); a.got.Found {
			a.got.Value = append(make([]byte, 0, len(a.got.Value)), a.got.Value...)
		}
	case protocol.KindScanned:
		f.Own()
		a.scanned, err = protocol.DecodeScanned(f.Body)
	case protocol.KindSessionOpened:
		var m protocol.SessionOpened
		m, err = protocol.DecodeSessionOpened(f.Body)
		a.opened = m.Session
	default:
		a.refusal, err = protocol.DecodeError(f.Body)
	}
	return err
}
