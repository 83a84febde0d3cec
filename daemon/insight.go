package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"synod/core/kv"
	"synod/daemon/store"
	"synod/protocol"
)

// Slots implements gateway.Operator.
func (d *daemon) Slots(q protocol.SlotsQuery) protocol.Slots { return d.trace.Slots(q) }

// Ballots implements gateway.Operator.
func (d *daemon) Ballots(q protocol.BallotsQuery) protocol.Ballots { return d.trace.Ballots(q) }

// Digest implements gateway.Operator: what the applied state hashes to, now and at
// fixed slots since the start of the learner.
func (d *daemon) Digest() (protocol.Digest, *protocol.Error) {
	s := &d.applied
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up {
		return protocol.Digest{}, protocol.Refuse(protocol.CodeUnavailable, d.self.Self,
			"the learner of this replica is down, ask again when it has been started")
	}
	answer := protocol.Digest{
		Applied: s.chain.Slot, Hash: hashText(s.chain.Hash), Marks: make([]protocol.DigestMark, len(s.marks)),
	}
	for i, mark := range s.marks {
		answer.Marks[i] = protocol.DigestMark{Slot: mark.Slot, Hash: hashText(mark.Hash)}
	}
	return answer, nil
}

func hashText(hash uint64) string { return fmt.Sprintf("%016x", hash) }

// storeSizeEvery is how old the size of the store may be while it is written to.
const storeSizeEvery = 5 * time.Second

// appliedState is what the learner's goroutine leaves for people, who may not touch
// its state machine.
type appliedState struct {
	mu       sync.Mutex
	up       bool // the learner is
	chain    kv.Mark
	marks    []kv.Mark
	bytes    int64 // of the store's files
	measured time.Time
}

// look notes how the state is. It is the learner's, after each Apply: the hash
// costs nothing, marks come every thousand slots, the size every few seconds.
func (s *appliedState) look(machine *kv.Machine, opened *store.Store, now time.Time) {
	chain := machine.Chain()
	mark, marked := machine.LastMark()
	bytes := int64(-1)
	if now.Sub(s.measured) >= storeSizeEvery { // only look writes it
		bytes, s.measured = opened.DiskBytes(), now
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.chain = true, chain
	if bytes >= 0 {
		s.bytes = bytes
	}
	if !marked {
		s.marks = s.marks[:0]
	} else if n := len(s.marks); n == 0 || s.marks[n-1] != mark {
		s.marks = machine.Marks(s.marks[:0])
	}
}

// down notes that the learner has ended.
func (s *appliedState) down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.measured = false, time.Time{}
}

// storeBytes is the size of the store's files, a few seconds old at most.
func (s *appliedState) storeBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// lastErrorBytesMax is how much of an error a status shows: it is pushed often.
const lastErrorBytesMax = 400

// lastErrors are the newest log lines of level error, for a status.
func (d *daemon) lastErrors() []protocol.LogLine {
	var lines []protocol.LogLine
	for _, l := range d.ring.Errors() {
		if len(l.Text) > lastErrorBytesMax {
			l.Text = strings.ToValidUTF8(l.Text[:lastErrorBytesMax], "") + "…"
		}
		lines = append(lines, protocol.LogLine{
			Sequence: l.Sequence, Time: l.Time, Level: l.Level.String(), Text: l.Text,
		})
	}
	return lines
}
