package protocol

import "fmt"

// Directions of a [LinkControl], seen from the replica that gets it.
const (
	DirectionOut  = "out"  // what it sends
	DirectionIn   = "in"   // what it receives
	DirectionBoth = "both" // nothing passes either way
)

// Limits of a [LinkControl].
const (
	// LinkDelayMicrosMax bounds delay and jitter together.
	LinkDelayMicrosMax = 10_000_000
	// LossPermilleMax is the whole.
	LossPermilleMax = 1000
)

// LinkControl breaks the links between a replica and others, as networks break:
// messages of the roles are lost or late, and nobody is told. The connections
// themselves stay, so that what people see of the replicas stays current. What
// was broken before on the same peer and direction by another order remains;
// each order is a fault of its own with its own id.
type LinkControl struct {
	// Peers are the other ends; none means all other replicas.
	Peers     []string `json:"peers,omitempty"`
	Direction string   `json:"direction"`
	// One of the three at least.
	Cut          bool  `json:"cut,omitempty"`
	DelayMicros  int64 `json:"delay_us,omitempty"`
	JitterMicros int64 `json:"jitter_us,omitempty"` // added to the delay, evenly drawn from 0 to this
	LossPermille int   `json:"loss_permille,omitempty"`
	// ForMillis ends the fault by itself; 0 is the configured time to live.
	ForMillis int64  `json:"for_ms,omitempty"`
	Owner     string `json:"owner"` // who asks, for the log
}

// Check reports values out of range and orders that break nothing.
func (m *LinkControl) Check() error {
	switch m.Direction {
	case DirectionOut, DirectionIn, DirectionBoth:
	default:
		return fmt.Errorf("unknown direction %q, use out, in or both", m.Direction)
	}
	switch {
	case m.DelayMicros < 0 || m.JitterMicros < 0 || m.DelayMicros > LinkDelayMicrosMax ||
		m.JitterMicros > LinkDelayMicrosMax || m.DelayMicros+m.JitterMicros > LinkDelayMicrosMax:
		return fmt.Errorf("delay of %d µs with %d µs jitter: together they are from 0 to %d µs",
			m.DelayMicros, m.JitterMicros, LinkDelayMicrosMax)
	case m.LossPermille < 0 || m.LossPermille > LossPermilleMax:
		return fmt.Errorf("loss of %d permille: it is from 0 to %d", m.LossPermille, LossPermilleMax)
	case m.ForMillis < 0:
		return fmt.Errorf("negative duration of %d ms", m.ForMillis)
	case !m.Cut && m.DelayMicros+m.JitterMicros == 0 && m.LossPermille == 0:
		return fmt.Errorf("nothing to break: give cut, delay_us, jitter_us or loss_permille")
	}
	return nil
}

// FaultClear ends injected faults of a replica: those with these ids, or all.
type FaultClear struct {
	IDs   []uint64 `json:"ids,omitempty"`
	All   bool     `json:"all,omitempty"` // the random schedule, too
	Owner string   `json:"owner"`
}
