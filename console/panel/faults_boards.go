package panel

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// boardNameCells is the room for the name of a replica at the left of a board, with the sign of the leader.
const boardNameCells = 6

// rolesCells are the widths of the columns of the board of roles.
func rolesCells(inner int) []int {
	room := inner - boardNameCells
	if room >= 4*12 {
		return []int{room - 36, 12, 12, 12}
	}
	role := max(room/5, 4)
	return []int{max(room-3*role, 4), role, role, role}
}

// rolesBoard shows which role of which replica is at work.
func rolesBoard(c *state.Console, t *theme.Theme, size Size, v *FaultsView) string {
	inner := size.Width
	if framed(size.Width, size.Height) {
		inner -= frameCells
	}
	widths := rolesCells(inner)
	titles := []string{"REPLICA", "PROPOSER", "ACCEPTOR", "LEARNER"}
	if widths[1] < 10 {
		titles = []string{"REPLICA", "P", "A", "L"}
	}
	if ownProcesses(c) {
		titles[0] = "PROCESS"
	}
	head := fit("", boardNameCells)
	for i, title := range titles {
		head += fit(" "+title, widths[i])
	}
	lines := []string{styled(t.Quiet, fit(head, inner))}
	leader, _ := c.Leader()
	for i := range c.Replicas {
		o := &c.Replicas[i]
		row := " " + fit(name(o), 3)
		if o.ID == leader {
			row += styled(t.Leader, t.Glyphs.Leader)
		}
		row = fit(row, boardNameCells)
		for column, width := range widths {
			text, look := replicaCell(c, o, t)
			if column > 0 {
				text, look = roleCell(c, o, t, roleNames[column-1])
				text = signOnly(text, width-2)
			}
			chosen := v.Pane == FaultsRoles && v.Row == i && v.Column == column
			row += boardCell(text, look, width, chosen, t)
		}
		lines = append(lines, row)
	}
	if size.Height-frameCells >= len(lines)+3 {
		lines = append(lines, "",
			styled(t.Quiet, fit(" c crash  r restart  p pause/resume  i isolate  H heal", inner)),
			styled(t.Quiet, fit(" "+processKeys(c)+"u undo  Enter says more about a cell", inner)))
	}
	lines = aroundRow(lines, v.Row, size)
	return pane{
		title: "Roles", note: locked(v, "arrows choose a cell"), width: size.Width, height: size.Height,
		focused: v.Pane == FaultsRoles,
	}.draw(t, lines)
}

var roleNames = [...]string{"proposer", "acceptor", "learner"}

func locked(v *FaultsView, otherwise string) string {
	if v.Locked != "" {
		return "LOCKED"
	}
	return otherwise
}

func processKeys(c *state.Console) string {
	if ownProcesses(c) {
		return "k kill  s start  "
	}
	return ""
}

// ownProcesses tells whether this program has started the replicas.
func ownProcesses(c *state.Console) bool {
	for i := range c.Replicas {
		if c.Replicas[i].Process != "" {
			return true
		}
	}
	return false
}

// aroundRow cuts a board that is too high down to its headings and the rows around the chosen one.
func aroundRow(lines []string, row int, size Size) []string {
	from := firstRow(len(lines)-1, row, size)
	return append(lines[:1:1], lines[1+from:]...)
}

// firstRow is the first row of a board that is seen.
func firstRow(rows, row int, size Size) int {
	room := size.Height - 1
	if framed(size.Width, size.Height) {
		room -= frameCells
	}
	return max(0, min(row+1, rows)-max(room, 1))
}

// boardCell is one cell of a board; the chosen one has brackets, and another look where there is one.
func boardCell(text string, look lipgloss.Style, width int, chosen bool, t *theme.Theme) string {
	if !chosen {
		return fit(" "+styled(look, fit(text, width-2)), width)
	}
	return fit(styled(t.Select, "["+fit(text, width-2)+"]"), width)
}

// signOnly leaves of a sign and a word the sign where there is no room for both.
func signOnly(text string, width int) string {
	sign, _, both := strings.Cut(text, " ")
	if both && ansi.StringWidth(text) > width {
		return sign
	}
	return text
}

