package monitor

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// Histogram is durations in seconds, or sizes, as metrics show them.
type Histogram struct {
	Bounds []float64 // of the buckets, ascending, included; the bucket of all is left out
	Counts []uint64  // of each bucket and all before it
	Sum    float64
	Count  uint64
}

// Exposition is the text that Prometheus reads, version 0.0.4: for each metric two
// comments and its samples. Metrics are begun one after the other with Counter,
// Gauge or Distribution, and then get their samples. Labels are given as pairs of
// name and value.
type Exposition struct {
	text bytes.Buffer
	name string // of the metric begun last
}

// ContentType of an exposition.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Counter begins a metric that only grows. Its name ends in _total.
func (e *Exposition) Counter(name, help string) { e.begin(name, help, "counter") }

// Gauge begins a metric that goes up and down.
func (e *Exposition) Gauge(name, help string) { e.begin(name, help, "gauge") }

// Distribution begins a metric that is a histogram.
func (e *Exposition) Distribution(name, help string) { e.begin(name, help, "histogram") }

func (e *Exposition) begin(name, help, kind string) {
	e.name = name
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	e.text.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

// Sample adds a value of the metric begun last.
func (e *Exposition) Sample(value float64, labels ...string) { e.sample("", value, labels) }

// Count is Sample for a count.
func (e *Exposition) Count(value uint64, labels ...string) { e.sample("", float64(value), labels) }

// Flag is Sample with 1 for true and 0 for false.
func (e *Exposition) Flag(value bool, labels ...string) {
	number := 0.0
	if value {
		number = 1
	}
	e.sample("", number, labels)
}

// Histogram adds the samples of a distribution.
func (e *Exposition) Histogram(h Histogram, labels ...string) {
	own := labels[:len(labels):len(labels)]
	for i, bound := range h.Bounds {
		e.sample("_bucket", float64(h.Counts[i]), append(own, "le", number(bound)))
	}
	e.sample("_bucket", float64(h.Count), append(own, "le", "+Inf"))
	e.sample("_sum", h.Sum, labels)
	e.sample("_count", float64(h.Count), labels)
}

func (e *Exposition) sample(suffix string, value float64, labels []string) {
	e.text.WriteString(e.name + suffix)
	for i := 0; i+1 < len(labels); i += 2 {
		e.text.WriteByte("{,"[min(i, 1)])
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(labels[i+1])
		e.text.WriteString(labels[i] + `="` + escaped + `"`)
	}
	if len(labels) > 0 {
		e.text.WriteByte('}')
	}
	e.text.WriteString(" " + number(value) + "\n")
}

// number writes whole numbers without an exponent, for people.
func number(value float64) string {
	if value == math.Trunc(value) && math.Abs(value) < 1<<53 {
		return strconv.FormatInt(int64(value), 10)
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

// Bytes is the whole text.
func (e *Exposition) Bytes() []byte { return e.text.Bytes() }
