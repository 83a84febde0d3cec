package app

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
)

// help is the state of the screen of keys and commands.
type help struct {
	open   bool
	typing bool // a search is being typed
	text   state.Line
	scroll int
}

func (m *Model) openHelp() tea.Cmd {
	m.help = help{open: true}
	return nil
}

// pressHelp takes a key while the help is open.
func (m *Model) pressHelp(key tea.KeyMsg) tea.Cmd {
	name := key.String()
	if m.help.typing {
		m.typeHelp(key)
		return nil
	}
	page := max(m.size.Height-4, 1)
	switch name {
	case "/":
		m.help.typing = true
	case "up", "k":
		m.help.scroll--
	case "down", "j":
		m.help.scroll++
	case "pgup":
		m.help.scroll -= page
	case "pgdown", " ":
		m.help.scroll += page
	case "g", "home":
		m.help.scroll = 0
	case "G", "end":
		m.help.scroll = len(m.helpLines())
	case "esc", "q", "?", "enter":
		m.help = help{}
	case "ctrl+c":
		return m.interrupt()
	}
	m.help.scroll = min(max(m.help.scroll, 0), max(len(m.helpLines())-page, 0))
	return nil
}

func (m *Model) typeHelp(key tea.KeyMsg) {
	switch key.String() {
	case "enter":
		m.help.typing = false
	case "esc":
		m.help.typing, m.help.text = false, state.Line{}
	default:
		m.help.text = edited(m.help.text, key)
	}
	m.help.scroll = 0
}

// helpLines are the rows of the help that the search leaves.
func (m *Model) helpLines() []panel.HelpLine {
	long, _ := m.page().title()
	sections := []struct {
		title string
		keys  []binding
	}{
		{"Keys of " + long, m.page().bindings()}, {"Keys everywhere", globals()}, {"Keys of the prompt", promptBindings()},
	}
	var all []panel.HelpLine
	for _, section := range sections {
		all = append(all, panel.HelpLine{Title: section.title})
		for _, b := range section.keys {
			if b.keys != "" {
				all = append(all, panel.HelpLine{Keys: b.keys, Text: b.help + m.options.Keys.moved(b.on)})
			}
		}
	}
	all = append(all, panel.HelpWords(m.theme)...)
	all = append(all, panel.HelpLine{Title: "Commands"})
	for text := range strings.Lines(m.options.Grammar.Help()) {
		all = append(all, panel.HelpLine{Text: strings.TrimRight(text, "\n")})
	}
	return panel.SearchHelp(all, m.help.text.Text())
}
