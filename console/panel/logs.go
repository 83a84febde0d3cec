package panel

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// LogTime is how the time of a line is told.
type LogTime int

// The ways to tell the time.
const (
	SourceTime  LogTime = iota // the clock of who has logged it
	ConsoleTime                // the same by this console's clock, by which lines are in order
	LogAge                     // how long ago
	LogSince                   // how long before or after the chosen line
	LogTimes                   // the number of ways
)

// String says whose time it is.
func (f LogTime) String() string {
	return [...]string{"the clock of each replica", "the clock of this console", "how long ago", "from the chosen line"}[f]
}

// The panes of the logs, in the order of Tab.
const (
	LogsList = iota
	LogsDetails
)

// LogsView is what a person has chosen on the logs.
type LogsView struct {
	View    *state.LogView
	Time    LogTime
	Wrap    bool
	Details bool // open, where there is no room for them all the time
	Pane    int
	Alone   bool
}

// Sizes of the logs.
const (
	logsDetailsRows = 8  // of the pane of the chosen line
	logsDetailsMin  = 28 // rows from which it is always there
	logsBothMin     = 14 // rows from which it can be opened below the list
	logsColumnsMin  = 96 // cells from which messages have a column
	logsLevelMin    = 60 // cells from which levels are whole words
	logsMessage     = 24 // cells of that column
)

// split shares out the height between list and details; 0 is not seen.
func (v *LogsView) split(size Size) (list, details int) {
	switch {
	case v.Alone && (v.Pane == LogsDetails || v.Details):
		return 0, size.Height
	case v.Alone:
		return size.Height, 0
	case size.Height >= logsDetailsMin || v.Details && size.Height >= logsBothMin:
		return size.Height - logsDetailsRows, logsDetailsRows
	case v.Details || v.Pane == LogsDetails:
		return 0, size.Height
	}
	return size.Height, 0
}

// LogsRows is how many lines of the list are seen at that size, if none is broken into several.
func LogsRows(size Size, v LogsView) int {
	list, _ := v.split(size)
	if framed(size.Width, list) {
		list -= frameCells
	}
	return max(list, 1)
}

// Logs draws the merged list of lines, and the chosen one taken apart.
func Logs(c *state.Console, t *theme.Theme, size Size, v LogsView) string {
	list, details := v.split(size)
	var parts []string
	if list > 0 {
		parts = append(parts, logsList(c, t, Size{size.Width, list}, &v))
	}
	if details > 0 {
		parts = append(parts, logsDetails(c, t, Size{size.Width, details}, &v))
	}
	return strings.Join(parts, "\n")
}

// LogsAt gives the place of the line at a row and column of what Logs has drawn; false if there is none.
func LogsAt(c *state.Console, size Size, v LogsView, y int) (state.LogPlace, bool) {
	list, _ := v.split(size)
	if framed(size.Width, list) {
		y--
	}
	if v.Wrap || y < 0 || y >= LogsRows(size, v) || list == 0 {
		return state.LogPlace{}, false
	}
	rows := v.View.Rows(&c.Logs, LogsRows(size, v))
	if y >= len(rows) {
		return state.LogPlace{}, false
	}
	return rows[y].Place, true
}

// logsDraw is one drawing of the list.
type logsDraw struct {
	*LogsView
	console *state.Console
	theme   *theme.Theme
	filter  state.LogFilter
	chosen  state.LogPlace
	at      int64 // time of the chosen line
	names   int   // cells of the longest source
	width   int
}

func logsList(c *state.Console, t *theme.Theme, size Size, v *LogsView) string {
	width, rows := size.Width, size.Height
	if framed(width, rows) {
		width, rows = width-frameCells, rows-frameCells
	}
	d := logsDraw{LogsView: v, console: c, theme: t, filter: v.View.Filter(), width: width}
	for i := range c.Logs.Sources {
		d.names = max(d.names, ansi.StringWidth(command.Visible(c.Logs.Sources[i].Name)))
	}
	if row, ok := v.View.Chosen(&c.Logs); ok {
		d.chosen, d.at = row.Place, row.Place.At
	}
	var lines []string
	for _, row := range v.View.Rows(&c.Logs, rows) {
		lines = append(lines, d.lines(&row)...)
	}
	if len(lines) == 0 {
		lines = d.nothing()
	}
	lines = lines[max(len(lines)-rows, 0):] // broken lines: the newest are seen
	counts := v.View.Count(&c.Logs)
	note := d.note(&counts)
	return pane{
		title: d.title(note), note: note, width: size.Width, height: size.Height, focused: v.Pane == LogsList,
	}.draw(t, lines)
}

