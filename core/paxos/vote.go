package paxos

// vote is the last vote for a slot; a zero ballot means that there is none.
type vote struct {
	ballot Ballot
	value  Value
	away   bool // the value is only in the log
}

// votesPerChunk makes a hole in the order cheap: eight bytes for 512 slots.
const votesPerChunk = 512

// slotsAheadMax bounds how far beyond the highest held slot a vote may lie. It
// only guards memory against nonsense: no cluster is that far ahead of a
// replica that is still a part of it.
const slotsAheadMax = 1 << 28

// voteTable holds the votes of an acceptor by slot. Slots are nearly dense: a
// hole appears where this acceptor was away.
type voteTable struct {
	chunks []*[votesPerChunk]vote
}

// at returns the place of a slot's vote, made if need be.
func (t *voteTable) at(s Slot) *vote {
	i := int((s - 1) / votesPerChunk)
	for len(t.chunks) <= i {
		t.chunks = append(t.chunks, nil)
	}
	if t.chunks[i] == nil {
		t.chunks[i] = new([votesPerChunk]vote)
	}
	return &t.chunks[i][(s-1)%votesPerChunk]
}

// find returns a slot's vote, or nil if there is none.
func (t *voteTable) find(s Slot) *vote {
	i := (s - 1) / votesPerChunk
	if s == 0 || i >= Slot(len(t.chunks)) || t.chunks[i] == nil {
		return nil
	}
	v := &t.chunks[i][(s-1)%votesPerChunk]
	if v.ballot.IsZero() {
		return nil
	}
	return v
}

// next returns the first slot from s on that holds a vote, or a slot beyond
// every vote.
func (t *voteTable) next(s Slot) Slot {
	s = max(s, 1)
	for ; s <= Slot(len(t.chunks))*votesPerChunk; s++ {
		i := (s - 1) / votesPerChunk
		if t.chunks[i] == nil {
			s = (i + 1) * votesPerChunk // the loop goes on with the next chunk
			continue
		}
		if !t.chunks[i][(s-1)%votesPerChunk].ballot.IsZero() {
			return s
		}
	}
	return s
}
