package app

import (
	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// page is one of the screens between the header and the prompt. It keeps what a person has chosen on it: selection,
// filter, place. What is known is in state.Console, how it looks is in panel: draw only passes on.
type page interface {
	// title is the name in the bar, and a shorter one for narrow terminals.
	title() (long, short string)
	// bindings are its keys while no text is being typed. The help is made from them.
	bindings() []binding
	// want is what it needs to be fetched while it is seen.
	want() state.Want
	// observe is called after every snapshot, also while it is not seen.
	observe(c *state.Console)
	// draw fills exactly the size.
	draw(c *state.Console, t *theme.Theme, size panel.Size) string
	// click is a press of the left button at a cell of what draw has drawn, or a turn of the wheel there.
	click(m *Model, event tea.MouseMsg) tea.Cmd
}

// filtered is a page whose list can be narrowed with / .
type filtered interface {
	page
	// filter takes the text as it is typed; it returns what to say about it, such as "3 of 41" or what is wrong with it.
	filter(c *state.Console, text string) string
	// next moves to the next hit, or with back to the one before.
	next(c *state.Console, back bool)
}

// guarded is a page that wants to be asked before the screen ends, for instance while a load runs.
type guarded interface {
	page
	// unsaved says what would be lost or left behind; "" if nothing.
	unsaved(c *state.Console) string
}

// propose opens the prompt with a command filled in: Enter is the decision.
func (m *Model) propose(command string) tea.Cmd {
	m.line = m.line.Set(command)
	return nil
}

// command runs a command as if it had been typed; the session shows it.
func (m *Model) command(line string) tea.Cmd {
	if !m.options.Source.Submit(line) {
		m.notice = "too many commands wait: the rest was not taken"
	}
	return nil
}

// say shows a sentence instead of the hint until the next key.
func (m *Model) say(notice string) tea.Cmd {
	m.notice = notice
	return nil
}
