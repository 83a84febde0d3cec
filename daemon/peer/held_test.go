package peer

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/daemon/monitor"
	"synod/protocol"
)

// harm breaks links of a node.
func (n *node) harm(links ...fault.Link) []uint64 {
	n.t.Helper()
	ids, err := n.faults.Break(links, "test", 0)
	if err != nil {
		n.t.Fatal(err)
	}
	return ids
}

func (n *node) mend() {
	n.t.Helper()
	if _, err := n.faults.ClearAll("test"); err != nil {
		n.t.Fatal(err)
	}
}

// everyWay is a message for each class of them.
func everyWay(from, to paxos.ReplicaID) []paxos.Envelope {
	return []paxos.Envelope{
		envelope(from, to, &paxos.Accepted{First: 1, Last: 1}),
		envelope(from, to, &paxos.Forward{Commands: [][]byte{{1}}}),
		envelope(from, to, &paxos.Promise{Part: 0, Parts: 1}),
		envelope(from, to, &paxos.Heartbeat{Sequence: 1}),
		envelope(from, to, &paxos.Fetch{First: 1, Last: 1}),
	}
}

// TestACutIsSilenceAndNotAReset: in the direction that is cut nothing of the roles
// passes, on no stream; the connection lives and is measured, and the other
// direction is whole.
func TestACutIsSilenceAndNotAReset(t *testing.T) {
	for name, breaks := range map[string]func(a, b *node) (at *node){
		"at the sender": func(a, _ *node) *node {
			a.harm(fault.Link{Peer: 2, Direction: fault.Out, Cut: true})
			return a
		},
		"at the receiver": func(_, b *node) *node {
			b.harm(fault.Link{Peer: 1, Direction: fault.In, Cut: true})
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, 2)
			a, b := w.start(1, nil), w.start(2, nil)
			a.connected(1)
			b.connected(1)
			at := breaks(a, b)
			messages := everyWay(1, 2)
			a.links.Send(messages)
			if name == "at the sender" { // a question that may not leave dials no connection, either
				messages = append(messages, envelope(1, paxos.Everyone, &paxos.Heartbeat{}))
				a.links.Send(messages[len(messages)-1:])
			}
			at.until("the count", func() bool { return at.count.FaultLost.Load() == uint64(len(messages)) })
			b.links.Send(everyWay(2, 1)[:4])
			for range 4 {
				a.next()
			}
			link := b.links.links[1]
			link.rtt.Store(0)
			b.until("a round trip over the cut link", func() bool { return link.rtt.Load() > 0 })
			if len(b.received) != 0 || b.links.AcceptorsHeard(time.Hour) != 0 {
				t.Errorf("%d messages passed, %d acceptors were heard", len(b.received), b.links.AcceptorsHeard(time.Hour))
			}
			if a.links.AcceptorsHeard(time.Hour) != 1 || len(a.downs)+len(b.downs) != 0 {
				t.Error("more than the one direction is broken")
			}
			at.mend()
			a.links.Send(messages[:1])
			b.next()
		})
	}
}

func TestALossyLinkLosesSome(t *testing.T) {
	w := newNetwork(t, 3)
	a, b, c := w.start(1, nil), w.start(2, nil), w.start(3, nil)
	for _, n := range []*node{a, b, c} {
		n.connected(2)
	}
	a.harm(fault.Link{Peer: 2, Direction: fault.Out, LossPermille: 500})
	const all = 1000
	var batch []paxos.Envelope
	for i := range paxos.Slot(all) {
		batch = append(batch, envelope(1, paxos.Everyone, &paxos.Accepted{First: i + 1, Last: i + 1}))
	}
	a.links.Send(batch)
	a.mend()
	a.links.Send([]paxos.Envelope{envelope(1, paxos.Everyone, &paxos.Nack{})})
	arrived := func(n *node) (count int) {
		for last := paxos.Slot(0); ; count++ {
			m, vote := n.next().Message.(*paxos.Accepted)
			if !vote {
				return count
			}
			if m.First <= last {
				t.Errorf("slot %d behind %d", m.First, last)
			}
			last = m.First
		}
	}
	if got := arrived(c); got != all {
		t.Errorf("over the whole link %d of %d arrived", got, all)
	}
	lost := int(a.count.FaultLost.Load())
	if got := arrived(b); got != all-lost || lost < all/4 || lost > all*3/4 { // fifteen deviations
		t.Errorf("%d of %d arrived, %d were counted as lost", got, all, lost)
	}
}

