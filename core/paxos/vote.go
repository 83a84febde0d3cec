package paxos

// vote is the last vote for a slot; a zero ballot means that there is none.
type vote struct {
	ballot Ballot
	value  Value
	bytes  int32 // length of the value
	away   bool  // the value is only in the log
}

// slotsAheadMax bounds how far beyond the highest held slot a vote may lie. It
// only guards memory against nonsense: no cluster is that far ahead of a
// replica that is still a part of it.
const slotsAheadMax = 1 << 28

// slotsPerChunk makes a hole in the order cheap: eight bytes for 512 slots.
const slotsPerChunk = 512

// SlotTable holds something for each slot. Slots are nearly dense: a hole
// appears where a replica was away. What is below a cut takes no memory.
type SlotTable[T any] struct {
	base   Slot // chunks that were cut before the first one here
	chunks []*[slotsPerChunk]T
}

// At returns the place of a slot, made if need be. The slot is not 0 and not
// below a cut.
func (t *SlotTable[T]) At(s Slot) *T {
	i := int((s-1)/slotsPerChunk - t.base)
	for len(t.chunks) <= i {
		t.chunks = append(t.chunks, nil)
	}
	if t.chunks[i] == nil {
		t.chunks[i] = new([slotsPerChunk]T)
	}
	return &t.chunks[i][(s-1)%slotsPerChunk]
}

// Peek returns the place of a slot, or nil if it was never made or is cut.
func (t *SlotTable[T]) Peek(s Slot) *T {
	i := (s-1)/slotsPerChunk - t.base
	if s == 0 || (s-1)/slotsPerChunk < t.base || i >= Slot(len(t.chunks)) || t.chunks[i] == nil {
		return nil
	}
	return &t.chunks[i][(s-1)%slotsPerChunk]
}

// Cut forgets everything through a slot.
func (t *SlotTable[T]) Cut(through Slot) {
	if whole := through / slotsPerChunk; whole > t.base {
		gone := min(whole-t.base, Slot(len(t.chunks)))
		t.chunks = append([]*[slotsPerChunk]T(nil), t.chunks[gone:]...)
		t.base = whole
	}
	if part := through % slotsPerChunk; through/slotsPerChunk == t.base && len(t.chunks) > 0 && t.chunks[0] != nil {
		clear(t.chunks[0][:part])
	}
}

// end is the last slot that has a place.
func (t *SlotTable[T]) end() Slot { return (t.base + Slot(len(t.chunks))) * slotsPerChunk }

// voteTable holds the votes of an acceptor.
type voteTable struct{ SlotTable[vote] }

// find returns a slot's vote, or nil if there is none.
func (t *voteTable) find(s Slot) *vote {
	v := t.Peek(s)
	if v == nil || v.ballot.IsZero() {
		return nil
	}
	return v
}

// noSlot is beyond every slot.
const noSlot = ^Slot(0)

// next returns the first slot from s on that holds a vote, or [noSlot].
func (t *voteTable) next(s Slot) Slot {
	for s = max(s, t.base*slotsPerChunk+1); s <= t.end(); s++ {
		i := (s-1)/slotsPerChunk - t.base
		if t.chunks[i] == nil {
			s = (t.base + i + 1) * slotsPerChunk // the loop goes on with the next chunk
			continue
		}
		if !t.chunks[i][(s-1)%slotsPerChunk].ballot.IsZero() {
			return s
		}
	}
	return noSlot
}
