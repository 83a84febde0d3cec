package monitor

import (
	"io"
	"sync"
	"time"
)

// Limits of what waits in a [Queue], beside what is being written. One line is taken
// whenever none waits, however long it is.
const (
	queueLinesMax = 8192
	queueBytesMax = 8 << 20
)

// Queue writes log lines to one writer on a goroutine of its own, so that a full
// disk's, a terminal's or a pipe's slowness never reaches who logs. What does not
// fit is dropped and counted, and the logger tells the count with the next line that
// fits. Lines come from a logger; Flush and Close may be called by any goroutine.
type Queue struct {
	writer io.Writer
	done   chan struct{}

	mu      sync.Mutex
	wake    sync.Cond // lines came, were written, or the end
	waiting [][]byte
	bytes   int
	taken   uint64 // lines taken so far
	written uint64 // of them, those that the writer has had
	dropped uint64 // lines since the last that was taken
	lost    uint64 // lines dropped since the start
	closed  bool
}

// NewQueue starts the queue of a writer; a writer that fails is not asked why.
// Close ends its goroutine.
func NewQueue(writer io.Writer) *Queue {
	q := &Queue{writer: writer, done: make(chan struct{})}
	q.wake.L = &q.mu
	go q.run()
	return q
}

// add takes a copy of a line or drops it. If lines were dropped before, told makes
// the line that says how many; it comes first.
func (q *Queue) add(line []byte, told func(dropped uint64) []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fits := len(q.waiting) == 0 || len(q.waiting)+2 <= queueLinesMax && q.bytes+len(line) <= queueBytesMax
	if q.closed || !fits {
		q.dropped++
		q.lost++
		return
	}
	if q.dropped > 0 {
		q.takeLocked(told(q.dropped))
		q.dropped = 0
	}
	q.takeLocked(line)
	q.wake.Broadcast()
}

func (q *Queue) takeLocked(line []byte) {
	q.waiting = append(q.waiting, append([]byte(nil), line...))
	q.bytes += len(line)
	q.taken++
}

// run writes what waits, until the queue is closed and empty.
func (q *Queue) run() {
	defer close(q.done)
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.waiting) == 0 {
			if q.closed {
				return
			}
			q.wake.Wait()
		}
		lines := q.waiting
		q.waiting, q.bytes = nil, 0
		q.mu.Unlock()
		for _, line := range lines {
			_, _ = q.writer.Write(line)
		}
		q.mu.Lock()
		q.written += uint64(len(lines))
		q.wake.Broadcast()
	}
}

// Lost is how many lines were dropped so far.
func (q *Queue) Lost() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// Flush waits until the writer has had every line of before, at most so long, and
// reports whether it has.
func (q *Queue) Flush(limit time.Duration) bool {
	late := false
	timer := time.AfterFunc(limit, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		late = true
		q.wake.Broadcast()
	})
	defer timer.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.taken
	for q.written < all && !late {
		q.wake.Wait()
	}
	return q.written >= all
}

// Close takes no more lines, waits until the writer has had the others, at most so
// long, and reports whether it has. If not, the goroutine ends when the writer lets
// go of it; the process need not wait for that.
func (q *Queue) Close(limit time.Duration) bool {
	q.mu.Lock()
	q.closed = true
	q.wake.Broadcast()
	q.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-q.done:
		return true
	case <-timer.C:
		return false
	}
}
