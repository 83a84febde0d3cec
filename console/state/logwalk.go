package state

import (
	"cmp"
	"slices"
)

// logWalk goes through the merged order of all lines that a view shows, in both directions. It holds one position for
// each source, so that a screenful costs nothing but its own lines.
type logWalk struct {
	view  *LogView
	logs  *Logs
	at    []int     // of each source: the number of hits before the place
	marks []LogMark // in order of time
	mark  int       // the number of marks before the place
}

// walk begins before a place.
func (v *LogView) walk(logs *Logs, place LogPlace) *logWalk {
	w := &logWalk{view: v, logs: logs, at: make([]int, len(v.hits)), marks: v.sortedMarks()}
	for i := range v.hits {
		w.at[i] = v.hits[i].search(&logs.Sources[i], i, place)
	}
	for w.mark < len(w.marks) && w.markPlace(w.mark).Compare(place) < 0 {
		w.mark++
	}
	return w
}

// walkEnd begins behind the last line.
func (v *LogView) walkEnd(logs *Logs) *logWalk {
	w := &logWalk{view: v, logs: logs, at: make([]int, len(v.hits)), marks: v.sortedMarks()}
	for i := range v.hits {
		w.at[i] = v.hits[i].len()
	}
	w.mark = len(w.marks)
	return w
}

func (v *LogView) sortedMarks() []LogMark {
	marks := slices.Clone(v.marks)
	slices.SortStableFunc(marks, func(a, b LogMark) int { return cmp.Compare(a.At, b.At) })
	return marks
}

func (w *logWalk) markPlace(i int) LogPlace {
	return LogPlace{At: w.marks[i].At, Source: len(w.logs.Sources), Ordinal: uint64(i)}
}

func (w *logWalk) row(source, i int) LogRow {
	s := &w.logs.Sources[source]
	ordinal := w.view.hits[source].at(i).ordinal
	line := s.Line(ordinal)
	return LogRow{Place: LogPlace{line.At, source, ordinal}, Source: s, Line: line}
}

func (w *logWalk) step(forward bool) (LogRow, bool) {
	if forward {
		return w.forward()
	}
	return w.back()
}

// forward gives the line behind the place and goes behind it.
func (w *logWalk) forward() (row LogRow, ok bool) {
	best := -1
	for i := range w.at {
		if w.at[i] == w.view.hits[i].len() {
			continue
		}
		if next := w.row(i, w.at[i]); best < 0 || next.Place.Compare(row.Place) < 0 {
			best, row = i, next
		}
	}
	if w.mark < len(w.marks) {
		if place := w.markPlace(w.mark); best < 0 || place.Compare(row.Place) < 0 {
			w.mark++
			return LogRow{Place: place, Mark: &w.marks[w.mark-1]}, true
		}
	}
	if best < 0 {
		return LogRow{}, false
	}
	w.at[best]++
	return row, true
}

// back gives the line before the place and goes before it.
func (w *logWalk) back() (row LogRow, ok bool) {
	best := -1
	for i := range w.at {
		if w.at[i] == 0 {
			continue
		}
		if before := w.row(i, w.at[i]-1); best < 0 || before.Place.Compare(row.Place) > 0 {
			best, row = i, before
		}
	}
	if w.mark > 0 {
		if place := w.markPlace(w.mark - 1); best < 0 || place.Compare(row.Place) > 0 {
			w.mark--
			return LogRow{Place: place, Mark: &w.marks[w.mark]}, true
		}
	}
	if best < 0 {
		return LogRow{}, false
	}
	w.at[best]--
	return row, true
}
