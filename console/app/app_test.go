package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"synod/console/state"
	"synod/console/theme"
)

func TestGoldenOverview(t *testing.T) {
	goldenPage(t, "overview", scene, "")
	goldenPage(t, "overview-prompt", scene, ":put user/1042 ")
	goldenPage(t, "overview-start", func() *fake { return &fake{replicas: unknown()} }, "")
	goldenPage(t, "overview-card", scene, "<down><down><enter>")
	goldenPage(t, "help-search", scene, "?/clip<enter>")
	for up := range 6 {
		f := scene()
		for i := up; i < 5; i++ {
			f.replicas[i].Connected, f.replicas[i].At = false, noon().Add(-9400*time.Millisecond)
			f.replicas[i].Err = "connection refused"
		}
		for i := range up {
			f.replicas[i].Connected, f.replicas[i].At, f.replicas[i].Err = true, noon(), ""
		}
		if up == 0 || up == 2 || up == 5 {
			goldenScreen(t, fmt.Sprintf("overview-%dof5", up), screen(t, f, 80, 24))
		}
	}
}

func unknown() []state.Observation {
	var list []state.Observation
	for n := 1; n <= 5; n++ {
		list = append(list, state.Observation{ID: fmt.Sprintf("r%d", n), Address: fmt.Sprintf("127.0.0.1:710%d", n)})
	}
	return list
}

// TestEverySizeFits draws every page, coloured and plain, at every size a person may drag a window to.
func TestEverySizeFits(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	for _, look := range []theme.Look{plainLook(), {Graphs: "braille", Border: "ascii"}} {
		m.look, m.theme = look, theme.From(look)
		for at := range m.pages {
			m.open(at)
			for width := 1; width <= 250; width += 1 + width/5 {
				for height := 1; height <= 80; height += 1 + height/5 {
					m.Update(tea.WindowSizeMsg{Width: width, Height: height})
					view := m.View()
					checkSize(t, view, m.size)
					if t.Failed() {
						t.Fatalf("page %d at %dx%d:\n%s", at+1, width, height, view)
					}
					first, _, _ := strings.Cut(ansi.Strip(view), "\n")
					if width >= 30 && !strings.Contains(first, "r1") {
						t.Errorf("%dx%d: the header lost the leader: %q", width, height, first)
					}
				}
			}
		}
	}
}

func TestColoursAddNothingToTheText(t *testing.T) {
	plain, coloured := screen(t, scene(), 120, 36), screen(t, scene(), 120, 36)
	coloured.theme = theme.New(false)
	for at := range plain.pages {
		plain.open(at)
		coloured.open(at)
		if !strings.Contains(coloured.View(), "\x1b[") {
			t.Error("the coloured theme has no colours")
		}
		want := strings.ReplaceAll(plain.View(), "▏", " ")
		if got := ansi.Strip(coloured.View()); strings.TrimRight(got, " ") != strings.TrimRight(want, " ") {
			t.Errorf("without its colours the screen is\n%s\nwant\n%s", got, want)
		}
	}
}

func TestNumbersOpenScreens(t *testing.T) {
	m := screen(t, scene(), 120, 36)
	for i, name := range []string{"Overview", "Logs", "Faults", "Ledger", "Keys", "Load"} {
		keys(m, fmt.Sprint(i+1))
		if want := fmt.Sprintf("[%d %s]", i+1, name); !strings.Contains(m.View(), want) {
			t.Errorf("%d does not open %s:\n%s", i+1, name, m.View())
		}
	}
}

func TestLettersActOnlyOutsideOfFields(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	keys(m, ":put q 2<enter>")
	if got := strings.Join(f.submitted, ","); got != "put q 2" || m.at != 0 {
		t.Errorf("submitted %q, page %d", got, m.at+1)
	}
	if !keys(m, "q") {
		t.Error("q outside of a field does not quit")
	}
}

