package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// HeaderBytes is the length of a frame's header:
//
//	 0  u32  length of all that follows this field: HeaderBytes-4 + body
//	 4  u16  kind
//	 6  u16  flags, 0 for now; unknown ones are ignored
//	 8  u64  request id
//	16  u32  remaining time in microseconds, 0 = none stated
//	20  u32  CRC-32C over bytes 0 to 19 and the body
//
// All numbers are big endian.
const HeaderBytes = 24

const (
	lengthBytes    = 4
	checksumOffset = 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frame is the unit of a stream.
type Frame struct {
	Kind  Kind
	Flags uint16
	// Request joins an answer to its request. Unique per stream among those
	// that are unanswered; 0 for what needs no answer.
	Request uint64
	// Remaining is the time in microseconds that the request may still take
	// when it is sent, so that clocks need not agree; 0 states nothing.
	Remaining uint32
	// Body is the message. See [Reader.Next] for how long it is valid.
	Body []byte

	owned bool // the body shares its memory with no other frame
}

// Own copies the body unless nobody else uses its memory.
func (f *Frame) Own() {
	if !f.owned {
		f.Body = append(make([]byte, 0, len(f.Body)), f.Body...)
		f.owned = true
	}
}

// RemainingOf turns a duration into the field of a frame: at least one
// microsecond, at most 71 minutes.
func RemainingOf(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 1), 1<<32-1))
}

// Errors of frames. They are wrapped in a [*FrameError]; none can be repaired,
// the session ends.
var (
	ErrFrameZero      = errors.New("frame of length zero")
	ErrFrameShort     = errors.New("frame shorter than its header")
	ErrFrameOversize  = errors.New("frame above the limit")
	ErrFrameTruncated = errors.New("frame cut off")
	ErrFrameChecksum  = errors.New("frame with a wrong checksum")
)

// FrameError says which frame could not be read. The owner of the connection
// adds the address it came from.
type FrameError struct {
	Reason error  // one of the ErrFrame errors
	Length uint32 // as it arrived, 0 if it did not
	Kind   Kind   // as it arrived, 0 if it did not
	Have   int    // bytes that arrived, the length field included
	Limit  int    // largest frame allowed here, in bytes
	Cause  error  // of a cut-off frame: what ended the stream
}

func (e *FrameError) Error() string {
	switch e.Reason {
	case ErrFrameOversize:
		return fmt.Sprintf("%v: length %d, limit %d", e.Reason, e.Length, e.Limit-lengthBytes)
	case ErrFrameTruncated:
		return fmt.Sprintf("%v: length %d, %d bytes arrived: %v", e.Reason, e.Length, e.Have, e.Cause)
	case ErrFrameChecksum:
		return fmt.Sprintf("%v: length %d, kind %s", e.Reason, e.Length, e.Kind)
	default:
		return fmt.Sprintf("%v: length %d, at least %d", e.Reason, e.Length, HeaderBytes-lengthBytes)
	}
}

// Unwrap gives the reason and what ended the stream.
func (e *FrameError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Cause}
}

// BeginFrame appends room for a header. The body is appended next; then
// [EndFrame], with the same start, fills in the header.
func BeginFrame(dst []byte) (frame []byte, start int) {
	var header [HeaderBytes]byte
	return append(dst, header[:]...), len(dst)
}

// EndFrame finishes the frame that began at start: everything appended since
// is its body. The Body of f is not looked at.
func EndFrame(dst []byte, start int, f Frame) []byte {
	frame := dst[start:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-lengthBytes))
	binary.BigEndian.PutUint16(frame[4:], uint16(f.Kind))
	binary.BigEndian.PutUint16(frame[6:], f.Flags)
	binary.BigEndian.PutUint64(frame[8:], f.Request)
	binary.BigEndian.PutUint32(frame[16:], f.Remaining)
	binary.BigEndian.PutUint32(frame[checksumOffset:], checksum(frame))
	return dst
}

// AppendFrame appends the whole frame to dst. The caller keeps to the limit of
// the stream.
func AppendFrame(dst []byte, f *Frame) []byte {
	dst, at := BeginFrame(dst)
	return EndFrame(append(dst, f.Body...), at, *f)
}

// CutFrame cuts the first frame off frames that were appended one after another
// here. It panics on bytes that are no such frames.
func CutFrame(frames []byte) (first, rest []byte) {
	size := int(binary.BigEndian.Uint32(frames)) + lengthBytes
	return frames[:size:size], frames[size:]
}

// checksum covers a whole frame except the field that holds it.
func checksum(frame []byte) uint32 {
	sum := crc32.Update(0, castagnoli, frame[:checksumOffset])
	return crc32.Update(sum, castagnoli, frame[HeaderBytes:])
}

// DecodeFrame reads one frame that must fill b, as in a datagram. The body is a
// slice of b.
func DecodeFrame(b []byte, limit int) (Frame, error) {
	if len(b) < lengthBytes {
		return Frame{}, &FrameError{Reason: ErrFrameTruncated, Have: len(b), Limit: limit, Cause: errEnd}
	}
	size, err := frameSize(b, limit)
	if err != nil {
		return Frame{}, err
	}
	if size != len(b) {
		length := binary.BigEndian.Uint32(b)
		return Frame{}, &FrameError{
			Reason: ErrFrameTruncated, Length: length, Have: len(b), Limit: limit, Cause: errEnd,
		}
	}
	return parseFrame(b, limit)
}

var errEnd = errors.New("the frame does not end where its bytes do")

// frameSize checks the length field and gives the bytes of the whole frame.
func frameSize(b []byte, limit int) (int, error) {
	length := binary.BigEndian.Uint32(b)
	if length >= HeaderBytes-lengthBytes && uint64(length)+lengthBytes <= uint64(limit) {
		return int(length) + lengthBytes, nil
	}
	e := FrameError{Length: length, Have: len(b), Limit: limit} // escapes, so only here
	switch {
	case length == 0:
		e.Reason = ErrFrameZero
	case length < HeaderBytes-lengthBytes:
		e.Reason = ErrFrameShort
	default:
		e.Reason = ErrFrameOversize
	}
	return 0, &e
}

// parseFrame reads a frame of checked length.
func parseFrame(b []byte, limit int) (Frame, error) {
	f := Frame{
		Kind:      Kind(binary.BigEndian.Uint16(b[4:])),
		Flags:     binary.BigEndian.Uint16(b[6:]),
		Request:   binary.BigEndian.Uint64(b[8:]),
		Remaining: binary.BigEndian.Uint32(b[16:]),
		Body:      b[HeaderBytes:len(b):len(b)],
	}
	if binary.BigEndian.Uint32(b[checksumOffset:]) != checksum(b) {
		length := binary.BigEndian.Uint32(b)
		return Frame{}, &FrameError{
			Reason: ErrFrameChecksum, Length: length, Kind: f.Kind, Have: len(b), Limit: limit,
		}
	}
	return f, nil
}
