package session_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"synod/core/session"
)

func newWaiters(countMax, bytesMax int) *session.Waiters[int] {
	return session.NewWaiters[int](session.WaitersOptions{CountMax: countMax, BytesMax: bytesMax, RetryMillis: 500})
}

func request(sequence uint64, handle int, deadline int64) session.Request[int] {
	return session.Request[int]{
		Key: session.UpdateKey(first, sequence), Command: fmt.Appendf(nil, "command %d", sequence),
		Digest: sequence, DeadlineMillis: deadline, Handle: handle,
	}
}

func TestWaitersAnswerRetryAndExpire(t *testing.T) {
	w := newWaiters(10, 1000)
	for sequence := range uint64(3) {
		joined, err := w.Register(1000, request(sequence+1, int(sequence+1), 2000+int64(sequence)))
		if joined || err != nil {
			t.Fatalf("joined %v, error %v", joined, err)
		}
	}
	if joined, err := w.Register(1100, request(2, 22, 5000)); !joined || err != nil {
		t.Errorf("the same command again: joined %v, error %v", joined, err)
	}
	if due := w.Retry(1499, 10, nil); len(due) != 0 {
		t.Errorf("too early: %q", due)
	}
	if due := w.Retry(1500, 2, nil); fmt.Sprintf("%s", due) != "[command 1 command 2]" {
		t.Errorf("due: %s", due)
	}
	if due := w.Retry(1500, 2, nil); fmt.Sprintf("%s", due) != "[command 3]" {
		t.Errorf("due next: %s", due)
	}
	if next, ok := w.NextRetry(); next != 2500 || !ok {
		t.Errorf("next retry at %d, %v", next, ok)
	}
	w.RetryAll(1600)
	if due := w.Retry(1600, 10, nil); len(due) != 3 {
		t.Errorf("after a change of leader: %s", due)
	}
	if handles := w.Applied(result(first, 1, session.OK), nil); !slices.Equal(handles, []int{1}) {
		t.Errorf("answer %v", handles)
	}
	if handles := w.Applied(result(first, 1, session.OK), nil); len(handles) != 0 {
		t.Errorf("answer twice: %v", handles)
	}
	if handles := w.Expire(2001, nil); !slices.Equal(handles, []int{2}) {
		t.Errorf("expired %v", handles)
	}
	// The one who joined waits on, and its command is still sent again.
	if due := w.Retry(2600, 10, nil); fmt.Sprintf("%s", due) != "[command 2 command 3]" {
		t.Errorf("due after one of two expired: %s", due)
	}
	if handles := w.Expire(2002, nil); !slices.Equal(handles, []int{3}) {
		t.Errorf("expired %v", handles)
	}
	if handles := w.Applied(result(first, 2, session.Stale), nil); !slices.Equal(handles, []int{22}) {
		t.Errorf("answer %v", handles)
	}
	if w.Len() != 0 || w.Bytes() != 0 {
		t.Errorf("%d requests, %d bytes are left", w.Len(), w.Bytes())
	}
	if w.Prompt() != 0 {
		t.Errorf("%d commands were applied before they were sent again, all were sent again", w.Prompt())
	}
	if _, err := w.Register(3000, request(4, 4, 5000)); err != nil {
		t.Fatal(err)
	}
	if w.Applied(result(first, 4, session.OK), nil); w.Prompt() != 1 {
		t.Errorf("%d commands were applied before they were sent again, want one", w.Prompt())
	}
}

func TestWaitersAreBounded(t *testing.T) {
	w := newWaiters(2, 20)
	for _, c := range []struct {
		request session.Request[int]
		want    error
	}{
		{request(1, 1, 9000), nil},
		{session.Request[int]{Key: session.UpdateKey(first, 1), Digest: 99}, session.ErrConflict},
		{session.Request[int]{Key: session.UpdateKey(first, 2), Command: make([]byte, 12)}, session.ErrOverloaded},
		{session.Request[int]{Key: session.UpdateKey(first, 2), Command: make([]byte, 11)}, nil},
		{request(1, 1, 9000), session.ErrOverloaded},
	} {
		if _, err := w.Register(0, c.request); !errors.Is(err, c.want) {
			t.Errorf("%+v: error %v, want %v", c.request, err, c.want)
		}
	}
}

func TestOpensWaitByToken(t *testing.T) {
	w := newWaiters(10, 100)
	token := session.Token{1, 15: 2}
	request := session.Request[int]{Key: session.OpenKey(token), Handle: 7, DeadlineMillis: 10}
	if _, err := w.Register(0, request); err != nil {
		t.Fatal(err)
	}
	applied := session.Result{Session: first, Token: token, Status: session.OK}
	if handles := w.Applied(applied, nil); !slices.Equal(handles, []int{7}) {
		t.Errorf("answer %v", handles)
	}
}

// TestAnotherCommandsResultAnswersNobody: a client gave up an update and, against
// the rules, sent another one under its sequence. When the first is applied after
// all, the second must not take its result for its own.
func TestAnotherCommandsResultAnswersNobody(t *testing.T) {
	w := newWaiters(10, 1000)
	second := request(1, 2, 5000)
	second.Digest = 22
	if _, err := w.Register(0, second); err != nil {
		t.Fatal(err)
	}
	of := func(digest uint64, status session.Status) session.Result {
		r := result(first, 1, status)
		r.Digest = digest
		return r
	}
	if got := w.Applied(of(11, session.OK), nil); len(got) != 0 {
		t.Errorf("the first command's result answers %v", got)
	}
	if got := w.Applied(of(22, session.Conflict), nil); !slices.Equal(got, []int{2}) {
		t.Errorf("its own result answers %v", got)
	}
}

