package paxos

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
)

// newTestProposer returns r1's proposer in phase 1, and the ballot it asks with.
func newTestProposer(replicas int, o ProposerOptions) (*Proposer, Ballot) {
	o.Run = 11
	p := NewProposer(testConfig(1, replicas, testPlant), o)
	var out Output
	p.campaign(1, &out)
	return p, p.ballot
}

// leadingProposer returns a proposer of three replicas that leads from slot 1.
func leadingProposer(t *testing.T, o ProposerOptions) *Proposer {
	t.Helper()
	p, ballot := newTestProposer(3, o)
	step(p, promise(1, ballot), promise(2, ballot))
	if p.State() != Leading {
		t.Fatalf("two promises of three make it %s", p.State())
	}
	return p
}

func promise(r ReplicaID, b Ballot, entries ...Entry) Envelope {
	return from(r, RoleAcceptor, &Promise{Ballot: b, From: 1, Vector: Vector{1, 1, 1, 1, 1}, Parts: 1, Entries: entries})
}

func accepted(r ReplicaID, b Ballot, first, last Slot) Envelope {
	return from(r, RoleAcceptor, &Accepted{Ballot: b, First: first, Last: last, Vector: Vector{1, 1, 1, 1, 1}})
}

func entry(s Slot, b Ballot, v string) Entry { return Entry{s, b, Value(v)} }

func propose(commands ...string) Envelope {
	m := &Propose{}
	for _, c := range commands {
		m.Commands = append(m.Commands, []byte(c))
	}
	return from(1, RoleGateway, m)
}

// accepts says which values an output proposes for which slots.
func accepts(out *Output) map[Slot]string {
	found := map[Slot]string{}
	for _, m := range sentOf[*Accept](out) {
		text := string(m.Value)
		if len(m.Value) > wallBytes && m.Value[0] == 0 { // made by AppendBatch in a test without a clock
			text = ""
			for _, c := range m.Value.Commands() {
				text += "<" + string(c) + ">"
			}
		}
		found[m.Slot] = text
	}
	return found
}

// TestPhaseTwoFollowsFromPhaseOne: "where v is the value of the highest-numbered
// proposal among the responses, or is any value selected by the proposer if the
// responders reported no proposals" (2.2, phase 2a), for many slots at once, with
// no-ops in the gaps (3).
func TestPhaseTwoFollowsFromPhaseOne(t *testing.T) {
	for name, c := range map[string]struct {
		promises [][]Entry
		want     map[Slot]string
	}{
		"nothing reported": {[][]Entry{nil, nil, nil}, map[Slot]string{1: "<own>"}},
		"reported by one":  {[][]Entry{{entry(1, ballot1, "a")}, nil, nil}, map[Slot]string{1: "a", 2: "<own>"}},
		"the highest of two": {
			[][]Entry{{entry(1, ballot1, "a")}, {entry(1, ballot2, "b")}, nil}, map[Slot]string{1: "b", 2: "<own>"},
		},
		"in whatever order": {
			[][]Entry{{entry(1, ballot2, "b")}, nil, {entry(1, ballot1, "a")}}, map[Slot]string{1: "b", 2: "<own>"},
		},
		"a gap gets the no-op": {
			[][]Entry{{entry(3, ballot1, "c")}, nil, nil}, map[Slot]string{1: "", 2: "", 3: "c", 4: "<own>"},
		},
		"slots are not mixed": {
			[][]Entry{{entry(1, ballot1, "a"), entry(2, ballot1, "b")}, {entry(2, ballot2, "c")}, nil},
			map[Slot]string{1: "a", 2: "c", 3: "<own>"},
		},
		"a reported no-op is kept": {[][]Entry{{entry(1, ballot1, "")}, nil, nil}, map[Slot]string{1: "", 2: "<own>"}},
	} {
		p, ballot := newTestProposer(5, ProposerOptions{})
		p.queue, p.queueBytes = [][]byte{[]byte("own")}, 3
		out := step(p, promise(1, ballot, c.promises[0]...), promise(2, ballot, c.promises[1]...))
		if len(accepts(out)) > 0 {
			t.Fatalf("%s: proposes after two promises of five", name)
		}
		out = step(p, promise(3, ballot, c.promises[2]...))
		if got := accepts(out); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: proposes %v, want %v", name, got, c.want)
		}
		for _, m := range sentOf[*Accept](out) {
			if m.Ballot != ballot {
				t.Errorf("%s: proposes in %s, promised was %s", name, m.Ballot, ballot)
			}
		}
	}
}

