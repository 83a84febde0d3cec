package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/paxos"
	"synod/core/session"
	"synod/daemon/host"
	"synod/daemon/monitor"
	"synod/protocol"
)

// fakeReplica is the rest of a daemon: it keeps what it is handed.
type fakeReplica struct {
	mu        sync.Mutex
	proposals [][][]byte
	reads     []uint64
	forwards  []paxos.Envelope
	down      bool // the proposer
	leader    paxos.ReplicaID
	quorum    bool
}

func (f *fakeReplica) Submit(e paxos.Envelope) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m := e.Message.(type) {
	case *paxos.Propose:
		if f.down {
			return host.ErrDown
		}
		f.proposals = append(f.proposals, m.Commands)
	case *paxos.Read:
		f.reads = append(f.reads, m.IDs...)
	}
	return nil
}

func (f *fakeReplica) Forward(e paxos.Envelope) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forwards = append(f.forwards, e)
}
func (f *fakeReplica) Proposing() bool         { f.mu.Lock(); defer f.mu.Unlock(); return !f.down }
func (f *fakeReplica) Leader() paxos.ReplicaID { f.mu.Lock(); defer f.mu.Unlock(); return f.leader }
func (f *fakeReplica) Quorum() bool            { f.mu.Lock(); defer f.mu.Unlock(); return f.quorum }

// take gives the proposals so far and forgets them.
func (f *fakeReplica) take() [][][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.proposals
	f.proposals = nil
	return all
}

// bench is a gateway with a fake replica, an applied store and one client.
type bench struct {
	t       *testing.T
	gateway *Gateway
	replica *fakeReplica
	log     *bytes.Buffer
	count   monitor.Counters
	slot    paxos.Slot
	stream  *protocol.Stream
}

func newBench(t *testing.T, limits Limits) *bench {
	t.Helper()
	b := &bench{t: t, replica: &fakeReplica{leader: 1, quorum: true}, log: &bytes.Buffer{}}
	logger, err := monitor.NewLogger(monitor.LogOptions{Level: "info", Writers: []io.Writer{b.log}})
	if err != nil {
		t.Fatal(err)
	}
	b.gateway = New(Options{
		Identity: protocol.Identity{Replica: 1, Replicas: 3, Cluster: paxos.ClusterID{7}}, Replica: b.replica,
		Limits: limits, Logger: logger, Requests: monitor.NewRequests(slog.New(slog.DiscardHandler), "all"),
		Counters: &b.count,
	})
	b.attach(memstore.New(1))
	b.stream = b.connect()
	t.Cleanup(func() {
		b.stream.Session().Abort(errors.New("the test is over"))
		synctest.Wait()
		b.gateway.Detach()
		if !b.gateway.scansEnded { // a test may have closed it
			b.gateway.Close()
		}
	})
	b.pass(2 * clockStep) // the gateway asks for its own session
	b.applyAll()
	return b
}

