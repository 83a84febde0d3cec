package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"synod/console/panel"
	"synod/console/state"
)

// logged is one line of a scene: milliseconds after 12:40:00, source, level, text as in the replica's file.
type logged struct {
	at     int
	source int // 5 is the client
	level  slog.Level
	text   string
}

// sceneLines are the log of the scene of the design.
func sceneLines() []logged {
	return []logged{
		{3118, 0, slog.LevelInfo, `msg=leading replica=r1 role=proposer ballot=12.r1 slots=3`},
		{3902, 5, slog.LevelWarn, `msg="request not sent" op=put key="\"user/7\"" to=r5 req=c7a1.12 err="connection refused"`},
		{4012, 0, slog.LevelWarn, `msg="link down" replica=r1 peer=r5 reason="connection refused"`},
		{4300, 1, slog.LevelInfo, `msg=answer replica=r2 req=77 client=127.0.0.1:9 took_ms=1 slot=48190 revision=77 repeated=false`},
		{4351, 2, slog.LevelWarn, `msg="fault injected" replica=r3 role=acceptor fault=pause owner=ops`},
		{5733, 3, slog.LevelWarn, `msg="slow sync" replica=r4 took_ms=98 batch=64 bytes=18204`},
		{6350, 5, slog.LevelError, `msg="no answer" op=del key="\"user/9\"" to=r4 req=c7a1.14 took=2.000s outcome=unknown`},
		{6353, 1, slog.LevelInfo, `msg=get replica=r2 req=78 client=127.0.0.1:9 key=user/9 mode=linearizable`},
		{7004, 3, slog.LevelInfo, `msg="snapshot installed" replica=r4 through=45000 bytes=1204882 took_ms=71`},
		{7120, 1, slog.LevelDebug, `msg=promise replica=r2 ballot=12.r1 from=r1`},
	}
}

// withLogs adds lines to a source of snapshots.
func withLogs(f *fake, lines []logged) *fake {
	var rings []*state.LogRing
	for _, name := range []string{"r1", "r2", "r3", "r4", "r5", "client"} {
		ring := state.NewLogRing(name)
		ring.SetLive(name != "r5")
		ring.Correct(0, time.Microsecond)
		rings = append(rings, ring)
	}
	rings[3].Correct(400*time.Microsecond, 100*time.Microsecond)
	noon := time.Date(2026, 11, 22, 12, 40, 0, 0, time.UTC)
	for i, line := range lines {
		name := rings[line.source].Name()
		at := noon.Add(time.Duration(line.at) * time.Millisecond)
		text, message := state.ParseLogText("time=x level=x "+line.text, name)
		rings[line.source].Add(state.LogLine{
			Time: at.UnixNano(), Sequence: uint64(i + 1), Text: text, Message: message, Level: line.level,
		})
	}
	f.logs = state.Logs{}
	for _, ring := range rings {
		f.logs.Sources = append(f.logs.Sources, ring.Source())
	}
	return f
}

func logScene() *fake { return withLogs(scene(), sceneLines()) }

// wideScene has letters that are two cells wide, escape sequences and lines that are too long.
func wideScene() *fake {
	return withLogs(scene(), []logged{
		{100, 0, slog.LevelInfo, `msg=put replica=r1 key=東京/渋谷 value_bytes=12`},
		{200, 5, slog.LevelError, "msg=\"\\x1b[2Jred\\x1b[31m\" key=\"a\\nb\" to=r1"},
		{300, 1, slog.LevelWarn, "\x1b]0;title\x07 not of our loggers 東京"},
		{400, 2, slog.LevelInfo, `msg="` + strings.Repeat("long ", 60) + `" key=` + strings.Repeat("都", 90)},
	})
}

func TestGoldenLogs(t *testing.T) {
	goldenPage(t, "logs", logScene, "2")
	goldenPage(t, "logs-filter", logScene, "2/key & !put<enter>k")
	goldenPage(t, "logs-details", logScene, "2kkk<enter>m")
	goldenPage(t, "logs-wide", wideScene, "2w")
	goldenPage(t, "logs-none", func() *fake { return &fake{replicas: unknown()} }, "2")
}

func logsOf(m *Model) *logsPage { return m.pages[1].(*logsPage) }

// chosenLine is the text of the chosen line.
func chosenLine(m *Model) string {
	text := logsOf(m).selection(m.known())
	_, text, _ = strings.Cut(text, " ")
	return text
}

