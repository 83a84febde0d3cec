package store

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// rowCache holds the rows written last, ready in memory, within a fixed number of
// bytes. It is filled by writes only: a reader that puts in what it has read could
// overtake a write and bring an old row back.
//
// Each shard is a ring of bytes: a new row goes to the end and pushes out the
// oldest. So a write allocates nothing, and the collector sees no pointers.
type rowCache struct {
	shards       [rowShards]rowShard
	hits, misses atomic.Uint64
}

const (
	rowShards = 16
	// A row in the ring: length of key (4 bytes), length of value (4), key, value.
	// The length of a removed row's value is rowRemoved.
	rowHeadBytes = 8
	rowRemoved   = ^uint32(0)
	// A row above this part of its shard is not kept: it would push out too much.
	rowShareMax = 8
)

type rowShard struct {
	mu sync.Mutex
	// ring has rows from head to tail (positions only grow; modulo length they are
	// places). A row is never cut by the end of the ring: skipped bytes are part of
	// the row before.
	ring       []byte
	head, tail uint64
	// places finds the newest row of a key's hash. A row of another key with the
	// same hash takes its place; the older is then read from the store.
	places map[uint64]uint64
	// lengths of what lies in the ring, oldest first, as a ring of its own.
	lengths rowLengths
}

func newRowCache(bytesMax int) *rowCache {
	c := &rowCache{}
	for i := range c.shards {
		c.shards[i] = rowShard{ring: make([]byte, bytesMax/rowShards), places: map[uint64]uint64{}}
	}
	return c
}

// get appends the value of a row that is kept. known is false if the cache cannot
// tell; found is false if it knows that there is no such row.
func (c *rowCache) get(key, dst []byte) (value []byte, known, found bool) {
	hash := xxhash.Sum64(key)
	value, known, found = c.shards[hash%rowShards].get(hash, key, dst)
	if known {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
	return value, known, found
}

// set keeps a row, and forgets what it knew of the key if the row is too large.
func (c *rowCache) set(key, value []byte) {
	hash := xxhash.Sum64(key)
	c.shards[hash%rowShards].set(hash, key, value, uint32(len(value)))
}

// remove keeps the knowledge that there is no such row.
func (c *rowCache) remove(key []byte) {
	hash := xxhash.Sum64(key)
	c.shards[hash%rowShards].set(hash, key, nil, rowRemoved)
}

func (s *rowShard) get(hash uint64, key, dst []byte) (value []byte, known, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	position, kept := s.places[hash]
	if !kept {
		return dst, false, false
	}
	row := s.ring[position%uint64(len(s.ring)):]
	keyBytes, valueBytes := binary.LittleEndian.Uint32(row), binary.LittleEndian.Uint32(row[4:])
	row = row[rowHeadBytes:]
	if string(row[:keyBytes]) != string(key) {
		return dst, false, false
	}
	if valueBytes == rowRemoved {
		return dst, true, false
	}
	return append(dst, row[keyBytes:keyBytes+valueBytes]...), true, true
}

func (s *rowShard) set(hash uint64, key, value []byte, valueBytes uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := rowHeadBytes + len(key) + len(value)
	if size > len(s.ring)/rowShareMax {
		delete(s.places, hash)
		return
	}
	start := s.makeRoomLocked(uint64(size))
	row := s.ring[start%uint64(len(s.ring)):]
	binary.LittleEndian.PutUint32(row, uint32(len(key)))
	binary.LittleEndian.PutUint32(row[4:], valueBytes)
	copy(row[rowHeadBytes:], key)
	copy(row[rowHeadBytes+len(key):], value)
	s.places[hash] = start
	s.lengths.push(rowLength{hash: hash, start: start, end: s.tail})
}

// makeRoomLocked takes size bytes in one piece at the end of the ring and gives
// their position.
func (s *rowShard) makeRoomLocked(size uint64) uint64 {
	length := uint64(len(s.ring))
	if s.tail%length+size > length {
		s.tail += length - s.tail%length
	}
	start := s.tail
	s.tail += size
	for s.tail-s.head > length {
		oldest, some := s.lengths.pop()
		if !some {
			s.head = start
			break
		}
		if s.places[oldest.hash] == oldest.start {
			delete(s.places, oldest.hash)
		}
		s.head = oldest.end
	}
	return start
}

// rowLength says which row lies in a part of the ring.
type rowLength struct {
	hash       uint64
	start, end uint64
}

// rowLengths is a queue in a slice that doubles when it is full.
type rowLengths struct {
	items       []rowLength
	first, size int
}

func (q *rowLengths) push(added rowLength) {
	if q.size == len(q.items) {
		larger := make([]rowLength, max(64, 2*len(q.items)))
		for i := range q.size {
			larger[i] = q.items[(q.first+i)%len(q.items)]
		}
		q.items, q.first = larger, 0
	}
	q.items[(q.first+q.size)%len(q.items)] = added
	q.size++
}

func (q *rowLengths) pop() (oldest rowLength, some bool) {
	if q.size == 0 {
		return rowLength{}, false
	}
	oldest = q.items[q.first]
	q.first = (q.first + 1) % len(q.items)
	q.size--
	return oldest, true
}
