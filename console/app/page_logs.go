package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/command"
	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// logsPage is the log of all replicas and of this program as one list.
type logsPage struct {
	panes
	view    state.LogView
	time    panel.LogTime
	wrap    bool
	details bool
	size    panel.Size // of the last drawing
}

func newLogsPage() *logsPage { return &logsPage{} }

func (p *logsPage) title() (long, short string) { return "Logs", "Logs" }

func (p *logsPage) paneNames() []string { return []string{"lines", "chosen line"} }

func (p *logsPage) want() state.Want { return state.Want{} }

func (p *logsPage) bindings() []binding {
	list := []binding{
		{"↑ ↓ j k", "line", []string{"up", "k"}, p.moving(-1)},
		{"", "", []string{"down", "j"}, p.moving(1)},
		{"f", "follow, or stay where it is", []string{"f"}, p.doing((*logsPage).toggleFollow)},
		{"E W", "errors, the next one (E) and the one before (W); warnings where there is none", []string{"E"}, p.finding(false)},
		{"", "", []string{"W"}, p.finding(true)},
		{"L", "level, the least that is seen: debug, info, warn, error", []string{"L"}, p.doing((*logsPage).nextLevel)},
		{"s", "source, each alone and then all again", []string{"s"}, p.doing((*logsPage).nextSource)},
		{"x", "hide, the source of the chosen line; with s all come back", []string{"x"}, p.doing((*logsPage).hideSource)},
		{"& !", "and, another term to the filter; ! turns the sense of the last one", []string{"&"}, p.another},
		{"", "", []string{"!"}, func(m *Model) tea.Cmd { return m.setFilter(filterOf(p).Invert()) }},
		{"Enter", "details, the chosen line taken apart", []string{"enter"}, p.doing((*logsPage).toggleDetails)},
		{"R", "request, all lines of the same one", []string{"R"}, p.relating(func(r, _, _ state.LogField) state.LogField { return r })},
		{"K", "key, all lines of the same one", []string{"K"}, p.relating(func(_, k, _ state.LogField) state.LogField { return k })},
		{"S", "slot, shows it in the Ledger", []string{"S"}, p.toSlot},
		{"m", "mark, draws a line below what is chosen; M takes all away", []string{"m"}, p.doing((*logsPage).mark)},
		{"", "", []string{"M"}, p.doing((*logsPage).unmark)},
		{"t", "time, the clock of each replica, that of this console, how long ago, from the chosen line", []string{"t"}, p.doing((*logsPage).nextTime)},
		{"w", "wrap, breaks long lines instead of cutting them", []string{"w"}, p.doing((*logsPage).toggleWrap)},
	}
	pages := []binding{
		{"PgUp PgDn", "page", []string{"pgup"}, p.paging(-1)},
		{"", "", []string{"pgdown"}, p.paging(1)},
		{"g G", "first line, and the newest one, which is followed", []string{"g", "home"}, p.doing((*logsPage).first)},
		{"", "", []string{"G", "end"}, p.doing((*logsPage).last)},
	}
	return append(list, pages...)
}

// filterOf gives the filter in force.
func filterOf(p *logsPage) *state.LogFilter {
	f := p.view.Filter()
	return &f
}

// logs is what the page shows. The view is brought up to it first: the screen may have been frozen in between.
func (p *logsPage) logs(c *state.Console) *state.Logs {
	p.view.Advance(&c.Logs, state.LogScanLines)
	return &c.Logs
}

// doing makes a key of an act that may have something to say.
func (p *logsPage) doing(do func(*logsPage, *state.Console) string) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		if text := do(p, m.known()); text != "" {
			return m.say(text)
		}
		return nil
	}
}

func (p *logsPage) moving(by int) func(*Model) tea.Cmd {
	return p.doing(func(p *logsPage, c *state.Console) string {
		p.view.Move(p.logs(c), by, p.rows())
		return ""
	})
}

func (p *logsPage) paging(pages int) func(*Model) tea.Cmd {
	return p.doing(func(p *logsPage, c *state.Console) string {
		by := pages * max(p.visible()-1, 1)
		p.view.Move(p.logs(c), by, p.rows())
		return ""
	})
}

func (p *logsPage) finding(back bool) func(*Model) tea.Cmd {
	return p.doing(func(p *logsPage, c *state.Console) string { return p.find(c, back) })
}

// rows is how many lines are sure to be seen, from the chosen one up: broken lines take more rows.
func (p *logsPage) rows() int {
	if p.wrap {
		return 1
	}
	return p.visible()
}

