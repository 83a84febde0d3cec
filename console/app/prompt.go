package app

import (
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/state"
)

// edit is a key that changes a line of text.
type edit struct {
	keys, help string
	on         []string
	change     func(state.Line) state.Line
}

// edits are the editing keys, the same in every text field.
func edits() []edit {
	return []edit{
		{"← Home End", "move in the line (also ctrl-A, ctrl-E)", []string{"left", "ctrl+b"}, state.Line.Left},
		{"", "", []string{"right", "ctrl+f"}, state.Line.Right},
		{"", "", []string{"home", "ctrl+a"}, state.Line.Home},
		{"", "", []string{"end", "ctrl+e"}, state.Line.End},
		{"", "", []string{"backspace", "ctrl+h"}, state.Line.Backspace},
		{"", "", []string{"delete"}, state.Line.Delete},
		{"ctrl-W U K", "delete the word, all before, all behind", []string{"ctrl+w"}, state.Line.DeleteWord},
		{"", "", []string{"ctrl+u"}, state.Line.DeleteBefore},
		{"", "", []string{"ctrl+k"}, state.Line.DeleteAfter},
	}
}

// edited is a text field after a key: letters are added, editing keys do what they do, all else changes nothing.
func edited(line state.Line, key tea.KeyMsg) state.Line {
	if key.Type == tea.KeyRunes || key.Type == tea.KeySpace {
		return line.Insert(key.Runes)
	}
	name := key.String()
	for _, e := range edits() {
		if slices.Contains(e.on, name) {
			return e.change(line)
		}
	}
	return line
}

// onLine makes the action of a key that changes the prompt's line.
func onLine(change func(state.Line) state.Line) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		m.line = change(m.line)
		return nil
	}
}

// promptBindings are the keys while a command is being typed.
func promptBindings() []binding {
	list := []binding{
		{"Enter", "run the command", []string{"enter"}, (*Model).submit},
		{"Tab", "complete, again for the next one", []string{"tab"}, func(m *Model) tea.Cmd { return m.choose(1) }},
		{"", "", []string{"shift+tab"}, func(m *Model) tea.Cmd { return m.choose(-1) }},
		{"→", "accept what is shown behind the cursor; else move", []string{"right", "ctrl+f"}, (*Model).accept},
		{"↑ ↓", "history, older and newer commands", []string{"up", "ctrl+p"}, onLine(state.Line.Older)},
		{"", "", []string{"down", "ctrl+n"}, onLine(state.Line.Newer)},
		{"ctrl-R", "search the history", []string{"ctrl+r"}, (*Model).openSearch},
		{"Esc", "leave the prompt, the line stays", []string{"esc"}, (*Model).leavePrompt},
		{"ctrl-C", "clear the line; else end the running command", nil, nil},
		{"ctrl-D", "quit, on an empty line (also the command quit)", []string{"ctrl+d"}, (*Model).end},
	}
	for _, e := range edits() {
		list = append(list, binding{e.keys, e.help, e.on, onLine(e.change)})
	}
	return list
}

func (m *Model) openPrompt() tea.Cmd {
	m.focus = onPrompt
	return nil
}

// leavePrompt gives the letters back to the page. The line stays: it is seen, and : goes on with it.
func (m *Model) leavePrompt() tea.Cmd {
	if m.complete.list != nil || m.pasted != nil {
		m.complete, m.pasted = completion{}, nil
		return nil
	}
	m.focus = onPage
	return nil
}

// pressPrompt takes a key while a command is being typed.
func (m *Model) pressPrompt(key tea.KeyMsg) tea.Cmd {
	if key.Type == tea.KeyRunes || key.Type == tea.KeySpace {
		m.complete = completion{}
		return m.typed(key)
	}
	name := key.String()
	if name != "tab" && name != "shift+tab" && name != "esc" && name != "enter" {
		m.complete = completion{}
	}
	if m.pasted != nil && name != "enter" && name != "esc" {
		return m.say("Enter runs the pasted lines, Esc drops them")
	}
	return act(promptBindings(), name, m)
}

// typed adds letters to the line. Several pasted lines wait for Enter.
func (m *Model) typed(key tea.KeyMsg) tea.Cmd {
	text := string(key.Runes)
	if key.Type == tea.KeySpace {
		text = " "
	}
	if key.Paste {
		lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
		if len(lines) > 1 {
			m.pasted = lines
			return nil
		}
		text = strings.TrimRight(text, "\r\n")
	}
	m.line = m.line.Insert([]rune(text))
	return nil
}

// submit runs what is typed, or the lines that were pasted.
func (m *Model) submit() tea.Cmd {
	if m.complete.list != nil {
		m.complete = completion{}
		return nil
	}
	lines := m.pasted
	if m.pasted = nil; lines == nil {
		var text string
		if text, m.line = m.line.Enter(); text == "" {
			m.focus = onPage
			return nil
		}
		lines = []string{text}
	}
	if !m.options.Sticky {
		m.focus = onPage
	}
	for i, line := range lines {
		if !m.options.Source.Submit(line) {
			return m.say(fmt.Sprintf("too many commands wait: %d of %d were not taken", len(lines)-i, len(lines)))
		}
	}
	return m.remember(lines)
}

// remember keeps what was typed for the next time.
func (m *Model) remember(lines []string) tea.Cmd {
	keep := m.options.Outside.Remember
	if keep == nil {
		return nil
	}
	return func() tea.Msg {
		for _, line := range lines {
			if err := keep(line); err != nil {
				return done{err.Error()}
			}
		}
		return nil
	}
}

func (m *Model) end() tea.Cmd {
	if m.line.Empty() {
		return m.quit()
	}
	m.line = m.line.Delete()
	return nil
}
