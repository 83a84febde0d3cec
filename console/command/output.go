package command

import (
	"fmt"
	"strings"
	"time"
)

// Result statuses beside the kinds of failures.
const (
	StatusOK      = "ok"
	StatusMissing = "missing" // a get found no such key: an answer, not an error
)

// Result is the end of one request, fault command or wait.
type Result struct {
	At       Position
	Sequence int       // counts the results of a run from 1
	Time     time.Time // of the end
	Command  string    // the line as parsed, without options and target, with variables replaced
	Verb     string
	Replica  string   // that answered or was asked; empty if none was chosen
	Status   string   // StatusOK, StatusMissing or a Failure
	Request  Request  // of a data command
	Reply    Reply    // of a data command; of others only Failure, Err and Latency are set
	Format   string   // of values: "text", "hex", "json" or "base64"
	Faults   []string // ids of the faults that a command has injected or ended, such as "r3#5"
}

// Failed tells whether there was no answer or a refusal.
func (r *Result) Failed() bool { return r.Status != StatusOK && r.Status != StatusMissing }

// Report is what a command found that is no result of a request: status, faults, help, echo.
type Report struct {
	At      Position
	Time    time.Time
	Verb    string
	Columns []string   // empty: the rows have no heading; a name that begins with "#" is that of numbers
	Rows    [][]string // cells; bytes of others are already quoted
	Follows bool       // it grows row by row: cells are as wide as their headings
	More    bool       // of one that Follows: the heading was written before
}

// Note is a remark about the run: what was not sent, what was refused, which expectation was not met.
type Note struct {
	At    Position
	Time  time.Time
	Level NoteLevel
	Text  string
}

// NoteLevel says how much a note matters.
type NoteLevel int

// The levels.
const (
	Info NoteLevel = iota
	Warning
	Failed
)

// Writer shows what a run finds. Calls come one at a time.
type Writer interface {
	Result(Result)
	Report(Report)
	Note(Note)
	Summary(Summary)
}

// Summary counts what a run did.
type Summary struct {
	Requests     int             // data commands, one for each replica asked
	OK           int             // of these: answered, keys that exist
	Missing      int             // of these: reads of keys that do not exist
	Failures     map[Failure]int // of these: no answer or refused
	Unsent       int             // of the failures: the request never left this process
	Unknown      int             // of the failures: may take effect later
	Other        int             // fault commands and waits done
	OtherFailed  int             // fault commands and waits that failed
	Excused      int             // failures that an `expect error` expected
	Met, Unmet   int             // expectations and assertions
	Usage        int             // lines of a stream that do not parse or have no values
	Seed         uint64
	Elapsed      time.Duration
	Interrupted  bool
	Diverged     bool // a replica said that its state differs from the majority's
	MissingFails bool // a missing key is a failure: of the plain `synod get K`
}

// Exit codes of the console.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitUnmet       = 3
	ExitUnreachable = 4
	ExitViolation   = 5
	ExitInterrupted = 130
)

// ExitCode gives the exit code of a run: the gravest one that applies.
func (s *Summary) ExitCode() int {
	failed := 0
	for _, count := range s.Failures {
		failed += count
	}
	failed -= s.Excused
	switch {
	case s.Diverged:
		return ExitViolation
	case s.Interrupted:
		return ExitInterrupted
	case s.Unmet > 0:
		return ExitUnmet
	case s.Requests > 0 && s.Failures[Unreachable] == s.Requests && failed > 0:
		return ExitUnreachable
	case s.Usage > 0:
		return ExitUsage
	case failed > 0 || s.OtherFailed > 0 || s.MissingFails && s.Missing > 0:
		return ExitFailed
	}
	return ExitOK
}

// String gives the summary on one line.
func (s *Summary) String() string {
	text := fmt.Sprintf("%s: %d ok, %d missing", plural(s.Requests, "request"), s.OK, s.Missing)
	for _, failure := range failures {
		if count := s.Failures[failure]; count > 0 {
			text += fmt.Sprintf(", %d %s", count, failure)
		}
	}
	parts := []string{text}
	if s.Unsent > 0 {
		parts = append(parts, fmt.Sprintf("%d not sent", s.Unsent))
	}
	if s.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d with unknown outcome", s.Unknown))
	}
	if s.Met+s.Unmet > 0 {
		parts = append(parts, fmt.Sprintf("%s met", plural(s.Met, "expectation")))
	}
	if s.Unmet > 0 {
		parts = append(parts, fmt.Sprintf("%d NOT met", s.Unmet))
	}
	if s.OtherFailed > 0 {
		parts = append(parts, plural(s.OtherFailed, "other command")+" failed")
	}
	if s.Usage > 0 {
		parts = append(parts, plural(s.Usage, "faulty line"))
	}
	if s.Diverged {
		parts = append(parts, "REPLICAS DIFFER")
	}
	if s.Interrupted {
		parts = append(parts, "interrupted")
	}
	parts = append(parts, fmt.Sprintf("seed %d", s.Seed), fmt.Sprintf("%.2f s", s.Elapsed.Seconds()))
	return strings.Join(parts, " · ")
}

func plural(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}
