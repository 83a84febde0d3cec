package paxos

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"synod/core/mutant"
)

// explorer walks through every reachable state of a small cluster: one slot, three
// acceptors, two proposers, and a network that keeps every message ever sent and
// may deliver it at any time, any number of times. A step of a role depends only
// on its state and the message, so every step is computed once and remembered:
// what is left is a walk over small numbers.
type explorer struct {
	plant    mutant.Set
	units    []unit
	unitIDs  map[string]uint16
	letters  []letter
	letterID map[string]int
	counted  [lettersMax / 64]uint64 // letters that check looks at
	steps    map[stepKey]stepResult
	seen     map[worldState]bool
	broken   error
}

// unit is one role in one state. It is never changed: a step copies it first.
type unit struct {
	role Role
	key  string
}

// worldState is a state of the whole cluster: two proposers, three acceptors, what
// they may still do of their own accord, and what was ever sent.
type worldState struct {
	units     [5]uint16
	campaigns [2]uint8
	restarts  uint8
	sent      [lettersMax / 64]uint64
}

const lettersMax = 256

type stepKey struct {
	unit   uint16
	action int // a letter, or one of the actions below
}

const (
	actionCampaign = -1
	actionRestart  = -2
)

type stepResult struct {
	unit uint16
	sent [lettersMax / 64]uint64
}

func newExplorer(plant mutant.Set) *explorer {
	return &explorer{
		plant: plant, unitIDs: map[string]uint16{}, letterID: map[string]int{},
		steps: map[stepKey]stepResult{}, seen: map[worldState]bool{},
	}
}

// explore visits all states with the given number of campaigns and restarts, up to
// statesMax, and returns how many there are.
func (x *explorer) explore(campaigns [2]uint8, restarts uint8, statesMax int) int {
	first := worldState{campaigns: campaigns, restarts: restarts}
	for i := range 2 {
		first.units[i] = x.internProposer(x.newProposer(i, 1))
	}
	for i := range 3 {
		cfg := testConfig(i+1, 3, x.plant)
		a := NewAcceptor(cfg, AcceptorOptions{}, noArchive{})
		a.Restore(BirthRecord(cfg))
		first.units[2+i] = x.internAcceptor(a)
	}
	x.seen[first] = true
	for waiting := []worldState{first}; len(waiting) > 0 && x.broken == nil && len(x.seen) < statesMax; {
		state := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		for _, next := range x.successors(state) {
			if !x.seen[next] {
				x.seen[next] = true
				waiting = append(waiting, next)
			}
		}
	}
	return len(x.seen)
}

func (x *explorer) newProposer(i int, start uint64) *Proposer {
	return NewProposer(testConfig(i+1, 3, x.plant), ProposerOptions{Run: uint64(i+1)*10 + start, WindowMax: 1})
}

func (x *explorer) successors(s worldState) []worldState {
	var found []worldState
	for i := range 2 {
		if s.campaigns[i] > 0 {
			next := x.apply(s, i, actionCampaign)
			next.campaigns[i]--
			found = append(found, next)
		}
		if s.restarts > 0 {
			next := x.apply(s, i, actionRestart)
			next.restarts--
			found = append(found, next)
		}
	}
	for id := range x.letters {
		if s.sent[id/64]&(1<<(id%64)) == 0 {
			continue
		}
		l := &x.letters[id]
		if l.to.Replica == Everyone {
			continue
		}
		place := int(l.to.Replica) - 1
		if l.to.Roles == RoleAcceptor {
			place += 2
		}
		found = append(found, x.apply(s, place, id))
	}
	return found
}

