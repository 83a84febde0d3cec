package peer

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/daemon/monitor"
	"synod/protocol"
)

// patience bounds what a test waits for; nothing is asserted about how long it
// takes.
const patience = 20 * time.Second

// node is one replica's links with a log and what they received.
type node struct {
	t        *testing.T
	links    *Links
	count    *monitor.Counters
	faults   *fault.Controller // of its links
	received chan paxos.Envelope
	downs    chan paxos.ReplicaID
	chunks   chan protocol.SnapshotChunk

	mu  sync.Mutex
	log bytes.Buffer
}

func (n *node) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

func (n *node) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// network is the addresses of some replicas.
type network struct {
	t         *testing.T
	listeners map[paxos.ReplicaID]net.Listener
	addresses map[paxos.ReplicaID]string
}

func newNetwork(t *testing.T, replicas int) *network {
	t.Helper()
	w := &network{t: t, listeners: map[paxos.ReplicaID]net.Listener{}, addresses: map[paxos.ReplicaID]string{}}
	for r := paxos.ReplicaID(1); int(r) <= replicas; r++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		w.listeners[r], w.addresses[r] = l, l.Addr().String()
	}
	return w
}

// start starts a replica's links, on a new listener if the first was used.
func (w *network) start(r paxos.ReplicaID, change func(*protocol.Identity)) *node {
	w.t.Helper()
	n := &node{
		t: w.t, count: &monitor.Counters{}, received: make(chan paxos.Envelope, 4096),
		downs: make(chan paxos.ReplicaID, 64), chunks: make(chan protocol.SnapshotChunk, 64),
	}
	logger, err := monitor.NewLogger(monitor.LogOptions{Level: "info", Writers: []io.Writer{n}})
	if err != nil {
		w.t.Fatal(err)
	}
	id := protocol.Identity{
		Cluster: paxos.ClusterID{9}, Replica: r, Incarnation: 1, Run: uint64(r), Replicas: len(w.addresses),
	}
	if change != nil {
		change(&id)
	}
	broken := fault.NewTable()
	n.faults = fault.New(fault.Options{Self: r, Enabled: true, TTL: time.Hour, Links: broken, Logger: logger})
	over := make(chan struct{})
	others := map[paxos.ReplicaID]string{}
	for other, address := range w.addresses {
		if other != r {
			others[other] = address
		}
	}
	n.links = New(Options{
		Identity: id, Addresses: others, Logger: logger, Counters: n.count, Faults: broken,
		Receive: func(envelopes []paxos.Envelope) {
			for _, e := range envelopes {
				select {
				case n.received <- e:
				case <-over:
				}
			}
		},
		Down: func(r paxos.ReplicaID) { n.downs <- r },
		Answer: func(from paxos.ReplicaID, ask protocol.SnapshotAsk) protocol.SnapshotChunk {
			data := bytes.Repeat([]byte{byte(from)}, protocol.BulkChunkBytesMax)
			return protocol.SnapshotChunk{Copy: ask.Copy + 1, Offset: ask.Offset, Bytes: 1 << 40, Data: data}
		},
		AnswerTo: func(_ paxos.ReplicaID, c protocol.SnapshotChunk) {
			c.Data = bytes.Clone(c.Data)
			n.chunks <- c
		},
	})
	l := w.listeners[r]
	delete(w.listeners, r)
	if l == nil {
		if l, err = net.Listen("tcp", w.addresses[r]); err != nil {
			l, err = net.Listen("tcp", "127.0.0.1:0") // a second process cannot have the first one's port
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	go func() { _ = n.links.Serve(l) }()
	n.links.Start()
	w.t.Cleanup(func() {
		close(over) // a reader may wait for a test that takes nothing more
		n.links.Close()
	})
	return n
}

// connected waits until a node is connected to so many others.
func (n *node) connected(count int) {
	n.t.Helper()
	n.until("connections", func() bool {
		have := 0
		for _, s := range n.links.Status() {
			if s.Connected {
				have++
			}
		}
		return have == count
	})
}

func (n *node) until(what string, reached func() bool) {
	n.t.Helper()
	for end := time.Now().Add(patience); !reached(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("waited for %s in vain; log:\n%s", what, n.text())
		}
	}
}

func (n *node) next() paxos.Envelope {
	n.t.Helper()
	select {
	case e := <-n.received:
		return e
	case <-time.After(patience):
		n.t.Fatalf("nothing arrives; log:\n%s", n.text())
		return paxos.Envelope{}
	}
}

func envelope(from, to paxos.ReplicaID, message paxos.Message) paxos.Envelope {
	return paxos.Envelope{
		Cluster: paxos.ClusterID{9}, Incarnation: 1, From: paxos.Address{Replica: from, Roles: paxos.RoleAcceptor},
		To: paxos.Address{Replica: to, Roles: paxos.RoleLearner}, Message: message,
	}
}

func TestMessagesReachOneOrAll(t *testing.T) {
	w := newNetwork(t, 3)
	a, b, c := w.start(1, nil), w.start(2, nil), w.start(3, nil)
	for _, n := range []*node{a, b, c} {
		n.connected(2)
	}
	b.links.Send([]paxos.Envelope{
		envelope(2, paxos.Everyone, &paxos.Accept{Slot: 7, Value: bytes.Repeat([]byte("v"), 300<<10)}),
		envelope(2, 2, &paxos.Heartbeat{}), // for the own replica: it does not leave
		envelope(2, 3, &paxos.Accepted{First: 7, Last: 7}),
	})
	for _, n := range []*node{a, c} {
		if m, ok := n.next().Message.(*paxos.Accept); !ok || m.Slot != 7 || len(m.Value) != 300<<10 {
			t.Errorf("arrived: %+v", m)
		}
	}
	if m, ok := c.next().Message.(*paxos.Accepted); !ok || m.Last != 7 {
		t.Errorf("arrived: %+v", m)
	}
	b.links.Send([]paxos.Envelope{envelope(2, 1, &paxos.Heartbeat{Sequence: 5})})
	if m, ok := a.next().Message.(*paxos.Heartbeat); !ok || m.Sequence != 5 {
		t.Errorf("arrived: %+v", m)
	}
	if heard := c.links.AcceptorsHeard(time.Hour); heard != 1 {
		t.Errorf("acceptors heard: %d, want that of r2", heard)
	}
	a.until("a round trip time", func() bool { return a.links.Status()[0].RTT > 0 })
}

func TestWhatIsFetchedTakesAConnectionOfItsOwn(t *testing.T) {
	w := newNetwork(t, 2)
	a, b := w.start(1, nil), w.start(2, nil)
	a.connected(1)
	b.connected(1)
	// The higher number asks: it dials for that, although it never dials a link.
	b.links.Send([]paxos.Envelope{envelope(2, 1, &paxos.Fetch{First: 1, Last: 9, BytesMax: 100})})
	if m, ok := a.next().Message.(*paxos.Fetch); !ok || m.Last != 9 {
		t.Fatalf("arrived: %+v", m)
	}
	a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Held{First: 1, Through: 9})})
	if m, ok := b.next().Message.(*paxos.Held); !ok || m.Through != 9 {
		t.Fatalf("arrived: %+v", m)
	}
}

