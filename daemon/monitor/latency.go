package monitor

import (
	"math/bits"
	"sync"
	"time"
)

// bucketsPerDouble divides each power of two into this many buckets, so that a
// quantile is at most an eighth too high.
const (
	bucketsPerDouble = 8
	bucketCount      = 40 * bucketsPerDouble
)

// recentSeconds is how far back a LatencySummary looks.
const recentSeconds = 10

// Latency counts durations in buckets of growing width, all since the start for
// metrics and those of the last ten seconds for people. Adding takes a lock for
// some nanoseconds; any goroutine may add and read.
type Latency struct {
	mu     sync.Mutex
	counts [bucketCount]uint64
	sum    time.Duration
	recent [recentSeconds + 1]latencySecond // by second modulo their number
}

// latencySecond is the durations that ended within one second.
type latencySecond struct {
	second int64 // since 1970
	counts [bucketCount]uint32
	max    time.Duration
}

// Add counts one duration that ended now.
func (l *Latency) Add(now time.Time, d time.Duration) {
	bucket := bucketOf(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[bucket]++
	l.sum += min(max(d, 0), time.Hour) // or one nonsense would overflow it
	second := now.Unix()
	part := &l.recent[uint64(second)%uint64(len(l.recent))]
	if part.second != second {
		*part = latencySecond{second: second}
	}
	part.counts[bucket]++
	part.max = max(part.max, d)
}

// LatencySummary is what a status shows of a Latency: of the last ten seconds.
type LatencySummary struct {
	Count         uint64
	P50, P99, Max time.Duration
}

// Summary gives the quantiles of the last ten seconds, each rounded up to the end
// of its bucket; the longest is exact.
func (l *Latency) Summary(now time.Time) LatencySummary {
	var counts [bucketCount]uint64
	var s LatencySummary
	l.mu.Lock()
	for i := range l.recent {
		part := &l.recent[i]
		if age := now.Unix() - part.second; age < 0 || age >= recentSeconds {
			continue
		}
		for bucket, n := range part.counts {
			counts[bucket] += uint64(n)
			s.Count += uint64(n)
		}
		s.Max = max(s.Max, part.max)
	}
	l.mu.Unlock()
	s.P50, s.P99 = quantile(&counts, s.Count, 50), quantile(&counts, s.Count, 99)
	s.P50, s.P99 = min(s.P50, s.Max), min(s.P99, s.Max)
	return s
}

// Metrics show durations of 2 to the power of these, in nanoseconds: 16 µs to 17 s.
const histogramFirst, histogramLast = 14, 34

// Histogram gives all durations since the start in buckets of a power of two. One
// of exactly a bound counts above it, a nanosecond too high.
func (l *Latency) Histogram() Histogram {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := Histogram{Sum: l.sum.Seconds()}
	next := 0
	for power := histogramFirst; power <= histogramLast; power++ {
		end := (power-2)*bucketsPerDouble - 1
		for ; next <= end; next++ {
			h.Count += l.counts[next]
		}
		h.Bounds = append(h.Bounds, (bucketEnd(end) + 1).Seconds())
		h.Counts = append(h.Counts, h.Count)
	}
	for ; next < bucketCount; next++ {
		h.Count += l.counts[next]
	}
	return h
}

func quantile(counts *[bucketCount]uint64, total uint64, percent uint64) time.Duration {
	if total == 0 {
		return 0
	}
	rank, seen := (total*percent+99)/100, uint64(0)
	for i, n := range counts {
		if seen += n; seen >= rank {
			return bucketEnd(i)
		}
	}
	return bucketEnd(bucketCount - 1)
}

// bucketOf numbers a duration's bucket: the position of its highest bit, and
// within that the next three bits.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < bucketsPerDouble {
		return int(n)
	}
	high := bits.Len64(n) - 1
	within := n >> (high - 3) & (bucketsPerDouble - 1)
	return min((high-2)*bucketsPerDouble+int(within), bucketCount-1)
}

// bucketEnd is the longest duration of a bucket.
func bucketEnd(bucket int) time.Duration {
	if bucket < bucketsPerDouble {
		return time.Duration(bucket)
	}
	high := bucket/bucketsPerDouble + 2
	within := uint64(bucket % bucketsPerDouble)
	return time.Duration((bucketsPerDouble+within+1)<<(high-3) - 1)
}
