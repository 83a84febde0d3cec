package app

import (
	tea "github.com/charmbracelet/bubbletea"

	"synod/console/state"
)

// search looks for a command in the history while it is typed.
type search struct {
	text state.Line
	skip int // hits that were passed over
}

// openSearch begins to search the history.
func (m *Model) openSearch() tea.Cmd {
	m.search, m.focus = search{}, onSearch
	return nil
}

// foundLine is the line of the history that the search has found; "" if none.
func (m *Model) foundLine() string { return m.line.Find(m.search.text.Text(), m.search.skip) }

// pressSearch takes a key while the history is searched.
func (m *Model) pressSearch(key tea.KeyMsg) tea.Cmd {
	switch name := key.String(); {
	case name == "ctrl+r":
		m.search.skip++
		if m.foundLine() == "" {
			m.search.skip--
		}
	case name == "enter" || name == "right" || name == "tab":
		m.line, m.focus = m.line.Set(m.foundLine()), onPrompt
	case name == "esc":
		m.focus = onPrompt
	default:
		m.search = search{text: edited(m.search.text, key)}
	}
	return nil
}
