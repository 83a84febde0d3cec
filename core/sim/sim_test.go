package sim

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run only this seed and print its trace (see also -v)")
	seedsFlag = flag.Int("seeds", 0, "how many seeds to run; the environment's SEEDS means the same")
	firstFlag = flag.Uint64("first", 1, "first seed of the sweep")
)

// seedsDefault is what every `make test` runs.
const seedsDefault = 300

// probesSeedsMin: so many seeds must hit every mandatory probe.
const probesSeedsMin = 300

func seeds(t *testing.T) int {
	if *seedsFlag > 0 {
		return *seedsFlag
	}
	text := os.Getenv("SEEDS")
	if text == "" {
		return seedsDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SEEDS=%q: give a number of seeds", text)
	}
	return n
}

// TestSeeds sweeps through seeds. Every tenth runs twice and must leave the same
// trace. SEED or -seed runs one alone.
func TestSeeds(t *testing.T) {
	one := *seedFlag
	if text := os.Getenv("SEED"); text != "" && one == 0 {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SEED=%q: give a number", text)
		}
		one = seed
	}
	if one != 0 {
		runOne(t, one)
		return
	}
	sum := sweep(t, *firstFlag, seeds(t))
	t.Log(sum)
	if sum.seeds >= probesSeedsMin {
		sum.requireProbes(t)
	}
}

// TestSameSeedSameTrace: a seed is a run. Other seeds are other runs.
func TestSameSeedSameTrace(t *testing.T) {
	traces := map[uint64]uint64{}
	for seed := uint64(9001); seed < 9005; seed++ {
		first, second := Run(Draw(seed), nil), Run(Draw(seed), io.Discard)
		if first.Trace != second.Trace || first.Events != second.Events || first.Simulated != second.Simulated {
			t.Errorf("seed %d: two runs differ: %016x of %d events, %016x of %d",
				seed, first.Trace, first.Events, second.Trace, second.Events)
		}
		if other, again := traces[first.Trace]; again {
			t.Errorf("seeds %d and %d give the same run", other, seed)
		}
		traces[first.Trace] = seed
	}
}

func runOne(t *testing.T, seed uint64) {
	options := Draw(seed)
	t.Log(options)
	report := Run(options, os.Stdout)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	t.Logf("%d events, %d slots, %s simulated; done %d, refused %d, unknown %d",
		report.Events, report.Slots, report.Simulated, report.Done, report.Refused, report.Unknown)
}

// sweepSum adds up the reports of a sweep.
type sweepSum struct {
	mu    sync.Mutex
	seeds int
	total Report
	took  time.Duration
}

func sweep(t *testing.T, first uint64, count int) *sweepSum {
	sum := &sweepSum{}
	var next atomic.Uint64
	var workers sync.WaitGroup
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for !t.Failed() {
				n := next.Add(1) - 1
				if n >= uint64(count) {
					return
				}
				seed := first + n
				report := Run(Draw(seed), nil)
				if err := report.Err(); err != nil {
					t.Error(err)
				}
				if n%10 == 0 {
					if again := Run(Draw(seed), nil); again.Trace != report.Trace {
						t.Errorf("seed %d is not deterministic: traces %016x and %016x", seed, report.Trace, again.Trace)
					}
				}
				sum.add(&report)
			}
		})
	}
	workers.Wait()
	sum.took = time.Since(start)
	return sum
}

func (s *sweepSum) add(r *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	a := &s.total
	a.Events += r.Events
	a.Tasks += r.Tasks
	a.Simulated += r.Simulated
	a.Slots += r.Slots
	a.Done += r.Done
	a.Refused += r.Refused
	a.Unknown += r.Unknown
	a.Torn += r.Torn
	a.Dropped += r.Dropped
	for i, n := range r.Faults {
		a.Faults[i] += n
	}
	for i, n := range r.Probes {
		a.Probes[i] += n
	}
}

// String is the summary, with one line for machines at its end.
func (s *sweepSum) String() string {
	a, seconds := &s.total, s.took.Seconds()
	text := fmt.Sprintf("%d seeds, %s simulated, %.0f seeds/s, %.0f events/s, %d slots\n",
		s.seeds, a.Simulated, float64(s.seeds)/seconds, float64(a.Events)/seconds, a.Slots)
	text += fmt.Sprintf("operations: %d done, %d refused, %d unknown; writes torn %d, dropped %d\nfaults:",
		a.Done, a.Refused, a.Unknown, a.Torn, a.Dropped)
	faults := uint64(0)
	for kind, n := range a.Faults {
		text += fmt.Sprintf(" %s %d,", faultKind(kind), n)
		faults += n
	}
	text += "\nprobes:"
	for p, n := range a.Probes {
		text += fmt.Sprintf(" %s %d,", probe(p), n)
	}
	return text + fmt.Sprintf("\nSIM seeds=%d simulated_s=%d faults=%d events=%d done=%d unknown=%d seconds=%.1f",
		s.seeds, a.Simulated/1_000_000, faults, a.Events, a.Done, a.Unknown, seconds)
}

func (s *sweepSum) requireProbes(t *testing.T) {
	for p, n := range s.total.Probes {
		if n == 0 && probe(p).mandatory() {
			t.Errorf("no seed of %d reached the state %q", s.seeds, probe(p))
		}
	}
	for kind, n := range s.total.Faults {
		if n == 0 {
			t.Errorf("no seed of %d had the fault %q", s.seeds, faultKind(kind))
		}
	}
}
