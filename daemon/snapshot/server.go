package snapshot

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/protocol"
)

const (
	// freshFor: a copy so young is given to whoever begins.
	freshFor = 5 * time.Second
	// makePause is the least time between two copies: who asks for more than this
	// replica has yet must not make it copy without end.
	makePause = 2 * time.Second
	// idleAfter is how long a copy is kept for which nobody asks.
	idleAfter = time.Minute
	// copiesMax bounds the copies at one time: one that is being taken, and one
	// for those who need a newer one.
	copiesMax = 2
)

// ServerOptions say where copies come from.
type ServerOptions struct {
	// Make makes a copy of the state as it is now. It may take long.
	Make   func() (kv.Copy, error)
	Logger *slog.Logger
	// Pause is the least time from one copy to the next; 0 is the product's.
	Pause time.Duration
	// First is the number of the first copy, random, so that no asker takes one for
	// that of an earlier process.
	First uint64
}

// Server gives copies of the own state to other replicas. Any goroutine may use
// it.
type Server struct {
	options ServerOptions
	running sync.WaitGroup

	mu     sync.Mutex
	next   uint64
	copies []*given // oldest first
	making bool
	made   time.Time // the end of the last Make
	failed error     // of the last Make, nil after a success
	closed bool
	idle   *time.Timer
}

// given is one copy and its manifest as it is carried.
type given struct {
	copy     kv.Copy
	number   uint64
	manifest []byte
	made     time.Time
	asked    time.Time
}

// NewServer makes a server without copies.
func NewServer(options ServerOptions) *Server {
	if options.Pause == 0 {
		options.Pause = makePause
	}
	s := &Server{options: options, next: max(options.First, 1)}
	s.idle = time.AfterFunc(idleAfter, s.tidy)
	return s
}

// Close lets go of all copies and waits for one that is being made.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.idle.Stop()
	s.mu.Unlock()
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.copies {
		s.drop(g)
	}
	s.copies = nil
}

func (s *Server) drop(g *given) {
	if err := g.copy.Close(); err != nil {
		s.options.Logger.Warn("a copy of the applied state cannot be removed", "error", err)
	}
}

// tidy lets go of what nobody asks for.
func (s *Server) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	kept := s.copies[:0]
	for _, g := range s.copies {
		if time.Since(g.asked) < idleAfter {
			kept = append(kept, g)
			continue
		}
		s.drop(g)
	}
	s.copies = kept
	s.idle.Reset(idleAfter / 2)
}

// Answer gives the next bytes, or says why there are none yet. It reads at most one
// chunk from the disk and waits for nothing else.
func (s *Server) Answer(asker paxos.ReplicaID, ask protocol.SnapshotAsk) protocol.SnapshotChunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.find(ask)
	if g == nil {
		reason := "the copy is being made"
		if s.failed != nil {
			reason = fmt.Sprintf("no copy could be made: %v", s.failed)
			reason = reason[:min(len(reason), protocol.SentenceBytesMax)]
		}
		s.make(asker)
		return protocol.SnapshotChunk{Reason: reason}
	}
	g.asked = time.Now()
	m := g.copy.Manifest()
	chunk := protocol.SnapshotChunk{
		Copy: g.number, Slot: m.Slot, ManifestBytes: uint32(len(g.manifest)),
		Bytes: uint64(len(g.manifest)) + uint64(m.Bytes()), Offset: ask.Offset,
	}
	if ask.Copy != g.number {
		chunk.Offset = 0 // it begins anew
	}
	if chunk.Offset > chunk.Bytes {
		return protocol.SnapshotChunk{Reason: "the copy is shorter than what was asked for"}
	}
	var err error
	if chunk.Data, err = g.read(int64(chunk.Offset)); err != nil {
		s.options.Logger.Error("a copy of the applied state cannot be read", "error", err)
		return protocol.SnapshotChunk{Reason: "the copy cannot be read"}
	}
	return chunk
}

// find is the copy that the asker takes, or a young one for him to begin with.
func (s *Server) find(ask protocol.SnapshotAsk) *given {
	for _, g := range s.copies {
		if g.number == ask.Copy {
			return g
		}
	}
	for i := len(s.copies) - 1; i >= 0; i-- {
		g := s.copies[i]
		if g.copy.Manifest().Slot >= ask.AtLeast && time.Since(g.made) < freshFor {
			return g
		}
	}
	return nil
}

// read reads a chunk: from the manifest, or from the files.
func (g *given) read(offset int64) ([]byte, error) {
	if offset < int64(len(g.manifest)) {
		return g.manifest[offset:min(int64(len(g.manifest)), offset+protocol.BulkChunkBytesMax)], nil
	}
	data := make([]byte, protocol.BulkChunkBytesMax)
	n, err := g.copy.ReadAt(data, offset-int64(len(g.manifest)))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return data[:n], err
}

// make makes a copy in the background, one at a time.
func (s *Server) make(asker paxos.ReplicaID) {
	if s.making || s.closed || time.Since(s.made) < s.options.Pause {
		return
	}
	s.making = true
	s.running.Go(func() {
		begin := time.Now()
		made, err := s.options.Make()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.making, s.failed, s.made = false, err, time.Now()
		if err != nil {
			s.options.Logger.Warn("no copy of the applied state can be made", "for", asker, "error", err)
			return
		}
		g := &given{
			copy: made, number: s.next, manifest: kv.AppendManifest(nil, made.Manifest()),
			made: time.Now(), asked: time.Now(),
		}
		s.next++
		if len(s.copies) == copiesMax {
			s.drop(s.copies[0])
			s.copies = append(s.copies[:0], s.copies[1:]...)
		}
		s.copies = append(s.copies, g)
		s.options.Logger.Info("copy of the applied state made", "for", asker, "slot", made.Manifest().Slot,
			"bytes", made.Manifest().Bytes(), "took_ms", time.Since(begin).Milliseconds())
	})
}
