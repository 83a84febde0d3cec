package quorum

import (
	"fmt"
	"math/bits"
	"strings"
)

// Verdict is what a cluster can do. Lists are in the order of the replicas.
type Verdict struct {
	Replicas int
	Majority int
	// Leader leads now and can go on. Candidate is the one on whom the rest is computed: the leader, or who would have
	// the most acceptors if it were elected; "" without replicas.
	Leader    string
	Candidate string
	// Answering are the acceptors that work and exchange messages with the candidate.
	Answering []string
	// Electable are the proposers that can lead: with majorities of acceptors and of proposers.
	Electable []string
	// Writes and Reads are the replicas at which updates and linearizable reads are answered. Updates go through the
	// Leader; where there is none, Writes are those that one of the electable could serve.
	Writes []string
	Reads  []string
	// Spare is how many more replicas may fail, whichever they are, before no update is answered; -1 if none is now.
	Spare int
}

// Writable tells whether updates are answered anywhere.
func (v Verdict) Writable() bool { return len(v.Writes) > 0 }

// Sentence says what the cluster can do, on one line.
func (v Verdict) Sentence() string {
	return fmt.Sprintf("%d of %d acceptors answer, %d must: %s", len(v.Answering), v.Replicas, v.Majority, v.WritesText())
}

// WritesText says whether updates are answered, and how close the end is.
func (v Verdict) WritesText() string {
	text := "writes go on"
	switch {
	case !v.Writable() && len(v.Answering) >= v.Majority && len(v.Electable) == 0:
		return "writes STOP, no proposer has a majority of proposers"
	case !v.Writable() && len(v.Electable) > 0:
		return "writes STOP, no learner can tell what is chosen"
	case !v.Writable():
		return "writes STOP"
	case v.Leader == "":
		text = "writes go on after an election"
	}
	switch v.Spare {
	case 0:
		return text + ", ONE more failure stops them"
	case 1:
		return text + ", one more replica may fail"
	}
	return fmt.Sprintf("%s, %d more replicas may fail", text, v.Spare)
}

// Verdict computes what the cluster can do.
func (c Cluster) Verdict() Verdict {
	v := Verdict{Replicas: len(c.replicas), Majority: len(c.replicas)/2 + 1, Spare: -1}
	f := c.facts()
	best := -1
	for p := range c.replicas {
		if f.electable.has(p) && (best < 0 || c.better(&f, p, best)) {
			best = p
		}
	}
	if i := c.index(c.leader); i >= 0 && f.electable.has(i) {
		v.Leader = c.leader
	}
	if best < 0 { // nobody can lead: whoever comes closest says how far it is
		for p := range c.replicas {
			if best < 0 || c.better(&f, p, best) {
				best = p
			}
		}
	}
	if best >= 0 {
		v.Candidate = c.replicas[best].ID
		v.Answering = c.names(f.acceptors & f.exchanges[best])
	}
	v.Electable, v.Writes, v.Reads = c.names(f.electable), c.names(f.writes), c.names(f.reads)
	if f.writes != 0 {
		v.Spare = c.spare(&f)
	}
	return v
}

// better orders candidates: the leader of now, then who works, then who has more acceptors.
func (c Cluster) better(f *facts, p, than int) bool {
	rank := func(i int) int {
		rank := bits.OnesCount64(uint64(f.acceptors & f.exchanges[i]))
		if f.proposers.has(i) {
			rank += ReplicasMax + 1
		}
		if c.replicas[i].ID == c.leader {
			rank += 4 * ReplicasMax
		}
		return rank
	}
	return rank(p) > rank(than)
}

func (c Cluster) names(s set) []string {
	var names []string
	for i := range c.replicas {
		if s.has(i) {
			names = append(names, c.replicas[i].ID)
		}
	}
	return names
}

// facts are the roles and links as sets, and what follows from them.
type facts struct {
	majority                       int
	leader                         set   // that of now; empty if there is none
	heard                          []set // by receiver
	exchanges                      []set // messages pass both ways; oneself included
	proposers, acceptors, learners set
	electable, writes, reads       set
}

func (c Cluster) facts() facts {
	f := facts{majority: len(c.replicas)/2 + 1, heard: make([]set, len(c.replicas)), exchanges: make([]set, len(c.replicas))}
	if i := c.index(c.leader); i >= 0 {
		f.leader = 1 << i
	}
	for i := range c.replicas {
		r, bit := &c.replicas[i], set(1)<<i
		f.heard[i] = c.heard[i] | bit
		if r.Proposer {
			f.proposers |= bit
		}
		if r.Acceptor {
			f.acceptors |= bit
		}
		if r.Learner {
			f.learners |= bit
		}
	}
	for i := range f.heard {
		for j := range f.heard {
			if f.heard[i].has(j) && f.heard[j].has(i) {
				f.exchanges[i] |= 1 << j
			}
		}
	}
	f.conclude()
	return f
}

// conclude computes what the roles at work can do.
func (f *facts) conclude() {
	f.electable, f.writes, f.reads = 0, 0, 0
	for p := range f.heard {
		if f.proposers.has(p) && f.many(f.acceptors&f.exchanges[p]) && f.many(f.proposers&f.exchanges[p]) {
			f.electable |= 1 << p
		}
	}
	for r := range f.heard {
		if f.learners.has(r) && f.many(f.acceptors&f.exchanges[r]) {
			f.reads |= 1 << r
		}
	}
	leading := f.electable
	if f.leader&f.electable != 0 { // it stays: a majority hears it, whomever it does not serve
		leading = f.leader
	}
	for p := range f.heard {
		if leading.has(p) {
			f.writes |= f.learning(p) & f.submitting(p)
		}
	}
}

