package quorum

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func five() []Replica {
	var replicas []Replica
	for n := 1; n <= 5; n++ {
		replicas = append(replicas, Replica{ID: fmt.Sprintf("r%d", n), Proposer: true, Acceptor: true, Learner: true})
	}
	return replicas
}

func join(names []string) string { return strings.Join(names, " ") }

func TestVerdicts(t *testing.T) {
	whole := New(five(), "r1")
	// Each hears its neighbours only.
	chain := whole
	for _, cut := range []string{"13", "14", "15", "24", "25", "35"} {
		a, b := "r"+cut[:1], "r"+cut[1:]
		chain = chain.Cut(a, b).Cut(b, a)
	}
	for _, row := range []struct {
		name                                        string
		c                                           Cluster
		leader, answering, electable, writes, reads string
		spare                                       int
	}{
		{"whole", whole, "r1", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", 2},
		{"one replica gone", whole.Stop("r5", AllRoles), "r1", "r1 r2 r3 r4", "r1 r2 r3 r4", "r1 r2 r3 r4", "r1 r2 r3 r4", 1},
		{
			"two acceptors gone", whole.Stop("r4", Acceptor).Stop("r5", Acceptor),
			"r1", "r1 r2 r3", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", 0,
		},
		{"three acceptors gone", whole.Stop("r3", Acceptor).Stop("r4", Acceptor).Stop("r5", Acceptor), "", "r1 r2", "", "", "", -1},
		{
			"three proposers gone", whole.Stop("r3", Proposer).Stop("r4", Proposer).Stop("r5", Proposer),
			"", "r1 r2 r3 r4 r5", "", "", "r1 r2 r3 r4 r5", -1,
		},
		{"no learners", whole.Stop(Everyone, Learner), "r1", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", "", "", -1},
		{
			"partition", whole.Partition([][]string{{"r1", "r2"}, {"r3", "r4", "r5"}}),
			"", "r3 r4 r5", "r3 r4 r5", "r3 r4 r5", "r3 r4 r5", 0,
		},
		{"rest is a group", whole.Partition([][]string{{"r2"}}), "r1", "r1 r3 r4 r5", "r1 r3 r4 r5", "r1 r3 r4 r5", "r1 r3 r4 r5", 1},
		{
			"one way from the leader", whole.Cut("r1", "r3"),
			"r1", "r1 r2 r4 r5", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", 2,
		},
		{"chain", chain, "", "r1 r2 r3", "r2 r3 r4", "r1 r2 r3 r4 r5", "r2 r3 r4", 0},
		{"isolated leader", whole.Isolate("r1"), "", "r2 r3 r4 r5", "r2 r3 r4 r5", "r2 r3 r4 r5", "r2 r3 r4 r5", 1},
		{
			"healed", whole.Cut("r1", "r2").Join("r1", "r2").Stop("r1", AllRoles).Start("r1", AllRoles), "r1",
			"r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", "r1 r2 r3 r4 r5", 2,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := row.c.Verdict()
			have := fmt.Sprintf("leader %q answering %s, electable %s, writes %s, reads %s, spare %d", v.Leader,
				join(v.Answering), join(v.Electable), join(v.Writes), join(v.Reads), v.Spare)
			want := fmt.Sprintf("leader %q answering %s, electable %s, writes %s, reads %s, spare %d", row.leader,
				row.answering, row.electable, row.writes, row.reads, row.spare)
			if have != want {
				t.Errorf("have %s\nwant %s", have, want)
			}
		})
	}
}

func TestGradesAndSentences(t *testing.T) {
	whole := New(five(), "r1")
	four := whole.Stop("r5", AllRoles)
	three := four.Stop("r4", AllRoles)
	for _, row := range []struct {
		name          string
		before, after Cluster
		reversible    bool
		grade         Grade
		sentence      string
	}{
		{
			"first pause", whole, whole.Stop("r3", Acceptor), true, Mild,
			"4 of 5 acceptors would answer, 3 must: writes go on, one more replica may fail",
		},
		{
			"first crash", whole, whole.Stop("r3", Acceptor), false, Moderate,
			"4 of 5 acceptors would answer, 3 must: writes go on, one more replica may fail",
		},
		{
			"second pause", four, three, true, Moderate,
			"3 of 5 acceptors would answer, 3 must: writes go on, ONE more failure stops them; r4 would answer nothing",
		},
		{
			"a learner where there is no margin", three, three.Stop("r2", Learner), true, Mild,
			"3 of 5 acceptors would answer, 3 must: writes go on, ONE more failure stops them; r2 would answer nothing",
		},
		{"third", three, three.Stop("r3", Acceptor), true, Severe, "2 of 5 acceptors would answer, 3 must: writes STOP"},
		{
			"fourth", three.Stop("r3", AllRoles), three.Stop("r3", AllRoles).Stop("r2", AllRoles), false, Severe,
			"1 of 5 acceptors would answer, 3 must: writes STOP",
		},
		{
			"nothing", whole, whole, false, Mild,
			"5 of 5 acceptors would answer, 3 must: writes go on, 2 more replicas may fail",
		},
		{
			"the leader", whole, whole.Stop("r1", Proposer), false, Moderate,
			"5 of 5 acceptors would answer, 3 must: writes go on after an election, one more replica may fail;" +
				" r1 would not lead any more",
		},
		{
			"the leader's side is small", whole, whole.Partition([][]string{{"r1", "r2"}}), false, Moderate,
			"3 of 5 acceptors would answer, 3 must: writes go on after an election, ONE more failure stops them;" +
				" r1 would not lead any more; r1 r2 would answer nothing",
		},
		{
			"half and half", four, four.Partition([][]string{{"r1", "r2"}, {"r3", "r4"}}), true, Severe,
			"2 of 5 acceptors would answer, 3 must: writes STOP",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := Compare(row.before, row.after, row.reversible)
			if e.Grade != row.grade || e.Sentence != row.sentence {
				t.Errorf("grade %d %q\nwant  %d %q", e.Grade, e.Sentence, row.grade, row.sentence)
			}
		})
	}
}