// TestPromisesThatDoNotCount: "a response from a majority of acceptors" to this
// very request; not the same one twice, not one to another ballot.
func TestPromisesThatDoNotCount(t *testing.T) {
	p, ballot := newTestProposer(5, ProposerOptions{})
	other := ballot
	other.Run++
	later := promise(5, ballot)
	later.Message.(*Promise).From = 2 // covers less than was asked
	foreign := promise(4, ballot)
	foreign.Cluster = ClusterID{9}
	step(p, promise(1, ballot), promise(1, ballot), promise(2, ballot), promise(2, ballot),
		promise(3, other), promise(4, Ballot{9, 9, 9}), later, foreign)
	if p.State() != Preparing {
		t.Fatalf("two good promises of five make it %s", p.State())
	}
	step(p, promise(3, ballot))
	if p.State() != Leading {
		t.Fatalf("three good promises of five leave it %s", p.State())
	}
}

// TestPromisesOfForgottenLives: a promise given before its acceptor lost its
// memory does not count beside one whose sender knows of the loss.
func TestPromisesOfForgottenLives(t *testing.T) {
	p, ballot := newTestProposer(3, ProposerOptions{})
	knows := promise(3, ballot)
	knows.Message.(*Promise).Vector = Vector{2, 1, 1}
	step(p, promise(1, ballot), knows)
	if p.State() != Preparing {
		t.Fatalf("an old life of r1 and one who knows better make it %s", p.State())
	}
	again := promise(1, ballot)
	again.Incarnation, again.Message.(*Promise).Vector = 2, Vector{2, 1, 1}
	step(p, again)
	if p.State() != Leading {
		t.Fatalf("the new life of r1 leaves it %s", p.State())
	}
}

// TestPartsCountWhenComplete: a promise counts when all of it is here, in any
// order; impossible parts do not count at all.
func TestPartsCountWhenComplete(t *testing.T) {
	part := func(b Ballot, i, n uint32, entries ...Entry) Envelope {
		e := promise(2, b, entries...)
		m := e.Message.(*Promise)
		m.Part, m.Parts = i, n
		return e
	}
	p, ballot := newTestProposer(3, ProposerOptions{})
	step(p, promise(1, ballot), part(ballot, 0, 0), part(ballot, 3, 3), part(ballot, 0, promisePartsMax+1),
		part(ballot, 2, 3, entry(5, ballot1, "e")), part(ballot, 2, 3, entry(5, ballot1, "e")),
		part(ballot, 0, 3, entry(1, ballot1, "a")))
	if p.State() != Preparing {
		t.Fatalf("two parts of three make it %s", p.State())
	}
	out := step(p, part(ballot, 1, 3, entry(2, ballot1, "b")))
	want := map[Slot]string{1: "a", 2: "b", 3: "", 4: "", 5: "e"}
	if got := accepts(out); p.State() != Leading || !reflect.DeepEqual(got, want) {
		t.Fatalf("all parts make it %s with %v, want %v", p.State(), got, want)
	}
}

