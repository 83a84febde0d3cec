package app

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
	"synod/protocol"
)

var rewrite = flag.Bool("rewrite", false, "write the golden screens anew")

// noon is the moment at which all tests look.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 40, 7, 381e6, time.UTC) }

// fake is a source that holds still.
type fake struct {
	replicas  []state.Observation
	session   state.Session
	submitted []string
	answers   []string
	full      bool
	running   bool
}

func (f *fake) Look(state.Want) state.Snapshot {
	return state.Snapshot{Replicas: f.replicas, Session: f.session}
}
func (f *fake) Answer(text string) { f.answers = append(f.answers, text) }
func (f *fake) Cancel() bool       { return f.running }
func (f *fake) Submit(line string) bool {
	if f.full {
		return false
	}
	f.submitted = append(f.submitted, line)
	return true
}

// scene is the one of the design: r1 leads, r3's acceptor is paused, r4 catches up, r5 is dead.
func scene() *fake {
	roles := func(p, a, l string) []protocol.RoleStatus {
		return []protocol.RoleStatus{
			{Role: "proposer", State: p}, {Role: "acceptor", State: a}, {Role: "learner", State: l},
		}
	}
	status := func(n int, chosen, applied uint64, r []protocol.RoleStatus) protocol.Status {
		return protocol.Status{
			Replica: fmt.Sprintf("r%d", n), Roles: r, Leader: "r1", Ballot: "12.r1", Voted: chosen + 6, Chosen: chosen,
			Applied: applied, SyncMicros: protocol.Quantiles{P50: 840, P99: 4100}, Connections: 12, UptimeMS: 11_520_000,
			PID: 4000 + n, Queues: []protocol.QueueStatus{{Queue: "proposer", Length: 64, Limit: 1000}},
		}
	}
	f := &fake{}
	for n := 1; n <= 5; n++ {
		f.replicas = append(f.replicas, state.Observation{
			ID: fmt.Sprintf("r%d", n), Address: fmt.Sprintf("127.0.0.1:710%d", n), Connected: true, Known: true,
			At: noon().Add(-100 * time.Millisecond), Status: status(n, 48213, 48213, roles("following", "normal", "learning")),
		})
	}
	f.replicas[0].Status.Roles = roles("leading", "normal", "learning")
	f.replicas[2].Status.Roles = roles("following", "paused", "learning")
	f.replicas[2].Status.Roles[1].Cause = "by ops"
	f.replicas[2].Status.Faults = []protocol.FaultStatus{{Fault: "pause acceptor", Owner: "ops"}}
	f.replicas[3].Status.Applied = 45100
	f.replicas[4].Status = status(5, 47118, 47118, roles("following", "normal", "learning"))
	f.replicas[4].Connected, f.replicas[4].At = false, noon().Add(-9400*time.Millisecond)
	f.replicas[4].Err = "connect 127.0.0.1:7105: connection refused"
	f.replicas[4].RetryAt = noon().Add(1600 * time.Millisecond)
	f.session = conversation()
	return f
}

func conversation() state.Session {
	at := noon().Add(-8 * time.Second)
	result := func(verb, replica string, reply command.Reply) []state.Entry {
		reply.Latency = 1100 * time.Microsecond
		r := command.Result{Verb: verb, Replica: replica, Status: command.StatusOK, Reply: reply, Time: at}
		r.Request.Operation = command.Operation(verb)
		if reply.Failure != "" {
			r.Status = string(reply.Failure)
		}
		return state.Result(r)
	}
	typed := func(text string) state.Entry { return state.Entry{At: at, Tone: state.Typed, Text: "> " + text} }
	var s state.Session
	s = s.Append(typed(`put user/1042 "Ada L."`))
	s = s.Append(result("put", "r2", command.Reply{Slot: 48190, Revision: 77})...)
	s = s.Append(typed("get user/1042 @r2"))
	s = s.Append(result("get", "r2", command.Reply{Value: []byte("Ada L."), Applied: 48201})...)
	s = s.Append(typed("get city"))
	s = s.Append(result("get", "r3", command.Reply{Value: []byte("東京\x1b[31m"), Applied: 48201})...)
	s = s.Append(typed("put user/7 x @r5"))
	s = s.Append(result("put", "r5", command.Reply{
		Failure: command.Unreachable, Outcome: command.NotSent, Err: fmt.Errorf("connection refused"),
	})...)
	s = s.Append(typed("del user/9 @r4"))
	s = s.Append(result("del", "r4", command.Reply{
		Failure: command.Timeout, Outcome: command.Unknown, Err: fmt.Errorf("no answer in time"),
	})...)
	s.Sent, s.Failed = 5, 2
	return s
}

