package paxos

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"synod/core/mutant"
)

// testConfig is the configuration of a replica in a test cluster.
func testConfig(self, replicas int, plant mutant.Set) Config {
	return Config{
		Cluster: ClusterID{7}, Self: ReplicaID(self), Replicas: replicas, Incarnation: 1, Mutant: plant,
	}
}

// disk is an acceptor's log: records up to durable survive every crash.
type disk struct {
	records []Record
	durable int
}

// Load implements Archive.
func (d *disk) Load(s Slot) Value {
	for i := len(d.records) - 1; i >= 0; i-- {
		if r := d.records[i]; r.Kind == RecordVoted && r.Slot == s {
			return r.Value
		}
	}
	panic(fmt.Sprintf("slot %d is asked for, but never was recorded", s))
}

// letter is an envelope with exactly one receiver.
type letter struct {
	Envelope
	to Address
}

// world is a cluster without time. Its network is the set of all messages ever
// sent: any of them may reach its receiver at any time, any number of times and
// in any order. That covers loss, delay, duplication and every old message.
// Acceptors crash before and after a sync and come back from their records;
// proposers and learners come back without memory. In some worlds acceptors cut
// their logs, and memory is lost for good (lost_test.go).
type world struct {
	random    *rand.Rand
	replicas  int
	slots     Slot // nobody proposes anything new beyond
	plant     mutant.Set
	options   AcceptorOptions
	acceptors []*Acceptor
	disks     []*disk
	proposers []*Proposer
	learners  []*Learner
	pool      []letter
	fresh     int // letters of the pool from here on were never delivered
	hurry     int // how far messages overtake each other
	runs      uint64
	values    int
	reads     uint64
	ghost     ghost
	memory    memory
	tracing   bool
	trace     []string
}

func newWorld(seed uint64, plant mutant.Set) *world {
	random := rand.New(rand.NewPCG(seed, 0x5a70))
	w := &world{random: random, replicas: 3 + 2*random.IntN(2), slots: Slot(1 + random.IntN(3)), plant: plant}
	w.hurry = 1 << (2 + random.IntN(5))
	if random.IntN(2) == 0 {
		w.options = AcceptorOptions{MemoryBytesMax: 1, PartBytesMax: 1} // everything leaves memory, and in parts
	}
	w.ghost = newGhost(w.replicas)
	w.memory.draw(w)
	for i := range w.replicas {
		d := &disk{records: []Record{BirthRecord(testConfig(i+1, w.replicas, plant))}, durable: 1}
		w.disks, w.acceptors = append(w.disks, d), append(w.acceptors, nil)
		w.restoreAcceptor(i)
	}
	for i := range 2 + random.IntN(2) {
		w.proposers = append(w.proposers, nil)
		w.startProposer(i)
	}
	for i := range 2 {
		w.learners = append(w.learners, nil)
		w.startLearner(i, 0)
	}
	return w
}

func (w *world) restoreAcceptor(i int) {
	cfg, options := testConfig(i+1, w.replicas, w.plant), w.options
	cfg.Incarnation = w.memory.identities[i]
	w.runs++
	options.Run = [16]byte{byte(w.runs), byte(w.runs >> 8), 1}
	w.acceptors[i] = NewAcceptor(cfg, options, w.disks[i])
	for _, r := range w.disks[i].records {
		w.acceptors[i].Restore(r)
	}
	if !w.acceptors[i].Born() {
		w.acceptors[i] = NewAcceptor(cfg, options, w.disks[i])
		w.acceptors[i].Lose("lost")
	}
}

func (w *world) startProposer(i int) {
	w.runs++
	w.proposers[i] = NewProposer(testConfig(i+1, w.replicas, w.plant),
		ProposerOptions{Run: w.runs, WindowMax: 1 + w.random.IntN(3)})
}

