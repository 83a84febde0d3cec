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

// column is one column of the table of replicas.
type column struct {
	title string
	width int
	right bool
	rank  int // the columns with the highest rank go first where there is no room
	cell  func(*view) string
}

// view is one replica on its way to the screen.
type view struct {
	console *state.Console
	theme   *theme.Theme
	*state.Observation
	fresh bool
}

// noteCellsMin is the room that the last column, which takes what is left, must have to be there.
const noteCellsMin = 12

// Replicas is the pane with a row for each replica, and a second one where there is room for all.
func Replicas(c *state.Console, t *theme.Theme, width, height int) string {
	inner := width - frameCells
	columns := columnsFor(inner)
	titles := " "
	for _, col := range columns {
		titles += cell(col, col.title) + " "
	}
	lines := []string{styled(t.Quiet, fit(titles, inner))}
	double := height-frameCells >= 1+2*len(c.Replicas) && inner >= detailCellsMin
	for i := range c.Replicas {
		v := &view{console: c, theme: t, Observation: &c.Replicas[i]}
		v.fresh = v.Fresh(c.Now)
		lines = append(lines, v.row(columns, inner))
		if double {
			lines = append(lines, v.details(inner))
		}
	}
	return pane{title: "Replicas", note: replicasNote(c, t), width: width, height: height}.draw(t, lines)
}

// ReplicasHeight is the height of the pane for a number of replicas, with one or two rows each.
func ReplicasHeight(replicas, rows int) int { return frameCells + 1 + rows*replicas }

// detailCellsMin is the least width at which the second rows say enough.
const detailCellsMin = 76

// replicasNote names the first replica that is not reached, with the reason.
func replicasNote(c *state.Console, t *theme.Theme) string {
	for i := range c.Replicas {
		o := &c.Replicas[i]
		if o.Connected || o.Err == "" {
			continue
		}
		if word := gone(o); word != "" {
			return styled(t.Bad, fmt.Sprintf("%s: %s", name(o), word))
		}
		retry := ""
		if wait := o.RetryAt.Sub(c.Now); wait > 0 {
			retry = " · retry in " + span(wait)
		}
		return styled(t.Bad, fmt.Sprintf("%s: %s", name(o), command.Visible(o.Err))) + retry
	}
	return ""
}

// gone says how a replica comes back whose process this program has started and that is there no more.
func gone(o *state.Observation) string {
	switch o.Process {
	case "killed":
		return "killed, start " + name(o) + " brings it back"
	case "exited":
		return "ended, start " + name(o) + " brings it back"
	}
	return ""
}

func name(o *state.Observation) string {
	if o.ID == "" {
		return o.Address
	}
	return command.Visible(o.ID)
}

func columnsFor(inner int) []column {
	columns := []column{
		{title: "", width: 2, cell: func(v *view) string { return name(v.Observation) }},
		{title: "STATE", width: 13, cell: (*view).state},
		{title: "P  A  L", width: 8, cell: (*view).lights},
		{title: "BALLOT", width: 9, rank: 2, cell: func(v *view) string { return v.old(command.Visible(v.Status.Ballot)) }},
		{title: "ACCEPTED", width: 10, right: true, rank: 5, cell: func(v *view) string { return v.slot(v.Status.Voted) }},
		{title: "CHOSEN", width: 10, right: true, rank: 3, cell: func(v *view) string { return v.slot(v.Status.Chosen) }},
		{title: "APPLIED", width: 10, right: true, rank: 4, cell: func(v *view) string { return v.slot(v.Status.Applied) }},
		{title: "BEHIND", width: 7, right: true, rank: 1, cell: (*view).behind},
		{title: "AGE", width: 6, right: true, cell: (*view).age},
	}
	for rank := 5; cells(columns) > inner && rank > 0; rank-- {
		for i := range columns {
			if columns[i].rank == rank {
				columns = append(columns[:i:i], columns[i+1:]...)
				break
			}
		}
	}
	if left := inner - cells(columns) - 1; left >= noteCellsMin {
		columns = append(columns, column{title: "NOTE", width: left, cell: (*view).note})
	}
	return columns
}

// cells is the width of a row.
func cells(columns []column) int {
	total := 1
	for _, col := range columns {
		total += col.width + 1
	}
	return total
}

func cell(col column, text string) string {
	if col.right {
		return right(text, col.width)
	}
	return fit(text, col.width)
}

func (v *view) row(columns []column, width int) string {
	var b strings.Builder
	b.WriteByte(' ')
	for _, col := range columns {
		b.WriteString(cell(col, col.cell(v)))
		b.WriteByte(' ')
	}
	return fit(b.String(), width)
}

// old dims what is no longer of now.
func (v *view) old(text string) string {
	if v.fresh {
		return text
	}
	return styled(v.theme.Old, text)
}

func (v *view) slot(slot uint64) string {
	if !v.Known {
		return v.old("—")
	}
	return v.old(grouped(slot))
}

