package kv

import (
	"encoding/binary"
	"errors"
	"fmt"

	"synod/core/session"
)

// First bytes of the store's keys.
const (
	dataSpace    = 'd'
	sessionSpace = 's'
	metaSpace    = 'm'
)

const (
	revisionBytes   = 8
	sessionKeyBytes = 1 + 8 + 4
	appliedKey      = "mapplied"
	appliedVersion  = 1
)

// ErrDamaged: the store holds what this package never wrote. The replica's state
// is lost then; it can only be had again from the others.
var ErrDamaged = errors.New("applied store is damaged")

// ErrLimits: the store was written under other session limits. They decide which
// sessions live, so replicas with different ones would part.
var ErrLimits = errors.New("store was written with other session limits")

// DataKey reports whether a store key holds a client's row. A store may keep
// these ready in memory; all other rows are read only at the start.
func DataKey(storeKey []byte) bool { return len(storeKey) > 0 && storeKey[0] == dataSpace }

// AppliedKey is the store key of the row that says up to where was applied.
func AppliedKey() []byte { return []byte(appliedKey) }

// AppliedSlot is the slot in an AppliedKey row: all effects of all slots up to it,
// and of none above it, are in the same state of the store. The error is
// ErrDamaged.
func AppliedSlot(row []byte) (uint64, error) {
	state, _, err := decodeApplied(row)
	return state.slot, err
}

// state is what one row remembers of all that was applied.
type state struct {
	slot      uint64
	revision  uint64
	logMillis uint64
	chain     uint64
}

// limits are the constants of the format that decide which sessions live.
type limits struct {
	sessionsMax uint64
	guardSlots  uint64
	idleMillis  uint64
	window      uint64
}

func appendApplied(dst []byte, s state, l limits) []byte {
	dst = append(dst, appliedVersion)
	dst = binary.LittleEndian.AppendUint64(dst, s.chain)
	for _, number := range [...]uint64{
		s.slot, s.revision, s.logMillis,
		l.sessionsMax, l.guardSlots, l.idleMillis, l.window,
	} {
		dst = binary.AppendUvarint(dst, number)
	}
	return dst
}

func decodeApplied(row []byte) (s state, l limits, err error) {
	d := decoder{rest: row}
	version := d.bytes(1)
	chain := d.bytes(8)
	for _, number := range [...]*uint64{
		&s.slot, &s.revision, &s.logMillis,
		&l.sessionsMax, &l.guardSlots, &l.idleMillis, &l.window,
	} {
		*number = d.uvarint()
	}
	if d.failed || len(d.rest) != 0 || version[0] != appliedVersion || s.slot == 0 {
		return state{}, limits{}, fmt.Errorf("%w: row of the applied slot: %d bytes %.40x", ErrDamaged, len(row), row)
	}
	s.chain = binary.LittleEndian.Uint64(chain)
	return s, l, nil
}

// appendDataKey appends the store key of a client's key.
func appendDataKey(dst, key []byte) []byte {
	return append(append(dst, dataSpace), key...)
}

// decodeData splits a client's row.
func decodeData(row []byte) (value []byte, revision uint64, err error) {
	if len(row) < revisionBytes {
		return nil, 0, fmt.Errorf("%w: row of %d bytes without a revision", ErrDamaged, len(row))
	}
	return row[revisionBytes:], binary.BigEndian.Uint64(row), nil
}

func appendSessionKey(dst []byte, id session.ID) []byte {
	dst = append(dst, sessionSpace)
	dst = binary.BigEndian.AppendUint64(dst, id.Slot)
	return binary.BigEndian.AppendUint32(dst, id.Index)
}

func decodeSessionKey(key []byte) (session.ID, error) {
	if len(key) != sessionKeyBytes {
		return session.ID{}, fmt.Errorf("%w: session key %x", ErrDamaged, key)
	}
	return session.ID{
		Slot:  binary.BigEndian.Uint64(key[1:]),
		Index: binary.BigEndian.Uint32(key[9:]),
	}, nil
}
