package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/command"
	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// ledgerPage shows the instances of consensus.
type ledgerPage struct {
	panes
	view panel.LedgerView
	size panel.Size
}

func newLedgerPage() *ledgerPage { return &ledgerPage{view: panel.LedgerView{Follow: true}} }

func (p *ledgerPage) title() (long, short string) { return "Ledger", "Ledger" }

func (p *ledgerPage) paneNames() []string { return []string{"slots", "ballots", "slot", "positions"} }

func (p *ledgerPage) want() state.Want {
	rows := p.rows(0)
	if p.view.Filter != "" {
		rows = state.LedgerRowsMax
	}
	return state.Want{Ledger: state.LedgerWant{Seen: true, To: p.view.Window(), Rows: rows + rowsAhead, Slot: p.view.Slot}}
}

// rowsAhead are asked for beyond what is seen: replicas are not all equally far.
const rowsAhead = 8

func (p *ledgerPage) rows(replicas int) int {
	v := p.view
	v.Pane, v.Alone = p.at, p.alone
	return panel.LedgerRows(p.size, v, replicas)
}

func (p *ledgerPage) bindings() []binding {
	move := func(by int) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { p.move(m.known(), by); return nil }
	}
	leaf := func(pages int) func(*Model) tea.Cmd {
		return func(m *Model) tea.Cmd { p.leaf(m.known(), pages); return nil }
	}
	return p.atFocus([]binding{
		{"↑ ↓ j k", "slot, or ballot; an older one is above", []string{"up", "k"}, move(-1)},
		{"", "", []string{"down", "j"}, move(1)},
		{"PgUp PgDn", "back, a page of older slots; PgDn goes forward", []string{"pgup"}, leaf(-1)},
		{"", "", []string{"pgdown"}, leaf(1)},
		{"Enter", "explain, one slot step by step and why it is stuck", []string{"enter"}, p.explain},
		{"f G", "follow, the newest slots as they come", []string{"f", "G", "end"}, p.follow},
		{"g", "go to slot, by its number", []string{"g"}, p.goTo},
		{"b", "ballots, who led and why there was an election", []string{"b"}, p.ballots},
		{"v", "value, reads the key of the chosen slot", []string{"v"}, p.value},
	})
}

// list are the slots that are seen, the newest first.
func (p *ledgerPage) list(c *state.Console) []state.Instance {
	return c.Found(p.view.Window(), p.rows(len(c.Replicas)), p.view.Filter)
}

// observe follows the newest slots: it chooses the oldest one that is stuck, or else the newest that is chosen, so that
// what is explained below says something.
func (p *ledgerPage) observe(c *state.Console) {
	if !p.view.Follow {
		return
	}
	if slot := c.StuckSlot(); slot > 0 {
		p.view.Slot = slot
		return
	}
	list := c.Instances(0, max(p.rows(len(c.Replicas)), 4))
	for i := range list {
		if list[i].Phase >= state.Chosen {
			p.view.Slot = list[i].Slot
			return
		}
	}
	if len(list) > 0 {
		p.view.Slot = list[0].Slot
	}
}

// hold stops following: nothing moves under the cursor any more.
func (p *ledgerPage) hold(c *state.Console) {
	if p.view.Follow {
		p.view.Follow, p.view.To = false, c.Ledger.Newest()
	}
}

// move goes to an older slot, or with a positive by to a newer one.
func (p *ledgerPage) move(c *state.Console, by int) {
	switch {
	case p.at == panel.LedgerBallots:
		p.view.Ballot = min(max(p.view.Ballot+by, 0), max(len(c.Reigns())-1, 0))
		return
	case p.view.Explain || p.at == panel.LedgerStory:
		p.view.Scroll = min(max(p.view.Scroll+by, 0), max(len(c.Story(p.view.Slot, state.EveryStep))-1, 0))
		return
	}
	p.hold(c)
	list := p.list(c)
	for i := range list {
		if list[i].Slot != p.view.Slot {
			continue
		}
		switch to := i - by; {
		case to >= 0 && to < len(list):
			p.choose(list[to].Slot)
		case p.view.Filter == "":
			p.step(c, by)
		}
		return
	}
	if len(list) > 0 {
		p.choose(list[0].Slot)
	}
}