// apply lets one unit do one thing.
func (x *explorer) apply(s worldState, place, action int) worldState {
	key := stepKey{s.units[place], action}
	result, ok := x.steps[key]
	if !ok {
		result = x.step(key)
		x.steps[key] = result
	}
	s.units[place] = result.unit
	news := false
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
// acceptor's promise, promises for a ballot that is not asked for any more. It
// makes equal what differs only in dead letters. A planted bug may look at them.
func (x *explorer) forget(s *worldState) {
	if x.plant != (mutant.Set{}) {
		return
	}
	for id := range x.letters {
		l := &x.letters[id]
		if s.sent[id/64]&(1<<(id%64)) == 0 || l.to.Replica == Everyone {
			continue
		}
		dead := false
		switch m := l.Message.(type) {
		case *Prepare:
			dead = m.Ballot.Less(x.acceptor(s, l.to.Replica).promised)
		case *Accept:
			dead = m.Ballot.Less(x.acceptor(s, l.to.Replica).promised)
		case *Promise:
			p := x.units[s.units[l.to.Replica-1]].role.(*Proposer)
			dead = p.state != Preparing || p.ballot != m.Ballot
		}
		if dead {
			s.sent[id/64] &^= 1 << (id % 64)
		}
	}
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
		a.Step(x.letters[key.action].Envelope, &out)
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
	for _, e := range append(out.Prompt, out.Messages...) {
		x.post(e, &result)
	}
	return result
}

// post gives a message a number for each of its receivers, and one to nobody for
// what check has to count.
func (x *explorer) post(e Envelope, result *stepResult) {
	switch m := e.Message.(type) {
	case *Heartbeat, *Nack:
		return // concern liveness only: a proposer may campaign again without them
	case *Accept:
		if m.Slot > 1 {
			return
		}
		x.letter(letter{e, Address{}}, result) // for check
	case *Accepted:
		x.letter(letter{e, Address{}}, result) // for check; to a proposer it matters from the second slot on
		return
	}
	for r := ReplicaID(1); r <= 3; r++ {
		for _, role := range []Roles{RoleProposer, RoleAcceptor} {
			if e.To.Replica != Everyone && e.To.Replica != r || e.To.Roles&role == 0 {
				continue
			}
			x.letter(letter{e, Address{r, role}}, result)
		}
	}
}

func (x *explorer) letter(l letter, result *stepResult) {
	text := fmt.Sprintf("%s %s %s %+v", l.From, l.to, l.Message.Kind(), l.Message)
	id, ok := x.letterID[text]
	if !ok {
		id = len(x.letters)
		if id == lettersMax {
			panic("too many messages for the explorer: choose smaller bounds")
		}
		x.letterID[text], x.letters = id, append(x.letters, l)
		if l.to.Replica == Everyone {
			x.counted[id/64] |= 1 << (id % 64)
		}
	}
	result.sent[id/64] |= 1 << (id % 64)
}

// check counts the votes among all messages ever sent, and by the value that each
// ballot proposed.
func (x *explorer) check(s *worldState) {
	g := newGhost(3)
	g.votesOnly = true
	var votes []Envelope
	for id := range x.letters {
		if s.sent[id/64]&(1<<(id%64)) == 0 {
			continue
		}
		e := x.letters[id].Envelope
		switch e.Message.(type) {
		case *Accept:
			g.sent([]Envelope{e})
		case *Accepted:
			votes = append(votes, e)
		}
	}
	g.sent(votes)
	if x.broken == nil {
		x.broken = g.broken
	}
}

func (x *explorer) internAcceptor(a *Acceptor) uint16 {
	entry, _ := a.entry(1)
	return x.intern(unit{a, fmt.Sprintf("acceptor %d %+v %+v", a.cfg.Self, a.promised, entry)})
}

// internProposer leaves out what only delays depend on.
func (x *explorer) internProposer(p *Proposer) uint16 {
	return x.intern(unit{p, fmt.Sprintf("proposer %d %d %s %d %+v %d %+v %+v %d %d %d %+v %d %d %d %s",
		p.cfg.Self, p.now, p.state, p.round, p.ballot, p.from, p.promises, p.reported, p.reportedLast, p.chosenMark, p.options.Run,
		p.flight, p.base, p.next, p.closeThrough, p.queue)})
}

func (x *explorer) intern(u unit) uint16 {
	id, ok := x.unitIDs[u.key]
	if !ok {
		id = uint16(len(x.units))
		x.unitIDs[u.key], x.units = id, append(x.units, u)
	}
	return id
}

func cloneAcceptor(a *Acceptor) *Acceptor {
	c := *a
	c.votes.chunks = slices.Clone(a.votes.chunks)
	for i, chunk := range c.votes.chunks {
		copied := *chunk
		c.votes.chunks[i] = &copied
	}
	c.runs, c.voted, c.told = slices.Clone(a.runs), nil, nil
	return &c
}

func cloneProposer(p *Proposer) *Proposer {
	c := *p
	c.flight, c.queue, c.reported = slices.Clone(p.flight), slices.Clone(p.queue), maps.Clone(p.reported)
	return &c
}

// TestEveryOrder visits every state that two proposers with the given campaigns
// and one restart can bring three acceptors to.
func TestEveryOrder(t *testing.T) {
	all := []struct {
		campaigns [2]uint8
		restarts  uint8
	}{
		{[2]uint8{1, 1}, 0},
		{[2]uint8{2, 1}, 0},
		{[2]uint8{1, 1}, 1},
		{[2]uint8{2, 1}, 1},
		{[2]uint8{2, 2}, 0},
	}
	if worlds(t, 0) == 0 {
		all = all[:4] // the last is for a soak
	}
	for _, bounds := range all {
		x := newExplorer(mutant.Set{})
		states := x.explore(bounds.campaigns, bounds.restarts, 1_000_000)
		t.Logf("%v campaigns, %d restarts: %d states, %d states of roles, %d messages",
			bounds.campaigns, bounds.restarts, states, len(x.units), len(x.letters))
		if x.broken != nil {
			t.Errorf("%v campaigns, %d restarts: %v", bounds.campaigns, bounds.restarts, x.broken)
		}
	}
}
