package state

import (
	"math/bits"
	"strconv"
	"strings"
	"time"

	"synod/protocol"
)

// Phase is how far the instance of consensus of one slot has come.
type Phase int

// The phases.
const (
	Unseen    Phase = iota // no replica keeps anything about the slot
	Proposing              // asked for, no vote known
	Accepting              // some acceptors have voted, fewer than a majority
	Chosen                 // a majority has voted: nothing can change the value any more
	Applied                // some replica's state machine holds it
)

// String gives the word for the screen.
func (p Phase) String() string {
	return [...]string{"not seen", "proposing", "accepting", "chosen", "applied"}[p]
}

// Mark is how far one replica is with one slot.
type Mark int

// The marks.
const (
	MarkNone     Mark = iota // nothing is known
	MarkAsked                // its acceptor was asked and has not voted, as far as is known
	MarkSilent               // it was asked and cannot answer: not reached, or its acceptor is not at work
	MarkAccepted             // its acceptor's vote is durable
	MarkApplied              // its state machine holds the slot
)

// Instance is one slot, as all replicas together tell it.
type Instance struct {
	Slot      uint64
	Phase     Phase
	Ballot    string // under which it was chosen, else the highest under which it was proposed; "" if none is known
	Marks     []Mark // by replica, in the order of the cluster
	Votes     int    // acceptors that are known to have voted under Ballot
	Voted     []bool // by replica: its acceptor is one of them
	Needed    int    // votes that make a majority
	Proposed  time.Time
	ChosenAt  time.Time
	Took      time.Duration // from the proposal until it was known as chosen, by one clock; 0 if nobody saw both
	Operation string
	Key       []byte
	Commands  int
	Bytes     int
	Request   string
}

// Instances gives the slots from the newest, or from to if that is not 0, down, at most rows.
func (c *Console) Instances(to uint64, rows int) []Instance {
	newest := c.Ledger.Newest()
	if to == 0 || to > newest {
		to = newest
	}
	list := make([]Instance, 0, min(rows, LedgerRowsMax))
	for slot := to; slot > 0 && len(list) < min(rows, LedgerRowsMax); slot-- {
		list = append(list, c.Instance(slot))
	}
	return list
}

// Instance puts together what is known about a slot.
func (c *Console) Instance(slot uint64) Instance {
	in := Instance{
		Slot: slot, Needed: len(c.Replicas)/2 + 1,
		Marks: make([]Mark, len(c.Replicas)), Voted: make([]bool, len(c.Replicas)),
	}
	m := merging{console: c, instance: &in, votes: map[string]uint64{}}
	for i := range c.Ledger.Replicas {
		if trace := c.Ledger.Replicas[i].trace(slot); trace != nil {
			at := c.index(c.Ledger.Replicas[i].ID)
			if at < 0 && len(c.Replicas) == len(c.Ledger.Replicas) {
				at = i // a server without a configuration: its name is known later
			}
			m.add(at, trace)
		}
	}
	m.conclude()
	return in
}

// index gives the place of a replica, -1 if there is none of that name.
func (c *Console) index(id string) int {
	for i := range c.Replicas {
		if c.Replicas[i].ID == id {
			return i
		}
	}
	return -1
}

// merging is an instance on its way.
type merging struct {
	console      *Console
	instance     *Instance
	votes        map[string]uint64 // ballot to the set of acceptors
	asked        bool
	chosenBallot string
	applied      uint64 // set of replicas
}

