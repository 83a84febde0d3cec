package panel

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
	"synod/protocol"
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
	fresh  bool
	index  int // among the replicas
	chosen bool
}

// noteCellsMin is the room that the last column, which takes what is left, must have to be there.
const noteCellsMin = 12

// ReplicasView is what a person has chosen among the replicas.
type ReplicasView struct {
	Chosen  int // index of the chosen one
	Focused bool
}

// Replicas is the pane with a row for each replica, and a second one where there is room for all.
func Replicas(c *state.Console, t *theme.Theme, size Size, choice ReplicasView) string {
	width, height := size.Width, size.Height
	inner, rows := width, height
	if framed(width, height) {
		inner, rows = width-frameCells, height-frameCells
	}
	double := rows >= 1+2*len(c.Replicas) && inner >= detailCellsMin
	columns := columnsFor(inner, double)
	var lines []string
	if rows > len(c.Replicas) {
		titles := ""
		for _, col := range columns {
			titles += cell(col, col.title) + " "
		}
		lines = append(lines, styled(t.Quiet, fit(titles, inner)))
	}
	for i := range c.Replicas {
		v := &view{console: c, theme: t, Observation: &c.Replicas[i], index: i, chosen: i == choice.Chosen}
		v.fresh = v.Fresh(c.Now)
		lines = append(lines, v.row(columns, inner))
		if double {
			lines = append(lines, v.details(inner))
		}
	}
	if from := choice.Chosen + 1 - rows; from > 0 && len(lines) > rows { // the chosen one is seen
		lines = lines[min(from, len(lines)-rows):]
	}
	frame := pane{title: "Replicas", note: replicasNote(c, t), width: width, height: height, focused: choice.Focused}
	return frame.draw(t, lines)
}

// ReplicaAt gives the replica on a row of the pane, -1 if there is none.
func ReplicaAt(c *state.Console, size Size, row int) int {
	inner, rows := size.Width, size.Height
	if framed(size.Width, size.Height) {
		inner, rows, row = inner-frameCells, rows-frameCells, row-1
	}
	if rows > len(c.Replicas) {
		row--
	}
	if rows >= 1+2*len(c.Replicas) && inner >= detailCellsMin {
		row = (row+2)/2 - 1
	}
	if row < 0 || row >= len(c.Replicas) {
		return -1
	}
	return row
}

// ReplicasHeight is the height of the pane for a number of replicas, with one or two rows each.
func ReplicasHeight(replicas, rows int) int { return frameCells + 1 + rows*replicas }

// detailCellsMin is the least width at which the second rows say enough.
const detailCellsMin = 100

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
			retry = " " + t.Glyphs.Dot + " retry in " + span(wait)
			if o.Attempts > 1 {
				retry += fmt.Sprintf(" (%d)", o.Attempts)
			}
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

func columnsFor(inner int, double bool) []column {
	ballot := func(v *view) string { return v.old(command.Visible(v.Status.Ballot)) }
	columns := []column{
		{title: "", width: 4, cell: (*view).name},
		{title: "STATE", width: 13, cell: (*view).state},
		{title: "P  A  L", width: 8, cell: (*view).lights},
		{title: "BALLOT", width: 7, rank: 2, cell: ballot},
		{title: "ACCEPTED", width: 9, right: true, rank: 6, cell: func(v *view) string { return v.slot(v.Status.Voted) }},
		{title: "CHOSEN", width: 9, right: true, rank: 3, cell: func(v *view) string { return v.slot(v.Status.Chosen) }},
		{title: "APPLIED", width: 9, right: true, rank: 5, cell: func(v *view) string { return v.slot(v.Status.Applied) }},
		{title: "BEHIND", width: 7, right: true, rank: 1, cell: (*view).behind},
	}
	ranks := 6
	if !double {
		columns = append(columns,
			column{title: "RTT ms", width: 11, rank: 4, cell: func(v *view) string { return v.roundTrip(11) }},
			column{title: "FSYNC ms", width: 11, rank: 4, cell: func(v *view) string { return v.sync(11) }})
	}
	for rank := ranks; cells(columns) > inner && rank > 0; rank-- {
		columns = slices.DeleteFunc(columns, func(c column) bool { return c.rank == rank })
	}
	if left := inner - cells(columns) - 1; left >= noteCellsMin {
		columns = append(columns, column{title: "NOTE", width: left, cell: (*view).note})
	}
	return columns
}