func (b *bench) attach(store kv.Store) {
	b.t.Helper()
	machine, err := kv.New(store, kv.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.gateway.Attach(machine)
}

func (b *bench) connect() *protocol.Stream {
	b.t.Helper()
	near, far := protocol.SessionPair(protocol.SessionOptions{Connection: protocol.Client})
	go b.gateway.Streams(far, "198.51.100.7:4711")
	stream, err := near.Open(protocol.PurposeRequests)
	if err != nil {
		b.t.Fatal(err)
	}
	return stream
}

func (b *bench) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// apply decides and applies one slot with these commands, as the learner does.
func (b *bench) apply(commands ...[]byte) {
	b.t.Helper()
	b.slot++
	value := kv.AppendBatchHeader(nil, 1_000)
	for _, c := range commands {
		value = kv.AppendBatchCommand(value, c)
	}
	if err := b.gateway.Apply([]paxos.Entry{{Slot: b.slot, Value: value}}); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

// applyAll applies everything proposed so far, and tells how many commands.
func (b *bench) applyAll() int {
	b.t.Helper()
	count := 0
	for _, commands := range b.replica.take() {
		b.apply(commands...)
		count += len(commands)
	}
	return count
}

func (b *bench) write(frames []byte) {
	b.t.Helper()
	if _, err := b.stream.Write(frames); err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

// answer reads the next answer; the test fails if none is there.
func (b *bench) answer() protocol.Frame {
	b.t.Helper()
	if err := b.stream.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		b.t.Fatal(err)
	}
	f, err := b.stream.Next()
	if err != nil {
		b.t.Fatalf("no answer: %v", err)
	}
	f.Own()
	return f
}

func (b *bench) wantError(request uint64, code protocol.Code) {
	b.t.Helper()
	f := b.answer()
	if f.Kind != protocol.KindError || f.Request != request {
		b.t.Fatalf("answer %s to request %d, want an error to %d", f.Kind, f.Request, request)
	}
	if failure, err := protocol.DecodeError(f.Body); err != nil || failure.Code != code || failure.Replica != 1 {
		b.t.Errorf("error %v (%v), want %v of r1", failure, err, code)
	}
}

func (b *bench) wantUpdated(request uint64) protocol.Updated {
	b.t.Helper()
	f := b.answer()
	if f.Kind != protocol.KindUpdated || f.Request != request {
		b.t.Fatalf("answer %s to request %d, want Updated to %d", f.Kind, f.Request, request)
	}
	m, err := protocol.DecodeUpdated(f.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// open opens a session for the client.
func (b *bench) open() session.ID {
	b.t.Helper()
	m := protocol.OpenSession{Token: session.Token{1}}
	b.write(m.Append(nil, header(1000, time.Second)))
	b.applyAll()
	opened, err := protocol.DecodeSessionOpened(b.answer().Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return opened.Session
}

func header(request uint64, remaining time.Duration) protocol.Frame {
	return protocol.Frame{Request: request, Remaining: protocol.RemainingOf(remaining)}
}

func put(dst []byte, id session.ID, sequence uint64, h protocol.Frame) []byte {
	command := kv.AppendPut(nil, kv.Update{Session: id, Sequence: sequence, Low: 1}, []byte("k"), []byte("v"))
	return protocol.AppendUpdate(dst, h, command)
}

func get(dst []byte, mode protocol.ReadMode, h protocol.Frame) []byte {
	m := protocol.Get{Mode: mode, Key: []byte("k")}
	return m.Append(dst, h)
}

func TestUpdatesThatArriveTogetherAreProposedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		id := b.open()
		var frames []byte
		for i := range uint64(3) {
			frames = put(frames, id, i+1, header(i+1, time.Second))
		}
		b.write(frames)
		proposals := b.replica.take()
		if len(proposals) != 1 || len(proposals[0]) != 3 {
			t.Fatalf("proposals %d, want one with three commands", len(proposals))
		}
		b.apply(proposals[0]...)
		for i := range uint64(3) {
			if m := b.wantUpdated(i + 1); m.Slot != uint64(b.slot) || m.Revision != i+1 || m.Repeated {
				t.Errorf("answer %+v", m)
			}
		}
	})
}

func TestAnUpdateIsRepeatedUntilItIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		id := b.open()
		b.write(put(nil, id, 1, header(1, 10*time.Second)))
		first := b.replica.take()[0][0]
		b.pass(retryMillis*time.Millisecond + 2*clockStep)
		second := b.replica.take()
		if len(second) != 1 || !bytes.Equal(second[0][0], first) {
			t.Fatalf("after the pause of a retry: %d proposals", len(second))
		}
		b.gateway.LeaderChanged()
		synctest.Wait()
		if len(b.replica.take()) != 1 {
			t.Error("no retry when the leader changed")
		}
		b.apply(first)
		b.apply(first) // the copy
		b.wantUpdated(1)
		b.pass(2 * time.Second)
		if left := b.replica.take(); len(left) != 0 {
			t.Error("an answered update is repeated")
		}
		b.write(put(nil, id, 1, header(2, time.Second)))
		b.applyAll()
		if m := b.wantUpdated(2); !m.Repeated || m.Revision != 1 {
			t.Errorf("the client's own retry got %+v", m)
		}
	})
}