// TestPartsOfDifferentAnswersDoNotMix: two answers of one acceptor may be cut
// differently, after a restart with another limit or with another memory. One
// part of each is not the whole of either.
func TestPartsOfDifferentAnswersDoNotMix(t *testing.T) {
	p, ballot := newTestProposer(3, ProposerOptions{})
	part := func(inc Incarnation, i uint32, entries ...Entry) Envelope {
		e := promise(2, ballot, entries...)
		e.Incarnation = inc
		m := e.Message.(*Promise)
		m.Part, m.Parts, m.Vector = i, 2, Vector{1, inc, 1}
		return e
	}
	step(p, promise(1, ballot), part(1, 0, entry(1, ballot1, "a")), part(2, 1, entry(3, ballot1, "c")))
	if p.State() != Preparing {
		t.Fatal("the first part of one answer and the second of another are taken for a promise")
	}
	step(p, part(2, 0, entry(1, ballot1, "a"), entry(2, ballot1, "b")))
	if p.State() != Leading {
		t.Fatal("both parts of the second answer are not taken for a promise")
	}
}

// TestChosenMarkForbidsNewValues: below a reported mark everything is chosen; a
// leader to which no promise reports such a slot may not invent a value for it.
func TestChosenMarkForbidsNewValues(t *testing.T) {
	p, ballot := newTestProposer(3, ProposerOptions{})
	marked := promise(2, ballot, entry(1, ballot1, "a"))
	marked.Message.(*Promise).Chosen = 2
	out := step(p, promise(1, ballot), marked)
	if got, want := accepts(out), (map[Slot]string{1: "a"}); !reflect.DeepEqual(got, want) {
		t.Errorf("proposes %v, want %v", got, want)
	}
	if p.State() != Following {
		t.Errorf("a proposer that cannot know slot 2 is %s", p.State())
	}
}

// TestOneValuePerBallot: a repeated Accept repeats its value, whatever waits.
func TestOneValuePerBallot(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{ResendTicks: 3, WindowMax: 2})
	if got := accepts(step(p, propose("x"))); got[1] != "<x>" {
		t.Fatalf("proposes %v", got)
	}
	step(p, propose("y"), accepted(2, p.ballot, 1, 1))
	var out Output
	for range 4 {
		p.Tick(0, &out)
	}
	repeated := sentOf[*Accept](&out)
	if len(repeated) != 5 { // slot 1 to all but r2, slot 2 to all
		t.Errorf("%d Accepts are repeated, want 5", len(repeated))
	}
	if got, want := accepts(&out), (map[Slot]string{1: "<x>", 2: "<y>"}); !reflect.DeepEqual(got, want) {
		t.Errorf("repeats %v, want %v", got, want)
	}
}

// TestBallotsAreNeverReused: "each proposer ... never to issue two proposals with
// the same number" (2.5), by a random run instead of stable storage.
func TestBallotsAreNeverReused(t *testing.T) {
	seen := map[Ballot]bool{}
	for run := range uint64(5) {
		p := NewProposer(testConfig(1, 3, testPlant), ProposerOptions{Run: run + 1})
		for range 5 {
			var out Output
			p.follow()
			p.campaign(1, &out)
			if seen[p.ballot] {
				t.Fatalf("%s is used twice", p.ballot.Long())
			}
			seen[p.ballot] = true
		}
		step(p, from(2, RoleAcceptor, &Nack{p.ballot, Ballot{40, 2, 9}}))
		var out Output
		p.campaign(1, &out)
		if p.ballot.Round != 41 {
			t.Errorf("after a refusal for round 40 the next round is %d", p.ballot.Round)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a proposer without a run does not panic")
		}
	}()
	NewProposer(testConfig(1, 3, testPlant), ProposerOptions{})
}

// TestAbandon: "if an acceptor ignores a request because it has already received
// a prepare request with a higher number, then it should probably inform the
// proposer, who should then abandon its proposal" (2.4).
func TestAbandon(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{})
	for _, harmless := range []*Nack{
		{Ballot{1, 1, 99}, Ballot{9, 2, 2}}, // to another run
		{p.ballot, p.ballot},                // not higher
		{p.ballot, Ballot{1, 0, 0}},
	} {
		step(p, from(2, RoleAcceptor, harmless))
		if p.State() != Leading {
			t.Fatalf("%+v ends the leadership", harmless)
		}
	}
	out := step(p, propose("lost"), from(2, RoleAcceptor, &Nack{p.ballot, Ballot{9, 2, 2}}))
	if p.State() != Following || len(accepts(out)) > 0 {
		t.Errorf("after a higher promise it is %s and proposes %v", p.State(), accepts(out))
	}
	if slots, commands := p.InFlight(); slots != 0 || commands != 0 {
		t.Errorf("%d slots and %d commands are left behind", slots, commands)
	}
}

