package workload

import (
	"maps"
	"math/bits"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"synod/console/verdict"
)

// Latencies are kept in microseconds with two significant digits up to a minute.
const (
	latencyMicrosMax = 60_000_000
	latencyDigits    = 2
)

// SecondsMax bounds the seconds that are kept: the newest hour.
const SecondsMax = 3600

type kindIndex int

// The operations by number.
const (
	putIndex kindIndex = iota
	getIndex
	deleteIndex
	kinds
)

var kindOf = [kinds]verdict.Kind{verdict.Put, verdict.Get, verdict.Delete}

// Second is what ended in one second of the run.
type Second struct {
	At      time.Time // its begin
	OK      int
	Failed  int // surely not executed, or a read without an answer
	Unknown int // updates of unknown outcome
	P50     time.Duration
	P99     time.Duration
}

// Operation is what became of the operations of one kind.
type Operation struct {
	Kind                verdict.Kind
	Sent, OK            int
	Failed, Unknown     int
	P50, P90, P99, P999 time.Duration
	Max                 time.Duration
}

// Progress is everything that a watcher may know.
type Progress struct {
	Profile    Profile
	Running    bool
	Phase      string // running, waiting for the judge, deleting the keys, ended
	Prefix     string // of all keys
	Started    time.Time
	Elapsed    time.Duration
	Seconds    []Second // the newest last; shared, not to be changed
	Operations [kinds]Operation
	Failures   map[string]int // by kind of error
	Buckets    [Buckets]int   // answered operations by their duration: see [BucketBound]
	Recorded   bool           // there is a verdict
	Verdict    verdict.Verdict
	History    string // file of the history; "" without
	Problem    string // what went wrong beside the operations themselves
}

// Buckets is the number of buckets of a [Progress]. The last one takes everything longer.
const Buckets = 16

const bucketFirst = 125 * time.Microsecond

// BucketBound is the longest duration in a bucket, each twice that of the one before.
func BucketBound(i int) time.Duration { return bucketFirst << i }

func bucketOf(took time.Duration) int {
	return min(bits.Len64(uint64(max(took-1, 0)/bucketFirst)), Buckets-1)
}

// Total adds up the operations.
func (p *Progress) Total() (total Operation) {
	for _, o := range p.Operations {
		total.Sent += o.Sent
		total.OK += o.OK
		total.Failed += o.Failed
		total.Unknown += o.Unknown
	}
	return total
}

// Rate is the answered operations a second over the whole run.
func (p *Progress) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	total := p.Total()
	return float64(total.OK) / p.Elapsed.Seconds()
}

// ErrorRatio is the part of the operations that failed or whose outcome is unknown, from 0 to 1.
func (p *Progress) ErrorRatio() float64 {
	total := p.Total()
	if ended := total.OK + total.Failed + total.Unknown; ended > 0 {
		return float64(total.Failed+total.Unknown) / float64(ended)
	}
	return 0
}

// tally counts what ends. Safe for concurrent use.
type tally struct {
	mutex      sync.Mutex
	operations [kinds]Operation
	latencies  [kinds]*hdrhistogram.Histogram
	second     *hdrhistogram.Histogram
	now        Second
	seconds    []Second
	failures   map[string]int
	buckets    [Buckets]int
}

func newTally(at time.Time) *tally {
	t := &tally{failures: map[string]int{}, second: histogram(), now: Second{At: at}}
	for i := range t.latencies {
		t.latencies[i] = histogram()
		t.operations[i].Kind = kindOf[i]
	}
	return t
}

func histogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, latencyMicrosMax, latencyDigits) }

func (t *tally) sent(kind kindIndex) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.operations[kind].Sent++
}

// ended counts an operation with its answer.
func (t *tally) ended(kind kindIndex, answer *verdict.Answer, took time.Duration) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	o := &t.operations[kind]
	switch {
	case answer.Outcome == verdict.Done:
		o.OK++
		t.now.OK++
		t.buckets[bucketOf(took)]++
		micros := min(max(took.Microseconds(), 1), latencyMicrosMax)
		// The only error is a value above the range, which the limit excludes.
		_ = t.latencies[kind].RecordValue(micros)
		_ = t.second.RecordValue(micros)
		return
	case answer.Outcome == verdict.Unknown && kind != getIndex:
		o.Unknown++
		t.now.Unknown++
	default:
		o.Failed++
		t.now.Failed++
	}
	t.failures[answer.Failure]++
}

// turn ends a second.
func (t *tally) turn(at time.Time) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.now.P50, t.now.P99 = quantile(t.second, 50), quantile(t.second, 99)
	kept := t.seconds
	if len(kept) >= SecondsMax {
		kept = kept[len(kept)-SecondsMax+1:]
	}
	// The old array is shared with whoever looks: appending behind its end changes nothing that they see.
	t.seconds = append(kept, t.now)
	t.now = Second{At: at}
	t.second.Reset()
}

func (t *tally) fill(p *Progress) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	p.Seconds = t.seconds[:len(t.seconds):len(t.seconds)]
	p.Operations, p.Failures, p.Buckets = t.operations, maps.Clone(t.failures), t.buckets
	for i, h := range t.latencies {
		o := &p.Operations[i]
		o.P50, o.P90, o.P99 = quantile(h, 50), quantile(h, 90), quantile(h, 99)
		o.P999, o.Max = quantile(h, 99.9), time.Duration(h.Max())*time.Microsecond
	}
}

func quantile(h *hdrhistogram.Histogram, q float64) time.Duration {
	if h.TotalCount() == 0 {
		return 0
	}
	return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond
}
