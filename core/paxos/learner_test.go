package paxos

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
)

func newTestLearner(o LearnerOptions) *Learner {
	o.Run = 99
	return NewLearner(testConfig(1, 3, testPlant), o)
}

func heartbeat(b Ballot, first, chosen Slot) Envelope {
	return from(b.Replica, RoleProposer, &Heartbeat{Ballot: b, First: first, Chosen: chosen})
}

func held(r ReplicaID, runs []ChosenRun, entries ...Entry) Envelope {
	m := &Held{First: 1, Runs: runs, Entries: entries}
	for _, e := range entries {
		m.Through, m.Highest = e.Slot, e.Slot
	}
	return from(r, RoleAcceptor, m)
}

// learnedFrom says what an output hands to the state machine.
func learnedFrom(out *Output) string {
	text := ""
	for _, e := range out.Chosen {
		text += fmt.Sprintf("%d=%s ", e.Slot, e.Value)
	}
	return text
}

// belief is what a learner hears, and what it then hands to the state machine.
type belief struct {
	name string
	mail []Envelope
	want string
}

func beliefsFromVotes() []belief {
	return []belief{
		{
			"a majority of votes and the value",
			[]Envelope{accept(ballot1, 1, "a"), accepted(1, ballot1, 1, 1), accepted(2, ballot1, 1, 1)},
			"1=a ",
		},
		{
			"the value may come last",
			[]Envelope{accepted(1, ballot1, 1, 1), accepted(2, ballot1, 1, 1), accept(ballot1, 1, "a")},
			"1=a ",
		},
		{"one vote", []Envelope{accept(ballot1, 1, "a"), accepted(1, ballot1, 1, 1)}, ""},
		{
			"one vote, twice",
			[]Envelope{accept(ballot1, 1, "a"), accepted(1, ballot1, 1, 1), accepted(1, ballot1, 1, 1)},
			"",
		},
		{"votes without the value", []Envelope{accepted(1, ballot1, 1, 1), accepted(2, ballot1, 1, 1)}, ""},
		{
			"votes of one ballot, the value of another",
			[]Envelope{accept(ballot2, 1, "b"), accepted(1, ballot1, 1, 1), accepted(2, ballot1, 1, 1)},
			"",
		},
		{
			"equal values in two ballots are no majority",
			[]Envelope{accept(ballot1, 1, "a"), accepted(1, ballot1, 1, 1), accept(ballot2, 1, "a"), accepted(2, ballot2, 1, 1)},
			"",
		},
		{
			"votes below the ballot that now counts",
			[]Envelope{accept(ballot2, 1, "b"), accept(ballot1, 1, "a"), accepted(1, ballot1, 1, 1), accepted(2, ballot1, 1, 1)},
			"",
		},
		{
			"a vote of no ballot",
			[]Envelope{accept(Ballot{}, 1, "a"), accepted(1, Ballot{}, 1, 1), accepted(2, Ballot{}, 1, 1)},
			"",
		},
	}
}

func beliefsFromMarks() []belief {
	return []belief{
		{
			"the mark of a leader, for its own ballot",
			[]Envelope{accept(ballot1, 1, "a"), heartbeat(ballot1, 1, 1)},
			"1=a ",
		},
		{"the mark first", []Envelope{heartbeat(ballot1, 1, 1), accept(ballot1, 1, "a")}, "1=a "},
		{"the mark of another ballot", []Envelope{accept(ballot1, 1, "a"), heartbeat(ballot2, 1, 1)}, ""},
		{"the mark of an old ballot", []Envelope{accept(ballot2, 1, "b"), heartbeat(ballot1, 1, 1)}, ""},
		{"a mark that begins later", []Envelope{accept(ballot1, 1, "a"), heartbeat(ballot1, 2, 3)}, ""},
		{
			"a mark of nothing",
			[]Envelope{accept(ballot1, 1, "a"), heartbeat(ballot1, 2, 1), heartbeat(ballot1, 0, 5)},
			"",
		},
	}
}

