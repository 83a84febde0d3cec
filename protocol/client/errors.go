package client

import (
	"errors"
	"strings"

	"synod/protocol"
)

// What errors.Is can be asked about a failed call; see the codes of package
// protocol for what each means. A missing key is an answer, not an error.
var (
	ErrUnreachable    = errors.New("unreachable")
	ErrUnavailable    = errors.New("unavailable")
	ErrTimeout        = errors.New("timeout")
	ErrNoQuorum       = errors.New("no quorum")
	ErrOverloaded     = errors.New("overloaded")
	ErrTooLarge       = errors.New("too large")
	ErrSessionExpired = errors.New("session expired")
	ErrConflict       = errors.New("conflict")
	ErrDenied         = errors.New("denied")
	ErrReadOnly       = errors.New("read only")
	ErrVersion        = errors.New("version")
	ErrClosed         = errors.New("closed")
	ErrCorrupt        = errors.New("corrupt")
	ErrInternal       = errors.New("internal")
)

var sentinels = [...]error{
	protocol.CodeUnreachable: ErrUnreachable, protocol.CodeUnavailable: ErrUnavailable,
	protocol.CodeTimeout: ErrTimeout, protocol.CodeNoQuorum: ErrNoQuorum,
	protocol.CodeOverloaded: ErrOverloaded, protocol.CodeTooLarge: ErrTooLarge,
	protocol.CodeSessionExpired: ErrSessionExpired, protocol.CodeConflict: ErrConflict,
	protocol.CodeDenied: ErrDenied, protocol.CodeReadOnly: ErrReadOnly, protocol.CodeVersion: ErrVersion,
	protocol.CodeClosed: ErrClosed, protocol.CodeCorrupt: ErrCorrupt, protocol.CodeInternal: ErrInternal,
}

// Outcome says what a failed call may have done.
type Outcome uint8

// The outcomes.
const (
	// NotSent: an update was not executed and never will be.
	NotSent Outcome = iota
	// Unknown: an update was executed once, or not, or may yet be. [Client.Retry]
	// finds out.
	Unknown
	// Done: executed. Errors do not have it; late answers do.
	Done
)

func (o Outcome) String() string {
	return [...]string{"not sent", "unknown", "done"}[o]
}

// Error is a failed call.
type Error struct {
	Code    protocol.Code
	Outcome Outcome
	// Replica that failed last, "r3"; empty if none was asked.
	Replica string
	// RequestID of the last attempt on its connection, as in the replica's log.
	RequestID uint64
	Attempts  int
	// Operation is "get", "put", "delete", "scan", or an operator's verb.
	Operation string
	Text      string // one sentence of whoever failed
	// Retry says what could still be done; the client has done what it may.
	Retry protocol.Retry
	cause error
	// update is there if Outcome is Unknown: see [Client.Retry].
	update *unsettled
}

func (e *Error) Error() string {
	parts := make([]string, 0, 4)
	for _, part := range []string{e.Operation, e.Replica, e.Code.String(), e.Text} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Is reports whether the target is the sentinel of the error's code.
func (e *Error) Is(target error) bool {
	return int(e.Code) < len(sentinels) && sentinels[e.Code] != nil && sentinels[e.Code] == target
}

// Unwrap gives what lies behind the failure, such as the error of a context.
func (e *Error) Unwrap() error { return e.cause }