// quiet is links that dial nobody, for a fake clock.
type quiet struct {
	links  *Links
	faults *fault.Controller
	count  monitor.Counters

	mu  sync.Mutex
	got []paxos.Slot
}

func newQuiet(t testing.TB) *quiet {
	q := &quiet{}
	broken, logger := fault.NewTable(), slog.New(slog.DiscardHandler)
	q.faults = fault.New(fault.Options{Self: 3, Enabled: true, TTL: time.Hour, Links: broken, Logger: logger})
	q.links = New(Options{
		Identity:  protocol.Identity{Cluster: paxos.ClusterID{9}, Replica: 3, Replicas: 3},
		Addresses: map[paxos.ReplicaID]string{1: "", 2: ""}, Logger: logger, Counters: &q.count, Faults: broken,
		Receive: func(envelopes []paxos.Envelope) {
			q.mu.Lock()
			defer q.mu.Unlock()
			for i := range envelopes {
				q.got = append(q.got, envelopes[i].Message.(*paxos.Accepted).First)
			}
		},
	})
	q.links.Start()
	t.Cleanup(func() { q.faults.Close() })
	return q
}

// harm slows what comes from r1.
func (q *quiet) harm(t testing.TB, delay, jitter time.Duration) uint64 {
	t.Helper()
	ids, err := q.faults.Break([]fault.Link{{Peer: 1, Direction: fault.In, Delay: delay, Jitter: jitter}}, "test", 0)
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

// arrives lets votes about the slots come from r1; it reports whether all passed.
func (q *quiet) arrives(first, last paxos.Slot) {
	k := q.links.links[1]
	for slot := first; slot <= last; slot++ {
		e := envelope(1, 3, &paxos.Accepted{First: slot})
		damage := q.links.options.Faults.Damage(1, fault.In)
		if damage == nil || !q.links.hinderIn(k, e, 100, damage) {
			q.links.receive(k, []paxos.Envelope{e})
		}
	}
}

func (q *quiet) slots() []paxos.Slot {
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	got := q.got
	q.got = nil
	return got
}

// ordered wants exactly these slots, in order.
func ordered(t *testing.T, when string, got []paxos.Slot, first, last paxos.Slot) {
	t.Helper()
	if len(got) != int(last-first+1) {
		t.Errorf("%s: %d messages, want those from %d to %d", when, len(got), first, last)
		return
	}
	for i, slot := range got {
		if slot != first+paxos.Slot(i) {
			t.Errorf("%s: slot %d in the place of %d", when, slot, first+paxos.Slot(i))
			return
		}
	}
}

func TestASlowLinkKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		defer q.links.Close()
		slow := q.harm(t, 50*time.Millisecond, 0)
		q.arrives(1, 10)
		time.Sleep(20 * time.Millisecond)
		q.arrives(11, 20)
		time.Sleep(29 * time.Millisecond)
		ordered(t, "before anything is due", q.slots(), 1, 0)
		if held := q.links.Held(); held != 20 {
			t.Errorf("%d are held", held)
		}
		if q.links.AcceptorsHeard(time.Hour) != 0 {
			t.Error("an acceptor was heard whose messages have not arrived")
		}
		time.Sleep(time.Millisecond)
		ordered(t, "after the first 50 ms", q.slots(), 1, 10)
		// A shorter delay lets nothing overtake.
		q.harm(t, time.Millisecond, 0)
		if _, err := q.faults.Clear([]uint64{slow}, "test"); err != nil {
			t.Fatal(err)
		}
		q.arrives(21, 30)
		time.Sleep(20 * time.Millisecond)
		ordered(t, "after 20 ms more", q.slots(), 11, 30)
	})
}

func TestTheEndOfADelayLetsEverythingGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		defer q.links.Close()
		id := q.harm(t, 10*time.Second, 0)
		q.arrives(1, 1000)
		ordered(t, "while it is slow", q.slots(), 1, 0)
		if _, err := q.faults.Clear([]uint64{id}, "test"); err != nil {
			t.Fatal(err)
		}
		ordered(t, "when it is not", q.slots(), 1, 1000)
		// A cut takes what is on its way.
		id = q.harm(t, 10*time.Second, 0)
		q.arrives(1, 10)
		cut := []fault.Link{{Peer: 1, Direction: fault.In, Cut: true}}
		if _, err := q.faults.Break(cut, "test", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := q.faults.Clear([]uint64{id}, "test"); err != nil {
			t.Fatal(err)
		}
		ordered(t, "when it is cut", q.slots(), 1, 0)
		if lost := q.count.FaultLost.Load(); lost != 10 || q.links.Held() != 0 {
			t.Errorf("%d lost, %d held", lost, q.links.Held())
		}
	})
}

