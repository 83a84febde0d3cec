package kv

// markSlots is the distance of the slots at which replicas compare their hashes,
// marksKept how many of them each remembers.
const (
	markSlots = 1_000
	marksKept = 64
)

// Mark is the hash over all values up to a slot. Two replicas with different
// hashes at one slot have applied different logs.
type Mark struct {
	Slot uint64
	Hash uint64
}

// marks is a ring of the last marks.
type marks struct {
	ring  [marksKept]Mark
	count uint64
}

func (r *marks) add(mark Mark) {
	r.ring[r.count%marksKept] = mark
	r.count++
}

// MarkAt is the mark at a slot, if it is one of the last 64 multiples of
// MarkSlots that were applied since the start.
func (m *Machine) MarkAt(slot uint64) (Mark, bool) {
	for i := range m.marks.ring {
		if mark := m.marks.ring[i]; mark.Slot == slot && slot != 0 {
			return mark, true
		}
	}
	return Mark{}, false
}

// LastMark is the newest mark, if there is one since the start.
func (m *Machine) LastMark() (Mark, bool) {
	if m.marks.count == 0 {
		return Mark{}, false
	}
	return m.marks.ring[(m.marks.count-1)%marksKept], true
}

// Marks appends the marks since the start, at most the last 64, to dst; the newest
// is the last.
func (m *Machine) Marks(dst []Mark) []Mark {
	for n := m.marks.count - min(m.marks.count, marksKept); n < m.marks.count; n++ {
		dst = append(dst, m.marks.ring[n%marksKept])
	}
	return dst
}

// Chain is the mark of the last applied slot itself.
func (m *Machine) Chain() Mark { return Mark{Slot: m.state.slot, Hash: m.state.chain} }
