package monitor

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// bucketsPerDouble divides each power of two into this many buckets, so that a
// quantile is at most an eighth too high.
const (
	bucketsPerDouble = 8
	bucketCount      = 40 * bucketsPerDouble
)

// Latency counts durations in buckets of growing width. Adding is one atomic
// operation; any goroutine may add and read.
type Latency struct {
	counts [bucketCount]atomic.Uint64
}

// Add counts one duration.
func (l *Latency) Add(d time.Duration) { l.counts[bucketOf(d)].Add(1) }

// LatencySummary is what a status shows of a Latency.
type LatencySummary struct {
	Count    uint64
	P50, P99 time.Duration
}

// Summary gives the quantiles of all durations since the start, each rounded up
// to the end of its bucket.
func (l *Latency) Summary() LatencySummary {
	var counts [bucketCount]uint64
	var s LatencySummary
	for i := range counts {
		counts[i] = l.counts[i].Load()
		s.Count += counts[i]
	}
	s.P50, s.P99 = quantile(&counts, s.Count, 50), quantile(&counts, s.Count, 99)
	return s
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