// TestLettersThatArriveTogether: a terminal hands on what was typed between two reads as one message.
func TestLettersThatArriveTogether(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("2:get")})
	keys(m, " k<enter>")
	if m.at != 1 || len(f.submitted) != 1 || f.submitted[0] != "get k" {
		t.Errorf("page %d, submitted %q", m.at+1, f.submitted)
	}
}

func TestEnterSubmitsAndHistoryBringsBack(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	keys(m, ":get a<enter>:get b<enter>:get b<enter>")
	if got := strings.Join(f.submitted, ","); got != "get a,get b,get b" {
		t.Errorf("submitted %s", got)
	}
	keys(m, ":ge<up><up><up>")
	if got := m.line.Text(); got != "get a" {
		t.Errorf("the oldest line of the history is %q", got)
	}
	keys(m, "<down><down>")
	if got := m.line.Text(); got != "ge" {
		t.Errorf("the line that was being typed is %q", got)
	}
	keys(m, "<ctrl+r>t a<enter>")
	if got := m.line.Text(); got != "get a" {
		t.Errorf("the search has found %q", got)
	}
}

func TestCompletion(t *testing.T) {
	m := screen(t, scene(), 80, 24)
	keys(m, ":stat")
	if !strings.Contains(m.View(), "stat▏us") && !strings.Contains(m.View(), "stat▏") {
		t.Errorf("no ghost:\n%s", m.View())
	}
	keys(m, "<ctrl+u>crash r3.acc<right>")
	if got := m.line.Text(); got != "crash r3.acceptor " {
		t.Errorf("the right arrow has taken %q", got)
	}
	keys(m, "<ctrl+u>pause r3.<tab>")
	if got := m.line.Text(); got != "pause r3.proposer " {
		t.Errorf("the first completion is %q", got)
	}
	keys(m, "<tab>")
	if got := m.line.Text(); got != "pause r3.acceptor " {
		t.Errorf("the second completion is %q", got)
	}
	goldenScreen(t, "completion", m)
	keys(m, "<enter><enter>")
	if m.focus != onPage {
		t.Error("the first Enter takes the completion, the second one runs it")
	}
	keys(m, ":gte k")
	if !strings.Contains(m.View(), "did you mean") {
		t.Errorf("nothing says what is wrong:\n%s", m.View())
	}
}

func TestControlCClearsThenAsksThenQuits(t *testing.T) {
	m := screen(t, scene(), 80, 24)
	if keys(m, ":get a<ctrl+c>") || !m.line.Empty() {
		t.Error("ctrl-C with a line must clear it")
	}
	if keys(m, "<ctrl+c>") || !strings.Contains(m.View(), "ctrl-C once more quits") {
		t.Error("ctrl-C on an empty line must say what the next one does")
	}
	if keys(m, "<left><ctrl+c>") {
		t.Error("another key between must take the first ctrl-C back")
	}
	if !keys(m, "<ctrl+c>") {
		t.Error("the second ctrl-C must quit")
	}
}

func TestControlCEndsTheRunningCommandFirst(t *testing.T) {
	f := scene()
	f.session.Running, f.running = "running", true
	m := screen(t, f, 80, 24)
	if keys(m, "<ctrl+c><ctrl+c>") {
		t.Error("ctrl-C must not quit while a command runs")
	}
	if !strings.Contains(m.View(), "was told to end") {
		t.Error("nothing says that the command was told to end")
	}
}

func TestControlDQuitsOnAnEmptyLine(t *testing.T) {
	m := screen(t, scene(), 80, 24)
	if keys(m, ":x<ctrl+d>") {
		t.Error("ctrl-D with a line must not quit")
	}
	if !keys(m, "<ctrl+c><ctrl+d>") {
		t.Error("ctrl-D on an empty line must quit")
	}
}

