package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// formatVersion is the "v" of every object. It grows when a name changes its meaning; new names do not change it.
const formatVersion = 1

// JSON is the Writer for programs: an object on a line for each request, command and row of a report; notes and the
// summary are objects too, beside them. Names are only ever added.
type JSON struct {
	out   io.Writer
	notes io.Writer
}

// NewJSON makes a JSON. Errors of the writers are ignored, as in [NewText].
func NewJSON(out, notes io.Writer) *JSON { return &JSON{out: out, notes: notes} }

// resultObject is a result, with its names in the order in which people read.
type resultObject struct {
	Version  int          `json:"v"`
	Line     int          `json:"line,omitempty"`
	Sequence int          `json:"seq"`
	Time     string       `json:"time"`
	Op       string       `json:"op"`
	Command  string       `json:"command,omitempty"` // of what is no request to the store
	Key      *string      `json:"key,omitempty"`
	KeyB64   []byte       `json:"key_b64,omitempty"` // of bytes that are not UTF-8
	Replica  string       `json:"replica,omitempty"`
	Status   string       `json:"status"`
	Sent     *bool        `json:"sent,omitempty"`
	Outcome  string       `json:"outcome,omitempty"`
	Value    *string      `json:"value,omitempty"`
	ValueB64 []byte       `json:"value_b64,omitempty"`
	Pairs    []pairObject `json:"pairs,omitempty"`
	More     bool         `json:"more,omitempty"`
	Revision uint64       `json:"revision,omitempty"`
	Slot     uint64       `json:"slot,omitempty"`
	Applied  uint64       `json:"applied,omitempty"`
	Latency  json.Number  `json:"latency_ms"`
	Request  string       `json:"req,omitempty"`
	Error    string       `json:"error,omitempty"`
	Faults   []string     `json:"faults,omitempty"`
}

type pairObject struct {
	Key      *string `json:"key,omitempty"`
	KeyB64   []byte  `json:"key_b64,omitempty"`
	Value    *string `json:"value,omitempty"`
	ValueB64 []byte  `json:"value_b64,omitempty"`
	Revision uint64  `json:"revision"`
}

// textOrBytes gives bytes as text if they are UTF-8.
func textOrBytes(data []byte) (text *string, raw []byte) {
	if utf8.Valid(data) {
		whole := string(data)
		return &whole, nil
	}
	return nil, data
}

func timestamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

func latencyMillis(d time.Duration) string {
	return fmt.Sprintf("%.3f", float64(d)/float64(time.Millisecond))
}

// isData tells whether a result is that of a request to the store.
func isData(r *Result) bool { return r.Request.Operation != "" }

// Result writes one object.
func (j *JSON) Result(r Result) {
	object := resultObject{
		Version: formatVersion, Line: r.At.Line, Sequence: r.Sequence, Time: timestamp(r.Time), Op: r.Verb, Replica: r.Replica,
		Status: r.Status, Revision: r.Reply.Revision, Slot: r.Reply.Slot, Applied: r.Reply.Applied, More: r.Reply.More,
		Latency: json.Number(latencyMillis(r.Reply.Latency)), Request: r.Reply.RequestID, Faults: r.Faults,
	}
	if r.Reply.Err != nil {
		object.Error = r.Reply.Err.Error()
	}
	if isData(&r) {
		sent := !r.Reply.unsent()
		object.Sent = &sent
		object.Outcome = r.Reply.Outcome.String()
		if len(r.Request.Key) > 0 {
			object.Key, object.KeyB64 = textOrBytes(r.Request.Key)
		}
	} else {
		object.Command = r.Command
	}
	if r.Request.Operation == Get && r.Status == StatusOK {
		object.Value, object.ValueB64 = textOrBytes(r.Reply.Value)
	}
	for _, pair := range r.Reply.Pairs {
		one := pairObject{Revision: pair.Revision}
		one.Key, one.KeyB64 = textOrBytes(pair.Key)
		if r.Request.Values {
			one.Value, one.ValueB64 = textOrBytes(pair.Value)
		}
		object.Pairs = append(object.Pairs, one)
	}
	writeObject(j.out, object)
}

// writeObject writes a value on one line with nothing in it that a terminal would obey.
func writeObject(w io.Writer, object any) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		panic("command: an object of the output cannot be encoded: " + err.Error())
	}
	_, _ = w.Write(tame(line.Bytes()))
}

