package kv

// Store is the ordered store below the map. Its owner opens and closes it; the
// map only calls these. Keys order as bytes.
//
// Apply is called by one goroutine at a time; everything else, also what a Snapshot
// offers, may be called by others meanwhile. Any error is fatal for the replica:
// the caller applies no more.
//
// core/kv/storetest checks all that is promised here.
type Store interface {
	// Apply does all writes of the batch, in order, or after a crash none. It does
	// not make them durable. It keeps no part of the batch. A crash keeps a prefix
	// of the applied batches, at least those before the last Flush that returned.
	Apply(batch *Batch) error
	// Get appends the value under key to dst and reports whether there is one.
	Get(key, dst []byte) (value []byte, found bool, err error)
	// Snapshot is the state after the last Apply that returned, and does not
	// change. It must be closed, before the store is.
	Snapshot() Snapshot
	// Flush returns when everything applied is durable.
	Flush() error
	// Durable is the applied slot (see AppliedSlot) that no crash can take back. It
	// may lag behind the truth, never run ahead of it. Before the first batch is
	// durable it is 0.
	Durable() (slot uint64, err error)
}

// Snapshot is one unchanging state of a Store.
type Snapshot interface {
	// Get is Store.Get on this state.
	Get(key, dst []byte) (value []byte, found bool, err error)
	// Ascend visits lower <= key < upper in order, until visit returns false. Key
	// and value belong to the store and end with the call.
	Ascend(lower, upper []byte, visit func(key, value []byte) bool) error
	// Close releases the state. It is called once.
	Close() error
}

// Batch is a list of writes in order; a later write of a key wins. The zero value
// is empty and ready. It is reused to save allocations.
type Batch struct {
	data []byte
	ends []writeEnd
}

// writeEnd says where in data a write's key and value end; the next begins there.
type writeEnd struct {
	key, value int
	remove     bool
}

// Write is one write of a batch. Key and Value belong to the batch.
type Write struct {
	Key, Value []byte
	// Remove: the key is deleted, there is no value.
	Remove bool
}

// batchBytesKept is the largest buffer that Reset keeps for the next use.
const batchBytesKept = 4 << 20

// Set adds the write of a value; it copies both.
func (b *Batch) Set(key, value []byte) {
	b.data = append(b.data, key...)
	keyEnd := len(b.data)
	b.data = append(b.data, value...)
	b.endSet(keyEnd)
}

// Delete adds the removal of a key; it copies it.
func (b *Batch) Delete(key []byte) {
	b.data = append(b.data, key...)
	b.endDelete()
}

// Len is the number of writes.
func (b *Batch) Len() int { return len(b.ends) }

// Bytes is the size of all keys and values.
func (b *Batch) Bytes() int { return len(b.data) }

// At is write i.
func (b *Batch) At(i int) Write {
	start := 0
	if i > 0 {
		start = b.ends[i-1].value
	}
	end := b.ends[i]
	return Write{
		Key:    b.data[start:end.key:end.key],
		Value:  b.data[end.key:end.value:end.value],
		Remove: end.remove,
	}
}

// Reset empties the batch and keeps its memory, if that is not too much.
func (b *Batch) Reset() {
	if cap(b.data) > batchBytesKept {
		b.data = nil
	}
	b.data, b.ends = b.data[:0], b.ends[:0]
}

// endSet ends a write whose key ends at keyEnd and whose value was appended after.
func (b *Batch) endSet(keyEnd int) {
	b.ends = append(b.ends, writeEnd{key: keyEnd, value: len(b.data)})
}

// endDelete ends a removal whose key was appended.
func (b *Batch) endDelete() {
	b.ends = append(b.ends, writeEnd{key: len(b.data), value: len(b.data), remove: true})
}
