package paxos

import (
	"fmt"
	"testing"

	"synod/core/mutant"
)

// stage is a cluster in which an author decides which message arrives, when, and at
// whom. Acceptors r1, r2, … are called A, B, … in the stories.
type stage struct {
	plant     mutant.Set
	options   AcceptorOptions
	acceptors []*Acceptor
	disks     []*disk
	lives     []Incarnation // the identities
	starts    byte
	ghost     ghost
	stores    []Slot
}

func newStage(replicas int, plant mutant.Set) *stage {
	s := &stage{plant: plant, ghost: newGhost(replicas), stores: make([]Slot, replicas)}
	s.options = AcceptorOptions{Cuts: true, RecoverTicks: 1}
	s.acceptors = make([]*Acceptor, replicas)
	for i := range replicas {
		cfg := testConfig(i+1, replicas, plant)
		s.disks = append(s.disks, &disk{records: []Record{BirthRecord(cfg)}, durable: 1})
		s.lives = append(s.lives, 1)
		s.start(ReplicaID(i + 1))
	}
	return s
}

func (s *stage) replicas() int { return len(s.acceptors) }

// start is the start of an acceptor from what its disk holds.
func (s *stage) start(r ReplicaID) {
	cfg := testConfig(int(r), s.replicas(), s.plant)
	cfg.Incarnation = s.lives[r-1]
	s.starts++
	options := s.options
	options.Run = [16]byte{s.starts}
	a := NewAcceptor(cfg, options, s.disks[r-1])
	for _, record := range s.disks[r-1].records {
		a.Restore(record)
	}
	if !a.Born() {
		a = NewAcceptor(cfg, options, s.disks[r-1])
		a.Lose("lost")
	}
	s.acceptors[r-1] = a
}

// wipe takes an acceptor's log, and with forgets the identity, and starts it again.
func (s *stage) wipe(r ReplicaID, forgets bool) {
	*s.disks[r-1] = disk{}
	if forgets {
		s.lives[r-1] = 1
	}
	s.start(r)
}

// sent are messages that have left, on their way for as long as the author wants.
type letters []Envelope

// to gives those for one replica's role.
func (l letters) to(r ReplicaID, role Roles) (found letters) {
	for _, e := range l {
		if e.To.Roles&role != 0 && (e.To.Replica == r || e.To.Replica == Everyone) {
			found = append(found, e)
		}
	}
	return found
}

// tell delivers messages to an acceptor, one by one, and returns what it says.
func (s *stage) tell(r ReplicaID, messages letters) (said letters) {
	for _, e := range messages.to(r, RoleAcceptor) {
		said = append(said, s.step(r, false, func(a *Acceptor, out *Output) { a.Step(e, out) })...)
	}
	return said
}

// tick lets time pass for an acceptor.
func (s *stage) tick(r ReplicaID) letters {
	return s.step(r, false, func(a *Acceptor, out *Output) { a.Tick(0, out) })
}

// step does what the agent does. An acceptor that dies does so before its sync.
func (s *stage) step(r ReplicaID, dies bool, do func(*Acceptor, *Output)) letters {
	var out Output
	a, d := s.acceptors[r-1], s.disks[r-1]
	do(a, &out)
	a.Settle(&out)
	said := letters(out.Prompt)
	if dies {
		s.ghost.sent(said)
		s.start(r)
		return said
	}
	if out.Renew != 0 {
		s.lives[r-1], d.records = out.Renew, nil
	}
	d.records = append(d.records, out.Records...)
	said = append(said, out.Messages...)
	s.ghost.sent(said)
	for _, other := range s.acceptors {
		if other.Refusing() == "" {
			s.ghost.knows(other, s.stores[other.cfg.Self-1])
		}
	}
	return said
}

// recover lets an acceptor recover with the help of some, and reports whether it did.
func (s *stage) recover(r ReplicaID, helpers ...ReplicaID) bool {
	for range 20 {
		asked := s.tick(r)
		for len(asked) > 0 && s.acceptors[r-1].Recovering() {
			var answers letters
			for _, h := range helpers {
				answers = append(answers, s.tell(h, asked)...)
			}
			asked = s.tell(r, answers)
		}
	}
	return !s.acceptors[r-1].Recovering()
}

// from is a message of a proposer.
func (s *stage) from(r ReplicaID, m Message) letters {
	cfg := testConfig(int(r), s.replicas(), s.plant)
	said := letters{cfg.envelope(RoleProposer, Address{Everyone, RoleAcceptor | RoleLearner}, m)}
	return said
}

// accept is a proposal. The story vouches that its proposer has a right to it.
func (s *stage) accept(b Ballot, slot Slot, value string) letters {
	said := s.from(b.Replica, &Accept{Ballot: b, Slot: slot, Value: Value(value)})
	s.ghost.proposed[proposalKey{slot, b}] = Value(value)
	return said
}

