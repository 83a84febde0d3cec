package paxos

import (
	"fmt"
	"reflect"
	"testing"

	"synod/core/mutant"
)

// testPlant is no mutant at all.
var testPlant = mutant.Set{}

func newTestAcceptor(self, replicas int) *Acceptor {
	cfg := testConfig(self, replicas, testPlant)
	a := NewAcceptor(cfg, AcceptorOptions{}, noArchive{})
	a.Restore(BirthRecord(cfg))
	return a
}

// from makes an envelope of another replica's role.
func from(r ReplicaID, role Roles, m Message) Envelope {
	return Envelope{Cluster: ClusterID{7}, From: Address{r, role}, Incarnation: 1, Message: m}
}

// step gives a role messages in one batch and returns all it wants done.
func step(r Role, envelopes ...Envelope) *Output {
	var out Output
	for _, e := range envelopes {
		r.Step(e, &out)
	}
	r.Settle(&out)
	return &out
}

// sentOf returns the messages of one type in an output, prompt ones first.
func sentOf[M Message](out *Output) []M {
	var found []M
	for _, list := range [][]Envelope{out.Prompt, out.Messages} {
		for i := range list {
			if m, ok := list[i].Message.(M); ok {
				found = append(found, m)
			}
		}
	}
	return found
}

var (
	ballot1 = Ballot{1, 1, 11}
	ballot2 = Ballot{2, 2, 22}
	ballot3 = Ballot{3, 3, 33}
)

func prepare(b Ballot, first Slot) Envelope {
	return from(b.Replica, RoleProposer, &Prepare{b, first})
}

func accept(b Ballot, s Slot, v string) Envelope {
	return from(b.Replica, RoleProposer, &Accept{b, s, Value(v)})
}

// acceptorCase is one sentence of "Paxos Made Simple" with a dialogue that shows
// it. want lists the answers to the last message, and the records it makes.
type acceptorCase struct {
	sentence string
	before   []Envelope
	last     Envelope
	want     []string
}

// describe says shortly what an acceptor did.
func describe(out *Output) []string {
	var said []string
	for _, r := range out.Records {
		switch r.Kind {
		case RecordPromised:
			said = append(said, "records promise "+r.Ballot.String())
		case RecordVoted:
			said = append(said, fmt.Sprintf("records vote %d %s %s", r.Slot, r.Ballot, r.Value))
		}
	}
	for _, e := range out.Messages {
		switch m := e.Message.(type) {
		case *Promise:
			text := fmt.Sprintf("%s promises %s", e.To, m.Ballot)
			for _, entry := range m.Entries {
				text += fmt.Sprintf(" [%d %s %s]", entry.Slot, entry.Ballot, entry.Value)
			}
			said = append(said, text)
		case *Nack:
			said = append(said, fmt.Sprintf("%s nack %s because of %s", e.To, m.Ballot, m.Promised))
		case *Accepted:
			said = append(said, fmt.Sprintf("%s accepted %s %d-%d", e.To, m.Ballot, m.First, m.Last))
		default:
			said = append(said, e.Message.Kind().String())
		}
	}
	return said
}

// votes is what a vote of r1 in a cluster of three looks like.
func votes(b Ballot, first, last Slot) []string {
	var said []string
	for r := ReplicaID(1); r <= 3; r++ {
		to := Address{r, RoleLearner}
		if r == b.Replica {
			to.Roles |= RoleProposer
		}
		said = append(said, fmt.Sprintf("%s accepted %s %d-%d", to, b, first, last))
	}
	return said
}

