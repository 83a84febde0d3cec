package protocol

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Errors of an [Outbox].
var (
	// ErrOutboxFull: the limit is reached; nothing was taken.
	ErrOutboxFull = errors.New("outbox full")
	// ErrOutboxClosed: it was closed, or a write failed; nothing was taken.
	ErrOutboxClosed = errors.New("outbox closed")
)

// Outbox writes frames to a stream in batches: whatever waits leaves in the
// next write. There is no timer; a lone frame leaves at once. Its goroutine
// ends with Close or Abort, or with the first failed write. It is safe for
// concurrent use.
type Outbox struct {
	writer io.Writer
	limit  int
	done   chan struct{}

	mu     sync.Mutex
	wake   sync.Cond
	buffer []byte
	lanes  [lanesMax]int // bytes of buffer that were added by WriteLane, by lane
	asleep bool
	closed bool
	err    error // the first failed write
}

// lanesMax is how many lanes share an outbox.
const lanesMax = 4

// NewOutbox starts an outbox in which at most limit bytes wait, beside what is
// being written. A single addition may exceed the limit if nothing waits yet.
func NewOutbox(writer io.Writer, limit int) *Outbox {
	o := &Outbox{writer: writer, limit: limit, done: make(chan struct{})}
	o.wake.L = &o.mu
	go o.run()
	return o
}

// Add lets add append whole frames to what waits. It never blocks on the
// network. The errors are [ErrOutboxFull] and [ErrOutboxClosed]; add is not
// called then.
func (o *Outbox) Add(add func(dst []byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.refusal(); err != nil {
		return err
	}
	o.buffer = add(o.buffer)
	o.rouse()
	return nil
}

// Write adds a copy of whole frames. The errors are those of Add.
func (o *Outbox) Write(frames []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.refusal(); err != nil {
		return 0, err
	}
	o.buffer = append(o.buffer, frames...)
	o.rouse()
	return len(frames), nil
}

// WriteLane adds a copy of whole frames if at most limit bytes of the lane, 0 to 3,
// wait then: what is added to one lane never keeps out another, and yet all leave in
// the order in which they came. Frames longer than the limit are never taken. The
// limit of the outbox does not count, but what waits here counts for Write and Add.
// The errors are those of Add.
func (o *Outbox) WriteLane(lane, limit int, frames []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.refusal(); err != nil && !errors.Is(err, ErrOutboxFull) {
		return err
	}
	if o.lanes[lane]+len(frames) > limit {
		return ErrOutboxFull
	}
	o.lanes[lane] += len(frames)
	o.buffer = append(o.buffer, frames...)
	o.rouse()
	return nil
}

// WaitingIn gives the bytes of a lane that wait to be written.
func (o *Outbox) WaitingIn(lane int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lanes[lane]
}

func (o *Outbox) refusal() error {
	switch {
	case o.err != nil:
		return fmt.Errorf("%w: %w", ErrOutboxClosed, o.err)
	case o.closed:
		return ErrOutboxClosed
	case len(o.buffer) >= o.limit:
		return ErrOutboxFull
	}
	return nil
}

func (o *Outbox) rouse() {
	if o.asleep {
		o.asleep = false
		o.wake.Signal()
	}
}

// Waiting gives the bytes that wait to be written.
func (o *Outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buffer)
}

// Close takes nothing more, writes what waits, and returns when that is handed
// to the stream. The error is that of the first failed write.
func (o *Outbox) Close() error {
	o.mu.Lock()
	o.closed = true
	o.rouse()
	o.mu.Unlock()
	<-o.done
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// Abort drops what waits. The stream must be closed too, or a write under way
// keeps the goroutine until its deadline; Done tells when it has ended.
func (o *Outbox) Abort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.buffer, o.lanes = true, nil, [lanesMax]int{}
	o.rouse()
}

// Done is closed when the goroutine has ended: after Close, Abort or a failed
// write.
func (o *Outbox) Done() <-chan struct{} { return o.done }

func (o *Outbox) run() {
	defer close(o.done)
	var batch []byte
	for {
		batch = o.next(batch[:0])
		if len(batch) == 0 {
			return
		}
		for rest := batch; len(rest) > 0; {
			n := min(len(rest), WriteBytesMax)
			if _, err := o.writer.Write(rest[:n]); err != nil {
				o.mu.Lock()
				o.err, o.buffer, o.lanes = err, nil, [lanesMax]int{}
				o.mu.Unlock()
				return
			}
			rest = rest[n:]
		}
		if cap(batch) > 4*WriteBytesMax {
			batch = nil // one large frame must not hold its memory for ever
		}
	}
}

// next waits for frames and takes all that are there, in exchange for spare.
func (o *Outbox) next(spare []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buffer) == 0 && !o.closed {
		o.asleep = true
		o.wake.Wait()
		// Whoever is ready to run may have frames too: let them be added first.
		// With nobody else ready this costs nothing.
		o.mu.Unlock()
		runtime.Gosched()
		o.mu.Lock()
	}
	batch := o.buffer
	o.buffer, o.lanes = spare, [lanesMax]int{}
	return batch
}
