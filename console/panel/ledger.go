package panel

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// Panes of the ledger, in the order of Tab.
const (
	LedgerSlots = iota
	LedgerBallots
	LedgerStory
	LedgerPositions
)

// LedgerView is what a person has chosen on the ledger.
type LedgerView struct {
	Follow  bool   // the newest slots are shown as they come
	To      uint64 // the newest slot of the window when it does not follow
	Slot    uint64 // the chosen one; 0 is the first that is seen
	Filter  string // narrows the slots; "" for all
	Ballot  int    // the chosen one, from the newest
	Scroll  int    // lines of the story
	Explain bool   // the story takes the room of ballots and positions
	Pane    int
	Alone   bool   // the pane alone is seen
	Going   bool   // a number is being typed, of the slot to go to
	Number  string // as far as it is typed
}

// Widths and heights from which the panes stand together.
const (
	ledgerWideMin = 110
	ledgerTallMin = 24
	ledgerBothMin = 14 // slots and one pane below
	ledgerMinimum = 70
)

// ledgerLayout is the height of every pane that is seen, from the top.
type ledgerLayout struct {
	slots, middle, positions int
	ballots                  int // width; 0: one pane takes the middle
	lower                    int // the pane in the middle then
}

func layoutLedger(size Size, v *LedgerView, replicas int) (ledgerLayout, bool) {
	lower := LedgerStory
	if (v.Pane == LedgerBallots || v.Pane == LedgerPositions) && !v.Explain {
		lower = v.Pane
	}
	switch {
	case size.Width >= ledgerWideMin && size.Height >= ledgerTallMin && v.Explain:
		slots := max(size.Height*2/5, 8)
		return ledgerLayout{slots: slots, middle: size.Height - slots, lower: LedgerStory}, true
	case size.Width >= ledgerWideMin && size.Height >= ledgerTallMin:
		l := ledgerLayout{positions: replicas + 1 + frameCells, ballots: size.Width / 2}
		l.middle = min((size.Height-l.positions)/2, 14)
		l.slots = size.Height - l.positions - l.middle
		return l, true
	case size.Width >= ledgerMinimum && size.Height >= ledgerBothMin:
		slots := size.Height / 2
		if v.Explain {
			slots = max(size.Height/3, 6)
		}
		return ledgerLayout{slots: slots, middle: size.Height - slots, lower: lower}, true
	}
	return ledgerLayout{}, false
}

// LedgerRows is how many slots are seen on a screen of that size.
func LedgerRows(size Size, v LedgerView, replicas int) int {
	height := size.Height
	if l, all := layoutLedger(size, &v, replicas); all && !v.Alone {
		height = l.slots
	}
	if framed(size.Width, height) {
		height -= frameCells
	}
	return max(height-2, 1) // the headings, and the word about older ones
}

// Ledger is the screen of the instances of consensus: every slot, the ballots under which they were chosen, one slot
// step by step, and how far every replica is.
func Ledger(c *state.Console, t *theme.Theme, size Size, v LedgerView) string {
	l, all := layoutLedger(size, &v, len(c.Replicas))
	if v.Alone || !all {
		pane := v.Pane
		if v.Explain {
			pane = LedgerStory
		}
		return ledgerPane(c, t, size, &v, pane)
	}
	parts := []string{ledgerPane(c, t, Size{size.Width, l.slots}, &v, LedgerSlots)}
	if l.ballots > 0 {
		parts = append(parts, beside(ledgerPane(c, t, Size{l.ballots, l.middle}, &v, LedgerBallots),
			ledgerPane(c, t, Size{size.Width - l.ballots, l.middle}, &v, LedgerStory)))
	} else {
		parts = append(parts, ledgerPane(c, t, Size{size.Width, l.middle}, &v, l.lower))
	}
	if l.positions > 0 {
		parts = append(parts, ledgerPane(c, t, Size{size.Width, l.positions}, &v, LedgerPositions))
	}
	return strings.Join(parts, "\n")
}