func paperCases() []acceptorCase {
	return []acceptorCase{
		{
			"P1. An acceptor must accept the first proposal that it receives. (2.2)",
			nil, accept(ballot1, 1, "a"),
			append([]string{"records vote 1 1.r1 a"}, votes(ballot1, 1, 1)...),
		},
		{
			"If an acceptor receives a prepare request with number n greater than that of any prepare request to which " +
				"it has already responded, then it responds to the request with a promise (2.2, phase 1b)",
			[]Envelope{prepare(ballot1, 1)},
			prepare(ballot2, 1),
			[]string{"records promise 2.r2", "r2.proposer promises 2.r2"},
		},
		{
			"... and with the highest-numbered proposal (if any) that it has accepted. (2.2, phase 1b)",
			[]Envelope{accept(ballot1, 1, "a"), accept(ballot2, 1, "b"), accept(ballot1, 2, "late"), accept(ballot2, 4, "d")},
			prepare(ballot3, 1),
			[]string{"records promise 3.r3", "r3.proposer promises 3.r3 [1 2.r2 b] [4 2.r2 d]"},
		},
		{
			"phase 1 covers all slots from the asked one on, and no other (3)",
			[]Envelope{accept(ballot1, 1, "a"), accept(ballot1, 2, "b"), accept(ballot1, 3, "c")},
			prepare(ballot2, 2),
			[]string{"records promise 2.r2", "r2.proposer promises 2.r2 [2 1.r1 b] [3 1.r1 c]"},
		},
		{
			"... a promise not to accept any more proposals numbered less than n (2.2, phase 1b)",
			[]Envelope{prepare(ballot2, 1)},
			accept(ballot1, 1, "a"),
			[]string{"r1.proposer nack 1.r1 because of 2.r2"},
		},
		{
			"An acceptor can ignore a prepare request numbered n if it has responded to one with a greater number; " +
				"it should probably inform the proposer (2.2, 2.5)",
			[]Envelope{prepare(ballot3, 1)},
			prepare(ballot2, 1),
			[]string{"r2.proposer nack 2.r2 because of 3.r3"},
		},
		{
			"If an acceptor receives an accept request for a proposal numbered n, it accepts the proposal unless it has " +
				"already responded to a prepare request having a number greater than n. (2.2, phase 2b)",
			[]Envelope{prepare(ballot2, 1)},
			accept(ballot2, 1, "b"),
			append([]string{"records vote 1 2.r2 b"}, votes(ballot2, 1, 1)...),
		},
		{
			"accepting n is as good as promising n: P1a holds although it never was prepared",
			[]Envelope{accept(ballot3, 1, "c")},
			accept(ballot2, 2, "b"),
			[]string{"r2.proposer nack 2.r2 because of 3.r3"},
		},
	}
}

func repeatedCases() []acceptorCase {
	return []acceptorCase{
		{
			"a repeated prepare request is answered again, and promises nothing new",
			[]Envelope{prepare(ballot2, 1)},
			prepare(ballot2, 1),
			[]string{"r2.proposer promises 2.r2"},
		},
		{
			"a repeated accept request is answered again; the vote is on the disk already",
			[]Envelope{accept(ballot2, 1, "b")},
			accept(ballot2, 1, "b"),
			votes(ballot2, 1, 1),
		},
		{
			"what was accepted is reported after a refusal, too",
			[]Envelope{accept(ballot1, 1, "a"), prepare(ballot3, 1), accept(ballot2, 1, "b")},
			prepare(ballot3, 1),
			[]string{"r3.proposer promises 3.r3 [1 1.r1 a]"},
		},
	}
}

// TestAcceptorKeepsThePaper walks through the sentences on which agreement rests.
func TestAcceptorKeepsThePaper(t *testing.T) {
	for _, c := range append(paperCases(), repeatedCases()...) {
		a := newTestAcceptor(1, 3)
		step(a, c.before...)
		if got := describe(step(a, c.last)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.sentence, got, c.want)
		}
	}
}

// TestAcceptorRemembers: "an acceptor must remember this information even if it
// fails and then restarts" (2.2). It must not matter whether it lived or died
// between any two messages.
func TestAcceptorRemembers(t *testing.T) {
	for _, c := range append(paperCases(), repeatedCases()...) {
		lived := newTestAcceptor(1, 3)
		records := []Record{BirthRecord(testConfig(1, 3, testPlant))}
		for _, e := range c.before {
			records = append(records, step(lived, e).Records...)
			died := NewAcceptor(testConfig(1, 3, testPlant), AcceptorOptions{}, noArchive{})
			for _, r := range records {
				died.Restore(r)
			}
			if died.Promised() != lived.Promised() || died.Highest() != lived.Highest() {
				t.Errorf("%s\nrestored %s %d, lived %s %d", c.sentence,
					died.Promised(), died.Highest(), lived.Promised(), lived.Highest())
			}
			for s := Slot(1); s <= lived.Highest(); s++ {
				want, ok := lived.entry(s)
				if got, found := died.entry(s); found != ok || !reflect.DeepEqual(got, want) {
					t.Errorf("%s\nrestored %+v, lived %+v", c.sentence, got, want)
				}
			}
		}
	}
}

// TestVotesLeaveTogether: one message speaks for neighbouring slots of a ballot,
// and only for those.
func TestVotesLeaveTogether(t *testing.T) {
	a := newTestAcceptor(1, 3)
	out := step(a, accept(ballot1, 1, "a"), accept(ballot1, 2, "b"), accept(ballot1, 4, "d"), accept(ballot2, 5, "e"))
	want := append(append(votes(ballot1, 1, 2), votes(ballot1, 4, 4)...), votes(ballot2, 5, 5)...)
	if got := describe(out)[4:]; !reflect.DeepEqual(got, want) {
		t.Errorf("votes leave as %q, want %q", got, want)
	}
	if len(out.Records) != 4 {
		t.Errorf("%d records for four votes", len(out.Records))
	}
}