// cells is the width of a row.
func cells(columns []column) int {
	total := 0
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

// name is the replica behind the sign of the chosen one.
func (v *view) name() string {
	if v.chosen {
		return v.theme.Glyphs.Select + " " + styled(v.theme.Title, name(v.Observation))
	}
	return "  " + name(v.Observation)
}

// past is a number of the last seconds as a small graph.
func (v *view) past(width int, pick func(*state.ReplicaSecond) int64) string {
	seconds := v.console.History.Last(width)
	values := make([]float64, len(seconds))
	for i := range seconds {
		values[i] = none()
		if v.index < len(seconds[i].Replicas) && seconds[i].Replicas[v.index].Known {
			if us := pick(&seconds[i].Replicas[v.index]); us > 0 {
				values[i] = float64(us)
			}
		}
	}
	return styled(v.theme.Graph, spark(v.theme, values, width, 0))
}

// now is a number of the newest status; a dash if it is old.
func (v *view) now(us int64) string {
	if !v.fresh {
		us = 0
	}
	return right(millis(float64(us)), 4)
}

// roundTrip is the median way to the peers and back, now and in the last seconds.
func (v *view) roundTrip(width int) string {
	return v.now(v.RTT()) + " " + v.past(width-5, func(s *state.ReplicaSecond) int64 { return s.RTT })
}

// sync is the time of a sync of the acceptor's log, now and in the last seconds.
func (v *view) sync(width int) string {
	return v.now(v.Status.SyncMicros.P50) + " " + v.past(width-5, func(s *state.ReplicaSecond) int64 { return s.SyncP50 })
}

// worstTrip is the longest round trip of the last minute.
func (v *view) worstTrip() int64 {
	worst := int64(0)
	seconds := v.console.History.Last(worstSeconds)
	for i := range seconds {
		if v.index < len(seconds[i].Replicas) {
			worst = max(worst, seconds[i].Replicas[v.index].RTT)
		}
	}
	return worst
}

const worstSeconds = 60

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
		return styled(t.Bad, g.Unknown+" silent "+span(v.console.Now.Sub(v.At)))
	case !v.fresh && !v.Known:
		return styled(t.Bad, g.Down+" no answer")
	case !v.fresh:
		return styled(t.Bad, g.Down+" gone "+span(v.console.Now.Sub(v.At)))
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
	case acceptor.State == "recovering":
		return styled(t.Warning, g.Recovering+" recovering")
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
	case role.State == "recovering":
		return g.Recovering, t.Warning
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
		if role.State == "recovering" && role.Cause != "" {
			text = progress(role.Cause)
		} else if role.Cause != "" {
			text += ": " + role.Cause
		}
		words = append(words, styled(v.theme.Warning, command.Visible(text)))
	}
	if links := v.linkFaults(); links != "" {
		words = append(words, styled(v.theme.Warning, command.Visible(links)))
	}
	if v.Status.Chaos {
		words = append(words, styled(v.theme.Warning, "chaos"))
	}
	return v.old(strings.Join(words, ", "))
}

// progress is how far a recovery is: the end of its cause, which begins with why the state was lost. The state is said
// beside it.
func progress(cause string) string {
	text := cause[strings.LastIndex(cause, "; ")+1:]
	for _, said := range []string{" ", "recovering as ", "recovering: "} {
		text = strings.TrimPrefix(text, said)
	}
	return text
}

// linkFaults says which faults of links this replica was told to keep, such as "cut r3 r4, delay to r2".
func (v *view) linkFaults() string {
	var order []string
	peers := map[string][]string{}
	for i := range v.Status.Faults {
		fault := &v.Status.Faults[i]
		if fault.Peer == "" {
			continue
		}
		what := fault.Kind
		switch fault.Direction {
		case protocol.DirectionOut:
			what += " to"
		case protocol.DirectionIn:
			what += " from"
		}
		if _, seen := peers[what]; !seen {
			order = append(order, what)
		}
		peers[what] = append(peers[what], fault.Peer)
	}
	for i, what := range order {
		slices.Sort(peers[what])
		order[i] = what + " " + strings.Join(slices.Compact(peers[what]), " ")
	}
	return strings.Join(order, ", ")
}

// details is the second row: address, round trips, disk, queues, age of the process.
func (v *view) details(width int) string {
	quiet := func(text string) string { return styled(v.theme.Quiet, text) }
	text := "     " + quiet(fit(v.Address, 16))
	if !v.Known {
		return fit(text, width)
	}
	graph := min(max((width-95)/2, 6), 40)
	tripMax, syncMax := int64(0), int64(0)
	if v.fresh {
		tripMax, syncMax = v.worstTrip(), v.Status.SyncMicros.P99
	}
	text += quiet("  rtt ") + v.roundTrip(graph+5) + quiet(" max "+right(millis(float64(tripMax)), 5)+" ms") +
		quiet("  fsync ") + v.sync(graph+5) + quiet(" p99 "+right(millis(float64(syncMax)), 5)+" ms")
	if v.fresh {
		text += quiet("  queue "+right(short(float64(v.waiting())), 4)) +
			quiet("  up "+span(time.Duration(v.Status.UptimeMS)*time.Millisecond))
	} else {
		text += quiet("  queue    " + v.theme.Glyphs.Ellipsis + "  gone " + span(v.console.Now.Sub(v.At)))
	}
	return fit(text, width)
}

// waiting is the number of messages in all queues.
func (v *view) waiting() uint64 {
	waiting := 0
	for i := range v.Status.Queues {
		waiting += v.Status.Queues[i].Length
	}
	return uint64(max(waiting, 0))
}
