package wal

import (
	"encoding/binary"
	"fmt"
)

// readHeads reads and checks the header of every segment that must exist, and that none is missing. The newest header,
// which was durable before it got its name, says which these are; a crash may have left some that were released.
func (r *reopening) readHeads(ids []uint64) error {
	newest, _, err := r.readHead(ids[len(ids)-1])
	if err != nil {
		return err
	}
	for ids[0] < newest.oldest {
		r.released = append(r.released, ids[0])
		ids = ids[1:]
	}
	for i, id := range ids {
		if i > 0 && id != ids[i-1]+1 {
			return r.missing(ids[i-1]+1, id)
		}
		head, chain, err := r.readHead(id)
		if err != nil {
			return err
		}
		r.heads, r.chains = append(r.heads, head), append(r.chains, chain)
	}
	if newest.oldest < ids[0] {
		return r.missing(newest.oldest, ids[0])
	}
	return nil
}

func (r *reopening) missing(id, next uint64) error {
	return &damagedError{
		name:     r.home.path(segmentName(id)),
		expected: fmt.Sprintf("a segment before %q", segmentName(next)), found: "no file",
	}
}

// readHead reads one segment header and returns it with its sum. The sum is checked before the content is believed, and
// the content before any batch is.
func (r *reopening) readHead(id uint64) (segmentHead, uint32, error) {
	path := r.home.path(segmentName(id))
	file, err := r.home.fs.Open(path)
	if err != nil {
		return segmentHead{}, 0, fmt.Errorf("open segment %q: %w", path, err)
	}
	r.old = file
	info, err := file.Stat()
	if err != nil {
		return segmentHead{}, 0, fmt.Errorf("ask for the size of segment %q: %w", path, err)
	}
	w := window{file: file, name: path, size: min(info.Size(), segmentHeadBytes)}
	src, err := w.at(0, segmentHeadBytes)
	if err != nil {
		return segmentHead{}, 0, err
	}
	if err := checkSegmentHead(path, src); err != nil {
		return segmentHead{}, 0, err
	}
	head := decodeSegmentHead(src)
	r.seen = head.identity
	if err := r.checkPlace(head, Position{id, info.Size()}); err != nil {
		return segmentHead{}, 0, err
	}
	return head, binary.LittleEndian.Uint32(src[12:]), r.close()
}

// checkSegmentHead says whether the bytes are a header at all.
func checkSegmentHead(path string, src []byte) error {
	damaged := damagedError{name: path, expected: fmt.Sprintf("a segment header of %d bytes", segmentHeadBytes)}
	switch {
	case len(src) == 0:
		damaged.found = "an empty file"
	case len(src) < segmentHeadBytes:
		damaged.found = fmt.Sprintf("a file of %d bytes", len(src))
	case isZero(src):
		damaged.found = "zeros"
	case string(src[:len(magic)]) != magic:
		damaged.expected = fmt.Sprintf("a segment, which begins with %q", magic)
		damaged.found = fmt.Sprintf("a foreign file that begins with %q", src[:len(magic)])
	case segmentHeadSum(src) != binary.LittleEndian.Uint32(src[12:]):
		damaged.found = "one that does not match its sum"
	case binary.LittleEndian.Uint32(src[8:]) != formatVersion:
		return fmt.Errorf("%w: %q has version %d, this program reads %d: start the program that wrote it",
			ErrVersion, path, binary.LittleEndian.Uint32(src[8:]), formatVersion)
	default:
		return nil
	}
	return &damaged
}

// checkPlace compares a header with the file it stands in: its number, and the length as the offset of at.
func (r *reopening) checkPlace(head segmentHead, at Position) error {
	path := r.home.path(segmentName(at.Segment))
	if head.identity != r.options.Identity {
		return fmt.Errorf("%w: %q is the log of %v, this acceptor is %v: check the data directory in the configuration",
			ErrIdentity, path, head.identity, r.options.Identity)
	}
	damaged := damagedError{name: path}
	switch {
	case head.segment != at.Segment:
		damaged.expected = fmt.Sprintf("segment %d", at.Segment)
		damaged.found = fmt.Sprintf("segment %d, so the file was renamed", head.segment)
	case head.bytes != at.Offset:
		// The length was durable before the file got its name, so no crash can have changed it.
		damaged.offset = min(head.bytes, at.Offset)
		damaged.expected = fmt.Sprintf("a file of %d bytes", head.bytes)
		damaged.found = fmt.Sprintf("one of %d", at.Offset)
	case head.previous != head.segment-1 || head.oldest == 0 || head.oldest > head.segment || head.end > r.endMax():
		damaged.expected = fmt.Sprintf("a header that continues segment %d", head.segment-1)
		damaged.found = fmt.Sprintf("one that continues segment %d at %d, oldest %d", head.previous, head.end, head.oldest)
	default:
		return nil
	}
	return &damaged
}

// endMax is the length of the segment whose header was read last.
func (r *reopening) endMax() int64 {
	if len(r.heads) == 0 {
		return 1 << 62 // the segment before was released
	}
	return r.heads[len(r.heads)-1].bytes
}
