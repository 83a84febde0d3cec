package monitor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// timeLayout has exactly three digits of the second: RFC 3339 in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// LogOptions say where log lines go.
type LogOptions struct {
	Level string // debug, info, warn, error
	JSON  bool   // one JSON object per line instead of key=value text
	// Writers get each line, in order, before the call that logs returns: they must
	// never block. A writer that fails is not asked why.
	Writers []io.Writer
	// Queues get each line too, and may drop some: they are for writers that can
	// block. Their owner closes them.
	Queues []*Queue
	// Ring keeps the latest lines for operators; may be nil.
	Ring *Ring
}

// NewLogger makes the daemon's logger. It may be used by any goroutine.
func NewLogger(options LogOptions) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(options.Level)); err != nil {
		return nil, fmt.Errorf("log level %q: give debug, info, warn or error", options.Level)
	}
	out := &sink{options: options}
	settings := &slog.HandlerOptions{Level: level, ReplaceAttr: milliseconds}
	format := func(to io.Writer) slog.Handler {
		if options.JSON {
			return slog.NewJSONHandler(to, settings)
		}
		return slog.NewTextHandler(to, settings)
	}
	out.notes = format(&out.note)
	return slog.New(&handler{format: format(&out.line), out: out}), nil
}

// milliseconds gives the time of a line its fixed form.
func milliseconds(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		attr.Value = slog.StringValue(attr.Value.Time().UTC().Format(timeLayout))
	}
	return attr
}

// sink is where all handlers derived from one logger end.
type sink struct {
	options LogOptions

	mu    sync.Mutex
	line  bytes.Buffer // the line being made
	note  bytes.Buffer // the line that tells of dropped ones
	notes slog.Handler // makes it
}

// dropped makes the line that tells how many were dropped. The caller holds mu.
func (s *sink) dropped(lines uint64) []byte {
	s.note.Reset()
	record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines dropped, the writer is too slow", 0)
	record.AddAttrs(slog.Uint64("lines", lines))
	_ = s.notes.Handle(context.Background(), record) // a buffer takes everything
	return s.note.Bytes()
}

// handler formats a line into the sink's buffer and then hands it out whole, so
// that lines never mix and the ring knows their level.
type handler struct {
	format slog.Handler
	out    *sink
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.format.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	if err := h.format.Handle(ctx, record); err != nil {
		return fmt.Errorf("format log line: %w", err)
	}
	for _, w := range h.out.options.Writers {
		_, _ = w.Write(h.out.line.Bytes())
	}
	for _, q := range h.out.options.Queues {
		q.add(h.out.line.Bytes(), h.out.dropped)
	}
	if h.out.options.Ring != nil {
		text := strings.TrimSuffix(h.out.line.String(), "\n")
		h.out.options.Ring.add(Line{Time: record.Time, Level: record.Level, Text: text})
	}
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{format: h.format.WithAttrs(attrs), out: h.out}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{format: h.format.WithGroup(name), out: h.out}
}

// Line is one log line in the ring.
type Line struct {
	Sequence uint64 // counts all lines from 1, so that gaps show
	Time     time.Time
	Level    slog.Level
	Text     string // the whole line as it stands in the file, without its end
}

// Ring keeps the latest log lines. Readers come with the sequence they want
// next; a reader that is too slow misses lines and can tell from the sequences.
type Ring struct {
	mu    sync.Mutex
	lines []Line // by Sequence modulo length
	last  uint64
	errs  [errorsKept]Line // the newest of level error, by their count modulo length
	errn  int
	more  chan struct{} // closed when a line comes; nil while nobody waits
}

const (
	// ringTextMax is how much of a line a ring keeps; the file has all of it.
	ringTextMax = 4 << 10
	// readBytesMax is how much text one Read gives, beside its last line: whatever
	// JSON makes of it fits into an operator's frame.
	readBytesMax = 32 << 10
)

// errorsKept is how many lines of level error a ring keeps when others have pushed
// them out.
const errorsKept = 3

// NewRing makes a ring of that many lines.
func NewRing(linesMax int) *Ring { return &Ring{lines: make([]Line, linesMax)} }

func (r *Ring) add(line Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	line.Sequence = r.last
	if len(line.Text) > ringTextMax {
		line.Text = strings.ToValidUTF8(line.Text[:ringTextMax], "") + "…"
	}
	r.lines[r.last%uint64(len(r.lines))] = line
	if line.Level >= slog.LevelError {
		r.errs[r.errn%errorsKept] = line
		r.errn++
	}
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

// Last is the sequence of the newest line, 0 before the first.
func (r *Ring) Last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Errors gives the newest lines of level error, at most three, the newest last.
func (r *Ring) Errors() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Line
	for n := max(r.errn-errorsKept, 0); n < r.errn; n++ {
		all = append(all, r.errs[n%errorsKept])
	}
	return all
}

// Read appends to dst up to max lines of at least the level, from the sequence
// on; 0 means from the oldest that is kept. It waits for one if there is none,
// and gives the sequence to go on with and how many lines, of any level, were
// forgotten before they could be read. The error is the context's.
func (r *Ring) Read(
	ctx context.Context, from uint64, level slog.Level, dst []Line,
) (lines []Line, next, dropped uint64, err error) {
	if from == 0 {
		from = 1
	}
	for {
		r.mu.Lock()
		if oldest := r.last - min(r.last, uint64(len(r.lines))) + 1; from < oldest {
			dropped += oldest - from
			from = oldest
		}
		for size := 0; from <= r.last && len(dst) < cap(dst) && size < readBytesMax; from++ {
			if line := r.lines[from%uint64(len(r.lines))]; line.Level >= level {
				dst = append(dst, line)
				size += len(line.Text)
			}
		}
		if len(dst) > 0 {
			r.mu.Unlock()
			return dst, from, dropped, nil
		}
		if r.more == nil {
			r.more = make(chan struct{})
		}
		more := r.more
		r.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return dst, from, dropped, ctx.Err()
		}
	}
}
