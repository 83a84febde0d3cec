package paxos

// vote is the last vote for a slot; a zero ballot means that there is none.
type vote struct {
	ballot Ballot
	value  Value
	away   bool // the value is only in the log
}

// slotsAheadMax bounds how far beyond the highest held slot a vote may lie. It
// only guards memory against nonsense: no cluster is that far ahead of a
// replica that is still a part of it.
const slotsAheadMax = 1 << 28

// slotsPerChunk makes a hole in the order cheap: eight bytes for 512 slots.
const slotsPerChunk = 512

// SlotTable holds something for each slot. Slots are nearly dense: a hole
// appears where a replica was away.
type SlotTable[T any] struct {
	chunks []*[slotsPerChunk]T
}

// At returns the place of a slot, made if need be. The slot is not 0.
func (t *SlotTable[T]) At(s Slot) *T {
	i := int((s - 1) / slotsPerChunk)
	for len(t.chunks) <= i {
		t.chunks = append(t.chunks, nil)
	}
	if t.chunks[i] == nil {
		t.chunks[i] = new([slotsPerChunk]T)
	}
	return &t.chunks[i][(s-1)%slotsPerChunk]
}

// Peek returns the place of a slot, or nil if it was never made.
func (t *SlotTable[T]) Peek(s Slot) *T {
	i := (s - 1) / slotsPerChunk
	if s == 0 || i >= Slot(len(t.chunks)) || t.chunks[i] == nil {
		return nil
	}
	return &t.chunks[i][(s-1)%slotsPerChunk]
}

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

// next returns the first slot from s on that holds a vote, or a slot beyond
// every vote.
func (t *voteTable) next(s Slot) Slot {
	s = max(s, 1)
	for ; s <= Slot(len(t.chunks))*slotsPerChunk; s++ {
		i := (s - 1) / slotsPerChunk
		if t.chunks[i] == nil {
			s = (i + 1) * slotsPerChunk // the loop goes on with the next chunk
			continue
		}
		if !t.chunks[i][(s-1)%slotsPerChunk].ballot.IsZero() {
			return s
		}
	}
	return s
}
