package app

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/command"
	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// faultsPage breaks things and mends them. Every key that would do so fills the prompt with the command: Enter decides.
type faultsPage struct {
	panes
	view panel.FaultsView
	size panel.Size
	act  string // the command that was proposed last for the chosen cell; "" if there is none
	then int    // faults that lasted when it was proposed
}

func newFaultsPage() *faultsPage {
	return &faultsPage{view: panel.FaultsView{To: 1, Scenarios: command.ScenarioNames()}}
}

func (p *faultsPage) title() (long, short string) { return "Faults", "Faults" }

func (p *faultsPage) paneNames() []string {
	return []string{"roles", "links", "quorum", "active faults", "history"}
}

func (p *faultsPage) want() state.Want { return state.Want{} }

func (p *faultsPage) bindings() []binding {
	move := func(down, right int) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { p.move(m, down, right); return nil }
	}
	role := func(verb string) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { return p.propose(m, verb+" "+p.target(m.known())) }
	}
	link := func(verb, rest string) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { return p.proposeLink(m, verb, rest) }
	}
	return p.atFocus([]binding{
		{"↑ ↓ ← →", "cell, of a board or a row of a list; they go over to the next board", []string{"up"}, move(-1, 0)},
		{"", "", []string{"down"}, move(1, 0)},
		{"", "", []string{"left"}, move(0, -1)},
		{"", "", []string{"right"}, move(0, 1)},
		{"c", "crash, the chosen role or replica", []string{"c"}, role("crash")},
		{"r", "restart, it comes back from its disk", []string{"r"}, role("restart")},
		{"p", "pause, or resume what is paused", []string{"p"}, p.pause},
		{"i", "isolate, the chosen replica from all others", []string{"i"}, p.isolate},
		{"k", "kill, the replica's process (synod up)", []string{"k"}, p.process("kill")},
		{"s", "start, a killed process (synod up)", []string{"s"}, p.process("start")},
		{"x", "cut, the chosen link; or join it again", []string{"x"}, p.cut},
		{"o", "one way, cuts only what the row sends to the column", []string{"o"}, link("cut", " oneway=yes")},
		{"d", "delay, the chosen link", []string{"d"}, link("delay", " 50ms")},
		{"%", "loss, of messages on the chosen link", []string{"%"}, link("drop", " 30%")},
		{"P", "partition, the leader and one more against the others", []string{"P"}, p.partition},
		{"u", "undo, the newest fault that was set from here", []string{"u"}, func(m *Model) tea.Cmd { return p.propose(m, "undo") }},
		{"H", "heal, ends all injected faults", []string{"H"}, func(m *Model) tea.Cmd { return p.propose(m, "heal") }},
		{"Enter", "ends the chosen fault, or says more about the chosen cell", []string{"enter"}, p.enter},
	})
}

// replica is the one that the chosen cell is about.
func (p *faultsPage) replica(c *state.Console) string {
	row := p.view.Row
	if p.at == panel.FaultsLinks {
		row = p.view.From
	}
	if row >= len(c.Replicas) {
		return ""
	}
	return c.Replicas[row].ID
}

// target is the chosen role, such as r3.acceptor, or the whole replica.
func (p *faultsPage) target(c *state.Console) string {
	replica := p.replica(c)
	if p.view.Column == 0 || p.at == panel.FaultsLinks {
		return replica
	}
	return replica + "." + p.role()
}

func (p *faultsPage) role() string {
	return [...]string{"", "proposer", "acceptor", "learner"}[p.view.Column]
}

// link gives the chosen link; false if no cell of one is chosen.
func (p *faultsPage) link(c *state.Console) (state.Link, bool) {
	links := c.Links()
	if p.at != panel.FaultsLinks || p.view.From >= len(links) || p.view.To >= len(links) || p.view.From == p.view.To {
		return state.Link{}, false
	}
	return links[p.view.From][p.view.To], true
}

// propose fills the prompt, unless faults are locked.
func (p *faultsPage) propose(m *Model, line string) tea.Cmd {
	if why := lockedBy(m.known()); why != "" {
		return m.say("locked: " + why)
	}
	p.act, p.then = line, len(m.known().Injected())
	return m.propose(line)
}