func TestAQuestionIsAnsweredInItsBox(t *testing.T) {
	for _, row := range []struct{ word, keys, answer string }{
		{"", "y", "yes"},
		{"", "<enter>", ""},
		{"", "<tab><enter>", "yes"},
		{"", "<esc>", ""},
		{"demo", "y<enter>", ""},
		{"demo", "demo<enter>", "demo"},
		{"demo", "dex<backspace>mo<enter>", "demo"},
		{"demo", "demo<esc>", ""},
		{"no", "<esc>", ""},
		{"", "y<enter>", "yes"},
	} {
		f := scene()
		f.session.Question = &state.Question{Text: "crash r3 stops working roles", Type: row.word}
		m := screen(t, f, 80, 24)
		keys(m, "y")
		if len(f.answers) > 0 {
			t.Fatal("a key that was pressed when the question came up has answered it")
		}
		see(m, f)
		see(m, f)
		if !strings.Contains(m.View(), "stops working roles") {
			t.Errorf("the question is not seen:\n%s", m.View())
		}
		keys(m, row.keys)
		if len(f.answers) != 1 || f.answers[0] != row.answer || len(f.submitted) != 0 {
			t.Errorf("%+v: answers %q, commands %q", row, f.answers, f.submitted)
		}
	}
}

func TestTypingOnDoesNotAnswerAQuestion(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	f.session.Question = &state.Question{Text: "crash r3 stops working roles"}
	for range 5 {
		see(m, f)
		keys(m, "y")
	}
	if len(f.answers) > 0 {
		t.Errorf("letters that were typed without a pause have answered: %q", f.answers)
	}
	see(m, f)
	see(m, f)
	f.session.Question = &state.Question{Text: "crash r4 stops working roles"}
	see(m, f)
	keys(m, "y")
	if len(f.answers) > 0 {
		t.Errorf("a key has answered a question that nobody could read: %q", f.answers)
	}
}

func TestEnterAfterTheLetterOfADialogueIsNotForThePage(t *testing.T) {
	for _, letter := range []string{"y", "n"} {
		f := scene()
		m := screen(t, f, 80, 24)
		keys(m, "6") // where Enter starts a load
		f.session.Question = &state.Question{Text: "crash r3 stops working roles"}
		for range 3 {
			see(m, f)
		}
		f.session.Question = nil
		keys(m, letter+"<enter>")
		if len(f.submitted) > 0 {
			t.Errorf("Enter after %s did %q", letter, f.submitted)
		}
		keys(m, "<enter>")
		if len(f.submitted) != 1 {
			t.Errorf("a second Enter must be taken: %q", f.submitted)
		}
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
	keys(m, "<esc><enter>")
	if len(f.submitted) != 0 {
		t.Errorf("a dropped paste ran: %q", f.submitted)
	}
	m.Update(paste)
	keys(m, "<enter>")
	if got := strings.Join(f.submitted, ","); got != "put a 1,put b 2" {
		t.Errorf("submitted %q", got)
	}
}

func TestScrollingKeepsItsPlace(t *testing.T) {
	f := scene()
	for i := range 100 {
		f.session = f.session.Append(state.Entry{At: noon(), Text: fmt.Sprintf("line %d.", i)})
	}
	m := screen(t, f, 80, 24)
	keys(m, "<pgup>")
	before := m.View()
	f.session = f.session.Append(state.Entry{At: noon(), Text: "news"})
	see(m, f)
	cut := func(view string) string { return strings.Join(strings.Split(view, "\n")[12:19], "\n") }
	if cut(before) != cut(m.View()) {
		t.Errorf("new lines moved what is being read:\n%s\nbefore\n%s", m.View(), before)
	}
	keys(m, "<pgdown><pgdown>")
	if !strings.Contains(m.View(), "news") {
		t.Error("the newest line is not seen after scrolling down")
	}
}

func TestFullQueueIsSaid(t *testing.T) {
	f := scene()
	f.full = true
	m := screen(t, f, 80, 24)
	keys(m, ":get a<enter>")
	if !strings.Contains(m.View(), "too many commands wait") {
		t.Error("a command was lost without a word")
	}
}