func TestLossIsAlwaysSevere(t *testing.T) {
	for _, row := range []struct{ role, sentence string }{
		{Learner, "r4 loses the state of its learner, which no undo brings back; until it has recovered 5 of 5 acceptors would" +
			" answer, 3 must: writes go on, 2 more replicas may fail; r4 would answer nothing"},
		{AllRoles, "r4 loses all its state, which no undo brings back; until it has recovered 4 of 5 acceptors would answer," +
			" 3 must: writes go on, one more replica may fail; r4 would answer nothing"},
	} {
		if e := Loss(New(five(), "r1"), "r4", row.role); e.Grade != Severe || e.Sentence != row.sentence {
			t.Errorf("grade %d %q\nwant  %d %q", e.Grade, e.Sentence, Severe, row.sentence)
		}
	}
}

// random draws a cluster with holes.
func random(r *rand.Rand) Cluster {
	n := 1 + r.IntN(5)
	var replicas []Replica
	broken := r.Float64() / 2
	works := func() bool { return r.Float64() >= broken }
	for i := range n {
		replicas = append(replicas, Replica{fmt.Sprintf("r%d", i+1), works(), works(), works()})
	}
	c := New(replicas, fmt.Sprintf("r%d", r.IntN(n+2)))
	for i := range n {
		for j := range n {
			if !works() {
				c = c.Cut(replicas[i].ID, replicas[j].ID)
			}
		}
	}
	return c
}

// slow is the same verdict by other means: it plays messages between names and tries every majority.
type slow struct {
	c     Cluster
	names []string
	need  int
}

func (s slow) both(a, b string) bool { return s.c.Passes(a, b) && s.c.Passes(b, a) }

// majority tries all sets of replicas whether one is large enough and satisfies a condition at each member.
func (s slow) majority(ok func(string) bool) bool {
	for subset := range 1 << len(s.names) {
		size, all := 0, true
		for i, name := range s.names {
			if subset>>i&1 != 0 {
				size++
				all = all && ok(name)
			}
		}
		if all && size >= s.need {
			return true
		}
	}
	return false
}

