package load

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run measured. Latencies are in milliseconds; fields are only ever added.
type Result struct {
	Mix         Mix     `json:"mix"`
	Clients     int     `json:"clients"`
	Connections int     `json:"connections"`
	ValueSize   int     `json:"value_size"`
	Keys        int     `json:"keys"`
	Seed        uint64  `json:"seed"`
	Seconds     float64 `json:"seconds"` // measured
	Ops         int64   `json:"ops"`     // answered in that time
	OpsS        float64 `json:"ops_s"`
	Errors      int64   `json:"errors"`
	Missing     int64   `json:"missing"` // of ops: reads of keys that do not exist

	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`

	PutP50 float64 `json:"put_p50_ms,omitempty"`
	PutP99 float64 `json:"put_p99_ms,omitempty"`
	GetP50 float64 `json:"get_p50_ms,omitempty"`
	GetP99 float64 `json:"get_p99_ms,omitempty"`

	ErrorKinds     map[string]int64 `json:"error_kinds,omitempty"`
	LastError      string           `json:"last_error,omitempty"`
	ProcessorUS    float64          `json:"client_cpu_us_op"` // processor time of this process for each answered request
	PrepareSeconds float64          `json:"prepare_seconds"`
	Interrupted    bool             `json:"interrupted,omitempty"`
}

// result adds up the shards.
func (g *generator) result(elapsed, used time.Duration) *Result {
	r := &Result{
		Mix: g.options.Mix, Clients: g.options.Clients, Connections: g.options.Connections, ValueSize: g.options.ValueSize,
		Keys: g.options.Keys, Seed: g.options.Seed, Seconds: elapsed.Seconds(), ErrorKinds: map[string]int64{},
	}
	put := hdrhistogram.New(1, latencyMicrosMax, latencyDigits)
	get := hdrhistogram.New(1, latencyMicrosMax, latencyDigits)
	for _, s := range g.shards {
		s.mutex.Lock()
		put.Merge(s.put)
		get.Merge(s.get)
		r.Missing += s.missing
		for kind, count := range s.errors {
			r.ErrorKinds[kind] += count
			r.Errors += count
		}
		if s.lastError != nil {
			r.LastError = s.lastError.Error()
		}
		s.mutex.Unlock()
	}
	r.PutP50, r.PutP99 = quantile(put, 50), quantile(put, 99)
	r.GetP50, r.GetP99 = quantile(get, 50), quantile(get, 99)
	put.Merge(get)
	r.P50, r.P99, r.P999, r.Max = quantile(put, 50), quantile(put, 99), quantile(put, 99.9), millis(put.Max())
	r.Ops = put.TotalCount()
	if r.Seconds > 0 {
		r.OpsS = round(float64(r.Ops) / r.Seconds)
	}
	if r.Ops > 0 {
		r.ProcessorUS = round(float64(used.Nanoseconds()) / 1000 / float64(r.Ops))
	}
	return r
}

func quantile(h *hdrhistogram.Histogram, q float64) float64 {
	if h.TotalCount() == 0 {
		return 0
	}
	return millis(h.ValueAtQuantile(q))
}

func millis(micros int64) float64 { return float64(micros) / 1000 }

// round keeps two decimals: more would only look exact.
func round(value float64) float64 { return float64(int64(value*100+0.5)) / 100 }

// JSON gives the result on one line.
func (r *Result) JSON() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic("load: a result without NaN and channels cannot fail to encode: " + err.Error())
	}
	return string(text)
}

// String gives the result for people, on several lines.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d clients on %d connections, values of %d bytes, %d keys, %.1f s measured\n", r.Mix, r.Clients,
		r.Connections, r.ValueSize, r.Keys, r.Seconds)
	fmt.Fprintf(&b, "  %.0f requests a second, %d answered, %d failed, %d of missing keys\n",
		r.OpsS, r.Ops, r.Errors, r.Missing)
	fmt.Fprintf(&b, "  latency      p50 %.3f ms   p99 %.3f ms   p99.9 %.3f ms   max %.3f ms\n",
		r.P50, r.P99, r.P999, r.Max)
	if r.Mix == Mixed {
		fmt.Fprintf(&b, "  put          p50 %.3f ms   p99 %.3f ms\n", r.PutP50, r.PutP99)
		fmt.Fprintf(&b, "  get          p50 %.3f ms   p99 %.3f ms\n", r.GetP50, r.GetP99)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.ErrorKinds)) {
		fmt.Fprintf(&b, "  %-12s %d\n", kind, r.ErrorKinds[kind])
	}
	if r.LastError != "" {
		fmt.Fprintf(&b, "  last error   %s\n", r.LastError)
	}
	fmt.Fprintf(&b, "  this process used %.2f us of processor time for each answered request\n", r.ProcessorUS)
	if r.Interrupted {
		b.WriteString("  interrupted before its time\n")
	}
	return b.String()
}

// processorTime is what this process has used of the processors, in user and system mode.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