// screen is a model of the scene at a size.
func screen(t *testing.T, f *fake, width, height int) *Model {
	t.Helper()
	m := New(Options{
		Cluster: "demo", Grammar: command.NewGrammar([]string{"r1", "r2", "r3", "r4", "r5"}),
		Theme: theme.New(true), Source: f,
	})
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	see(m, f)
	return m
}

func see(m *Model, f *fake) {
	m.Update(snapshot{At: noon(), Replicas: f.replicas, Session: f.session})
}

func typeText(m *Model, text string) {
	m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text)})
}

func press(m *Model, key tea.KeyType) tea.Cmd {
	_, cmd := m.Update(tea.KeyMsg{Type: key})
	return cmd
}

// quits tells whether a command ends the program.
func quits(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	_, ok := cmd().(tea.QuitMsg)
	return ok
}

func TestGoldenScreens(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T) *Model{
		"120x36": func(t *testing.T) *Model {
			m := screen(t, scene(), 120, 36)
			typeText(m, "put user/1042 ")
			return m
		},
		"80x24":       func(t *testing.T) *Model { return screen(t, scene(), 80, 24) },
		"60x15":       func(t *testing.T) *Model { return screen(t, scene(), 60, 15) },
		"60x15-other": func(t *testing.T) *Model { m := screen(t, scene(), 60, 15); press(m, tea.KeyTab); return m },
		"40x10":       func(t *testing.T) *Model { return screen(t, scene(), 40, 10) },
		"30x1":        func(t *testing.T) *Model { return screen(t, scene(), 30, 1) },
		"start":       func(t *testing.T) *Model { return screen(t, &fake{replicas: unknown()}, 80, 24) },
		"help":        func(t *testing.T) *Model { m := screen(t, scene(), 120, 36); typeText(m, "?"); return m },
		"question": func(t *testing.T) *Model {
			f := scene()
			f.session.Question = &state.Question{Text: "crash *.acceptor leaves 0 of 5 acceptors", Type: "demo"}
			m := screen(t, f, 80, 24)
			typeText(m, "de")
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := prepare(t)
			got := m.View()
			if plain := ansi.Strip(got); plain != got {
				t.Error("the plain theme writes escape sequences")
			}
			checkSize(t, got, m.size)
			golden(t, name, got+"\n")
		})
	}
}

func unknown() []state.Observation {
	var list []state.Observation
	for n := 1; n <= 5; n++ {
		list = append(list, state.Observation{ID: fmt.Sprintf("r%d", n), Address: fmt.Sprintf("127.0.0.1:710%d", n)})
	}
	return list
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (make golden writes it anew)\n%s\nwant\n%s", file, got, want)
	}
}

func checkSize(t *testing.T, view string, size panel.Size) {
	t.Helper()
	lines := strings.Split(view, "\n")
	if len(lines) > size.Height {
		t.Errorf("%d lines on a screen of %d", len(lines), size.Height)
	}
	for i, line := range lines {
		if width := ansi.StringWidth(line); width > size.Width {
			t.Errorf("line %d has %d cells of %d: %q", i+1, width, size.Width, line)
		}
	}
}

