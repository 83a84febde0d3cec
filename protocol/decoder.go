package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error of a decoder of a frame's body.
var ErrMalformed = errors.New("malformed message")

// decoder walks over a body. The first failure sticks; every value read after
// it is zero, so that callers check once, at the end.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
		d.rest = nil
	}
}

// done gives the failure, if any. A tail that is left over is no failure: it
// holds the fields of a later version.
func (d *decoder) done(kind Kind) error {
	if d.err == nil {
		return nil
	}
	return fmt.Errorf("%w %s: %w", ErrMalformed, kind, d.err)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.fail("%d bytes expected, %d left", n, len(d.rest))
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if len(d.rest) == 0 {
		d.fail("1 byte expected, none left")
		return 0
	}
	v := d.rest[0]
	d.rest = d.rest[1:]
	return v
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) boolean() bool {
	v := d.u8()
	if v > 1 {
		d.fail("%d is neither 0 nor 1", v)
	}
	return v == 1
}

func (d *decoder) uvarint() uint64 {
	if len(d.rest) > 0 && d.rest[0] < 0x80 {
		v := d.rest[0]
		d.rest = d.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("number of variable length is cut off or too large")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uvarint32() uint32 {
	v := d.uvarint()
	if v > 1<<32-1 {
		d.fail("number %d does not fit into 32 bits", v)
		return 0
	}
	return uint32(v)
}

// bytes reads a length and that many bytes, a slice of the body; nil if none.
func (d *decoder) bytes(limit int) []byte {
	n := d.uvarint()
	if n > uint64(limit) {
		d.fail("length %d above the limit of %d", n, limit)
		return nil
	}
	if n == 0 {
		return nil
	}
	return d.take(int(n))
}

// count reads the number of items that follow, of which each takes at least
// itemBytes bytes, so that nobody can announce more than was sent.
func (d *decoder) count(itemBytes, limit int) int {
	n := d.uvarint()
	if most := min(len(d.rest)/itemBytes, limit); n > uint64(most) {
		d.fail("%d items announced, at most %d possible", n, most)
		return 0
	}
	return int(n)
}

func appendBytes[T ~[]byte | ~string](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}