func (m *merging) add(replica int, trace *protocol.SlotTrace) {
	in := m.instance
	if trace.Operation != "" && (in.Operation == "" || trace.Commands > in.Commands) {
		in.Operation, in.Key, in.Commands = trace.Operation, trace.Key, trace.Commands
		in.Bytes, in.Request = trace.Bytes, trace.Request
	}
	if in.Phase == Unseen {
		in.Phase = Proposing
	}
	if compareBallots(trace.Ballot, in.Ballot) > 0 {
		in.Ballot = trace.Ballot
	}
	var proposed time.Time
	for i := range trace.Steps {
		step := &trace.Steps[i]
		ballot := step.Ballot
		if ballot == "" {
			ballot = trace.Ballot
		}
		switch step.What {
		case protocol.StepProposed:
			m.asked, proposed = true, step.At
			if in.Proposed.IsZero() || step.At.Before(in.Proposed) {
				in.Proposed = step.At
			}
		case protocol.StepVoted:
			m.vote(m.console.index(step.From), ballot)
		case protocol.StepAccepted:
			m.vote(replica, ballot)
		case protocol.StepChosen:
			if in.ChosenAt.IsZero() || step.At.Before(in.ChosenAt) {
				// A later leader proposes the same value again: it was chosen under the first ballot with a majority.
				in.ChosenAt, m.chosenBallot = step.At, ballot
			}
			if !proposed.IsZero() && in.Took == 0 {
				in.Took = max(step.At.Sub(proposed), time.Microsecond)
			}
		case protocol.StepApplied:
			m.apply(replica)
		}
	}
}

func (m *merging) vote(replica int, ballot string) {
	m.asked = true
	if replica >= 0 {
		m.votes[ballot] |= 1 << replica
	}
}

func (m *merging) apply(replica int) {
	if replica >= 0 {
		m.applied |= 1 << replica
	}
}

// conclude draws the phase and the marks from what was gathered.
func (m *merging) conclude() {
	in, c := m.instance, m.console
	if m.chosenBallot != "" {
		in.Ballot = m.chosenBallot
	}
	for i := range c.Replicas {
		if o := &c.Replicas[i]; o.Known && o.Status.Applied >= in.Slot {
			m.apply(i)
		}
	}
	voters := m.votes[in.Ballot]
	in.Votes = bits.OnesCount64(voters)
	switch {
	case m.applied != 0:
		in.Phase = Applied
	case m.chosenBallot != "" || in.Votes >= in.Needed || c.knownChosen(in.Slot):
		in.Phase = Chosen
	case in.Votes > 0:
		in.Phase = Accepting
	}
	for i := range c.Replicas {
		bit := uint64(1) << i
		in.Voted[i] = voters&bit != 0
		switch {
		case m.applied&bit != 0:
			in.Marks[i] = MarkApplied
		case in.Voted[i]:
			in.Marks[i] = MarkAccepted
		case !m.asked:
		case c.silence(i) != "":
			in.Marks[i] = MarkSilent
		default:
			in.Marks[i] = MarkAsked
		}
	}
}

// knownChosen tells whether a replica has told that a slot lies in the part of the log that it knows as chosen.
func (c *Console) knownChosen(slot uint64) bool { return slot <= c.Chosen() }

// Tail is what can be said about all slots below a window: where they are not applied.
type Tail struct {
	From, To uint64
	Missing  []Lag // replicas that have not applied all of them
}

// Lag is a replica and how far it has come.
type Lag struct {
	Replica string
	Applied uint64
}

// Below tells about the slots below one, down to the oldest of which anything is kept; false if there are none.
func (c *Console) Below(slot uint64) (Tail, bool) {
	applied := uint64(0)
	for i := range c.Replicas {
		applied = max(applied, c.Replicas[i].Status.Applied)
	}
	tail := Tail{From: max(c.Ledger.Oldest(), 1), To: min(slot-min(slot, 1), applied)}
	if slot == 0 || tail.To < tail.From {
		return Tail{}, false
	}
	for i := range c.Replicas {
		if o := &c.Replicas[i]; o.Status.Applied < tail.To {
			tail.Missing = append(tail.Missing, Lag{o.ID, o.Status.Applied})
		}
	}
	return tail, true
}

// Found gives the slots of a window, the newest first, of which the key, the operation or the request holds the text.
// With a text it looks through all slots that one answer of a replica holds.
func (c *Console) Found(to uint64, rows int, text string) []Instance {
	if text == "" {
		return c.Instances(to, rows)
	}
	var found []Instance
	for _, in := range c.Instances(to, LedgerRowsMax) {
		if len(found) < rows && in.holds(text) {
			found = append(found, in)
		}
	}
	return found
}

func (in *Instance) holds(text string) bool {
	return strings.Contains(string(in.Key), text) || strings.Contains(in.Request, text) ||
		strings.Contains(in.Operation, text) || strings.Contains(strconv.FormatUint(in.Slot, 10), text)
}