// campaigner is a proposer that wants something of its own.
func (s *stage) campaigner(r ReplicaID, round uint64) (p *Proposer, asks letters) {
	p = NewProposer(testConfig(int(r), s.replicas(), s.plant), ProposerOptions{Run: 40 + uint64(r), WindowMax: 4})
	p.round = round - 1
	var out Output
	p.campaign(1, &out)
	p.queue = [][]byte{[]byte("own")}
	return p, out.Messages
}

// hear delivers messages to a proposer, and judges what it proposes then.
func (s *stage) hear(p *Proposer, messages letters) letters {
	var out Output
	for _, e := range messages.to(p.cfg.Self, RoleProposer) {
		p.Step(e, &out)
		p.Settle(&out)
	}
	s.ghost.sent(out.Messages)
	return out.Messages
}

const (
	acceptorA ReplicaID = iota + 1
	acceptorB
	acceptorC
	acceptorD
	acceptorE
)

// counterexample is a story in which a rule that is left out breaks a promise.
type counterexample struct {
	name     string
	replicas int
	// kills are the mutants that leave out the rule which the story needs.
	kills []mutant.ID
	play  func(*stage)
}

// TestCounterexamples plays the stories. Nothing is broken in any of them.
func TestCounterexamples(t *testing.T) {
	for _, c := range counterexamples() {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(c.replicas, testPlant)
			c.play(s)
			if s.ghost.broken != nil {
				t.Error(s.ghost.broken)
			}
		})
	}
}

var (
	first  = Ballot{Round: 1, Replica: 1, Run: 101}
	second = Ballot{Round: 2, Replica: 2, Run: 102}
)

func counterexamples() []counterexample {
	return append([]counterexample{
		{
			"an old promise of a life that is over", 5,
			[]mutant.ID{mutant.M15, mutant.M16, mutant.M20, mutant.M38},
			oldPromise,
		},
		{"votes of different lives", 3, []mutant.ID{mutant.M20b}, votesOfDifferentLives},
		{"two helpers are too few", 5, []mutant.ID{mutant.M17, mutant.M19}, tooFewHelpers},
		{"promises are memory, too", 3, []mutant.ID{mutant.M18}, promisesAreMemory},
		{"a helper that dies before its sync", 3, []mutant.ID{mutant.M21}, helperDies},
		{"nothing blessed by nothing", 5, []mutant.ID{mutant.M22}, emptyHelper},
		{"an answer to an earlier attempt", 3, []mutant.ID{mutant.M23}, earlierAttempt},
		{"helpers before and after a loss of their own", 5, []mutant.ID{mutant.M23b}, helpersDoNotFit},
	}, moreCounterexamples()...)
}

// oldPromise: B promises a high ballot; the promise travels for a long time.
// Meanwhile B loses its memory, recovers without that promise, and votes for what is
// chosen in the low ballot. A proposer that counted the old promise together with
// those of C and D would not hear of it.
func oldPromise(s *stage) {
	for r := acceptorA; r <= acceptorE; r++ {
		s.tell(r, s.from(1, &Prepare{Ballot: first, From: 1}))
	}
	p, asks := s.campaigner(2, 2)
	travelling := s.tell(acceptorB, asks)
	s.wipe(acceptorB, false)
	s.tell(acceptorB, letters{s.acceptors[1].cfg.envelope(RoleLearner, Address{acceptorB, RoleAcceptor},
		&ChosenRuns{[]ChosenRun{{first, 7, 7}}})})
	s.recover(acceptorB, acceptorA, acceptorC, acceptorD)
	for _, r := range []ReplicaID{acceptorB, acceptorA, acceptorE} {
		s.tell(r, s.accept(first, 1, "chosen"))
	}
	s.hear(p, travelling)
	s.hear(p, s.tell(acceptorC, asks))
	s.hear(p, s.tell(acceptorD, asks))
}

// votesOfDifferentLives: A's vote, then A loses its memory and recovers from B and C,
// who have not voted; then C votes. The two votes are no majority.
func votesOfDifferentLives(s *stage) {
	for r := acceptorA; r <= acceptorC; r++ {
		s.tell(r, s.from(1, &Prepare{Ballot: first, From: 1}))
	}
	proposal := s.accept(first, 1, "value")
	votes := s.tell(acceptorA, proposal)
	s.wipe(acceptorA, false)
	s.recover(acceptorA, acceptorB, acceptorC)
	votes = append(votes, s.tell(acceptorC, proposal)...)
	l := NewLearner(testConfig(3, 3, s.plant), LearnerOptions{Run: 9})
	var out Output
	for _, e := range append(proposal, votes...) {
		l.Step(e, &out)
	}
	s.ghost.learned(2, out.Chosen)
}

// tooFewHelpers: A, D and E have chosen; B and C know nothing of it.
func tooFewHelpers(s *stage) {
	for r := acceptorA; r <= acceptorE; r++ {
		s.tell(r, s.from(1, &Prepare{Ballot: first, From: 1}))
	}
	for _, r := range []ReplicaID{acceptorA, acceptorD, acceptorE} {
		s.tell(r, s.accept(first, 1, "chosen"))
	}
	s.wipe(acceptorA, false)
	s.recover(acceptorA, acceptorB, acceptorC)
	s.recover(acceptorA, acceptorB, acceptorC, acceptorD)
}