func TestALostLinkIsToldAndComesBack(t *testing.T) {
	w := newNetwork(t, 2)
	a, b := w.start(1, nil), w.start(2, nil)
	a.connected(1)
	b.connected(1)
	b.links.Close()
	select {
	case r := <-a.downs:
		if r != 2 {
			t.Errorf("%s was told to be down", r)
		}
	case <-time.After(patience):
		t.Fatal("the loss was not told")
	}
	a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Nack{})})
	if a.count.PeerDropped.Load() != 1 {
		t.Errorf("%d messages counted as dropped, want 1", a.count.PeerDropped.Load())
	}
	again := w.start(2, func(id *protocol.Identity) { id.Run = 77 })
	a.connected(1)
	again.connected(1)
	a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Nack{})})
	again.next()
}

func TestASlowPeerNeverBlocksTheSender(t *testing.T) {
	w := newNetwork(t, 2)
	a, b := w.start(1, nil), w.start(2, nil)
	a.connected(1)
	b.connected(1)
	// b takes nothing: its channel is full and its reader waits.
	value := make([]byte, 1<<20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5000 {
			a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Nack{})})
		}
		for range 100 {
			a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Accept{Value: value})})
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the sender is blocked")
	}
	a.until("drops", func() bool { return a.count.PeerDropped.Load() > 0 })
}

