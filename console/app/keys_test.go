package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/command"
	"synod/console/panel"
)

// TestEveryKeyOfEveryPage presses every key that is bound anywhere on every page, at several sizes, and then some more:
// no panic, the screen stays exact, and nothing that changes the cluster is sent without Enter.
func TestEveryKeyOfEveryPage(t *testing.T) {
	names := slices.Collect(func(yield func(string) bool) {
		for _, b := range append(globals(), promptBindings()...) {
			for _, on := range b.on {
				if !yield(on) {
					return
				}
			}
		}
		for letter := '!'; letter <= '~'; letter++ {
			if !yield(string(letter)) {
				return
			}
		}
	})
	for at := range newPages() {
		for _, row := range []struct {
			size   panel.Size
			follow string
		}{{panel.Size{Width: 120, Height: 36}, "<enter>"}, {panel.Size{Width: 40, Height: 10}, ""}, {panel.Size{Width: 7, Height: 3}, "<esc>"}} {
			own := slices.Clone(names)
			for _, b := range screen(t, scene(), 80, 24).pages[at].bindings() {
				own = append(own, b.on...)
			}
			f := scene()
			m := screen(t, f, row.size.Width, row.size.Height)
			for _, name := range own {
				pressOn(t, m, f, at, name, row.follow)
			}
		}
	}
}

// pressOn opens a page, presses a key and another one, and looks.
func pressOn(t *testing.T, m *Model, f *fake, at int, name, follow string) {
	t.Helper()
	m.focus, m.help, m.ask, m.save, m.pasted, m.leaving = onPage, help{}, nil, false, nil, false
	m.line = m.line.Set("")
	m.open(at)
	_, cmd := m.Update(named(name))
	settle(m, cmd)
	sent := slices.Clone(f.submitted)
	if follow != "<enter>" { // Enter is a decision
		for _, line := range sent {
			if changes(line) {
				t.Errorf("page %d: %s has sent %q without a decision", at+1, name, line)
			}
		}
	}
	f.submitted = nil
	keys(m, follow)
	f.submitted = nil
	see(m, f)
	checkSize(t, m.View(), m.size)
	if t.Failed() {
		t.Fatalf("page %d, key %s %s at %v:\n%s", at+1, name, follow, m.size, m.View())
	}
}

// changes tells whether a command changes the cluster.
func changes(line string) bool {
	verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	v, ok := command.NewGrammar(nil).Verb(verb)
	return !ok || v.Group == command.Faults && verb != "faults" || slices.Contains([]string{"put", "del", "retry"}, v.Name)
}

// TestGlobalKeysDoWhatTheHelpSays presses every global key once and looks for its effect.
func TestGlobalKeysDoWhatTheHelpSays(t *testing.T) {
	effects := map[string]func(*Model, *fake) bool{
		":":         func(m *Model, _ *fake) bool { return m.focus == onPrompt },
		"/":         func(m *Model, _ *fake) bool { return m.focus == onFilter || strings.Contains(m.notice, "filter") },
		"n":         func(m *Model, _ *fake) bool { return m.focus == onPage },
		"N":         func(m *Model, _ *fake) bool { return m.focus == onPage },
		"?":         func(m *Model, _ *fake) bool { return strings.Contains(m.View(), "Keys everywhere") },
		"tab":       func(m *Model, _ *fake) bool { return m.panes[0] == 1 },
		"shift+tab": func(m *Model, _ *fake) bool { return m.panes[0] == 3 },
		"+":         func(m *Model, _ *fake) bool { return m.zoomed[0] && !strings.Contains(m.View(), "Session") },
		"_":         func(m *Model, _ *fake) bool { return !m.zoomed[0] },
		" ":         func(m *Model, _ *fake) bool { return m.frozen != nil && strings.Contains(m.View(), "FROZEN") },
		"y":         func(m *Model, _ *fake) bool { return strings.Contains(m.View(), "copied") },
		"e":         func(m *Model, _ *fake) bool { return strings.Contains(m.View(), "export as") },
		"u":         func(m *Model, f *fake) bool { return m.line.Text() == "undo" && len(f.submitted) == 0 },
		"T":         func(m *Model, _ *fake) bool { return m.theme.Name == "dark" },
		"m":         func(m *Model, _ *fake) bool { return !m.mouse && strings.Contains(m.View(), "drag to select") },
		"M":         func(m *Model, _ *fake) bool { return !m.mouse },
		"esc":       func(m *Model, _ *fake) bool { return m.focus == onPage },
		"ctrl+r":    func(m *Model, _ *fake) bool { return m.focus == onSearch },
		"ctrl+l":    func(*Model, *fake) bool { return true },
		"ctrl+z":    func(*Model, *fake) bool { return true },
		"ctrl+c":    func(m *Model, _ *fake) bool { return m.leaving },
		"q":         func(*Model, *fake) bool { return true },
	}
	for i := range pagesMax {
		effects[fmt.Sprint(i+1)] = func(m *Model, _ *fake) bool { return m.at == i }
	}
	for _, b := range globals() {
		for _, name := range b.on {
			effect, known := effects[name]
			if !known {
				t.Errorf("no effect of %s is listed: %s", name, b.help)
				continue
			}
			f := scene()
			m := screen(t, f, 120, 36)
			m.options.Outside = Outside{Copy: func(string) error { return nil }}
			m.options.Outside.Save = func(name string, _ []byte) (string, error) { return "/tmp/" + name, nil }
			_, cmd := m.Update(named(name))
			quit := settle(m, cmd)
			if name == "q" && !quit || !effect(m, f) {
				t.Errorf("%s (%s) does not do it:\n%s", name, b.help, m.View())
			}
		}
	}
}