// shownLines is how many lines the filter lets through.
func shownLines(m *Model) int { return logsOf(m).view.Count(&m.console.Logs).Lines }

// TestEveryKeyOfTheLogs presses each key of the page and looks for what its help says.
func TestEveryKeyOfTheLogs(t *testing.T) {
	for _, row := range []struct{ keys, want string }{
		{"k", "INFO r4 snapshot installed"},
		{"<up><up>", "INFO r2 get"},
		{"kkkj", "INFO r2 get"},
		{"kk<down>", "INFO r4 snapshot installed"},
		{"g", "INFO r1 leading"},
		{"<home>G", "DEBUG r2 promise"},
		{"<home><end>", "DEBUG r2 promise"},
		{"E", "ERROR client no answer"},
		{"W", "ERROR client no answer"},
		{"gE", "ERROR client no answer"},
		{"LLL", "ERROR client no answer"},
		{"LL", "ERROR client no answer"},
		{"gLL", "WARN client request not sent"},
		{"L", "INFO r4 snapshot installed"},
		{"LLLL", "DEBUG r2 promise"},
		{"s", "WARN r1 link down"},
		{"ss", "DEBUG r2 promise"},
		{"ssssss", "ERROR client no answer"},
		{"sssssss", "DEBUG r2 promise"},
		{"kx", "DEBUG r2 promise"},
		{"kxE", "ERROR client no answer"},
		{"xs", "DEBUG r2 promise"},
		{"xss", "WARN r1 link down"},
		{"/fault<enter>", "WARN r3 fault injected"},
		{"/key<enter>&get<enter>", "INFO r2 get"},
		{"/key<enter>!", "DEBUG r2 promise"},
		{"/client<enter>N", "INFO r2 answer"},
		{"/client<enter>Nn", "INFO r2 get"},
		{"kkR", "INFO r2 get"},
		{"kkK", "INFO r2 get"},
		{"<pgup>", "INFO r1 leading"},
		{"<pgup><pgdown>", "DEBUG r2 promise"},
	} {
		t.Run(row.keys, func(t *testing.T) {
			m := screen(t, logScene(), 120, 36)
			keys(m, "2LLL"+row.keys) // begins with all levels
			if got := chosenLine(m); !strings.HasPrefix(got, row.want) {
				t.Errorf("chosen is %q, want %q\n%s", got, row.want, m.View())
			}
		})
	}
}

func TestKeysOfTheLogsThatChooseNothing(t *testing.T) {
	for _, row := range []struct{ keys, want string }{
		{"f", "PAUSED, 0 new (f)"},
		{"ff", "FOLLOW"},
		{"m", "mark A 12:40:07.381"},
		{"mmM", "all marks are taken away"},
		{"t", "times are told by the clock of this console"},
		{"tt", "0.3s ago"},
		{"ttt", "-0.116s"},
		{"tttt", "times are told by the clock of each replica"},
		{"w", "long lines are broken"},
		{"ww", "long lines are cut"},
		{"E", "meaning"},
		{"S", "names no slot"},
		{"R", "names none"},
		{"ER", "/\\breq="},
		{"EK", "2 lines"},
		{"kkkkkx", "-r3"},
		{"/r[<enter>", "no regular expression yet"},
		{"/zzz<enter>", "no line matches"},
		{"/zzz<esc>", "10 lines"},
		{"e", "nothing can be saved"},
		{"y", "clipboard cannot be reached"},
	} {
		t.Run(row.keys, func(t *testing.T) {
			m := screen(t, logScene(), 120, 36)
			keys(m, "2LLL"+row.keys)
			if !strings.Contains(m.View(), row.want) {
				t.Errorf("no %q on\n%s", row.want, m.View())
			}
		})
	}
}

// TestEnterOpensDetailsWhereTheyDoNotFit: on a small screen they take the place of the list, and Esc closes them.
func TestEnterOpensDetailsWhereTheyDoNotFit(t *testing.T) {
	for _, size := range []panel.Size{{Width: 80, Height: 24}, {Width: 60, Height: 15}} {
		m := screen(t, logScene(), size.Width, size.Height)
		if keys(m, "2"); strings.Contains(m.View(), "Chosen line") {
			t.Errorf("details without being asked:\n%s", m.View())
		}
		if keys(m, "<enter>"); !strings.Contains(m.View(), "Chosen line") {
			t.Errorf("no details:\n%s", m.View())
		}
		if keys(m, "<esc>"); strings.Contains(m.View(), "Chosen line") {
			t.Errorf("Esc does not close the details:\n%s", m.View())
		}
	}
}