func (p *ledgerPage) choose(slot uint64) { p.view.Slot, p.view.Scroll = slot, 0 }

// step goes beyond the window, which follows.
func (p *ledgerPage) step(c *state.Console, by int) {
	newest := c.Ledger.Newest()
	slot := p.view.Slot
	switch {
	case by > 0 && slot < newest:
		p.view.To = slot + 1
		p.choose(slot + 1)
	case by < 0 && slot > 1:
		p.view.To = max(p.view.To-1, 1)
		p.choose(slot - 1)
	}
}

// leaf turns pages: back is towards older slots.
func (p *ledgerPage) leaf(c *state.Console, pages int) {
	if p.view.Explain || p.at == panel.LedgerStory || p.at == panel.LedgerBallots {
		p.move(c, 5*pages)
		return
	}
	p.hold(c)
	rows, newest := uint64(p.rows(len(c.Replicas))), c.Ledger.Newest()
	if pages < 0 {
		p.view.To -= min(rows, p.view.To-min(p.view.To, rows))
	} else {
		p.view.To = min(p.view.To+rows, newest)
	}
	p.choose(p.view.To)
}

func (p *ledgerPage) follow(m *Model) tea.Cmd {
	p.view.Follow, p.view.Scroll = true, 0
	p.observe(m.known())
	return nil
}

func (p *ledgerPage) goTo(*Model) tea.Cmd {
	p.view.Going, p.view.Number = true, ""
	return nil
}

// typing implements the field for a slot's number.
func (p *ledgerPage) typing() bool { return p.view.Going }

func (p *ledgerPage) typed(m *Model, key tea.KeyMsg) tea.Cmd {
	text := &p.view.Number
	switch key.Type {
	case tea.KeyBackspace:
		*text = (*text)[:max(len(*text)-1, 0)]
	case tea.KeyEnter:
		return p.arrive(m)
	case tea.KeyRunes:
		for _, char := range key.Runes {
			if char >= '0' && char <= '9' && len(*text) < slotDigitsMax {
				*text += string(char)
			}
		}
	}
	return nil
}

// slotDigitsMax bounds the number of a slot as it is typed.
const slotDigitsMax = 19

// arrive goes to the slot that was typed; the session shows the command that says the same.
func (p *ledgerPage) arrive(m *Model) tea.Cmd {
	slot, err := strconv.ParseUint(p.view.Number, 10, 64)
	p.view.Going = false
	if err != nil || slot == 0 {
		return m.say("slots are counted from 1")
	}
	c := m.known()
	p.hold(c)
	rows := uint64(p.rows(len(c.Replicas)))
	p.view.To = min(slot+rows/2, max(c.Ledger.Newest(), 1))
	p.choose(slot)
	return m.command(fmt.Sprintf("slot %d", slot))
}

func (p *ledgerPage) ballots(m *Model) tea.Cmd {
	pane := panel.LedgerBallots
	if p.at == pane {
		pane = panel.LedgerSlots
	}
	p.view.Explain, m.panes[m.at], p.at = false, pane, pane
	return nil
}

func (p *ledgerPage) explain(m *Model) tea.Cmd {
	if p.view.Slot == 0 {
		return m.say("there is no slot to explain")
	}
	p.hold(m.known())
	p.view.Explain, p.view.Scroll = !p.view.Explain, 0
	return nil
}

func (p *ledgerPage) closeDetails() bool {
	open := p.view.Explain || p.view.Going
	p.view.Explain, p.view.Going = false, false
	return open
}

// value reads the key of the chosen slot, as it is now.
func (p *ledgerPage) value(m *Model) tea.Cmd {
	in := m.known().Instance(p.view.Slot)
	switch {
	case len(in.Key) == 0:
		return m.say("this slot has no key to read")
	case len(in.Key) >= traceKeyBytes:
		return m.say("the key is longer than what is kept of it: read it with get")
	}
	return m.command("get " + command.Plain(string(in.Key)))
}

// traceKeyBytes is how much of a key a replica keeps with a slot.
const traceKeyBytes = 64

