package trace

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"synod/core/agent"
	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/daemon/host"
	"synod/daemon/monitor"
	"synod/protocol"
)

var (
	ballot1 = paxos.Ballot{Round: 12, Replica: 1, Run: 7}
	ballot2 = paxos.Ballot{Round: 13, Replica: 2, Run: 9}
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// world drives a recorder as the roles of a replica would.
type world struct {
	*Recorder
	rounds monitor.Rounds
	now    time.Time
}

func newWorld() *world {
	w := &world{now: noon()}
	w.Recorder = New(Options{Replicas: 5, Tick: 10 * time.Millisecond, Rounds: &w.rounds})
	return w
}

func (w *world) sleep(micros int) { w.now = w.now.Add(time.Duration(micros) * time.Microsecond) }

// put is a value with so many puts of keys that begin with a name.
func put(name string, commands int) paxos.Value {
	var all [][]byte
	for i := range commands {
		at := kv.Update{Session: session.ID{Slot: 3, Index: 1}, Sequence: uint64(9 + i), Low: 1}
		all = append(all, kv.AppendPut(nil, at, []byte(name), []byte("value")))
	}
	return paxos.AppendBatch(nil, 1, all)
}

func to(r paxos.ReplicaID, m paxos.Message) paxos.Envelope {
	return paxos.Envelope{From: paxos.Address{Replica: 1}, To: paxos.Address{Replica: r}, Message: m}
}

func from(r paxos.ReplicaID, m paxos.Message) paxos.Envelope {
	return paxos.Envelope{From: paxos.Address{Replica: r}, Message: m}
}

// deliver is one Deliver that began with the arrival of its messages now, and took
// so long.
func (w *world) deliver(role paxos.Roles, in []paxos.Envelope, micros int, out ...paxos.Envelope) {
	d := host.Delivery{Envelopes: in, Messages: out}
	if len(in) > 0 {
		d.Arrivals = []host.Arrival{{At: w.now}}
	}
	if role == paxos.RoleAcceptor {
		w.Arrived(&agent.Input{Envelopes: in}, nil)
	}
	w.sleep(micros)
	d.Done = w.now
	w.Delivered(role, &d)
}

// accept is the acceptor's work for one slot.
func (w *world) accept(s paxos.Slot, b paxos.Ballot, v paxos.Value, micros int) {
	vote := &paxos.Accepted{Ballot: b, First: s, Last: s}
	w.deliver(paxos.RoleAcceptor, []paxos.Envelope{from(b.Replica, &paxos.Accept{Ballot: b, Slot: s, Value: v})}, micros,
		to(1, vote), to(2, vote), to(3, vote))
}

func (w *world) propose(s paxos.Slot, b paxos.Ballot, v paxos.Value) {
	w.deliver(paxos.RoleProposer, nil, 1, to(paxos.Everyone, &paxos.Accept{Ballot: b, Slot: s, Value: v}))
}

func (w *world) vote(r paxos.ReplicaID, b paxos.Ballot, first, last paxos.Slot) {
	w.deliver(paxos.RoleProposer, []paxos.Envelope{from(r, &paxos.Accepted{Ballot: b, First: first, Last: last})}, 1)
}

// trace gives the trace of one slot, and its steps in short.
func (w *world) trace(t *testing.T, s paxos.Slot) (protocol.SlotTrace, string) {
	t.Helper()
	answer := w.Slots(protocol.SlotsQuery{From: uint64(s), To: uint64(s)})
	if len(answer.Slots) != 1 {
		t.Fatalf("slot %d is not known: %+v", s, answer)
	}
	var steps []string
	for _, k := range answer.Slots[0].Steps {
		text := fmt.Sprintf("%d %s", k.At.Sub(noon()).Microseconds(), k.What)
		for _, part := range []string{k.From, k.Ballot} {
			if part != "" {
				text += " " + part
			}
		}
		if k.TookMicros > 0 {
			text += fmt.Sprintf(" took=%d", k.TookMicros)
		}
		if k.Times > 0 {
			text += fmt.Sprintf(" times=%d", k.Times)
		}
		steps = append(steps, text)
	}
	return answer.Slots[0], strings.Join(steps, "; ")
}

func TestTheLifeOfASlot(t *testing.T) {
	w := newWorld()
	v := put("user/9", 1)
	w.propose(5, ballot1, v)
	w.accept(5, ballot1, v, 800)
	for r := paxos.ReplicaID(1); r <= 4; r++ {
		w.vote(r, ballot1, 5, 5)
	}
	w.vote(2, ballot1, 5, 5) // once more: nothing new
	known := w.now
	w.sleep(30)
	w.Applied([]paxos.Entry{{Slot: 5, Ballot: ballot1, Value: v}}, known, w.now)
	trace, steps := w.trace(t, 5)
	want := "1 proposed; 801 accepted took=800; 801 voted r1; 802 voted r2; 803 voted r3; 804 voted r4; 806 chosen; " +
		"836 applied took=30"
	if steps != want {
		t.Errorf("steps are\n%s\nwant\n%s", steps, want)
	}
	if trace.Ballot != "12.r1" || trace.Operation != "put" || string(trace.Key) != "user/9" || trace.Commands != 1 ||
		trace.Bytes != len(v) || trace.Request != "3.1.9" {
		t.Errorf("the value is told as %+v", trace)
	}
	if h := w.rounds.Chosen.Histogram(); h.Count != 1 || h.Sum != 0.000802 {
		t.Errorf("proposed at 1, the third vote at 803: %+v", h)
	}
	if h := w.rounds.Batches.Histogram(); h.Count != 1 || h.Sum != 1 {
		t.Errorf("one slot with one sync: %+v", h)
	}
}

// TestWhyASlotIsStuck: two acceptors vote, three do not answer.
func TestWhyASlotIsStuck(t *testing.T) {
	w := newWorld()
	v := put("a", 3)
	w.propose(7, ballot1, v)
	w.vote(1, ballot1, 7, 7)
	w.vote(2, ballot1, 7, 7)
	for range 2 {
		w.sleep(200_000)
		again := &paxos.Accept{Ballot: ballot1, Slot: 7, Value: v}
		w.deliver(paxos.RoleProposer, nil, 0, to(3, again), to(4, again), to(5, again))
	}
	trace, steps := w.trace(t, 7)
	want := "1 proposed; 1 voted r1; 2 voted r2; " +
		"400003 asked r3 times=2; 400003 asked r4 times=2; 400003 asked r5 times=2"
	if steps != want || trace.Operation != "batch" || trace.Commands != 3 {
		t.Errorf("steps are\n%s\nwant\n%s", steps, want)
	}
	if h := w.rounds.Chosen.Histogram(); h.Count != 0 {
		t.Errorf("two of five are counted as chosen: %+v", h)
	}
}

// TestAcceptedIsSaidOfWhatIsDurable: an Accept that got no vote was not accepted.
func TestAcceptedIsSaidOfWhatIsDurable(t *testing.T) {
	w := newWorld()
	w.deliver(paxos.RoleAcceptor, []paxos.Envelope{from(1, &paxos.Accept{Ballot: ballot1, Slot: 8})}, 10) // a full disk
	if answer := w.Slots(protocol.SlotsQuery{}); len(answer.Slots) != 0 || answer.Newest != 0 {
		t.Errorf("without a vote there is %+v", answer)
	}
	// In one Deliver: a vote in ballot 1, then ballot 2 is promised, and ballot 1 refused.
	w.deliver(paxos.RoleAcceptor, []paxos.Envelope{
		from(1, &paxos.Accept{Ballot: ballot1, Slot: 8, Value: put("k", 1)}),
		from(2, &paxos.Prepare{Ballot: ballot2, From: 1}),
		from(1, &paxos.Accept{Ballot: ballot1, Slot: 9, Value: put("refused", 1)}),
	}, 10, to(1, &paxos.Accepted{Ballot: ballot1, First: 8, Last: 8}),
		to(1, &paxos.Nack{Ballot: ballot1, Promised: ballot2}))
	if _, steps := w.trace(t, 8); steps != "20 accepted took=10" {
		t.Errorf("slot 8: %s", steps)
	}
	if trace, steps := w.trace(t, 9); steps != "20 refused r1 took=10" || string(trace.Key) != "refused" {
		t.Errorf("slot 9: %s, %+v", steps, trace)
	}
	w.accept(8, ballot2, put("k2", 1), 5)
	w.accept(8, ballot2, put("k2", 1), 5) // sent twice, voted for twice, durable since the first
	trace, steps := w.trace(t, 8)
	want := "20 accepted 12.r1 took=10; 25 accepted took=5 times=2"
	if steps != want || trace.Ballot != "13.r2" || string(trace.Key) != "k2" {
		t.Errorf("slot 8 in two ballots: %s, %+v", steps, trace)
	}
}

func TestVotesForWhatWasNotProposedHereDoNotCount(t *testing.T) {
	w := newWorld()
	w.propose(4, ballot1, nil)
	w.vote(3, ballot1, 0, 1<<60) // nonsense that ends soon
	w.vote(4, paxos.Ballot{Round: ballot1.Round, Replica: ballot1.Replica, Run: 1}, 4, 4)
	w.vote(0, ballot1, 4, 4)
	w.vote(9, ballot1, 4, 4)
	if trace, steps := w.trace(t, 4); steps != "1 proposed; 1 voted r3" || trace.Operation != "noop" {
		t.Errorf("steps are %s", steps)
	}
	w.propose(4, ballot2, nil) // the same role, elected again
	w.vote(3, ballot1, 4, 4)
	if _, steps := w.trace(t, 4); steps != "1 proposed 12.r1; 1 voted r3 12.r1; 6 proposed" {
		t.Errorf("steps are %s", steps)
	}
}

func TestOnlyTheNewestSlotsAreKept(t *testing.T) {
	w := newWorld()
	last := paxos.Slot(3*SlotsKept + 17)
	for s := paxos.Slot(11); s <= last; s++ {
		w.accept(s, ballot1, nil, 1)
	}
	w.accept(5, ballot1, nil, 1) // too old to be kept
	answer := w.Slots(protocol.SlotsQuery{})
	oldest := uint64(last - SlotsKept + 1)
	if answer.Newest != uint64(last) || answer.Oldest != oldest || len(answer.Slots) != protocol.SlotsMax {
		t.Errorf("%d slots from %d to %d", len(answer.Slots), answer.Oldest, answer.Newest)
	}
	ascending := func(a, b protocol.SlotTrace) int { return int(a.Slot) - int(b.Slot) }
	if !slices.IsSortedFunc(answer.Slots, ascending) || answer.Slots[len(answer.Slots)-1].Slot != uint64(last) {
		t.Error("the newest are not there in order")
	}
	for _, c := range []struct {
		q           protocol.SlotsQuery
		first, last uint64
	}{
		{protocol.SlotsQuery{Max: 3}, uint64(last - 2), uint64(last)},
		{protocol.SlotsQuery{From: uint64(last - 1)}, uint64(last - 1), uint64(last)},
		{protocol.SlotsQuery{From: uint64(last - 50), To: uint64(last - 40), Max: 2}, uint64(last - 41), uint64(last - 40)},
		{protocol.SlotsQuery{To: answer.Oldest}, answer.Oldest, answer.Oldest},
		{protocol.SlotsQuery{From: 1, To: answer.Oldest - 1}, 0, 0},
		{protocol.SlotsQuery{From: uint64(last + 1), To: uint64(last + 9)}, 0, 0},
		{protocol.SlotsQuery{From: 9, To: 3}, 0, 0},
	} {
		got := w.Slots(c.q).Slots
		if c.first == 0 {
			if len(got) != 0 {
				t.Errorf("%+v gives %d slots, want none", c.q, len(got))
			}
			continue
		}
		if len(got) != int(c.last-c.first+1) || got[0].Slot != c.first {
			t.Errorf("%+v gives %d slots, want %d to %d", c.q, len(got), c.first, c.last)
		}
	}
}

// TestRingsFarApart: a learner that is far behind costs no search of all slots
// between.
func TestRingsFarApart(t *testing.T) {
	w := newWorld()
	for s := paxos.Slot(1); s <= 3; s++ {
		w.Applied([]paxos.Entry{{Slot: s, Ballot: ballot1}}, w.now, w.now)
		w.accept(1<<62+s, ballot1, nil, 1)
		w.propose(1<<40+s, ballot1, nil)
	}
	answer := w.Slots(protocol.SlotsQuery{})
	var got []uint64
	for i := range answer.Slots {
		got = append(got, answer.Slots[i].Slot)
	}
	want := []uint64{1, 2, 3, 1<<40 + 1, 1<<40 + 2, 1<<40 + 3, 1<<62 + 1, 1<<62 + 2, 1<<62 + 3}
	if !slices.Equal(got, want) || answer.Oldest != 1 || answer.Newest != 1<<62+3 {
		t.Errorf("slots %v from %d to %d, want %v", got, answer.Oldest, answer.Newest, want)
	}
	if found := w.Slots(protocol.SlotsQuery{From: 3, To: 1<<40 + 1}).Slots; len(found) != 2 || found[0].Slot != 3 {
		t.Errorf("from 3 to %d: %+v", 1<<40+1, found)
	}
}

// TestAnAnswerFitsIntoAFrame: even if every slot has every step, in long words.
func TestAnAnswerFitsIntoAFrame(t *testing.T) {
	w := newWorld()
	w.Recorder = New(Options{Replicas: paxos.ReplicasMax, Rounds: &w.rounds})
	v := put(strings.Repeat("\x00", kv.KeyBytesMax), 2)
	for s := paxos.Slot(1 << 60); s < 1<<60+protocol.SlotsMax; s++ {
		for round := range uint64(8) {
			b := paxos.Ballot{Round: 1<<63 + round, Replica: 1, Run: 1}
			w.propose(s, b, v)
			for r := paxos.ReplicaID(1); r <= paxos.ReplicasMax; r++ {
				w.vote(r, b, s, s)
				w.deliver(paxos.RoleProposer, nil, 0, to(r, &paxos.Accept{Ballot: b, Slot: s, Value: v}))
			}
			w.accept(s, b, v, 1<<30)
			w.Applied([]paxos.Entry{{Slot: s, Ballot: b, Value: v}}, w.now, w.now)
		}
	}
	answer := w.Slots(protocol.SlotsQuery{})
	body, err := json.Marshal(answer)
	if err != nil || len(body) > protocol.OperatorBytesMax || len(answer.Slots) < 20 {
		t.Errorf("%d slots in %d bytes, %v; the limit is %d", len(answer.Slots), len(body), err, protocol.OperatorBytesMax)
	}
	t.Logf("%d slots in %d bytes", len(answer.Slots), len(body))
}

// TestReadersDisturbNobody runs under the race detector.
func TestReadersDisturbNobody(t *testing.T) {
	w := newWorld()
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				for _, s := range w.Slots(protocol.SlotsQuery{Max: 20}).Slots {
					if len(s.Steps) == 0 || s.Slot == 0 {
						t.Errorf("a trace without steps: %+v", s)
					}
				}
				w.Ballots(protocol.BallotsQuery{})
			}
		}
	})
	for s := paxos.Slot(1); s < 2000; s++ {
		w.propose(s, ballot1, nil)
		w.accept(s, ballot1, nil, 1)
		w.vote(1, ballot1, s, s)
		w.Applied([]paxos.Entry{{Slot: s, Ballot: ballot1}}, w.now, w.now)
		w.Tell(paxos.RoleProposer, []paxos.Event{{Kind: paxos.EventFollowing, Ballot: ballot1}}, w.now)
	}
	close(stop)
	reading.Wait()
}