// promisesAreMemory: A and B have promised, and nobody has voted.
func promisesAreMemory(s *stage) {
	for r := acceptorA; r <= acceptorB; r++ {
		s.tell(r, s.from(1, &Prepare{Ballot: first, From: 1}))
	}
	s.wipe(acceptorA, false)
	s.recover(acceptorA, acceptorB, acceptorC)
}

// helperDies: B tells A its state before it is certain that B will remember A's new
// life. B dies, and its next promise counts together with the one that A forgot.
func helperDies(s *stage) {
	high := s.from(2, &Prepare{Ballot: second, From: 1})
	s.tell(acceptorA, high)
	s.wipe(acceptorA, false)
	var answers letters
	for _, asked := range s.tick(acceptorA) {
		answers = append(answers, s.tell(acceptorB, letters{asked})...)
		answers = append(answers, s.tell(acceptorC, letters{asked})...)
	}
	asked := s.tell(acceptorA, answers)
	for _, e := range asked.to(acceptorB, RoleAcceptor) {
		s.tell(acceptorA, s.step(acceptorB, true, func(a *Acceptor, out *Output) { a.Step(e, out) }))
	}
	s.tell(acceptorA, s.tell(acceptorC, asked))
	s.tell(acceptorB, high)
	s.recover(acceptorA, acceptorB, acceptorC)
}

// emptyHelper: A and B, who have chosen with C, lose their memory at the same time.
// If B helped A, then D and E would have told A all that A gets to hear.
func emptyHelper(s *stage) {
	for _, r := range []ReplicaID{acceptorA, acceptorB, acceptorC} {
		s.tell(r, s.accept(first, 1, "chosen"))
	}
	s.wipe(acceptorA, false)
	s.wipe(acceptorB, false)
	infos := s.tick(acceptorB)
	for _, h := range []ReplicaID{acceptorC, acceptorD, acceptorE} {
		s.tell(acceptorB, s.tell(h, infos)) // B has a number for its new life, and nothing else
	}
	s.recover(acceptorA, acceptorB, acceptorD, acceptorE)
	s.recover(acceptorA, acceptorC, acceptorD, acceptorE)
}

// earlierAttempt: B's answer to A's first attempt comes when A recovers for the
// second time, after a life in which A and B have chosen something.
func earlierAttempt(s *stage) {
	s.wipe(acceptorA, true)
	asked := s.tick(acceptorA)
	asked = s.tell(acceptorA, append(s.tell(acceptorB, asked), s.tell(acceptorC, asked)...))
	late := s.tell(acceptorB, asked)
	s.wipe(acceptorA, true)
	s.recover(acceptorA, acceptorB, acceptorC)
	s.tell(acceptorA, s.accept(first, 1, "chosen"))
	s.tell(acceptorB, s.accept(first, 1, "chosen"))
	s.wipe(acceptorA, true)
	asked = s.tick(acceptorA)
	asked = s.tell(acceptorA, append(s.tell(acceptorB, asked), s.tell(acceptorC, asked)...))
	s.tell(acceptorA, late)
	s.tell(acceptorA, s.tell(acceptorC, asked))
	s.recover(acceptorA, acceptorB, acceptorC)
}

// helpersDoNotFit: B helps A, loses its memory, and with it that A has a new life;
// so B's next vote counts together with A's old one. D and E, who know of B's loss,
// then help A: what B told before must not be put together with what they tell.
func helpersDoNotFit(s *stage) {
	proposal := s.accept(first, 1, "chosen")
	s.tell(acceptorA, proposal)
	s.wipe(acceptorA, false)
	asked := s.tick(acceptorA)
	var infos letters
	for r := acceptorB; r <= acceptorE; r++ {
		infos = append(infos, s.tell(r, asked)...)
	}
	asked = s.tell(acceptorA, infos)
	s.tell(acceptorA, s.tell(acceptorB, asked))
	s.wipe(acceptorB, false)
	s.recover(acceptorB, acceptorC, acceptorD, acceptorE)
	s.tell(acceptorB, proposal)
	s.tell(acceptorC, proposal)
	s.tell(acceptorA, s.tell(acceptorD, asked))
	s.tell(acceptorA, s.tell(acceptorE, asked))
	s.recover(acceptorA, acceptorB, acceptorC, acceptorD, acceptorE)
	if s.acceptors[0].Recovering() {
		s.ghost.breaks("progress: A has not recovered: %s", s.acceptors[0].Refusing())
	}
}

// String is for the trace of a story that fails.
func (l letters) String() string {
	text := ""
	for _, e := range l {
		text += fmt.Sprintf("%s -> %s %s %+v\n", e.From, e.To, e.Message.Kind(), e.Message)
	}
	return text
}