func (w *world) startLearner(i int, applied Slot) {
	w.runs++
	w.learners[i] = NewLearner(testConfig(i+1, w.replicas, w.plant),
		LearnerOptions{Run: w.runs, Applied: applied, AheadMax: 4, ResendTicks: 2})
	w.ghost.applied[i] = applied
}

func (w *world) note(format string, args ...any) {
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf(format, args...))
	}
}

// run lets steps happen and returns the first broken promise, or nil.
func (w *world) run(steps int) error {
	for range steps {
		switch n := w.random.IntN(200 + w.memory.often); {
		case n < 180 && len(w.pool) > 0:
			w.deliver(w.pick())
		case n < 183:
			w.campaign(w.random.IntN(len(w.proposers)))
		case n < 191:
			w.propose(w.random.IntN(len(w.proposers)))
		case n < 194:
			w.tickLearner(w.random.IntN(len(w.learners)))
		case n < 196:
			w.read(w.random.IntN(len(w.learners)))
		case n >= 200:
			w.live()
		default:
			w.crash()
		}
		if w.ghost.broken != nil {
			return w.ghost.broken
		}
	}
	return nil
}

// pick draws a message: mostly one that was never delivered, or nothing would
// ever be finished.
func (w *world) pick() letter {
	n := len(w.pool)
	if w.fresh < n && w.random.IntN(10) < 8 {
		i := w.fresh + w.random.IntN(min(n-w.fresh, w.hurry))
		w.pool[w.fresh], w.pool[i] = w.pool[i], w.pool[w.fresh]
		w.fresh++
		return w.pool[w.fresh-1]
	}
	return w.pool[w.random.IntN(n)]
}

func (w *world) deliver(l letter) {
	i := int(l.to.Replica) - 1
	w.note("%s -> %s %s %+v", l.From, l.to, l.Message.Kind(), l.Message)
	switch l.to.Roles {
	case RoleAcceptor:
		w.stepAcceptor(i, func(a *Acceptor, out *Output) { a.Step(l.Envelope, out) })
	case RoleProposer:
		w.act(w.proposers[i], func(out *Output) { w.proposers[i].Step(l.Envelope, out) })
	case RoleLearner:
		w.stepLearner(i, func(out *Output) { w.learners[i].Step(l.Envelope, out) })
	}
}

// stepAcceptor does what the agent does: step, record, sync, send; and it may
// die between any two of them.
func (w *world) stepAcceptor(i int, step func(*Acceptor, *Output)) {
	var out Output
	a, d := w.acceptors[i], w.disks[i]
	step(a, &out)
	a.Settle(&out)
	w.send(out.Prompt)
	if out.Renew != 0 { // durable at once, and the old log is never opened again
		w.memory.identities[i] = max(w.memory.identities[i], out.Renew)
		d.records, d.durable = nil, 0
	}
	d.records = append(d.records, out.Records...)
	if w.random.IntN(24) == 0 {
		w.note("r%d.acceptor dies before its sync", i+1)
		w.crashAcceptor(i)
		return
	}
	for _, r := range out.Records {
		if r.Kind != RecordRuns { // runs are never synced for their own sake
			d.durable = len(d.records)
		}
	}
	w.send(out.Messages)
	w.remember(i, out.Events)
}

func (w *world) act(r Role, step func(*Output)) {
	var out Output
	step(&out)
	r.Settle(&out)
	w.send(out.Prompt)
	w.send(out.Messages)
}

func (w *world) stepLearner(i int, step func(*Output)) {
	var out Output
	step(&out)
	w.learners[i].Settle(&out)
	w.ghost.learned(i, out.Chosen)
	if out.Install != 0 {
		w.ghost.applied[i] = out.Install
		w.memory.stores[i] = max(w.memory.stores[i], out.Install)
	}
	if out.Want.From != 0 {
		w.copyState(i, out.Want)
	}
	w.ghost.released(out.Reads)
	w.send(out.Prompt)
	w.send(out.Messages)
}