// TestForwardsDoNotPushOutVotes: more commands than their limit are sent to a replica
// that takes nothing; votes and a promise in many parts behind them get through.
func TestForwardsDoNotPushOutVotes(t *testing.T) {
	w := newNetwork(t, 2)
	a, b := w.start(1, nil), w.start(2, nil)
	a.connected(1)
	b.connected(1)
	for range 2 * cap(b.received) { // from now on b takes nothing
		a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Nack{})})
	}
	b.until("a full channel", func() bool { return len(b.received) == cap(b.received) })
	a.until("the first drop", func() bool { // everything on the way fills up first
		a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Forward{Commands: [][]byte{make([]byte, 1<<20)}})})
		return a.count.ForwardsDropped.Load() > 0
	})
	dropped := a.count.PeerDropped.Load()
	if forwards := a.count.ForwardsDropped.Load(); dropped != forwards {
		t.Errorf("%d messages were dropped, %d of them forwards", dropped, forwards)
	}
	const parts = 100
	envelopes := []paxos.Envelope{envelope(1, 2, &paxos.Accepted{First: 7, Last: 7})}
	for part := range uint32(parts) {
		envelopes = append(envelopes, envelope(1, 2, &paxos.Promise{
			Part: part, Parts: parts, Entries: []paxos.Entry{{Slot: paxos.Slot(part + 1), Value: make([]byte, 256<<10)}},
		}))
	}
	a.links.Send(append(envelopes, envelope(1, 2, &paxos.Accepted{First: 8, Last: 8})))
	if now := a.count.PeerDropped.Load(); now != dropped {
		t.Errorf("%d messages were dropped behind the forwards", now-dropped)
	}
	votes, arrived := 0, 0
	for votes < 2 {
		switch b.next().Message.(type) {
		case *paxos.Accepted:
			votes++
		case *paxos.Promise:
			arrived++
		}
	}
	if arrived != parts {
		t.Errorf("%d parts of a promise arrived, want %d", arrived, parts)
	}
}

func TestStrangersAreRefusedWithASentence(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*protocol.Identity)
		words  string
	}{
		"another cluster":  {func(id *protocol.Identity) { id.Cluster[0] = 8 }, "check addresses and data folders"},
		"a second process": {func(id *protocol.Identity) { id.Run = 4711 }, "another process runs as r1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 2)
			first, b := w.start(1, nil), w.start(2, nil)
			first.connected(1)
			b.connected(1)
			stranger := w.start(1, c.change)
			stranger.until("the refusal at the stranger", func() bool { return strings.Contains(stranger.text(), c.words) })
			b.until("the refusal here", func() bool { return strings.Contains(b.text(), c.words) })
			stranger.until("a second attempt", func() bool { return b.count.Refused.Load() >= 2 })
			if n := strings.Count(b.text(), c.words); n != 1 {
				t.Errorf("logged %d times, want once:\n%s", n, b.text())
			}
			if first.count.LinkBreaks.Load() != 0 {
				t.Error("the right replica lost its link")
			}
		})
	}
}

func TestForeignFramesAreDropped(t *testing.T) {
	w := newNetwork(t, 2)
	a, b := w.start(1, nil), w.start(2, nil)
	a.connected(1)
	b.connected(1)
	forged := envelope(2, 2, &paxos.Nack{})
	forged.From.Replica = 2 // a claims to be b
	foreign := envelope(1, 2, &paxos.Nack{})
	foreign.Cluster = paxos.ClusterID{8}
	for i, e := range []paxos.Envelope{forged, foreign} {
		frames := protocol.AppendEnvelope(nil, &e)
		a.links.queue(2, classConsensus, frames, 1)
		b.until("the count", func() bool { return b.count.PeerForeign.Load() == uint64(i+1) })
	}
	a.links.Send([]paxos.Envelope{envelope(1, 2, &paxos.Nack{})})
	if e := b.next(); e.From.Replica != 1 {
		t.Errorf("arrived: %+v", e)
	}
}

func TestNonsenseOnThePortIsToldWithItsAddress(t *testing.T) {
	w := newNetwork(t, 2)
	b := w.start(2, nil)
	conn, err := net.Dial("tcp", w.addresses[2])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	b.until("the line", func() bool {
		return strings.Contains(b.text(), conn.LocalAddr().String()) && strings.Contains(b.text(), "malformed")
	})
	if b.count.Malformed.Load() != 1 {
		t.Error("not counted")
	}
}

// TestSilentStrangersKeepNobodyOut: as many as may wait hold the port of both and
// say nothing; the replicas find each other all the same.
func TestSilentStrangersKeepNobodyOut(t *testing.T) {
	// A starved machine may need longer than a stranger may be silent; then it tells nothing, and is tried again.
	for range 5 {
		if silentStrangers(t) {
			return
		}
	}
	t.Fatal("in five tries the strangers had left before the link came back")
}

// silentStrangers reports whether the strangers were still there when the replicas had found each other.
func silentStrangers(t *testing.T) bool {
	w := newNetwork(t, 2)
	two := w.start(2, nil)
	one := w.start(1, nil)
	one.connected(1)
	for range strangeMax {
		for _, address := range w.addresses {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	for _, n := range []*node{one, two} {
		n.until("strangers at the door", func() bool {
			n.links.mu.Lock()
			defer n.links.mu.Unlock()
			return len(n.links.strange) == strangeMax
		})
	}
	two.links.links[1].mu.Lock()
	session := two.links.links[1].current.session
	two.links.links[1].mu.Unlock()
	_ = session.Close()
	<-one.downs
	one.connected(1)
	two.connected(1)
	one.links.mu.Lock()
	defer one.links.mu.Unlock()
	return len(one.links.strange) >= strangeMax/2
}
