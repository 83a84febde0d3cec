package clienttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/protocol"
)

// Treatment is what a replica does with a request.
type Treatment int

// The treatments.
const (
	// Answer does what was asked.
	Answer Treatment = iota
	// Swallow neither executes nor answers.
	Swallow
	// Hold executes, and answers only after [Replica.Release].
	Hold
	// Drop executes, does not answer, and ends the session.
	Drop
	// Garble answers with bytes that are no frame.
	Garble
)

// Replica is one replica of a [Cluster]. It is safe for concurrent use.
type Replica struct {
	cluster *Cluster
	number  paxos.ReplicaID

	requests atomic.Int64
	mute     atomic.Bool

	mu       sync.Mutex
	down     bool
	dials    int
	treat    func(protocol.Frame) (Treatment, *protocol.Error)
	operator func(protocol.Frame, *protocol.Stream) error
	sessions []*protocol.Session
	outboxes []*protocol.Outbox
	held     []func()
}

// Treat decides what happens to each request from now on: an error is answered
// as such; nil answers everything.
func (r *Replica) Treat(treat func(protocol.Frame) (Treatment, *protocol.Error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.treat = treat
}

// TreatAll gives all requests the same treatment.
func (r *Replica) TreatAll(t Treatment) {
	r.Treat(func(protocol.Frame) (Treatment, *protocol.Error) { return t, nil })
}

// Refuse answers all requests with an error.
func (r *Replica) Refuse(code protocol.Code, text string) {
	r.Treat(func(protocol.Frame) (Treatment, *protocol.Error) {
		return Answer, protocol.Refuse(code, r.number, text)
	})
}

// Operate sets what answers frames on an operator's streams. An error ends the
// session.
func (r *Replica) Operate(operate func(protocol.Frame, *protocol.Stream) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operator = operate
}

// Mute makes the replica answer no pings, as if it hung.
func (r *Replica) Mute(mute bool) { r.mute.Store(mute) }

// Release sends the answers that were held.
func (r *Replica) Release() {
	r.mu.Lock()
	held := r.held
	r.held = nil
	r.mu.Unlock()
	for _, answer := range held {
		answer()
	}
}

// Stop ends all sessions and refuses new ones.
func (r *Replica) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for _, s := range r.sessions {
		s.Abort(errDown)
	}
	r.sessions, r.outboxes = nil, nil
}

// Start accepts sessions again.
func (r *Replica) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
}

// Leave tells all clients that this replica takes no new requests, and refuses
// new sessions. What is in flight is answered.
func (r *Replica) Leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for _, outbox := range r.outboxes {
		_, _ = outbox.Write(protocol.AppendFrame(nil, &protocol.Frame{Kind: protocol.KindLeaving})) // may be gone
	}
}

// Requests counts the requests that came, of clients only.
func (r *Replica) Requests() int { return int(r.requests.Load()) }

// Dials counts the attempts to connect.
func (r *Replica) Dials() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dials
}

// serve answers on the streams of a session until it ends.
func (r *Replica) serve(s *protocol.Session) {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		stream, err := s.Accept(context.Background())
		if err != nil {
			return
		}
		group.Go(func() { s.Abort(r.answerAll(stream)) })
	}
}

func (r *Replica) answerAll(stream *protocol.Stream) error {
	outbox := protocol.NewOutbox(stream, protocol.OutboxBytesMax)
	defer outbox.Abort()
	r.mu.Lock()
	if stream.Purpose() == protocol.PurposeRequests {
		r.outboxes = append(r.outboxes, outbox)
	}
	r.mu.Unlock()
	for {
		f, err := stream.Next()
		if err != nil {
			return err
		}
		if f.Kind == protocol.KindPing && r.mute.Load() {
			continue
		}
		if f.Kind == protocol.KindPing {
			_, err = outbox.Write(protocol.AppendFrame(nil, &protocol.Frame{Kind: protocol.KindPong, Request: f.Request}))
		} else if stream.Purpose() != protocol.PurposeRequests {
			err = r.operate(f, stream)
		} else {
			r.requests.Add(1)
			err = r.request(f, outbox)
		}
		if err != nil {
			return err
		}
	}
}