// TestEverySizeFits draws the scene, coloured and plain, at every size a person may drag a window to.
func TestEverySizeFits(t *testing.T) {
	f := scene()
	for _, plain := range []bool{true, false} {
		m := screen(t, f, 80, 24)
		m.options.Theme = theme.New(plain)
		for width := 1; width <= 140; width += 7 {
			for height := 1; height <= 45; height += 4 {
				m.Update(tea.WindowSizeMsg{Width: width, Height: height})
				view := m.View()
				checkSize(t, view, m.size)
				first, _, _ := strings.Cut(ansi.Strip(view), "\n")
				if width >= 30 && !strings.Contains(first, "leader r1") {
					t.Errorf("%dx%d: the header lost the leader: %q", width, height, first)
				}
			}
		}
	}
}

func TestColoursAddNothingToTheText(t *testing.T) {
	plain, coloured := screen(t, scene(), 120, 36), screen(t, scene(), 120, 36)
	coloured.options.Theme = theme.New(false)
	if !strings.Contains(coloured.View(), "\x1b[") {
		t.Error("the coloured theme has no colours")
	}
	want := strings.ReplaceAll(plain.View(), "▏", " ")
	if got := ansi.Strip(coloured.View()); strings.TrimRight(got, " ") != strings.TrimRight(want, " ") {
		t.Errorf("without its colours the screen is\n%s\nwant\n%s", got, want)
	}
}

func TestEnterSubmitsAndHistoryBringsBack(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	for _, text := range []string{"get a", "get b", "get b"} {
		typeText(m, text)
		press(m, tea.KeyEnter)
	}
	if got := strings.Join(f.submitted, ","); got != "get a,get b,get b" {
		t.Errorf("submitted %s", got)
	}
	typeText(m, "ge")
	press(m, tea.KeyUp)
	press(m, tea.KeyUp)
	press(m, tea.KeyUp)
	if got := m.line.Text(); got != "get a" {
		t.Errorf("the oldest line of the history is %q", got)
	}
	press(m, tea.KeyDown)
	press(m, tea.KeyDown)
	if got := m.line.Text(); got != "ge" {
		t.Errorf("the line that was being typed is %q", got)
	}
}

func TestControlCClearsThenAsksThenQuits(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	typeText(m, "get a")
	if quits(press(m, tea.KeyCtrlC)) || !m.line.Empty() {
		t.Error("ctrl-C with a line must clear it")
	}
	if quits(press(m, tea.KeyCtrlC)) || !strings.Contains(m.View(), "ctrl-C once more quits") {
		t.Error("ctrl-C on an empty line must say what the next one does")
	}
	press(m, tea.KeyLeft)
	if quits(press(m, tea.KeyCtrlC)) {
		t.Error("another key between must take the first ctrl-C back")
	}
	if !quits(press(m, tea.KeyCtrlC)) {
		t.Error("the second ctrl-C must quit")
	}
}

func TestControlCEndsTheRunningCommandFirst(t *testing.T) {
	f := scene()
	f.session.Running, f.running = "running", true
	m := screen(t, f, 80, 24)
	for range 2 {
		if quits(press(m, tea.KeyCtrlC)) {
			t.Error("ctrl-C must not quit while a command runs")
		}
	}
	if !strings.Contains(m.View(), "was told to end") {
		t.Error("nothing says that the command was told to end")
	}
}

func TestControlDQuitsOnAnEmptyLine(t *testing.T) {
	m := screen(t, scene(), 80, 24)
	typeText(m, "x")
	if quits(press(m, tea.KeyCtrlD)) {
		t.Error("ctrl-D with a line must not quit")
	}
	press(m, tea.KeyEsc)
	if !quits(press(m, tea.KeyCtrlD)) {
		t.Error("ctrl-D on an empty line must quit")
	}
}

func TestEnterAnswersAQuestion(t *testing.T) {
	f := scene()
	f.session.Question = &state.Question{Text: "crash r3 stops working roles"}
	m := screen(t, f, 80, 24)
	typeText(m, "y")
	if cmd := press(m, tea.KeyEnter); cmd == nil {
		t.Fatal("no answer was sent")
	} else {
		cmd()
	}
	if len(f.answers) != 1 || f.answers[0] != "y" || len(f.submitted) != 0 {
		t.Errorf("answers %q, commands %q", f.answers, f.submitted)
	}
}

