package paxos

import (
	"encoding/binary"
	"iter"
)

// Value is what a slot decides: a batch of commands, as flat bytes that go
// unchanged from the proposer to the wire, to the log and to the state machine.
//
//	8 bytes   the proposer's wall time in milliseconds, big endian
//	then, for each command: its length as a uvarint, and its bytes
//
// The empty value is the no-op that closes a gap. The core never looks into a
// command. Whoever holds a Value must not change it.
type Value []byte

const wallBytes = 8

// IsNoop reports whether the value is the no-op.
func (v Value) IsNoop() bool { return len(v) == 0 }

// Wall returns the proposer's wall time in milliseconds, 0 for the no-op.
func (v Value) Wall() int64 {
	if len(v) < wallBytes {
		return 0
	}
	return int64(binary.BigEndian.Uint64(v))
}

// Commands yields the commands in order; it stops early at damaged bytes.
func (v Value) Commands() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if len(v) < wallBytes {
			return
		}
		rest := v[wallBytes:]
		for i := 0; len(rest) > 0; i++ {
			n, used := binary.Uvarint(rest)
			if used <= 0 || n > uint64(len(rest)-used) {
				return
			}
			if !yield(i, rest[used:used+int(n)]) {
				return
			}
			rest = rest[used+int(n):]
		}
	}
}

// AppendBatch appends the value made of the commands to dst.
func AppendBatch(dst []byte, wallMillis int64, commands [][]byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(wallMillis))
	for _, c := range commands {
		dst = binary.AppendUvarint(dst, uint64(len(c)))
		dst = append(dst, c...)
	}
	return dst
}
