package state

import (
	"log/slog"
	"time"
)

// Limits of what is kept of one source's log. Above either of them the oldest lines go, a chunk at a time.
const (
	LogLinesMax     = 50_000
	LogBytesMax     = 16 << 20 // of texts
	LogTextBytesMax = 8 << 10  // of one line; what is longer is cut, with a sign that it was
)

// Logs is what the replicas and this program have logged, one source for each, in a fixed order.
type Logs struct {
	Sources []LogSource
}

// LogLine is one event. It is not changed once it is there.
type LogLine struct {
	// At is the time in nanoseconds by the clock of this console: that of the source, corrected by its offset. Within
	// a source it never goes back, so that lines keep the order in which they were logged.
	At int64
	// Time is the time in nanoseconds by the source's own clock.
	Time     int64
	Sequence uint64 // counts the lines of one process of a replica from 1; 0 of a remark
	// Text is the message and, behind two spaces, the fields as key=value. It may hold anything: make it visible before
	// it is drawn.
	Text    string
	Message int // bytes of Text that are the message
	Level   slog.Level
	// Remark marks what the console says about the log itself: lines dropped, a process that began anew.
	Remark bool
}

// LogSource is the newest lines of one source. Lines are known by their ordinal, which counts all lines that this
// console has taken from it, the forgotten ones too.
type LogSource struct {
	Name string // "r1", or "client" for this program
	Live bool   // lines come now
	// Offset is how far the clock of the source is before this console's, with an error of at most Accuracy; both are 0
	// as long as they are not known, and Accuracy is above 0 once they are.
	Offset, Accuracy time.Duration
	Bytes            int    // of all texts that are kept
	First, Next      uint64 // ordinals of the oldest line that is kept, and of the next that will come

	chunks [][]LogLine // all full but the last
}

// logChunkLines is how many lines are kept and forgotten together.
const logChunkLines = 256

// Line gives the line of an ordinal from First up to below Next. It panics outside.
func (s *LogSource) Line(ordinal uint64) *LogLine {
	at := ordinal - s.First
	return &s.chunks[at/logChunkLines][at%logChunkLines]
}

// Len is the number of lines that are kept.
func (s *LogSource) Len() int { return int(s.Next - s.First) }

// LogRing collects the lines of one source within the limits. It is not safe for concurrent use, but the sources that
// it gives are values of their own and may be read by any goroutine while it goes on.
type LogRing struct {
	source LogSource
}

// NewLogRing makes the empty ring of a source.
func NewLogRing(name string) *LogRing { return &LogRing{source: LogSource{Name: name}} }

// Add appends a line. A text that is too long is cut, and At is set: the source's time corrected by the offset, or that
// of the line before if the clock went back.
func (r *LogRing) Add(line LogLine) {
	s := &r.source
	if len(line.Text) > LogTextBytesMax {
		line.Text = line.Text[:LogTextBytesMax] + "…"
	}
	line.Message = min(line.Message, len(line.Text))
	line.At = line.Time - int64(s.Offset)
	if s.Len() > 0 {
		line.At = max(line.At, s.Line(s.Next-1).At)
	}
	if last := len(s.chunks) - 1; last < 0 || len(s.chunks[last]) == logChunkLines {
		// A new array, never a longer one in place: sources that were given away share the old one.
		s.chunks = append(s.chunks[:len(s.chunks):len(s.chunks)], make([]LogLine, 0, logChunkLines))
	}
	last := len(s.chunks) - 1
	// Those who hold the chunk know its old length and do not see what is written behind it.
	s.chunks[last] = append(s.chunks[last], line)
	s.Next++
	s.Bytes += len(line.Text)
	for len(s.chunks) > 1 && (s.Len() > LogLinesMax || s.Bytes > LogBytesMax) {
		r.forget()
	}
}

// forget drops the oldest chunk.
func (r *LogRing) forget() {
	s := &r.source
	for i := range s.chunks[0] {
		s.Bytes -= len(s.chunks[0][i].Text)
	}
	s.First += uint64(len(s.chunks[0]))
	s.chunks = append([][]LogLine(nil), s.chunks[1:]...)
}

// Correct sets the offset of the source's clock for the lines that will come. What is there keeps its place.
func (r *LogRing) Correct(offset, accuracy time.Duration) {
	r.source.Offset, r.source.Accuracy = offset, accuracy
}

// SetLive tells whether lines come now.
func (r *LogRing) SetLive(live bool) { r.source.Live = live }

// Name is the name of the source.
func (r *LogRing) Name() string { return r.source.Name }

// Rename gives the source another name.
func (r *LogRing) Rename(name string) { r.source.Name = name }

// Offset is the one that was set last.
func (r *LogRing) Offset() time.Duration { return r.source.Offset }

// Source gives what is kept now. It costs a copy of some hundred slice headers, not of the lines.
func (r *LogRing) Source() LogSource {
	s := r.source
	s.chunks = append([][]LogLine(nil), s.chunks...)
	return s
}
