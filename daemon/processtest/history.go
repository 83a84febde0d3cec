package processtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"synod/protocol"
)

// Kind of an operation.
type Kind string

// The kinds.
const (
	Put    Kind = "put"
	Get    Kind = "get"
	Delete Kind = "delete"
)

// Outcome of an operation, as its client knows it.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	NotSent Outcome = "not sent" // surely never executed
	Unknown Outcome = "unknown"  // executed once, or not, or later
)

// Operation is one call of a client. Times are those of one monotonic clock, from the start of the load.
type Operation struct {
	Client       int
	Replica      string // that answered
	Kind         Kind
	Key, Value   string // written, or read
	Found        bool   // of a Get
	Slot         uint64 // of an update
	Revision     uint64 // that an update made, or that a read saw
	Call, Return time.Duration
	Outcome      Outcome
	Code         protocol.Code // of a failure
	Text         string        // of a failure
}

func (o *Operation) String() string {
	text := fmt.Sprintf("client %d %s %s", o.Client, o.Kind, o.Key)
	if o.Value != "" {
		text += "=" + o.Value
	}
	text += fmt.Sprintf(" [%v, %v] %s revision %d at %s", o.Call, o.Return, o.Outcome, o.Revision, o.Replica)
	if o.Text != "" {
		text += ": " + o.Text
	}
	return text
}

// update reports whether the operation changes something.
func (o *Operation) update() bool { return o.Kind != Get }

// History is what all clients of a load did and saw.
type History struct {
	Operations []Operation // by Call
	// Timeout is what every operation was given.
	Timeout time.Duration
	// Before and After are revisions: nobody but the load changed anything between them. 0 if unknown.
	Before, After uint64
	// UnknownBefore counts earlier updates that may have been executed between Before and After.
	UnknownBefore int

	prefix string // of all keys
}

// Keys lists all keys, sorted.
func (h *History) Keys() []string {
	set := map[string]bool{}
	var keys []string
	for i := range h.Operations {
		if key := h.Operations[i].Key; !set[key] {
			set[key] = true
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Unknowns counts the updates of which nobody knows whether they were executed.
func (h *History) Unknowns() (count int) {
	for i := range h.Operations {
		if o := &h.Operations[i]; o.update() && o.Outcome == Unknown {
			count++
		}
	}
	return count
}

// LongestGap is the longest time between from and to in which no update was acknowledged.
func (h *History) LongestGap(from, to time.Duration) time.Duration {
	times := []time.Duration{from, to}
	for i := range h.Operations {
		o := &h.Operations[i]
		if o.update() && o.Outcome == Done && o.Return > from && o.Return < to {
			times = append(times, o.Return)
		}
	}
	slices.Sort(times)
	var longest time.Duration
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i]-times[i-1])
	}
	return longest
}

// String sums the history up.
func (h *History) String() string {
	counts := map[string]int{}
	var longest time.Duration
	for i := range h.Operations {
		o := &h.Operations[i]
		name := fmt.Sprintf("%s %s", o.Kind, o.Outcome)
		if o.Outcome != Done {
			name += " (" + o.Code.String() + ")"
		}
		counts[name]++
		longest = max(longest, o.Return-o.Call)
	}
	var parts []string
	for name, count := range counts {
		parts = append(parts, fmt.Sprintf("%s %d", name, count))
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d operations: %s; longest %v", len(h.Operations), strings.Join(parts, ", "),
		longest.Round(time.Millisecond))
}

func (h *History) sort() {
	slices.SortFunc(h.Operations, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Client, b.Client))
	})
}