func (f *facts) many(s set) bool { return bits.OnesCount64(uint64(s)) >= f.majority }

// learning gives the replicas whose learners learn what is chosen while p leads: from p, who counts the votes and says so
// in its heartbeats; from the votes of a majority, with the value from an acceptor that holds it; or from an acceptor
// that holds it and was told by its own learner that it is chosen.
func (f *facts) learning(p int) set {
	learning, voting := set(0), set(0)
	for a := range f.heard {
		if f.acceptors.has(a) && f.heard[a].has(p) {
			voting |= 1 << a
		}
	}
	for r := range f.heard {
		counts := f.many(voting&f.heard[r]) && f.exchanges[r]&voting != 0
		if f.learners.has(r) && (f.heard[r].has(p) || counts) {
			learning |= 1 << r
		}
	}
	for before := set(0); before != learning; {
		before = learning
		for r := range f.heard {
			if f.learners.has(r) && f.exchanges[r]&learning&voting != 0 {
				learning |= 1 << r
			}
		}
	}
	return learning
}

// submitting gives the replicas whose updates reach p while it leads. A gateway sends them on as long as its replica
// knows a leader, or has a proposer that asks around for one; what gets lost on the way to p it sends again through the
// others, which pass it on if they hear p and reach it.
func (f *facts) submitting(p int) set {
	ways := f.exchanges[p]&f.proposers | 1<<p
	submitting := set(1) << p
	for way := range f.heard {
		if ways.has(way) {
			submitting |= f.heard[way]
		}
	}
	for r := range f.heard {
		if !f.heard[r].has(p) && !f.proposers.has(r) {
			submitting &^= 1 << r
		}
	}
	return submitting
}

// without takes replicas away.
func (f facts) without(gone set) facts {
	f.proposers, f.acceptors, f.learners = f.proposers&^gone, f.acceptors&^gone, f.learners&^gone
	f.conclude()
	return f
}

// spare tries all sets of further failures, the small ones first.
func (c Cluster) spare(f *facts) int {
	for count := 1; count <= len(c.replicas); count++ {
		for gone := set(0); gone < 1<<len(c.replicas); gone++ {
			if bits.OnesCount64(uint64(gone)) != count {
				continue
			}
			if after := f.without(gone); after.writes == 0 {
				return count - 1
			}
		}
	}
	return len(c.replicas)
}

// Grade says how much a command asks of whoever gives it.
type Grade int

// The grades of danger.
const (
	Mild     Grade = iota // done at once: it can be undone, and a majority keeps a margin
	Moderate              // wants a yes
	Severe                // updates would stop, or stay stopped for longer: wants the cluster's name
)

// Effect is what a command would change.
type Effect struct {
	Before, After Verdict
	Grade         Grade
	Sentence      string // what it would do, on one line: "2 of 5 acceptors would answer, 3 must: writes STOP"
}

// Compare tells what it would mean to go from one state to another. Reversible is for what loses nothing and can be
// taken back, such as a pause.
func Compare(before, after Cluster, reversible bool) Effect {
	e := Effect{Before: before.Verdict(), After: after.Verdict()}
	b, a := &e.Before, &e.After
	switch {
	case !a.Writable() && (b.Writable() || len(a.Answering) < len(b.Answering) || len(a.Reads) < len(b.Reads)):
		e.Grade = Severe
	case reversible && (a.Spare > 0 || a.Spare >= b.Spare):
	case after.equal(before):
	default:
		e.Grade = Moderate
	}
	parts := []string{fmt.Sprintf("%d of %d acceptors would answer, %d must: %s", len(a.Answering), a.Replicas, a.Majority,
		a.WritesText())}
	if b.Leader != "" && a.Leader == "" && a.Writable() {
		parts = append(parts, b.Leader+" would not lead any more")
	}
	if lost := missing(b.Reads, a.Reads); a.Writable() && len(lost) > 0 {
		parts = append(parts, strings.Join(lost, " ")+" would answer nothing")
	} else if lost := missing(b.Writes, a.Writes); a.Writable() && len(lost) > 0 {
		parts = append(parts, strings.Join(lost, " ")+" would take no updates")
	}
	e.Sentence = strings.Join(parts, "; ")
	return e
}

// Loss tells what it would mean that a role of a replica loses its state, with AllRoles that all do, until it has
// recovered. That is always severe: nothing brings the state back.
func Loss(before Cluster, replica, role string) Effect {
	after, what := before.Stop(replica, role), "the state of its "+role
	if role == AllRoles {
		after, what = before.Stop(replica, Acceptor).Stop(replica, Learner), "all its state"
	}
	e := Compare(before, after, false)
	e.Grade = Severe
	e.Sentence = fmt.Sprintf("%s loses %s, which no undo brings back; until it has recovered %s", replica, what, e.Sentence)
	return e
}

// equal compares the roles and links.
func (c Cluster) equal(other Cluster) bool {
	if len(c.replicas) != len(other.replicas) {
		return false
	}
	for i := range c.replicas {
		if c.replicas[i] != other.replicas[i] || c.heard[i] != other.heard[i] {
			return false
		}
	}
	return true
}

// missing gives what is in before and not in after.
func missing(before, after []string) []string {
	var lost []string
	for _, name := range before {
		found := false
		for _, other := range after {
			found = found || name == other
		}
		if !found {
			lost = append(lost, name)
		}
	}
	return lost
}