func TestRecordingAllocatesNothing(t *testing.T) {
	w, work := newWorld(), newWork()
	if count := testing.AllocsPerRun(100, func() { work.slot(w.Recorder) }); count != 0 {
		t.Errorf("%v allocations for a slot", count)
	}
}

// work is what the leader's replica does for one slot of 50 commands, five votes of
// which come one by one.
type work struct {
	accept  paxos.Accept
	vote    paxos.Accepted
	entries [1]paxos.Entry
	in      agent.Input
	out     host.Delivery
	disk    host.Delivery
	votes   [5]host.Delivery
}

func newWork() *work {
	k := &work{}
	k.accept = paxos.Accept{Ballot: ballot1, Value: put("user/1042/name", 50)}
	k.vote = paxos.Accepted{Ballot: ballot1}
	arrivals := []host.Arrival{{At: noon()}}
	k.out = host.Delivery{Messages: []paxos.Envelope{to(paxos.Everyone, &k.accept)}, Done: noon()}
	k.disk = host.Delivery{Envelopes: []paxos.Envelope{from(1, &k.accept)}, Arrivals: arrivals, Done: noon()}
	for r := range k.votes {
		id := paxos.ReplicaID(r + 1)
		k.disk.Messages = append(k.disk.Messages, to(id, &k.vote))
		k.votes[r] = host.Delivery{Envelopes: []paxos.Envelope{from(id, &k.vote)}, Arrivals: arrivals, Done: noon()}
	}
	k.entries[0] = paxos.Entry{Ballot: ballot1, Value: k.accept.Value}
	return k
}

func (k *work) slot(r *Recorder) {
	k.accept.Slot++
	s := k.accept.Slot
	k.vote.First, k.vote.Last, k.entries[0].Slot = s, s, s
	r.Delivered(paxos.RoleProposer, &k.out)
	k.in.Envelopes = k.disk.Envelopes
	r.Arrived(&k.in, nil)
	r.Delivered(paxos.RoleAcceptor, &k.disk)
	for i := range k.votes {
		r.Delivered(paxos.RoleProposer, &k.votes[i])
	}
	r.Applied(k.entries[:], noon(), noon())
}

// BenchmarkSlot is the whole cost of a slot at the leader, in all three rings.
func BenchmarkSlot(b *testing.B) {
	r, work := New(Options{Replicas: 5, Tick: time.Millisecond}), newWork()
	b.ReportAllocs()
	for b.Loop() {
		work.slot(r)
	}
}

// BenchmarkAnswer is what an operator's question for the newest 40 slots costs.
func BenchmarkAnswer(b *testing.B) {
	r, work := New(Options{Replicas: 5, Tick: time.Millisecond}), newWork()
	for range 100 {
		work.slot(r)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Slots(protocol.SlotsQuery{Max: 40})
	}
}
