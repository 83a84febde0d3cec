package command

import (
	"encoding/base64"
	"encoding/csv"
	"io"
	"strconv"
)

// csvHeader names the fields of a request; new ones come at its end. The last two hold what is not UTF-8.
var csvHeader = []string{
	"line", "seq", "time", "op", "key", "replica", "status", "outcome", "value", "revision", "slot", "applied", "latency_ms",
	"req", "error", "key_b64", "value_b64",
}

// CSV is the Writer for spreadsheets: a header, and a record for each request and command; a scan has one for each pair.
// A report has other fields: it is written to the notes as text, unless it is all that there is.
type CSV struct {
	out     *csv.Writer
	notes   *Text
	only    bool // one command: its report is the output
	written bool // the header is
}

// NewCSV makes a CSV. Only is for one command, whose report has its own header then. Errors of the writers are ignored,
// as in [NewText].
func NewCSV(out, notes io.Writer, only bool) *CSV {
	return &CSV{out: csv.NewWriter(out), notes: NewText(commented{notes}, notes), only: only}
}

// commented puts "# " in front of each line.
type commented struct{ to io.Writer }

func (c commented) Write(text []byte) (int, error) {
	line := []byte("# ")
	for i, char := range text {
		line = append(line, char)
		if char == '\n' && i < len(text)-1 {
			line = append(line, "# "...)
		}
	}
	if _, err := c.to.Write(line); err != nil {
		return 0, err
	}
	return len(text), nil
}

func (c *CSV) header() {
	if !c.written {
		c.written = true
		_ = c.out.Write(csvHeader)
	}
}

// Result writes one record, or one for each pair of a scan.
func (c *CSV) Result(r Result) {
	c.header()
	records := []Pair{{Key: r.Request.Key, Value: r.Reply.Value, Revision: r.Reply.Revision}}
	if r.Request.Operation == Scan && len(r.Reply.Pairs) > 0 {
		records = r.Reply.Pairs
	}
	for _, record := range records {
		_ = c.out.Write(csvRecord(&r, record))
	}
	c.out.Flush()
}

func csvRecord(r *Result, pair Pair) []string {
	key, keyRaw := csvBytes(pair.Key)
	value, valueRaw := "", ""
	if r.Status == StatusOK && (r.Request.Operation == Get || r.Request.Operation == Scan) {
		value, valueRaw = csvBytes(pair.Value)
	}
	op, outcome, reason := r.Verb, "", ""
	if isData(r) {
		outcome = r.Reply.Outcome.String()
	} else {
		op = r.Command
	}
	if r.Reply.Err != nil {
		reason = Visible(r.Reply.Err.Error())
	}
	return []string{
		positive(uint64(max(r.At.Line, 0))), strconv.Itoa(r.Sequence), timestamp(r.Time), op, key, r.Replica, r.Status, outcome,
		value, positive(pair.Revision), positive(r.Reply.Slot), positive(r.Reply.Applied), latencyMillis(r.Reply.Latency),
		r.Reply.RequestID, reason, keyRaw, valueRaw,
	}
}

func csvBytes(data []byte) (text, raw string) {
	whole, bytes := textOrBytes(data)
	if whole != nil {
		return *whole, ""
	}
	return "", base64.StdEncoding.EncodeToString(bytes)
}

// positive leaves out what is not there.
func positive(number uint64) string {
	if number == 0 {
		return ""
	}
	return number10(number)
}

// Report writes the rows as records with a header of their own if that is the whole output.
func (c *CSV) Report(r Report) {
	if !c.only || len(r.Columns) == 0 {
		c.notes.Report(r)
		return
	}
	if !r.More {
		_ = c.out.Write(fieldNames(r.Columns))
	}
	c.written = true
	for _, row := range r.Rows {
		record := make([]string, len(r.Columns))
		copy(record, row)
		_ = c.out.Write(record)
	}
	c.out.Flush()
}

// Note writes one line.
func (c *CSV) Note(n Note) { c.notes.Note(n) }

// Summary writes one line, and the header if there was no record.
func (c *CSV) Summary(s Summary) {
	c.header()
	c.out.Flush()
	c.notes.Summary(s)
}