// lockedBy says why no fault can be set from here.
func lockedBy(c *state.Console) string {
	off := 0
	for i := range c.Replicas {
		if c.Replicas[i].FaultsOff {
			off++
		}
	}
	switch {
	case c.ReadOnly:
		return "this console was started with --read-only"
	case off > 0 && off == len(c.Replicas):
		return "the configuration of the replicas does not allow faults (enabled = true in [faults] does)"
	}
	return ""
}

func (p *faultsPage) proposeLink(m *Model, verb, rest string) tea.Cmd {
	l, ok := p.link(m.known())
	if !ok {
		return m.say("choose a link first: Tab or the right arrow go to the board of links")
	}
	return p.propose(m, fmt.Sprintf("%s %s %s%s", verb, l.From, l.To, rest))
}

func (p *faultsPage) cut(m *Model) tea.Cmd {
	if l, ok := p.link(m.known()); ok && l.State == state.LinkCut {
		return p.proposeLink(m, "heal", "")
	}
	return p.proposeLink(m, "cut", "")
}

func (p *faultsPage) pause(m *Model) tea.Cmd {
	c := m.known()
	verb := "pause"
	for i := range c.Replicas {
		o := &c.Replicas[i]
		if o.ID != p.replica(c) {
			continue
		}
		paused := 0
		for _, role := range o.Status.Roles {
			whole := p.view.Column == 0 || p.at == panel.FaultsLinks
			if role.State == "paused" && (whole || role.Role == p.role()) {
				paused++
			}
		}
		if paused > 0 {
			verb = "resume"
		}
	}
	return p.propose(m, verb+" "+p.target(c))
}

func (p *faultsPage) isolate(m *Model) tea.Cmd {
	c := m.known()
	line := "isolate " + p.replica(c)
	for _, fault := range c.Injected() {
		if fault.What == line {
			line = fault.Heal
		}
	}
	return p.propose(m, line)
}

func (p *faultsPage) process(verb string) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		c := m.known()
		for i := range c.Replicas {
			if c.Replicas[i].ID == p.replica(c) && c.Replicas[i].Process == "" {
				return m.say("only the program that has started the replicas can do this: synod up")
			}
		}
		return p.propose(m, verb+" "+p.replica(c))
	}
}

// partition puts the leader on the side that cannot go on.
func (p *faultsPage) partition(m *Model) tea.Cmd {
	c := m.known()
	leader, _ := c.Leader()
	if len(c.Replicas) < 3 {
		return m.say("a partition needs three replicas at least")
	}
	var few, many []string
	if leader != "" {
		few = append(few, leader)
	}
	for i := range c.Replicas {
		switch id := c.Replicas[i].ID; {
		case id == leader:
		case len(few) < (len(c.Replicas)-1)/2:
			few = append(few, id)
		default:
			many = append(many, id)
		}
	}
	return p.propose(m, fmt.Sprintf("partition %s | %s", strings.Join(few, ","), strings.Join(many, ",")))
}

// enter ends the chosen fault, or says what is known about the chosen cell.
func (p *faultsPage) enter(m *Model) tea.Cmd {
	c := m.known()
	switch p.at {
	case panel.FaultsActive:
		if faults := c.Injected(); p.view.Fault < len(faults) {
			return p.propose(m, faults[p.view.Fault].Heal)
		}
		return m.say("there is no fault to end")
	case panel.FaultsLinks:
		if l, ok := p.link(c); ok {
			return m.say(panel.LinkSentence(&l))
		}
		return nil
	case panel.FaultsRoles:
		if p.view.Row < len(c.Replicas) {
			return m.say(panel.RoleSentence(c, &c.Replicas[p.view.Row], p.role()))
		}
	}
	return nil
}