func beliefsFromEntries() []belief {
	run := func(b Ballot, first, last Slot) []ChosenRun { return []ChosenRun{{b, first, last}} }
	a := entry(1, ballot1, "a")
	return []belief{
		{"an entry and a run of its ballot", []Envelope{held(2, run(ballot1, 1, 1), a)}, "1=a "},
		{
			"an entry and a run of a lower ballot",
			[]Envelope{held(2, run(ballot1, 1, 1), entry(1, ballot2, "b"))},
			"1=b ",
		},
		{"an entry below the run's ballot", []Envelope{held(2, run(ballot2, 1, 1), a)}, ""},
		{"an entry beside the run", []Envelope{held(2, run(ballot1, 2, 3), a)}, ""},
		{"an entry by itself", []Envelope{held(2, nil, a), held(3, nil, a), held(1, nil, a)}, ""},
		{"an entry and a run without a ballot", []Envelope{held(2, run(Ballot{}, 1, 1), a)}, ""},
		{
			"an entry is the value of its ballot's votes",
			[]Envelope{accepted(1, ballot1, 1, 1), accepted(2, ballot1, 1, 1), held(2, nil, a)},
			"1=a ",
		},
		{
			"an entry is the value of its ballot's mark",
			[]Envelope{heartbeat(ballot1, 1, 1), held(2, nil, a)},
			"1=a ",
		},
		{
			"an entry of a lower ballot than the votes",
			[]Envelope{accepted(1, ballot2, 1, 1), accepted(2, ballot2, 1, 1), held(2, nil, a)},
			"",
		},
		{
			"gaps wait",
			[]Envelope{held(2, run(ballot1, 1, 9), entry(2, ballot1, "b"), entry(4, ballot1, "d"))},
			"",
		},
		{
			"then all comes in order",
			[]Envelope{
				held(2, run(ballot1, 1, 9), entry(2, ballot1, "b"), entry(4, ballot1, "d")),
				held(3, run(ballot1, 1, 1), a),
			},
			"1=a 2=b ",
		},
	}
}

// TestWhatALearnerBelieves: "to learn that a value has been chosen, a learner
// must find out that a proposal has been accepted by a majority of acceptors"
// (2.3). One line for every way to find out, and for everything that looks like
// one and is none.
func TestWhatALearnerBelieves(t *testing.T) {
	for _, c := range slices.Concat(beliefsFromVotes(), beliefsFromMarks(), beliefsFromEntries()) {
		l := newTestLearner(LearnerOptions{})
		text := ""
		for _, e := range c.mail {
			text += learnedFrom(step(l, e))
		}
		if text != c.want {
			t.Errorf("%s: learns %q, want %q", c.name, text, c.want)
		}
		if text == "" {
			continue
		}
		for _, e := range c.mail { // everything again teaches nothing new
			if again := learnedFrom(step(l, e)); again != "" {
				t.Errorf("%s: learns %q twice", c.name, again)
			}
		}
	}
}

// TestVotesOfForgottenLives: r1 voted, lost its memory, and r3 knew of it when it
// voted. Together they are no quorum: the new r1 may know nothing of the slot.
func TestVotesOfForgottenLives(t *testing.T) {
	l := newTestLearner(LearnerOptions{})
	knows := accepted(3, ballot1, 1, 1)
	knows.Message.(*Accepted).Vector = Vector{2, 1, 1}
	if got := learnedFrom(step(l, accept(ballot1, 1, "a"), accepted(1, ballot1, 1, 1), knows)); got != "" {
		t.Fatalf("learns %q from a vote that was forgotten", got)
	}
	if got := learnedFrom(step(l, accepted(2, ballot1, 1, 1))); got != "1=a " {
		t.Errorf("learns %q from two votes that fit together", got)
	}
}

