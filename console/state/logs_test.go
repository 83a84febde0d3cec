package state

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParseLogText(t *testing.T) {
	for _, row := range []struct{ raw, said, rest string }{
		{`time=2026-11-22T12:40:03.118Z level=INFO msg=ready replica=r1`, "ready", ""},
		{
			`time=2026-11-22T12:40:03.118Z level=INFO msg="link down" replica=r1 peer=r5 reason="it is gone"`,
			"link down", `peer=r5 reason="it is gone"`,
		},
		{`time=x level=INFO msg="with \"quotes\"" replica=r2`, `with "quotes"`, "replica=r2"},
		{`{"time":"x","level":"INFO","msg":"link down","replica":"r1","peer":"r5","took_ms":2}`, "link down", "peer=r5 took_ms=2"},
		{`panic: something`, "", "panic: something"},
		{`time=2026 level=INFO msg="cut off`, "", `time=2026 level=INFO msg="cut off`},
		{``, "", ""},
	} {
		text, message := ParseLogText(row.raw, "r1")
		line := LogLine{Text: text, Message: message}
		if line.Said() != row.said || line.Rest() != row.rest {
			t.Errorf("%s: %q and %q", row.raw, line.Said(), line.Rest())
		}
	}
}

func TestLogFields(t *testing.T) {
	line := LogLine{Text: `get  key="a b=\"c\"" req=7 empty="" 東京=x odd`, Message: 3}
	got := fmt.Sprintf("%q", line.Fields())
	if want := `[{"key" "a b=\"c\""} {"req" "7"} {"empty" ""} {"東京" "x"}]`; got != want {
		t.Errorf("fields %s, want %s", got, want)
	}
	if value, ok := line.Field("req"); !ok || value != "7" {
		t.Errorf("req is %q, %t", value, ok)
	}
}

