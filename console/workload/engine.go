package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"synod/console/verdict"
)

// Request is what a client wants.
type Request struct {
	Kind   verdict.Kind
	Key    []byte
	Value  []byte // of a put; valid during the call
	Target string // auto, random, leader or a replica
	Client int
}

// Store serves the clients. It is called by many goroutines at once. An answer comes at the latest when ctx ends. The
// Value of an answer to a get is the whole value.
type Store interface {
	Do(ctx context.Context, request Request) verdict.Answer
}

// Options are what a run needs beside its profile.
type Options struct {
	Store Store
	// Prefix begins every key. It must be this run's own.
	Prefix string
	// History takes the operations as lines of JSON; nil keeps none. HistoryName is what it is called.
	History     io.Writer
	HistoryName string
	// Close is called when all is over, before Done is closed: connections and files end there. It may be nil.
	Close func() error
	// Go starts a goroutine; nil: the plain way.
	Go func(func())
}

// Pauses of a client.
const (
	behindPause   = 20 * time.Millisecond // when the judge has to catch up
	failurePause  = 20 * time.Millisecond // the least time that a failed operation takes: what fails at once must not spin
	cleanTimeout  = 30 * time.Second      // of deleting the keys
	cleanWorkers  = 64
	timeoutNormal = 2 * time.Second
	// pickTries bounds the draws of a key that may be used now.
	pickTries = 16
)

// Engine is a running load. Safe for concurrent use.
type Engine struct {
	options  Options
	started  time.Time
	tally    *tally
	recorder *verdict.Recorder // nil without judge
	limiter  *rate.Limiter
	ctx      context.Context // of the operations' beginning; they have time-outs of their own
	cancel   context.CancelFunc
	clients  sync.WaitGroup
	ended    chan struct{} // closed when all is over

	mutex   sync.Mutex // guards what follows
	profile Profile
	picker  *picker
	retired map[int]int // generation of keys that were used up
	used    []bool      // keys that were drawn
	running int         // clients that exist
	born    int         // clients that were ever started
	phase   string
	final   verdict.Verdict
	problem string
	stopped time.Time
}

// Phases of a run.
const (
	PhaseRunning  = "running"
	PhaseJudging  = "waiting for the judge"
	PhaseCleaning = "deleting the keys"
	PhaseEnded    = "ended"
)

// Start begins a load. It goes on until Stop is called, its time is over, or ctx ends.
func Start(ctx context.Context, profile Profile, options Options) (*Engine, error) {
	if err := profile.Check(); err != nil {
		return nil, err
	}
	if options.Go == nil {
		options.Go = func(body func()) { go body() }
	}
	now := time.Now()
	e := &Engine{
		options: options, started: now, tally: newTally(now), profile: profile, phase: PhaseRunning,
		picker: newPicker(profile.Keys, profile.Distribution), limiter: rate.NewLimiter(limit(profile.Rate), 1),
		ended: make(chan struct{}), retired: map[int]int{}, used: make([]bool, profile.Keys),
	}
	e.ctx, e.cancel = context.WithCancel(ctx)
	if profile.Judge {
		e.recorder = verdict.NewRecorder(verdict.Options{History: options.History})
		options.Go(e.recorder.Judge)
	}
	e.grow()
	options.Go(e.run)
	return e, nil
}

func limit(perSecond float64) rate.Limit {
	if perSecond <= 0 {
		return rate.Inf
	}
	return rate.Limit(perSecond)
}

// Apply changes a running load. What its keys are and whether it is judged stays.
func (e *Engine) Apply(profile Profile) error {
	if err := profile.Check(); err != nil {
		return err
	}
	e.mutex.Lock()
	if e.phase != PhaseRunning {
		e.mutex.Unlock()
		return errors.New("no load is running: start one with `load start`")
	}
	profile.Keys, profile.Distribution, profile.Judge = e.profile.Keys, e.profile.Distribution, e.profile.Judge
	e.profile = profile
	e.limiter.SetLimit(limit(profile.Rate))
	e.mutex.Unlock()
	e.grow()
	return nil
}

// grow starts the clients that are missing.
func (e *Engine) grow() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for e.running < e.profile.Clients && e.ctx.Err() == nil {
		number, id := e.running, e.born
		e.running++
		e.born++
		e.clients.Add(1)
		e.options.Go(func() {
			defer e.clients.Done()
			e.client(number, id)
		})
	}
}

// run is the life of the load: it turns the seconds, ends the clients, waits for the judge and cleans up.
func (e *Engine) run() {
	defer close(e.ended)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for e.ctx.Err() == nil {
		select {
		case at := <-ticker.C:
			e.tally.turn(at)
			if e.over(at) {
				e.cancel()
			}
		case <-e.ctx.Done():
		}
	}
	e.clients.Wait()
	e.finish()
	if e.options.Close == nil {
		return
	}
	if err := e.options.Close(); err != nil {
		e.complain(err)
	}
}

func (e *Engine) over(at time.Time) bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.profile.Time > 0 && at.Sub(e.started) >= e.profile.Time
}

func (e *Engine) enter(phase string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.phase = phase
	if e.stopped.IsZero() {
		e.stopped = time.Now()
	}
}

// judgeTimeout bounds the wait for the judge at the end.
const judgeTimeout = time.Minute

func (e *Engine) finish() {
	e.enter(PhaseJudging)
	if e.recorder != nil {
		ctx, cancel := context.WithTimeout(context.Background(), judgeTimeout)
		final, err := e.recorder.Finish(ctx)
		cancel()
		if err != nil {
			e.complain(err)
		}
		e.mutex.Lock()
		e.final = final
		e.mutex.Unlock()
	}
	if !e.current().Keep && e.wrote() {
		e.enter(PhaseCleaning)
		if err := e.clean(); err != nil {
			e.complain(err)
		}
	}
	e.enter(PhaseEnded)
}

