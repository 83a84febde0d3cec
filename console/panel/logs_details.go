package panel

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// logsDetails is the chosen line, taken apart.
func logsDetails(c *state.Console, t *theme.Theme, size Size, v *LogsView) string {
	width, rows := size.Width, size.Height
	if framed(width, rows) {
		width, rows = width-frameCells, rows-frameCells
	}
	frame := pane{
		title: "Chosen line", width: size.Width, height: size.Height, focused: v.Pane == LogsDetails,
	}
	row, ok := v.View.Chosen(&c.Logs)
	switch {
	case !ok:
		return frame.draw(t, []string{styled(t.Quiet, " none")})
	case row.Mark != nil:
		return frame.draw(t, []string{
			" mark " + row.Mark.Name + ", drawn at " +
				time.Unix(0, row.Mark.At).In(c.Now.Location()).Format(clockFormat),
			styled(t.Quiet, " M takes all marks away"),
		})
	}
	top := []string{
		logDetail(t, "message", logMessage(t, &row)),
		logDetail(t, "time", logTime(t, &row)),
	}
	var bottom []string
	if text := meaning(row.Line); text != "" {
		bottom = append(bottom, logDetail(t, "meaning", text))
	}
	if text := logRelated(row.Line); text != "" {
		bottom = append(bottom, logDetail(t, "related", text))
	}
	room := max(rows-len(top)-len(bottom), 0)
	fields := logFields(t, row.Line, width)
	if len(fields) > room && room > 0 {
		more := len(fields) - room + 1
		fields = append(fields[:room-1], styled(t.Quiet, fmt.Sprintf("           … %d rows more, + enlarges", more)))
	}
	lines := append(top, fields[:min(len(fields), room)]...)
	return frame.draw(t, append(lines, bottom...))
}

// logLabel is the width of the labels.
const logLabel = 9

func logDetail(t *theme.Theme, label, text string) string {
	return " " + styled(t.Quiet, fit(label, logLabel)) + " " + text
}

func logMessage(t *theme.Theme, row *state.LogRow) string {
	text := styled(t.Title, command.Visible(clipped(row.Line.Said(), 400)))
	if row.Line.Remark {
		return text + "   said by this console"
	}
	return text + fmt.Sprintf("   level %s   source %s   line %s", row.Line.Level, command.Visible(row.Source.Name),
		grouped(row.Line.Sequence))
}

// logTime is the source's own time and how far its clock is off.
func logTime(t *theme.Theme, row *state.LogRow) string {
	own := time.Unix(0, row.Line.Time).UTC().Format("2006-01-02T15:04:05.000000Z")
	source := row.Source
	if source.Accuracy == 0 {
		return own + styled(t.Quiet, "  its clock has not been compared with ours")
	}
	milliseconds := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
	switch {
	case source.Offset == 0 && source.Accuracy < time.Microsecond:
		return own // our own clock
	case source.Offset == 0:
		return own + styled(t.Quiet, "  its clock is ours, ± "+milliseconds(source.Accuracy))
	}
	side := "ahead of"
	if source.Offset < 0 {
		side = "behind"
	}
	return own + styled(t.Quiet, fmt.Sprintf("  by its own clock, %s %s ours, ± %s",
		milliseconds(source.Offset.Abs()), side, milliseconds(source.Accuracy)))
}

// logFields shows the fields of a line, as many in a row as fit.
func logFields(t *theme.Theme, line *state.LogLine, width int) []string {
	var rows []string
	indent := strings.Repeat(" ", logLabel+2)
	text, cells := "", 0
	for _, field := range line.Fields() {
		key, value := command.Visible(field.Key), command.Visible(field.Value)
		if value == "" {
			value = `""`
		}
		need := ansi.StringWidth(key) + 1 + ansi.StringWidth(value) + 3
		if cells > 0 && cells+need > width-len(indent) {
			rows, text, cells = append(rows, indent+text), "", 0
		}
		text += styled(t.Quiet, key) + " " + value + "   "
		cells += need
	}
	if cells > 0 {
		rows = append(rows, indent+text)
	}
	if len(rows) == 0 && line.Message == 0 {
		return []string{indent + command.Visible(line.Rest())}
	}
	return rows
}

// LogRelations gives the fields of a line by which related ones are found: the request, the key, the slot.
func LogRelations(line *state.LogLine) (request, key, slot state.LogField) {
	for _, field := range line.Fields() {
		switch field.Key {
		case "req":
			request = field
		case "key":
			key = field
			// The client's log has keys in quotes, to tell bytes apart.
			if bare, ok := strings.CutPrefix(key.Value, `"`); ok {
				key.Value = strings.TrimSuffix(bare, `"`)
			}
		case "slot":
			slot = field
		}
	}
	return request, key, slot
}

func logRelated(line *state.LogLine) string {
	request, key, slot := LogRelations(line)
	var words []string
	if request.Value != "" {
		words = append(words, "R all lines with req="+command.Visible(clipped(request.Value, 40)))
	}
	if key.Value != "" {
		words = append(words, "K all lines with key="+command.Visible(clipped(key.Value, 40)))
	}
	if slot.Value != "" {
		words = append(words, "S slot "+command.Visible(clipped(slot.Value, 20))+" in the Ledger")
	}
	return strings.Join(words, "     ")
}

// meaning explains a line whose words alone do not say what follows from it.
func meaning(line *state.LogLine) string {
	outcome, _ := line.Field("outcome")
	switch said := line.Said(); {
	case line.Remark && strings.Contains(said, "new process"):
		return "The process was started anew. What the old one logged in its last moments may be only in its file."
	case line.Remark:
		return "There is a gap here: the replica logs faster than it is read, or it has forgotten what was not read in time."
	case said == "request not sent":
		return "Nothing has reached the replica: the request has no effect and may be sent again."
	case outcome == "unknown" || said == "no answer":
		return "The request may or may not be applied. retry sends it again under the same id: applied at most once."
	case said == "late reply":
		return "The answer came after the deadline: it does not change what was reported, but tells what became of it."
	case said == "link down":
		return "This replica has lost its connection to a peer. Slots are chosen as long as a majority hears the leader."
	case said == "stuck":
		return "A slot below chosen ones is not applied here yet; the learner asks the others for it."
	case said == "following", said == "leading", said == "canvassing", said == "preparing":
		return "A step of the election of a leader. It decides who proposes, never what was chosen."
	case said == "fault injected":
		return "An operator or the random schedule broke this on purpose; Faults lists what is in force, u undoes ours."
	case said == "request lines left out":
		return "Lines of single requests are sampled under load; log.requests = \"all\" in the configuration logs each."
	}
	return ""
}