// TestWaitersModel holds the table against a plain list.
func TestWaitersModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(rapid.StateMachineActions(&waitersModel{
			w: newWaiters(50, 10_000), retry: map[uint64]int64{}, pauses: map[uint64]int64{},
			now: int64(rapid.IntRange(0, 100_000).Draw(t, "start")),
		}))
	})
}

// waitersModel is a table and the list of its requests. Its exported methods are
// what may happen.
type waitersModel struct {
	w    *session.Waiters[int]
	list []waiting
	// retry is when each sequence's command is due.
	retry   map[uint64]int64
	pauses  map[uint64]int64 // the last one of each
	now     int64
	handles int
}

type waiting struct {
	sequence uint64
	handle   int
	deadline int64
}

func someSequence(t *rapid.T) uint64 { return rapid.Uint64Range(1, 20).Draw(t, "sequence") }

// expectGone takes requests from the list; these and no others must have come out.
func (m *waitersModel) expectGone(t *rapid.T, got []int, gone func(waiting) bool) {
	var want []int
	m.list = slices.DeleteFunc(m.list, func(r waiting) bool {
		if gone(r) {
			want = append(want, r.handle)
		}
		return gone(r)
	})
	for s := range m.retry {
		if !slices.ContainsFunc(m.list, func(r waiting) bool { return r.sequence == s }) {
			delete(m.retry, s)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("at %d: handles %v, want %v", m.now, got, want)
	}
}

func (m *waitersModel) Register(t *rapid.T) {
	m.handles++
	s := someSequence(t)
	deadline := m.now + rapid.Int64Range(-10, 30_000).Draw(t, "deadline")
	_, known := m.retry[s]
	joined, err := m.w.Register(m.now, request(s, m.handles, deadline))
	if full := len(m.list) == 50; full != (err != nil) || !full && joined != known {
		t.Fatalf("%d wait, joined %v, error %v", len(m.list), joined, err)
	} else if full {
		return
	}
	m.list = append(m.list, waiting{s, m.handles, deadline})
	if !known {
		m.retry[s], m.pauses[s] = m.now+500, 500
	}
}

func (m *waitersModel) Time(t *rapid.T) {
	m.now += rapid.SampledFrom([]int64{1, 7, 100, 9000, 50_000}).Draw(t, "millis")
}

func (m *waitersModel) Applied(t *rapid.T) {
	s := someSequence(t)
	got := m.w.Applied(result(first, s, session.OK), nil)
	m.expectGone(t, got, func(r waiting) bool { return r.sequence == s })
}

func (m *waitersModel) Expire(t *rapid.T) {
	got := m.w.Expire(m.now, nil)
	m.expectGone(t, got, func(r waiting) bool { return r.deadline <= m.now })
}

func (m *waitersModel) Retry(t *rapid.T) {
	var got, want []string
	for s, due := range m.retry {
		if due <= m.now {
			want = append(want, fmt.Sprintf("command %d", s))
			m.pauses[s] = min(2*m.pauses[s], 4000)
			m.retry[s] = m.now + m.pauses[s]
		}
	}
	for _, c := range m.w.Retry(m.now, 100, nil) {
		got = append(got, string(c))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("at %d: due %v, want %v", m.now, got, want)
	}
}

func (m *waitersModel) Leader(*rapid.T) {
	m.w.RetryAll(m.now)
	for s := range m.retry {
		m.retry[s], m.pauses[s] = min(m.retry[s], m.now), 500
	}
}

func (m *waitersModel) Check(t *rapid.T) {
	if m.w.Len() != len(m.list) {
		t.Fatalf("%d wait, want %d", m.w.Len(), len(m.list))
	}
}

func TestWaitersAllocateNothing(t *testing.T) {
	w := newWaiters(100, 10_000)
	command := []byte("command")
	var handles []int
	sequence := uint64(0)
	allocations := testing.AllocsPerRun(2000, func() {
		sequence++
		now := int64(sequence)
		_, _ = w.Register(now, session.Request[int]{
			Key: session.UpdateKey(first, sequence), Command: command, DeadlineMillis: now + 2000,
		})
		handles = w.Applied(result(first, sequence, session.OK), w.Expire(now, handles[:0]))
	})
	if allocations > 0 || len(handles) != 1 {
		t.Errorf("%v allocations for a request, %d answers", allocations, len(handles))
	}
}

func BenchmarkWaiters(b *testing.B) {
	w := newWaiters(2000, 1<<20)
	command := make([]byte, 300)
	var handles []int
	sequence := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		sequence++
		now := int64(sequence / 20)
		_, _ = w.Register(now, session.Request[int]{
			Key: session.UpdateKey(first, sequence), Command: command, DeadlineMillis: now + 2000,
		})
		if sequence > 500 {
			handles = w.Applied(result(first, sequence-500, session.OK), handles[:0])
		}
	}
}