func TestLogFilter(t *testing.T) {
	for _, row := range []struct {
		filter, text string
		want         bool
	}{
		{"", "anything", true},
		{"peer", "link down  peer=r5", true},
		{"PEER", "link down  peer=r5", false},
		{"link", "LINK down", true},
		{"r[56]", "link down  peer=r5", true},
		{"r[67]", "link down  peer=r5", false},
		{"!peer", "link down  peer=r5", false},
		{"link & !r4", "link down  peer=r5", true},
		{"link & !r5", "link down  peer=r5", false},
		{"link & ", "link down  peer=r5", true},
		{"link &", "link down  peer=r5", true},
		{"東京", "get  key=東京", true},
		{LogExactly(LogField{"req", "7"}), "answer  req=7 took=1", true},
		{LogExactly(LogField{"req", "7"}), "answer  req=77 took=1", false},
		{LogExactly(LogField{"key", "user/1.0"}), `reply  key="\"user/1.0\"" to=r1`, true},
		{LogExactly(LogField{"key", "user/1.0"}), "get  key=user/1.0", true},
		{LogExactly(LogField{"key", "user/1.0"}), "get  key=user/1.00", false},
	} {
		filter, err := LogFilter{}.Search(row.filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := filter.Passes(&LogLine{Text: row.text}); got != row.want {
			t.Errorf("%q on %q: %t", row.filter, row.text, got)
		}
	}
	filter, _ := LogFilter{}.Search("link")
	if same, err := filter.Search("link & r["); err == nil || same.Text() != "link" {
		t.Errorf("a broken expression gave %q, %v", same.Text(), err)
	}
	if got := filter.Hits("a LINK, a link"); fmt.Sprint(got) != "[[2 6] [10 14]]" {
		t.Errorf("hits %v", got)
	}
	filter, _ = filter.Search("link & r5")
	if got := filter.Invert(); got != "link & !r5" {
		t.Errorf("inverted %q", got)
	}
	filter, _ = filter.Search(filter.Invert())
	if got := filter.Invert(); got != "link & r5" {
		t.Errorf("inverted twice %q", got)
	}
}

func TestLogFilterOfSources(t *testing.T) {
	var f LogFilter
	if _, sole := f.Sole(6); sole || !f.Shows(5) {
		t.Error("the zero filter hides a source")
	}
	f = f.Only(2)
	if at, sole := f.Sole(6); !sole || at != 2 || f.Shows(1) {
		t.Errorf("only the third: %d, %t", at, sole)
	}
	if f = f.Toggle(1); !f.Shows(1) || f.Shows(0) {
		t.Error("the second was not added")
	}
	if f = f.Only(-1); !f.Shows(0) || !f.Shows(5) {
		t.Error("not all are seen")
	}
}

// TestLogRingIsBounded: neither many lines nor long ones let it grow.
func TestLogRingIsBounded(t *testing.T) {
	for _, length := range []int{10, 2 * LogTextBytesMax} {
		ring := NewLogRing("r1")
		text := strings.Repeat("x", length)
		var early LogSource
		for i := range 2*LogLinesMax + 7 {
			ring.Add(LogLine{Time: int64(i), Text: text, Sequence: uint64(i)})
			if i == LogLinesMax/2 {
				early = ring.Source()
			}
		}
		s := ring.Source()
		if s.Len() > LogLinesMax || s.Bytes > LogBytesMax || s.Next != 2*LogLinesMax+7 {
			t.Errorf("%d lines, %d bytes, next %d", s.Len(), s.Bytes, s.Next)
		}
		if s.Len() < LogLinesMax-logChunkLines && s.Bytes < LogBytesMax-logChunkLines*(LogTextBytesMax+3) {
			t.Errorf("too much was forgotten: %d lines, %d bytes", s.Len(), s.Bytes)
		}
		for ordinal := s.First; ordinal < s.Next; ordinal++ {
			if s.Line(ordinal).Sequence != ordinal {
				t.Fatalf("line %d is %d", ordinal, s.Line(ordinal).Sequence)
			}
		}
		for ordinal := early.First; ordinal < early.Next; ordinal++ {
			if early.Line(ordinal).Sequence != ordinal {
				t.Fatal("a source that was given away has changed")
			}
		}
	}
}

func TestLogTimesAreCorrectedAndNeverGoBack(t *testing.T) {
	ring := NewLogRing("r1")
	ring.Correct(100, 1)
	for _, at := range []int64{1000, 900, 1100} {
		ring.Add(LogLine{Time: at})
	}
	ring.Correct(-50, 1)
	ring.Add(LogLine{Time: 1050})
	s := ring.Source()
	var got []int64
	for ordinal := s.First; ordinal < s.Next; ordinal++ {
		got = append(got, s.Line(ordinal).At)
	}
	if fmt.Sprint(got) != "[900 900 1000 1100]" {
		t.Errorf("times %v", got)
	}
}

// world is random logs with the merged and filtered list that a view must agree with.
type world struct {
	rings []*LogRing
	logs  Logs
	clock int64
}

func newWorld(sources int) *world {
	w := &world{}
	for i := range sources {
		w.rings = append(w.rings, NewLogRing(fmt.Sprintf("r%d", i+1)))
	}
	w.look()
	return w
}

func (w *world) look() {
	w.logs = Logs{}
	for _, ring := range w.rings {
		w.logs.Sources = append(w.logs.Sources, ring.Source())
	}
}

func (w *world) grow(random *rand.Rand, lines int) {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for range lines {
		w.clock += random.Int64N(3)
		w.rings[random.IntN(len(w.rings))].Add(LogLine{
			Time: w.clock - random.Int64N(5), Level: levels[random.IntN(len(levels))],
			Text: fmt.Sprintf("say %d", random.IntN(4)), Message: 3, Remark: random.IntN(20) == 0,
		})
	}
	w.look()
}

// expected is the merged list by definition.
func (w *world) expected(filter LogFilter) []LogPlace {
	var places []LogPlace
	for i := range w.logs.Sources {
		s := &w.logs.Sources[i]
		for ordinal := s.First; ordinal < s.Next; ordinal++ {
			if line := s.Line(ordinal); filter.Shows(i) && filter.Passes(line) {
				places = append(places, LogPlace{line.At, i, ordinal})
			}
		}
	}
	slices.SortFunc(places, LogPlace.Compare)
	return places
}

func places(rows []LogRow) []LogPlace {
	var list []LogPlace
	for _, row := range rows {
		if row.Mark == nil {
			list = append(list, row.Place)
		}
	}
	return list
}

// TestLogViewAgreesWithTheDefinition drives views through random logs, filters and moves, and holds them against the
// whole list, sorted and filtered anew each time.
func TestLogViewAgreesWithTheDefinition(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		w, view := newWorld(1+random.IntN(4)), &LogView{}
		for step := range 60 {
			drive(random, w, view)
			for view.Advance(&w.logs, 40); view.Count(&w.logs).Unseen > 0; {
				view.Advance(&w.logs, 40)
			}
			if problem := compare(w, view, 1+random.IntN(12)); problem != "" {
				t.Fatalf("seed %d, step %d: %s", seed, step, problem)
			}
		}
	}
}

// drive does one random thing.
func drive(random *rand.Rand, w *world, view *LogView) {
	switch random.IntN(7) {
	case 0, 1:
		w.grow(random, random.IntN(200))
	case 2:
		filter, _ := view.Filter().Search([]string{"", "2", "!2", "say & !1"}[random.IntN(4)])
		filter.Level = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelError}[random.IntN(3)]
		view.SetFilter(filter.Toggle(random.IntN(len(w.rings))))
	case 3:
		view.Move(&w.logs, random.IntN(21)-10, 1+random.IntN(10))
	case 4:
		view.Follow(&w.logs, random.IntN(2) == 0)
	case 5:
		view.Find(&w.logs, slog.LevelError, random.IntN(2) == 0, 5)
	case 6:
		view.First(&w.logs, 5)
	}
}