func TestJitterReorders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		defer q.links.Close()
		q.harm(t, 10*time.Millisecond, 100*time.Millisecond)
		q.arrives(1, 1000)
		time.Sleep(9 * time.Millisecond)
		ordered(t, "before the delay", q.slots(), 1, 0)
		time.Sleep(51 * time.Millisecond)
		half := q.slots()
		time.Sleep(50 * time.Millisecond)
		all := append(half, q.slots()...)
		if len(half) < 300 || len(half) > 700 || len(all) != 1000 {
			t.Errorf("%d of %d arrived in half of the jitter", len(half), len(all))
		}
		overtaken := 0
		for i := 1; i < len(all); i++ {
			if all[i] < all[i-1] {
				overtaken++
			}
		}
		if overtaken < 100 {
			t.Errorf("only %d were overtaken", overtaken)
		}
	})
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuiet(t)
		defer q.links.Close()
		q.harm(t, time.Second, 0)
		q.arrives(1, heldMessagesMax+5)
		if over := q.count.FaultOverflow.Load(); over != 5 || q.links.Held() != heldMessagesMax {
			t.Errorf("%d held, %d above the limit", q.links.Held(), over)
		}
		time.Sleep(time.Second)
		ordered(t, "those within the limit", q.slots(), 1, heldMessagesMax)

		damage := q.links.options.Faults.Damage(1, fault.In)
		const large = heldBytesMax/2 + 1
		for range 3 {
			q.links.hinderIn(q.links.links[1], envelope(1, 3, &paxos.Accepted{First: 1}), large, damage)
		}
		if over := q.count.FaultOverflow.Load(); over != 5+2 || q.links.Held() != 1 {
			t.Errorf("of three with %d bytes %d are held", large, q.links.Held())
		}
	})
}

// TestASlowLinkSendsLater goes over a real connection: both ends are slow.
func TestASlowLinkSendsLater(t *testing.T) {
	w := newNetwork(t, 2)
	a, b := w.start(1, nil), w.start(2, nil)
	a.connected(1)
	b.connected(1)
	const late = 30 * time.Millisecond
	a.harm(fault.Link{Peer: 2, Direction: fault.Both, Delay: late})
	begin := time.Now()
	a.links.Send(everyWay(1, 2))
	for range 5 {
		b.next()
	}
	if took := time.Since(begin); took < late {
		t.Errorf("arrived after %v, the link is %v slow", took, late)
	}
	begin = time.Now()
	b.links.Send(everyWay(2, 1)[:4])
	for range 4 {
		a.next()
	}
	if took := time.Since(begin); took < late {
		t.Errorf("arrived after %v, the link is %v slow", took, late)
	}
}

// BenchmarkSend is the way of one message into the queues of four links: without the
// means to break them, with whole links, and with another one that is broken.
func BenchmarkSend(b *testing.B) {
	for name, prepare := range map[string]func(*fault.Controller, *Options){
		"without": func(_ *fault.Controller, o *Options) { o.Faults = nil },
		"whole":   func(*fault.Controller, *Options) {},
		"other broken": func(c *fault.Controller, _ *Options) {
			_, _ = c.Break([]fault.Link{{Peer: 6, Direction: fault.Out, Cut: true}}, "test", 0) // no link of these
		},
	} {
		b.Run(name, func(b *testing.B) {
			logger := slog.New(slog.DiscardHandler)
			options := Options{
				Identity:  protocol.Identity{Replica: 5, Replicas: 5},
				Addresses: map[paxos.ReplicaID]string{1: "", 2: "", 3: "", 4: ""},
				Counters:  &monitor.Counters{}, Logger: logger, Faults: fault.NewTable(),
			}
			faults := fault.New(fault.Options{
				Self: 5, Enabled: true, TTL: time.Hour, Links: options.Faults, Logger: logger,
			})
			defer faults.Close()
			prepare(faults, &options)
			links := New(options)
			defer links.Close()
			message := []paxos.Envelope{envelope(5, paxos.Everyone, &paxos.Accepted{First: 1, Last: 1})}
			for b.Loop() {
				links.Send(message)
			}
		})
	}
}
