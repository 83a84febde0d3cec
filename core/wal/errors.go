package wal

import (
	"errors"
	"fmt"
	"syscall"
)

// The reasons why a log cannot be used; test with errors.Is. The texts around them name file, offset and remedy.
var (
	// ErrDamaged says that something is lost that was durable once. The acceptor must not vote with what is left.
	ErrDamaged = errors.New("log is damaged")
	// ErrPoisoned says that a write or sync failed, now or in an earlier run: what is on disk is not known.
	ErrPoisoned = errors.New("log is poisoned")
	// ErrIdentity says that the log belongs to another cluster, replica or incarnation.
	ErrIdentity = errors.New("log belongs to somebody else")
	// ErrVersion says that the log was written in a format this program does not know.
	ErrVersion = errors.New("log has an unknown format version")
	// ErrNoSpace says that the disk is full. The log is whole and the call may be tried again.
	ErrNoSpace = errors.New("no space for the log")
	// ErrExists says that Create found a log.
	ErrExists = errors.New("log exists already")
	// ErrNotExist says that Open found no log.
	ErrNotExist = errors.New("log does not exist")
	// ErrForeign says that the directory holds a file that is not the log's.
	ErrForeign = errors.New("foreign file in the log directory")
	// ErrTooLarge says that a batch exceeds BatchBytesMax. Nothing was written.
	ErrTooLarge = errors.New("batch is too large")
	// ErrClosed says that the log was used after Close or Abandon.
	ErrClosed = errors.New("log is closed")
)

// remedyDamaged is the end of every text about damage.
const remedyDamaged = "this acceptor refuses to vote, because a promise or vote it gave may be lost here; " +
	"keep the files, check the disk, and let the replica recover its state from the others"

// damagedError is ErrDamaged with the place and the find. Its cause may be nil, or a read error.
type damagedError struct {
	name            string
	offset          int64
	expected, found string
	cause           error
}

// Error names file, offset, what was expected, what was found, and what to do.
func (e *damagedError) Error() string {
	return fmt.Sprintf("%v: %q at offset %d: expected %s, found %s: %s",
		ErrDamaged, e.name, e.offset, e.expected, e.found, remedyDamaged)
}

// Unwrap makes errors.Is find ErrDamaged and the read error, if there was one.
func (e *damagedError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrDamaged}
	}
	return []error{ErrDamaged, e.cause}
}

func noSpace(act, name string, cause error) error {
	return fmt.Errorf("%w: %s %q: free space on its disk and try again: %w", ErrNoSpace, act, name, cause)
}

func isNoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) }