func (r *Replica) operate(f protocol.Frame, stream *protocol.Stream) error {
	r.mu.Lock()
	operate := r.operator
	r.mu.Unlock()
	if operate == nil {
		return errors.New("this replica serves no operators")
	}
	return operate(f, stream)
}

var errDropped = errors.New("dropped on demand")

func (r *Replica) request(f protocol.Frame, outbox *protocol.Outbox) error {
	r.mu.Lock()
	treat := r.treat
	r.mu.Unlock()
	treatment, refusal := Answer, (*protocol.Error)(nil)
	if treat != nil {
		treatment, refusal = treat(f)
	}
	if refusal != nil {
		return outbox.Add(func(dst []byte) []byte { return refusal.Append(dst, f.Request) })
	}
	if treatment == Swallow {
		return nil
	}
	answer, err := r.execute(f)
	if err != nil {
		return err
	}
	switch treatment {
	case Hold:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.held = append(r.held, func() { _, _ = outbox.Write(answer) }) // its session may be gone
		return nil
	case Drop:
		return errDropped
	case Garble:
		_, err := outbox.Write([]byte("\x00\x00\x00\x40 this is no frame, but as long as the length says it is, and more"))
		return err
	default:
		_, err := outbox.Write(answer)
		return err
	}
}

// execute does what a client asked for and gives the frame that answers it.
func (r *Replica) execute(f protocol.Frame) ([]byte, error) {
	switch f.Kind {
	case protocol.KindOpenSession:
		m, err := protocol.DecodeOpenSession(f.Body)
		if err != nil {
			return nil, err
		}
		return r.update(f.Request, kv.AppendOpen(nil, m.Token)), nil
	case protocol.KindUpdate:
		if err := kv.Check(f.Body); err != nil {
			return nil, err
		}
		return r.update(f.Request, f.Body), nil
	case protocol.KindGet:
		m, err := protocol.DecodeGet(f.Body)
		if err != nil {
			return nil, err
		}
		return r.get(f.Request, m)
	case protocol.KindScan:
		m, err := protocol.DecodeScan(f.Body)
		if err != nil {
			return nil, err
		}
		return r.scan(f.Request, m)
	}
	return nil, fmt.Errorf("unexpected %s", f.Kind)
}

func (r *Replica) update(request uint64, command []byte) []byte {
	result, applied := r.cluster.apply(command)
	if refusal := protocol.StatusError(result.Status); refusal != nil {
		refusal.Replica = r.number
		return refusal.Append(nil, request)
	}
	if result.Token != (session.Token{}) {
		m := protocol.SessionOpened{Session: result.Session}
		return m.Append(nil, request)
	}
	m := protocol.Updated{
		Slot: result.Slot, Revision: result.Revision, Applied: applied, Repeated: result.Repeated,
	}
	return m.Append(nil, request)
}

func (r *Replica) get(request uint64, get protocol.Get) ([]byte, error) {
	view, applied := r.cluster.view()
	defer func() { _ = view.Close() }() // in memory it cannot fail
	value, revision, found, err := view.Get(get.Key, nil)
	if err != nil {
		return nil, err
	}
	m := protocol.Got{Found: found, Revision: revision, Applied: applied, Value: value}
	return m.Append(nil, request), nil
}

func (r *Replica) scan(request uint64, scan protocol.Scan) ([]byte, error) {
	view, applied := r.cluster.view()
	defer func() { _ = view.Close() }() // in memory it cannot fail
	page, err := view.Scan(kv.Range{
		Prefix: scan.Prefix, After: scan.After, RowsMax: int(scan.Entries), BytesMax: int(scan.Bytes),
	})
	if err != nil {
		return nil, err
	}
	m := protocol.Scanned{Applied: applied, More: page.More}
	for _, row := range page.Rows {
		entry := protocol.ScanEntry{Revision: row.Revision, Key: row.Key}
		if scan.Values {
			entry.Value = row.Value
		}
		m.Entries = append(m.Entries, entry)
	}
	return m.Append(nil, request), nil
}
