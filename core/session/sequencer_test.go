package session_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"synod/core/mutant"
	"synod/core/session"
)

var first, second = session.ID{Slot: 10, Index: 1}, session.ID{Slot: 20}

func result(id session.ID, sequence uint64, status session.Status) session.Result {
	return session.Result{Session: id, Sequence: sequence, Status: status}
}

func TestLowIsTheFirstUnknownResult(t *testing.T) {
	s := session.NewSequencer[string](mutant.Set{})
	if _, err := s.Begin("too early"); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("begin without a session: %v", err)
	}
	s.Open(first)
	for want, name := range []string{"a", "b", "c"} {
		ticket, err := s.Begin(name)
		if err != nil || ticket != (session.Ticket{Session: first, Sequence: uint64(want + 1), Low: 1}) {
			t.Fatalf("begin %s: %+v, error %v", name, ticket, err)
		}
		s.Sent(ticket.Sequence)
	}
	if handle, outcome, ok := s.Result(result(first, 2, session.OK)); handle != "b" || outcome != session.Executed || !ok {
		t.Errorf("result of 2: %v %v %v", handle, outcome, ok)
	}
	if ticket, _ := s.Ticket(3); ticket.Low != 1 {
		t.Errorf("low is %d, the result of 1 is unknown", ticket.Low)
	}
	s.Result(result(first, 1, session.Conflict))
	if ticket, _ := s.Ticket(3); ticket.Low != 3 {
		t.Errorf("low is %d, all results below 3 are known", ticket.Low)
	}
	if _, _, ok := s.Result(result(first, 1, session.OK)); ok {
		t.Error("an answer came twice and was taken twice")
	}
	if _, _, ok := s.Result(result(second, 3, session.OK)); ok {
		t.Error("the answer of another session was taken")
	}
}

func TestOverloadedStaysPending(t *testing.T) {
	s := session.NewSequencer[string](mutant.Set{})
	s.Open(first)
	ticket, _ := s.Begin("a")
	s.Sent(ticket.Sequence)
	if _, outcome, ok := s.Result(result(first, 1, session.Overloaded)); outcome != session.Pending || !ok {
		t.Errorf("outcome %v: a copy under way may execute yet", outcome)
	}
	if _, outcome, ok := s.Result(result(first, 1, session.OK)); outcome != session.Executed || !ok {
		t.Errorf("outcome %v", outcome)
	}
}

