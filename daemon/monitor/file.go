package monitor

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"
)

// Limits of the log files: a replica keeps at most (filesMax+1) * fileMegabytesMax.
const (
	fileMegabytesMax = 32
	filesMax         = 4
)

// File is a log file that is rotated when it has grown.
type File struct{ *timberjack.Logger }

// Rotate begins a new file at once; the old one keeps its place under a name
// with the time.
func (f *File) Rotate() error {
	if err := f.Logger.Rotate(); err != nil {
		return fmt.Errorf("rotate log file: %w", err)
	}
	return nil
}

// OpenFile opens a log file for appending, with rotation by size; it makes the
// folder. The caller closes it.
func OpenFile(path string) (*File, error) {
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
	return &File{&timberjack.Logger{
		Filename: path, MaxSize: fileMegabytesMax, MaxBackups: filesMax, FileMode: 0o640, Compression: "none",
	}}, nil
}