// title names what the filter lets through, in as many words as leave room for the note.
func (d *logsDraw) title(note string) string {
	level, sources, searched := " level≥"+d.filter.Level.String(), d.sources(true), d.filter.Text()
	if searched != "" {
		searched = " /" + command.Visible(searched) + "/"
	}
	room := d.width - ansi.StringWidth(note) - 5 // spaces and corners
	for _, words := range []string{
		"Logs" + level + sources + searched, "Logs" + level + d.sources(false) + searched, "Logs" + searched, "Logs",
	} {
		if ansi.StringWidth(words) <= room {
			return words
		}
	}
	return "Logs"
}

// sources names the sources, or only those that are not as they should be.
func (d *logsDraw) sources(all bool) string {
	text := ""
	for i := range d.console.Logs.Sources {
		source := &d.console.Logs.Sources[i]
		name := command.Visible(source.Name)
		switch {
		case !d.filter.Shows(i):
			name = "-" + name
		case !source.Live:
			name += d.theme.Glyphs.Down
		case !all:
			continue
		}
		text += " " + name
	}
	return text
}

// note says how much was found, and whether it is followed.
func (d *logsDraw) note(counts *state.LogCounts) string {
	t := d.theme
	follow := styled(t.Good, t.Glyphs.Follow+" FOLLOW")
	if !d.View.Following() {
		follow = styled(t.Warning, fmt.Sprintf("%s PAUSED, %s new (f)", t.Glyphs.Paused, grouped(uint64(counts.New))))
	}
	words := []string{follow}
	if d.width >= logsLevelMin {
		words = append(words, grouped(uint64(counts.Lines))+" lines")
	}
	if counts.Warnings > 0 {
		words = append(words, styled(t.Warning, grouped(uint64(counts.Warnings))+" warn"))
	}
	if counts.Errors > 0 {
		words = append(words, styled(t.Bad, grouped(uint64(counts.Errors))+" error"))
	}
	if counts.Unseen > 0 {
		words = append(words, "looking at "+grouped(uint64(counts.Unseen))+" more")
	}
	return strings.Join(words, "  ")
}

// nothing says why the list is empty.
func (d *logsDraw) nothing() []string {
	counts := d.View.Count(&d.console.Logs)
	live := false
	for i := range d.console.Logs.Sources {
		live = live || d.console.Logs.Sources[i].Live
	}
	text := " no lines yet"
	switch {
	case counts.Unseen > 0:
		text = " looking…"
	case d.filter.Text() != "":
		text = " no line matches: Esc takes the filter back, L shows lower levels, s other sources"
	case len(d.console.Logs.Sources) > 0 && !live:
		text = " no replica is reached: the lines of this program are under client"
	case d.filter.Level > slog.LevelDebug:
		text = " no lines of this level yet: L shows lower ones"
	}
	return []string{styled(d.theme.Quiet, text)}
}

// lines draws one line, on several rows if it is broken.
func (d *logsDraw) lines(row *state.LogRow) []string {
	if row.Mark != nil {
		return []string{d.mark(row)}
	}
	head := d.head(row)
	room := max(d.width-ansi.StringWidth(head)-2, 1)
	chosen := row.Place == d.chosen
	text, body := "", d.body(row, room)
	if !chosen {
		head, body = d.headStyled(row), d.highlighted(row, body)
	}
	parts := []string{body}
	if d.Wrap {
		parts = strings.Split(ansi.Wrap(body, room, ""), "\n")
	}
	var lines []string
	for i, part := range parts {
		text = " " + head + " " + part
		if i > 0 {
			text = strings.Repeat(" ", d.width-room) + part
		}
		if chosen {
			sign := d.theme.Glyphs.Select
			if i > 0 {
				sign = " "
			}
			text = d.theme.Select.Render(fit(sign+strings.TrimPrefix(text, " "), d.width))
		}
		lines = append(lines, fit(text, d.width))
	}
	return lines
}

