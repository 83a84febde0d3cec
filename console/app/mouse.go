package app

import (
	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
)

// toggleMouse gives the mouse to the terminal, for selecting text, or takes it back.
func (m *Model) toggleMouse() tea.Cmd {
	m.mouse = !m.mouse
	if m.mouse {
		m.say("the mouse is ours: tabs, rows and the wheel; shift or option while dragging selects text")
		return tea.EnableMouseCellMotion
	}
	m.say("the mouse is the terminal's: drag to select text, m takes it back")
	return tea.DisableMouse
}

// resume takes the mouse again after a suspension, which gives it back to the terminal.
func (m *Model) resume() tea.Cmd {
	if m.mouse {
		return tea.EnableMouseCellMotion
	}
	return nil
}

// point takes a click or a turn of the wheel.
func (m *Model) point(event tea.MouseMsg) tea.Cmd {
	wheel := event.Button == tea.MouseButtonWheelUp || event.Button == tea.MouseButtonWheelDown
	if event.Action != tea.MouseActionPress || !wheel && event.Button != tea.MouseButtonLeft {
		return nil
	}
	if m.asking() {
		return nil
	}
	if m.help.open {
		return m.wheelHelp(event)
	}
	l := m.layout()
	switch y := event.Y - l.top(); {
	case l.tabs && event.Y == 1 && !wheel:
		if at := panel.TabAt(m.tabs(), m.size.Width, event.X); at >= 0 {
			return m.open(at)
		}
	case y >= 0 && y < l.body:
		if m.focus == onFilter || m.focus == onPrompt && !wheel {
			m.focus = onPage
		}
		event.Y = y
		return m.page().click(m, event)
	case l.prompt && event.Y == m.promptRow(l) && !wheel:
		return m.openPrompt()
	}
	return nil
}

func (m *Model) wheelHelp(event tea.MouseMsg) tea.Cmd {
	key := tea.KeyMsg{Type: tea.KeyDown}
	if event.Button == tea.MouseButtonWheelUp {
		key = tea.KeyMsg{Type: tea.KeyUp}
	}
	return m.pressHelp(key)
}