func ledgerPane(c *state.Console, t *theme.Theme, size Size, v *LedgerView, pane int) string {
	switch pane {
	case LedgerBallots:
		return ballotsPane(c, t, size, v)
	case LedgerStory:
		return storyPane(c, t, size, v)
	case LedgerPositions:
		return positionsPane(c, t, size, v)
	}
	return slotsPane(c, t, size, v)
}

// LedgerSlotAt gives the slot in a line of the table of slots, from 0 below the headings; 0 if there is none.
func LedgerSlotAt(c *state.Console, size Size, v LedgerView, line int) uint64 {
	list := c.Found(v.Window(), LedgerRows(size, v, len(c.Replicas)), v.Filter)
	if at := len(list) - line; line >= 1 && at >= 0 && at < len(list) {
		return list[at].Slot
	}
	return 0
}

// LedgerAt tells which pane lies under a cell, and which of its lines, from 0 below the headings.
func LedgerAt(size Size, v LedgerView, replicas, x, y int) (pane, line int) {
	l, all := layoutLedger(size, &v, replicas)
	head := func(height int) int {
		if framed(size.Width, height) {
			return 2
		}
		return 1
	}
	switch {
	case v.Alone || !all:
		return v.Pane, y - head(size.Height)
	case y < l.slots:
		return LedgerSlots, y - head(l.slots)
	case y >= l.slots+l.middle:
		return LedgerPositions, y - l.slots - l.middle - head(l.positions)
	case l.ballots == 0:
		return l.lower, y - l.slots - head(l.middle)
	case x < l.ballots:
		return LedgerBallots, y - l.slots - head(l.middle)
	}
	return LedgerStory, y - l.slots - head(l.middle)
}

// piece is a text with a look.
type piece struct {
	text string
	look lipgloss.Style
}

// slotsPane is the table of instances, the newest at the bottom as everywhere, with a word about all older ones above.
func slotsPane(c *state.Console, t *theme.Theme, size Size, v *LedgerView) string {
	inner := size.Width
	if framed(size.Width, size.Height) {
		inner -= frameCells
	}
	rows := LedgerRows(Size{size.Width, size.Height}, LedgerView{Alone: true}, len(c.Replicas))
	list := c.Found(v.Window(), rows, v.Filter)
	columns := slotColumns(c, inner)
	head := ""
	for _, column := range columns {
		head += cell(column.column, column.title) + " "
	}
	lines := []string{styled(t.Quiet, fit("   "+head, inner))}
	older := ""
	if len(list) == 0 {
		older = " " + emptyLedger(c, v)
	} else if tail, ok := c.Below(list[len(list)-1].Slot); ok && v.Filter == "" {
		older = "   " + tailText(&tail, t)
	}
	lines = append(lines, styled(t.Quiet, fit(older, inner)))
	chosen := v.chosen(list)
	for i := len(list) - 1; i >= 0; i-- {
		lines = append(lines, slotRow(c, t, &list[i], columns, inner, i == chosen))
	}
	g := t.Glyphs
	title := "Slots"
	if inner >= 100 {
		title = fmt.Sprintf("Slots   %s asked  %s accepted  %s applied  %s no answer", g.Asked, g.Accepted, g.Applied, g.Absent)
	}
	return pane{
		title: title, note: slotsNote(c, t, v, list), width: size.Width, height: size.Height,
		focused: v.Pane == LedgerSlots && !v.Explain,
	}.draw(t, lines)
}

// Window is the newest slot that is shown, 0 for the newest there is.
func (v *LedgerView) Window() uint64 {
	if v.Follow {
		return 0
	}
	return v.To
}

// chosen is the index of the chosen slot in a list.
func (v *LedgerView) chosen(list []state.Instance) int {
	for i := range list {
		if list[i].Slot == v.Slot {
			return i
		}
	}
	return -1
}

