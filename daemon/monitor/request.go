package monitor

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// sampledLinesMax is how many request and answer lines a second sampling writes.
const sampledLinesMax = 200

// Requests decides which requests get a readable line. All methods may be called
// by any goroutine.
type Requests struct {
	logger *slog.Logger
	mode   string

	taken   atomic.Int64  // lines granted in this second
	skipped atomic.Uint64 // lines not written since the last report

	stop chan struct{}
	done sync.WaitGroup
}

// NewRequests makes the request log of a mode: all, sampled or off. When sampled
// it runs one goroutine, which Close ends.
func NewRequests(logger *slog.Logger, mode string) *Requests {
	r := &Requests{logger: logger, mode: mode, stop: make(chan struct{})}
	if mode == "sampled" {
		r.done.Go(r.report)
	}
	return r
}

// Take reports whether the next request, and later its answer, get their lines.
// It costs two atomic operations at most.
func (r *Requests) Take() bool {
	switch r.mode {
	case "all":
		return true
	case "off":
		return false
	}
	if r.taken.Load() >= sampledLinesMax {
		r.skipped.Add(2)
		return false
	}
	// A request and its answer are two lines.
	if r.taken.Add(2) > sampledLinesMax {
		r.skipped.Add(2)
		return false
	}
	return true
}

// Line writes one line for a request or an answer that was taken.
func (r *Requests) Line(message string, attrs ...slog.Attr) {
	r.logger.LogAttrs(context.Background(), slog.LevelInfo, message, attrs...)
}

// report opens a new second's allowance and tells what was left out.
func (r *Requests) report() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
			r.taken.Store(0)
			if skipped := r.skipped.Swap(0); skipped > 0 {
				r.logger.Info("request lines left out", "lines", skipped)
			}
		}
	}
}

// Close ends the goroutine and tells what was left out last.
func (r *Requests) Close() {
	close(r.stop)
	r.done.Wait()
	if skipped := r.skipped.Swap(0); skipped > 0 {
		r.logger.Info("request lines left out", "lines", skipped)
	}
}
