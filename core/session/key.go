package session

import "encoding/binary"

// openSequence marks the key of an Open; core/kv accepts no update with so high
// a sequence.
const openSequence = ^uint64(0)

// Key identifies one waiting command: an update by session and sequence, an Open
// by its token.
type Key struct {
	high, low, sequence uint64
}

// UpdateKey is the key of an update, and with sequence 0 that of a Close.
func UpdateKey(id ID, sequence uint64) Key {
	return Key{high: id.Slot, low: uint64(id.Index), sequence: sequence}
}

// OpenKey is the key of an Open.
func OpenKey(token Token) Key {
	return Key{
		high:     binary.BigEndian.Uint64(token[:8]),
		low:      binary.BigEndian.Uint64(token[8:]),
		sequence: openSequence,
	}
}
