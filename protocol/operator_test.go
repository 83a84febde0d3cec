package protocol

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestLatencyBuckets: a bucket takes what is above the bound before it, up to its
// own; the last one takes everything longer.
func TestLatencyBuckets(t *testing.T) {
	for i := range LatencyBuckets {
		bound := LatencyBucket(i)
		below := time.Duration(bound * float64(time.Microsecond)) // cut to whole nanoseconds
		if got := LatencyBucketOf(below); got != i {
			t.Errorf("%v, the bound of bucket %d, falls into %d", below, i, got)
		}
		above := below + below/1e8 + 2 // bounds are taken with a slack for rounding
		if got, want := LatencyBucketOf(above), min(i+1, LatencyBuckets-1); got != want {
			t.Errorf("%v, just above bucket %d, falls into %d", above, i, got)
		}
		if i > 0 && math.Abs(bound/LatencyBucket(i-1)-math.Pow(2, 0.25)) > 1e-9 {
			t.Errorf("bucket %d ends at %v, the one before at %v", i, bound, LatencyBucket(i-1))
		}
	}
	for took, want := range map[time.Duration]int{
		-time.Second: 0, 0: 0, time.Nanosecond: 0, 20 * time.Microsecond: 0, math.MaxInt64: LatencyBuckets - 1,
	} {
		if got := LatencyBucketOf(took); got != want {
			t.Errorf("%v falls into bucket %d, want %d", took, got, want)
		}
	}
}

// TestLatencyBucketsAreTheInverse of their bounds, for any duration.
func TestLatencyBucketsAreTheInverse(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	longest := LatencyBucket(LatencyBuckets - 2)
	for range 100_000 {
		micros := math.Exp(random.Float64() * math.Log(longest))
		took := time.Duration(micros * float64(time.Microsecond))
		micros = float64(took) / float64(time.Microsecond)
		i := LatencyBucketOf(took)
		const slack = 1e-9 // of the logarithm
		if micros > LatencyBucket(i)*(1+slack) || i > 0 && micros <= LatencyBucket(i-1)*(1-slack) {
			t.Fatalf("%v falls into bucket %d, which is from %v to %v µs (seed %d in NewPCG(seed, 1))",
				took, i, LatencyBucket(i-1), LatencyBucket(i), seed)
		}
	}
}

func TestLinkControlIsChecked(t *testing.T) {
	cut := LinkControl{Direction: DirectionBoth, Cut: true}
	for _, m := range []LinkControl{
		cut,
		{Direction: DirectionIn, DelayMicros: LinkDelayMicrosMax},
		{Direction: DirectionOut, JitterMicros: 1},
		{Direction: DirectionOut, LossPermille: LossPermilleMax, ForMillis: 1, Peers: []string{"r9"}},
	} {
		if err := m.Check(); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	for words, change := range map[string]func(*LinkControl){
		"use out, in or both": func(m *LinkControl) { m.Direction = "forth" },
		"nothing to break":    func(m *LinkControl) { m.Cut = false },
		"together they are":   func(m *LinkControl) { m.DelayMicros, m.JitterMicros = LinkDelayMicrosMax, 1 },
		"delay of -1":         func(m *LinkControl) { m.DelayMicros = -1 },
		"with -1":             func(m *LinkControl) { m.JitterMicros = -1 },
		"loss of 1001":        func(m *LinkControl) { m.LossPermille = LossPermilleMax + 1 },
		"loss of -1":          func(m *LinkControl) { m.LossPermille = -1 },
		"negative duration":   func(m *LinkControl) { m.ForMillis = -1 },
		"jitter: together":    func(m *LinkControl) { m.DelayMicros, m.JitterMicros = math.MaxInt64, math.MaxInt64 },
	} {
		m := cut
		change(&m)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v, want %q", m, err, words)
		}
	}
}
