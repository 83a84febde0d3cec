package wal

import (
	"errors"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/mutant"
)

// roll ends the last segment and begins one with room for a batch of need bytes. The order is what Open relies on: the
// old segment durable, the new header durable, the name durable, and then the seal and the first batch.
func (l *Log) roll(need int64) error {
	if err := l.Sync(); err != nil {
		return err
	}
	old := *l.last()
	file, name, bytes, err := l.blankSegment(roundUp(segmentHeadBytes+need+reserveBytes, alignBytes))
	head := segmentHead{
		segment: old.id + 1, bytes: bytes, identity: l.options.Identity,
		previous: old.id, end: old.end, chain: l.chain, oldest: l.oldest,
	}
	image := make([]byte, segmentHeadBytes)
	chain := head.encode(image)
	if err == nil {
		err = l.home.christen(file, name, head.segment, image)
	}
	if isNoSpace(err) {
		return noSpace("make segment", l.home.path(segmentName(head.segment)), err)
	}
	if errors.Is(err, errNoFile) {
		return err
	}
	if err != nil {
		return l.poison("make", head.segment, err)
	}
	if !l.options.Mutant.Has(mutant.M33) {
		if err := l.home.syncDir(); err != nil {
			return errors.Join(l.poison("sync the directory for", head.segment, err), file.Close())
		}
	}
	if err := seal(l.file, old, l.durable, l.chain); err != nil {
		return errors.Join(l.poison("seal", old.id, err), file.Close())
	}
	oldFile := l.file
	l.segments = append(l.segments, segment{id: head.segment, bytes: bytes, end: segmentHeadBytes})
	l.discard()
	l.start(file, chain)
	// The old file is durable and never written again; ReadAt opens it anew when it needs it.
	if err := oldFile.Close(); err != nil {
		return l.poison("close", old.id, err)
	}
	return nil
}

// blankSegment takes the prepared segment if it is ready and large enough, and otherwise makes one now.
func (l *Log) blankSegment(bytesMin int64) (file vfs.File, name string, bytes int64, err error) {
	if file, bytes := l.spare.take(bytesMin); file != nil {
		return file, spareName, bytes, nil
	}
	bytes = l.options.SegmentBytes
	if l.options.Background {
		bytes = l.options.FirstSegmentBytes // a batch waits for it
	}
	if bytes < bytesMin {
		bytes = roundUp(bytesMin, oversizeBytes)
	}
	file, err = l.home.blank(nextName, bytes, nil)
	return file, nextName, bytes, err
}

// seal writes into the reserve of a segment that a next one exists, so that the loss of the next one is noticed. It is
// never synced for its own sake. A full disk only costs the seal.
func seal(file vfs.File, old segment, durable int64, chain uint32) error {
	head := batchHead{kind: kindSealed, segment: old.id, offset: old.end, durable: durable, chain: chain}
	if old.end+batchHeadBytes > old.bytes {
		return nil
	}
	if _, err := file.WriteAt(appendBatch(nil, &head, nil), old.end); err != nil && !isNoSpace(err) {
		return err
	}
	return nil
}

// spareMaker makes the next segment beside the log's own goroutine, at most one at a time.
type spareMaker struct {
	home    home
	bytes   int64       // of the spare
	running bool        // a spare is being made or lies in ready
	stop    atomic.Bool // makes the goroutine end early
	ready   chan spare  // of length 1, so that the goroutine never waits
}

// spare is a blank segment under its temporary name, or why there is none.
type spare struct {
	file vfs.File
	err  error
}

// start begins to make a spare of so many bytes unless there is one.
func (m *spareMaker) start(bytes int64) {
	if m.running {
		return
	}
	m.running, m.bytes = true, bytes
	go func() {
		file, err := m.home.blank(spareName, bytes, &m.stop)
		m.ready <- spare{file, err}
	}()
}

// take returns the spare if it is ready and has at least bytesMin bytes, and nil otherwise. A spare that could not be
// made is forgotten: making one in line says why, and the next start tries again.
func (m *spareMaker) take(bytesMin int64) (vfs.File, int64) {
	if m.bytes < bytesMin {
		return nil, 0
	}
	select {
	case s := <-m.ready:
		m.running = false
		return s.file, m.bytes
	default:
		return nil, 0
	}
}

// end stops the goroutine, waits for it and closes the spare; clean also removes it.
func (m *spareMaker) end(clean bool) error {
	m.stop.Store(true)
	if !m.running {
		return nil
	}
	s := <-m.ready
	m.running = false
	switch {
	case s.file == nil:
		return nil
	case clean:
		m.home.drop(s.file, spareName)
		return nil
	}
	return s.file.Close()
}