// TestForeignAndImpossible: foreign nonsense is dropped and changes nothing.
func TestForeignAndImpossible(t *testing.T) {
	other := accept(ballot1, 1, "a")
	other.Cluster = ClusterID{8}
	for name, e := range map[string]Envelope{
		"another cluster":    other,
		"no replica":         from(0, RoleProposer, &Prepare{ballot1, 1}),
		"an eighth replica":  from(8, RoleProposer, &Prepare{ballot1, 1}),
		"no ballot":          from(1, RoleProposer, &Prepare{Ballot{}, 1}),
		"a vote for none":    from(1, RoleProposer, &Accept{Ballot{}, 1, nil}),
		"slot 0":             accept(ballot1, 0, "a"),
		"a slot far ahead":   accept(ballot1, slotsAheadMax+1, "a"),
		"runs of a stranger": from(2, RoleLearner, &ChosenRuns{[]ChosenRun{{ballot1, 1, 1}}}),
		"impossible runs": from(1, RoleLearner,
			&ChosenRuns{[]ChosenRun{{ballot1, 0, 1}, {ballot1, 2, 1}, {Ballot{}, 1, 1}}}),
		"a fetch of nothing": from(2, RoleLearner, &Fetch{3, 2, 100}),
		"what is for others": from(2, RoleLearner, &Heartbeat{}),
	} {
		a := newTestAcceptor(1, 3)
		out := step(a, e)
		if len(out.Records) > 0 || a.Promised() != (Ballot{}) || a.Highest() != 0 || a.ChosenThrough() != 0 {
			t.Errorf("%s: leaves %+v", name, out.Records)
		}
		if len(sentOf[*Accepted](out)) > 0 || len(sentOf[*Promise](out)) > 0 {
			t.Errorf("%s: is answered with a vote or a promise", name)
		}
	}
}

// TestRefusing: an acceptor that cannot prove its state complete answers
// everybody who needs it with the reason, and nothing else.
func TestRefusing(t *testing.T) {
	damaged := newTestAcceptor(1, 3)
	damaged.Refuse("the log is damaged")
	empty := NewAcceptor(testConfig(1, 3, testPlant), AcceptorOptions{}, noArchive{})
	for want, a := range map[string]*Acceptor{"the log is damaged": damaged, "the log has no beginning": empty} {
		for _, m := range []Message{
			&Prepare{ballot1, 1}, &Accept{ballot1, 1, nil}, &ReadQuery{}, &Fetch{1, 9, 100},
		} {
			out := step(a, from(2, RoleLearner, m))
			answers := sentOf[*Refusing](out)
			if len(answers) != 1 || answers[0].Reason != want || len(out.Messages)+len(out.Prompt) != 1 {
				t.Errorf("%s is answered with %+v %+v, want %q", m.Kind(), out.Prompt, out.Messages, want)
			}
			if len(out.Records) > 0 {
				t.Errorf("%s makes a refusing acceptor record %+v", m.Kind(), out.Records)
			}
		}
	}
}

// TestPromiseInParts: parts are numbered, together they hold everything once,
// and none is larger than it may be, unless a single value is.
func TestPromiseInParts(t *testing.T) {
	cfg := testConfig(1, 3, testPlant)
	a := NewAcceptor(cfg, AcceptorOptions{PartBytesMax: 200}, noArchive{})
	a.Restore(BirthRecord(cfg))
	sizes := []int{50, 50, 50, 500, 1, 0, 199, 300, 40}
	for i, size := range sizes {
		step(a, accept(ballot1, Slot(2*i+1), string(make([]byte, size))))
	}
	parts := sentOf[*Promise](step(a, prepare(ballot2, 1)))
	var slots []Slot
	for i, part := range parts {
		if int(part.Part) != i || int(part.Parts) != len(parts) || part.Ballot != ballot2 {
			t.Errorf("part %d says %d of %d", i, part.Part, part.Parts)
		}
		bytes := 0
		for _, entry := range part.Entries {
			bytes += len(entry.Value)
			slots = append(slots, entry.Slot)
		}
		if bytes > 200 && len(part.Entries) > 1 {
			t.Errorf("part %d holds %d bytes in %d entries", i, bytes, len(part.Entries))
		}
	}
	if len(slots) != len(sizes) || len(parts) < 4 {
		t.Errorf("%d parts hold slots %v", len(parts), slots)
	}
	for i, s := range slots {
		if s != Slot(2*i+1) {
			t.Errorf("entry %d is for slot %d", i, s)
		}
	}
}

