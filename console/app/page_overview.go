package app

import (
	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// overviewPage is the cluster at a glance, and the session.
type overviewPage struct {
	panes
	view panel.OverviewView
}

func newOverviewPage() *overviewPage { return &overviewPage{} }

func (p *overviewPage) title() (long, short string) { return "Overview", "Over" }

func (p *overviewPage) paneNames() []string {
	return []string{"replicas", "session", "rate", "latency"}
}

func (p *overviewPage) want() state.Want { return state.Want{} }

func (p *overviewPage) bindings() []binding {
	move := func(by int) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { p.move(m.known(), by); return nil }
	}
	return []binding{
		{"↑ ↓ j k", "replica, or the session's lines", []string{"up", "k"}, move(-1)},
		{"", "", []string{"down", "j"}, move(1)},
		{"PgUp PgDn", "scroll, the session by a page", []string{"pgup"}, func(m *Model) tea.Cmd { p.scroll(m.known(), 10); return nil }},
		{"", "", []string{"pgdown"}, func(m *Model) tea.Cmd { p.scroll(m.known(), -10); return nil }},
		{"Enter", "details, the card of the chosen replica", []string{"enter"}, func(*Model) tea.Cmd { p.view.Card = !p.view.Card; return nil }},
	}
}

// move goes to another replica, or through the session where that has the keys.
func (p *overviewPage) move(c *state.Console, by int) {
	if p.at == panel.SessionPane {
		p.scroll(c, -by)
		return
	}
	p.view.Replica = min(max(p.view.Replica+by, 0), max(len(c.Replicas)-1, 0))
}

func (p *overviewPage) scroll(c *state.Console, by int) {
	p.view.Scroll = min(max(p.view.Scroll+by, 0), max(len(c.Session.Entries)-1, 0))
}

func (p *overviewPage) observe(c *state.Console) {
	if added := c.Session.Total - p.view.Seen; p.view.Scroll > 0 && added > 0 {
		p.view.Scroll += added // what is being read stays where it is
	}
	p.view.Seen = c.Session.Total
}

func (p *overviewPage) closeDetails() bool {
	open := p.view.Card
	p.view.Card = false
	return open
}

func (p *overviewPage) draw(c *state.Console, t *theme.Theme, size panel.Size) string {
	view := p.view
	view.Pane, view.Alone = p.at, p.alone
	return panel.Overview(c, t, size, view)
}

func (p *overviewPage) click(m *Model, event tea.MouseMsg) tea.Cmd {
	size := panel.Size{Width: m.size.Width, Height: m.layout().body}
	view := p.view
	view.Pane, view.Alone = p.at, p.alone
	pane, replica := panel.OverviewAt(m.known(), size, view, event.X, event.Y)
	switch {
	case pane < 0 || p.view.Card:
		p.view.Card = false
	case event.Button == tea.MouseButtonWheelUp || event.Button == tea.MouseButtonWheelDown:
		by := wheelLines
		if event.Button == tea.MouseButtonWheelUp {
			by = -by
		}
		if pane == panel.SessionPane {
			p.scroll(m.known(), -by)
		}
	default:
		m.focusOn(pane)
		if replica >= 0 && replica == p.view.Replica {
			p.view.Card = true // the second click
		}
		if replica >= 0 {
			p.view.Replica = replica
		}
	}
	return nil
}

// selection is the chosen replica's address.
func (p *overviewPage) selection(c *state.Console) string {
	if p.view.Replica < len(c.Replicas) {
		return c.Replicas[p.view.Replica].Address
	}
	return ""
}

func (p *overviewPage) formats() []string { return []string{"csv"} }

// export writes the last minutes second by second.
func (p *overviewPage) export(c *state.Console, _ string) []byte { return panel.HistoryCSV(&c.History) }

// wheelLines is how far one step of the wheel goes.
const wheelLines = 3
