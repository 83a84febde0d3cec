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
	// bindings are its keys while no text is being typed; they come before the global ones. The help is made from them,
	// and the line of keys at the bottom from the first words of each help, up to a comma.
	bindings() []binding
	// want is what it needs to be fetched while it is seen.
	want() state.Want
	// observe is called after every snapshot, also while it is not seen, but not while the screen is frozen.
	observe(c *state.Console)
	// draw fills exactly the size, whatever it is.
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

// paned is a page of several panes. The model keeps Tab, shift-Tab, + and _ ; embed panes to have them.
type paned interface {
	page
	// paneNames are their names in the order of Tab.
	paneNames() []string
	// focusPane tells which one has the keys, and whether it alone is to be drawn: it was enlarged, or only one fits.
	focusPane(at int, alone bool)
}

// panes is the place of the focus on a page of several panes.
type panes struct {
	at    int
	alone bool
}

func (p *panes) focusPane(at int, alone bool) { p.at, p.alone = at, alone }

// detailed is a page that has details open, which Esc closes.
type detailed interface {
	page
	// closeDetails closes them; false if there were none.
	closeDetails() bool
}

// copied is a page with something to copy.
type copied interface {
	page
	// selection is the text that y copies; "" if nothing is chosen.
	selection(c *state.Console) string
}

// exported is a page that can be written to a file in other forms than what is seen.
type exported interface {
	page
	// formats are the kinds it offers, such as "json" and "csv"; the text that is seen is always offered.
	formats() []string
	// export makes the file.
	export(c *state.Console, format string) []byte
}

// typing is a page with text fields of its own: while it says so every key goes to typed, but Esc, Tab and ctrl-C.
type typing interface {
	page
	typing() bool
	typed(m *Model, key tea.KeyMsg) tea.Cmd
}

// propose opens the prompt with a command filled in: Enter is the decision.
func (m *Model) propose(command string) tea.Cmd {
	m.line, m.focus = m.line.Set(command), onPrompt
	return nil
}

// command runs a command as if it had been typed; the session shows it.
func (m *Model) command(line string) tea.Cmd {
	if !m.options.Source.Submit(line) {
		return m.say("too many commands wait: the rest was not taken")
	}
	return nil
}

// say shows a sentence instead of the hint until the next key.
func (m *Model) say(notice string) tea.Cmd {
	m.notice = notice
	return nil
}
