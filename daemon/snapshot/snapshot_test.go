package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/paxos"
	"synod/core/session"
	"synod/protocol"
)

// long bounds what a test waits for.
const long = 30 * time.Second

// stateAt is a store that has applied so many slots.
func stateAt(t *testing.T, slots uint64) *memstore.Store {
	t.Helper()
	store := memstore.New(0)
	machine, err := kv.New(store, kv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for slot := uint64(1); slot <= slots; slot++ {
		command := kv.AppendOpen(nil, session.Token{1})
		if slot > 1 {
			update := kv.Update{Session: session.ID{Slot: 1}, Sequence: slot, Low: slot}
			command = kv.AppendPut(nil, update, fmt.Appendf(nil, "key%d", slot), bytes.Repeat([]byte("v"), 10_000))
		}
		value := kv.AppendBatchCommand(kv.AppendBatchHeader(nil, 1000), command)
		if _, err := machine.ApplyBatch([]kv.Entry{{Slot: slot, Value: value}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// received is a copy that has arrived, and a Receiver of it.
type received struct {
	*bytes.Reader
	manifest *kv.Manifest
	store    *memstore.Store
	bytes    []byte
	closed   int
}

func (r *received) Manifest() *kv.Manifest { return r.manifest }

func (r *received) Write(p []byte) (int, error) {
	r.bytes = append(r.bytes, p...)
	return len(p), nil
}

func (r *received) Adopt() error {
	r.Reader = bytes.NewReader(r.bytes)
	return r.store.Install(r)
}

func (r *received) Close() error {
	r.closed++
	return nil
}

// pair is a fetcher of r1 and the servers of others, joined without a network.
type pair struct {
	t       *testing.T
	servers map[paxos.ReplicaID]*Server
	mu      sync.Mutex
	change  func(asks int, c *protocol.SnapshotChunk) (lost bool)
	asks    int
	begun   []*received
	store   *memstore.Store
	ready   chan uint64
	fetcher *Fetcher
}

func newPair(t *testing.T, patience time.Duration) *pair {
	t.Helper()
	p := &pair{
		t: t, servers: map[paxos.ReplicaID]*Server{}, store: memstore.New(0),
		ready: make(chan uint64, 1),
	}
	p.fetcher = NewFetcher(FetcherOptions{
		Ask: p.ask, Ready: func(slot uint64) { p.ready <- slot }, Logger: slog.New(slog.DiscardHandler),
		Receive: func(m *kv.Manifest) (Receiver, error) {
			r := &received{manifest: m, store: p.store}
			p.begun = append(p.begun, r)
			return r, nil
		},
		AskAgain: 5 * time.Millisecond, Patience: patience,
	})
	t.Cleanup(p.fetcher.Close)
	return p
}

// serve adds a server for a store; the numbers of its copies begin with first.
func (p *pair) serve(replica paxos.ReplicaID, first uint64, store *memstore.Store) {
	s := NewServer(ServerOptions{
		Make: func() (kv.Copy, error) { return store.Copy() }, Logger: slog.New(slog.DiscardHandler),
		Pause: time.Nanosecond, First: first,
	})
	p.t.Cleanup(s.Close)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.servers[replica] = s
}

func (p *pair) ask(to paxos.ReplicaID, ask protocol.SnapshotAsk) {
	p.mu.Lock()
	p.asks++
	asks, server := p.asks, p.servers[to]
	p.mu.Unlock()
	if server == nil {
		return
	}
	c := server.Answer(1, ask)
	if p.change == nil || !p.change(asks, &c) {
		p.fetcher.Take(to, c)
	}
}

func (p *pair) wait() uint64 {
	p.t.Helper()
	select {
	case slot := <-p.ready:
		return slot
	case <-time.After(long):
		p.t.Fatal("no copy arrived")
	}
	return 0
}

func (p *pair) expect(slot uint64) {
	p.t.Helper()
	if got := p.wait(); got != slot {
		p.t.Fatalf("a copy of slot %d arrived, want %d", got, slot)
	}
	if durable, err := p.store.Durable(); err != nil || durable != slot {
		p.t.Fatalf("the store is at slot %d, %v", durable, err)
	}
}

func TestFetch(t *testing.T) {
	p := newPair(t, long)
	p.serve(2, 7, stateAt(t, 100)) // 1 MB, four chunks
	p.fetcher.Want(paxos.Snapshot{From: 2, AtLeast: 90})
	p.expect(100)
	if len(p.begun) != 1 || p.begun[0].closed != 0 {
		t.Errorf("%d transfers were begun", len(p.begun))
	}
}

// What is lost is asked for again; what comes twice or out of place is not taken twice.
func TestFetchOverABadNetwork(t *testing.T) {
	var before protocol.SnapshotChunk
	p := newPair(t, long)
	p.change = func(asks int, c *protocol.SnapshotChunk) bool {
		switch asks % 4 {
		case 1:
			return true
		case 2:
			p.fetcher.Take(2, before)
			p.fetcher.Take(3, *c)
			p.fetcher.Take(2, *c)
		}
		before = *c
		return false
	}
	p.serve(2, 7, stateAt(t, 300))
	p.fetcher.Want(paxos.Snapshot{From: 2, AtLeast: 1})
	p.expect(300)
}

// The other replica's process ends in the middle: the transfer begins anew with a copy of its next one.
func TestServerBeginsAnew(t *testing.T) {
	p := newPair(t, long)
	store := stateAt(t, 300)
	ended := false
	p.change = func(_ int, c *protocol.SnapshotChunk) bool {
		if c.Offset > 0 && !ended {
			ended = true
			p.serve(2, 1_000_000, store)
		}
		return false
	}
	p.serve(2, 7, store)
	p.fetcher.Want(paxos.Snapshot{From: 2, AtLeast: 1})
	p.expect(300)
	if len(p.begun) != 2 || p.begun[0].closed != 1 {
		t.Errorf("%d transfers were begun", len(p.begun))
	}
}

// A replica that does not answer, or that is not far enough, is given up; the next wish may name another.
func TestFetchGivesUp(t *testing.T) {
	p := newPair(t, 200*time.Millisecond)
	p.serve(3, 7, stateAt(t, 10))
	p.serve(4, 7, stateAt(t, 60))
	for _, silent := range []paxos.ReplicaID{2, 3} {
		p.fetcher.Want(paxos.Snapshot{From: silent, AtLeast: 50})
		for end := time.Now().Add(long); p.fetcher.Progress() != (Progress{}); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it does not give up")
			}
		}
	}
	for len(p.ready) == 0 { // as a learner does, that wants again and again
		p.fetcher.Want(paxos.Snapshot{From: 4, AtLeast: 50})
		time.Sleep(time.Millisecond)
	}
	p.expect(60)
}

// A changed byte is found, in whatever part it is, and nothing is installed.
func TestDamagedTransfer(t *testing.T) {
	for _, at := range []uint64{3, 40, 300_000} {
		p := newPair(t, long)
		damaged := make(chan struct{}, 1)
		p.change = func(_ int, c *protocol.SnapshotChunk) bool {
			if c.Reason == "" && at >= c.Offset && at < c.Offset+uint64(len(c.Data)) {
				c.Data = bytes.Clone(c.Data)
				c.Data[at-c.Offset] ^= 4
				select {
				case damaged <- struct{}{}:
				default:
				}
			}
			return false
		}
		p.serve(2, 7, stateAt(t, 100))
		p.fetcher.Want(paxos.Snapshot{From: 2, AtLeast: 1})
		<-damaged
		p.fetcher.Close() // it waits for the end of the transfer or breaks it off
		if durable, err := p.store.Durable(); err != nil || durable != 0 || len(p.ready) > 0 {
			t.Errorf("byte %d changed: installed through slot %d, %v", at, durable, err)
		}
	}
}

// Copies that cannot be made are an answer with a reason, and are tried again.
func TestServerThatCannot(t *testing.T) {
	var fails atomic.Bool
	fails.Store(true)
	store := stateAt(t, 5)
	s := NewServer(ServerOptions{
		Make: func() (kv.Copy, error) {
			if fails.Load() {
				return nil, errors.New("the disk is full")
			}
			return store.Copy()
		},
		Logger: slog.New(slog.DiscardHandler), Pause: time.Nanosecond, First: 7,
	})
	defer s.Close()
	until := func(what string, reached func(protocol.SnapshotChunk) bool) {
		for end := time.Now().Add(long); ; time.Sleep(time.Millisecond) {
			if c := s.Answer(1, protocol.SnapshotAsk{AtLeast: 5}); reached(c) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("waited for %s in vain", what)
			}
		}
	}
	until("the reason", func(c protocol.SnapshotChunk) bool { return strings.Contains(c.Reason, "disk is full") })
	fails.Store(false)
	until("a copy", func(c protocol.SnapshotChunk) bool { return c.Slot == 5 && c.Offset == 0 && len(c.Data) > 0 })
	beyond := s.Answer(1, protocol.SnapshotAsk{Copy: 7, Offset: 1 << 40})
	if beyond.Reason == "" {
		t.Errorf("an ask beyond the end is answered with %+v", beyond)
	}
}

// Several askers share a copy; at most two exist, and none after the server's end.
func TestServerSharesAndLimitsCopies(t *testing.T) {
	var living, made atomic.Int32
	store := stateAt(t, 5)
	s := NewServer(ServerOptions{
		Make: func() (kv.Copy, error) {
			c, err := store.Copy()
			living.Add(1)
			made.Add(1)
			return counted{c, &living}, err
		},
		Logger: slog.New(slog.DiscardHandler), Pause: time.Nanosecond, First: 1,
	})
	for range 50 {
		s.Answer(1, protocol.SnapshotAsk{AtLeast: 5})
		s.running.Wait()
	}
	if made.Load() != 1 {
		t.Errorf("%d copies were made for those who come at once", made.Load())
	}
	for range 5 {
		s.Answer(1, protocol.SnapshotAsk{AtLeast: 6}) // nobody has it
		s.running.Wait()
	}
	if living.Load() != copiesMax {
		t.Errorf("%d copies at once", living.Load())
	}
	s.Close()
	if living.Load() != 0 {
		t.Errorf("%d copies after the end", living.Load())
	}
}

type counted struct {
	kv.Copy
	living *atomic.Int32
}

func (c counted) Close() error {
	c.living.Add(-1)
	return c.Copy.Close()
}