func compare(w *world, view *LogView, rows int) string {
	want := w.expected(view.Filter())
	lines := 0
	for _, place := range want {
		if !w.logs.Sources[place.Source].Line(place.Ordinal).Remark {
			lines++
		}
	}
	if got := view.Count(&w.logs).Lines; got != lines {
		return fmt.Sprintf("%d lines, want %d", got, lines)
	}
	got := places(view.Rows(&w.logs, rows))
	if len(got) != min(rows, len(want)) {
		return fmt.Sprintf("%d rows of %d lines in %d", len(got), len(want), rows)
	}
	if len(want) == 0 {
		return ""
	}
	from := slices.Index(want, got[0])
	if from < 0 || !slices.Equal(got, want[from:from+len(got)]) {
		return fmt.Sprintf("rows %v are no part of %v", got, want)
	}
	if last := want[len(want)-1]; view.Following() && got[len(got)-1] != last {
		return fmt.Sprintf("following ends with %v, want %v", got[len(got)-1], last)
	}
	if _, ok := view.Chosen(&w.logs); !ok {
		return "nothing is chosen"
	}
	return ""
}

// TestLogViewKeepsItsPlace: new lines, late ones of another source, and a filter that is taken back do not move it.
func TestLogViewKeepsItsPlace(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	w, view := newWorld(3), &LogView{}
	w.grow(random, 300)
	view.Advance(&w.logs, 1000)
	view.Move(&w.logs, -40, 10)
	before := places(view.Rows(&w.logs, 10))
	chosen, _ := view.Chosen(&w.logs)
	w.grow(random, 300)
	view.Advance(&w.logs, 1000)
	if got := places(view.Rows(&w.logs, 10)); !slices.Equal(got, before) {
		t.Errorf("new lines moved the page from %v to %v", before, got)
	}
	if c := view.Count(&w.logs); c.New < 100 {
		t.Errorf("%d new lines while paused", c.New)
	}
	original := view.Filter()
	other, _ := original.Search("nothing has this")
	view.SetFilter(other)
	view.Advance(&w.logs, 1000)
	view.SetFilter(original)
	view.Advance(&w.logs, 30) // not yet as far back as the chosen line
	view.Advance(&w.logs, 1000)
	if now, _ := view.Chosen(&w.logs); now.Place != chosen.Place {
		t.Errorf("the chosen line was %v and is %v", chosen.Place, now.Place)
	}
}

// TestLogScanIsBounded: one snapshot never costs more than its share, and the newest lines are seen first.
func TestLogScanIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	w, view := newWorld(2), &LogView{}
	w.grow(random, 20_000)
	view.Advance(&w.logs, 100)
	if c := view.Count(&w.logs); c.Unseen != 19_900 {
		t.Errorf("%d lines are left, want 19,900", c.Unseen)
	}
	newest := w.expected(view.Filter())
	if got := places(view.Rows(&w.logs, 10)); !slices.Equal(got, newest[len(newest)-10:]) {
		t.Error("the newest lines are not seen first")
	}
}

func TestLogMarks(t *testing.T) {
	w, view := newWorld(2), &LogView{}
	for i := range 6 {
		w.rings[i%2].Add(LogLine{Time: int64(i * 10), Text: fmt.Sprint(i)})
	}
	w.look()
	view.Advance(&w.logs, 100)
	view.Mark(&w.logs, 1000)
	view.Move(&w.logs, -4, 10)
	if name := view.Mark(&w.logs, 1000); name != "B" {
		t.Errorf("the second mark is %s", name)
	}
	var words []string
	for _, row := range view.Rows(&w.logs, 100) {
		if row.Mark != nil {
			words = append(words, row.Mark.Name)
		} else {
			words = append(words, row.Line.Text)
		}
	}
	if got := strings.Join(words, " "); got != "0 1 2 B 3 4 5 A" {
		t.Errorf("the list is %s", got)
	}
	for range 40 {
		view.Mark(&w.logs, 1000)
	}
	if len(view.marks) != logMarksMax {
		t.Errorf("%d marks", len(view.marks))
	}
	if !view.Unmark() || view.Unmark() {
		t.Error("marks do not go once")
	}
}

func TestLogFindGoesAround(t *testing.T) {
	w, view := newWorld(1), &LogView{}
	for i, level := range []slog.Level{slog.LevelError, slog.LevelInfo, slog.LevelError, slog.LevelInfo} {
		w.rings[0].Add(LogLine{Time: int64(i), Level: level})
	}
	w.look()
	view.Advance(&w.logs, 100)
	for _, want := range []struct {
		ordinal uint64
		around  bool
	}{{0, true}, {2, false}, {0, true}} {
		around, ok := view.Find(&w.logs, slog.LevelError, false, 10)
		if row, _ := view.Chosen(&w.logs); !ok || around != want.around || row.Place.Ordinal != want.ordinal {
			t.Errorf("found line %d, around %t, want %+v", row.Place.Ordinal, around, want)
		}
	}
	if _, ok := view.Find(&w.logs, slog.LevelError+1, true, 10); ok {
		t.Error("found what is not there")
	}
}

// TestLogScanAllocatesNothing: looking at a line leaves no garbage.
func TestLogScanAllocatesNothing(t *testing.T) {
	filter, _ := LogFilter{}.Search("peer & !r7")
	line := &LogLine{Text: "link down  peer=r5 reason=\"it is gone\"", Message: 9}
	if n := testing.AllocsPerRun(100, func() { filter.Passes(line) }); n > 0 {
		t.Errorf("%v allocations for each line", n)
	}
}
