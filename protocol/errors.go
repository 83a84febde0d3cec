package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"synod/core/paxos"
)

// Code names a kind of failure. The numbers are part of the wire format and
// are never used again; the words are the same in the client, on the screen
// and in logs.
type Code uint16

// The codes. 0 is no error; it is never sent as one.
const (
	// CodeUnreachable: no connection to the replica; the request was not sent.
	CodeUnreachable Code = 1
	// CodeUnavailable: this replica cannot answer now; not executed.
	CodeUnavailable Code = 2
	// CodeTimeout: out of time; the outcome of an update is unknown.
	CodeTimeout Code = 3
	// CodeNoQuorum: out of time and fewer than a majority of acceptors were
	// heard; the outcome of an update is unknown.
	CodeNoQuorum Code = 4
	// CodeOverloaded: a limit is reached; not executed.
	CodeOverloaded Code = 5
	// CodeTooLarge: key, value or frame above its limit; not executed.
	CodeTooLarge Code = 6
	// CodeSessionExpired: every update sent in the session is unknown.
	CodeSessionExpired Code = 7
	// CodeConflict: another command under the same sequence; not executed.
	CodeConflict Code = 8
	// CodeDenied: not allowed; not executed.
	CodeDenied Code = 9
	// CodeReadOnly: the replica takes no updates now; not executed.
	CodeReadOnly Code = 10
	// CodeVersion: no common version, or a kind that the other side requires.
	CodeVersion Code = 11
	// CodeClosed: the session was closed in good order.
	CodeClosed Code = 12
	// CodeCorrupt: what arrived cannot be read; not executed.
	CodeCorrupt Code = 13
	// CodeInternal: a fault of ours; the outcome of an update is unknown.
	CodeInternal Code = 14
)

var codeWords = [...]string{
	CodeUnreachable: "unreachable", CodeUnavailable: "unavailable", CodeTimeout: "timeout",
	CodeNoQuorum: "no_quorum", CodeOverloaded: "overloaded", CodeTooLarge: "too_large",
	CodeSessionExpired: "session_expired", CodeConflict: "conflict", CodeDenied: "denied",
	CodeReadOnly: "read_only", CodeVersion: "version", CodeClosed: "closed", CodeCorrupt: "corrupt",
	CodeInternal: "internal",
}

func (c Code) String() string {
	if int(c) < len(codeWords) && codeWords[c] != "" {
		return codeWords[c]
	}
	return fmt.Sprintf("code(%d)", uint16(c))
}

// Retry says what may be done after a failure without asking the user.
type Retry uint8

// The classes of retry. A class that is not known counts as RetryNever.
const (
	// RetryNever: the same request will fail again, or must not be repeated.
	RetryNever Retry = 0
	// RetrySame: the outcome is unknown; only the same session and sequence, or
	// a read, may be sent again, to any replica.
	RetrySame Retry = 1
	// RetryElsewhere: not executed; another replica may do it.
	RetryElsewhere Retry = 2
	// RetryLater: not executed; any replica after a pause.
	RetryLater Retry = 3
)

// Retry gives the class that belongs to a code, which a sender may narrow.
func (c Code) Retry() Retry {
	switch c {
	case CodeUnreachable, CodeUnavailable, CodeReadOnly, CodeClosed:
		return RetryElsewhere
	case CodeTimeout, CodeNoQuorum, CodeInternal:
		return RetrySame
	case CodeOverloaded:
		return RetryLater
	default:
		return RetryNever
	}
}

// Executed reports whether an update that was answered with the code may have
// been executed, now or later.
func (c Code) Executed() bool {
	switch c {
	case CodeTimeout, CodeNoQuorum, CodeSessionExpired, CodeInternal:
		return true
	default:
		return int(c) >= len(codeWords) // a code of the future: nothing is known
	}
}

// Error is a failure as it travels: in an answer, or in the refusal of a
// preface. It matches another *Error of the same code under errors.Is.
type Error struct {
	Code    Code
	Retry   Retry
	Replica paxos.ReplicaID // whose failure it is; 0 if nobody's in particular
	Text    string          // one sentence for people, lower case; at most SentenceBytesMax bytes are sent
}

// MayHaveRun reports whether an update that got this answer may have been
// executed, now or later: by its code, or because its sender says so with the
// class [RetrySame].
func (e *Error) MayHaveRun() bool { return e.Code.Executed() || e.Retry == RetrySame }

// Refuse makes an Error with the code's own class of retry.
func Refuse(code Code, replica paxos.ReplicaID, text string) *Error {
	return &Error{Code: code, Retry: code.Retry(), Replica: replica, Text: text}
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Replica != 0 {
		b.WriteString(e.Replica.String())
		b.WriteString(": ")
	}
	b.WriteString(e.Code.String())
	if e.Text != "" {
		b.WriteString(": ")
		b.WriteString(e.Text)
	}
	return b.String()
}

// Is makes errors.Is compare codes.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Code == e.Code
}

// Append appends the whole frame that answers a request with the error.
func (e *Error) Append(dst []byte, request uint64) []byte {
	dst, at := BeginFrame(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(e.Code))
	dst = append(dst, byte(e.Retry), byte(e.Replica))
	dst = appendBytes(dst, sentence(e.Text))
	return EndFrame(dst, at, Frame{Kind: KindError, Request: request})
}

// DecodeError reads the body of a KindError frame. The text is a copy.
func DecodeError(body []byte) (*Error, error) {
	d := decoder{rest: body}
	e := &Error{Code: Code(d.u16()), Retry: Retry(d.u8()), Replica: paxos.ReplicaID(d.u8())}
	e.Text = strings.ToValidUTF8(string(d.bytes(SentenceBytesMax)), "?")
	if e.Code == 0 {
		d.fail("code 0 is no error")
	}
	if e.Replica > paxos.ReplicasMax {
		d.fail("replica %d of at most %d", e.Replica, paxos.ReplicasMax)
	}
	return e, d.done(KindError)
}

// sentence cuts a text to what may be sent, at the border of a character.
func sentence(text string) string {
	if len(text) <= SentenceBytesMax {
		return text
	}
	text = text[:SentenceBytesMax]
	for len(text) > 0 && !utf8.RuneStart(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	if len(text) > 0 && text[len(text)-1] >= utf8.RuneSelf {
		text = text[:len(text)-1]
	}
	return text
}
