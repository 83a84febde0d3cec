package monitor

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"
)

// Limits of the log files: a replica keeps at most (filesMax+1) * fileMegabytesMax.
const (
	fileMegabytesMax = 32
	filesMax         = 4
)

// OpenFile opens a log file for appending, with rotation by size; it makes the
// folder. The caller closes it.
func OpenFile(path string) (io.WriteCloser, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make folder of log file %q: %w", path, err)
	}
	// The rotating writer opens lazily; a path that cannot be written must be
	// known at start.
	probe, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open log file, check [log] dir: %w", err)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	return &timberjack.Logger{
		Filename: path, MaxSize: fileMegabytesMax, MaxBackups: filesMax, FileMode: 0o640, Compression: "none",
	}, nil
}
