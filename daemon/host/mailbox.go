package host

import (
	"sync"
	"time"

	"synod/core/paxos"
)

// ticksMax bounds the ticks that wait for a busy agent. More would be a lie: a
// process that was stopped for a minute has not waited a minute for answers.
const ticksMax = 8

// batch is all that waited in a mailbox.
type batch struct {
	envelopes []paxos.Envelope
	arrivals  []Arrival // empty if nobody wants to know
	ticks     int
}

// mailbox holds what waits for an agent. Any number of goroutines put, one
// takes. It is bounded by messages and by bytes; what does not fit is dropped
// and counted, which Paxos tolerates from its network anyway.
type mailbox struct {
	limits  Limits
	stamped bool // note when messages of roles arrive

	mu       sync.Mutex
	ready    sync.Cond
	waiting  []paxos.Envelope
	arrivals []Arrival
	bytes    int
	ticks    int
	open     bool // the role is up
	paused   bool
	ending   bool // what waits is still taken, nothing is added
	dropped  uint64
}

func newMailbox(limits Limits, stamped bool) *mailbox {
	m := &mailbox{limits: limits, stamped: stamped}
	m.ready.L = &m.mu
	return m
}

// accept opens an empty mailbox for a role that starts.
func (m *mailbox) accept() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = true
}

// shut closes the mailbox and forgets what waits; take returns at once.
func (m *mailbox) shut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shutLocked()
}

// finish lets the role take what waits, and then shuts the mailbox. A paused role
// takes nothing: it is shut at once.
func (m *mailbox) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paused {
		m.shutLocked()
		return
	}
	m.ending = true
	m.ready.Broadcast()
}

func (m *mailbox) shutLocked() {
	m.open, m.paused, m.ending = false, false, false
	clear(m.waiting)
	m.waiting, m.arrivals, m.bytes, m.ticks = m.waiting[:0], m.arrivals[:0], 0, 0
	m.ready.Broadcast()
}

// pause makes take wait until the next call with false, whatever arrives.
func (m *mailbox) pause(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paused = on
	m.ready.Broadcast()
}

// put adds the envelopes that are addressed to the role of the replica.
func (m *mailbox) put(envelopes []paxos.Envelope, to paxos.Address) {
	var now time.Time
	if m.stamped {
		now = time.Now()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open || m.ending {
		return
	}
	first := len(m.waiting)
	idle := first == 0
	for i := range envelopes {
		e := &envelopes[i]
		if e.To.Roles&to.Roles != 0 && (e.To.Replica == to.Replica || e.To.Replica == paxos.Everyone) {
			m.addLocked(e)
		}
	}
	if m.stamped && len(m.waiting) > first {
		m.arrivals = append(m.arrivals, Arrival{First: first, At: now})
	}
	if idle && len(m.waiting) > 0 {
		m.ready.Signal()
	}
}

// offer adds one envelope of the own replica, or says why it does not.
func (m *mailbox) offer(e *paxos.Envelope) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open || m.ending {
		return ErrDown
	}
	idle := len(m.waiting) == 0
	if !m.addLocked(e) {
		return ErrFull
	}
	if idle {
		m.ready.Signal()
	}
	return nil
}

func (m *mailbox) addLocked(e *paxos.Envelope) bool {
	size := messageBytes(e.Message)
	// One message always fits into an empty mailbox, however large.
	full := len(m.waiting) >= m.limits.MessagesMax || m.bytes+size > m.limits.BytesMax
	if full && len(m.waiting) > 0 {
		m.dropped++
		return false
	}
	m.waiting = append(m.waiting, *e)
	m.bytes += size
	return true
}

// tick tells that one tick has passed. Ticks that nobody takes are merged.
func (m *mailbox) tick() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		return
	}
	m.ticks = min(m.ticks+1, ticksMax)
	if m.ticks == 1 {
		m.ready.Signal()
	}
}

// take waits for work and takes all of it; false when the mailbox was shut.
// The batch of the call before is recycled: nobody may hold on to it.
func (m *mailbox) take(last batch) (batch, bool) {
	clear(last.envelopes)
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.open && !m.ending && (m.paused || len(m.waiting) == 0 && m.ticks == 0) {
		m.ready.Wait()
	}
	if m.ending && len(m.waiting) == 0 {
		m.shutLocked()
	}
	if !m.open {
		return batch{}, false
	}
	next := batch{envelopes: m.waiting, arrivals: m.arrivals, ticks: m.ticks}
	m.waiting, m.arrivals, m.bytes, m.ticks = last.envelopes[:0], last.arrivals[:0], 0, 0
	return next, true
}

// load gives the number of waiting messages and of those dropped so far.
func (m *mailbox) load() (waiting int, dropped uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.waiting), m.dropped
}

// messageBytes estimates what a message keeps alive: only what can be large is
// looked at.
func messageBytes(message paxos.Message) int {
	const fixed = 64
	size := fixed
	switch m := message.(type) {
	case *paxos.Accept:
		size += len(m.Value)
	case *paxos.Propose:
		size += commandBytes(m.Commands)
	case *paxos.Forward:
		size += commandBytes(m.Commands)
	case *paxos.Promise:
		size += entryBytes(m.Entries)
	case *paxos.Held:
		size += entryBytes(m.Entries)
	case *paxos.Read:
		size += 8 * len(m.IDs)
	}
	return size
}

func commandBytes(commands [][]byte) int {
	size := 0
	for _, c := range commands {
		size += len(c) + 24
	}
	return size
}

func entryBytes(entries []paxos.Entry) int {
	size := 0
	for i := range entries {
		size += len(entries[i].Value) + 64
	}
	return size
}

// isWorking reports whether the role is up and not paused.
func (m *mailbox) isWorking() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open && !m.paused
}
