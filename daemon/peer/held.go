package peer

import (
	"bytes"
	"container/heap"
	"sync"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/protocol"
)

// Limits of what injected faults hold back on one link in one direction: as many
// messages as a mailbox takes, and the bytes of a promise, whose parts count only
// together. What does not fit is dropped.
const (
	heldMessagesMax = 16 << 10
	heldBytesMax    = 64 << 20
)

// held is the messages that an injected fault holds back on one link in one
// direction. They leave when they are due, in the order in which they came; only
// jitter, and the end of a fault, let one overtake another.
type held struct {
	mu      sync.Mutex
	waiting waiting
	bytes   int
	latest  time.Duration // when the last one that was added without jitter is due
	count   uint64        // of all so far
}

// message is one that is held back: a frame on its way out, an envelope or part of a
// snapshot on its way in.
type message struct {
	due      time.Duration // since Links.start
	number   uint64        // decides between those that are due together
	bytes    int
	way      class
	frame    []byte
	envelope paxos.Envelope
	late     func() // hands in what is no envelope; else nil
}

// add holds a message back. It reports whether there was room, and whether the
// message is due before all others here.
func (h *held) add(m *message, jitter bool) (taken, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) > 0 && (len(h.waiting) >= heldMessagesMax || h.bytes+m.bytes > heldBytesMax) {
		return false, false
	}
	if !jitter {
		m.due = max(m.due, h.latest)
		h.latest = m.due
	}
	h.count++
	m.number = h.count
	h.bytes += m.bytes
	heap.Push(&h.waiting, m)
	return true, h.waiting[0] == m
}

// take takes the next message that is due, or any one if all are to go. Without one
// it tells when the next is due, 0 if none waits.
func (h *held) take(now time.Duration, all bool) (m *message, next time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(h.waiting) == 0:
		h.latest = 0
		return nil, 0
	case !all && h.waiting[0].due > now:
		return nil, h.waiting[0].due
	}
	m, _ = heap.Pop(&h.waiting).(*message)
	h.bytes -= m.bytes
	return m, 0
}

func (h *held) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting)
}

// waiting is a heap of messages by the time when they are due.
type waiting []*message

func (w waiting) Len() int { return len(w) }

func (w waiting) Less(i, j int) bool {
	if w[i].due != w[j].due {
		return w[i].due < w[j].due
	}
	return w[i].number < w[j].number
}

func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

func (w *waiting) Push(m any) { *w = append(*w, m.(*message)) }

func (w *waiting) Pop() any {
	last := len(*w) - 1
	m := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	return m
}

// Held gives the messages that injected faults hold back now, on all links.
func (l *Links) Held() (messages int) {
	for _, k := range l.links {
		if k != nil {
			messages += k.out.length() + k.in.length()
		}
	}
	return messages
}

// HeldMax is the limit of Held.
func (l *Links) HeldMax() int { return 2 * len(l.options.Addresses) * heldMessagesMax }

// hinderOut does to frames on their way out what the fault of their link does.
func (l *Links) hinderOut(k *link, way class, frames []byte, damage *fault.Damage) {
	var frame []byte
	for len(frames) > 0 {
		frame, frames = protocol.CutFrame(frames)
		lost, delay := damage.Judge()
		switch {
		case lost:
			l.options.Counters.FaultLost.Add(1)
		case damage.Delays():
			l.hold(&k.out, &message{bytes: len(frame), way: way, frame: bytes.Clone(frame)}, delay, damage.Jitters())
		default:
			l.put(k, way, frame, 1)
		}
	}
}

// hinderIn does to an envelope on its way in what the fault of its link does. It
// reports whether the envelope may not be handed in now.
func (l *Links) hinderIn(k *link, e paxos.Envelope, size int, damage *fault.Damage) bool {
	return l.hinder(k, &message{bytes: size, envelope: e}, damage)
}

// hinder is hinderIn of any message.
func (l *Links) hinder(k *link, m *message, damage *fault.Damage) bool {
	lost, delay := damage.Judge()
	switch {
	case lost:
		l.options.Counters.FaultLost.Add(1)
	case damage.Delays():
		l.hold(&k.in, m, delay, damage.Jitters())
	default:
		return false
	}
	return true
}

func (l *Links) hold(h *held, m *message, delay time.Duration, jitter bool) {
	m.due = time.Since(l.start) + delay
	taken, first := h.add(m, jitter)
	if !taken {
		l.options.Counters.FaultOverflow.Add(1)
	}
	if first {
		select {
		case l.sooner <- struct{}{}:
		default:
		}
	}
}

// release lets the messages that were held back go when they are due, until Close.
func (l *Links) release() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		pause := time.Hour // something comes or changes before
		for _, k := range l.links {
			if k == nil {
				continue
			}
			for _, next := range []time.Duration{l.releaseOut(k), l.releaseIn(k)} {
				if next > 0 {
					pause = min(pause, max(next-time.Since(l.start), 0))
				}
			}
		}
		timer.Reset(pause)
		select {
		case <-l.ctx.Done():
			return
		case <-timer.C:
		case <-l.sooner:
		case <-l.options.Faults.Changed():
		}
	}
}

// releaseOut sends what is due, and tells when more will be; 0 if nothing waits. A
// link that is no longer slow delivers all at once, one that was cut meanwhile
// nothing.
func (l *Links) releaseOut(k *link) (next time.Duration) {
	damage := l.options.Faults.Damage(k.peer, fault.Out)
	for {
		m, next := k.out.take(time.Since(l.start), damage == nil || !damage.Delays())
		switch {
		case m == nil:
			return next
		case damage != nil && damage.Cuts():
			l.options.Counters.FaultLost.Add(1)
		default:
			l.put(k, m.way, m.frame, 1)
		}
	}
}

// releaseIn hands in what is due, as releaseOut.
func (l *Links) releaseIn(k *link) (next time.Duration) {
	damage := l.options.Faults.Damage(k.peer, fault.In)
	var batch []paxos.Envelope
	for {
		m, next := k.in.take(time.Since(l.start), damage == nil || !damage.Delays())
		switch {
		case m != nil && damage != nil && damage.Cuts():
			l.options.Counters.FaultLost.Add(1)
		case m != nil && m.late != nil:
			m.late()
		case m != nil:
			batch = append(batch, m.envelope)
		}
		if len(batch) == envelopesMax || m == nil && len(batch) > 0 {
			l.receive(k, batch)
			batch = batch[:0]
		}
		if m == nil {
			return next
		}
	}
}
