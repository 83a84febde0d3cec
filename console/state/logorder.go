package state

import (
	"cmp"
	"slices"
)

// ordered sorts places and leaves out those that overlap an earlier one.
func ordered(hits [][2]int) [][2]int {
	slices.SortFunc(hits, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	out := hits[:0]
	for _, hit := range hits {
		if len(out) == 0 || hit[0] >= out[len(out)-1][1] {
			out = append(out, hit)
		}
	}
	return out
}

// LogPlace is the place of a line in the merged order of all sources: by time, then by source, then by sequence. It
// stays good when the line itself has been forgotten.
type LogPlace struct {
	At      int64 // by this console's clock, nanoseconds
	Source  int   // index into Logs.Sources; their number for a mark
	Ordinal uint64
}

// Compare gives -1, 0 or 1.
func (p LogPlace) Compare(q LogPlace) int {
	return cmp.Or(cmp.Compare(p.At, q.At), cmp.Compare(p.Source, q.Source), cmp.Compare(p.Ordinal, q.Ordinal))
}

// logHits are the lines of one source that pass the filter, found from the newest to the oldest while new ones come.
type logHits struct {
	low, high uint64   // ordinals from low up to below high have been looked at
	older     []logHit // the oldest last
	newer     []logHit // the oldest first
	warnings  int
	errors    int
	remarks   int
}

// logHit is a line that passes.
type logHit struct {
	ordinal uint64
	kind    logKind
}

// logKind is what is counted.
type logKind uint8

const (
	ordinaryLine logKind = iota
	warningLine
	errorLine
	remarkLine
)

func (h *logHits) len() int { return len(h.older) + len(h.newer) }

// at gives a hit by its place in the order of the source.
func (h *logHits) at(i int) logHit {
	if i < len(h.older) {
		return h.older[len(h.older)-1-i]
	}
	return h.newer[i-len(h.older)]
}

func (h *logHits) count(kind logKind, by int) {
	switch kind {
	case warningLine:
		h.warnings += by
	case errorLine:
		h.errors += by
	case remarkLine:
		h.remarks += by
	}
}

// forget drops the hits below an ordinal: the lines are gone.
func (h *logHits) forget(first uint64) {
	for h.len() > 0 && h.at(0).ordinal < first {
		h.count(h.at(0).kind, -1)
		if last := len(h.older) - 1; last >= 0 {
			h.older = h.older[:last]
		} else {
			h.newer = h.newer[1:]
		}
	}
	h.low, h.high = max(h.low, first), max(h.high, first)
}

// search returns the number of hits before a place.
func (h *logHits) search(s *LogSource, source int, place LogPlace) int {
	low, high := 0, h.len()
	for low < high {
		middle := (low + high) / 2
		ordinal := h.at(middle).ordinal
		if (LogPlace{s.Line(ordinal).At, source, ordinal}).Compare(place) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