func TestQuittingAsksWhileAFaultOfOursLasts(t *testing.T) {
	f := scene()
	m := screen(t, f, 80, 24)
	m.options.Owner = "ops"
	if keys(m, "q") || !strings.Contains(m.View(), "set from here") {
		t.Fatalf("q leaves a fault of ours behind without a word:\n%s", m.View())
	}
	if keys(m, "<enter>") {
		t.Error("no is not what Enter means")
	}
	if !keys(m, "qy") {
		t.Error("yes does not quit")
	}
	m.options.Owner = "ada@corp"
	if !m.ours("ada@corp@127.0.0.1:7") || !m.ours("ada@corp") || m.ours("ada@127.0.0.1:7") || m.ours("eve@ada@corp@127.0.0.1:7") {
		t.Error("owners are confused")
	}
}

func TestFrozenPagesStandStillAndTheHeaderDoesNot(t *testing.T) {
	f := scene()
	m := screen(t, f, 120, 36)
	keys(m, " ")
	for i := range f.replicas {
		f.replicas[i].Status.Chosen = 99_999
	}
	see(m, f)
	first, rest, _ := strings.Cut(m.View(), "\n")
	if !strings.Contains(first, "99,999") || strings.Contains(rest, "99,999") {
		t.Errorf("frozen:\n%s", m.View())
	}
	keys(m, " ")
	if _, rest, _ = strings.Cut(m.View(), "\n"); !strings.Contains(rest, "99,999") {
		t.Errorf("not frozen any more:\n%s", m.View())
	}
}

func TestMouse(t *testing.T) {
	f := scene()
	m := screen(t, f, 120, 36)
	click := func(x, y int, button tea.MouseButton) {
		_, cmd := m.Update(tea.MouseMsg{X: x, Y: y, Button: button, Action: tea.MouseActionPress})
		settle(m, cmd)
	}
	click(20, 1, tea.MouseButtonLeft)
	if m.at != 1 {
		t.Errorf("a click on the second tab opens page %d", m.at+1)
	}
	click(3, 1, tea.MouseButtonLeft)
	overview := m.pages[0].(*overviewPage)
	click(5, 8, tea.MouseButtonLeft)
	if overview.view.Replica != 2 || overview.view.Card {
		t.Errorf("a click on r3 chooses %d", overview.view.Replica+1)
	}
	click(5, 8, tea.MouseButtonLeft)
	if !overview.view.Card {
		t.Error("a second click opens no card")
	}
	click(5, 8, tea.MouseButtonLeft)
	click(100, 20, tea.MouseButtonLeft)
	if m.panes[0] != panel.SessionPane {
		t.Errorf("a click on the session gives the keys to pane %d", m.panes[0])
	}
	click(100, 20, tea.MouseButtonWheelUp)
	if overview.view.Scroll == 0 {
		t.Error("the wheel does not scroll the session")
	}
	click(10, 34, tea.MouseButtonLeft)
	if m.focus != onPrompt {
		t.Error("a click on the prompt does not open it")
	}
	for x := 0; x < 120; x += 17 {
		for y := range 36 {
			click(x, y, tea.MouseButtonLeft)
			click(x, y, tea.MouseButtonWheelDown)
			checkSize(t, m.View(), m.size)
		}
	}
}
