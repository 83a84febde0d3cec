package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"synod/console/command"
)

// sink is standard output that remembers the first error of a write: what was asked for did not arrive then, whatever
// else went well. Safe for concurrent use.
type sink struct {
	file *os.File

	mutex sync.Mutex
	err   error
}

// Write writes through.
func (s *sink) Write(data []byte) (int, error) {
	n, err := s.file.Write(data)
	if err != nil {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if s.err == nil {
			s.err = err
		}
	}
	return n, err
}

// failure gives the first error. A reader that went away has had enough, that is none.
func (s *sink) failure() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.err == nil || errors.Is(s.err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("write to standard output: %w", s.err)
}

// Forms of the output.
const (
	outputText = "text"
	outputJSON = "json"
	outputCSV  = "csv"
)

// checkOutput refuses a form that there is not.
func (p *program) checkOutput() error {
	switch p.flags.output {
	case outputText, outputJSON, outputCSV:
		return nil
	}
	return usagef("unknown --output %s, use text, json or csv", command.Quote(p.flags.output))
}

// writer makes the Writer that the flags ask for. Only is for one command: what it finds is all of the output.
func (p *program) writer(only bool) command.Writer {
	switch {
	case p.flags.output == outputJSON:
		return command.NewJSON(p.out, p.stderr)
	case p.flags.output == outputCSV:
		return command.NewCSV(p.out, p.stderr, only)
	case only:
		return command.NewValues(p.out, p.stderr, command.ValuesOptions{Raw: p.flags.raw, Terminal: terminal(p.stdout)})
	}
	return command.NewText(p.out, p.stderr)
}
