package command

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// commandWidth is the room that a row has for the command.
const commandWidth = 30

// Text is the Writer for people: one row for each result, tables for reports, notes and the summary beside them.
// It writes no escape sequences, so it serves terminals, pipes and files alike.
type Text struct {
	out   io.Writer // results and reports
	notes io.Writer // notes and the summary
}

// NewText makes a Text. Errors of the writers are ignored: the run goes on when nobody reads.
func NewText(out, notes io.Writer) *Text { return &Text{out: out, notes: notes} }

// Result writes one row, and the pairs of a scan below it.
func (t *Text) Result(r Result) { fmt.Fprint(t.out, RenderResult(r)) }

// Report writes the rows in columns.
func (t *Text) Report(r Report) { fmt.Fprint(t.out, RenderReport(r)) }

// Note writes one line with its time.
func (t *Text) Note(n Note) {
	fmt.Fprintf(t.notes, "# %s %s\n", n.Time.Format("15:04:05.000"), RenderNote(n))
}

// Summary writes one line.
func (t *Text) Summary(s Summary) { fmt.Fprintf(t.notes, "# %s\n", s.String()) }

// RenderNote gives a note on one line without its time.
func RenderNote(n Note) string {
	switch {
	case n.At.Line == 0 || strings.HasPrefix(n.Text, n.At.File+":") && n.At.File != "":
		return n.Text
	default:
		return fmt.Sprintf("line %d: %s", n.At.Line, n.Text)
	}
}

// RenderResult gives a result as a row that ends with a line end; a scan has one more line for each pair.
func RenderResult(r Result) string {
	var row strings.Builder
	if r.At.Line > 0 {
		fmt.Fprintf(&row, "%3d  ", r.At.Line)
	}
	fmt.Fprintf(&row, "%s %-3s", pad(cutTo(r.Command, commandWidth), commandWidth), r.Replica)
	if r.Status == string(Unreachable) && r.Reply.Err != nil {
		fmt.Fprintf(&row, " %s: %s\n", r.Status, Visible(r.Reply.Err.Error()))
		return row.String()
	}
	fmt.Fprintf(&row, " %s %-20s %8s\n", pad(outcome(r), 20), progress(r), latency(r.Reply.Latency))
	for _, pair := range r.Reply.Pairs {
		fmt.Fprintf(&row, "     %s %s\n", pad(Plain(string(pair.Key)), commandWidth), pairText(r, pair))
	}
	if r.Reply.More && len(r.Reply.Pairs) > 0 {
		last := r.Reply.Pairs[len(r.Reply.Pairs)-1]
		fmt.Fprintf(&row, "     … there are more: %s after=%s\n", r.Command, Plain(string(last.Key)))
	}
	return row.String()
}

func pairText(r Result, pair Pair) string {
	revision := fmt.Sprintf("revision %d", pair.Revision)
	if !r.Request.Values {
		return revision
	}
	return fmt.Sprintf("%s %s", pad(cut(FormatValue(pair.Value, r.Format)), 22), revision)
}

// outcome is the word or the value in a row's middle.
func outcome(r Result) string {
	switch {
	case r.Status != StatusOK:
		return r.Status
	case r.Verb == string(Get):
		return cut(FormatValue(r.Reply.Value, r.Format))
	case r.Verb == string(Scan):
		return plural(len(r.Reply.Pairs), "key")
	}
	return StatusOK
}

// progress tells where an update was chosen, or up to where a read has seen.
func progress(r Result) string {
	reply := r.Reply
	var words []string
	if reply.Slot > 0 {
		words = append(words, fmt.Sprintf("slot %d", reply.Slot))
	}
	if reply.Applied > 0 {
		words = append(words, fmt.Sprintf("index %d", reply.Applied))
	}
	if reply.Revision > 0 {
		words = append(words, fmt.Sprintf("rev %d", reply.Revision))
	}
	if len(r.Faults) > 0 {
		words = append(words, someOf(r.Faults))
	}
	return strings.Join(words, " ")
}

// someOf lists ids where there is room for three.
func someOf(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s %s … %s", names[0], names[1], names[len(names)-1])
}

