package command

import (
	"context"
	"slices"
	"time"
)

// Failure is the kind of an error, in the words of the protocol. The empty one means that there is none.
type Failure string

// The kinds of errors. What is not executed for sure and what has an unknown outcome is said by [Outcome].
const (
	Unreachable    Failure = "unreachable" // no connection: not sent
	Unavailable    Failure = "unavailable" // the replica cannot answer now; not executed
	Timeout        Failure = "timeout"
	NoQuorum       Failure = "no_quorum"
	Overloaded     Failure = "overloaded"
	TooLarge       Failure = "too_large"
	SessionExpired Failure = "session_expired"
	Conflict       Failure = "conflict"
	Denied         Failure = "denied"
	ReadOnly       Failure = "read_only"
	Version        Failure = "version"
	Closed         Failure = "closed"
	Corrupt        Failure = "corrupt"
	Internal       Failure = "internal"
)

// failures lists all kinds, in the order in which a summary counts them.
var failures = []Failure{
	Unreachable, Unavailable, Timeout, NoQuorum, Overloaded, TooLarge, SessionExpired, Conflict, Denied, ReadOnly, Version,
	Closed, Corrupt, Internal,
}

func failureNames() []string {
	names := make([]string, len(failures))
	for i, failure := range failures {
		names[i] = string(failure)
	}
	return names
}

// Outcome says what is known about the effect of a request.
type Outcome int

// The outcomes.
const (
	Done    Outcome = iota // executed
	NotSent                // not executed and never will be: not sent, or refused
	Unknown                // sent without an answer; an update may have taken effect or may still do so
)

// String gives the word for output and log.
func (o Outcome) String() string { return [...]string{"done", "not_done", "unknown"}[o] }

// Operation is what a request asks for.
type Operation string

// The operations.
const (
	Get    Operation = "get"
	Put    Operation = "put"
	Delete Operation = "del"
	Scan   Operation = "scan"
	Retry  Operation = "retry" // the update that ended with Failed once more; applied at most once
)

// Request is one request to the store.
type Request struct {
	Operation Operation
	Replica   string // "r3"; empty: any that answers
	Key       []byte // of a Scan: the prefix, possibly empty
	Value     []byte // of a Put
	Stale     bool   // a read may answer from the replica's own state at once
	After     []byte // of a Scan: only keys behind this one
	Limit     int    // of a Scan: pairs at most
	Values    bool   // of a Scan: with values
	RequestID string // of a Retry: that of the update
	Failed    error  // of a Retry: Err of the Reply whose outcome is unknown
}

// Pair is one row of a scan.
type Pair struct {
	Key, Value []byte
	Revision   uint64
}

// Reply is the end of a request, with or without an answer.
type Reply struct {
	Replica   string // that answered; without an answer: that was asked, if one was chosen
	Found     bool   // of a Get: the key exists; of a Delete: it existed, as far as the store tells
	Value     []byte
	Pairs     []Pair
	More      bool   // of a Scan: there are more pairs than asked for
	Slot      uint64 // of an update: where it was chosen
	Revision  uint64 // of the key's last change
	Applied   uint64 // of a read: the slot up to which the answer is
	RequestID string // for the log; a Retry keeps that of its update
	Failure   Failure
	Outcome   Outcome
	Err       error // says more about the failure, and is what a Retry needs; nil without a failure
	Latency   time.Duration
}

// unsent tells whether the request never left this process.
func (r *Reply) unsent() bool {
	return r.Outcome == NotSent && (r.Failure == Unreachable || r.Failure == Closed || r.Replica == "")
}

// Cluster sends requests to the store. Safe for concurrent use.
type Cluster interface {
	// Do sends a request and returns its end: an answer, or a Failure at the latest when ctx ends. It sends an update at
	// most once unless it may repeat it without effect, and only to request.Replica if that is set.
	Do(ctx context.Context, request Request) Reply
}

// idleStates are the states in which a role does not do its work. Any other word, such as "leading" or "normal", is that
// of a role that works.
var idleStates = []string{"", "down", "paused", "refusing", "recovering"}

// RoleStatus is the state of one role of a replica, in the words of the replica.
type RoleStatus struct {
	Role     string // "proposer", "acceptor" or "learner"
	State    string
	Restarts int
	Cause    string // of the state; empty if there is nothing to explain
}

// Works tells whether the role does its work.
func (r *RoleStatus) Works() bool { return !slices.Contains(idleStates, r.State) }

// Status is what a replica tells about itself.
type Status struct {
	Replica  string
	Roles    []RoleStatus
	Leader   string // as this replica knows it; empty: none
	Ballot   string
	Chosen   uint64 // highest slot known as chosen
	Applied  uint64 // highest slot applied
	Diverged bool   // its state differs from that of the majority: a violation of the promise
	Chaos    bool   // its random faults are on
	Faults   []string
	Uptime   time.Duration
	Version  string
}

// RoleAction is what happens to a role.
type RoleAction string

// The actions on roles.
const (
	CrashRole   RoleAction = "crash"
	RestartRole RoleAction = "restart"
	PauseRole   RoleAction = "pause"
	ResumeRole  RoleAction = "resume"
)

// RoleOrder asks a replica to do something to its roles.
type RoleOrder struct {
	Replica string
	Role    string // "" for all three
	Action  RoleAction
	For     time.Duration // of a crash or pause: comes back by itself after this; 0: the configured time to live
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
	Role(ctx context.Context, order RoleOrder) error
	Chaos(ctx context.Context, order ChaosOrder) error
	// Heal ends all injected faults of a replica and switches its random faults off.
	Heal(ctx context.Context, replica string) error
}

// Processes kills and starts the replicas' processes; only who started them can. Safe for concurrent use.
type Processes interface {
	Kill(ctx context.Context, replica string) error // SIGKILL: it has no chance to say goodbye
	Start(ctx context.Context, replica string) error
}

// FailureError gives an error the kind with which it is shown, counted and expected.
type FailureError struct {
	Failure Failure
	Err     error
}

// Error gives the text of the wrapped error.
func (e *FailureError) Error() string { return e.Err.Error() }

// Unwrap gives the wrapped error.
func (e *FailureError) Unwrap() error { return e.Err }