func (w *world) campaign(i int) {
	// Phase 1 may start anywhere up to the first slot that some learner lacks.
	from := Slot(1)
	for l := range w.learners {
		from = max(from, 1+Slot(w.random.IntN(int(w.ghost.applied[l])+1)))
	}
	w.note("r%d.proposer campaigns from slot %d", i+1, from)
	p := w.proposers[i]
	w.act(p, func(out *Output) {
		p.follow()
		p.campaign(from, out)
	})
}

func (w *world) propose(i int) {
	p := w.proposers[i]
	if p.State() != Leading || p.next > w.slots {
		return
	}
	w.values++
	command := []byte(fmt.Sprintf("v%d", w.values))
	w.act(p, func(out *Output) {
		p.Step(p.cfg.envelope(RoleGateway, Address{p.cfg.Self, RoleProposer}, &Propose{[][]byte{command}}), out)
	})
}

func (w *world) tickLearner(i int) {
	w.stepLearner(i, func(out *Output) {
		for range 4 {
			w.learners[i].Tick(0, out)
		}
	})
}

func (w *world) read(i int) {
	w.reads++
	w.ghost.asked(w.reads)
	w.note("r%d.learner is asked to read %d", i+1, w.reads)
	l := w.learners[i]
	w.stepLearner(i, func(out *Output) {
		l.Step(l.cfg.envelope(RoleGateway, Address{l.cfg.Self, RoleLearner}, &Read{[]uint64{w.reads}}), out)
	})
}

func (w *world) crash() {
	switch w.random.IntN(4) {
	case 0, 1:
		i := w.random.IntN(len(w.acceptors))
		w.note("r%d.acceptor restarts", i+1)
		w.crashAcceptor(i)
	case 2:
		i := w.random.IntN(len(w.proposers))
		w.note("r%d.proposer restarts", i+1)
		w.startProposer(i)
		if w.random.IntN(2) == 0 {
			w.campaign(i) // before it hears which rounds it used in its last life
		}
	case 3:
		i := w.random.IntN(len(w.learners))
		w.note("r%d.learner restarts", i+1)
		durable := w.memory.stores[i]
		w.startLearner(i, durable+Slot(w.random.IntN(int(w.ghost.applied[i]-durable)+1)))
	}
}

// crashAcceptor loses any part of what was not synced.
func (w *world) crashAcceptor(i int) {
	d := w.disks[i]
	d.records = d.records[:d.durable+w.random.IntN(len(d.records)-d.durable+1)]
	if len(d.records) > d.durable && w.random.IntN(2) == 0 {
		d.records = d.records[:d.durable]
	}
	d.durable = len(d.records) // opening a log ends with a sync
	w.restoreAcceptor(i)
}

// send shows messages to the ghost and leaves one letter for every receiver.
func (w *world) send(envelopes []Envelope) {
	w.ghost.sent(envelopes)
	for _, e := range envelopes {
		if m, ok := e.Message.(*Accept); ok && m.Slot > w.slots+2 {
			continue // the no-ops of a leader that closes slots have no end otherwise
		}
		for r := ReplicaID(1); int(r) <= w.replicas; r++ {
			if e.To.Replica != Everyone && e.To.Replica != r {
				continue
			}
			for _, role := range []Roles{RoleProposer, RoleAcceptor, RoleLearner} {
				if e.To.Roles&role != 0 && w.exists(r, role) {
					w.pool = append(w.pool, letter{e, Address{r, role}})
				}
			}
		}
	}
}

func (w *world) exists(r ReplicaID, role Roles) bool {
	switch role {
	case RoleProposer:
		return int(r) <= len(w.proposers)
	case RoleLearner:
		return int(r) <= len(w.learners)
	}
	return true
}

// story replays a world that broke a promise and tells how it came to it.
func story(seed uint64, plant mutant.Set) string {
	const lastLines = 60
	w := newWorld(seed, plant)
	w.tracing = true
	_ = w.run(stepsPerWorld) // the error is known
	return strings.Join(w.trace[max(0, len(w.trace)-lastLines):], "\n")
}