// TestEvictedValuesComeBack: values that left memory are read from the archive,
// by a promise, by a fetch and after a restart alike.
func TestEvictedValuesComeBack(t *testing.T) {
	cfg := testConfig(1, 3, testPlant)
	d := &disk{records: []Record{BirthRecord(cfg)}}
	lived := NewAcceptor(cfg, AcceptorOptions{MemoryBytesMax: 20}, d)
	lived.Restore(d.records[0])
	for s := Slot(1); s <= 10; s++ {
		d.records = append(d.records, step(lived, accept(ballot1, s, fmt.Sprintf("value %d", s))).Records...)
	}
	d.records = append(d.records, step(lived, accept(ballot2, 3, "a new value 3")).Records...)
	told := from(1, RoleLearner, &ChosenRuns{[]ChosenRun{{ballot1, 2, 4}}})
	d.records = append(d.records, step(lived, told).Records...)
	if lived.resident > 20 {
		t.Errorf("%d bytes stay in memory, at most 20 may", lived.resident)
	}
	died := NewAcceptor(cfg, AcceptorOptions{MemoryBytesMax: 20}, d)
	for _, r := range d.records {
		died.Restore(r)
	}
	for name, a := range map[string]*Acceptor{"lived": lived, "died": died} {
		entries := sentOf[*Promise](step(a, prepare(ballot3, 1)))[0].Entries
		held := sentOf[*Held](step(a, from(2, RoleLearner, &Fetch{1, 10, 1 << 20})))[0]
		if !reflect.DeepEqual(entries, held.Entries) || len(entries) != 10 {
			t.Fatalf("%s: promised %d entries, held %d", name, len(entries), len(held.Entries))
		}
		for _, entry := range entries {
			want := fmt.Sprintf("value %d", entry.Slot)
			if entry.Slot == 3 {
				want = "a new value 3"
			}
			if string(entry.Value) != want {
				t.Errorf("%s: slot %d holds %q, want %q", name, entry.Slot, entry.Value, want)
			}
		}
		if want := []ChosenRun{{ballot1, 2, 4}}; !reflect.DeepEqual(held.Runs, want) {
			t.Errorf("%s: the runs are %+v, want %+v", name, held.Runs, want)
		}
	}
}

// TestFetchIsBounded: an answer holds at least one entry, ends near the limit,
// and says how far it speaks and how far there is more.
func TestFetchIsBounded(t *testing.T) {
	a := newTestAcceptor(1, 3)
	for s := Slot(1); s <= 9; s++ {
		step(a, accept(ballot1, s, "0123456789"))
	}
	step(a, from(1, RoleLearner, &ChosenRuns{[]ChosenRun{{ballot1, 1, 9}}}))
	for _, c := range []struct {
		fetch   Fetch
		entries int
		through Slot
	}{
		{Fetch{1, 9, 0}, 1, 1},
		{Fetch{2, 9, 60}, 2, 3},
		{Fetch{2, 5, 1 << 20}, 4, 5},
		{Fetch{8, 100, 1 << 20}, 2, 9},
		{Fetch{20, 30, 1 << 20}, 0, 9},
	} {
		held := sentOf[*Held](step(a, from(2, RoleLearner, &c.fetch)))[0]
		if len(held.Entries) != c.entries || held.Through != c.through || held.Highest != 9 {
			t.Errorf("%+v is answered with %d entries through %d of %d, want %d through %d",
				c.fetch, len(held.Entries), held.Through, held.Highest, c.entries, c.through)
		}
		for _, run := range held.Runs {
			if run.First < held.First || run.Last > held.Through {
				t.Errorf("%+v is answered with run %+v", c.fetch, run)
			}
		}
	}
}

// TestReadAnswer: the highest slot that is held, at once and without a record.
func TestReadAnswer(t *testing.T) {
	a := newTestAcceptor(1, 3)
	step(a, accept(ballot1, 7, "g"), accept(ballot1, 3, "c"))
	round := ReadRound{5, 6}
	out := step(a, from(2, RoleLearner, &ReadQuery{round}))
	if len(out.Prompt) != 1 || len(out.Records) != 0 || len(out.Messages) != 0 {
		t.Fatalf("a read query makes %+v", out)
	}
	if got, want := sentOf[*ReadAnswer](out)[0], (&ReadAnswer{round, 7}); *got != *want {
		t.Errorf("the answer is %+v, want %+v", got, want)
	}
}

// TestRepeatedPreparesGetOneAnswerAtATime: what a proposer asked again and again while
// the acceptor was busy is answered once; asked later, it is answered again.
func TestRepeatedPreparesGetOneAnswerAtATime(t *testing.T) {
	a := newTestAcceptor(1, 3)
	again := from(2, RoleProposer, &Prepare{Ballot: ballot2, From: 1})
	for range 2 {
		if got := sentOf[*Promise](step(a, again, again, again)); len(got) != 1 {
			t.Errorf("three Prepares that came together got %d promises", len(got))
		}
	}
}
