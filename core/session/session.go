package session

import (
	"cmp"
	"fmt"
)

// WindowMax is how many updates of one session may be without a known result at
// a time, and so how many results a replica keeps for it. It is a constant of the
// format: all replicas and clients use the same.
const WindowMax = 1024

// ID names a session by the place of its Open in the log. The zero ID is no
// session: slots start at 1.
type ID struct {
	Slot  uint64
	Index uint32
}

// IsZero reports whether the ID names no session.
func (id ID) IsZero() bool { return id == ID{} }

// Compare orders IDs by slot, then by index.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.Slot, other.Slot), cmp.Compare(id.Index, other.Index))
}

// String is the ID as "slot.index".
func (id ID) String() string { return fmt.Sprintf("%d.%d", id.Slot, id.Index) }

// Token is 128 random bits by which the asker of an Open recognises its answer:
// it cannot know the ID before the Open is applied. Draw a new one for every
// session, and the same for every retry of one Open.
type Token [16]byte

// Status is what became of one command when it was applied. The numbers are part
// of the stored and the wire format: never renumbered.
type Status uint8

const (
	// OK: executed, now or by an earlier copy of the same command.
	OK Status = 1
	// Expired: the session is unknown. This copy was not executed; whether an
	// earlier one was cannot be known any more.
	Expired Status = 2
	// Conflict: another command was executed under this sequence; this one was not.
	Conflict Status = 3
	// Overloaded: not executed, because the sequence is WindowMax or more above
	// low, or because no session may be evicted for an Open. The same command may
	// be sent again, and a copy still under way may yet execute.
	Overloaded Status = 4
	// Stale: the sequence is below the session's low, the client has already
	// acknowledged its result. This copy was not executed.
	Stale Status = 5
)

// String is the status in the words of the error kinds.
func (s Status) String() string {
	switch s {
	case OK:
		return "ok"
	case Expired:
		return "session_expired"
	case Conflict:
		return "conflict"
	case Overloaded:
		return "overloaded"
	case Stale:
		return "already_acknowledged"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Result is the outcome of one applied command.
type Result struct {
	// Session is the command's session; for an Open that succeeded, the new one.
	Session ID
	// Sequence is the update's; 0 for Open and Close.
	Sequence uint64
	// Token is the Open's, zero for everything else.
	Token Token
	// Status says what happened. Slot, Index and Revision of an update mean
	// something only if it is OK.
	Status Status
	// Repeated: the command had been executed before, this is the first result.
	Repeated bool
	// Slot and Index say where the command was executed first.
	Slot  uint64
	Index uint32
	// Revision is the revision that the update gave to its key.
	Revision uint64
	// Digest is that of the command that this is the result of (kv.Command.Digest); 0
	// if it was refused before anybody looked at it.
	Digest uint64
}

// Key is the key under which the command's asker waits.
func (r Result) Key() Key {
	if r.Token != (Token{}) {
		return OpenKey(r.Token)
	}
	return UpdateKey(r.Session, r.Sequence)
}