// TestOwnAcceptorHearsRuns: what was learned goes to the own acceptor with the
// ballot that proves it, one run for neighbours.
func TestOwnAcceptorHearsRuns(t *testing.T) {
	l := newTestLearner(LearnerOptions{})
	out := step(l,
		accept(ballot1, 1, "a"), accept(ballot1, 2, "b"), accept(ballot2, 3, "c"),
		accepted(1, ballot1, 1, 2), accepted(2, ballot1, 1, 2), accepted(2, ballot2, 3, 3), accepted(3, ballot2, 3, 3),
		held(2, []ChosenRun{{ballot1, 4, 4}}, entry(4, ballot3, "d")))
	told := sentOf[*ChosenRuns](out)
	want := []ChosenRun{{ballot1, 1, 2}, {ballot2, 3, 3}, {ballot1, 4, 4}}
	if len(told) != 1 || !reflect.DeepEqual(told[0].Runs, want) {
		t.Fatalf("tells %+v, want %+v", told, want)
	}
	for _, e := range out.Messages {
		if e.Message.Kind() == KindChosenRuns && e.To != (Address{1, RoleAcceptor}) {
			t.Errorf("tells %s", e.To)
		}
	}
}

// TestWindowOfALearner: what is too far ahead is left alone and fetched later.
func TestWindowOfALearner(t *testing.T) {
	l := newTestLearner(LearnerOptions{AheadMax: 2, Applied: 5})
	out := step(l, accept(ballot1, 8, "far"), accepted(1, ballot1, 5, 9), accepted(2, ballot1, 5, 9),
		accept(ballot1, 5, "old"), accept(ballot1, 7, "g"))
	if got := learnedFrom(out); got != "" {
		t.Fatalf("learns %q before slot 6", got)
	}
	if got := learnedFrom(step(l, accept(ballot1, 6, "f"))); got != "6=f 7=g " {
		t.Fatalf("learns %q, want slots 6 and 7", got)
	}
	// Slot 8 was beyond the window when its votes came; the mark still proves it.
	if got := learnedFrom(step(l, heartbeat(ballot1, 1, 9), held(2, nil, entry(8, ballot1, "h")))); got != "8=h " {
		t.Errorf("learns %q from the mark and a held entry", got)
	}
}

// fetches returns whom an output asks, and from which slot on.
func fetches(out *Output) string {
	text := ""
	for _, e := range out.Messages {
		if m, ok := e.Message.(*Fetch); ok {
			text += fmt.Sprintf("%s from %d ", e.To.Replica, m.First)
		}
	}
	return text
}

func ticks(r Role, n int) *Output {
	var out Output
	for range n {
		r.Tick(0, &out)
		r.Settle(&out)
	}
	return &out
}

// TestCatchUpAsksEverybody: its own acceptor first, then one after the other;
// after a round in vain it complains to the leader, and then asks less often.
func TestCatchUpAsksEverybody(t *testing.T) {
	l := newTestLearner(LearnerOptions{ResendTicks: 4})
	if got := fetches(ticks(l, 50)); got != "r1 from 1 " {
		t.Fatalf("a learner that lacks nothing asks %s, want its own acceptor once, at the start", got)
	}
	step(l, heartbeat(ballot1, 1, 3))
	text, complaints := "", 0
	for range 40 {
		out := ticks(l, 1)
		text += fetches(out)
		for _, m := range sentOf[*Close](out) {
			complaints++
			if m.First != 1 || m.Last != 3 || !m.Stuck {
				t.Errorf("complains with %+v", m)
			}
		}
	}
	want := "r1 from 1 r2 from 1 r3 from 1 r1 from 1 "
	if len(text) < len(want) || text[:len(want)] != want {
		t.Errorf("asks %s, want %s...", text, want)
	}
	if complaints == 0 {
		t.Error("does not complain after a round in vain")
	}
	before := len(text)
	if more := fetches(ticks(l, 40)); len(more) >= before {
		t.Errorf("asks %s, more often than in the beginning: %s", more, text)
	}
}