func (p *logsPage) visible() int {
	if p.size.Height == 0 {
		return logsRowsUnseen
	}
	return panel.LogsRows(p.size, p.drawn())
}

// logsRowsUnseen is what is taken for the rows of a page before it was drawn.
const logsRowsUnseen = 20

// drawn is what panel is told.
func (p *logsPage) drawn() panel.LogsView {
	return panel.LogsView{
		View: &p.view, Time: p.time, Wrap: p.wrap, Details: p.details, Pane: p.at, Alone: p.alone,
	}
}

func (p *logsPage) observe(c *state.Console) { p.view.Advance(&c.Logs, state.LogScanLines) }

func (p *logsPage) draw(c *state.Console, t *theme.Theme, size panel.Size) string {
	p.size = size
	p.logs(c)
	return panel.Logs(c, t, size, p.drawn())
}

func (p *logsPage) closeDetails() bool {
	open := p.details
	p.details = false
	return open
}

func (p *logsPage) toggleDetails(*state.Console) string {
	p.details = !p.details
	return ""
}

func (p *logsPage) toggleFollow(c *state.Console) string {
	p.view.Follow(p.logs(c), !p.view.Following())
	if p.view.Following() {
		return "the newest line is followed"
	}
	return "stays here; new lines keep coming in below"
}

func (p *logsPage) first(c *state.Console) string {
	p.view.First(p.logs(c), p.rows())
	return ""
}

func (p *logsPage) last(c *state.Console) string {
	p.view.Follow(p.logs(c), true)
	return ""
}

// find goes to another error, or to a warning if there are only those.
func (p *logsPage) find(c *state.Console, back bool) string {
	for _, level := range []slog.Level{slog.LevelError, slog.LevelWarn} {
		around, ok := p.view.Find(p.logs(c), level, back, p.rows())
		switch {
		case ok && level == slog.LevelWarn:
			return "no errors, this is a warning"
		case ok && around && back:
			return "from the end again"
		case ok && around:
			return "from the beginning again"
		case ok:
			return ""
		}
	}
	return "no errors and no warnings among these lines"
}

// nextLevel raises the least level, and begins anew behind the highest.
func (p *logsPage) nextLevel(c *state.Console) string {
	f := p.view.Filter()
	if f.Level += slog.LevelInfo - slog.LevelDebug; f.Level > slog.LevelError {
		f.Level = slog.LevelDebug
	}
	p.change(c, f)
	return "level " + f.Level.String() + " and above"
}

// change sets another filter and finds its newest lines at once.
func (p *logsPage) change(c *state.Console, filter state.LogFilter) {
	p.view.SetFilter(filter)
	p.logs(c)
}

func (p *logsPage) nextSource(c *state.Console) string {
	f, sources := p.view.Filter(), c.Logs.Sources
	at, sole := f.Sole(len(sources))
	switch {
	case sole && at == len(sources)-1:
		at = -1
	case sole:
		at++
	case f.All(len(sources)):
		at = 0
	default: // some were hidden
		at = -1
	}
	if len(sources) == 0 {
		return "there are no sources yet"
	}
	p.change(c, f.Only(at))
	if at < 0 {
		return "all sources"
	}
	return "only " + command.Visible(sources[at].Name)
}

func (p *logsPage) hideSource(c *state.Console) string {
	row, ok := p.view.Chosen(p.logs(c))
	if !ok || row.Source == nil {
		return "choose a line first"
	}
	p.change(c, p.view.Filter().Toggle(row.Place.Source))
	return command.Visible(row.Source.Name) + " is hidden, s brings all back"
}

// another opens the filter for one more term.
func (p *logsPage) another(m *Model) tea.Cmd {
	m.openFilter()
	return m.setFilter(filterOf(p).And())
}

// relating makes a key that shows all lines with the same field as the chosen one.
func (p *logsPage) relating(which func(request, key, slot state.LogField) state.LogField) func(*Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		row, ok := p.view.Chosen(p.logs(m.known()))
		if !ok || row.Line == nil {
			return m.say("choose a line first")
		}
		field := which(panel.LogRelations(row.Line))
		if field.Value == "" {
			return m.say("the chosen line names none")
		}
		p.view.Follow(p.logs(m.known()), false)
		return m.setFilter(state.LogExactly(field))
	}
}

// toSlot shows the slot of the chosen line on the page of slots.
func (p *logsPage) toSlot(m *Model) tea.Cmd {
	row, ok := p.view.Chosen(p.logs(m.known()))
	if !ok || row.Line == nil {
		return m.say("choose a line first")
	}
	_, _, field := panel.LogRelations(row.Line)
	if field.Value == "" {
		return m.say("the chosen line names no slot")
	}
	for at, other := range m.pages {
		if ledger, ok := other.(*ledgerPage); ok {
			m.open(at)
			ledger.view.Number = field.Value
			return ledger.arrive(m)
		}
	}
	return nil
}

