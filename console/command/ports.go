package command

import (
	"context"
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
