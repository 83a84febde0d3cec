package paxos

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"synod/core/mutant"
)

// explorer walks through every reachable state of a small cluster: one slot, three
// or four acceptors, two proposers, and a network that keeps every message ever sent
// and may deliver it at any time, any number of times. Proposers campaign and
// restart, acceptors lose all their memory and recover. A step
// of a role depends only on its state and the message, so every step is computed
// once and remembered: what is left is a walk over small numbers.
type explorer struct {
	plant    mutant.Set
	replicas int
	units    []unit
	unitIDs  map[string]uint32
	letters  []letter
	letterID map[string]int
	counted  letterSet // letters that check looks at
	steps    map[stepKey]stepResult
	seen     map[[2]uint64]struct{}
	known    map[letterSet]*ghost // what follows from what was promised and voted
	seeds    [2]maphash.Seed
	shuffled bool
	random   *rand.Rand
	broken   error
}

// letterSet is a set of letters by their numbers.
type letterSet [lettersMax / 64]uint64

func (s *letterSet) put(id int)  { s[id/64] |= 1 << (id % 64) }
func (s *letterSet) drop(id int) { s[id/64] &^= 1 << (id % 64) }

// each visits the letters in order.
func (s *letterSet) each(visit func(id int)) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			visit(i*64 + bits.TrailingZeros64(word))
		}
	}
}

// unit is one role in one state. It is never changed: a step copies it first.
type unit struct {
	role Role
	key  string
}

// worldState is a state of the whole cluster: two proposers, the acceptors, what
// they may still do of their own accord or suffer, and what was ever sent.
type worldState struct {
	units     [2 + acceptorsMax]uint32
	campaigns [2]uint8
	restarts  uint8
	wipes     uint8
	sent      letterSet
}

const (
	acceptorsMax = 4
	lettersMax   = 512
)

type stepKey struct {
	unit   uint32
	action int // a letter, or one of the actions below
}

// A wipe is actionWipe less the number of wipes before: each draws a nonce of its
// own.
const (
	actionCampaign = -1
	actionRestart  = -2
	actionWipe     = -3
)

type stepResult struct {
	unit   uint32
	sent   letterSet
	prompt letterSet // what leaves even if the acceptor dies before its sync
}

// scope bounds a walk.
type scope struct {
	replicas  int
	campaigns [2]uint8
	restarts  uint8
	wipes     uint8
}

func newExplorer(plant mutant.Set) *explorer {
	return &explorer{
		plant: plant, shuffled: plant != (mutant.Set{}), random: rand.New(rand.NewPCG(1, 1)), unitIDs: map[string]uint32{}, letterID: map[string]int{},
		steps: map[stepKey]stepResult{}, seen: map[[2]uint64]struct{}{}, known: map[letterSet]*ghost{},
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
	}
}

// explore visits all states within the scope, up to statesMax, and returns how many
// there are.
func (x *explorer) explore(within scope, statesMax int) int {
	x.replicas = within.replicas
	first := worldState{campaigns: within.campaigns, restarts: within.restarts, wipes: within.wipes}
	for i := range 2 {
		first.units[i] = x.internProposer(x.newProposer(i, 1))
	}
	for i := range x.replicas {
		cfg := testConfig(i+1, x.replicas, x.plant)
		a := NewAcceptor(cfg, AcceptorOptions{}, noArchive{})
		a.Restore(BirthRecord(cfg))
		first.units[2+i] = x.internAcceptor(a)
	}
	x.isNew(&first)
	for waiting := []worldState{first}; len(waiting) > 0 && x.broken == nil && len(x.seen) < statesMax; {
		if x.shuffled { // a bug is found sooner in all directions than in depth
			pick := x.random.IntN(len(waiting))
			waiting[pick], waiting[len(waiting)-1] = waiting[len(waiting)-1], waiting[pick]
		}
		state := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		x.successors(&state, func(next *worldState) {
			if x.isNew(next) {
				waiting = append(waiting, *next)
			}
		})
	}
	return len(x.seen)
}

// isNew remembers a state by two hashes: the chance that two states of a walk of
// millions share both is nothing.
func (x *explorer) isNew(s *worldState) bool {
	key := [2]uint64{maphash.Comparable(x.seeds[0], *s), maphash.Comparable(x.seeds[1], *s)}
	if _, known := x.seen[key]; known {
		return false
	}
	x.seen[key] = struct{}{}
	return true
}

func (x *explorer) newProposer(i int, start uint64) *Proposer {
	return NewProposer(testConfig(i+1, x.replicas, x.plant), ProposerOptions{Run: uint64(i+1)*10 + start, WindowMax: 1})
}