func emptyLedger(c *state.Console, v *LedgerView) string {
	switch {
	case v.Filter != "":
		return "no slot of those that are looked at matches"
	case c.Up() == 0:
		return "no replica answers: nothing is known about slots"
	case c.Ledger.Version == 0:
		return "the replicas are being asked"
	}
	return "no replica has kept anything about slots since it was started"
}

// slotsNote says how the window moves, and how old what it shows is.
func slotsNote(c *state.Console, t *theme.Theme, v *LedgerView, list []state.Instance) string {
	note := ""
	if v.Going {
		return fmt.Sprintf("go to slot %s%s  Enter goes, Esc stays", v.Number, styled(t.Cursor, " ")+t.Glyphs.Cursor)
	}
	if len(list) > 0 {
		note = fmt.Sprintf("%s to %s", grouped(list[len(list)-1].Slot), grouped(list[0].Slot))
	}
	if v.Filter != "" {
		all := len(c.Found(v.Window(), state.LedgerRowsMax, v.Filter))
		note = fmt.Sprintf("%d of %d match %s", len(list), all, command.Quote(v.Filter))
	}
	if newest := c.Ledger.Newest(); !v.Follow && len(list) > 0 && newest > list[0].Slot {
		note += fmt.Sprintf("  %s newer (f)", grouped(newest-list[0].Slot))
	}
	age := ledgerAge(c)
	switch {
	case age >= ledgerOldAfter:
		return note + "  " + styled(t.Bad, "OLD, told "+span(age)+" ago")
	case v.Follow:
		return note + "  " + styled(t.Good, t.Glyphs.Follow+" live")
	}
	return note + "  held"
}

// ledgerOldAfter is the age from which what is shown of slots is old.
const ledgerOldAfter = 2 * time.Second

// ledgerAge is the age of the newest answer about slots; 0 without one.
func ledgerAge(c *state.Console) time.Duration {
	var newest time.Time
	for i := range c.Ledger.Replicas {
		if at := c.Ledger.Replicas[i].At; at.After(newest) {
			newest = at
		}
	}
	if newest.IsZero() {
		return 0
	}
	return c.Now.Sub(newest)
}

func tailText(tail *state.Tail, t *theme.Theme) string {
	text := fmt.Sprintf("%s %s to %s applied everywhere", t.Glyphs.Ellipsis, grouped(tail.From), grouped(tail.To))
	for i, lag := range tail.Missing {
		word := " and "
		switch {
		case i == 0:
			word = " but "
		case i < len(tail.Missing)-1:
			word = ", "
		}
		text += fmt.Sprintf("%s%s (%s)", word, command.Visible(lag.Replica), grouped(lag.Applied))
	}
	return text
}

// slotColumn is a column of the table of slots.
type slotColumn struct {
	column
	of func(*state.Console, *theme.Theme, *state.Instance, int) piece
}

func slotColumns(c *state.Console, inner int) []slotColumn {
	marks := 3 * len(c.Replicas)
	title := ""
	for i := range c.Replicas {
		title += fit(name(&c.Replicas[i]), 3)
	}
	columns := []slotColumn{
		{column{title: "SLOT", width: max(6, len(grouped(c.Ledger.Newest())))}, slotCell},
		{column{title: "PHASE", width: 9}, phaseCell},
		{column{title: "BALLOT", width: 7, rank: 4}, ballotCell},
		{column{title: title, width: marks}, marksCell},
		{column{title: "QUORUM", width: 6, rank: 1}, votesCell},
		{column{title: "AGE/TOOK", width: 9, right: true, rank: 3}, tookCell},
		{column{title: "OP", width: 5, rank: 2}, operationCell},
		{column{title: "KEY", width: 0}, keyCell},
		{column{title: "BYTES", width: 7, right: true, rank: 5}, bytesCell},
		{column{title: "REQUEST", width: 14, rank: 6}, requestCell},
	}
	total := func() int {
		sum := 3
		for i := range columns {
			sum += columns[i].width + 1
		}
		return sum
	}
	for rank := 6; rank > 0 && total()+keyCellsMin > inner; rank-- {
		for i := range columns {
			if columns[i].rank == rank {
				columns = append(columns[:i:i], columns[i+1:]...)
				break
			}
		}
	}
	for i := range columns {
		if columns[i].title == "KEY" {
			columns[i].width = max(inner-total(), 1)
		}
	}
	return columns
}

