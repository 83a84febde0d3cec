package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are recorded in microseconds with three significant digits up to a minute; no request takes longer.
const (
	latencyMicrosMax  = 60_000_000
	latencyDigits     = 3
	prepareWorkersMin = 256              // enough in flight to fill batches
	prepareTimeout    = 10 * time.Second // of one key, tried again and again: a leader may be missing for a while
	preparePause      = 250 * time.Millisecond
	progressPause     = time.Second
	valueSlabBytes    = 1 << 20
)

// keyBytes is the length of all keys: "key-" and twelve digits.
const keyBytes = 16

// generator is one run.
type generator struct {
	options Options
	ports   Ports
	keys    []byte // all keys one after the other
	values  []byte // random bytes; values are slices of it
	shards  []*shard

	phase   atomic.Int32 // phaseWarm, phaseMeasure, phaseDone
	written atomic.Int64 // keys of the preparation
}

const (
	phaseWarm = iota
	phaseMeasure
	phaseDone
)

// shard is a connection with the counts of its workers.
type shard struct {
	client Client
	total  atomic.Int64 // requests of all phases, for progress
	failed atomic.Int64

	mutex     sync.Mutex // guards what follows: what ended inside the measured time
	put, get  *hdrhistogram.Histogram
	missing   int64
	errors    map[string]int64
	lastError error

	_ [64]byte // keeps the counters of two shards off one cache line
}

// Run does one run. A context that ends early ends the measurement; the result says so and holds what there is. Errors
// of single requests are counted in the result; the error of Run means that nothing was measured.
func Run(ctx context.Context, options Options, ports Ports) (result *Result, err error) {
	if err := options.Check(); err != nil {
		return nil, err
	}
	g := newGenerator(options, ports)
	defer func() { err = errors.Join(err, g.close()) }()
	if err := g.dial(ctx); err != nil {
		return nil, err
	}
	prepared := time.Duration(0)
	if options.Prepare {
		begun := time.Now()
		if err := g.prepare(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrPrepare, err)
		}
		prepared = time.Since(begun)
	}
	result = g.measure(ctx)
	result.PrepareSeconds = prepared.Seconds()
	return result, nil
}

func newGenerator(options Options, ports Ports) *generator {
	options.Connections = min(options.Connections, options.Clients)
	g := &generator{options: options, ports: ports}
	g.keys = make([]byte, 0, options.Keys*keyBytes)
	for number := range options.Keys {
		g.keys = fmt.Appendf(g.keys, "key-%012d", number)
	}
	g.values = make([]byte, valueSlabBytes+options.ValueSize)
	fill(g.values, options.Seed)
	return g
}

func fill(bytes []byte, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for at := 0; at < len(bytes); at += 8 {
		word := random.Uint64()
		for i := at; i < min(at+8, len(bytes)); i++ {
			bytes[i] = byte(word)
			word >>= 8
		}
	}
}

func (g *generator) key(number int) []byte {
	return g.keys[number*keyBytes : (number+1)*keyBytes : (number+1)*keyBytes]
}

func (g *generator) value(word uint64) []byte {
	at := int(word % valueSlabBytes)
	return g.values[at : at+g.options.ValueSize : at+g.options.ValueSize]
}

// dial opens all connections, several at a time.
func (g *generator) dial(ctx context.Context) error {
	for range g.options.Connections {
		g.shards = append(g.shards, &shard{
			put: hdrhistogram.New(1, latencyMicrosMax, latencyDigits), get: hdrhistogram.New(1, latencyMicrosMax, latencyDigits),
			errors: map[string]int64{},
		})
	}
	failures := make([]error, len(g.shards))
	var dialling sync.WaitGroup
	for i, s := range g.shards {
		dialling.Go(func() { s.client, failures[i] = g.ports.Dial(ctx, i) })
	}
	dialling.Wait()
	return errors.Join(failures...)
}

func (g *generator) close() error {
	var failures []error
	for _, s := range g.shards {
		if s.client != nil {
			failures = append(failures, s.client.Close())
		}
	}
	return errors.Join(failures...)
}

// prepare writes every key once, with many workers, and repeats what failed: the keys must be there.
func (g *generator) prepare(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := g.watch(Preparing, 0)
	defer stop()
	var next atomic.Int64
	var writers sync.WaitGroup
	for worker := range max(g.options.Clients, prepareWorkersMin) {
		s := g.shards[worker%len(g.shards)]
		writers.Go(func() {
			for ctx.Err() == nil {
				number := int(next.Add(1)) - 1
				if number >= g.options.Keys {
					return
				}
				if err := g.write(ctx, s, number); err != nil {
					cancel(err)
					return
				}
				g.written.Add(1)
				s.total.Add(1)
			}
		})
	}
	writers.Wait()
	return context.Cause(ctx)
}

