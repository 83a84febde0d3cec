package command

import (
	"context"
	"time"

	"synod/console/quorum"
	"synod/protocol"
)

// RoleStatus is the state of one role of a replica, in the words of the replica.
type RoleStatus protocol.RoleStatus

// Works tells whether the role does its work.
func (r *RoleStatus) Works() bool { return quorum.WorksIn(r.State) }

// Status is what a replica tells about itself.
type Status struct {
	protocol.Status
	Diverged bool // its state differs from that of the majority: a violation of the promise
}

// uptime is how long the process has run.
func (s *Status) uptime() string { return age(time.Duration(s.UptimeMS) * time.Millisecond) }

// RoleAction is what happens to a role.
type RoleAction string

// The actions on roles.
const (
	CrashRole   RoleAction = protocol.ActionCrash
	RestartRole RoleAction = protocol.ActionRestart
	PauseRole   RoleAction = protocol.ActionPause
	ResumeRole  RoleAction = protocol.ActionResume
	HealRole    RoleAction = protocol.ActionHeal
	WipeRole    RoleAction = protocol.ActionWipe
)

// RoleOrder asks a replica to do something to its roles.
type RoleOrder struct {
	Replica string
	Role    string // "" for all three
	Action  RoleAction
	// For is, of a crash or pause, after what it comes back by itself; 0: the configured time to live. Of a wipe it is how
	// long the role stays down.
	For time.Duration
}

// LinkOrder asks a replica to break its links to others.
type LinkOrder struct {
	Replica      string
	Peers        []string
	Direction    string // protocol.DirectionOut, DirectionIn or DirectionBoth, seen from Replica
	Cut          bool
	Delay        time.Duration
	Jitter       time.Duration // added to the delay, evenly drawn from 0 to this
	LossPermille int
	For          time.Duration // 0: the configured time to live
}

// ChaosOrder switches the random faults of a replica.
type ChaosOrder struct {
	Replica          string
	On               bool
	Role             string        // the only kind of role that fails; "" as configured
	Every            time.Duration // mean time between two failures of a role; 0 as configured
	DownMin, DownMax time.Duration // how long it stays away; both 0 as configured
}

// Operator asks replicas about themselves and breaks them on purpose. Safe for concurrent use. The empty replica stands
// for the one server that a console without a configuration is connected to. An error that wraps [FailureError] is
// shown with its kind.
type Operator interface {
	Status(ctx context.Context, replica string) (Status, error)
	// Role and Link give the ids of the faults that they have injected, for Clear.
	Role(ctx context.Context, order RoleOrder) (faults []uint64, err error)
	Link(ctx context.Context, order LinkOrder) (faults []uint64, err error)
	Chaos(ctx context.Context, order ChaosOrder) error
	// Clear ends these faults of a replica; those that have ended already are no error.
	Clear(ctx context.Context, replica string, faults []uint64) error
	// Heal ends all injected faults of a replica and switches its random faults off.
	Heal(ctx context.Context, replica string) error
	Slots(ctx context.Context, replica string, query protocol.SlotsQuery) (*protocol.Slots, error)
	Ballots(ctx context.Context, replica string, newest int) (*protocol.Ballots, error)
	Digest(ctx context.Context, replica string) (*protocol.Digest, error)
	// Logs hands out the lines of a replica from a sequence on, and new ones as they come, until take returns false, the
	// context ends, or the connection does.
	Logs(ctx context.Context, replica string, query protocol.LogSubscribe, take func(*protocol.LogLines) bool) error
}
