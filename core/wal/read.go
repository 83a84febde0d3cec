package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// readAheadBytes is read at once for a record, in the hope that it is all of it.
	readAheadBytes = 4 << 10
	// openFilesMax limits how many old segments ReadAt keeps open.
	openFilesMax = 64
)

// ReadAt reads one record back, durable or not, and checks it. It uses the memory of buf if that is enough and returns
// the payload in it or in larger memory. The position must be one that Append or Open gave for this log; ErrDamaged
// says that the record there does not check any more.
func (l *Log) ReadAt(at Position, buf []byte) ([]byte, error) {
	if l.failed != nil {
		return nil, l.failed
	}
	first := l.segments[0].id
	if at.Segment < first || at.Segment > l.last().id {
		return nil, fmt.Errorf("read record at %v: the log has segments %d to %d only", at, first, l.last().id)
	}
	s := l.segments[at.Segment-first]
	room := s.end - at.Offset
	if at.Offset < segmentHeadBytes+batchHeadBytes || room < recordHeadBytes || at.Offset%alignBytes != 0 {
		return nil, fmt.Errorf("read record at %v: no record can be there, segment %d ends at %d", at, s.id, s.end)
	}
	file, err := l.reader(s.id)
	if err != nil {
		return nil, err
	}
	buf, err = readFull(file, at, buf, min(room, max(int64(cap(buf)), readAheadBytes)))
	if err != nil {
		return nil, l.unreadable(at, "readable bytes", fmt.Sprintf("a read error (%v)", err), err)
	}
	length := int64(binary.LittleEndian.Uint32(buf[4:]))
	whole := recordBytes(int(length))
	if whole <= room && whole > int64(len(buf)) {
		if buf, err = readFull(file, at, buf, whole); err != nil {
			return nil, l.unreadable(at, "readable bytes", fmt.Sprintf("a read error (%v)", err), err)
		}
	}
	payload, _, ok := splitRecord(kindRecords, at, buf)
	if !ok {
		return nil, l.unreadable(at, "a record", "bytes that do not match their sum", nil)
	}
	// The payload moves to the front, so that the caller can give the same memory again and again.
	return buf[:copy(buf, payload)], nil
}

func (l *Log) unreadable(at Position, expected, found string, cause error) error {
	return &damagedError{
		name: l.home.path(segmentName(at.Segment)), offset: at.Offset, expected: expected, found: found, cause: cause,
	}
}

// readFull reads exactly length bytes, into buf if it has room.
func readFull(file vfs.File, at Position, buf []byte, length int64) ([]byte, error) {
	buf = slices.Grow(buf[:0], int(length))[:length]
	n, err := file.ReadAt(buf, at.Offset)
	if int64(n) == length {
		return buf, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// reader returns an open file for a segment: the one being written, or one that stays open for the next read.
func (l *Log) reader(id uint64) (vfs.File, error) {
	if id == l.last().id {
		return l.file, nil
	}
	return l.readers.get(id, func() (vfs.File, error) {
		path := l.home.path(segmentName(id))
		file, err := l.home.fs.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open segment %q: %w", path, err)
		}
		return file, nil
	})
}

// readers keeps old segments open, the latest opened openFilesMax of them.
type readers struct {
	files []reader // in the order in which they were opened
}

type reader struct {
	id   uint64
	file vfs.File
}

func (r *readers) get(id uint64, open func() (vfs.File, error)) (vfs.File, error) {
	if i := slices.IndexFunc(r.files, func(f reader) bool { return f.id == id }); i >= 0 {
		return r.files[i].file, nil
	}
	file, err := open()
	if err != nil {
		return nil, err
	}
	if len(r.files) == openFilesMax {
		if err := r.files[0].file.Close(); err != nil {
			return nil, errors.Join(fmt.Errorf("close segment %d: %w", r.files[0].id, err), file.Close())
		}
		r.files = slices.Delete(r.files, 0, 1)
	}
	r.files = append(r.files, reader{id, file})
	return file, nil
}

// drop closes the file of a segment that nobody will read again.
func (r *readers) drop(id uint64) {
	if i := slices.IndexFunc(r.files, func(f reader) bool { return f.id == id }); i >= 0 {
		_ = r.files[i].file.Close() // it was only read
		r.files = slices.Delete(r.files, i, i+1)
	}
}

func (r *readers) close() error {
	var err error
	for _, f := range r.files {
		err = errors.Join(err, f.file.Close())
	}
	r.files = nil
	return err
}
