package state

import (
	"log/slog"
	"slices"
)

// LogView is how one person looks at the logs: through a filter, following or paused, with one line chosen. It finds
// the lines that pass a part at a time, the newest first, so that no filter ever holds up the screen. The zero value
// follows everything from information up.
type LogView struct {
	filter LogFilter
	hits   []logHits // by source
	marks  []LogMark
	paused bool
	// wish and wishBottom are what a person has chosen and the last line that was to be seen while paused. The lines may
	// not be found yet, or be forgotten: chosen and bottom are the next ones that are there.
	wish, wishBottom LogPlace
	chosen, bottom   LogPlace
}

// LogMark is a line that a person has drawn below a moment.
type LogMark struct {
	At   int64 // by this console's clock, nanoseconds
	Name string
}

const (
	logMarksMax = 26 // a letter for each
	// LogScanLines is how many lines a view looks at for each snapshot: some milliseconds of work.
	LogScanLines = 10_000
)

// LogRow is one line on its way to the screen.
type LogRow struct {
	Place  LogPlace
	Source *LogSource // nil of a mark
	Line   *LogLine   // nil of a mark
	Mark   *LogMark   // nil of a line
}

// Filter is what the view lets through.
func (v *LogView) Filter() LogFilter { return v.filter }

// SetFilter changes what is let through and begins to look anew. The chosen line stays if it passes.
func (v *LogView) SetFilter(filter LogFilter) {
	v.filter = filter
	v.hits = nil
}

// Advance looks at new lines, then at older ones, at most so many. Call it for every snapshot.
func (v *LogView) Advance(logs *Logs, linesMax int) {
	for len(v.hits) < len(logs.Sources) {
		source := &logs.Sources[len(v.hits)]
		v.hits = append(v.hits, logHits{low: source.Next, high: source.Next})
	}
	for i := range logs.Sources {
		v.hits[i].forget(logs.Sources[i].First)
	}
	for i := range logs.Sources {
		linesMax -= v.scanNew(&logs.Sources[i], i, linesMax)
	}
	for i := range logs.Sources {
		// What is left is shared, so that all sources are seen from the newest line on.
		linesMax -= v.scanOld(&logs.Sources[i], i, linesMax/(len(logs.Sources)-i))
	}
	v.settle(logs)
}

func (v *LogView) scanNew(s *LogSource, source, linesMax int) (looked int) {
	h := &v.hits[source]
	for ; h.high < s.Next && looked < linesMax; looked++ {
		if hit, ok := v.look(s, source, h.high); ok {
			h.newer = append(h.newer, hit)
			h.count(hit.kind, 1)
		}
		h.high++
	}
	return looked
}

func (v *LogView) scanOld(s *LogSource, source, linesMax int) (looked int) {
	h := &v.hits[source]
	for ; h.low > s.First && looked < linesMax; looked++ {
		h.low--
		if hit, ok := v.look(s, source, h.low); ok {
			h.older = append(h.older, hit)
			h.count(hit.kind, 1)
		}
	}
	return looked
}

func (v *LogView) look(s *LogSource, source int, ordinal uint64) (hit logHit, ok bool) {
	line := s.Line(ordinal)
	if !v.filter.Shows(source) || !v.filter.Passes(line) {
		return logHit{}, false
	}
	hit = logHit{ordinal: ordinal}
	switch {
	case line.Remark:
		hit.kind = remarkLine
	case line.Level >= slog.LevelError:
		hit.kind = errorLine
	case line.Level >= slog.LevelWarn:
		hit.kind = warningLine
	}
	return hit, true
}

// settle keeps the chosen line and the bottom on lines that are there.
func (v *LogView) settle(logs *Logs) {
	last, ok := v.Last(logs)
	if !ok {
		return
	}
	if !v.paused {
		v.wish, v.wishBottom = last, last
	}
	v.chosen, v.bottom = v.near(logs, v.wish), v.near(logs, v.wishBottom)
}

// near gives the place itself if its line is seen, else the next one, else the last.
func (v *LogView) near(logs *Logs, place LogPlace) LogPlace {
	w := v.walk(logs, place)
	if row, ok := w.forward(); ok {
		return row.Place
	}
	last, _ := v.Last(logs)
	return last
}

// LogCounts is what the view has found.
type LogCounts struct {
	Lines, Warnings, Errors int
	// New is the lines behind the last that is seen while paused.
	New int
	// Unseen is the lines that the filter has not looked at yet.
	Unseen int
}

// Count counts what was found so far.
func (v *LogView) Count(logs *Logs) LogCounts {
	var c LogCounts
	for i := range v.hits {
		h, s := &v.hits[i], &logs.Sources[i]
		c.Lines += h.len() - h.remarks
		c.Warnings += h.warnings
		c.Errors += h.errors
		c.Unseen += int(h.low-s.First) + int(s.Next-h.high)
		if v.paused {
			c.New += h.len() - h.search(s, i, after(v.bottom))
		}
	}
	return c
}