// TestWhatTheLeaderDoesNotGetTakesAnotherWay, but only while nothing reaches it.
func TestWhatTheLeaderDoesNotGetTakesAnotherWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		s := b.open()
		b.replica.mu.Lock()
		b.replica.leader = 2
		b.replica.mu.Unlock()
		put := func(request uint64) {
			command := kv.AppendPut(nil, kv.Update{Session: s, Sequence: request, Low: 1}, []byte("k"), []byte("v"))
			b.write(protocol.AppendUpdate(nil, header(request, time.Minute), command))
		}
		forwards := func() []paxos.Envelope {
			b.replica.mu.Lock()
			defer b.replica.mu.Unlock()
			all := b.replica.forwards
			b.replica.forwards = nil
			return all
		}
		put(1)
		b.pass(300 * time.Millisecond)
		put(2) // is applied at once: the leader gets what is sent
		b.apply(b.replica.take()[1]...)
		b.wantUpdated(2)
		b.pass(300 * time.Millisecond)
		if repeated := b.replica.take(); len(repeated) != 1 || len(forwards()) != 0 {
			t.Fatalf("%d repetitions, or another way was taken though one update got through", len(repeated))
		}
		b.pass(time.Second) // the next repetition; nothing got through meanwhile
		all := forwards()
		if repeated := b.replica.take(); len(repeated) != 1 || len(all) != 1 {
			t.Fatalf("%d repetitions, %d of them another way, want one each", len(repeated), len(all))
		}
		m, ok := all[0].Message.(*paxos.Forward)
		if !ok || all[0].To.Replica != 3 || all[0].To.Roles != paxos.RoleProposer || m.Relayed || len(m.Commands) != 1 {
			t.Errorf("another way: %+v", all[0])
		}
		b.apply(m.Commands...)
		b.wantUpdated(1)
		put(3)
		b.replica.mu.Lock()
		b.replica.leader = 1 // this one
		b.replica.mu.Unlock()
		b.pass(2 * time.Second)
		if len(forwards()) != 0 {
			t.Error("the leader itself sends its commands away")
		}
	})
}

func TestARequestIsAnsweredBeforeItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		id := b.open()
		b.write(put(nil, id, 1, header(1, time.Second)))
		b.write(get(nil, protocol.Linearizable, header(2, time.Second)))
		b.pass(850 * time.Millisecond)
		if b.gateway.pending() != 2 {
			t.Error("answered too early")
		}
		b.pass(90 * time.Millisecond)
		b.wantError(1, protocol.CodeTimeout)
		b.wantError(2, protocol.CodeTimeout)
		b.replica.quorum = false
		b.write(put(nil, id, 2, header(3, time.Second)))
		b.pass(940 * time.Millisecond)
		b.wantError(3, protocol.CodeNoQuorum)
	})
}

func TestReadsWaitForTheLearner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		id := b.open()
		b.write(get(get(nil, protocol.Linearizable, header(1, time.Second)), protocol.Linearizable, header(2, time.Second)))
		if len(b.replica.reads) != 1 {
			t.Fatalf("%d reads were handed to the learner, want one for both", len(b.replica.reads))
		}
		b.write(put(nil, id, 1, header(3, time.Second)))
		b.applyAll()
		b.wantUpdated(3)
		b.gateway.Read([]paxos.ReadDone{{ID: b.replica.reads[0], Applied: b.slot}})
		synctest.Wait()
		for range 2 {
			m, err := protocol.DecodeGot(b.answer().Body)
			if err != nil || string(m.Value) != "v" || m.Applied != uint64(b.slot) || m.Revision != 1 {
				t.Errorf("answer %+v, %v", m, err)
			}
		}
	})
}

func TestScansAndStaleReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		id := b.open()
		b.write(put(nil, id, 1, header(1, time.Second)))
		b.applyAll()
		b.wantUpdated(1)
		b.write(get(nil, protocol.Stale, header(2, time.Second)))
		if m, err := protocol.DecodeGot(b.answer().Body); err != nil || !m.Found {
			t.Errorf("a stale read got %+v, %v", m, err)
		}
		scan := protocol.Scan{Mode: protocol.Stale, Prefix: []byte("k"), Values: true}
		b.write(scan.Append(nil, header(3, time.Second)))
		m, err := protocol.DecodeScanned(b.answer().Body)
		if err != nil || len(m.Entries) != 1 || string(m.Entries[0].Value) != "v" {
			t.Errorf("a scan got %+v, %v", m, err)
		}
	})
}

func TestWithoutLearnerOrProposer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		id := b.open()
		b.replica.down, b.replica.leader = true, 3
		b.write(put(nil, id, 1, header(1, 10*time.Second)))
		if len(b.replica.forwards) != 1 || b.replica.forwards[0].To.Replica != 3 {
			t.Fatalf("forwards %+v, want one to the leader", b.replica.forwards)
		}
		b.apply(b.replica.forwards[0].Message.(*paxos.Forward).Commands...)
		b.wantUpdated(1)
		b.replica.leader = 0
		b.write(put(nil, id, 2, header(2, time.Second)))
		b.wantError(2, protocol.CodeUnavailable)
		b.write(get(nil, protocol.Linearizable, header(3, 10*time.Second)))
		b.gateway.Detach()
		synctest.Wait()
		b.wantError(3, protocol.CodeUnavailable)
		for i, frame := range [][]byte{
			get(nil, protocol.Linearizable, header(4, time.Second)), get(nil, protocol.Stale, header(5, time.Second)),
			put(nil, id, 3, header(6, time.Second)),
		} {
			b.write(frame)
			b.wantError(uint64(i+4), protocol.CodeUnavailable)
		}
	})
}