// TestCatchUpGoesOnWhileItHelps: each answer that proves something is followed
// by the next question to the same acceptor, at once, whatever proved it.
func TestCatchUpGoesOnWhileItHelps(t *testing.T) {
	for name, proof := range map[string]func(l *Learner) []ChosenRun{
		"runs": func(*Learner) []ChosenRun { return []ChosenRun{{ballot1, 1, 30}} },
		"the leader's mark": func(l *Learner) []ChosenRun {
			step(l, heartbeat(ballot1, 1, 30))
			return nil
		},
	} {
		l := newTestLearner(LearnerOptions{})
		runs := proof(l)
		step(l, accepted(2, ballot1, 30, 30))
		if got := fetches(ticks(l, gapTicks+1)); got != "r1 from 1 " {
			t.Fatalf("%s: asks %s", name, got)
		}
		for s := Slot(1); s < 9; s += 2 {
			out := step(l, held(1, runs, entry(s, ballot1, "x"), entry(s+1, ballot1, "y")))
			if want := fmt.Sprintf("r1 from %d ", s+2); fetches(out) != want || l.Applied() != s+1 {
				t.Fatalf("%s: after slots %d and %d it asks %q, want %q; applied is %d",
					name, s, s+1, fetches(out), want, l.Applied())
			}
		}
		if out := step(l, held(1, runs)); fetches(out) != "" {
			t.Errorf("%s: after an answer in vain it asks %s at once", name, fetches(out))
		}
	}
}

// TestStartAsksOwnLogFirst: a learner says how far it is only when its own log has
// told all that it can prove, in however many answers. Otherwise a campaign after a
// restart of all would propose the whole unflushed log again.
func TestStartAsksOwnLogFirst(t *testing.T) {
	l := newTestLearner(LearnerOptions{})
	if got := fetches(ticks(l, 1)); got != "r1 from 1 " {
		t.Fatalf("at its first tick it asks %s", got)
	}
	for s := Slot(1); s < 9; s += 2 { // each answer knows of runs only as far as it goes
		answer := held(1, []ChosenRun{{ballot1, s, s + 1}}, entry(s, ballot1, "x"), entry(s+1, ballot1, "y"))
		answer.Message.(*Held).Highest = 10
		out := step(l, answer)
		if want := fmt.Sprintf("r1 from %d ", s+2); fetches(out) != want || len(sentOf[*Applied](out)) != 0 {
			t.Fatalf("after slot %d it asks %q, want %q, and tells %v", s+1, fetches(out), want, sentOf[*Applied](out))
		}
	}
	unproven := held(1, nil, entry(9, ballot1, "x"), entry(10, ballot1, "y"))
	told := sentOf[*Applied](step(l, unproven))
	if len(told) != 1 || told[0].Slot != 8 {
		t.Fatalf("after the last answer it tells %v, want slot 8", told)
	}
}

// TestOwnProposerHearsApplied: when the own acceptor has told what it can prove,
// or does not answer, and again and again, for the proposer may have restarted.
func TestOwnProposerHearsApplied(t *testing.T) {
	for _, start := range []Slot{0, 7} {
		l := newTestLearner(LearnerOptions{Applied: start, ResendTicks: 10})
		if told := sentOf[*Applied](ticks(l, 10)); len(told) != 0 {
			t.Fatalf("before its acceptor has answered it tells %+v", told[0])
		}
		told := sentOf[*Applied](ticks(l, 1))
		if len(told) != 1 || told[0].Slot != start {
			t.Fatalf("a learner that starts at %d and gets no answer tells %v", start, told)
		}
		if told = sentOf[*Applied](ticks(l, 100)); len(told) == 0 || len(told) > 20 {
			t.Errorf("an idle learner tells its proposer %d times in 100 ticks", len(told))
		}
	}
}