// move goes to another cell or row; at the edge of a board it goes over to the other one.
func (p *faultsPage) move(m *Model, down, right int) {
	c, v := m.known(), &p.view
	last := max(len(c.Replicas)-1, 0)
	p.act = ""
	focus := func(pane int) {
		if !p.alone {
			m.panes[m.at], p.at = pane, pane
		}
	}
	switch p.at {
	case panel.FaultsRoles:
		switch {
		case right > 0 && v.Column == panel.RolesColumns-1:
			v.From, v.To = v.Row, 0
			focus(panel.FaultsLinks)
		case down > 0 && v.Row == last:
			focus(panel.FaultsActive)
		default:
			v.Row, v.Column = min(max(v.Row+down, 0), last), min(max(v.Column+right, 0), panel.RolesColumns-1)
		}
	case panel.FaultsLinks:
		switch {
		case right < 0 && v.To == 0:
			v.Row, v.Column = v.From, panel.RolesColumns-1
			focus(panel.FaultsRoles)
		case down > 0 && v.From == last:
			focus(panel.FaultsActive)
		default:
			v.From, v.To = min(max(v.From+down, 0), last), min(max(v.To+right, 0), last)
		}
	case panel.FaultsActive:
		if down < 0 && v.Fault == 0 {
			focus(panel.FaultsRoles)
		}
		v.Fault = min(max(v.Fault+down, 0), max(len(c.Injected())-1, 0))
	case panel.FaultsHistory:
		v.Scroll = min(max(v.Scroll+down, 0), max(len(c.Episodes.List)-1, 0))
	}
}

// observe keeps the choice where there is something to choose.
func (p *faultsPage) observe(c *state.Console) {
	last := max(len(c.Replicas)-1, 0)
	p.view.Row, p.view.From, p.view.To = min(p.view.Row, last), min(p.view.From, last), min(p.view.To, last)
	faults := len(c.Injected())
	p.view.Fault = min(p.view.Fault, max(faults-1, 0))
	if faults != p.then {
		p.act = "" // it was done, or is about another cluster than this
	}
}

// foreseen is the command about which "before you act" tells: the one proposed, or what the chosen cell suggests.
func (p *faultsPage) foreseen(c *state.Console) string {
	if p.act != "" {
		return p.act
	}
	if l, ok := p.link(c); ok {
		if l.State == state.LinkCut {
			return ""
		}
		return "cut " + l.From + " " + l.To
	}
	if p.view.Row >= len(c.Replicas) {
		return ""
	}
	o := &c.Replicas[p.view.Row]
	role, _ := o.Role(p.role())
	switch {
	case o.Process == state.ProcessKilled || o.Process == state.ProcessExited:
		return "start " + o.ID
	case role.State == "paused":
		return "resume " + p.target(c)
	case role.State == "down":
		return "restart " + p.target(c)
	}
	return "crash " + p.target(c)
}

func (p *faultsPage) draw(c *state.Console, t *theme.Theme, size panel.Size) string {
	p.size = size
	return panel.Faults(c, t, size, p.seen(c))
}

// seen is the view with what follows from the console.
func (p *faultsPage) seen(c *state.Console) panel.FaultsView {
	v := p.view
	v.Pane, v.Alone, v.Locked = p.at, p.alone, lockedBy(c)
	v.Act = p.foreseen(c)
	return v
}

func (p *faultsPage) click(m *Model, event tea.MouseMsg) tea.Cmd {
	c := m.known()
	switch event.Button {
	case tea.MouseButtonWheelUp:
		p.move(m, -1, 0)
		return nil
	case tea.MouseButtonWheelDown:
		p.move(m, 1, 0)
		return nil
	}
	hit, ok := panel.FaultsAt(c, p.size, p.seen(c), event.X, event.Y)
	if !ok {
		return nil
	}
	p.act = ""
	m.panes[m.at], p.at = hit.Pane, hit.Pane
	switch hit.Pane {
	case panel.FaultsRoles:
		p.view.Row, p.view.Column = hit.Row, hit.Column
	case panel.FaultsLinks:
		p.view.From, p.view.To = hit.Row, hit.Column
	case panel.FaultsActive:
		p.view.Fault = hit.Row
	}
	return nil
}

// selection is the command that ends the chosen fault, or the chosen role.
func (p *faultsPage) selection(c *state.Console) string {
	if faults := c.Injected(); p.at == panel.FaultsActive && p.view.Fault < len(faults) {
		return faults[p.view.Fault].What
	}
	if l, ok := p.link(c); ok {
		return l.From + " " + l.To
	}
	return p.target(c)
}

// atFocus makes bindings act on the pane that has the keys now: it may have changed since the screen was drawn.
func (p *panes) atFocus(list []binding) []binding {
	for i := range list {
		do := list[i].do
		list[i].do = func(m *Model) tea.Cmd {
			p.at = m.panes[m.at]
			return do(m)
		}
	}
	return list
}
