package session

import (
	"errors"
	"fmt"
	"iter"

	"synod/core/mutant"
)

var (
	// ErrOverloaded: a limit is reached; nothing was begun. Wait for results.
	ErrOverloaded = errors.New("overloaded")
	// ErrNoSession: no session is open; open one first.
	ErrNoSession = errors.New("no session is open")
)

// Outcome is what a client may believe about one of its updates.
type Outcome uint8

const (
	// Pending: no result yet. Sending the same bytes again is safe.
	Pending Outcome = iota
	// Executed: exactly once; the Result is its result.
	Executed
	// Refused: not executed, and no copy of it ever will be (Conflict).
	Refused
	// Unknown: executed once or not at all, and it will not become known. It must
	// never be sent again, in whatever session.
	Unknown
	// NotSent: never left this client. It may be begun again in a new session.
	NotSent
)

// String is the outcome as a word.
func (o Outcome) String() string {
	switch o {
	case Pending:
		return "pending"
	case Executed:
		return "executed"
	case Refused:
		return "refused"
	case Unknown:
		return "unknown"
	case NotSent:
		return "not sent"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Ticket is what an update carries.
type Ticket struct {
	Session  ID
	Sequence uint64
	Low      uint64
}

// Sequencer numbers the updates of one client, one session after the other. H is
// the caller's handle of an update; it comes back with the outcome.
//
// The life of an update: Begin, Sent right before its first byte may leave, then
// Result until that is no longer Pending, or the end of the session. An update
// that the user gave up waiting for stays: its result is still unknown, so low
// must not move past it. Its copies may be sent again to learn the result.
//
// It is used by one goroutine at a time. The zero value has no session.
type Sequencer[H any] struct {
	id ID
	// low is the first sequence without a known result, next the one to give out.
	// low <= next <= low + WindowMax.
	low, next uint64
	// ring holds the updates low..next-1 at sequence % len.
	ring []update[H]
	mut  mutant.Set
}

type update[H any] struct {
	handle H
	state  updateState
}

type updateState uint8

const (
	// free: no update, or one whose result is known.
	free updateState = iota
	begun
	sent
)

// ringFirst is the first size of the ring; it doubles up to WindowMax.
const ringFirst = 16

// NewSequencer is a Sequencer without a session, with a planted bug in builds for
// that.
func NewSequencer[H any](planted mutant.Set) *Sequencer[H] {
	return &Sequencer[H]{mut: planted}
}

// Ended is an update that lost its session.
type Ended[H any] struct {
	Handle   H
	Sequence uint64
	// Outcome is Unknown or NotSent.
	Outcome Outcome
}

// Open begins a new session. The one before must have been ended.
func (s *Sequencer[H]) Open(id ID) {
	if !s.id.IsZero() || id.IsZero() {
		panic(fmt.Sprintf("session: open %v while %v is open", id, s.id))
	}
	s.id, s.low, s.next = id, 1, 1
}

// End ends the session, because it expired or is no longer wanted, and gives what
// became of every update without a result, in order. Without a session it gives
// nothing.
func (s *Sequencer[H]) End() []Ended[H] {
	var ended []Ended[H]
	for sequence := s.low; sequence < s.next; sequence++ {
		u := s.at(sequence)
		switch u.state {
		case sent:
			ended = append(ended, Ended[H]{u.handle, sequence, s.outcomeOfSent(sequence)})
		case begun:
			ended = append(ended, Ended[H]{u.handle, sequence, NotSent})
		case free:
		}
		*u = update[H]{}
	}
	s.id, s.low, s.next = ID{}, 0, 0
	return ended
}

// outcomeOfSent is Unknown. An answer "session expired" speaks only of one copy of
// one update; others may have been executed before the session ended.
func (s *Sequencer[H]) outcomeOfSent(sequence uint64) Outcome {
	if s.mut.Has(mutant.M45) && sequence == s.low || s.mut.Has(mutant.M46) {
		return NotSent
	}
	return Unknown
}

// ID is the open session, zero if there is none.
func (s *Sequencer[H]) ID() ID { return s.id }

// Len is the number of updates whose sequence is at or above low.
func (s *Sequencer[H]) Len() int { return int(s.next - s.low) }

// Begin gives the next update its sequence. Errors are ErrNoSession, and
// ErrOverloaded when the update would be WindowMax above low.
func (s *Sequencer[H]) Begin(handle H) (Ticket, error) {
	if s.id.IsZero() {
		return Ticket{}, ErrNoSession
	}
	if s.next-s.low >= WindowMax {
		return Ticket{}, fmt.Errorf("%w: the result of update %d of session %v is not known yet, and %d came after it",
			ErrOverloaded, s.low, s.id, WindowMax-1)
	}
	if s.Len() == len(s.ring) {
		s.grow()
	}
	sequence := s.next
	s.next++
	*s.at(sequence) = update[H]{handle, begun}
	return Ticket{Session: s.id, Sequence: sequence, Low: s.low}, nil
}

// Sent notes that the update may have left. Call it before it can.
func (s *Sequencer[H]) Sent(sequence uint64) {
	if u := s.pending(sequence); u != nil {
		u.state = sent
	}
}

// Cancel takes back an update that was begun and never sent, and reports whether
// it did. Its sequence is not used again.
func (s *Sequencer[H]) Cancel(sequence uint64) bool {
	u := s.pending(sequence)
	if u == nil || u.state != begun {
		return false
	}
	s.settle(u)
	return true
}

// Ticket is that of a pending update with the present low, to send it once more.
func (s *Sequencer[H]) Ticket(sequence uint64) (Ticket, bool) {
	if s.pending(sequence) == nil {
		return Ticket{}, false
	}
	return Ticket{Session: s.id, Sequence: sequence, Low: s.low}, true
}

// Pending yields the updates without a result, in order: what to send again after
// a lost connection. Nothing else may be called meanwhile.
func (s *Sequencer[H]) Pending() iter.Seq2[uint64, H] {
	return func(yield func(uint64, H) bool) {
		for sequence := s.low; sequence < s.next; sequence++ {
			if u := s.at(sequence); u.state != free && !yield(sequence, u.handle) {
				return
			}
		}
	}
}

// Result takes a result and says what it means for its update, whose handle it
// gives; ok is false if no update waits for it, as after a duplicate answer.
//
// A result that says Expired is about the session, not about this update: the
// outcome is Pending, and the caller calls End, which tells the outcome of all.
// Overloaded also leaves the update Pending: a copy of it may still execute.
func (s *Sequencer[H]) Result(r Result) (handle H, outcome Outcome, ok bool) {
	if r.Session != s.id {
		return handle, Pending, false
	}
	u := s.pending(r.Sequence)
	if u == nil {
		return handle, Pending, false
	}
	handle = u.handle
	switch r.Status {
	case OK:
		outcome = Executed
	case Conflict:
		outcome = Refused
	case Stale:
		// Another one with our session acknowledged a result that we never saw.
		outcome = Unknown
	default:
		return handle, Pending, true
	}
	s.settle(u)
	return handle, outcome, true
}

// GiveUp tells that nobody waits for the update any more. It stays pending: only
// a result may move low.
func (s *Sequencer[H]) GiveUp(sequence uint64) {
	if u := s.pending(sequence); u != nil && s.mut.Has(mutant.M47) {
		s.settle(u)
	}
}

// settle forgets an update with a known result and moves low past all such.
func (s *Sequencer[H]) settle(u *update[H]) {
	*u = update[H]{}
	for s.low < s.next && s.at(s.low).state == free {
		s.low++
	}
}

func (s *Sequencer[H]) at(sequence uint64) *update[H] {
	return &s.ring[sequence%uint64(len(s.ring))]
}

// pending is the update without a result, or nil.
func (s *Sequencer[H]) pending(sequence uint64) *update[H] {
	if sequence < s.low || sequence >= s.next {
		return nil
	}
	if u := s.at(sequence); u.state != free {
		return u
	}
	return nil
}

func (s *Sequencer[H]) grow() {
	old := s.ring
	s.ring = make([]update[H], max(ringFirst, min(2*len(old), WindowMax)))
	for sequence := s.low; sequence < s.next; sequence++ {
		*s.at(sequence) = old[sequence%uint64(len(old))]
	}
}
