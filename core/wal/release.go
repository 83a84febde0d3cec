package wal

import "fmt"

// Release says that no record of the segments before the given one will be needed again. What has to outlive them must
// have been appended anew before the call: it is durable before the first of them disappears.
//
// Release writes nothing. The next segment's header names the oldest segment that must exist; when that header is
// durable the files below go, and one of them becomes the next spare. Until then ReadAt still reads them, and Open
// replays them. The newest segment cannot be released; a number at or below an earlier one changes nothing.
func (l *Log) Release(before uint64) {
	if before > l.last().id {
		panic(fmt.Sprintf("wal: release of segments before %d, the newest is %d", before, l.last().id))
	}
	l.oldest = max(l.oldest, before)
}

// Oldest is the lowest segment that was not released.
func (l *Log) Oldest() uint64 { return l.oldest }

// discard lets go of the files below the oldest segment, which a durable header names. They count for nobody any more,
// so a file that cannot be removed now is only lost space: the next roll and the next Open try again.
func (l *Log) discard() {
	kept := 0
	for l.segments[kept].id < l.oldest {
		kept++
	}
	for _, s := range l.segments[:kept] {
		l.readers.drop(s.id)
		l.released = append(l.released, s)
	}
	l.segments = append(l.segments[:0], l.segments[kept:]...)
	// Without Background every segment is made when it is needed, and none waits as a spare.
	spareWanted := l.options.Background && !l.spare.running
	left := l.released[:0]
	for _, s := range l.released {
		path := l.home.path(segmentName(s.id))
		if spareWanted && s.bytes == l.spareBytes() && l.home.fs.Rename(path, l.home.path(spareName)) == nil {
			// It is overwritten with zeros like a new one; its blocks are there already, so that a full disk does
			// not stop a log that recycles.
			spareWanted = false
			continue
		}
		if l.home.fs.Remove(path) != nil {
			left = append(left, s)
		}
	}
	l.released = left
}

// spareBytes is the length of the segment after the last one. Segments grow: a replica that starts is about to be used,
// and five of them on one machine that fill the disk's queue with zeros would make the first requests wait for it.
func (l *Log) spareBytes() int64 {
	return min(l.options.SegmentBytes, segmentGrowth*l.last().bytes)
}
