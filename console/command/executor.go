package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of a run.
const (
	timeoutDefault     = 2 * time.Second  // of a request
	waitTimeoutDefault = 10 * time.Second // of a wait
	pollPause          = 50 * time.Millisecond
	pollTimeout        = time.Second // of one look at all replicas
	scanLimitDefault   = 100
	valueBytesMax      = 1 << 20 // of a value from a file; the replicas refuse larger ones too
)

// Ports are the doors of an executor. Cluster and Output must be there.
type Ports struct {
	Cluster   Cluster
	Operator  Operator  // nil: looks and faults fail with a reason
	Processes Processes // nil: kill and start fail with a reason
	Load      LoadPort  // nil: load and check fail with a reason
	Output    Writer
	Log       *slog.Logger                       // the client's log; nil discards
	Ask       func(context.Context, Danger) bool // asks a person; nil: dangerous commands need Yes or Confirm
	ReadFile  func(name string) ([]byte, error)  // of put file=; nil: os.ReadFile
	Getenv    func(name string) (string, bool)   // of ${env:NAME}; nil: os.LookupEnv
}

// Settings are what a run begins with; a script changes its own copy with `set`.
type Settings struct {
	ClusterName  string        // what must be typed to confirm a severe command; empty: none can be confirmed
	Target       string        // of requests without @: "auto" (the default), "random", "leader" or a replica
	Timeout      time.Duration // of a request; 0: 2 s
	Seed         uint64        // of the random choices
	Parallel     int           // requests of consecutive lines in flight at once; 0 and 1: one after the other
	StopOnError  bool
	Yes          bool   // do moderately dangerous commands without asking
	Confirm      string // the cluster's name: do severe commands, too
	ReadOnly     bool   // refuse updates and faults
	MissingFails bool   // a missing key makes the exit code 1
	Format       string // of values; "": text
}

// Executor runs statements against the ports, one after the other except where the script says parallel. One run at a
// time; Stop and Summary may be called at any time.
type Executor struct {
	grammar  *Grammar
	ports    Ports
	settings Settings
	runners  map[string]runner
	main     *frame
	history  history
	started  time.Time

	stopOnce sync.Once
	stop     chan struct{}

	mutex       sync.Mutex // guards what follows, and makes calls of the Writer come one at a time
	summary     Summary
	sequence    int
	lastUnknown doubt       // empty if there is none
	injected    []injection // what this session has broken, the newest last
}

// runner runs one verb. It returns false to end the run.
type runner func(ctx context.Context, f *frame, c *call) bool

// frame is the state of a run of lines: rounds of a parallel repeat have one each.
type frame struct {
	variables map[string]string
	round     int // ${i}
	random    *rand.Rand
	timeout   time.Duration
	target    string
	read      string
	format    string
	stop      bool // onerror=stop
	confirm   string
	yes       bool     // moderately dangerous commands are confirmed, as the whole was
	inFlight  int      // requests of consecutive lines at once; 0 and 1: one after the other
	last      []Result // of the data command before, for `expect`
	excused   bool     // the failures in last were expected and are taken out of the verdict
	failed    bool     // something has failed and was not excused by an expectation
}

func (f *frame) clone(random *rand.Rand) *frame {
	copied := *f
	copied.variables, copied.random, copied.last, copied.inFlight = maps.Clone(f.variables), random, nil, 0
	return &copied
}

// NewExecutor makes an executor. The clock of its summary starts now.
func NewExecutor(grammar *Grammar, ports Ports, settings Settings) *Executor {
	if ports.Log == nil {
		ports.Log = slog.New(slog.DiscardHandler)
	}
	if ports.ReadFile == nil {
		ports.ReadFile = readValue
	}
	if ports.Getenv == nil {
		ports.Getenv = os.LookupEnv
	}
	e := &Executor{grammar: grammar, ports: ports, settings: settings, started: time.Now(), stop: make(chan struct{})}
	e.summary = Summary{Failures: map[Failure]int{}, Seed: settings.Seed, MissingFails: settings.MissingFails}
	e.main = &frame{
		variables: map[string]string{},
		random:    seeded(settings.Seed),
		timeout:   settings.Timeout,
		target:    settings.Target,
		format:    settings.Format,
		confirm:   settings.Confirm,
		stop:      settings.StopOnError,
		inFlight:  settings.Parallel,
	}
	if e.main.timeout <= 0 {
		e.main.timeout = timeoutDefault
	}
	if e.main.target == "" {
		e.main.target = targetAuto
	}
	if e.main.format == "" {
		e.main.format = "text"
	}
	e.history.begun = e.started
	e.runners = e.table()
	return e
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// readValue reads a file that becomes a value, and not more of it than a value may have.
func readValue(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, valueBytesMax+1))
}