func (g *generator) write(ctx context.Context, s *shard, number int) error {
	value := g.value(uint64(number) * 0x9e3779b97f4a7c15)
	for begun := time.Now(); ; {
		err := s.client.Put(ctx, g.key(number), value)
		if err == nil {
			return nil
		}
		s.failed.Add(1)
		if time.Since(begun) > prepareTimeout {
			return fmt.Errorf("key %s, tried for %v: %w", g.key(number), prepareTimeout, err)
		}
		pause := time.NewTimer(preparePause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		}
	}
}

// measure runs the workers through warm-up and measured time.
func (g *generator) measure(ctx context.Context) *Result {
	var workers sync.WaitGroup
	for worker := range g.options.Clients {
		s := g.shards[worker%len(g.shards)]
		workers.Go(func() { g.work(ctx, s, rand.NewPCG(g.options.Seed, uint64(worker)+2)) })
	}
	stop := g.watch(Warming, g.options.Warmup)
	interrupted := wait(ctx, g.options.Warmup)
	stop()
	g.phase.Store(phaseMeasure)
	begun, used := time.Now(), processorTime()
	stop = g.watch(Measuring, g.options.Duration)
	interrupted = interrupted || wait(ctx, g.options.Duration)
	elapsed, used := time.Since(begun), processorTime()-used
	g.phase.Store(phaseDone)
	stop()
	workers.Wait()
	result := g.result(elapsed, used)
	result.Interrupted = interrupted
	return result
}

// wait sleeps; true if the context ended first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() != nil
	case <-ctx.Done():
		return true
	}
}

// work is one worker. The end of a request is the begin of the next, so the clock is read once for each.
func (g *generator) work(ctx context.Context, s *shard, random *rand.PCG) {
	mix, keys := g.options.Mix, uint64(g.options.Keys)
	begun := time.Now()
	for g.phase.Load() != phaseDone && ctx.Err() == nil {
		word := random.Uint64()
		key := g.key(int((word >> 32) % keys))
		isGet := mix == Gets || mix == Mixed && word&1 == 1
		found, err := true, error(nil)
		if isGet {
			found, err = s.client.Get(ctx, key)
		} else {
			err = s.client.Put(ctx, key, g.value(word>>1))
		}
		ended := time.Now()
		s.total.Add(1)
		if err != nil {
			s.failed.Add(1)
		}
		if g.phase.Load() == phaseMeasure && ctx.Err() == nil {
			s.record(outcome{isGet: isGet, found: found, err: err, took: ended.Sub(begun)}, g.ports.Kind)
		}
		if err != nil && ended.Sub(begun) < failurePause {
			// What fails at once would spin on a processor that the servers need.
			wait(ctx, failurePause)
			ended = time.Now()
		}
		begun = ended
	}
}

// failurePause is the least time that a failed request takes a worker.
const failurePause = 5 * time.Millisecond

type outcome struct {
	isGet, found bool
	err          error
	took         time.Duration
}

func (s *shard) record(o outcome, kind func(error) string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if o.err != nil {
		s.errors[kind(o.err)]++
		s.lastError = o.err
		return
	}
	if !o.found {
		s.missing++
	}
	histogram := s.put
	if o.isGet {
		histogram = s.get
	}
	// The only error is a value above the range, which the limit excludes.
	_ = histogram.RecordValue(min(max(o.took.Microseconds(), 1), latencyMicrosMax))
}

// watch reports progress once a second until the returned function is called, which waits for the last report.
func (g *generator) watch(phase Phase, whole time.Duration) func() {
	if g.ports.Progress == nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(progressPause)
		defer ticker.Stop()
		begun := time.Now()
		last, before := begun, g.count()
		for {
			select {
			case <-stop:
				return
			case now := <-ticker.C:
				count := g.count()
				rate := float64(count-before) / now.Sub(last).Seconds()
				last, before = now, count
				g.ports.Progress(Progress{
					Phase: phase, Elapsed: now.Sub(begun), Whole: whole, Rate: rate, Errors: g.failed(), Done: int(g.written.Load()),
				})
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (g *generator) count() (total int64) {
	for _, s := range g.shards {
		total += s.total.Load()
	}
	return total
}

func (g *generator) failed() (total int64) {
	for _, s := range g.shards {
		total += s.failed.Load()
	}
	return total
}