func (x *explorer) successors(s *worldState, visit func(*worldState)) {
	for i := range 2 {
		if s.campaigns[i] > 0 {
			next := x.apply(s, i, actionCampaign)
			next.campaigns[i]--
			visit(&next)
		}
		if s.restarts > 0 {
			next := x.apply(s, i, actionRestart)
			next.restarts--
			visit(&next)
		}
	}
	if s.wipes > 0 && !x.tooManyLost(s) {
		for i := range x.replicas {
			next := x.apply(s, 2+i, actionWipe-int(s.wipes))
			next.wipes--
			visit(&next)
		}
	}
	s.sent.each(func(id int) {
		l := &x.letters[id]
		if l.to.Replica == Everyone {
			return
		}
		place := int(l.to.Replica) - 1
		if l.to.Roles == RoleAcceptor {
			place += 2
		}
		next := x.apply(s, place, id)
		visit(&next)
		if prompt := x.steps[stepKey{s.units[place], id}].prompt; prompt != (letterSet{}) {
			died := *s
			for i := range died.sent {
				died.sent[i] |= prompt[i]
			}
			visit(&died)
		}
	})
}

// tooManyLost: no more than a minority of acceptors is without its memory.
func (x *explorer) tooManyLost(s *worldState) bool {
	lost := 1
	for i := range x.replicas {
		if x.units[s.units[2+i]].role.(*Acceptor).Recovering() {
			lost++
		}
	}
	return lost > x.replicas-(x.replicas/2+1)
}

// apply lets one unit do one thing.
func (x *explorer) apply(from *worldState, place, action int) worldState {
	s := *from
	key := stepKey{s.units[place], action}
	result, ok := x.steps[key]
	if !ok {
		result = x.step(key)
		x.steps[key] = result
	}
	news := s.units[place] != result.unit
	s.units[place] = result.unit
	for i := range s.sent {
		news = news || result.sent[i]&x.counted[i]&^s.sent[i] != 0
		s.sent[i] |= result.sent[i]
	}
	if news {
		x.check(&s)
	}
	x.forget(&s)
	return s
}

// forget takes out what no receiver will ever look at again: requests below the
// acceptor's promise, promises for a ballot that is not asked for any more, answers
// to a recovery that is over. It makes equal what differs only in dead letters. A
// planted bug may look at them.
func (x *explorer) forget(s *worldState) {
	if x.plant != (mutant.Set{}) {
		return
	}
	s.sent.each(func(id int) {
		if l := &x.letters[id]; l.to.Replica != Everyone && x.dead(s, l) {
			s.sent.drop(id)
		}
	})
}

func (x *explorer) dead(s *worldState, l *letter) bool {
	switch m := l.Message.(type) {
	case *Prepare:
		a := x.acceptor(s, l.to.Replica)
		return !a.Recovering() && s.wipes == 0 && m.Ballot.Less(a.promised)
	case *Accept:
		a := x.acceptor(s, l.to.Replica)
		return !a.Recovering() && s.wipes == 0 && m.Ballot.Less(a.promised)
	case *Promise:
		p := x.units[s.units[l.to.Replica-1]].role.(*Proposer)
		return p.state != Preparing || p.ballot != m.Ballot
	case *RecoverQuery:
		return !x.attempts(s, l.From.Replica, m.Nonce, stageAsking)
	case *RecoverInfo:
		return !x.attempts(s, l.to.Replica, m.Nonce, stageAsking) && !x.attempts(s, l.to.Replica, m.Nonce, stageGathering)
	case *RecoverState:
		return !x.attempts(s, l.to.Replica, m.Nonce, stageGathering)
	case *Recover:
		known := x.acceptor(s, l.to.Replica).vector.Of(l.From.Replica)
		return !x.attempts(s, l.From.Replica, m.Nonce, stageGathering) && s.wipes == 0 && known >= m.Incarnation
	}
	return false
}

// attempts reports whether an acceptor is at a stage of an attempt to recover.
func (x *explorer) attempts(s *worldState, r ReplicaID, n Nonce, stage recoveryStage) bool {
	a := x.acceptor(s, r)
	return a.Recovering() && a.nonce() == n && a.recovery.stage == stage
}

func (x *explorer) acceptor(s *worldState, r ReplicaID) *Acceptor {
	return x.units[s.units[r+1]].role.(*Acceptor)
}

