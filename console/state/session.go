package state

import (
	"fmt"
	"strings"
	"time"

	"synod/console/command"
)

// Tone says what kind of line a line of the session is.
type Tone int

// The tones.
const (
	Typed  Tone = iota // a command as a person typed it
	Answer             // it worked
	Absent             // a key that does not exist
	Bad                // it failed
	Remark             // anything else
)

// Entry is one line of the session. Its text holds nothing that a terminal would obey.
type Entry struct {
	At   time.Time
	Tone Tone
	Text string
}

// Session is what the commands have shown, the newest last.
type Session struct {
	Entries  []Entry
	Total    int // entries there ever were
	Sent     int // requests
	Failed   int // of these
	Running  string
	Since    time.Time // of Running
	Waiting  int       // commands behind the running one
	Question *Question // nil if nobody must decide anything
}

// Question must be answered before the running command goes on.
type Question struct {
	Text string
	Type string // what must be typed; "" for a plain yes
}

// entriesMax bounds the session: a person scrolls no further back, and the client's log holds everything.
const entriesMax = 2000

// Append adds lines and forgets the oldest above the limit.
func (s Session) Append(entries ...Entry) Session {
	s.Total += len(entries)
	kept := s.Entries
	if surplus := len(kept) + len(entries) - entriesMax; surplus > 0 {
		kept = kept[min(surplus, len(kept)):]
	}
	// A new array: snapshots of the screen share the old one.
	s.Entries = append(kept[:len(kept):len(kept)], entries...)
	return s
}

// Lines makes entries of a text, one for each line.
func Lines(at time.Time, tone Tone, text string) []Entry {
	var entries []Entry
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")
		entries = append(entries, Entry{At: at, Tone: tone, Text: line})
	}
	return entries
}

// Result makes the lines of a command's result.
func Result(r command.Result) []Entry {
	tone := Answer
	switch {
	case r.Failed():
		tone = Bad
	case r.Status == command.StatusMissing:
		tone = Absent
	}
	text := resultText(r)
	if r.At.Line > 0 { // of a file or a scenario: nobody has typed it
		text = r.Command + "  " + text
	}
	entries := []Entry{{At: r.Time, Tone: tone, Text: "  " + text}}
	for _, pair := range r.Reply.Pairs {
		text := "    " + command.Plain(string(pair.Key))
		if r.Request.Values {
			text += " = " + command.FormatValue(pair.Value, r.Format)
		}
		entries = append(entries, Entry{At: r.Time, Tone: Answer, Text: fmt.Sprintf("%s  rev %d", text, pair.Revision)})
	}
	if r.Reply.More {
		entries = append(entries, Entry{At: r.Time, Tone: Remark, Text: "    there are more: limit= or after="})
	}
	return entries
}

// resultText is a result on one line: what came back, from where, how far, how long.
func resultText(r command.Result) string {
	reply := &r.Reply
	var words []string
	switch {
	case r.Failed():
		words = append(words, "✕ "+r.Status)
	case r.Status == command.StatusMissing:
		words = append(words, "(no such key)")
	case r.Verb == string(command.Get):
		words = append(words, command.FormatValue(reply.Value, r.Format))
	case r.Verb == string(command.Scan):
		words = append(words, fmt.Sprintf("%d keys", len(reply.Pairs)))
	default:
		words = append(words, "ok")
	}
	if r.Replica != "" {
		words = append(words, r.Replica)
	}
	if r.Failed() {
		return strings.Join(append(words, fate(r)), "  ")
	}
	if reply.Slot > 0 {
		words = append(words, fmt.Sprintf("slot %d", reply.Slot))
	}
	if reply.Revision > 0 {
		words = append(words, fmt.Sprintf("rev %d", reply.Revision))
	}
	if reply.Applied > 0 {
		words = append(words, fmt.Sprintf("index %d", reply.Applied))
	}
	if n := len(r.Faults); n > 3 {
		words = append(words, fmt.Sprintf("%s … %s", r.Faults[0], r.Faults[n-1]))
	} else if n > 0 {
		words = append(words, strings.Join(r.Faults, " "))
	}
	return strings.Join(append(words, fmt.Sprintf("%.1f ms", float64(reply.Latency)/float64(time.Millisecond))), "  ")
}

// fate says what a failure means for the store.
func fate(r command.Result) string {
	update := r.Request.Operation != "" && r.Request.Operation != command.Get && r.Request.Operation != command.Scan
	text := ""
	switch {
	case r.Reply.Outcome == command.NotSent && r.Request.Operation != "":
		text = "not sent"
	case r.Reply.Outcome == command.Unknown && update:
		text = "outcome UNKNOWN"
	}
	if r.Reply.Err == nil {
		return text
	}
	reason := command.Visible(r.Reply.Err.Error())
	if text == "" {
		return reason
	}
	return text + ": " + reason
}
