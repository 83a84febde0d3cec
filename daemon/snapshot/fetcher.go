package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/protocol"
)

const (
	// bytesPerSecond is how fast a copy is taken, so that it leaves disk and network
	// to the votes.
	bytesPerSecond = 64 << 20
	// askAgain is the wait for an answer, and between two asks for a copy that is
	// being made.
	askAgain = 500 * time.Millisecond
	// patience without a new byte, an attempt ends: somebody else may have a copy.
	patience = 15 * time.Second
)

// Receiver takes the files of a copy, in order; daemon/store has one.
type Receiver interface {
	Write(p []byte) (int, error)
	// Adopt checks the copy and keeps it for Install.
	Adopt() error
	Close() error
}

// FetcherOptions say whom to ask and where it goes. All functions are called on the
// fetcher's goroutine.
type FetcherOptions struct {
	// Ask sends an ask to a replica; it may be lost.
	Ask func(paxos.ReplicaID, protocol.SnapshotAsk)
	// Receive begins to take a copy.
	Receive func(*kv.Manifest) (Receiver, error)
	// Ready is told of a copy that can be installed.
	Ready  func(slot uint64)
	Logger *slog.Logger
	// AskAgain and Patience are shorter in tests; 0 is the product's.
	AskAgain, Patience time.Duration
}

// Progress is how far a fetch is, for people. It is zero while there is none.
type Progress struct {
	From         paxos.ReplicaID
	Slot         uint64
	Bytes, Total uint64
}

// Fetcher takes copies from other replicas, one at a time. Any goroutine may use
// it.
type Fetcher struct {
	options FetcherOptions
	limit   *rate.Limiter
	wanted  chan paxos.Snapshot // of length 1, the newest wish
	chunks  chan chunk
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	progress Progress
}

type chunk struct {
	from paxos.ReplicaID
	protocol.SnapshotChunk
}

// NewFetcher starts a fetcher's goroutine; Close ends it.
func NewFetcher(options FetcherOptions) *Fetcher {
	if options.AskAgain == 0 {
		options.AskAgain = askAgain
	}
	if options.Patience == 0 {
		options.Patience = patience
	}
	f := &Fetcher{
		options: options, limit: rate.NewLimiter(bytesPerSecond, protocol.BulkChunkBytesMax),
		wanted: make(chan paxos.Snapshot, 1), chunks: make(chan chunk, 4),
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.running.Go(f.run)
	return f
}

// Close ends a fetch under way and waits for it.
func (f *Fetcher) Close() {
	f.cancel()
	f.running.Wait()
}

// Want asks for a copy. While one is being taken it is left out: the learner wants
// again if that was not enough.
func (f *Fetcher) Want(s paxos.Snapshot) {
	select {
	case f.wanted <- s:
	default:
	}
}

// Take hands in an answer. What nobody waits for is dropped.
func (f *Fetcher) Take(from paxos.ReplicaID, c protocol.SnapshotChunk) {
	c.Data = append([]byte(nil), c.Data...) // it belongs to the reader of the stream
	select {
	case f.chunks <- chunk{from, c}:
	default:
	}
}

// Progress tells how far the present fetch is.
func (f *Fetcher) Progress() Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.progress
}

func (f *Fetcher) show(p Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress = p
}

func (f *Fetcher) run() {
	for {
		select {
		case <-f.ctx.Done():
			return
		case want := <-f.wanted:
			f.fetch(want)
			f.show(Progress{})
			select { // a wish made meanwhile did not know of this copy
			case <-f.wanted:
			default:
			}
		}
	}
}

// fetch takes one copy from one replica, or gives up.
func (f *Fetcher) fetch(want paxos.Snapshot) {
	begin := time.Now()
	f.options.Logger.Info("fetching a copy of another replica's state", "from", want.From,
		"at_least", uint64(want.AtLeast))
	t := &transfer{fetcher: f, want: want}
	err := t.take()
	if err != nil {
		if f.ctx.Err() == nil {
			f.options.Logger.Warn("the copy of another replica's state did not arrive", "from", want.From,
				"bytes", t.offset, "of", t.total, "error", err)
		}
		return
	}
	f.options.Logger.Info("copy of another replica's state is here", "from", want.From, "slot", t.slot,
		"bytes", t.total, "took_ms", time.Since(begin).Milliseconds())
	f.options.Ready(t.slot)
}