// mark is the line that a person has drawn.
func (d *logsDraw) mark(row *state.LogRow) string {
	dash := d.theme.Border.Horizontal
	sign := " "
	if row.Place == d.chosen {
		sign = d.theme.Glyphs.Select
	}
	at := time.Unix(0, row.Mark.At).In(d.console.Now.Location()).Format(clockFormat)
	text := fmt.Sprintf("%s%s mark %s %s ", sign, strings.Repeat(dash, 3), row.Mark.Name, at)
	return styled(d.theme.Info, text+strings.Repeat(dash, max(d.width-ansi.StringWidth(text)-1, 0)))
}

// head is the time, the level and the source.
func (d *logsDraw) head(row *state.LogRow) string {
	level := row.Line.Level.String()
	if d.width < logsLevelMin {
		level = level[:1]
	} else {
		level = right(level, 5)
	}
	return d.clock(row) + " " + level + "  " + fit(command.Visible(row.Source.Name), d.names)
}

func (d *logsDraw) headStyled(row *state.LogRow) string {
	head := d.head(row)
	t := d.theme
	switch level := row.Line.Level; {
	case level >= slog.LevelError:
		return styled(t.Bad, head)
	case level >= slog.LevelWarn:
		return styled(t.Warning, head)
	case level < slog.LevelInfo:
		return styled(t.Quiet, head)
	}
	return head
}

// clock tells the time of a line, always in as many cells.
func (d *logsDraw) clock(row *state.LogRow) string {
	at := row.Line.Time
	switch d.Time {
	case ConsoleTime:
		at = row.Line.At
	case LogAge:
		return right(span(d.console.Now.Sub(time.Unix(0, row.Line.At)))+" ago", len(clockFormat))
	case LogSince:
		return right(fmt.Sprintf("%+.3fs", time.Duration(row.Line.At-d.at).Seconds()), len(clockFormat))
	}
	return time.Unix(0, at).In(d.console.Now.Location()).Format(clockFormat)
}

// body is the message and the fields, without anything that a terminal would obey.
func (d *logsDraw) body(row *state.LogRow, room int) string {
	said, rest := row.Line.Said(), row.Line.Rest()
	if !d.Wrap { // what cannot be seen is not looked at
		said, rest = clipped(said, 4*room), clipped(rest, 4*room)
	}
	said, rest = command.Visible(said), command.Visible(rest)
	switch {
	case row.Line.Remark:
		dash := d.theme.Border.Horizontal
		return dash + " " + said + " " + dash
	case said == "":
		return rest
	case rest == "":
		return said
	case d.width >= logsColumnsMin && !d.Wrap:
		return said + strings.Repeat(" ", max(logsMessage-ansi.StringWidth(said), 0)) + "  " + rest
	}
	return said + "  " + rest
}

// clipped cuts a text to a number of bytes, between letters.
func clipped(text string, bytesMax int) string {
	if len(text) <= bytesMax {
		return text
	}
	for bytesMax > 0 && text[bytesMax]&0xC0 == 0x80 {
		bytesMax--
	}
	return text[:bytesMax]
}

// highlighted shows what the filter has found.
func (d *logsDraw) highlighted(row *state.LogRow, text string) string {
	t := d.theme
	switch {
	case row.Line.Remark:
		return styled(t.Warning, text)
	case row.Line.Level < slog.LevelInfo && d.filter.Text() == "":
		return styled(t.Quiet, text)
	}
	var b strings.Builder
	at := 0
	for _, hit := range d.filter.Hits(text) {
		b.WriteString(text[at:hit[0]] + t.Match.Render(text[hit[0]:hit[1]]))
		at = hit[1]
	}
	return b.String() + text[at:]
}