func latency(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// pad fills text with spaces to a width in characters.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// FormatValue shows a value safely in the given format: "text" (quoted), "hex", "base64" or "json".
func FormatValue(value []byte, format string) string {
	switch format {
	case "hex":
		return hex.EncodeToString(value)
	case "base64":
		return base64.StdEncoding.EncodeToString(value)
	case "json":
		if text, err := json.Marshal(string(value)); err == nil && utf8.Valid(value) {
			return string(text)
		}
		return `{"base64":"` + base64.StdEncoding.EncodeToString(value) + `"}`
	}
	return Quote(string(value))
}

// RenderReport gives a report in aligned columns, numbers to the right.
func RenderReport(r Report) string {
	rows := r.Rows
	headings, right := make([]string, len(r.Columns)), make([]bool, len(r.Columns))
	for i, name := range r.Columns {
		headings[i], right[i] = strings.CutPrefix(name, "#")
	}
	if len(headings) > 0 && !r.More {
		rows = append([][]string{headings}, rows...)
	}
	var widths []int
	for _, row := range append([][]string{headings}, rows...) {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if i < len(row)-1 || i < len(right) && right[i] { // the last cell of a row needs no room behind it
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	var text strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			switch {
			case i < len(right) && right[i]:
				line.WriteString(strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell))) + cell + "  ")
			case i == len(row)-1:
				line.WriteString(cell)
			default:
				line.WriteString(pad(cell, widths[i]+2))
			}
		}
		text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return text.String()
}

// Values is the Writer of one plain command, such as `synod get K`, whose output is data: the value and one line end,
// without any decoration. Failures go to the notes.
type Values struct {
	out, notes io.Writer
	options    ValuesOptions
	text       *Text
}

// ValuesOptions say for whom a Values writes.
type ValuesOptions struct {
	Raw      bool // no line end behind a value
	Terminal bool // out is a terminal: values lose what it would obey, and updates are confirmed by a row
}

// NewValues makes a Values. Errors of the writers are ignored, as in [NewText].
func NewValues(out, notes io.Writer, options ValuesOptions) *Values {
	return &Values{out: out, notes: notes, options: options, text: NewText(out, notes)}
}

// Result writes the value of a get and the keys of a scan. The rest has no data: the exit code tells.
func (v *Values) Result(r Result) {
	switch {
	case r.Status == StatusMissing:
		fmt.Fprintf(v.notes, "synod: key %s not found\n", strings.TrimPrefix(r.Command, "get "))
	case r.Failed():
	case r.Verb == string(Get):
		_, _ = v.out.Write(v.value(r))
	case r.Verb == string(Scan):
		for _, pair := range r.Reply.Pairs {
			line := Plain(string(pair.Key))
			if r.Request.Values {
				line += "\t" + FormatValue(pair.Value, r.Format)
			}
			fmt.Fprintln(v.out, line)
		}
		if r.Reply.More {
			fmt.Fprintln(v.notes, "synod: there are more keys, give limit= or after=")
		}
	case v.options.Terminal:
		v.text.Result(r)
	}
}

// value gives what is written for a value.
func (v *Values) value(r Result) []byte {
	value := r.Reply.Value
	switch {
	case r.Format != "" && r.Format != "text":
		value = []byte(FormatValue(value, r.Format))
	case v.options.Terminal: // line ends may stay, they do no harm
		lines := strings.Split(string(value), "\n")
		for i := range lines {
			lines[i] = Visible(lines[i])
		}
		value = []byte(strings.Join(lines, "\n"))
	}
	if v.options.Raw {
		return value
	}
	return append(value[:len(value):len(value)], '\n')
}

// Report writes the rows in columns.
func (v *Values) Report(r Report) { v.text.Report(r) }

// Note writes one line without a time.
func (v *Values) Note(n Note) { fmt.Fprintf(v.notes, "synod: %s\n", RenderNote(n)) }

// Summary writes nothing: one command has no summary.
func (v *Values) Summary(Summary) {}

// age writes how long something has lasted, to the second, and from an hour on to the minute.
func age(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}