func TestOneShotUpdatesRunInTheGatewaysSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		m := protocol.OneShot{Key: []byte("k"), Value: []byte("v")}
		b.write(m.Append(m.Append(nil, header(1, time.Second)), header(2, time.Second)))
		if n := b.applyAll(); n != 2 {
			t.Fatalf("%d commands, want 2", n)
		}
		first, second := b.wantUpdated(1), b.wantUpdated(2)
		if second.Revision != first.Revision+1 {
			t.Errorf("revisions %d and %d", first.Revision, second.Revision)
		}
		// A new store knows no session: the next one fails readably, and the one
		// after it runs in a new session.
		b.gateway.Detach()
		b.slot = 0
		b.attach(memstore.New(1))
		b.write(m.Append(nil, header(3, time.Second)))
		b.applyAll()
		b.wantError(3, protocol.CodeSessionExpired)
		b.write(m.Append(nil, header(4, time.Second)))
		b.pass(2 * clockStep)
		b.applyAll() // the open, which starts what waits
		b.applyAll()
		b.wantUpdated(4)
	})
}

func TestLimitsAreAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{RequestsPerClient: 2})
		id := b.open()
		for i := range uint64(3) {
			b.write(put(nil, id, i+1, header(i+1, time.Second)))
		}
		b.wantError(3, protocol.CodeOverloaded)
		b.applyAll()
		b.wantUpdated(1)
		b.wantUpdated(2)
		large := kv.AppendPut(nil, kv.Update{Session: id, Sequence: 4, Low: 1}, make([]byte, kv.KeyBytesMax+1), nil)
		b.write(protocol.AppendUpdate(nil, header(4, time.Second), large))
		b.wantError(4, protocol.CodeTooLarge)
		b.write(put(nil, id, 5, header(5, time.Second)))
		b.applyAll()
		b.wantUpdated(5)
		if b.count.Overloaded.Load() != 1 {
			t.Errorf("%d were counted as overloaded, want 1", b.count.Overloaded.Load())
		}
	})
}

func TestMalformedInputIsToldOnceAndEndsOnlyItsConnection(t *testing.T) {
	for name, frame := range map[string][]byte{
		"checksum": func() []byte {
			f := get(nil, protocol.Stale, header(1, time.Second))
			f[len(f)-1] ^= 1
			return f
		}(),
		"oversize": {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		"zero":     make([]byte, protocol.HeaderBytes),
		"command":  protocol.AppendUpdate(nil, header(1, time.Second), []byte{1, 0xff}),
		"kind":     protocol.AppendFrame(nil, &protocol.Frame{Kind: 0x0FFE, Body: []byte("x")}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Limits{})
				other := b.stream
				b.stream = b.connect()
				b.write(frame)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				select {
				case <-b.stream.Session().Done():
				case <-ctx.Done():
					t.Error("the connection lives on")
				}
				text := b.log.String()
				if strings.Count(text, "\n") != 1 || !strings.Contains(text, "198.51.100.7:4711") ||
					!strings.Contains(text, "length") || b.count.Malformed.Load() != 1 {
					t.Errorf("%d counted, log:\n%s", b.count.Malformed.Load(), text)
				}
				b.stream = other
				b.write(get(nil, protocol.Stale, header(2, time.Second)))
				if f := b.answer(); f.Kind != protocol.KindGot {
					t.Errorf("the other connection got %s", f.Kind)
				}
			})
		})
	}
}

func TestDrainWaitsForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{})
		id := b.open()
		b.write(put(nil, id, 1, header(1, 10*time.Second)))
		drained := make(chan struct{})
		go func() { b.gateway.Drain(time.Minute); close(drained) }()
		b.pass(time.Second)
		b.write(put(nil, id, 2, header(2, time.Second)))
		b.wantError(2, protocol.CodeUnavailable)
		select {
		case <-drained:
			t.Error("drained with a request under way")
		default:
		}
		b.apply(b.replica.take()[0]...)
		b.wantUpdated(1)
		<-drained
	})
}
