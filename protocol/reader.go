package protocol

import (
	"encoding/binary"
	"errors"
	"io"
)

// Reader cuts a stream into frames: one read of the stream, many frames. It is
// used by one goroutine.
type Reader struct {
	source io.Reader
	limit  int
	buffer []byte
	// What has been read and not yet given out is buffer[from:to].
	from, to int
	err      error
}

// NewReader reads frames of at most limit bytes, header included.
func NewReader(source io.Reader, limit int) *Reader {
	return &Reader{source: source, limit: limit, buffer: make([]byte, ReadBytes)}
}

// Ready reports whether a whole frame, or a broken one, waits in the buffer:
// the next call of Next neither blocks nor touches bodies given out before.
func (r *Reader) Ready() bool {
	have := r.buffer[r.from:r.to]
	if len(have) < lengthBytes {
		return false
	}
	size, err := frameSize(have, r.limit)
	return err != nil || size <= len(have)
}

// Next gives the next frame. Its body is a slice of the reader's buffer and
// stays valid until the first call of Next for which Ready was false; so all
// frames of one read can be used together. [Frame.Own] keeps a body longer.
//
// The error is plain io.EOF if the stream ended between two frames, a
// [*FrameError] if what arrived is no frame, else that of the stream. After an
// error the reader is of no more use.
func (r *Reader) Next() (Frame, error) {
	if r.err != nil {
		return Frame{}, r.err
	}
	f, err := r.next()
	r.err = err
	return f, err
}

func (r *Reader) next() (Frame, error) {
	if err := r.fill(lengthBytes); err != nil {
		return Frame{}, err
	}
	size, err := frameSize(r.buffer[r.from:r.to], r.limit)
	if err != nil {
		return Frame{}, err
	}
	if size > len(r.buffer) {
		return r.large(size)
	}
	if err := r.fill(size); err != nil {
		return Frame{}, err
	}
	raw := r.buffer[r.from : r.from+size]
	r.from += size
	return parseFrame(raw, r.limit)
}

// fill reads until the buffer holds at least n unread bytes.
func (r *Reader) fill(n int) error {
	if r.to-r.from >= n {
		return nil
	}
	if r.from > 0 {
		copy(r.buffer, r.buffer[r.from:r.to])
		r.from, r.to = 0, r.to-r.from
	}
	for empty := 0; r.to < n; {
		got, err := r.source.Read(r.buffer[r.to:])
		r.to += got
		if r.to >= n {
			return nil // an error comes again with the next read
		}
		if err != nil {
			return r.ended(r.buffer[:r.to], err)
		}
		if empty++; got > 0 {
			empty = 0
		} else if empty == 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// large reads a frame that does not fit into the buffer into memory of its
// own, which grows only as bytes arrive: announcing a length costs nothing.
func (r *Reader) large(size int) (Frame, error) {
	raw := append(make([]byte, 0, min(size, 4*len(r.buffer))), r.buffer[r.from:r.to]...)
	r.from, r.to = 0, 0
	for len(raw) < size {
		if len(raw) == cap(raw) {
			raw = append(make([]byte, 0, min(size, 2*cap(raw))), raw...)
		}
		at := len(raw)
		got, err := io.ReadAtLeast(r.source, raw[at:cap(raw)], 1)
		raw = raw[:at+got]
		if err != nil && len(raw) < size {
			return Frame{}, r.ended(raw, err)
		}
	}
	f, err := parseFrame(raw, r.limit)
	f.owned = true
	return f, err
}

// ended turns the end of the stream into an error: only between two frames is
// it a clean one.
func (r *Reader) ended(have []byte, cause error) error {
	if len(have) == 0 {
		return cause
	}
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	e := &FrameError{Reason: ErrFrameTruncated, Have: len(have), Limit: r.limit, Cause: cause}
	if len(have) >= lengthBytes {
		e.Length = binary.BigEndian.Uint32(have)
	}
	return e
}
