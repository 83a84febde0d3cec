package memstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"synod/core/kv"
)

// copyName is the only file of a copy: for each row in order the lengths of key
// and value as uvarints, the key, and the value.
const copyName = "rows"

// stateCopy implements kv.Copy.
type stateCopy struct {
	*bytes.Reader
	manifest kv.Manifest
}

// Copy is the state after the last Apply, which is made durable. The error is
// kv.ErrCopy if nothing was ever applied.
func (s *Store) Copy() (kv.Copy, error) {
	if err := s.Flush(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	root := s.rootLocked()
	s.mu.Unlock()
	row, found := find(root, kv.AppliedKey())
	if !found {
		return nil, fmt.Errorf("%w: nothing was applied yet", kv.ErrCopy)
	}
	mark, err := kv.AppliedMark(row)
	if err != nil {
		return nil, err
	}
	var rows []byte
	ascend(root, nil, lastKey(), func(key, value []byte) bool {
		rows = binary.AppendUvarint(rows, uint64(len(key)))
		rows = binary.AppendUvarint(rows, uint64(len(value)))
		rows = append(append(rows, key...), value...)
		return true
	})
	return &stateCopy{bytes.NewReader(rows), kv.Manifest{
		Slot: mark.Slot, Chain: mark.Hash,
		Files: []kv.CopyFile{{Name: copyName, Bytes: int64(len(rows)), Sum: kv.CopySum(0, rows)}},
	}}, nil
}

// lastKey is above all keys: they begin with a letter.
func lastKey() []byte { return []byte{math.MaxUint8} }

// Manifest implements kv.Copy.
func (c *stateCopy) Manifest() *kv.Manifest { return &c.manifest }

// Close implements kv.Copy.
func (c *stateCopy) Close() error { return nil }

// Install replaces the whole state by a copy's, durably. A copy that is damaged or
// not ahead of what is durable here is refused with kv.ErrCopy and changes nothing.
// Whoever read state from the store, as kv.New does, must read it again.
func (s *Store) Install(c kv.Copy) error {
	m := c.Manifest()
	if len(m.Files) != 1 || m.Files[0].Name != copyName {
		return fmt.Errorf("%w: it is not one of a store in memory", kv.ErrCopy)
	}
	rows := make([]byte, m.Files[0].Bytes)
	if n, err := c.ReadAt(rows, 0); n < len(rows) && (err == nil || errors.Is(err, io.EOF)) {
		return fmt.Errorf("%w: %d of %d bytes", kv.ErrCopy, n, len(rows))
	} else if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the copy of a state: %w", err)
	}
	if kv.CopySum(0, rows) != m.Files[0].Sum {
		return fmt.Errorf("%w: its bytes do not match their sum", kv.ErrCopy)
	}
	root, err := readRows(rows)
	if err != nil {
		return err
	}
	row, _ := find(root, kv.AppliedKey())
	if err := m.Holds(row); err != nil {
		return err
	}
	durable, err := s.Durable()
	if err != nil {
		return err
	}
	if m.Slot <= durable {
		return fmt.Errorf("%w: it ends at slot %d, slot %d is durable here", kv.ErrCopy, m.Slot, durable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable, s.pending = root, nil
	return nil
}

func readRows(rows []byte) (root *node, err error) {
	for len(rows) > 0 {
		var lengths [2]uint64
		for i := range lengths {
			length, used := binary.Uvarint(rows)
			if used <= 0 || length > uint64(len(rows)-used) {
				return nil, fmt.Errorf("%w: its rows do not parse", kv.ErrCopy)
			}
			lengths[i], rows = length, rows[used:]
		}
		if lengths[0] > uint64(len(rows)) || lengths[1] > uint64(len(rows))-lengths[0] {
			return nil, fmt.Errorf("%w: its rows do not parse", kv.ErrCopy)
		}
		key, rest := rows[:lengths[0]], rows[lengths[0]:]
		root = insert(root, newNode(bytes.Clone(key), bytes.Clone(rest[:lengths[1]])))
		rows = rest[lengths[1]:]
	}
	return root, nil
}