// tame escapes the control characters that JSON lets pass.
func tame(line []byte) []byte {
	var out []byte
	for at := 0; at < len(line); {
		char, size := utf8.DecodeRune(line[at:])
		if char >= 0x7f && char < 0xa0 {
			if out == nil {
				out = append(make([]byte, 0, len(line)+16), line[:at]...)
			}
			out = fmt.Appendf(out, `\u%04x`, char)
		} else if out != nil {
			out = append(out, line[at:at+size]...)
		}
		at += size
	}
	if out == nil {
		return line
	}
	return out
}

// Report writes one object for each row.
func (j *JSON) Report(r Report) {
	names := fieldNames(r.Columns)
	for _, row := range r.Rows {
		var line bytes.Buffer
		fmt.Fprintf(&line, `{"v":%d,"report":%s`, formatVersion, jsonText(r.Verb))
		if r.At.Line > 0 {
			fmt.Fprintf(&line, `,"line":%d`, r.At.Line)
		}
		fmt.Fprintf(&line, `,"at":"%s"`, timestamp(r.Time))
		switch {
		case len(names) == 0:
			fmt.Fprintf(&line, `,"text":%s`, jsonText(strings.Join(row, " ")))
		case len(row) == 2 && len(names) > 2: // what could not be found out
			fmt.Fprintf(&line, `,%s:%s,"error":%s`, jsonText(names[0]), jsonText(row[0]), jsonText(row[1]))
		default:
			for i, cell := range row[:min(len(row), len(names))] {
				fmt.Fprintf(&line, `,%s:%s`, jsonText(names[i]), cellJSON(cell, strings.HasPrefix(r.Columns[i], "#")))
			}
		}
		line.WriteString("}\n")
		_, _ = j.out.Write(line.Bytes())
	}
}

func jsonText(text string) string {
	var out bytes.Buffer
	writeObject(&out, text)
	return strings.TrimSuffix(out.String(), "\n")
}

// jsonNumber is a cell that may stand in JSON as a number.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func cellJSON(cell string, number bool) string {
	switch {
	case number && jsonNumber.MatchString(cell):
		return cell
	case number && cell == "-":
		return "null"
	}
	return jsonText(cell)
}

// fieldNames makes names for programs from headings: "#p99.9 ms" is p99_9_ms.
func fieldNames(columns []string) []string {
	names := make([]string, len(columns))
	for i, column := range columns {
		words := strings.FieldsFunc(strings.ToLower(column), func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != 'µ'
		})
		names[i] = strings.ReplaceAll(strings.Join(words, "_"), "µs", "us")
	}
	return names
}

// Note writes one object beside the results.
func (j *JSON) Note(n Note) {
	writeObject(j.notes, struct {
		Version int    `json:"v"`
		Note    string `json:"note"`
		Line    int    `json:"line,omitempty"`
		Time    string `json:"time"`
		Text    string `json:"text"`
	}{formatVersion, n.Level.String(), n.At.Line, timestamp(n.Time), n.Text})
}

// String gives the word for output.
func (l NoteLevel) String() string { return [...]string{"info", "warning", "failed"}[l] }

// Summary writes one object beside the results.
func (j *JSON) Summary(s Summary) {
	failures := map[string]int{}
	for failure, count := range s.Failures {
		if count > 0 {
			failures[string(failure)] = count
		}
	}
	type counts struct {
		Requests    int            `json:"requests"`
		OK          int            `json:"ok"`
		Missing     int            `json:"missing"`
		Failures    map[string]int `json:"failures"`
		Unsent      int            `json:"unsent"`
		Unknown     int            `json:"unknown"`
		Met         int            `json:"met"`
		Unmet       int            `json:"unmet"`
		OtherFailed int            `json:"other_failed"`
		Faulty      int            `json:"faulty_lines"`
		Diverged    bool           `json:"diverged"`
		Interrupted bool           `json:"interrupted"`
		Seed        uint64         `json:"seed"`
		Elapsed     json.Number    `json:"elapsed_ms"`
		Exit        int            `json:"exit"`
	}
	writeObject(j.notes, struct {
		Version int    `json:"v"`
		Summary counts `json:"summary"`
	}{formatVersion, counts{
		s.Requests, s.OK, s.Missing, failures, s.Unsent, s.Unknown, s.Met, s.Unmet, s.OtherFailed, s.Usage, s.Diverged,
		s.Interrupted, s.Seed, json.Number(latencyMillis(s.Elapsed)), s.ExitCode(),
	}})
}