// wrote tells whether there may be keys of ours: who only reads deletes nothing.
func (e *Engine) wrote() bool {
	var p Progress
	e.tally.fill(&p)
	return p.Operations[putIndex].Sent > 0
}

// complain keeps what went wrong beside the operations.
func (e *Engine) complain(err error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.problem != "" {
		e.problem += "; "
	}
	e.problem += err.Error()
}

// Halt tells the load to end and does not wait.
func (e *Engine) Halt() { e.cancel() }

// Done is closed when all is over: the keys are deleted, the verdict is final.
func (e *Engine) Done() <-chan struct{} { return e.ended }

// Stop ends the load and waits for everything, or until ctx ends.
func (e *Engine) Stop(ctx context.Context) Progress {
	e.cancel()
	select {
	case <-e.ended:
	case <-ctx.Done():
	}
	return e.Progress()
}

// Save makes sure that the history file holds everything judged so far.
func (e *Engine) Save() error {
	if e.recorder == nil || e.options.History == nil {
		return errors.New("this load keeps no history")
	}
	return e.recorder.Save()
}

// Progress tells how it goes.
func (e *Engine) Progress() Progress {
	e.mutex.Lock()
	p := Progress{
		Profile: e.profile, Running: e.phase == PhaseRunning, Phase: e.phase, Prefix: e.options.Prefix, Started: e.started,
		Recorded: e.recorder != nil, Verdict: e.final, Problem: e.problem, History: e.options.HistoryName,
	}
	end := e.stopped
	e.mutex.Unlock()
	if end.IsZero() {
		end = time.Now()
	}
	p.Elapsed = end.Sub(e.started)
	e.tally.fill(&p)
	if e.recorder != nil && p.Verdict.Word == "" {
		p.Verdict = e.recorder.Verdict()
	}
	return p
}

// client is one client: it sends its next operation when the one before has ended. Its id is its own for ever, its
// number is that of its place.
func (e *Engine) client(number, id int) {
	profile := e.current()
	random := rand.New(rand.NewPCG(profile.Seed, uint64(id)))
	padding := []byte(strings.Repeat(".", profile.ValueBytes))
	for count := 0; ; count++ {
		if err := e.limiter.Wait(e.ctx); err != nil {
			return
		}
		if profile = e.current(); number >= profile.Clients {
			e.leave(number)
			return
		}
		kind := profile.kind(random.IntN(100))
		token := fmt.Sprintf("c%d.%d", id, count)
		key, ticket, ready := e.begin(id, kind, token, random)
		if !ready {
			continue
		}
		value := []byte(token)
		if kind == putIndex && len(value)+1 < profile.ValueBytes {
			value = append(append(value, ' '), padding[:min(profile.ValueBytes-len(token)-1, len(padding))]...)
		}
		e.tally.sent(kind)
		begun := time.Now()
		answer := e.ask(profile, Request{
			Kind: kindOf[kind], Key: []byte(key), Value: value, Target: profile.Target, Client: id,
		})
		took := time.Since(begun)
		if e.recorder != nil {
			e.recorder.End(ticket, answer)
		}
		e.tally.ended(kind, &answer, took)
		if answer.Outcome != verdict.Done && took < failurePause {
			e.rest(failurePause)
		}
	}
}

func (e *Engine) current() Profile {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.profile
}

// leave is the end of a client that is too many. Clients leave from the highest number down, so that the numbers in use
// have no gaps.
func (e *Engine) leave(number int) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.running = min(e.running, number)
}

// begin draws a key that may be used now and writes down that the operation begins.
func (e *Engine) begin(client int, kind kindIndex, token string, random *rand.Rand) (string, verdict.Ticket, bool) {
	for range pickTries {
		number := e.picker.pick(random)
		key := e.name(number)
		if e.recorder == nil {
			return key, verdict.Ticket{}, true
		}
		ticket, state := e.recorder.Begin(client, kindOf[kind], key, token)
		switch state {
		case verdict.Ready:
			return key, ticket, true
		case verdict.Retired:
			e.retire(number, key)
		case verdict.Behind:
			e.rest(behindPause)
			return "", ticket, false
		}
	}
	e.rest(time.Millisecond)
	return "", verdict.Ticket{}, false
}

// name is the key with a number, in its present generation.
func (e *Engine) name(number int) string {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.used[number] = true
	return e.nameOf(number, e.retired[number])
}

func (e *Engine) nameOf(number, generation int) string {
	if generation == 0 {
		return fmt.Sprintf("%s%06d", e.options.Prefix, number)
	}
	return fmt.Sprintf("%s%06d.%d", e.options.Prefix, number, generation)
}

// retire goes on to the next generation of a key, unless another client already has.
func (e *Engine) retire(number int, key string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.nameOf(number, e.retired[number]) == key {
		e.retired[number]++
	}
}

// ask sends an operation. It has its own time-out, also after the load was told to end: an answer that is on its way is
// worth more than an unknown outcome.
func (e *Engine) ask(profile Profile, request Request) verdict.Answer {
	timeout := profile.Timeout
	if timeout == 0 {
		timeout = timeoutNormal
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), timeout)
	defer cancel()
	answer := e.options.Store.Do(ctx, request)
	if token, _, cut := strings.Cut(answer.Value, " "); cut {
		answer.Value = token
	}
	return answer
}

func (e *Engine) rest(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.ctx.Done():
	}
}
