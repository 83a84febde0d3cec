// Package history keeps the commands that were typed at the prompt for the next time: one line each in a file of the
// person's state folder, the newest last. Several consoles may append at once; each reads the file only when it starts.
//
//	kept, err := history.Open(history.FileName(getenv))
//	kept.Lines()                    // of earlier sessions
//	err = kept.Append("get color")  // at once on disk
package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Limits of the file.
const (
	LinesMax     = 1000
	surplusMax   = 1000    // lines above LinesMax from which the file is written anew
	lineBytesMax = 4 << 10 // longer ones are not kept: they are values rather than commands
	fileBytesMax = 16 << 20
)

// History is an open file of commands. A nil one keeps nothing. Safe for concurrent use.
type History struct {
	name  string
	lines []string // as they were when it was opened

	mutex sync.Mutex // guards what follows
	last  string
}

// FileName gives the place of the file: $XDG_STATE_HOME/synod/history, or below $HOME; "" where there is neither.
func FileName(getenv func(string) string) string {
	folder := getenv("XDG_STATE_HOME")
	if folder == "" {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		folder = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(folder, "synod", "history")
}

// Open reads the file; one that does not exist is an empty one. Where the file cannot be read the history is nil.
func Open(name string) (*History, error) {
	if name == "" {
		return nil, errors.New("keep the history: neither XDG_STATE_HOME nor HOME is set; history = false says so on purpose")
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &History{name: name}, nil
	case err == nil && info.Size() > fileBytesMax:
		return nil, fmt.Errorf("read the history %s: %d bytes are no history of commands, remove it", name, info.Size())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	h := &History{name: name}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); h.worth(line) {
			h.lines = append(h.lines, line)
			h.last = line
		}
	}
	if surplus := len(h.lines) - LinesMax; surplus > 0 {
		h.lines = h.lines[surplus:]
		if surplus > surplusMax {
			err = h.shorten()
		}
	}
	return h, err
}

// shorten writes the newest lines into a new file and puts it in the place of the old one.
func (h *History) shorten() error {
	file, err := os.CreateTemp(filepath.Dir(h.name), "history-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("shorten the history: %w", err)
	}
	_, err = file.WriteString(strings.Join(h.lines, "\n") + "\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), h.name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("shorten the history: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// Lines lists the commands of earlier sessions, the newest last.
func (h *History) Lines() []string {
	if h == nil {
		return nil
	}
	return h.lines
}

// worth tells whether a line is kept: one that begins with a space is not, nor one that repeats the one before.
func (h *History) worth(line string) bool {
	return line != "" && line[0] != ' ' && line != h.last && len(line) <= lineBytesMax && !strings.ContainsAny(line, "\r\n\x00")
}

// Append keeps a line, if it is worth it. The file and its folder are for their owner only.
func (h *History) Append(line string) error {
	if h == nil {
		return nil
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if !h.worth(line) {
		return nil
	}
	h.last = line
	if err := os.MkdirAll(filepath.Dir(h.name), 0o700); err != nil {
		return fmt.Errorf("keep the history: %w", err)
	}
	file, err := os.OpenFile(h.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep the history: %w", err)
	}
	var whole bytes.Buffer // one write, so that lines of two consoles do not mix
	whole.WriteString(line)
	whole.WriteByte('\n')
	_, err = file.Write(whole.Bytes())
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("keep the history in %s: %w", h.name, err)
	}
	return nil
}
