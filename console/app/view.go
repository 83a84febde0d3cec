package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"synod/console/command"
	"synod/console/panel"
)

// Sizes from which the screen has more to offer.
const (
	bothWidthMin   = 80 // several panes
	bothHeightMin  = 24
	compactWidth   = 50 // below one of these only header, lines and prompt
	compactHeight  = 10
	keysHeightMin  = 16 // a line of keys at the bottom
	hintHeightMin  = 4
	promptRowsMin  = 2
	dialogueMargin = 4
)

// layout is how the height is shared out.
type layout struct {
	tabs, hint, prompt, keys bool
	body                     int
	alone                    bool // one pane only
}

// top is the first row of the body.
func (l *layout) top() int {
	if l.tabs {
		return 2
	}
	return 1
}

func (m *Model) layout() layout {
	width, height := m.size.Width, m.size.Height
	roomy := width >= compactWidth && height >= compactHeight
	l := layout{
		tabs: roomy, hint: height >= hintHeightMin, prompt: height >= promptRowsMin, keys: roomy && height >= keysHeightMin,
		alone: width < bothWidthMin || height < bothHeightMin,
	}
	l.body = height - 1
	for _, there := range []bool{l.tabs, l.hint, l.prompt, l.keys} {
		if there {
			l.body--
		}
	}
	return l
}

// promptRow is the row of the prompt on the screen.
func (m *Model) promptRow(l layout) int {
	row := l.top() + l.body
	if l.hint {
		row++
	}
	return row
}

// View draws the screen. The header is always there.
func (m *Model) View() string {
	width, height := m.size.Width, m.size.Height
	if width < 1 || height < 1 {
		return ""
	}
	t, l := m.theme, m.layout()
	if !l.prompt && m.focus != onPage {
		return m.prompt(width)
	}
	parts := []string{panel.Header(&m.console, t, width)}
	if m.help.open && height > 1 {
		size := panel.Size{Width: width, Height: height - 1}
		view := panel.HelpView{Text: m.help.text.Text(), Typing: m.help.typing, Scroll: m.help.scroll}
		return strings.Join(append(parts, panel.Help(m.helpLines(), t, size, view)), "\n")
	}
	if l.tabs {
		parts = append(parts, panel.Tabs(m.tabs(), m.status(), t, width))
	}
	if l.body > 0 {
		parts = append(parts, m.body(l))
	}
	if l.hint {
		parts = append(parts, m.hint(l, width))
	}
	if l.prompt {
		parts = append(parts, m.prompt(width))
	}
	if l.keys {
		parts = append(parts, panel.Keys(m.shortKeys(), t, width))
	}
	view := strings.Join(parts, "\n")
	if box := m.dialogueBox(max(width-dialogueMargin, 1)); box != "" {
		view = panel.Over(view, box, m.size)
	}
	return view
}

// body draws the page, with the list of completions over its last rows.
func (m *Model) body(l layout) string {
	size := panel.Size{Width: m.size.Width, Height: l.body}
	p := m.page()
	if several, ok := p.(paned); ok {
		several.focusPane(m.panes[m.at], l.alone || m.zoomed[m.at])
	}
	view := p.draw(m.known(), m.theme, size)
	if m.complete.list != nil {
		view = panel.Completions(view, m.completions(), m.theme, size)
	}
	return view
}

// tabs are the titles of the pages.
func (m *Model) tabs() panel.TabsView {
	view := panel.TabsView{At: m.at}
	for _, p := range m.pages {
		long, short := p.title()
		view.Long, view.Short = append(view.Long, long), append(view.Short, short)
	}
	return view
}

// status is what stands at the right of the tabs.
func (m *Model) status() string {
	if m.frozen != nil {
		return fmt.Sprintf("FROZEN for %.0fs, Space goes on", m.console.Now.Sub(m.frozen.Now).Seconds())
	}
	mouse := "on"
	if !m.mouse {
		mouse = "off"
	}
	return "theme " + m.theme.Name + "  mouse " + mouse + "  ? help"
}

// shortKeys are the keys for the line at the bottom: key and the first words of its help.
func (m *Model) shortKeys() []panel.HelpLine {
	var list []panel.HelpLine
	bindings := append(m.page().bindings(), globals()...)
	if m.focus == onPrompt {
		bindings = promptBindings()
	}
	_, narrows := m.page().(filtered)
	for _, b := range bindings {
		if b.keys == "" || !narrows && (slices.Contains(b.on, "/") || slices.Contains(b.on, "n")) {
			continue
		}
		text, _, _ := strings.Cut(b.help, ",")
		text, _, _ = strings.Cut(text, ";")
		list = append(list, panel.HelpLine{Keys: b.keys, Text: text})
	}
	return list
}

// hint is the line above the prompt.
func (m *Model) hint(l layout, width int) string {
	t := m.theme
	session := &m.console.Session
	switch {
	case m.pasted != nil:
		text := fmt.Sprintf("%d lines were pasted: Enter runs them as a batch, Esc drops them", len(m.pasted))
		return panel.Notice(text, t, width)
	case m.notice != "":
		return panel.Notice(m.notice, t, width)
	case m.save:
		return panel.Notice(m.exportHint(), t, width)
	case m.focus == onPrompt && !m.line.Empty():
		return panel.Syntax(command.Syntax(m.options.Grammar, m.line.Text(), len(m.line.Before())), t, width)
	case m.focus == onFilter || !m.filters[m.at].Empty():
		return panel.FilterHint(m.found, t, width)
	case session.Running != "" || m.at != 0 && m.news():
		return panel.Latest(&m.console, t, width)
	case !l.keys:
		return panel.Keys(m.shortKeys(), t, width)
	}
	return panel.Hint(t, width)
}

// newsFor is how long the newest line of the session is shown on screens that have no session.
const newsFor = 8 * time.Second

// news tells whether the session has said something just now.
func (m *Model) news() bool {
	entries := m.console.Session.Entries
	return len(entries) > 0 && m.console.Now.Sub(entries[len(entries)-1].At) < newsFor
}

// prompt is the line on which a person types.
func (m *Model) prompt(width int) string {
	view := panel.PromptView{Line: &m.line, Focused: m.focus == onPrompt && !m.asking(), Ghost: m.ghost()}
	switch m.focus {
	case onFilter:
		view = panel.PromptView{Line: &m.filters[m.at], Lead: "/", Focused: true}
	case onSearch:
		view.Search, view.Found, view.Focused = m.search.text.Text(), m.foundLine(), true
		view.Searching = true
	}
	return panel.Prompt(view, m.theme, width)
}
