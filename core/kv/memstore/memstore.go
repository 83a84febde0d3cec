// Package memstore is kv's ordered store in memory, for simulations and tests. It
// is deterministic and it can crash: New makes one, Crash takes back what was not
// flushed, always whole batches from the end. Nothing is ever lost otherwise, and
// no call fails.
//
// Rows are in a treap whose nodes never change: a snapshot is a pointer, and so
// is each state to which a crash may go back.
package memstore

import (
	"bytes"
	"fmt"
	"sync"

	"synod/core/kv"
)

// Store implements kv.Store. All methods may be called concurrently.
type Store struct {
	mu sync.Mutex
	// durable is the newest state that a crash keeps for sure.
	durable *node
	// pending are the states after each batch applied since then; the last is the
	// present one. At most pendingMax.
	pending    []*node
	pendingMax int
}

// PendingMax is how many batches a new Store holds back from durability.
const PendingMax = 256

// New is an empty store. When pendingMax batches are not durable, each further
// one makes the oldest of them durable, as a full memtable would. 0 means
// PendingMax.
func New(pendingMax int) *Store {
	if pendingMax <= 0 {
		pendingMax = PendingMax
	}
	return &Store{pendingMax: pendingMax}
}

// Apply implements kv.Store.
func (s *Store) Apply(batch *kv.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	root := s.rootLocked()
	for i := range batch.Len() {
		write := batch.At(i)
		if write.Remove {
			root = remove(root, write.Key)
		} else {
			root = insert(root, newNode(bytes.Clone(write.Key), bytes.Clone(write.Value)))
		}
	}
	s.pending = append(s.pending, root)
	if len(s.pending) > s.pendingMax {
		s.durable = s.pending[0]
		s.pending[0] = nil
		s.pending = s.pending[1:]
	}
	return nil
}

// Get implements kv.Store.
func (s *Store) Get(key, dst []byte) ([]byte, bool, error) {
	s.mu.Lock()
	root := s.rootLocked()
	s.mu.Unlock()
	value, found := find(root, key)
	return append(dst, value...), found, nil
}

// Snapshot implements kv.Store.
func (s *Store) Snapshot() kv.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &snapshot{root: s.rootLocked()}
}

// Flush implements kv.Store.
func (s *Store) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable, s.pending = s.rootLocked(), nil
	return nil
}

// Durable implements kv.Store.
func (s *Store) Durable() (uint64, error) {
	s.mu.Lock()
	root := s.durable
	s.mu.Unlock()
	row, found := find(root, kv.AppliedKey())
	if !found {
		return 0, nil
	}
	return kv.AppliedSlot(row)
}

// Pending is the number of batches that a crash may take back.
func (s *Store) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// Crash loses all pending batches but the first keep, as if the power had failed
// while the store was writing; Crash(0) keeps the least. What is left is durable.
// Open snapshots stay as they are.
func (s *Store) Crash(keep int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if keep < 0 || keep > len(s.pending) {
		panic(fmt.Sprintf("memstore: crash keeps %d of %d pending batches", keep, len(s.pending)))
	}
	if keep > 0 {
		s.durable = s.pending[keep-1]
	}
	s.pending = nil
}

func (s *Store) rootLocked() *node {
	if len(s.pending) > 0 {
		return s.pending[len(s.pending)-1]
	}
	return s.durable
}

// snapshot implements kv.Snapshot.
type snapshot struct {
	root   *node
	closed bool
}

func (v *snapshot) Get(key, dst []byte) ([]byte, bool, error) {
	v.mustBeOpen()
	value, found := find(v.root, key)
	return append(dst, value...), found, nil
}

func (v *snapshot) Ascend(lower, upper []byte, visit func(key, value []byte) bool) error {
	v.mustBeOpen()
	ascend(v.root, lower, upper, visit)
	return nil
}

func (v *snapshot) Close() error {
	v.mustBeOpen()
	v.closed, v.root = true, nil
	return nil
}

func (v *snapshot) mustBeOpen() {
	if v.closed {
		panic("memstore: use of a closed snapshot")
	}
}
