package command

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"
)

// Size of a client's log: this much for each file, and so many older files beside it.
const (
	logMegabytesMax = 10
	logFilesMax     = 3
)

// NewLog makes the client's logger: text lines with UTC times to the millisecond, keys in snake case.
//
//	time=2026-11-22T12:40:03.901Z level=WARN msg="request not sent" op=get key="color" to=r5 …
func NewLog(w io.Writer) *slog.Logger {
	milliseconds := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.StringValue(a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		return a
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: milliseconds}))
}

// OpenLog opens the client's log file for appending, with its folder, and rotates it by size. The caller closes it
// after the last line.
func OpenLog(path string) (*slog.Logger, io.Closer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, nil, fmt.Errorf("make the folder of the client's log (set log.dir to a writable one): %w", err)
	}
	// The rotating writer opens the file at its first line, when it is too late to complain: try now.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the client's log (set log.dir to a writable folder): %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, nil, fmt.Errorf("open the client's log: %w", err)
	}
	rotating := &timberjack.Logger{Filename: path, MaxSize: logMegabytesMax, MaxBackups: logFilesMax}
	return NewLog(rotating), rotating, nil
}
