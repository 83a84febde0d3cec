package gateway

import (
	"fmt"
	"sync"
	"sync/atomic"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/protocol"
)

// state is the living state machine. Readers of other goroutines hold the lock
// shared, so that it is never closed under them.
type state struct {
	up      atomic.Bool
	applied atomic.Uint64  // the last slot applied
	changed atomic.Uint64  // the revision of the last update applied
	views   sync.WaitGroup // of scans under way
	mu      sync.RWMutex
	machine *kv.Machine // nil while the learner is down
}

// Attach tells the state machine that the learner's start has opened. From then
// on requests are taken.
func (g *Gateway) Attach(machine *kv.Machine) {
	g.state.mu.Lock()
	g.state.machine = machine
	g.state.applied.Store(machine.Applied())
	g.state.changed.Store(machine.Revision())
	g.state.mu.Unlock()
	g.state.up.Store(true)
}

// Detach tells that the learner has ended. When it returns, nobody reads the
// state machine any more and its store may be closed. Reads that wait are
// answered `unavailable`; updates wait on, their outcome is still to come.
func (g *Gateway) Detach() {
	g.state.up.Store(false)
	g.state.mu.Lock()
	g.state.machine = nil
	g.state.mu.Unlock()
	g.state.views.Wait()
	failure := g.ready()
	for _, b := range g.takeAllReads() {
		for i := range b.reads {
			b.conn.failRead(&b.reads[i], failure)
		}
	}
}

// Apply applies chosen entries and answers whoever waits for them. It is the
// learner's; any error is fatal for the replica.
func (g *Gateway) Apply(chosen []paxos.Entry) error {
	g.entries = g.entries[:0]
	for i := range chosen {
		g.entries = append(g.entries, kv.Entry{Slot: uint64(chosen[i].Slot), Value: chosen[i].Value})
	}
	machine := g.state.machine
	var err error
	g.results, err = machine.ApplyBatch(g.entries, g.results[:0])
	clear(g.entries)
	if err != nil {
		return fmt.Errorf("state machine: %w", err)
	}
	g.state.applied.Store(machine.Applied())
	g.state.changed.Store(machine.Revision())
	g.answer(machine.Applied())
	return nil
}

// answer wakes the waiters of all results.
//
// PUT 8/8 the client is answered by the replica that it asked. Next: nothing.
func (g *Gateway) answer(applied uint64) {
	now := g.micros()
	g.mu.Lock()
	for i := range g.results {
		r := &g.results[i]
		g.handles = g.waiters.Applied(*r, g.handles[:0])
		for _, h := range g.handles {
			if h.conn == nil {
				g.ownResultLocked(h, r)
				continue
			}
			h.conn.answerResult(h, r, applied, now)
			g.touch(h.conn)
		}
	}
	g.mu.Unlock()
	g.flushTouched()
}

// touch notes a connection whose writer must be woken at the end of the batch.
func (g *Gateway) touch(c *conn) {
	if !c.touched {
		c.touched = true
		g.touched = append(g.touched, c)
	}
}

func (g *Gateway) flushTouched() {
	for i, c := range g.touched {
		c.touched = false
		c.flush()
		g.touched[i] = nil
	}
	g.touched = g.touched[:0]
}

// resultError is the error answer of a result that is not OK.
func (g *Gateway) resultError(status session.Status) *protocol.Error {
	failure := protocol.StatusError(status)
	failure.Replica = g.options.Identity.Replica
	return failure
}

// Applied is the last slot applied here; it stays while the learner is down.
func (g *Gateway) Applied() uint64 { return g.state.applied.Load() }

// Revision is that of the last update applied here.
func (g *Gateway) Revision() uint64 { return g.state.changed.Load() }
