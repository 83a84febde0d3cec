package monitor

import (
	"strings"
	"testing"
	"time"

	"synod/protocol"
)

func TestOldDurationsLeaveTheSummaryAndStayInTheHistogram(t *testing.T) {
	var latency Latency
	begin := time.Unix(1_800_000_000, 0)
	latency.Add(begin, time.Second)
	latency.Add(begin.Add(5*time.Second), time.Millisecond)
	for _, c := range []struct {
		after time.Duration
		count uint64
		max   time.Duration
	}{
		{0, 1, time.Second}, // what is to come is not looked at
		{5 * time.Second, 2, time.Second},
		{9 * time.Second, 2, time.Second},
		{10 * time.Second, 1, time.Millisecond},
		{15 * time.Second, 0, 0},
	} {
		if s := latency.Summary(begin.Add(c.after)); s.Count != c.count || s.Max != c.max || s.P99 > c.max {
			t.Errorf("after %v: %+v, want %d durations up to %v", c.after, s, c.count, c.max)
		}
	}
	latency.Add(begin.Add(11*time.Second), time.Microsecond) // the place of the first second
	if s := latency.Summary(begin.Add(11 * time.Second)); s.Count != 2 || s.Max != time.Millisecond {
		t.Errorf("a second that is used again: %+v", s)
	}
	h := latency.Histogram()
	if h.Count != 3 || h.Sum != 1.001001 || h.Counts[0] != 1 || h.Counts[len(h.Counts)-1] != 3 {
		t.Errorf("of three durations: %+v", h)
	}
	checkHistogram(t, h)
}

func TestHistogramsHoldEachValueUnderItsBound(t *testing.T) {
	var latency Latency
	now := time.Unix(1_800_000_000, 0)
	var sizes Sizes
	for _, n := range []int{1, 2, 3, 4, 5, 64, 65, 1 << 14, 1<<14 + 1} {
		sizes.Add(n)
		latency.Add(now, time.Duration(n)*10*time.Microsecond)
	}
	h := sizes.Histogram()
	checkHistogram(t, h)
	want := []uint64{1, 2, 4, 5, 5, 5, 6, 7, 7, 7, 7, 7, 7, 7, 8}
	for i, n := range want {
		if h.Counts[i] != n || h.Bounds[i] != float64(int(1)<<i) {
			t.Errorf("up to %v: %d, want %d", h.Bounds[i], h.Counts[i], n)
		}
	}
	if h.Count != 9 {
		t.Errorf("%d in all, want 9", h.Count)
	}
	durations := latency.Histogram()
	checkHistogram(t, durations)
	for i, bound := range durations.Bounds {
		under := uint64(0)
		for _, n := range []int{1, 2, 3, 4, 5, 64, 65, 1 << 14, 1<<14 + 1} {
			if float64(n)*10e-6 < bound {
				under++
			}
		}
		if durations.Counts[i] != under {
			t.Errorf("up to %v s: %d, want %d", bound, durations.Counts[i], under)
		}
	}
}

// checkHistogram: bounds ascend, counts never fall.
func checkHistogram(t *testing.T, h Histogram) {
	t.Helper()
	for i := 1; i < len(h.Bounds); i++ {
		if h.Bounds[i] <= h.Bounds[i-1] || h.Counts[i] < h.Counts[i-1] {
			t.Errorf("bucket %d: bound %v after %v, count %d after %d", i, h.Bounds[i], h.Bounds[i-1], h.Counts[i],
				h.Counts[i-1])
		}
	}
	if h.Count < h.Counts[len(h.Counts)-1] {
		t.Errorf("%d in all are fewer than in the last bucket: %d", h.Count, h.Counts[len(h.Counts)-1])
	}
}

func TestOperationsAreCountedApart(t *testing.T) {
	var o Operations
	o.Answered(OperationPut, 20*time.Microsecond)
	o.Answered(OperationPut, 21*time.Microsecond)
	o.Answered(OperationGet, time.Hour)
	o.Failed(OperationScan)
	all := o.Status()
	if len(all) != 3 || all[0].Operation != "put" || all[1].Operation != "get" || all[2].Operation != "scan" {
		t.Fatalf("put, get and scan were used: %+v", all)
	}
	if b := all[0].Buckets; len(b) != 2 || b[0] != 1 || b[1] != 1 || all[0].SumMicros != 41 || all[0].Failed != 0 {
		t.Errorf("two puts: %+v", all[0])
	}
	if len(all[1].Buckets) != protocol.LatencyBuckets || all[2].Failed != 1 || len(all[2].Buckets) != 0 {
		t.Errorf("a long get, a failed scan: %+v", all[1:])
	}
}

func TestExpositionEscapesAndNumbers(t *testing.T) {
	var e Exposition
	e.Counter("a_total", "Two\nlines, one \\.")
	e.Count(1<<60, "peer", "a\"b\\c\nd")
	e.Gauge("b", "b.")
	e.Sample(0.000001)
	e.Flag(true, "x", "1", "y", "2")
	e.Distribution("c_seconds", "c.")
	e.Histogram(Histogram{Bounds: []float64{0.5, 2}, Counts: []uint64{1, 3}, Sum: 12.25, Count: 4}, "op", "put")
	want := `# HELP a_total Two\nlines, one \\.
# TYPE a_total counter
a_total{peer="a\"b\\c\nd"} 1.152921504606847e+18
# HELP b b.
# TYPE b gauge
b 1e-06
b{x="1",y="2"} 1
# HELP c_seconds c.
# TYPE c_seconds histogram
c_seconds_bucket{op="put",le="0.5"} 1
c_seconds_bucket{op="put",le="2"} 3
c_seconds_bucket{op="put",le="+Inf"} 4
c_seconds_sum{op="put"} 12.25
c_seconds_count{op="put"} 4
`
	if got := string(e.Bytes()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, strings.TrimSpace(want))
	}
}