func (p *logsPage) mark(c *state.Console) string {
	return "mark " + p.view.Mark(p.logs(c), c.Now.UnixNano()) + ", M takes all marks away"
}

func (p *logsPage) unmark(*state.Console) string {
	if p.view.Unmark() {
		return "all marks are taken away"
	}
	return "there are no marks"
}

func (p *logsPage) nextTime(*state.Console) string {
	p.time = (p.time + 1) % panel.LogTimes
	return "times are told by " + p.time.String()
}

func (p *logsPage) toggleWrap(c *state.Console) string {
	p.wrap = !p.wrap
	if row, ok := p.view.Chosen(p.logs(c)); ok && !p.view.Following() {
		p.view.Choose(p.logs(c), row.Place, p.rows())
	}
	if p.wrap {
		return "long lines are broken"
	}
	return "long lines are cut"
}

func (p *logsPage) filter(c *state.Console, text string) string {
	f, err := p.view.Filter().Search(text)
	if err != nil {
		return err.Error()
	}
	if f.Text() != filterOf(p).Text() {
		p.change(c, f)
	}
	return `a regular expression; small letters match capitals; " & " joins terms, ! before one inverts it`
}

func (p *logsPage) next(c *state.Console, back bool) {
	by := 1
	if back {
		by = -1
	}
	p.view.Move(p.logs(c), by, p.rows())
}

// click chooses a line; the wheel moves.
func (p *logsPage) click(m *Model, event tea.MouseMsg) tea.Cmd {
	logs := p.logs(m.known())
	switch event.Button {
	case tea.MouseButtonWheelUp:
		p.view.Move(logs, -wheelRows, p.rows())
	case tea.MouseButtonWheelDown:
		p.view.Move(logs, wheelRows, p.rows())
	default:
		if place, ok := panel.LogsAt(m.known(), p.size, p.drawn(), event.Y); ok {
			p.view.Choose(logs, place, p.rows())
		}
	}
	return nil
}

// wheelRows is how far one turn of the wheel goes.
const wheelRows = 3

// selection is the chosen line as one row of text.
func (p *logsPage) selection(c *state.Console) string {
	row, ok := p.view.Chosen(p.logs(c))
	if !ok || row.Line == nil {
		return ""
	}
	at := time.Unix(0, row.Line.Time).UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Sprintf("%s %s %s %s", at, row.Line.Level, row.Source.Name, row.Line.Text)
}

func (p *logsPage) formats() []string { return []string{"json"} }

// logExportMax bounds the lines of an export, the newest ones: it is made while a person waits.
const logExportMax = 20_000

// logExport is one line of an export.
type logExport struct {
	V        int               `json:"v"` // grows when the meaning of a field changes
	Time     time.Time         `json:"time"`
	OffsetMS float64           `json:"offset_ms"` // how far the clock of that time is before this console's
	Level    string            `json:"level"`
	Source   string            `json:"source"`
	Sequence uint64            `json:"sequence,omitempty"`
	Message  string            `json:"message"`
	Fields   map[string]string `json:"fields,omitempty"`
	Remark   bool              `json:"remark,omitempty"` // said by the console about the log
	Mark     string            `json:"mark,omitempty"`
}

// export writes what the filter lets through as JSON lines.
func (p *logsPage) export(c *state.Console, _ string) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for _, row := range p.view.All(p.logs(c), logExportMax) {
		line := logExport{V: 1}
		if row.Mark != nil {
			line.Time, line.Mark = time.Unix(0, row.Mark.At).UTC(), row.Mark.Name
		} else {
			line.Time, line.OffsetMS = time.Unix(0, row.Line.Time).UTC(), float64(row.Line.Time-row.Line.At)/1e6
			line.Level, line.Source, line.Sequence = row.Line.Level.String(), row.Source.Name, row.Line.Sequence
			line.Message, line.Remark = row.Line.Said(), row.Line.Remark
			for _, field := range row.Line.Fields() {
				if line.Fields == nil {
					line.Fields = map[string]string{}
				}
				line.Fields[field.Key] = field.Value
			}
			if row.Line.Message == 0 {
				line.Message = row.Line.Text // not of our own loggers: as it came
			}
		}
		_ = encoder.Encode(line) // a buffer takes everything, and nothing in it fails to encode
	}
	return out.Bytes()
}