func (x *explorer) step(key stepKey) stepResult {
	var out Output
	result := stepResult{}
	switch role := x.units[key.unit].role.(type) {
	case *Acceptor:
		a := cloneAcceptor(role)
		if key.action <= actionWipe {
			a = x.wiped(a, key.action, &out)
		} else {
			a.Step(x.letters[key.action].Envelope, &out)
		}
		a.Settle(&out)
		result.unit = x.internAcceptor(a)
	case *Proposer:
		p := cloneProposer(role)
		switch key.action {
		case actionRestart:
			p = x.newProposer(int(p.cfg.Self)-1, 2)
		case actionCampaign:
			p.follow()
			p.campaign(1, &out)
			p.now++
			p.queue = [][]byte{fmt.Appendf(nil, "run %d campaign %d", p.options.Run, p.now)}
		default:
			p.Step(x.letters[key.action].Envelope, &out)
		}
		p.Settle(&out)
		result.unit = x.internProposer(p)
	}
	for _, e := range out.Prompt {
		x.post(e, &result.prompt)
	}
	for _, e := range append(out.Prompt, out.Messages...) {
		x.post(e, &result.sent)
	}
	return result
}

// wiped is an acceptor of the same replica that remembers nothing. The others have
// already told it, in whatever order, which life of it they know: a majority of them
// knows the last one, and the walk would be ten times as long.
func (x *explorer) wiped(a *Acceptor, action int, out *Output) *Acceptor {
	cfg := testConfig(int(a.cfg.Self), x.replicas, x.plant)
	fresh := NewAcceptor(cfg, AcceptorOptions{Run: [16]byte{byte(a.cfg.Self), byte(-action)}}, noArchive{})
	fresh.Lose("wiped")
	for r := ReplicaID(1); int(r) <= x.replicas; r++ {
		if r != a.cfg.Self && fresh.Recovering() && fresh.recovery.stage == stageAsking {
			info := cfg.envelope(RoleAcceptor, Address{a.cfg.Self, RoleAcceptor}, &RecoverInfo{fresh.nonce(), a.cfg.Incarnation})
			info.From.Replica = r
			fresh.Step(info, out)
		}
	}
	if x.plant.Has(mutant.M15) {
		fresh.Tick(0, out)
	}
	return fresh
}

// post gives a message a number for each of its receivers, and one to nobody for
// what check has to count.
func (x *explorer) post(e Envelope, sent *letterSet) {
	switch m := e.Message.(type) {
	case *Heartbeat, *Nack, *Recovering, *Revived, *BelowFloor:
		return // concern liveness only: a proposer may campaign again without them
	case *Accept:
		if m.Slot > 1 {
			return
		}
		x.letter(letter{e, Address{}}, sent) // for check
	case *Accepted:
		x.letter(letter{e, Address{}}, sent) // to a proposer it matters from the second slot on
		return
	}
	for r := ReplicaID(1); int(r) <= x.replicas; r++ {
		for _, role := range []Roles{RoleProposer, RoleAcceptor} {
			if e.To.Replica != Everyone && e.To.Replica != r || e.To.Roles&role == 0 || role == RoleProposer && r > 2 {
				continue
			}
			if role == RoleAcceptor && r == e.From.Replica && e.From.Roles == RoleAcceptor {
				continue // an acceptor takes no help from itself
			}
			x.letter(letter{e, Address{r, role}}, sent)
		}
	}
}

func (x *explorer) letter(l letter, sent *letterSet) {
	text := fmt.Sprintf("%s %s %s %d %+v", l.From, l.to, l.Message.Kind(), l.Incarnation, l.Message)
	id, ok := x.letterID[text]
	if !ok {
		id = len(x.letters)
		if id == lettersMax {
			panic("too many messages for the explorer: choose smaller bounds")
		}
		x.letterID[text], x.letters = id, append(x.letters, l)
		if l.to.Replica == Everyone {
			x.counted.put(id)
		}
	}
	sent.put(id)
}

// check counts the promises and votes among all messages ever sent, and looks
// whether every normal acceptor knows what it was counted for.
func (x *explorer) check(s *worldState) {
	counted := s.sent
	for i := range counted {
		counted[i] &= x.counted[i]
	}
	g := x.known[counted]
	if g == nil {
		g = x.ghostOf(&counted)
		x.known[counted] = g
	}
	for i := range x.replicas {
		if a := x.acceptor(s, ReplicaID(i+1)); a.Refusing() == "" {
			g.knows(a, 0)
			x.knowsLeaders(s, a)
		}
	}
	if x.broken == nil {
		x.broken = g.broken
	}
}

// knowsLeaders: who was in the quorum of promises that made a leader has promised
// its ballot in every life.
func (x *explorer) knowsLeaders(s *worldState, a *Acceptor) {
	for i := range 2 {
		p := x.units[s.units[i]].role.(*Proposer)
		if p.state != Leading {
			continue
		}
		var promised replies
		for r := ReplicaID(1); int(r) <= x.replicas; r++ {
			if p.promises.has(r) {
				promised = append(promised, word{life{r, p.promises.incarnations[r-1]}, p.promises.vectors[r-1]})
			}
		}
		members := promised.members(x.replicas/2 + 1)
		if len(members) == 0 {
			x.broken = fmt.Errorf("%s leads with %s without a quorum", p.cfg.Self, p.ballot.Long())
		}
		if members[a.cfg.Self] && a.promised.Less(p.ballot) {
			x.broken = fmt.Errorf("%s was counted for %s and has promised only %s",
				a.cfg.Self, p.ballot.Long(), a.promised.Long())
		}
	}
}