// table gives the runner of each verb except `repeat` and `source`, which are the parser's.
func (e *Executor) table() map[string]runner {
	return map[string]runner{
		"get": e.get, "put": e.put, "del": e.del, "scan": e.scan, "retry": e.retry,
		"status": e.status, "replicas": e.replicas, "leader": e.leader, "metrics": e.metrics, "stat": e.stat,
		"latency": e.latency, "slots": e.slots, "slot": e.slot, "ballots": e.ballots, "logs": e.logs, "digest": e.digest,
		"wipe": e.wipe, "crash": e.roleOrder, "restart": e.roleOrder, "pause": e.roleOrder, "resume": e.roleOrder,
		"kill": e.process, "start": e.process, "chaos": e.chaos, "heal": e.heal, "faults": e.faults,
		"cut": e.links, "delay": e.links, "drop": e.links, "isolate": e.isolate, "partition": e.partition, "undo": e.undo,
		"scenario": e.scenarioList,
		"sleep":    e.sleepFor, "set": e.set, "echo": e.echo, "wait": e.wait, "help": e.help, "quit": e.quit,
		"expect": e.expect, "assert": e.assert,
		"load": e.load, "check": e.check, "verify": e.verify,
	}
}

// Stop ends the run after the command at hand; sleeps and waits end at once. To end the command too, end the context.
func (e *Executor) Stop() { e.stopOnce.Do(func() { close(e.stop) }) }

// Summary gives what was done so far.
func (e *Executor) Summary() Summary {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	summary := e.summary
	summary.Failures = maps.Clone(summary.Failures)
	summary.Elapsed = time.Since(e.started)
	return summary
}

// Finish writes the summary and gives it.
func (e *Executor) Finish() Summary {
	summary := e.Summary()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.ports.Output.Summary(summary)
	return summary
}

// Run runs statements; variables and settings last from one Run to the next. It returns false if nothing should be run
// any more: quit, stop on error, Stop, or the end of the context.
func (e *Executor) Run(ctx context.Context, statements []Statement) bool {
	e.mutex.Lock()
	e.summary.Interrupted = false // a prompt goes on after a command whose context was ended
	e.mutex.Unlock()
	return e.run(ctx, e.main, statements)
}

// RunLines parses and runs lines one by one until the text ends. A faulty line is noted and left out; with onerror=stop
// it ends the run. Stop takes effect when the read at hand returns.
func (e *Executor) RunLines(ctx context.Context, parser *Parser, lines io.Reader, name string) error {
	reader := newLineReader(lines)
	for number := 1; ; number++ {
		text, err := reader.next()
		if errors.Is(err, io.EOF) {
			e.problems(parser.Close())
			return nil
		}
		if err != nil {
			return fmt.Errorf("read line %d of %s: %w", number, name, err)
		}
		statements, err := parser.Line(text, Position{File: name, Line: number, Column: 1})
		e.problems(err)
		if err != nil && e.main.stop || !e.Run(ctx, statements) {
			return nil
		}
	}
}

// problems notes faulty lines.
func (e *Executor) problems(err error) {
	var problems Problems
	if !errors.As(err, &problems) {
		return
	}
	for _, problem := range problems {
		e.usage(problem)
	}
}

func (e *Executor) usage(problem Problem) {
	e.mutex.Lock()
	e.summary.Usage++
	e.mutex.Unlock()
	e.note(problem.At, Failed, "%s", problem.Error())
}

func (e *Executor) run(ctx context.Context, f *frame, statements []Statement) bool {
	for i := 0; i < len(statements); i++ {
		s := &statements[i]
		if e.interrupted(ctx) {
			return false
		}
		if n := f.together(statements[i:]); n > 1 && !(f.stop && f.failed) {
			if !e.inFlight(ctx, f, statements[i:i+n]) {
				return false
			}
			i += n - 1
			continue
		}
		// A failure waits for the expectations behind it: they may have asked for it.
		if f.stop && f.failed && s.Verb.Name != "expect" {
			e.note(s.At, Info, "stopped after an error (onerror=stop)")
			return false
		}
		if !e.statement(ctx, f, s) {
			return false
		}
	}
	return true
}

// together counts the requests at the beginning that may be in flight at once: those before anything else, and before
// one whose answer is looked at.
func (f *frame) together(statements []Statement) int {
	count := 0
	for i := range statements {
		s := &statements[i]
		if f.inFlight < 2 || s.Repeat != nil || s.Verb.Group != Data || s.Verb.Name == string(Retry) {
			break
		}
		if i+1 < len(statements) && statements[i+1].Verb.Name == "expect" {
			break
		}
		count++
	}
	return count
}

// inFlight runs requests with a bounded number of them at once. The random choices depend on their order in the script.
func (e *Executor) inFlight(ctx context.Context, f *frame, statements []Statement) bool {
	places := make(chan struct{}, f.inFlight)
	var running sync.WaitGroup
	var ended, failed atomic.Bool
	for i := range statements {
		places <- struct{}{}
		if ended.Load() || f.stop && failed.Load() || e.interrupted(ctx) {
			break
		}
		own := f.clone(seeded(f.random.Uint64()))
		running.Go(func() {
			defer func() { <-places }()
			if !e.run(ctx, own, statements[i:i+1]) {
				ended.Store(true)
			}
			if own.failed {
				failed.Store(true)
			}
		})
	}
	running.Wait()
	f.last, f.failed = nil, f.failed || failed.Load()
	return !ended.Load() && !e.interrupted(ctx)
}