// keyCellsMin is the least room for keys beside the other columns.
const keyCellsMin = 14

func slotRow(c *state.Console, t *theme.Theme, in *state.Instance, columns []slotColumn, inner int, chosen bool) string {
	mark := "   "
	if chosen {
		mark = " " + t.Glyphs.Select + " "
	}
	plain, line := "", mark
	for i := range columns {
		p := columns[i].of(c, t, in, columns[i].width)
		text := cell(columns[i].column, p.text) + " "
		plain += text
		line += styled(p.look, text)
	}
	if chosen {
		return mark + styled(t.Select, fit(plain, inner-3))
	}
	return fit(line, inner)
}

func slotCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	return piece{grouped(in.Slot), t.Plain}
}

func phaseCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	look := t.Warning
	switch in.Phase {
	case state.Applied:
		look = t.Good
	case state.Chosen:
		look = t.Info
	case state.Unseen:
		look = t.Old
	}
	return piece{in.Phase.String(), look}
}

func ballotCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	if in.Ballot == "" {
		return piece{"—", t.Old}
	}
	return piece{command.Visible(in.Ballot), t.Plain}
}

func marksCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	g := t.Glyphs
	signs := [...]string{" ", g.Asked, g.Absent, g.Accepted, g.Applied}
	text := ""
	for _, mark := range in.Marks {
		text += fit(signs[mark], 3)
	}
	return piece{text, t.Plain}
}

func votesCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	switch {
	case in.Phase >= state.Chosen && in.Votes < in.Needed:
		return piece{fmt.Sprintf("≥%d/%d", in.Needed, in.Needed), t.Plain} // it is chosen, and not all votes were told
	case in.Phase == state.Unseen:
		return piece{"—", t.Old}
	case in.Votes < in.Needed:
		return piece{fmt.Sprintf("%d/%d", in.Votes, in.Needed), t.Warning}
	}
	return piece{fmt.Sprintf("%d/%d", in.Votes, in.Needed), t.Plain}
}

func tookCell(c *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	if in.Phase == state.Proposing || in.Phase == state.Accepting {
		if age, known := c.Age(in); known {
			look := t.Plain
			if age > time.Second {
				look = t.Bad
			}
			return piece{elapsed(age), look}
		}
	}
	if in.Took > 0 {
		return piece{elapsed(in.Took), t.Plain}
	}
	return piece{"—", t.Old}
}

// elapsed writes a duration from microseconds to hours in few letters.
func elapsed(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return span(d)
}

func operationCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	return piece{command.Visible(in.Operation), t.Plain}
}

func keyCell(_ *state.Console, t *theme.Theme, in *state.Instance, width int) piece {
	key := command.Plain(string(in.Key))
	if len(in.Key) == 0 {
		key = ""
	}
	if in.Commands > 1 {
		return piece{fmt.Sprintf("%d commands: %s", in.Commands, key), t.Plain}
	}
	if in.Operation == "noop" {
		return piece{"fills a gap", t.Quiet}
	}
	return piece{key, t.Plain}
}

func bytesCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	if in.Operation == "" {
		return piece{"", t.Plain}
	}
	return piece{grouped(uint64(max(in.Bytes, 0))), t.Plain}
}

func requestCell(_ *state.Console, t *theme.Theme, in *state.Instance, _ int) piece {
	return piece{command.Visible(in.Request), t.Quiet}
}
