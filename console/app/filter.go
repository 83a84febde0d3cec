package app

import (
	tea "github.com/charmbracelet/bubbletea"
)

// openFilter begins to type a filter, if the page has a list.
func (m *Model) openFilter() tea.Cmd {
	if _, ok := m.page().(filtered); !ok {
		return m.say("there is nothing to filter on this screen")
	}
	m.focus = onFilter
	return nil
}

// setFilter hands a filter to the page.
func (m *Model) setFilter(text string) tea.Cmd {
	m.filters[m.at] = m.filters[m.at].Set(text)
	m.refilter()
	return nil
}

func (m *Model) refilter() {
	if p, ok := m.page().(filtered); ok {
		m.found = p.filter(m.known(), m.filters[m.at].Text())
	}
}

// hit goes to another hit of the filter.
func (m *Model) hit(back bool) tea.Cmd {
	if p, ok := m.page().(filtered); ok {
		p.next(m.known(), back)
	}
	return nil
}

// pressFilter takes a key while a filter is being typed.
func (m *Model) pressFilter(key tea.KeyMsg) tea.Cmd {
	switch name := key.String(); name {
	case "enter":
		m.focus = onPage
	case "esc":
		m.focus = onPage
		return m.setFilter("")
	case "up", "down":
		return m.hit(name == "up")
	default:
		m.filters[m.at] = edited(m.filters[m.at], key)
		m.refilter()
	}
	return nil
}