// TestWindow: never more slots in flight than the window has, and it moves only
// over slots that a majority voted for in this ballot.
func TestWindow(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{WindowMax: 3, BatchCommandsMax: 1})
	if got := accepts(step(p, propose("a", "b", "c", "d", "e"))); len(got) != 3 || got[3] != "<c>" {
		t.Fatalf("three slots of window propose %v", got)
	}
	other := Ballot{p.ballot.Round, 1, 99}
	out := step(p, accepted(1, p.ballot, 2, 3), accepted(1, p.ballot, 2, 3), accepted(2, other, 1, 3))
	if got := accepts(out); len(got) > 0 {
		t.Fatalf("one vote, twice, opens %v", got)
	}
	if got := accepts(step(p, accepted(3, p.ballot, 2, 3))); len(got) > 0 {
		t.Fatalf("slot 1 is open, yet %v is proposed beyond the window", got)
	}
	if slots, commands := p.InFlight(); slots != 3 || commands != 2 {
		t.Errorf("%d slots and %d commands wait, want 3 and 2", slots, commands)
	}
	out = step(p, accepted(1, p.ballot, 1, 1), accepted(2, p.ballot, 1, 1))
	if got, want := accepts(out), (map[Slot]string{4: "<d>", 5: "<e>"}); !reflect.DeepEqual(got, want) {
		t.Fatalf("the window moves to %v, want %v", got, want)
	}
	// Votes for slots beyond what was proposed are of nobody.
	step(p, accepted(1, p.ballot, 1, 1<<60), accepted(2, p.ballot, 0, 1<<60))
	if p.base != 6 || p.next != 6 {
		t.Errorf("the window is %d to %d, want 6 to 6", p.base, p.next)
	}
}

// TestNaturalBatching: what waits together travels together, up to the limits; a
// command larger than a batch travels alone.
func TestNaturalBatching(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{BatchBytesMax: 40, BatchCommandsMax: 3})
	long := string(bytes.Repeat([]byte("x"), 100))
	out := step(p, propose("a", "b"), propose("c", "d"), propose(long), propose("e", "0123456789abcdef", "f"))
	want := map[Slot]string{1: "<a><b><c>", 2: "<d>", 3: "<" + long + ">", 4: "<e><0123456789abcdef>", 5: "<f>"}
	if got := accepts(out); !reflect.DeepEqual(got, want) {
		t.Errorf("batches are %v, want %v", got, want)
	}
}

// TestQueueIsBounded: what finds no room is dropped and counted.
func TestQueueIsBounded(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{QueueBytesMax: 10, WindowMax: 1})
	step(p, propose("1"))
	step(p, propose("0123456789", "a", "b"))
	if _, commands := p.InFlight(); commands != 1 || p.Dropped() != 2 {
		t.Errorf("%d commands wait and %d were dropped, want 1 and 2", commands, p.Dropped())
	}
	step(p, accepted(1, p.ballot, 1, 1), accepted(2, p.ballot, 1, 1))
	step(p, propose("c"))
	if p.queueBytes != 1 || p.Dropped() != 2 {
		t.Errorf("%d bytes wait and %d were dropped, want 1 and 2", p.queueBytes, p.Dropped())
	}
}

// TestClose: a leader fills up to a slot that somebody waits for, and no further.
func TestClose(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{})
	out := step(p, from(3, RoleLearner, &Close{First: 1, Last: 3}))
	if got, want := accepts(out), (map[Slot]string{1: "", 2: "", 3: ""}); !reflect.DeepEqual(got, want) {
		t.Errorf("closes %v, want %v", got, want)
	}
	for _, m := range []*Close{{1, 3, false}, {0, 9, false}, {1, 1 << 60, false}, {2, 3, true}} {
		if got := accepts(step(p, from(3, RoleLearner, m))); len(got) > 0 || p.State() != Leading {
			t.Errorf("%+v makes it %s and propose %v", m, p.State(), got)
		}
	}
}

