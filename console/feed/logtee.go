package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"synod/console/state"
)

// Tee makes a logger that writes to another handler and, from [Logs.Keep] on, keeps every line as one of this program's,
// whatever its level.
func (l *Logs) Tee(next slog.Handler) *slog.Logger {
	format := &lineFormat{}
	format.handler = slog.NewTextHandler(&format.line, &slog.HandlerOptions{Level: slog.LevelDebug})
	return slog.New(&tee{logs: l, next: next, line: format, format: format.handler})
}

// lineFormat is where all handlers derived from one tee make their lines.
type lineFormat struct {
	mutex   sync.Mutex
	line    bytes.Buffer
	handler slog.Handler
}

// tee is the handler of a logger made by Tee.
type tee struct {
	logs   *Logs
	next   slog.Handler
	line   *lineFormat
	format slog.Handler // makes a line, with the attributes of this handler
}

func (t *tee) Enabled(ctx context.Context, level slog.Level) bool {
	return t.logs.keeping.Load() || t.next.Enabled(ctx, level)
}

func (t *tee) Handle(ctx context.Context, record slog.Record) error {
	var failures []error
	if t.next.Enabled(ctx, record.Level) {
		failures = append(failures, t.next.Handle(ctx, record))
	}
	if t.logs.keeping.Load() {
		text, err := t.text(ctx, record)
		if err == nil {
			t.logs.client.own(record, text)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func (t *tee) text(ctx context.Context, record slog.Record) (string, error) {
	t.line.mutex.Lock()
	defer t.line.mutex.Unlock()
	t.line.line.Reset()
	if err := t.format.Handle(ctx, record); err != nil {
		return "", fmt.Errorf("format log line: %w", err)
	}
	return strings.TrimSuffix(t.line.line.String(), "\n"), nil
}

// own keeps a line of this program.
func (s *logSource) own(record slog.Record, raw string) {
	text, message := state.ParseLogText(raw, clientSource)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.last++
	s.ring.Add(state.LogLine{
		Time: record.Time.UnixNano(), Sequence: s.last, Text: text, Message: message, Level: record.Level,
	})
}

func (t *tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	derived := *t
	derived.next, derived.format = t.next.WithAttrs(attrs), t.format.WithAttrs(attrs)
	return &derived
}

func (t *tee) WithGroup(name string) slog.Handler {
	derived := *t
	derived.next, derived.format = t.next.WithGroup(name), t.format.WithGroup(name)
	return &derived
}