func (s slow) electable(p string) bool {
	return s.c.Works(p, Proposer) &&
		s.majority(func(a string) bool { return s.c.Works(a, Acceptor) && s.both(p, a) }) &&
		s.majority(func(q string) bool { return s.c.Works(q, Proposer) && s.both(p, q) })
}

// learns follows chains of replicas that tell each other, up to a length.
func (s slow) learns(r, p string, length int) bool {
	holds := func(a string) bool { return s.c.Works(a, Acceptor) && s.c.Passes(p, a) }
	asked := func(a string) bool { return holds(a) && s.both(r, a) }
	switch {
	case !s.c.Works(r, Learner):
		return false
	case s.c.Passes(p, r):
		return true
	case slices.ContainsFunc(s.names, asked) && s.majority(func(a string) bool { return holds(a) && s.c.Passes(a, r) }):
		return true
	}
	return length > 0 && slices.ContainsFunc(s.names, func(q string) bool {
		return q != r && asked(q) && s.learns(q, p, length-1)
	})
}

func (s slow) submits(r, p string) bool {
	knows := s.c.Passes(p, r) || s.c.Works(r, Proposer)
	return r == p || knows && slices.ContainsFunc(s.names, func(q string) bool {
		return s.c.Passes(r, q) && (q == p || s.c.Works(q, Proposer) && s.both(q, p))
	})
}

// writes tells whether updates are answered at r: by the leader of now, or if it cannot lead by any that can.
func (s slow) writes(r string) bool {
	return slices.ContainsFunc(s.names, func(p string) bool {
		return s.electable(p) && (p == s.c.leader || !s.electable(s.c.leader)) && s.submits(r, p) &&
			s.learns(r, p, len(s.names))
	})
}

func (s slow) filter(ok func(string) bool) string {
	return join(slices.DeleteFunc(slices.Clone(s.names), func(name string) bool { return !ok(name) }))
}

// fails tells whether some failure of so many replicas stops all updates.
func (s slow) fails(count, from int) bool {
	if !slices.ContainsFunc(s.names, s.writes) {
		return true
	}
	if count == 0 {
		return false
	}
	for i := from; i < len(s.names); i++ {
		less := s
		less.c = s.c.Stop(s.names[i], AllRoles)
		if less.fails(count-1, i+1) {
			return true
		}
	}
	return false
}

func TestAgainstBruteForce(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 1500 {
		c := random(r)
		s := slow{c, c.Replicas(), len(c.replicas)/2 + 1}
		v := c.Verdict()
		spare := -1
		for spare < len(s.names) && !s.fails(spare+1, 0) {
			spare++
		}
		want := fmt.Sprint(s.filter(s.electable), "; ", s.filter(s.writes), "; ", s.filter(func(r string) bool {
			return c.Works(r, Learner) && s.majority(func(a string) bool { return c.Works(a, Acceptor) && s.both(r, a) })
		}), "; ", spare)
		have := fmt.Sprint(join(v.Electable), "; ", join(v.Writes), "; ", join(v.Reads), "; ", v.Spare)
		if have != want {
			t.Fatalf("seed %d round %d (set the seed in this test to replay): %+v\nhave %s\nwant %s", seed, round, c, have, want)
		}
	}
}

// TestFailuresOnlyTake: without a replica nobody can do more than before. A leader that serves nobody and fails may be
// followed by one that does, so there is none here.
func TestFailuresOnlyTake(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	for round := range 2000 {
		c := random(r)
		c.leader = ""
		names := c.Replicas()
		before, after := c.Verdict(), c.Stop(names[r.IntN(len(names))], AllRoles).Verdict()
		if len(missing(after.Electable, before.Electable))+len(missing(after.Reads, before.Reads)) > 0 ||
			after.Writable() && !before.Writable() || after.Spare > before.Spare {
			t.Fatalf("seed %d round %d: a failure gave something: %+v\nbefore %+v\nafter  %+v", seed, round, c, before, after)
		}
	}
}

func BenchmarkVerdict(b *testing.B) {
	c := New(five(), "r1").Cut("r1", "r3")
	for b.Loop() {
		_ = c.Verdict()
	}
}