func TestWindowIsBounded(t *testing.T) {
	s := session.NewSequencer[int](mutant.Set{})
	s.Open(first)
	for i := range session.WindowMax {
		if _, err := s.Begin(i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Begin(0); !errors.Is(err, session.ErrOverloaded) {
		t.Errorf("error %v", err)
	}
	s.Sent(2)
	s.Result(result(first, 2, session.OK))
	if _, err := s.Begin(0); !errors.Is(err, session.ErrOverloaded) {
		t.Errorf("the result of 1 is unknown: error %v", err)
	}
	if !s.Cancel(1) || s.Cancel(2) || s.Cancel(5000) {
		t.Error("only what was begun and never sent can be taken back")
	}
	if ticket, err := s.Begin(0); err != nil || ticket.Sequence != session.WindowMax+1 || ticket.Low != 3 {
		t.Errorf("%+v, error %v", ticket, err)
	}
}

// planted are checks that give "" for the product, and what is wrong under the
// planted bug of their name.
func planted() map[string]func(mutant.Set) string {
	return map[string]func(mutant.Set) string{
		"M45": checkExpired,
		"M46": checkExpired,
		"M47": checkGivenUp,
	}
}

// checkExpired: what was ever sent in a session that ended is unknown, whatever an
// answer said of one copy.
func checkExpired(set mutant.Set) string {
	s := session.NewSequencer[string](set)
	s.Open(first)
	for _, name := range []string{"a", "b", "c", "d"} {
		ticket, _ := s.Begin(name)
		if name != "c" {
			s.Sent(ticket.Sequence)
		}
	}
	s.Result(result(first, 2, session.OK))
	if _, outcome, ok := s.Result(result(first, 1, session.Expired)); outcome != session.Pending || !ok {
		return "an expired session told the outcome of an update: " + outcome.String()
	}
	want := []session.Ended[string]{
		{Handle: "a", Sequence: 1, Outcome: session.Unknown},
		{Handle: "c", Sequence: 3, Outcome: session.NotSent},
		{Handle: "d", Sequence: 4, Outcome: session.Unknown},
	}
	ended := s.End()
	if len(ended) != len(want) {
		return "not every update was told its outcome"
	}
	for i := range want {
		if ended[i] != want[i] {
			return ended[i].Handle + " is " + ended[i].Outcome.String() + ", not " + want[i].Outcome.String()
		}
	}
	return ""
}

// checkGivenUp: an update that nobody waits for any more still holds low.
func checkGivenUp(set mutant.Set) string {
	s := session.NewSequencer[string](set)
	s.Open(first)
	ticket, _ := s.Begin("a")
	s.Sent(ticket.Sequence)
	s.GiveUp(ticket.Sequence)
	if next, _ := s.Begin("b"); next.Low != 1 {
		return "low moved past an update without a result"
	}
	if _, outcome, ok := s.Result(result(first, 1, session.OK)); outcome != session.Executed || !ok {
		return "the late result was not taken"
	}
	return ""
}

// TestSequencerModel holds the sequencer against a plain list.
func TestSequencerModel(t *testing.T) {
	type update struct{ sent, known bool }
	rapid.Check(t, func(t *rapid.T) {
		s := session.NewSequencer[int](mutant.Set{})
		var updates []update
		slot := uint64(0)
		reopen := func() {
			slot++
			s.Open(session.ID{Slot: slot})
			updates = nil
		}
		reopen()
		low := func() int {
			return slices.IndexFunc(append(slices.Clone(updates), update{}), func(u update) bool { return !u.known })
		}
		some := func(t *rapid.T) int {
			return rapid.IntRange(max(0, len(updates)-1200), len(updates)).Draw(t, "update")
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "count") {
					ticket, err := s.Begin(len(updates))
					if full := len(updates)-low() >= session.WindowMax; full != (err != nil) {
						t.Fatalf("%d updates from %d on: error %v", len(updates), low(), err)
					} else if full {
						return
					}
					updates = append(updates, update{})
					if ticket.Sequence != uint64(len(updates)) || ticket.Low != uint64(low()+1) {
						t.Fatalf("ticket %+v, low %d of %d", ticket, low()+1, len(updates))
					}
				}
			},
			"send": func(t *rapid.T) {
				i := some(t)
				s.Sent(uint64(i + 1))
				if i < len(updates) {
					updates[i].sent = true
				}
			},
			"cancel": func(t *rapid.T) {
				i := some(t)
				want := i < len(updates) && !updates[i].sent && !updates[i].known
				if s.Cancel(uint64(i+1)) != want {
					t.Fatalf("cancel %d: want %v", i, want)
				}
				if want {
					updates[i].known = true
				}
			},
			"result": func(t *rapid.T) {
				i := some(t)
				handle, _, ok := s.Result(result(s.ID(), uint64(i+1), session.OK))
				if want := i < len(updates) && !updates[i].known; ok != want || ok && handle != i {
					t.Fatalf("result of %d: handle %d, taken %v", i, handle, ok)
				}
				if ok {
					updates[i].known = true
				}
			},
			"end": func(t *rapid.T) {
				ended := s.End()
				for i, u := range updates {
					if u.known {
						continue
					}
					want := session.NotSent
					if u.sent {
						want = session.Unknown
					}
					if len(ended) == 0 || ended[0].Handle != i || ended[0].Outcome != want {
						t.Fatalf("update %d: ended %+v, want %v", i, ended, want)
					}
					ended = ended[1:]
				}
				reopen()
			},
			"": func(t *rapid.T) {
				var pending []int
				for i, u := range updates {
					if !u.known {
						pending = append(pending, i)
					}
				}
				for sequence, handle := range s.Pending() {
					if len(pending) == 0 || handle != pending[0] || sequence != uint64(handle+1) {
						t.Fatalf("pending %d, want %v", handle, pending)
					}
					pending = pending[1:]
				}
				if len(pending) != 0 {
					t.Fatalf("not pending: %v", pending)
				}
			},
		})
	})
}
