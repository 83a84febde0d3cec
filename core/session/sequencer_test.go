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
	rapid.Check(t, func(t *rapid.T) {
		m := &sequencerModel{s: session.NewSequencer[int](mutant.Set{})}
		m.reopen()
		t.Repeat(rapid.StateMachineActions(m))
	})
}

// sequencerModel is a sequencer and the list of its session's updates. Update i
// has sequence i+1. Its exported methods are what may happen.
type sequencerModel struct {
	s       *session.Sequencer[int]
	updates []modelUpdate
	slot    uint64
}

type modelUpdate struct{ sent, known bool }

func (m *sequencerModel) reopen() {
	m.slot++
	m.s.Open(session.ID{Slot: m.slot})
	m.updates = nil
}

// low is the first update without a known result.
func (m *sequencerModel) low() int {
	all := append(slices.Clone(m.updates), modelUpdate{})
	return slices.IndexFunc(all, func(u modelUpdate) bool { return !u.known })
}

func (m *sequencerModel) some(t *rapid.T) (i int, pending bool) {
	i = rapid.IntRange(max(0, len(m.updates)-1200), len(m.updates)).Draw(t, "update")
	return i, i < len(m.updates) && !m.updates[i].known
}

func (m *sequencerModel) Begin(t *rapid.T) {
	for range rapid.IntRange(1, 200).Draw(t, "count") {
		ticket, err := m.s.Begin(len(m.updates))
		if full := len(m.updates)-m.low() >= session.WindowMax; full != (err != nil) {
			t.Fatalf("%d updates from %d on: error %v", len(m.updates), m.low(), err)
		} else if full {
			return
		}
		m.updates = append(m.updates, modelUpdate{})
		if ticket.Sequence != uint64(len(m.updates)) || ticket.Low != uint64(m.low()+1) {
			t.Fatalf("ticket %+v, low %d of %d", ticket, m.low()+1, len(m.updates))
		}
	}
}

func (m *sequencerModel) Send(t *rapid.T) {
	i, _ := m.some(t)
	m.s.Sent(uint64(i + 1))
	if i < len(m.updates) {
		m.updates[i].sent = true
	}
}

func (m *sequencerModel) Cancel(t *rapid.T) {
	i, pending := m.some(t)
	want := pending && !m.updates[i].sent
	if m.s.Cancel(uint64(i+1)) != want {
		t.Fatalf("cancel %d: want %v", i, want)
	}
	if want {
		m.updates[i].known = true
	}
}

func (m *sequencerModel) Result(t *rapid.T) {
	i, pending := m.some(t)
	handle, _, ok := m.s.Result(result(m.s.ID(), uint64(i+1), session.OK))
	if ok != pending || ok && handle != i {
		t.Fatalf("result of %d: handle %d, taken %v", i, handle, ok)
	}
	if ok {
		m.updates[i].known = true
	}
}

func (m *sequencerModel) End(t *rapid.T) {
	ended := m.s.End()
	for i, u := range m.updates {
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
	m.reopen()
}

func (m *sequencerModel) Check(t *rapid.T) {
	var pending []int
	for i, u := range m.updates {
		if !u.known {
			pending = append(pending, i)
		}
	}
	for sequence, handle := range m.s.Pending() {
		if len(pending) == 0 || handle != pending[0] || sequence != uint64(handle+1) {
			t.Fatalf("pending %d, want %v", handle, pending)
		}
		pending = pending[1:]
	}
	if len(pending) != 0 {
		t.Fatalf("not pending: %v", pending)
	}
}