// transfer is one fetch.
type transfer struct {
	fetcher       *Fetcher
	want          paxos.Snapshot
	copy          uint64 // as the other replica numbers it, 0 before its first answer
	slot          uint64
	offset, total uint64
	head          []byte // the manifest's bytes so far
	headBytes     uint64
	receiver      Receiver
	reason        string // why nothing came, as the other replica said
}

// take asks until all is there.
func (t *transfer) take() (err error) {
	defer func() {
		if t.receiver != nil && err != nil {
			err = errors.Join(err, t.receiver.Close())
		}
	}()
	f := t.fetcher
	last := time.Now()
	for {
		if err := f.limit.WaitN(f.ctx, protocol.BulkChunkBytesMax); err != nil {
			return err
		}
		f.options.Ask(t.want.From, protocol.SnapshotAsk{Copy: t.copy, AtLeast: uint64(t.want.AtLeast), Offset: t.offset})
		c, err := t.answer()
		switch {
		case err != nil:
			return err
		case c != nil:
			if err := t.add(c); err != nil {
				return err
			}
			if t.receiver != nil && t.offset == t.total {
				return t.receiver.Adopt()
			}
			last = time.Now()
		case time.Since(last) > f.options.Patience:
			return fmt.Errorf("no byte came for %v%s", f.options.Patience, t.reason)
		}
	}
}

// answer waits for the chunk that was asked for; nil if it does not come in time,
// or if the other replica has none yet.
func (t *transfer) answer() (*chunk, error) {
	timer := time.NewTimer(t.fetcher.options.AskAgain)
	defer timer.Stop()
	for {
		select {
		case <-t.fetcher.ctx.Done():
			return nil, t.fetcher.ctx.Err()
		case <-timer.C:
			return nil, nil
		case c := <-t.fetcher.chunks:
			switch {
			case c.from != t.want.From:
			case c.Reason != "":
				t.reason = ": " + c.Reason // asked again when the time is over
			case c.Copy != t.copy && c.Offset == 0, c.Copy == t.copy && c.Offset == t.offset:
				if len(c.Data) > 0 {
					return &c, nil
				}
			}
		}
	}
}

// add takes a chunk's bytes. One of another copy makes the transfer begin anew.
func (t *transfer) add(c *chunk) error {
	if c.Copy != t.copy {
		if c.Slot < uint64(t.want.AtLeast) {
			return fmt.Errorf("the copy ends at slot %d, at least %d is needed", c.Slot, uint64(t.want.AtLeast))
		}
		if c.ManifestBytes == 0 || c.ManifestBytes > kv.ManifestBytesMax {
			return fmt.Errorf("%w: a manifest of %d bytes", kv.ErrCopy, c.ManifestBytes)
		}
		if t.receiver != nil {
			if err := t.receiver.Close(); err != nil {
				return err
			}
		}
		*t = transfer{
			fetcher: t.fetcher, want: t.want, copy: c.Copy, slot: c.Slot, total: c.Bytes, headBytes: uint64(c.ManifestBytes),
		}
	}
	data := c.Data
	t.offset += uint64(len(data))
	if rest := t.headBytes - uint64(len(t.head)); rest > 0 {
		part := min(rest, uint64(len(data)))
		t.head, data = append(t.head, data[:part]...), data[part:]
		if part == rest {
			if err := t.begin(); err != nil {
				return err
			}
		}
	}
	t.fetcher.show(Progress{From: t.want.From, Slot: t.slot, Bytes: t.offset, Total: t.total})
	if len(data) == 0 {
		return nil
	}
	_, err := t.receiver.Write(data)
	return err
}

// begin reads the manifest, which is whole now.
func (t *transfer) begin() error {
	m, err := kv.DecodeManifest(t.head)
	if err != nil {
		return err
	}
	if m.Slot != t.slot || t.headBytes+uint64(m.Bytes()) != t.total {
		return fmt.Errorf("%w: the manifest says slot %d and %d bytes, the chunks slot %d and %d",
			kv.ErrCopy, m.Slot, m.Bytes(), t.slot, t.total-t.headBytes)
	}
	t.receiver, err = t.fetcher.options.Receive(m)
	return err
}