func (p *ledgerPage) filter(c *state.Console, text string) string {
	p.view.Filter = text
	if text == "" {
		return ""
	}
	p.hold(c)
	found := c.Found(p.view.Window(), state.LedgerRowsMax, text)
	known := 0
	for _, in := range c.Instances(p.view.Window(), state.LedgerRowsMax) {
		if in.Ballot != "" {
			known++
		}
	}
	if len(found) > 0 && !slices.ContainsFunc(found, func(in state.Instance) bool { return in.Slot == p.view.Slot }) {
		p.choose(found[0].Slot)
	}
	return fmt.Sprintf("%d of %d slots (key, request, operation or number); PgUp looks further back", len(found), known)
}

// next goes to the next hit: an older slot, or with back a newer one.
func (p *ledgerPage) next(c *state.Console, back bool) {
	by := -1
	if back {
		by = 1
	}
	p.move(c, by)
}

func (p *ledgerPage) draw(c *state.Console, t *theme.Theme, size panel.Size) string {
	p.size = size
	p.keepInSight(c)
	return panel.Ledger(c, t, size, p.seen())
}

// keepInSight moves a window that does not follow so that the chosen slot is in it, whatever room there is for it now.
func (p *ledgerPage) keepInSight(c *state.Console) {
	v := &p.view
	if v.Follow || v.Filter != "" || v.Slot == 0 {
		return
	}
	rows := uint64(p.rows(len(c.Replicas)))
	newest := max(c.Ledger.Newest(), 1)
	v.To = min(max(min(v.To, newest), v.Slot), newest)
	if v.To >= v.Slot+rows {
		v.To = v.Slot + rows - 1
	}
}

func (p *ledgerPage) seen() panel.LedgerView {
	v := p.view
	v.Pane, v.Alone = p.at, p.alone
	return v
}

func (p *ledgerPage) click(m *Model, event tea.MouseMsg) tea.Cmd {
	c := m.known()
	switch event.Button {
	case tea.MouseButtonWheelUp:
		p.move(c, -1)
		return nil
	case tea.MouseButtonWheelDown:
		p.move(c, 1)
		return nil
	}
	pane, line := panel.LedgerAt(p.size, p.seen(), len(c.Replicas), event.X, event.Y)
	m.panes[m.at], p.at = pane, pane
	switch pane {
	case panel.LedgerSlots:
		if slot := panel.LedgerSlotAt(c, p.size, p.seen(), line); slot > 0 {
			p.hold(c)
			p.choose(slot)
		}
	case panel.LedgerBallots:
		p.view.Ballot = min(max(line, 0), max(len(c.Reigns())-1, 0))
	}
	return nil
}

// selection is the story of the chosen slot, as text.
func (p *ledgerPage) selection(c *state.Console) string {
	if p.view.Slot == 0 {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "slot %d\n%s\n", p.view.Slot, command.Visible(c.Explain(p.view.Slot).Sentence))
	for _, m := range c.Story(p.view.Slot, state.EveryStep) {
		when := "-"
		if !m.At.IsZero() {
			when = m.At.Format(time.RFC3339Nano)
		}
		fmt.Fprintf(&text, "%s  %s  %s\n", when, m.Replica, command.Visible(m.Text))
	}
	return text.String()
}

func (p *ledgerPage) formats() []string { return []string{"json", "csv"} }

// export writes the slots that are seen.
func (p *ledgerPage) export(c *state.Console, format string) []byte {
	list := p.list(c)
	if format == "json" {
		content, err := json.MarshalIndent(struct {
			Slots   []state.Instance
			Ballots []state.Reign
			Told    state.Snapshot // of which the others were made
		}{list, c.Reigns(), state.Snapshot{At: c.Now, Replicas: c.Replicas, Ledger: c.Ledger}}, "", " ")
		if err != nil {
			return []byte(err.Error())
		}
		return append(content, '\n')
	}
	var text strings.Builder
	text.WriteString("slot,phase,ballot,votes,needed,took_us,operation,key,commands,bytes,request\r\n")
	for i := len(list) - 1; i >= 0; i-- {
		in := &list[i]
		fmt.Fprintf(&text, "%d,%s,%s,%d,%d,%d,%s,%s,%d,%d,%s\r\n", in.Slot, in.Phase, field(in.Ballot), in.Votes, in.Needed,
			in.Took.Microseconds(), field(in.Operation), field(command.Visible(string(in.Key))), in.Commands, in.Bytes,
			field(in.Request))
	}
	return []byte(text.String())
}

// field writes a text as a field of CSV.
func field(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