// replicaCell is the state of a whole replica, or of its process where that is ours.
func replicaCell(c *state.Console, o *state.Observation, t *theme.Theme) (string, lipgloss.Style) {
	g := t.Glyphs
	switch {
	case o.Process == state.ProcessKilled:
		return g.Down + " killed", t.Bad
	case o.Process == state.ProcessExited:
		return g.Down + " ended", t.Bad
	case !o.Known && o.Err == "":
		return g.Unknown + " connecting", t.Quiet
	case !o.Fresh(c.Now):
		since := ""
		if o.Known {
			since = " " + span(c.Now.Sub(o.At))
		}
		return g.Down + " gone" + since, t.Bad
	}
	return "up " + span(time.Duration(o.Status.UptimeMS)*time.Millisecond), t.Plain
}

// roleCell is the state of a role.
func roleCell(c *state.Console, o *state.Observation, t *theme.Theme, role string) (string, lipgloss.Style) {
	g := t.Glyphs
	status, known := o.Role(role)
	works := command.RoleStatus{Role: role, State: status.State}
	switch {
	case o.Process == state.ProcessKilled || o.Process == state.ProcessExited:
		return g.Down, t.Bad
	case !o.Fresh(c.Now) || !known:
		return g.Unknown, t.Old
	case status.State == "paused":
		return g.Paused + " paused", t.Warning
	case status.State == "recovering":
		return g.Recovering + " recovers", t.Warning
	case !works.Works() && status.State != "down":
		return g.Recovering + " " + command.Visible(status.State), t.Bad
	case !works.Works():
		return g.Down + " crashed", t.Bad
	case role == "learner" && c.Behind(o) > behindMax:
		return g.Recovering + " behind", t.Warning
	case status.State == "leading":
		return g.Running + " leads", t.Leader
	}
	return g.Running + " run", t.Good
}

// linksCells are the widths of the columns of the board of links.
func linksCells(inner, replicas int) []int {
	widths := make([]int, replicas)
	for i := range widths {
		widths[i] = max((inner-boardNameCells)/max(replicas, 1), 4)
	}
	return widths
}

// linksBoard shows what passes from each replica to each other.
func linksBoard(c *state.Console, t *theme.Theme, size Size, v *FaultsView) string {
	inner := size.Width
	if framed(size.Width, size.Height) {
		inner -= frameCells
	}
	widths := linksCells(inner, len(c.Replicas))
	head := fit("", boardNameCells)
	for i := range c.Replicas {
		to := " to "
		if widths[i] < 9 {
			to = " "
		}
		head += fit(to+name(&c.Replicas[i]), widths[i])
	}
	lines := []string{styled(t.Quiet, fit(head, inner))}
	for i, row := range c.Links() {
		line := fit(" "+name(&c.Replicas[i]), boardNameCells)
		for j := range row {
			chosen := v.Pane == FaultsLinks && v.From == i && v.To == j
			text, look := linkCell(&row[j], t, widths[j]-2)
			text = signOnly(text, widths[j]-2)
			line += boardCell(text, look, widths[j], chosen, t)
		}
		lines = append(lines, line)
	}
	if size.Height-frameCells >= len(lines)+3 {
		lines = append(lines, "",
			styled(t.Quiet, fit(" x cut/join  o one way  d delay  % loss  P partition", inner)),
			styled(t.Quiet, fit(fmt.Sprintf(" %s RTT ms  %s cut or down  %s delayed  30%% lossy", t.Glyphs.Good, t.Glyphs.Failed,
				t.Glyphs.Slow), inner)))
	}
	lines = aroundRow(lines, v.From, size)
	note := "the row sends to the column"
	if v.Pane == FaultsLinks {
		if why := linkNote(c, v); why != "" {
			note = why
		}
	}
	return pane{
		title: "Links", note: note, width: size.Width, height: size.Height, focused: v.Pane == FaultsLinks,
	}.draw(t, lines)
}

