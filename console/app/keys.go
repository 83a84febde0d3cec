package app

import (
	"slices"

	tea "github.com/charmbracelet/bubbletea"
)

// binding is what a key does, and how the help describes it.
type binding struct {
	keys string   // as the help shows them; "" if the row before says it
	help string   // the first words, up to a comma, also stand at the bottom of the screen
	on   []string // names of the keys in Bubble Tea
	do   func(*Model) tea.Cmd
}

// globals are the keys of every page while no text is being typed. A page's own come first.
func globals() []binding {
	list := []binding{
		{":", "command, opens the prompt; letters typed there are text", []string{":"}, (*Model).openPrompt},
		{"/", "filter, narrows or searches the list of this screen", []string{"/"}, (*Model).openFilter},
		{"n N", "next hit of the filter, and the one before", []string{"n"}, func(m *Model) tea.Cmd { return m.hit(false) }},
		{"", "", []string{"N"}, func(m *Model) tea.Cmd { return m.hit(true) }},
		{"?", "help, all keys of this screen", []string{"?"}, (*Model).openHelp},
		{"1 … 6", "screens, by their number", nil, nil},
	}
	for i := range pagesMax {
		list = append(list, binding{"", "", []string{string(rune('1' + i))}, func(m *Model) tea.Cmd { return m.open(i) }})
	}
	return append(list, []binding{
		{"Tab", "pane, the next one; shift-Tab the one before", []string{"tab"}, func(m *Model) tea.Cmd { return m.turn(1) }},
		{"", "", []string{"shift+tab"}, func(m *Model) tea.Cmd { return m.turn(-1) }},
		{"+ _", "zoom, enlarges the pane; _ takes it back", []string{"+"}, func(m *Model) tea.Cmd { return m.zoom(true) }},
		{"", "", []string{"_"}, func(m *Model) tea.Cmd { return m.zoom(false) }},
		{"Space", "freeze, the screen stands still while data keeps coming in", []string{" "}, (*Model).freeze},
		{"y", "copy, hands what is chosen to the clipboard (OSC 52)", []string{"y"}, (*Model).copy},
		{"e", "export, writes this screen to a file", []string{"e"}, (*Model).export},
		{"u", "undo, the last fault that was set from here", []string{"u"}, func(m *Model) tea.Cmd { return m.propose("undo") }},
		{"T", "theme, the next one: auto, dark, light, mono, contrast", []string{"T"}, (*Model).nextTheme},
		{"m M", "mouse, gives it to the terminal for selecting text, and takes it back", []string{"m", "M"}, (*Model).toggleMouse},
		{"Esc", "closes the dialogue, the filter, the prompt, the details, in this order", []string{"esc"}, (*Model).escape},
		{"ctrl-R", "search the history of commands", []string{"ctrl+r"}, (*Model).openSearch},
		{"ctrl-L", "draw anew", []string{"ctrl+l"}, func(*Model) tea.Cmd { return tea.ClearScreen }},
		{"ctrl-Z", "suspend, back to the shell; fg comes back", []string{"ctrl+z"}, func(*Model) tea.Cmd { return tea.Suspend }},
		{"ctrl-C", "end the running command; else, twice, quit", []string{"ctrl+c"}, (*Model).interrupt},
		{"q", "quit, asks while a load runs or a fault of ours lasts", []string{"q"}, (*Model).quit},
	}...)
}

// pagesMax is the number of screens that have a key.
const pagesMax = 6

// press takes a key. Letters that arrive together, as from somebody who types fast, are keys one after the other.
func (m *Model) press(key tea.KeyMsg) tea.Cmd {
	if key.Type == tea.KeyRunes && !key.Paste && len(key.Runes) > 1 {
		var all []tea.Cmd
		for _, letter := range key.Runes {
			all = append(all, m.press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{letter}, Alt: key.Alt}))
		}
		return tea.Batch(all...)
	}
	name := m.options.Keys.name(key.String())
	leaving := m.leaving && name == "ctrl+c"
	m.notice, m.leaving = "", leaving
	deaf := m.deaf > 0 && name == "enter"
	m.deaf = 0
	switch {
	case deaf:
		return nil
	case m.asking():
		return m.pressDialogue(key)
	case m.help.open:
		return m.pressHelp(key)
	case m.save:
		return m.pressExport(name)
	case name == "ctrl+c" || name == "ctrl+l" || name == "ctrl+z":
		return act(globals(), name, m)
	}
	switch m.focus {
	case onPrompt:
		return m.pressPrompt(key)
	case onSearch:
		return m.pressSearch(key)
	case onFilter:
		return m.pressFilter(key)
	}
	if p, ok := m.page().(typing); ok && p.typing() && name != "esc" && name != "tab" && name != "shift+tab" {
		return p.typed(m, key)
	}
	if key.Paste { // letters of a paste are text, whatever has the focus
		m.openPrompt()
		return m.pressPrompt(key)
	}
	if p, ok := m.page().(typing); !ok || !p.typing() {
		if handled, cmd := m.own(name); handled {
			return cmd
		}
	}
	return act(globals(), name, m)
}

// own runs the page's key, if it has it.
func (m *Model) own(name string) (handled bool, cmd tea.Cmd) {
	for _, b := range m.page().bindings() {
		if b.do != nil && slices.Contains(b.on, name) {
			return true, b.do(m)
		}
	}
	return false, nil
}

// act runs the binding of a key.
func act(bindings []binding, name string, m *Model) tea.Cmd {
	for _, b := range bindings {
		if b.do != nil && slices.Contains(b.on, name) {
			return b.do(m)
		}
	}
	return nil
}

// open goes to a screen.
func (m *Model) open(at int) tea.Cmd {
	if at < len(m.pages) {
		m.at, m.found = at, ""
	}
	return nil
}

// turn goes to another pane.
func (m *Model) turn(by int) tea.Cmd {
	if p, ok := m.page().(paned); ok {
		count := len(p.paneNames())
		m.panes[m.at] = (m.panes[m.at] + by + count) % count
	}
	return nil
}

// focusOn gives the keys to a pane, as a click does.
func (m *Model) focusOn(pane int) {
	if p, ok := m.page().(paned); ok && pane >= 0 && pane < len(p.paneNames()) {
		m.panes[m.at] = pane
	}
}

func (m *Model) zoom(alone bool) tea.Cmd {
	if _, ok := m.page().(paned); !ok {
		return m.say("this screen has one pane only")
	}
	m.zoomed[m.at] = alone
	return nil
}

// freeze holds what the pages show, or lets it go on.
func (m *Model) freeze() tea.Cmd {
	if m.frozen != nil {
		m.frozen = nil
		return m.say("the screen goes on")
	}
	c := m.console
	m.frozen = &c
	return m.say("frozen: data keeps coming in, Space goes on")
}

// escape closes what is open, the innermost first.
func (m *Model) escape() tea.Cmd {
	if p, ok := m.page().(detailed); ok && m.filters[m.at].Empty() && p.closeDetails() {
		return nil
	}
	switch {
	case !m.filters[m.at].Empty():
		return m.setFilter("")
	case m.zoomed[m.at]:
		m.zoomed[m.at] = false
	case m.frozen != nil:
		m.frozen = nil
	}
	return nil
}
