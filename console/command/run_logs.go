package command

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"synod/protocol"
)

// logIdle is how long `logs` waits for one more of the lines that a replica keeps.
const logIdle = 300 * time.Millisecond

// logLevels are the levels from the least on.
var logLevels = []string{"debug", "info", "warn", "error"}

// told is a log line with the replica that has told it.
type told struct {
	replica string
	protocol.LogLine
}

// logs reads what the replicas keep and shows the newest of what is wanted, in the order of time.
func (e *Executor) logs(ctx context.Context, f *frame, c *call) bool {
	replicas := e.known()
	if name := c.arg(0); name != "" {
		replicas = []string{name}
	}
	wanted := wantedLines(c)
	limit, _ := strconv.Atoi(c.option("limit", strconv.Itoa(logLinesShown))) // checked
	lines := make([][]told, len(replicas))
	problems := make([]error, len(replicas))
	ctx, cancel := context.WithTimeout(ctx, f.limit(c))
	defer cancel()
	var asked sync.WaitGroup
	for i, replica := range replicas {
		asked.Go(func() { lines[i], problems[i] = e.kept(ctx, replica, wanted) })
	}
	asked.Wait()
	failed := 0
	for i, err := range problems {
		if err != nil {
			failed++
			e.note(c.at, Warning, "the log lines of %s are missing: %s", orDash(replicas[i]), Visible(err.Error()))
		}
	}
	all := slices.Concat(lines...)
	slices.SortStableFunc(all, func(a, b told) int { return a.Time.Compare(b.Time) })
	var rows [][]string
	for _, line := range all[max(0, len(all)-limit):] {
		rows = append(rows, []string{
			line.Time.UTC().Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(Visible(line.Level)), line.replica, Visible(message(line.Text)),
		})
	}
	if len(rows) == 0 && failed < len(replicas) {
		e.report(c, nil, [][]string{{"no such lines"}})
	} else {
		e.report(c, []string{"time", "level", "replica", "text"}, rows)
	}
	e.looked(f, failed, len(replicas))
	return true
}

// message is a line without the time and the level in front of it, which have columns of their own.
func message(text string) string {
	for _, name := range []string{"time=", "level="} {
		if rest, ok := strings.CutPrefix(text, name); ok {
			if _, rest, ok = strings.Cut(rest, " "); ok {
				text = rest
			}
		}
	}
	return text
}

// wantedLines makes the filter of `logs`.
func wantedLines(c *call) func(*protocol.LogLine) bool {
	least := slices.Index(logLevels, c.option("level", "info"))
	var match *regexp.Regexp
	if text := c.option("match", ""); text != "" {
		match = regexp.MustCompile(text) // checked
	}
	var oldest time.Time
	if since := duration(c.option("since", "")); since > 0 {
		oldest = time.Now().Add(-since)
	}
	return func(line *protocol.LogLine) bool {
		level := slices.Index(logLevels, strings.ToLower(line.Level))
		return (level < 0 || level >= least) && !line.Time.Before(oldest) && (match == nil || match.MatchString(line.Text))
	}
}

// kept gives the wanted ones of the lines that a replica keeps now.
func (e *Executor) kept(ctx context.Context, replica string, wanted func(*protocol.LogLine) bool) ([]told, error) {
	if e.ports.Operator == nil {
		return nil, errNoOperator
	}
	status, err := e.ports.Operator.Status(ctx, replica)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Lines of a level that is not kept never come: silence is the end, too.
	idle := time.AfterFunc(logIdle, func() { cancel(errSilent) })
	defer idle.Stop()
	var lines []told
	all := protocol.LogSubscribe{Level: logLevels[0], From: 1}
	err = e.ports.Operator.Logs(ctx, replica, all, func(some *protocol.LogLines) bool {
		idle.Reset(logIdle)
		for i := range some.Lines {
			if line := &some.Lines[i]; wanted(line) {
				lines = append(lines, told{status.Replica, *line})
			}
			if some.Lines[i].Sequence >= status.LogSequence {
				return false
			}
		}
		if surplus := len(lines) - logLinesMax; surplus > 0 {
			lines = slices.Clone(lines[surplus:])
		}
		return true
	})
	if errors.Is(context.Cause(ctx), errSilent) {
		err = nil
	}
	return lines, err
}

var errSilent = errors.New("no more lines")
