package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// shortestTimeout bounds each try to leave an operation out, shortestTries their number: to find a shorter proof is
// worth seconds, not minutes.
const (
	shortestTimeout = 200 * time.Millisecond
	shortestTries   = 4000
)

// shortest leaves operations out of a window that is not linearizable as long as the rest still is not. An update stays
// if a read that is left has seen it: otherwise that read alone would be the violation, and a false one.
func (w *window) shortest() *window {
	left := *w
	left.operations = slices.Clone(w.operations)
	tries := 0
	for size := max(len(left.operations)/2, 1); ; size /= 2 {
		for at := 0; at < len(left.operations) && tries < shortestTries; {
			shorter := left.without(at, min(at+size, len(left.operations)))
			tries++
			if shorter == nil || shorter.judge(shortestTimeout) != porcupine.Illegal {
				at += size
				continue
			}
			left = *shorter
		}
		if size <= 1 {
			break
		}
	}
	slices.SortStableFunc(left.operations, func(a, b *Operation) int { return cmp.Compare(a.Call, b.Call) })
	return &left
}

// without leaves out the operations from one index to another, except updates that a remaining read has seen; nil if
// nothing could be left out.
func (w *window) without(from, to int) *window {
	seen := map[uint64]bool{}
	for i, o := range w.operations {
		if o.Kind == Get && o.Found && (i < from || i >= to) {
			seen[o.Revision] = true
		}
	}
	shorter := &window{key: w.key, from: w.from, deletes: w.deletes}
	for i, o := range w.operations {
		if i < from || i >= to || o.Kind != Get && seen[o.Revision] {
			shorter.operations = append(shorter.operations, o)
		}
	}
	if len(shorter.operations) == len(w.operations) {
		return nil
	}
	return shorter
}