func TestPastedLinesWaitForEnter(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	paste := tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune("put a 1\nput b 2\n")}
	m.Update(paste)
	if len(f.submitted) != 0 || !strings.Contains(m.View(), "2 lines were pasted") {
		t.Errorf("a paste ran at once: %q", f.submitted)
	}
	press(m, tea.KeyEsc)
	press(m, tea.KeyEnter)
	if len(f.submitted) != 0 {
		t.Errorf("a dropped paste ran: %q", f.submitted)
	}
	m.Update(paste)
	press(m, tea.KeyEnter)
	if got := strings.Join(f.submitted, ","); got != "put a 1,put b 2" {
		t.Errorf("submitted %q", got)
	}
}

func TestTabCompletesVerbs(t *testing.T) {
	m := screen(t, scene(), 80, 24)
	typeText(m, "sta")
	press(m, tea.KeyTab)
	if got := m.line.Text(); got != "sta" {
		t.Errorf("start and status share more than %q?", got)
	}
	typeText(m, "r")
	press(m, tea.KeyTab)
	if got := m.line.Text(); got != "start " {
		t.Errorf("completed to %q", got)
	}
}

func TestScrollingKeepsItsPlace(t *testing.T) {
	f := scene()
	for i := range 100 {
		f.session = f.session.Append(state.Entry{At: noon(), Text: fmt.Sprintf("line %d.", i)})
	}
	m := screen(t, f, 80, 24)
	press(m, tea.KeyPgUp)
	before := m.View()
	f.session = f.session.Append(state.Entry{At: noon(), Text: "news"})
	see(m, f)
	cut := func(view string) string { return strings.Join(strings.Split(view, "\n")[10:20], "\n") }
	if cut(before) != cut(m.View()) {
		t.Errorf("new lines moved what is being read:\n%s\nbefore\n%s", m.View(), before)
	}
	press(m, tea.KeyPgDown)
	press(m, tea.KeyPgDown)
	if !strings.Contains(m.View(), "news") {
		t.Error("the newest line is not seen after scrolling down")
	}
}

func TestFullQueueIsSaid(t *testing.T) {
	f := scene()
	f.full = true
	m := screen(t, f, 80, 24)
	typeText(m, "get a")
	press(m, tea.KeyEnter)
	if !strings.Contains(m.View(), "too many commands wait") {
		t.Error("a command was lost without a word")
	}
}

func TestDeskRunsCancelsAndAsks(t *testing.T) {
	d := NewDesk()
	d.now = noon
	started, asked := make(chan string, 10), make(chan bool, 1)
	served := make(chan struct{})
	go func() {
		defer close(served)
		d.Serve(t.Context(), func(ctx context.Context, line string) bool {
			started <- line
			switch line {
			case "hang":
				<-ctx.Done()
				return false
			case "ask":
				asked <- d.Ask(ctx, command.Danger{Command: "crash r3", Effect: "stops", Type: "demo"})
			}
			return line != "quit"
		})
	}()
	d.Submit("hang")
	<-started
	d.Submit("dropped")
	if !d.Cancel() {
		t.Error("there was nothing to cancel")
	}
	d.Submit("ask")
	<-started
	for d.Session().Question == nil {
		time.Sleep(time.Millisecond) // the question is on its way; the test's own limit ends a wait for nothing
	}
	d.Answer("demo")
	if !<-asked {
		t.Error("the right word was no yes")
	}
	d.Submit("quit")
	<-served
	if d.Cancel() {
		t.Error("something runs after quit")
	}
	var typed []string
	for _, entry := range d.Session().Entries {
		typed = append(typed, entry.Text)
	}
	if got := strings.Join(typed, " "); got != "> hang > ask > quit" {
		t.Errorf("session %q", got)
	}
}

func TestGuardKeepsAPanic(t *testing.T) {
	g := &Guard{}
	ended := make(chan struct{})
	g.OnPanic(func() { close(ended) })
	g.Go(func() { panic("broken") })
	<-ended
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}
