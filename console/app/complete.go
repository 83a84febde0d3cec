package app

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/command"
	"synod/console/panel"
)

// completion is the list of what could be typed, while it is gone through.
type completion struct {
	list []command.Candidate
	at   int
}

// learned is what completion may offer beyond the grammar.
func (m *Model) learned() command.Known {
	known := command.Known{History: m.line.History()}
	for i := range m.console.Keys.Page.Rows {
		known.Keys = append(known.Keys, m.console.Keys.Page.Rows[i].Key)
	}
	for i := range m.console.Replicas {
		o := &m.console.Replicas[i]
		for _, fault := range o.Status.Faults {
			known.Faults = append(known.Faults, fmt.Sprintf("%s#%d", o.ID, fault.ID))
		}
	}
	return known
}

// ghost is the rest of the best completion.
func (m *Model) ghost() string {
	if m.focus != onPrompt || m.complete.list != nil {
		return ""
	}
	text := m.line.Text()
	return command.Ghost(m.options.Grammar, text, len(m.line.Before()), m.learned())
}

// choose opens the list of completions, or goes on in it.
func (m *Model) choose(by int) tea.Cmd {
	if m.complete.list == nil {
		list := command.Complete(m.options.Grammar, m.line.Text(), len(m.line.Before()), m.learned())
		if len(list) == 0 {
			return m.say("nothing completes this")
		}
		m.complete = completion{list: list}
	} else {
		m.complete.at = (m.complete.at + by + len(m.complete.list)) % len(m.complete.list)
	}
	chosen := m.complete.list[m.complete.at]
	m.line = m.line.SetAt(chosen.Line, chosen.Cursor)
	if len(m.complete.list) == 1 {
		m.complete = completion{}
	}
	return nil
}

// accept takes what is shown behind the cursor, or moves.
func (m *Model) accept() tea.Cmd {
	if ghost := m.ghost(); ghost != "" {
		m.line = m.line.Insert([]rune(ghost))
		return nil
	}
	m.line = m.line.Right()
	return nil
}

// completions are the rows of the list.
func (m *Model) completions() panel.CompletionsView {
	view := panel.CompletionsView{At: m.complete.at}
	for _, c := range m.complete.list {
		view.Rows = append(view.Rows, panel.HelpLine{Keys: c.Text, Text: c.Help})
	}
	return view
}
