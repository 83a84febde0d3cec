package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Mix says what the requests are.
type Mix string

// The mixes.
const (
	Puts  Mix = "put"
	Gets  Mix = "get"
	Mixed Mix = "mixed" // half each, drawn at random
)

// Limits of a run.
const (
	ClientsMax     = 100_000
	ConnectionsMax = 1000
	KeysMax        = 100_000_000
	valueBytesMax  = 1 << 20
	durationMax    = 24 * time.Hour
)

// Options say what a run does.
type Options struct {
	Clients     int // workers, each with one request in flight
	Connections int // shared by the workers; never more than workers
	Mix         Mix
	ValueSize   int // bytes
	Keys        int // number of keys
	Prepare     bool
	Warmup      time.Duration
	Duration    time.Duration // measured
	Seed        uint64        // of keys and values
}

// Check reports the first option that is out of its limits.
func (o Options) Check() error {
	switch {
	case o.Clients < 1 || o.Clients > ClientsMax:
		return fmt.Errorf("--clients must be from 1 to %d, not %d", ClientsMax, o.Clients)
	case o.Connections < 1 || o.Connections > ConnectionsMax:
		return fmt.Errorf("--connections must be from 1 to %d, not %d", ConnectionsMax, o.Connections)
	case o.Mix != Puts && o.Mix != Gets && o.Mix != Mixed:
		return fmt.Errorf("--mix must be put, get or mixed, not %q", o.Mix)
	case o.ValueSize < 0 || o.ValueSize > valueBytesMax:
		return fmt.Errorf("--value-size must be from 0 to %d bytes, not %d", valueBytesMax, o.ValueSize)
	case o.Keys < 1 || o.Keys > KeysMax:
		return fmt.Errorf("--keys must be from 1 to %d, not %d", KeysMax, o.Keys)
	case o.Warmup < 0 || o.Warmup > durationMax:
		return fmt.Errorf("--warmup must be from 0 to %v, not %v", durationMax, o.Warmup)
	case o.Duration <= 0 || o.Duration > durationMax:
		return fmt.Errorf("--duration must be above 0 and at most %v, not %v", durationMax, o.Duration)
	}
	return nil
}

// Client is one connection. Safe for concurrent use. A call without an answer in the client's own time is an error.
type Client interface {
	Put(ctx context.Context, key, value []byte) error
	// Get reports whether the key exists.
	Get(ctx context.Context, key []byte) (bool, error)
	Close() error
}

// Ports are the doors of a run.
type Ports struct {
	// Dial opens the connection with the given number, from 0 up.
	Dial func(ctx context.Context, number int) (Client, error)
	// Kind names the kind of an error of a Client, for counting.
	Kind func(error) string
	// Progress is told once a second how it goes; may be nil.
	Progress func(Progress)
}

// Phase of a run.
type Phase string

// The phases.
const (
	Preparing Phase = "prepare"
	Warming   Phase = "warm up"
	Measuring Phase = "measure"
)

// Progress is what a watcher sees.
type Progress struct {
	Phase   Phase
	Elapsed time.Duration // of the phase
	Whole   time.Duration // of the phase; 0 if unknown
	Rate    float64       // requests a second since the last Progress
	Errors  int64         // of the run so far
	Done    int           // keys written, of a Preparing
}

// ErrPrepare says that the keys could not be written; nothing was measured.
var ErrPrepare = errors.New("write the keys before measuring")

// String gives the progress on one line.
func (p Progress) String() string {
	text := fmt.Sprintf("%-8s %4.0f s", p.Phase, p.Elapsed.Seconds())
	if p.Whole > 0 {
		text = fmt.Sprintf("%-8s %4.0f of %.0f s", p.Phase, p.Elapsed.Seconds(), p.Whole.Seconds())
	}
	text += fmt.Sprintf("   %8.0f a second", p.Rate)
	if p.Phase == Preparing {
		text += fmt.Sprintf("   %d keys", p.Done)
	}
	if p.Errors > 0 {
		text += fmt.Sprintf("   %d failed", p.Errors)
	}
	return text
}
