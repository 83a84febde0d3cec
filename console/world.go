package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"

	"synod/console/app"
	"synod/console/command"
)

// world is what the program finds around it.
type world struct {
	stdin, stdout, stderr *os.File
	environ               []string
	screenUp              func(*app.Guard) // for tests: called before the screen is shown; nil otherwise
}

// program is one run: the world, what the flags say, and the exit code so far.
type program struct {
	world
	out     *sink // standard output
	flags   flags
	signals signals
	code    int
}

// flags are those that every command takes.
type flags struct {
	config   string
	host     string
	port     int
	protocol string
	file     string
	check    bool
	plain    bool
	raw      bool
	yes      bool
	confirm  string
	readOnly bool
	noColor  bool
	seed     uint64
	timeout  string
	output   string
	parallel int
	look     lookFlags
}

func (w *world) getenv(name string) string {
	for i := len(w.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(w.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

func terminal(file *os.File) bool { return term.IsTerminal(file.Fd()) }

// usageError is a mistake in the command line or the configuration: nothing was sent.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// complain prints an error and gives its exit code. Errors that carry none come from the command line library: a usage.
func (p *program) complain(err error) int {
	var exit *exitError
	var problems command.Problems
	switch {
	case errors.As(err, &problems): // each has its own place in front
		fmt.Fprintln(p.stderr, problems.Error())
		return command.ExitUsage
	case errors.As(err, &exit):
		fmt.Fprintf(p.stderr, "synod: %v\n", exit.err)
		return exit.code
	}
	fmt.Fprintf(p.stderr, "synod: %v\n", err)
	var usage *usageError
	if !errors.As(err, &usage) {
		fmt.Fprintln(p.stderr, "synod --help lists commands and flags")
	}
	return command.ExitUsage
}