// TestReopen: a slot below phase 1 that nobody can prove is chosen again, under
// a new ballot, with what the acceptors report.
func TestReopen(t *testing.T) {
	p := NewProposer(testConfig(1, 3, testPlant), ProposerOptions{Run: 11})
	var out Output
	p.campaign(8, &out)
	reply := func(r ReplicaID, entries ...Entry) Envelope {
		e := promise(r, p.ballot, entries...)
		e.Message.(*Promise).From = p.from
		return e
	}
	step(p, reply(1), reply(2))
	before := p.ballot
	stuck := from(3, RoleLearner, &Close{First: 5, Last: 7, Stuck: true})
	if step(p, stuck); p.State() != Leading || p.ballot != before {
		t.Fatalf("a young leader is %s after a complaint", p.State())
	}
	p.now += uint64(p.options.ElectionTicks)
	p.next += reopenStuckSlotsMax // to help with this would cost more than it gives
	if step(p, stuck); p.ballot != before {
		t.Fatal("a leader goes back farther than it may")
	}
	p.next -= reopenStuckSlotsMax
	prepares := sentOf[*Prepare](step(p, stuck))
	if len(prepares) != 1 || prepares[0].From != 5 || !before.Less(prepares[0].Ballot) {
		t.Fatalf("a complaint about slot 5 makes %+v", prepares)
	}
	got := accepts(step(p, reply(1, entry(5, ballot1, "e"), entry(7, ballot1, "g")), reply(3, entry(6, ballot1, "f"))))
	if want := (map[Slot]string{5: "e", 6: "f", 7: "g"}); !reflect.DeepEqual(got, want) {
		t.Errorf("chooses %v again, want %v", got, want)
	}
}

// TestHeartbeatMarksItsOwnBallot: the mark speaks of slots chosen in this very
// ballot, from its first slot to the end of the unbroken prefix.
func TestHeartbeatMarksItsOwnBallot(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{})
	step(p, propose("a"))
	step(p, accepted(1, p.ballot, 1, 1), propose("b"))
	step(p, propose("c"))
	for _, c := range []struct {
		votes Envelope
		want  Slot
	}{
		{accepted(2, p.ballot, 2, 3), 0},
		{accepted(3, p.ballot, 2, 2), 0}, // slot 2 is chosen, slot 1 before it is not
		{accepted(3, p.ballot, 1, 1), 2},
		{accepted(1, p.ballot, 3, 3), 3},
	} {
		step(p, c.votes)
		var out Output
		p.beat(&out)
		m := sentOf[*Heartbeat](&out)[0]
		if m.Ballot != p.ballot || m.First != 1 || m.Chosen != c.want {
			t.Errorf("after %+v the mark is %s %d to %d, want up to %d",
				c.votes.Message, m.Ballot, m.First, m.Chosen, c.want)
		}
	}
	if got := fmt.Sprint(sentOf[*Heartbeat](step(p))); got != "[]" {
		t.Errorf("a batch without a tick beats %s", got)
	}
}

// TestVotesAreForOneSlot: the place of a slot in the window is used again, and the
// votes for the slot before must not count for the next: one vote of three would
// make it chosen, and the leader's mark would have all learners believe so.
func TestVotesAreForOneSlot(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{WindowMax: 1})
	for s := Slot(1); s <= 3; s++ {
		step(p, from(1, RoleGateway, &Propose{Commands: [][]byte{[]byte("x")}}))
		if step(p, accepted(1, p.ballot, s, s)); p.base != s {
			t.Fatalf("one vote of three for slot %d made all below %d chosen", s, p.base)
		}
		if step(p, accepted(2, p.ballot, s, s)); p.base != s+1 {
			t.Fatalf("two votes of three for slot %d left it open", s)
		}
	}
}