func (v *view) behind() string {
	behind := v.console.Behind(v.Observation)
	switch {
	case !v.Known:
		return v.old("—")
	case behind > 0 && v.fresh:
		return styled(v.theme.Warning, grouped(behind))
	}
	return v.old(grouped(behind))
}

// age is how old the data of the row is.
func (v *view) age() string {
	if !v.Known {
		return v.old("never")
	}
	text := span(v.console.Now.Sub(v.At))
	if v.fresh {
		return text
	}
	return styled(v.theme.Bad, text)
}

// state is the one word about the replica.
func (v *view) state() string {
	g, t := v.theme.Glyphs, v.theme
	switch {
	case v.Process == "killed":
		return styled(t.Bad, g.Down+" killed")
	case v.Process == "exited":
		return styled(t.Bad, g.Down+" ended")
	case !v.Known && v.Err == "":
		return styled(t.Quiet, g.Unknown+" connecting")
	case !v.fresh && v.Connected:
		return styled(t.Bad, g.Unknown+" silent")
	case !v.fresh:
		return styled(t.Bad, g.Down+" no answer")
	}
	proposer, _ := v.Role("proposer")
	acceptor, _ := v.Role("acceptor")
	switch {
	case v.all("down"):
		return styled(t.Bad, g.Down+" roles down")
	case v.all("paused"):
		return styled(t.Warning, g.Paused+" paused")
	case acceptor.State == "refusing":
		return styled(t.Bad, g.Recovering+" refusing")
	case proposer.State == "leading":
		return styled(t.Leader, g.Leader+" leader")
	case v.console.Behind(v.Observation) > behindMax:
		return styled(t.Warning, g.Recovering+" catching up")
	case proposer.State == "canvassing" || proposer.State == "preparing":
		return styled(t.Warning, "  "+proposer.State)
	}
	return "  follower"
}

// all tells whether every role of the replica is in that state.
func (v *view) all(state string) bool {
	for i := range v.Status.Roles {
		if v.Status.Roles[i].State != state {
			return false
		}
	}
	return len(v.Status.Roles) > 0
}

// behindMax is the number of slots from which a replica is said to catch up: less is the network's delay.
const behindMax = 1000

// lights are the three roles as letter and glyph.
func (v *view) lights() string {
	return strings.Join([]string{v.light("P", "proposer"), v.light("A", "acceptor"), v.light("L", "learner")}, " ")
}

func (v *view) light(letter, role string) string {
	glyph, style := v.lamp(role)
	if !v.fresh {
		return styled(v.theme.Old, letter+v.theme.Glyphs.Unknown)
	}
	return letter + styled(style, glyph)
}

func (v *view) lamp(name string) (glyph string, style lipgloss.Style) {
	g, t := v.theme.Glyphs, v.theme
	role, known := v.Role(name)
	works := command.RoleStatus{Role: name, State: role.State}
	switch {
	case !known:
		return g.Unknown, t.Old
	case works.Works():
		return g.Running, t.Good
	case role.State == "paused":
		return g.Paused, t.Warning
	case role.State == "refusing":
		return g.Recovering, t.Bad
	}
	return g.Down, t.Bad
}

// note says what is not as it should be: the error, the role that does not work, the fault.
func (v *view) note() string {
	if word := gone(v.Observation); word != "" {
		return styled(v.theme.Bad, word)
	}
	if v.Err != "" && !v.Connected {
		return styled(v.theme.Bad, command.Visible(v.Err))
	}
	var words []string
	for i := range v.Status.Roles {
		role := &v.Status.Roles[i]
		if (&command.RoleStatus{State: role.State}).Works() {
			continue
		}
		text := role.Role + " " + role.State
		if role.Cause != "" {
			text += ": " + role.Cause
		}
		words = append(words, styled(v.theme.Warning, command.Visible(text)))
	}
	if v.Status.Chaos {
		words = append(words, styled(v.theme.Warning, "chaos"))
	}
	return v.old(strings.Join(words, ", "))
}

// details is the second row: address, disk, queues, connections, age of the process.
func (v *view) details(width int) string {
	s := &v.Status
	waiting := 0
	for _, queue := range s.Queues {
		waiting += queue.Length
	}
	words := []string{fit(v.Address, 21)}
	if v.Known {
		words = append(words,
			fmt.Sprintf("sync p50 %s p99 %s ms", right(micros(s.SyncMicros.P50), 6), right(micros(s.SyncMicros.P99), 6)),
			fmt.Sprintf("queued %s", right(grouped(uint64(waiting)), 4)),
			fmt.Sprintf("clients %s", right(grouped(uint64(max(0, s.Connections))), 4)))
	}
	switch {
	case v.fresh:
		words = append(words, "up "+span(time.Duration(s.UptimeMS)*time.Millisecond), fmt.Sprintf("pid %d", s.PID))
	case v.Known:
		words = append(words, "gone "+span(v.console.Now.Sub(v.At)))
	}
	return fit(styled(v.theme.Quiet, "      "+strings.Join(words, "  ")), width)
}
