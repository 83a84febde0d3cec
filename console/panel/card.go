package panel

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
	"synod/protocol"
)

const (
	cardCellsMax = 96
	cardLabel    = 12
)

// Card is a box with everything that is known about one replica.
func Card(c *state.Console, t *theme.Theme, size Size, replica int) string {
	o := &c.Replicas[replica]
	width := min(size.Width, cardCellsMax)
	v := &view{console: c, theme: t, Observation: o, fresh: o.Fresh(c.Now), index: replica}
	lines := append([]string{v.labelled("address", v.Address), v.labelled("state", strings.TrimSpace(v.state())+"  "+v.note())},
		v.connection()...)
	if o.Known {
		lines = append(lines, v.roles()...)
		lines = append(lines, v.positions()...)
		lines = append(lines, v.disk()...)
		lines = append(lines, v.peers()...)
		lines = append(lines, v.faults()...)
		lines = append(lines, v.errors()...)
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, max(width-frameCells, 0), t.Glyphs.Ellipsis)
	}
	frame := pane{
		title: "Replica " + name(o), note: styled(t.Quiet, "Esc closes"), width: width,
		height: min(len(lines)+frameCells, size.Height), focused: true, boxed: true,
	}
	if !v.fresh && o.Known {
		frame.note = styled(t.Bad, "as of "+span(c.Now.Sub(o.At))+" ago") + " " + frame.note
	}
	return frame.draw(t, lines)
}

// labelled is a row of the card.
func (v *view) labelled(label, text string) string {
	return " " + styled(v.theme.Quiet, fit(label, cardLabel)) + text
}

func (v *view) connection() []string {
	if v.Connected {
		return []string{v.labelled("heard", span(v.console.Now.Sub(v.At))+" ago")}
	}
	text := "never reached"
	if v.Err != "" {
		text = styled(v.theme.Bad, command.Visible(v.Err))
	}
	if wait := v.RetryAt.Sub(v.console.Now); wait > 0 {
		text += fmt.Sprintf("  next attempt in %s, %d so far", span(wait), v.Attempts)
	}
	return []string{v.labelled("connection", text)}
}

func (v *view) roles() []string {
	var lines []string
	for i := range v.Status.Roles {
		role := &v.Status.Roles[i]
		glyph, style := v.lamp(role.Role)
		text := styled(style, glyph+" "+command.Visible(role.State))
		if !role.Since.IsZero() {
			text += "  for " + span(v.console.Now.Sub(role.Since))
		}
		if role.Restarts > 0 {
			text += fmt.Sprintf("  %d restarts", role.Restarts)
		}
		if role.Cause != "" {
			text += "  " + command.Visible(role.Cause)
		}
		lines = append(lines, v.labelled(command.Visible(role.Role), text))
	}
	return lines
}

func (v *view) positions() []string {
	s := &v.Status
	leader := s.Leader
	if leader == "" {
		leader = "none known"
	}
	first := fmt.Sprintf("ballot %s, leader %s, incarnation %d", command.Visible(s.Ballot), command.Visible(leader), s.Incarnation)
	second := fmt.Sprintf("accepted %s   chosen %s   applied %s   behind %s", grouped(s.Voted), grouped(s.Chosen),
		grouped(s.Applied), grouped(v.console.Behind(v.Observation)))
	third := fmt.Sprintf("durable %s   log begins after %s   revision %s", grouped(s.Flushed), grouped(s.Floor), grouped(s.Revision))
	return []string{v.labelled("consensus", first), v.labelled("positions", second), v.labelled("", third)}
}

func (v *view) disk() []string {
	s := &v.Status
	disk := fmt.Sprintf("fsync p50 %s  p99 %s  max %s ms, of the last 10 s", micros(s.SyncMicros.P50), micros(s.SyncMicros.P99),
		micros(s.SyncMicros.Max))
	if s.LogBytes+s.StoreBytes > 0 {
		disk += fmt.Sprintf("; log %s MB, store %s MB", megabytes(s.LogBytes), megabytes(s.StoreBytes))
	}
	requests := fmt.Sprintf("%s updates, %s reads, %s failed, %d clients connected", grouped(s.Requests.Updates),
		grouped(s.Requests.Reads), grouped(s.Requests.Failed), s.Connections)
	process := fmt.Sprintf("pid %d, up %s, %s", s.PID, span(time.Duration(s.UptimeMS)*time.Millisecond), command.Visible(s.Version))
	lines := []string{v.labelled("disk", disk), v.labelled("requests", requests), v.labelled("process", process)}
	for i := range s.Queues {
		queue := &s.Queues[i]
		text := fmt.Sprintf("%s %d of %d", command.Visible(queue.Queue), queue.Length, queue.Limit)
		if queue.Dropped > 0 {
			text += styled(v.theme.Warning, fmt.Sprintf("  %s dropped", grouped(queue.Dropped)))
		}
		lines = append(lines, v.labelled(once("queues", i), text))
	}
	return lines
}

func (v *view) peers() []string {
	var lines []string
	for i := range v.Status.Peers {
		lines = append(lines, v.labelled(once("links", i), v.peer(&v.Status.Peers[i])))
	}
	return lines
}

func (v *view) peer(p *protocol.PeerStatus) string {
	text := styled(v.theme.Good, v.theme.Glyphs.Good) + " " + fit(command.Visible(p.Replica), 4)
	if !p.Connected {
		text = styled(v.theme.Bad, v.theme.Glyphs.Down) + " " + fit(command.Visible(p.Replica), 4) + "not connected"
	} else {
		text += "rtt " + micros(p.RTTMicros) + " ms"
	}
	if !p.LastHeard.IsZero() {
		text += "  heard " + span(v.console.Now.Sub(p.LastHeard)) + " ago"
	}
	return text
}

func (v *view) faults() []string {
	var lines []string
	for i := range v.Status.Faults {
		f := &v.Status.Faults[i]
		text := fmt.Sprintf("%d  %s  by %s", f.ID, command.Visible(f.Fault), command.Visible(f.Owner))
		if !f.Until.IsZero() {
			text += "  ends in " + span(f.Until.Sub(v.console.Now))
		}
		lines = append(lines, v.labelled(once("faults", i), styled(v.theme.Warning, text)))
	}
	return lines
}

// errors are the newest lines of level error of its log.
func (v *view) errors() []string {
	var lines []string
	for i := range v.Status.LastErrors {
		line := &v.Status.LastErrors[i]
		text := line.Time.In(v.console.Now.Location()).Format(clockFormat) + " " + command.Visible(line.Text)
		lines = append(lines, v.labelled(once("errors", i), styled(v.theme.Bad, text)))
	}
	return lines
}

// megabytes writes bytes as millions, with one digit behind the point.
func megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }

// once is a label on the first of several rows.
func once(label string, row int) string {
	if row > 0 {
		return ""
	}
	return label
}