// after is the place right behind another.
func after(place LogPlace) LogPlace {
	place.Ordinal++
	return place
}

// Following tells whether the newest line is always seen.
func (v *LogView) Following() bool { return !v.paused }

// Follow goes to the newest line and stays there, or stays where it is.
func (v *LogView) Follow(logs *Logs, follow bool) {
	v.paused = !follow
	v.settle(logs)
}

// Chosen gives the chosen line; false if there is none.
func (v *LogView) Chosen(logs *Logs) (LogRow, bool) {
	w := v.walk(logs, v.chosen)
	row, ok := w.forward()
	return row, ok && row.Place == v.chosen
}

// Last gives the place of the newest line that is seen; false if there is none.
func (v *LogView) Last(logs *Logs) (LogPlace, bool) {
	w := v.walkEnd(logs)
	row, ok := w.back()
	return row.Place, ok
}

// Rows gives the lines that are seen in so many rows, the oldest first.
func (v *LogView) Rows(logs *Logs, rows int) []LogRow {
	w := v.walk(logs, after(v.bottom))
	if !v.paused {
		w = v.walkEnd(logs)
	}
	var list []LogRow
	for len(list) < rows {
		row, ok := w.back()
		if !ok {
			break
		}
		list = append(list, row)
	}
	slices.Reverse(list)
	if w = v.walk(logs, after(v.bottom)); v.paused {
		for len(list) < rows { // near the beginning: the room below is used
			row, ok := w.forward()
			if !ok {
				break
			}
			list = append(list, row)
		}
	}
	return list
}

// All gives the newest lines that were found, so many at most, the oldest first.
func (v *LogView) All(logs *Logs, linesMax int) []LogRow {
	var list []LogRow
	for w := v.walkEnd(logs); len(list) < linesMax; {
		row, ok := w.back()
		if !ok {
			break
		}
		list = append(list, row)
	}
	slices.Reverse(list)
	return list
}

// Move chooses a line so many lines away and pauses. With rows, the lines that fit on the screen, it keeps it seen.
func (v *LogView) Move(logs *Logs, by, rows int) {
	w := v.walk(logs, v.chosen)
	if by >= 0 {
		w.forward() // the chosen line itself
	}
	to := v.chosen
	for range max(by, -by) {
		row, ok := w.step(by > 0)
		if !ok {
			break
		}
		to = row.Place
	}
	v.Choose(logs, to, rows)
}

// Choose chooses the line at a place, pauses, and moves what is seen as little as possible so that it is in it.
func (v *LogView) Choose(logs *Logs, place LogPlace, rows int) {
	v.settle(logs)
	v.paused = true
	v.wish = v.near(logs, place)
	v.chosen = v.wish
	if v.chosen.Compare(v.bottom) > 0 {
		v.wishBottom, v.bottom = v.chosen, v.chosen
		return
	}
	w := v.walk(logs, after(v.chosen))
	below := v.chosen
	for range max(rows-1, 0) {
		row, ok := w.forward()
		if !ok || row.Place.Compare(v.bottom) > 0 {
			return // it is less than a screen above the bottom
		}
		below = row.Place
	}
	v.wishBottom, v.bottom = below, below
}

// First chooses the oldest line.
func (v *LogView) First(logs *Logs, rows int) { v.Choose(logs, LogPlace{}, rows) }

// Find chooses the next line of at least the level, or with back the one before; at the end it goes on from the other
// one. It tells whether it did so, and whether there is such a line.
func (v *LogView) Find(logs *Logs, level slog.Level, back bool, rows int) (around, ok bool) {
	w := v.walk(logs, v.chosen)
	if !back {
		w.forward()
	}
	for round := range 2 {
		for {
			row, more := w.step(!back)
			if !more {
				break
			}
			if row.Line != nil && !row.Line.Remark && row.Line.Level >= level {
				v.Choose(logs, row.Place, rows)
				return round > 0, true
			}
		}
		if w = v.walkEnd(logs); !back {
			w = v.walk(logs, LogPlace{})
		}
	}
	return false, false
}

// Mark draws a line below what is chosen, or below the newest line while following, and gives its name. The oldest of
// too many goes.
func (v *LogView) Mark(logs *Logs, now int64) string {
	name := "A"
	if n := len(v.marks); n > 0 {
		name = string('A' + (v.marks[n-1].Name[0]-'A'+1)%logMarksMax)
	}
	if v.paused {
		now = v.chosen.At
	}
	if len(v.marks) == logMarksMax {
		v.marks = v.marks[1:]
	}
	v.marks = append(slices.Clone(v.marks), LogMark{At: now, Name: name})
	v.settle(logs)
	return name
}

// Unmark removes all marks; false if there were none.
func (v *LogView) Unmark() bool {
	had := len(v.marks) > 0
	v.marks = nil
	return had
}