func (x *explorer) ghostOf(counted *letterSet) *ghost {
	g := newGhost(x.replicas)
	g.unordered = true
	var replied []Envelope
	counted.each(func(id int) {
		e := x.letters[id].Envelope
		if _, ok := e.Message.(*Accept); ok {
			g.sent([]Envelope{e})
			return
		}
		replied = append(replied, e)
	})
	g.sent(replied)
	return &g
}

func (x *explorer) internAcceptor(a *Acceptor) uint32 {
	entry, _ := a.entry(1)
	text := fmt.Sprintf("acceptor %d life %d %+v %v %+v", a.cfg.Self, a.cfg.Incarnation, a.promised, a.vector, entry)
	if r := a.recovery; r != nil {
		text = fmt.Sprintf("acceptor %d recovers as %d %v stage %d %b %d %+v %+v %+v %v", a.cfg.Self, a.cfg.Incarnation,
			a.nonce(), r.stage, r.answered, r.known, r.helpers, r.replies, r.promised, r.vector)
		if held := r.votes.find(1); held != nil {
			text += fmt.Sprintf(" %+v", *held)
		}
	}
	return x.intern(unit{a, text})
}

// internProposer leaves out what only delays depend on.
func (x *explorer) internProposer(p *Proposer) uint32 {
	return x.intern(unit{p, fmt.Sprintf("proposer %d %d %s %d %+v %d %+v %+v %d %d %d %+v %d %d %d %s",
		p.cfg.Self, p.now, p.state, p.round, p.ballot, p.from, p.promises, p.reported, p.reportedLast, p.chosenMark, p.options.Run,
		p.flight, p.base, p.next, p.closeThrough, p.queue)})
}

func (x *explorer) intern(u unit) uint32 {
	id, ok := x.unitIDs[u.key]
	if !ok {
		id = uint32(len(x.units))
		x.unitIDs[u.key], x.units = id, append(x.units, u)
	}
	return id
}

func cloneAcceptor(a *Acceptor) *Acceptor {
	c := *a
	c.votes = cloneVotes(&a.votes)
	c.runs, c.voted, c.told, c.answered = slices.Clone(a.runs), nil, nil, nil
	if a.recovery != nil {
		r := *a.recovery
		r.votes = cloneVotes(&a.recovery.votes)
		c.recovery = &r
	}
	return &c
}

func cloneVotes(t *voteTable) voteTable {
	c := *t
	c.chunks = slices.Clone(t.chunks)
	for i, chunk := range c.chunks {
		if chunk != nil {
			copied := *chunk
			c.chunks[i] = &copied
		}
	}
	return c
}

func cloneProposer(p *Proposer) *Proposer {
	c := *p
	c.flight, c.queue, c.reported = slices.Clone(p.flight), slices.Clone(p.queue), maps.Clone(p.reported)
	return &c
}

// TestEveryOrder visits every state that two proposers with the given campaigns,
// restarts and losses of memory can bring the acceptors to.
func TestEveryOrder(t *testing.T) {
	all := []scope{
		{3, [2]uint8{1, 1}, 0, 0},
		{3, [2]uint8{2, 1}, 0, 0},
		{3, [2]uint8{1, 1}, 1, 0},
		{3, [2]uint8{1, 0}, 0, 1},
		{3, [2]uint8{2, 1}, 1, 0},
		{3, [2]uint8{2, 2}, 0, 0},
		{3, [2]uint8{1, 0}, 0, 2},
		{4, [2]uint8{1, 0}, 0, 1},
		{3, [2]uint8{1, 1}, 0, 1},
	}
	if worlds(t, 0) == 0 {
		all = all[:4] // the rest is for a soak
	}
	for _, within := range all {
		x := newExplorer(mutant.Set{})
		states := x.explore(within, statesMax)
		t.Logf("%d acceptors, %v campaigns, %d restarts, %d wipes: %d states, %d states of roles, %d messages",
			within.replicas, within.campaigns, within.restarts, within.wipes, states, len(x.units), len(x.letters))
		if x.broken != nil {
			t.Errorf("%+v: %v", within, x.broken)
		}
		if states >= statesMax {
			t.Errorf("%+v: there are more than %d states, not all were visited", within, statesMax)
		}
	}
}

// statesMax ends a walk that is larger than somebody thought.
const statesMax = 5_000_000
