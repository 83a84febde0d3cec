package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/charmbracelet/x/ansi"
)

// terminalOutput is the terminal with more than one writer: the screen's frames, and what is handed to the clipboard,
// each whole. It is a *os.File to whoever asks for its size. Safe for concurrent use.
type terminalOutput struct {
	*os.File
	mutex sync.Mutex
}

// Write writes p and nothing else in between.
func (t *terminalOutput) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.File.Write(p)
}

// copyBytesMax is the longest text for the clipboard: terminals drop longer sequences without a word.
const copyBytesMax = 74_000

// copy hands a text to the terminal's clipboard by OSC 52, which also works through ssh.
func (t *terminalOutput) copy(text string) error {
	if len(text) > copyBytesMax {
		return fmt.Errorf("%d bytes are more than the %d that terminals take, use e to write a file", len(text), copyBytesMax)
	}
	_, err := t.Write([]byte(ansi.SetSystemClipboard(text)))
	return err
}

// saveExport writes a new file into the working directory and returns its name.
func saveExport(name string, content []byte) (string, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	if whole, err := filepath.Abs(name); err == nil {
		return whole, nil
	}
	return name, nil
}