// interrupted tells whether the run must end, and remembers it.
func (e *Executor) interrupted(ctx context.Context) bool {
	select {
	case <-e.stop:
	case <-ctx.Done():
	default:
		return false
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.summary.Interrupted = true
	return true
}

func (e *Executor) statement(ctx context.Context, f *frame, s *Statement) bool {
	if s.Repeat != nil {
		return e.repeat(ctx, f, s)
	}
	if s.Verb.Name == "source" {
		return e.run(ctx, f, s.Body)
	}
	if s.Verb.Name == "scenario" && len(s.Args) > 0 {
		return e.scenario(ctx, f, s)
	}
	c, problem := e.grammar.bind(s, f.lookup(e.ports.Getenv, func(name string) (string, error) { return e.found(ctx, name) }))
	if problem != nil {
		e.usage(*problem)
		f.failed = true
		return true
	}
	return e.runners[s.Verb.Name](ctx, f, c)
}

func (f *frame) lookup(
	getenv func(string) (string, bool), found func(name string) (string, error),
) func(string) (string, error) {
	return func(variable string) (string, error) {
		if variable == "i" {
			return strconv.Itoa(f.round), nil
		}
		if name, ok := strings.CutPrefix(variable, "env:"); ok {
			if value, ok := getenv(name); ok {
				return value, nil
			}
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		if value, ok := f.variables[variable]; ok {
			return value, nil
		}
		if slices.Contains(foundVariables, variable) {
			return found(variable)
		}
		return "", fmt.Errorf("variable ${%s} has no value yet", variable)
	}
}

// repeat runs the rounds of a repeat, paced and in parallel as asked.
func (e *Executor) repeat(ctx context.Context, f *frame, s *Statement) bool {
	outer := f.round
	defer func() { f.round = outer }()
	if s.Repeat.Parallel > 1 {
		return e.parallel(ctx, f, s)
	}
	next := time.Now()
	for round := 1; round <= s.Repeat.Count; round++ {
		if round > 1 && !e.pace(ctx, &next, s.Repeat.Every) {
			return false
		}
		f.round = round
		if !e.run(ctx, f, s.Body) {
			return false
		}
	}
	return true
}

// pace waits for the start of the next round. A round that took too long is not made up for.
func (e *Executor) pace(ctx context.Context, next *time.Time, every time.Duration) bool {
	*next = next.Add(every)
	pause := time.Until(*next)
	if pause <= 0 {
		*next = time.Now()
		return !e.interrupted(ctx)
	}
	return e.sleep(ctx, pause)
}

// parallel runs rounds with a bounded number in flight. The random choices of a round depend on its number alone.
func (e *Executor) parallel(ctx context.Context, f *frame, s *Statement) bool {
	slots := make(chan struct{}, s.Repeat.Parallel)
	var rounds sync.WaitGroup
	var ended, failed atomic.Bool
	next := time.Now()
	for round := 1; round <= s.Repeat.Count; round++ {
		if round > 1 && !e.pace(ctx, &next, s.Repeat.Every) {
			ended.Store(true)
			break
		}
		slots <- struct{}{}
		if ended.Load() || f.stop && failed.Load() {
			break
		}
		own := f.clone(seeded(f.random.Uint64()))
		own.round = round
		rounds.Go(func() {
			defer func() { <-slots }()
			if !e.run(ctx, own, s.Body) {
				ended.Store(true)
			}
			if own.failed {
				failed.Store(true)
			}
		})
	}
	rounds.Wait()
	f.last, f.failed = nil, f.failed || failed.Load()
	return !ended.Load()
}

// sleep waits; false if the run must end.
func (e *Executor) sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.stop:
	case <-ctx.Done():
	}
	return !e.interrupted(ctx)
}

// note writes a remark.
func (e *Executor) note(at Position, level NoteLevel, format string, args ...any) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.ports.Output.Note(Note{At: at, Time: time.Now(), Level: level, Text: fmt.Sprintf(format, args...)})
}

// report writes what a command found.
func (e *Executor) report(c *call, columns []string, rows [][]string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.ports.Output.Report(Report{At: c.at, Time: time.Now(), Verb: c.verb.Name, Columns: columns, Rows: rows})
}

// follow writes a row of a report that grows line by line; more tells that the heading was written before. The cells are
// as wide as those of the heading.
func (e *Executor) follow(c *call, columns, row []string, more bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.ports.Output.Report(Report{
		At: c.at, Time: time.Now(), Verb: c.verb.Name, Columns: columns, Rows: [][]string{row}, Follows: true, More: more,
	})
}
