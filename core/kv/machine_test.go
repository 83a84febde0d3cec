package kv_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/session"
)

// small are options in which every limit is near.
var small = kv.Options{SessionsMax: 3, SessionGuardSlots: 4, SessionIdleMillis: 30_000, MarkSlots: 5}

// world is a machine on a store in memory, driven slot by slot.
type world struct {
	t       testing.TB
	store   *memstore.Store
	machine *kv.Machine
	options kv.Options
	wall    int64
}

func newWorld(t testing.TB, options kv.Options) *world {
	w := &world{t: t, store: memstore.New(0), options: options, wall: 1_000_000}
	w.load()
	return w
}

func (w *world) load() {
	w.t.Helper()
	machine, err := kv.New(w.store, w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.machine = machine
}

// slot applies the commands as one slot, and w.wall as its time.
func (w *world) slot(commands ...[]byte) []session.Result {
	w.t.Helper()
	value := kv.AppendBatchHeader(nil, w.wall)
	for _, c := range commands {
		value = kv.AppendBatchCommand(value, c)
	}
	results, err := w.apply(value)
	if err != nil {
		w.t.Fatal(err)
	}
	return results
}

func (w *world) apply(value []byte) ([]session.Result, error) {
	return w.machine.ApplyBatch([]kv.Entry{{Slot: w.machine.Applied() + 1, Value: value}}, nil)
}

func (w *world) noops(count int) {
	for range count {
		if _, err := w.apply(nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) open(number byte) session.ID {
	w.t.Helper()
	r := w.slot(open(number))[0]
	if r.Status != session.OK || r.Token[0] != number {
		w.t.Fatalf("open %d: %+v", number, r)
	}
	return r.Session
}

func (w *world) expect(commands []byte, want session.Status) session.Result {
	w.t.Helper()
	r := w.slot(commands)[0]
	if r.Status != want {
		w.t.Fatalf("slot %d: %+v, want %v", w.machine.Applied(), r, want)
	}
	return r
}

func (w *world) expectValue(key, want string) {
	w.t.Helper()
	value, _, found, err := w.machine.Get([]byte(key), nil)
	if err != nil || found != (want != "") || string(value) != want {
		w.t.Fatalf("%s is %q, found %v, error %v; want %q", key, value, found, err, want)
	}
}

func open(number byte) []byte { return kv.AppendOpen(nil, session.Token{number}) }

func put(id session.ID, sequence, low uint64, key, value string) []byte {
	return kv.AppendPut(nil, kv.Update{Session: id, Sequence: sequence, Low: low}, []byte(key), []byte(value))
}

func del(id session.ID, sequence, low uint64, key string) []byte {
	return kv.AppendDelete(nil, kv.Update{Session: id, Sequence: sequence, Low: low}, []byte(key))
}

func TestPutGetDelete(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	r := w.slot(put(id, 1, 1, "a", "1"), put(id, 2, 1, "b", "2"), put(id, 3, 1, "a", "3"))
	for i, want := range []session.Result{
		{Session: id, Sequence: 1, Status: session.OK, Slot: 2, Index: 0, Revision: 1},
		{Session: id, Sequence: 2, Status: session.OK, Slot: 2, Index: 1, Revision: 2},
		{Session: id, Sequence: 3, Status: session.OK, Slot: 2, Index: 2, Revision: 3},
	} {
		if want.Digest = r[i].Digest; r[i] != want || want.Digest == 0 {
			t.Errorf("result %+v, want %+v", r[i], want)
		}
	}
	value, revision, _, err := w.machine.Get([]byte("a"), []byte("is "))
	if string(value) != "is 3" || revision != 3 || err != nil {
		t.Errorf("a %q, revision %d, error %v", value, revision, err)
	}
	w.expect(del(id, 4, 4, "a"), session.OK)
	w.expectValue("a", "")
	w.expectValue("b", "2")
	// A delete of nothing is an update like any other: nobody looked.
	if r := w.expect(del(id, 5, 5, "never"), session.OK); r.Revision != 5 || w.machine.Revision() != 5 {
		t.Errorf("delete of nothing: %+v", r)
	}
}

func TestARetryGetsTheFirstResult(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	first := w.expect(put(id, 1, 1, "a", "1"), session.OK)
	w.expect(put(id, 2, 1, "a", "2"), session.OK)
	again := w.expect(put(id, 1, 1, "a", "1"), session.OK)
	if !again.Repeated || again.Slot != first.Slot || again.Revision != first.Revision {
		t.Errorf("first %+v, again %+v", first, again)
	}
	w.expectValue("a", "2")
	both := w.slot(put(id, 3, 1, "a", "3"), put(id, 3, 2, "a", "3"))
	if both[0].Repeated || !both[1].Repeated || both[1].Index != 0 {
		t.Errorf("twice in one slot: %+v", both)
	}
}

func TestBelowLowNothingExecutes(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	w.expect(put(id, 1, 1, "a", "1"), session.OK)
	w.expect(put(id, 3, 3, "a", "3"), session.OK)
	w.expect(put(id, 1, 1, "a", "1"), session.Stale)
	w.expect(put(id, 2, 1, "a", "never executed, and never will be"), session.Stale)
	w.expectValue("a", "3")
}

func TestAnotherCommandUnderTheSameSequence(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	w.expect(put(id, 1, 1, "a", "1"), session.OK)
	w.expect(put(id, 1, 1, "a", "2"), session.Conflict)
	w.expect(del(id, 1, 1, "a"), session.Conflict)
	w.expectValue("a", "1")
}

func TestUpdatesOutOfOrder(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	for _, sequence := range []uint64{5, 2, 4, 1, 3} {
		r := w.expect(put(id, sequence, 1, fmt.Sprint(sequence), "x"), session.OK)
		if r.Repeated {
			t.Errorf("sequence %d was never executed: %+v", sequence, r)
		}
	}
	for sequence := range uint64(5) {
		if r := w.expect(put(id, sequence+1, 1, fmt.Sprint(sequence+1), "x"), session.OK); !r.Repeated {
			t.Errorf("sequence %d was executed: %+v", sequence+1, r)
		}
	}
}

func TestWindow(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	w.expect(put(id, session.WindowMax, 1, "a", "1"), session.OK)
	w.expect(put(id, session.WindowMax+1, 1, "a", "2"), session.Overloaded)
	w.expectValue("a", "1")
	w.expect(put(id, session.WindowMax+1, 2, "a", "2"), session.OK)
}

func TestUnknownSession(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	stranger := session.ID{Slot: id.Slot, Index: id.Index + 1}
	w.expect(put(stranger, 1, 1, "a", "1"), session.Expired)
	w.expect(kv.AppendClose(nil, stranger), session.Expired)
	w.expect(put(id, 1, 1, "a", "1"), session.OK)
	w.expect(kv.AppendClose(nil, id), session.OK)
	w.expect(put(id, 1, 1, "a", "1"), session.Expired)
	w.expect(put(id, 2, 1, "a", "2"), session.Expired)
	w.expectValue("a", "1")
}

func TestSessionIDIsThePlaceOfItsOpen(t *testing.T) {
	w := newWorld(t, small)
	r := w.slot(open(1), open(2), open(1))
	if r[0].Session != (session.ID{Slot: 1}) || r[1].Session != (session.ID{Slot: 1, Index: 1}) {
		t.Errorf("sessions %v and %v", r[0].Session, r[1].Session)
	}
	if r[2].Session != r[0].Session || !r[2].Repeated || w.machine.Sessions() != 2 {
		t.Errorf("the same open again: %+v, %d sessions", r[2], w.machine.Sessions())
	}
}

func TestEvictionTakesTheLeastRecentlyUsed(t *testing.T) {
	w := newWorld(t, small)
	first, second, third := w.open(1), w.open(2), w.open(3)
	w.expect(put(first, 1, 1, "a", "1"), session.OK)
	w.expect(open(4), session.Overloaded)
	w.load()
	w.noops(1)
	w.expect(open(4), session.OK)
	w.expect(put(first, 2, 1, "a", "3"), session.OK)
	w.expect(put(third, 1, 1, "a", "4"), session.OK)
	// All three were used in the last 4 slots: an open must wait, not they.
	w.expect(open(5), session.Overloaded)
	w.expect(put(second, 1, 1, "a", "2"), session.Expired)
	w.expect(put(first, 2, 1, "a", "3"), session.OK)
}

func TestLogTime(t *testing.T) {
	w := newWorld(t, small)
	for _, step := range []struct{ wall, want int64 }{
		{1_000_000, 1_000_000}, // the first is taken as it is
		{1_000_500, 1_000_500},
		{900_000, 1_000_500}, // never back
		{9_000_000, 1_010_500},
		{-1, 1_020_500}, // a wall time beyond all reason is only a step forward
	} {
		w.wall = step.wall
		w.slot()
		if w.machine.LogMillis() != uint64(step.want) {
			t.Errorf("wall %d: log time %d, want %d", step.wall, w.machine.LogMillis(), step.want)
		}
		w.noops(1)
	}
}

func TestIdleSessionsEnd(t *testing.T) {
	w := newWorld(t, small)
	idle, used := w.open(1), w.open(2)
	for step := range uint64(4) {
		w.wall += 10_000
		w.expect(put(used, step+1, step+1, "a", "1"), session.OK)
	}
	w.expect(put(idle, 1, 1, "a", "2"), session.Expired)
	if w.machine.Sessions() != 1 {
		t.Errorf("%d sessions", w.machine.Sessions())
	}
}

// TestSessionsSurviveRestart: the table in the store is the table in memory.
func TestSessionsSurviveRestart(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	first := w.expect(put(id, 1, 1, "a", "1"), session.OK)
	w.expect(put(id, 9, 1, "b", "1"), session.OK)
	w.load()
	again := w.expect(put(id, 1, 1, "a", "1"), session.OK)
	if !again.Repeated || again.Slot != first.Slot || again.Index != first.Index || again.Revision != first.Revision {
		t.Errorf("first %+v, after a restart %+v", first, again)
	}
	if r := w.expect(open(1), session.OK); r.Session != id || !r.Repeated {
		t.Errorf("the same open after a restart: %+v", r)
	}
	w.expect(kv.AppendClose(nil, id), session.OK)
	w.load()
	w.expect(put(id, 1, 1, "a", "1"), session.Expired)
}

func TestWhatCannotBeExecutedStops(t *testing.T) {
	head := kv.AppendBatchHeader(nil, 1)
	for name, c := range map[string]struct {
		value []byte
		want  error
	}{
		"a later version's operation": {kv.AppendBatchCommand(bytes.Clone(head), []byte{77}), kv.ErrUnknownOperation},
		"a broken command":            {kv.AppendBatchCommand(bytes.Clone(head), []byte{1, 1}), kv.ErrMalformed},
		"a broken length":             {append(bytes.Clone(head), 200), kv.ErrMalformed},
		"half a wall time":            {[]byte{1, 2, 3}, kv.ErrMalformed},
	} {
		w := newWorld(t, small)
		id := w.open(1)
		w.expect(put(id, 1, 1, "a", "1"), session.OK)
		_, err := w.apply(c.value)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "slot 3") {
			t.Errorf("%s: error %v", name, err)
		}
		if _, again := w.apply(nil); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: a later call gives %v", name, again)
		}
		w.load()
		if w.machine.Applied() != 2 {
			t.Errorf("%s: the store is at slot %d", name, w.machine.Applied())
		}
	}
}

func TestSlotsOutOfOrderPanic(t *testing.T) {
	w := newWorld(t, small)
	defer func() {
		if recover() == nil {
			t.Error("slot 2 was applied to an empty machine")
		}
	}()
	_, _ = w.machine.ApplyBatch([]kv.Entry{{Slot: 2}}, nil)
}

func TestOtherLimitsAreRefused(t *testing.T) {
	w := newWorld(t, small)
	w.open(1)
	other := small
	other.SessionsMax++
	if _, err := kv.New(w.store, other); !errors.Is(err, kv.ErrLimits) {
		t.Errorf("error %v", err)
	}
}

func TestDamagedRowsAreNamed(t *testing.T) {
	for _, key := range []string{"mapplied", "s\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"} {
		w := newWorld(t, small)
		id := w.open(1)
		w.expect(put(id, 1, 1, "a", "1"), session.OK)
		row, found, _ := w.store.Get([]byte(key), nil)
		if !found {
			t.Fatalf("no row %q", key)
		}
		for cut := range len(row) {
			var b kv.Batch
			b.Set([]byte(key), row[:cut])
			_ = w.store.Apply(&b)
			if _, err := kv.New(w.store, small); !errors.Is(err, kv.ErrDamaged) {
				t.Errorf("row %q cut to %d of %d bytes: error %v", key, cut, len(row), err)
			}
		}
	}
}

// TestStoredBytes pins the rows of a store. A program that writes others needs a
// new version byte and must still read these.
func TestStoredBytes(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(7)
	w.slot(put(id, 1, 1, "a", "1"), put(id, 3, 1, "b", "2"))
	var got []string
	snapshot := w.store.Snapshot()
	_ = snapshot.Ascend(nil, []byte{0xff}, func(key, value []byte) bool {
		got = append(got, fmt.Sprintf("%q %s", key, hex.EncodeToString(value)))
		return true
	})
	want := []string{
		`"da" 000000000000000131`,
		`"db" 000000000000000232`,
		`"mapplied" 012fc3d2c54dc142840202c0843d0304b0ea018008`,
		`"s\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00" 01070000000000000000000000000000000201c0843d0102` +
			`008b13bedd1e5f4ccd0000020102` + `39f17b2e7c8430eb00010201`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMarks(t *testing.T) {
	w := newWorld(t, small)
	if _, ok := w.machine.LastMark(); ok {
		t.Error("a mark before the first slot")
	}
	w.noops(4)
	before := w.machine.Chain()
	w.open(1)
	mark, ok := w.machine.MarkAt(5)
	if !ok || mark != w.machine.Chain() || mark.Hash == before.Hash || mark.Slot != 5 {
		t.Errorf("mark %+v, chain %+v", mark, w.machine.Chain())
	}
	w.noops(5 * 64)
	if _, ok := w.machine.MarkAt(5); ok {
		t.Error("a mark is kept for ever")
	}
	const kept = 64
	all := w.machine.Marks(nil)
	if last, _ := w.machine.LastMark(); len(all) != kept || all[kept-1] != last {
		t.Errorf("%d marks, the last %+v, want %d and %+v", len(all), all[len(all)-1], kept, last)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Slot <= all[i-1].Slot {
			t.Errorf("mark %d is out of order", i)
		}
	}
	if last, _ := w.machine.LastMark(); last.Slot != w.machine.Applied() {
		t.Errorf("last mark %+v at slot %d", last, w.machine.Applied())
	}
}

func TestScanGivesPages(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	for i, key := range []string{"a", "b", "b\x00", "b\xff", "b\xff\xff", "ba", "c"} {
		w.expect(put(id, uint64(i+1), uint64(i+1), key, "1234"), session.OK)
	}
	view, err := w.machine.View()
	if err != nil {
		t.Fatal(err)
	}
	w.expect(del(id, 8, 8, "ba"), session.OK)
	for _, c := range []struct {
		request kv.Range
		want    string
		more    bool
	}{
		{kv.Range{RowsMax: 9, BytesMax: 99}, `"a" "b" "b\x00" "ba" "b\xff" "b\xff\xff" "c"`, false},
		{kv.Range{Prefix: []byte("b"), RowsMax: 9, BytesMax: 99}, `"b" "b\x00" "ba" "b\xff" "b\xff\xff"`, false},
		{kv.Range{Prefix: []byte("b\xff"), RowsMax: 9, BytesMax: 99}, `"b\xff" "b\xff\xff"`, false},
		{kv.Range{Prefix: []byte("b"), After: []byte("a"), RowsMax: 2, BytesMax: 99}, `"b" "b\x00"`, true},
		{kv.Range{Prefix: []byte("b"), After: []byte("b"), RowsMax: 2, BytesMax: 99}, `"b\x00" "ba"`, true},
		{kv.Range{Prefix: []byte("b"), After: []byte("b\xff"), RowsMax: 2, BytesMax: 99}, `"b\xff\xff"`, false},
		{kv.Range{After: []byte("zz"), RowsMax: 2, BytesMax: 99}, ``, false},
		{kv.Range{RowsMax: 9, BytesMax: 1}, `"a"`, true},
		{kv.Range{RowsMax: 9, BytesMax: 10}, `"a" "b"`, true},
	} {
		page, err := view.Scan(c.request)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range page.Rows {
			got = append(got, fmt.Sprintf("%q", row.Key))
		}
		if strings.Join(got, " ") != c.want || page.More != c.more {
			t.Errorf("%+v: %v, more %v; want %v, %v", c.request, got, page.More, c.want, c.more)
		}
	}
	if _, err := view.Scan(kv.Range{}); err == nil {
		t.Error("a scan without limits")
	}
	value, revision, found, err := view.Get([]byte("ba"), nil)
	if !found || string(value) != "1234" || revision != 6 || err != nil || view.Applied() != 8 {
		t.Errorf("the view at slot %d has %q, revision %d, error %v", view.Applied(), value, revision, err)
	}
	if err := view.Close(); err != nil {
		t.Error(err)
	}
}

// TestBurst: many updates without a known result, then few: nothing that is still
// needed goes with the memory that is given back.
func TestBurst(t *testing.T) {
	w := newWorld(t, small)
	id := w.open(1)
	for sequence := range uint64(900) {
		w.expect(put(id, sequence+1, 1, "a", fmt.Sprint(sequence+1)), session.OK)
	}
	for _, low := range []uint64{10, 440, 470, 880} {
		w.expect(put(id, 900, low, "a", "900"), session.OK)
		w.expect(put(id, low-1, low-1, "a", fmt.Sprint(low-1)), session.Stale)
		if r := w.expect(put(id, low, low, "a", fmt.Sprint(low)), session.OK); !r.Repeated || r.Revision != low {
			t.Errorf("update %d again: %+v", low, r)
		}
		w.load()
	}
	if r := w.expect(put(id, 901, 901, "a", "901"), session.OK); r.Revision != 901 {
		t.Errorf("the next update: %+v", r)
	}
}