// linkNote says more about the chosen link.
func linkNote(c *state.Console, v *FaultsView) string {
	links := c.Links()
	if v.From >= len(links) || v.To >= len(links) || v.From == v.To {
		return ""
	}
	l := &links[v.From][v.To]
	text := l.From + " to " + l.To
	switch {
	case l.Why != "":
		return command.Visible(l.Why)
	case l.Faults > 1:
		return fmt.Sprintf("%s: %d faults", text, l.Faults)
	case l.RTT > 0:
		return fmt.Sprintf("%s: round trip %.2f ms", text, float64(l.RTT)/float64(time.Millisecond))
	}
	return text
}

// linkCell is one direction of a link.
func linkCell(l *state.Link, t *theme.Theme, width int) (string, lipgloss.Style) {
	g := t.Glyphs
	if l.From == "" {
		return g.Self, t.Quiet
	}
	switch l.State {
	case state.LinkCut:
		return g.Failed + " cut", t.Bad
	case state.LinkDown:
		return g.Failed + " down", t.Bad
	case state.LinkLossy:
		text := state.Percent(l.Permille)
		if width >= len(text)+6 {
			text += " lossy"
		}
		return text, t.Warning
	case state.LinkDelayed:
		text := "+" + brief(l.Delay)
		if width >= len(text)+2 {
			text = g.Slow + " " + text
		}
		return text, t.Warning
	case state.LinkUnknown:
		return g.Unknown, t.Old
	}
	if l.RTT <= 0 {
		return g.Good, t.Good
	}
	text := fmt.Sprintf("%.1f", float64(l.RTT)/float64(time.Millisecond))
	if width >= len(text)+2 {
		text = g.Good + " " + text
	}
	return text, t.Good
}

// brief writes a duration in milliseconds or seconds.
func brief(d time.Duration) string {
	if d%time.Millisecond != 0 {
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	}
	if d >= time.Second && d%(100*time.Millisecond) == 0 {
		return fmt.Sprintf("%gs", d.Seconds())
	}
	return fmt.Sprintf("%dms", d/time.Millisecond)
}

// LinkSentence says all that is known about one direction of a link.
func LinkSentence(l *state.Link) string {
	text := l.From + " to " + l.To + ": "
	switch l.State {
	case state.LinkUnknown:
		return text + "nothing is known now"
	case state.LinkDown:
		return text + command.Visible(l.Why)
	case state.LinkCut:
		return text + "cut on purpose"
	}
	words := []string{"connected"}
	if l.RTT > 0 {
		words = append(words, fmt.Sprintf("round trip %.2f ms", float64(l.RTT)/float64(time.Millisecond)))
	}
	if l.Delay > 0 {
		words = append(words, "delayed by "+brief(l.Delay))
	}
	if l.Jitter > 0 {
		words = append(words, "and up to "+brief(l.Jitter)+" more")
	}
	if l.Permille > 0 {
		words = append(words, "loses "+state.Percent(l.Permille)+" of the messages")
	}
	return text + strings.Join(words, ", ")
}

// RoleSentence says all that is known about a role, or about the replica for "".
func RoleSentence(c *state.Console, o *state.Observation, role string) string {
	status, known := o.Role(role)
	if role == "" || !known {
		text := name(o) + " at " + command.Visible(o.Address)
		if o.Err != "" && !o.Connected {
			return text + ": " + command.Visible(o.Err)
		}
		return text + fmt.Sprintf(", up %s, pid %d, %s", span(time.Duration(o.Status.UptimeMS)*time.Millisecond),
			o.Status.PID, command.Visible(o.Status.Version))
	}
	text := fmt.Sprintf("%s.%s is %s", name(o), role, command.Visible(status.State))
	if !status.Since.IsZero() {
		text += fmt.Sprintf(" since %s (%s)", status.Since.Local().Format(clockFormat), span(c.Now.Sub(status.Since)))
	}
	text += fmt.Sprintf(", %d restarts", status.Restarts)
	if status.Cause != "" {
		text += ": " + command.Visible(status.Cause)
	}
	return text
}