func TestSlotOfALogLineIsShown(t *testing.T) {
	f := logScene()
	m := screen(t, f, 120, 36)
	keys(m, "2/slot=<enter>S")
	if m.at != 3 || strings.Join(f.submitted, ",") != "slot 48190" {
		t.Errorf("submitted %q, page %d", f.submitted, m.at+1)
	}
}

func TestClickAndWheelOnTheLogs(t *testing.T) {
	m := screen(t, logScene(), 120, 36)
	keys(m, "2LLL")
	row := -1
	for i, line := range strings.Split(ansi.Strip(m.View()), "\n") {
		if strings.Contains(line, "fault injected") {
			row = i
		}
	}
	m.Update(tea.MouseMsg{X: 30, Y: row, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	if got := chosenLine(m); !strings.HasPrefix(got, "WARN r3 fault injected") {
		t.Errorf("the click chose %q", got)
	}
	m.Update(tea.MouseMsg{X: 30, Y: row, Button: tea.MouseButtonWheelUp, Action: tea.MouseActionPress})
	if got := chosenLine(m); !strings.HasPrefix(got, "WARN client request not sent") {
		t.Errorf("the wheel chose %q", got)
	}
}

// TestLogsWhilePausedAndFrozen: what is read stays where it is, and a screen that was frozen goes on.
func TestLogsWhilePausedAndFrozen(t *testing.T) {
	f := logScene()
	m := screen(t, f, 120, 36)
	keys(m, "2kk")
	chosen := chosenLine(m)
	more := sceneLines()
	for i := range 2 * state.LogLinesMax {
		more = append(more, logged{8000 + i, i % 5, slog.LevelInfo, "msg=more n=" + fmt.Sprint(i)})
	}
	withLogs(f, more[:len(more)-state.LogLinesMax])
	for range 12 {
		see(m, f)
	}
	if got := chosenLine(m); got != chosen || !strings.Contains(m.View(), "50,000 new (f)") {
		t.Errorf("chosen was %q and is %q\n%s", chosen, got, m.View())
	}
	keys(m, " ")
	withLogs(f, append(more, more[11:]...)) // the lines that the page holds are forgotten meanwhile
	see(m, f)
	keys(m, "/more<enter> ")
	keys(m, "jjkE<pgup>gG")
	see(m, f)
	if shownLines(m) == 0 {
		t.Errorf("nothing is left:\n%s", m.View())
	}
}

func TestExportOfTheLogs(t *testing.T) {
	m := screen(t, logScene(), 120, 36)
	var name, content string
	m.options.Outside.Save = func(file string, bytes []byte) (string, error) {
		name, content = file, string(bytes)
		return file, nil
	}
	keys(m, "2/user<enter>mej")
	if !strings.HasSuffix(name, ".json") {
		t.Fatalf("saved as %q\n%s", name, m.View())
	}
	var got []string
	for text := range strings.Lines(content) {
		var line logExport
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s%s", line.Level, line.Source, line.Message, line.Fields["key"], line.Mark))
	}
	want := `WARN client request not sent "user/7"|ERROR client no answer "user/9"|INFO r2 get user/9|   A`
	if strings.Join(got, "|") != want {
		t.Errorf("exported\n%s\nwant\n%s", strings.Join(got, "|"), want)
	}
}

func TestCopyOfALogLine(t *testing.T) {
	m := screen(t, logScene(), 120, 36)
	copied := ""
	m.options.Outside.Copy = func(text string) error { copied = text; return nil }
	keys(m, "2Ey")
	if !strings.HasPrefix(copied, "2026-11-22T12:40:06.350Z ERROR client no answer  op=del") {
		t.Errorf("copied %q", copied)
	}
}

func BenchmarkLogs(b *testing.B) {
	lines := sceneLines()
	for i := range 40_000 {
		lines = append(lines, logged{8000 + i, i % 6, slog.LevelInfo, fmt.Sprintf("msg=answer req=%d took_ms=1 slot=%d", i, i)})
	}
	f := withLogs(scene(), lines)
	m := New(Options{Source: f})
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 36})
	keys(m, "2")
	for range 20 {
		see(m, f)
	}
	b.ReportAllocs()
	for b.Loop() {
		see(m, f)
		_ = m.View()
	}
}
