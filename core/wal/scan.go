package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// windowBytes is how much of a segment is read at once.
const windowBytes = 1 << 20

// window reads a file from front to back through one buffer.
type window struct {
	file vfs.File
	name string
	size int64
	base int64
	data []byte
}

// at returns length bytes at offset, fewer where the file ends. They are valid until the next call.
func (w *window) at(offset, length int64) ([]byte, error) {
	length = max(0, min(length, w.size-offset))
	if offset < w.base || offset+length > w.base+int64(len(w.data)) {
		if err := w.fill(offset, max(length, windowBytes)); err != nil {
			return nil, err
		}
	}
	return w.data[offset-w.base:][:length], nil
}

func (w *window) fill(offset, length int64) error {
	length = min(length, w.size-offset)
	if int64(cap(w.data)) < length {
		w.data = make([]byte, length)
	}
	w.base, w.data = offset, w.data[:length]
	n, err := w.file.ReadAt(w.data, offset)
	if int64(n) == length {
		return nil
	}
	w.data = w.data[:0]
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &damagedError{
		name: w.name, offset: offset, cause: err,
		expected: fmt.Sprintf("%d readable bytes", length), found: fmt.Sprintf("a read error (%v)", err),
	}
}

// scan walks over the batches of one segment, each at the only place and behind the only batch where it is valid.
type scan struct {
	window
	segment uint64
	offset  int64  // of the next batch
	chain   uint32 // that the next batch has to carry
}

// batch is one valid batch; body is valid until the next call.
type batch struct {
	batchHead
	body []byte
}

// next returns the batch at offset and moves behind it, or says as *damagedError why there is none. zeros tells that
// there is none because nothing was ever written there.
func (s *scan) next() (b batch, zeros bool, err error) {
	head, err := s.at(s.offset, batchHeadBytes)
	if err != nil {
		return batch{}, false, err
	}
	if len(head) < batchHeadBytes {
		return batch{}, len(head) == 0, s.damaged("a batch header", "the end of the file")
	}
	var ok bool
	if b.batchHead, ok = decodeBatchHead(head, Position{s.segment, s.offset}); !ok {
		if isZero(head) {
			return batch{}, true, s.damaged("a batch header", "zeros")
		}
		return batch{}, false, s.damaged("a batch header", fmt.Sprintf("%d bytes that are none", batchHeadBytes))
	}
	if b.chain != s.chain {
		return batch{}, false, s.damaged(fmt.Sprintf("a batch that follows batch %08x", s.chain),
			fmt.Sprintf("one that follows %08x", b.chain))
	}
	if b.body, err = s.at(s.offset+batchHeadBytes, b.length); err != nil {
		return batch{}, false, err
	}
	if int64(len(b.body)) < b.length {
		return batch{}, false, s.damaged(fmt.Sprintf("a batch of %d bytes", b.length), "the end of the file")
	}
	if at, ok := b.check(); !ok {
		return batch{}, false, s.damaged(fmt.Sprintf("%d records that match their sums", b.count),
			fmt.Sprintf("one at offset %d that does not", at))
	}
	s.offset += batchHeadBytes + b.length
	s.chain = b.sum
	return b, false, nil
}

// check verifies all records, and returns the offset of the first that is wrong.
func (b *batch) check() (wrong int64, ok bool) {
	var digest uint32
	at := Position{b.segment, b.offset + batchHeadBytes}
	rest := b.body
	for range b.count {
		_, whole, ok := splitRecord(b.kind, at, rest)
		if !ok {
			return at.Offset, false
		}
		digest = crc32.Update(digest, castagnoli, whole[:recordHeadBytes])
		at.Offset += int64(len(whole))
		rest = rest[len(whole):]
	}
	return at.Offset, len(rest) == 0 && digest == b.digest
}

// each calls visit with the records of a checked batch, in order, where they would lie if the batch began at offset.
func (b *batch) each(visit func(offset int64, payload []byte) error) error {
	offset := int64(batchHeadBytes)
	for rest := b.body; len(rest) > 0; {
		length := int64(binary.LittleEndian.Uint32(rest[4:]))
		if err := visit(offset, rest[recordHeadBytes:recordHeadBytes+length]); err != nil {
			return err
		}
		whole := recordBytes(int(length))
		offset += whole
		rest = rest[whole:]
	}
	return nil
}

func (s *scan) damaged(expected, found string) error {
	return &damagedError{name: s.name, offset: s.offset, expected: expected, found: found}
}

// durableBeyond searches behind offset, where no batch is, for a batch that was written when more than offset was
// durable. It returns the place of the first one, or 0. Only headers are checked: a header is enough of a witness. A
// payload made to look like one can at worst turn a torn tail into a refusal, never a wrong record into a right one.
func (s *scan) durableBeyond(offset int64) (witness, durable int64, err error) {
	for p := offset + alignBytes; p+batchHeadBytes <= s.size; p += alignBytes {
		head, err := s.at(p, batchHeadBytes)
		if err != nil {
			return 0, 0, err
		}
		if binary.LittleEndian.Uint64(head[16:]) != s.segment {
			continue
		}
		if b, ok := decodeBatchHead(head, Position{s.segment, p}); ok && b.durable > offset {
			return p, b.durable, nil
		}
	}
	return 0, 0, nil
}

func isZero(src []byte) bool {
	return len(bytes.TrimLeft(src, "\x00")) == 0
}
