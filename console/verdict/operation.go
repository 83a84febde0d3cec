package verdict

import (
	"fmt"
	"strings"
	"time"
)

// Kind of an operation.
type Kind string

// The kinds.
const (
	Put    Kind = "put"
	Get    Kind = "get"
	Delete Kind = "del"
)

// Outcome is what a client knows about its operation.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	NotSent Outcome = "not_done" // surely never executed
	Unknown Outcome = "unknown"  // executed once, or not, or later
)

// Operation is one call of a client with its answer. Its fields are those of a line of a saved history, and only ever
// added to.
type Operation struct {
	Client int    `json:"client"`
	Kind   Kind   `json:"op"`
	Key    string `json:"key"`
	// Value names what was written, or read: the whole value or its beginning, as long as nobody else writes the same to
	// this key.
	Value    string `json:"value,omitempty"`
	Found    bool   `json:"found,omitempty"` // of a Get
	Revision uint64 `json:"revision,omitempty"`
	Replica  string `json:"replica,omitempty"` // that answered
	// Call and Return are times of one monotonic clock, from the start of the recorder.
	Call    time.Duration `json:"call_ns"`
	Return  time.Duration `json:"return_ns"`
	Outcome Outcome       `json:"outcome"`
	Failure string        `json:"failure,omitempty"` // kind of the error, without an answer
}

// String gives the operation on one line.
func (o *Operation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%11.3f ms – %11.3f ms  client %-3d  %s", millis(o.Call), millis(o.Return), o.Client, o.Kind)
	switch {
	case o.Kind == Put:
		fmt.Fprintf(&b, " %s", o.Value)
	case o.Kind == Get && o.Outcome == Done && o.Found:
		fmt.Fprintf(&b, " = %s", o.Value)
	case o.Kind == Get && o.Outcome == Done:
		b.WriteString(" = (no such key)")
	}
	switch {
	case o.Outcome == Unknown:
		b.WriteString("  outcome unknown")
	case o.Outcome == NotSent:
		b.WriteString("  not sent")
	case o.Revision > 0:
		fmt.Fprintf(&b, "  revision %d", o.Revision)
	}
	if o.Replica != "" {
		fmt.Fprintf(&b, "  at %s", o.Replica)
	}
	if o.Failure != "" {
		fmt.Fprintf(&b, "  (%s)", o.Failure)
	}
	return b.String()
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
