package fault

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"synod/core/paxos"
)

// Direction of messages, seen from the own replica.
type Direction uint8

// The directions.
const (
	Out  Direction = 1 // what it sends
	In   Direction = 2 // what it receives
	Both           = Out | In
)

func (d Direction) String() string {
	switch d {
	case Out:
		return "out"
	case In:
		return "in"
	case Both:
		return "both"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// Link is what is broken between the own replica and another one.
type Link struct {
	Peer      paxos.ReplicaID
	Direction Direction
	Cut       bool
	// Every message waits for Delay, and for what is drawn evenly from 0 to Jitter.
	Delay, Jitter time.Duration
	LossPermille  int // of messages that are dropped, 0 to 1000
}

// kind is that of the most that it does.
func (l *Link) kind() Kind {
	switch {
	case l.Cut:
		return Cut
	case l.Delay+l.Jitter > 0:
		return Delay
	default:
		return Loss
	}
}

// text words the fault for people, such as "delay r1>r3 50ms".
func (l *Link) text(self paxos.ReplicaID) string {
	from, arrow, to := self, ">", l.Peer
	switch l.Direction {
	case In:
		from, to = to, from
	case Both:
		arrow = "<>"
	}
	parts := []string{fmt.Sprintf("%s %s%s%s", l.kind(), from, arrow, to)}
	if l.Delay+l.Jitter > 0 {
		parts = append(parts, l.Delay.String())
	}
	if l.Jitter > 0 {
		parts = append(parts, "jitter "+l.Jitter.String())
	}
	if l.LossPermille > 0 {
		percent := fmt.Sprintf("%g%%", float64(l.LossPermille)/10)
		if l.kind() != Loss {
			percent = "loss " + percent
		}
		parts = append(parts, percent)
	}
	return strings.Join(parts, " ")
}

// Table tells who sends and receives how the links are broken now. A controller
// writes it; any goroutine may ask, without a lock. A nil Table has no faults.
type Table struct {
	broken  atomic.Pointer[broken]
	changed chan struct{}
}

// NewTable makes the table of links that are whole.
func NewTable() *Table { return &Table{changed: make(chan struct{}, 1)} }

// broken is one state of all links, never changed; nil if all are whole.
type broken struct {
	out, in [paxos.ReplicasMax + 1]*Damage // by the other replica; nil if it is whole
}

// Damage gives what is wrong with the link to a replica in one direction, Out or
// In; nil if nothing is. While no link is broken it costs one atomic load.
func (t *Table) Damage(peer paxos.ReplicaID, direction Direction) *Damage {
	if t == nil {
		return nil
	}
	b := t.broken.Load()
	switch {
	case b == nil || int(peer) >= len(b.out):
		return nil
	case direction == Out:
		return b.out[peer]
	default:
		return b.in[peer]
	}
}

// Changed gets an element after every change, unless one waits there. It is for
// one goroutine: who holds messages back looks at them again. It is nil for a nil
// Table.
func (t *Table) Changed() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.changed
}

// publish replaces the state by that of these faults.
func (t *Table) publish(causes []*cause) {
	var next *broken
	for _, c := range causes {
		if next == nil {
			next = &broken{}
		}
		if c.link.Direction&Out != 0 {
			next.out[c.link.Peer] = next.out[c.link.Peer].with(c)
		}
		if c.link.Direction&In != 0 {
			next.in[c.link.Peer] = next.in[c.link.Peer].with(c)
		}
	}
	t.broken.Store(next)
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// Damage is all that is wrong with one link in one direction: of several faults
// delays add up, and a message must survive the loss of each.
type Damage struct {
	cut    *cause // nil if the link is not cut
	late   []*cause
	lossy  []*cause
	jitter bool
}

func (d *Damage) with(c *cause) *Damage {
	if d == nil {
		d = &Damage{}
	}
	if c.link.Cut {
		d.cut = c
	}
	if c.link.Delay+c.link.Jitter > 0 {
		d.late = append(d.late, c)
	}
	if c.link.LossPermille > 0 {
		d.lossy = append(d.lossy, c)
	}
	d.jitter = d.jitter || c.link.Jitter > 0
	return d
}

// Judge decides about one message: whether it is lost, and else how long it is
// held back. It counts and draws: ask once for each message.
func (d *Damage) Judge() (lost bool, delay time.Duration) {
	if d.cut != nil {
		d.cut.lost.Add(1)
		return true, 0
	}
	for _, c := range d.lossy {
		if c.draw(wholePermille) < uint64(c.link.LossPermille) {
			c.lost.Add(1)
			return true, 0
		}
	}
	for _, c := range d.late {
		c.late.Add(1)
		delay += c.link.Delay
		if c.link.Jitter > 0 {
			delay += time.Duration(c.draw(uint64(c.link.Jitter) + 1))
		}
	}
	return false, delay
}

const wholePermille = 1000

// Cuts reports whether nothing passes. Unlike Judge it counts nothing.
func (d *Damage) Cuts() bool { return d.cut != nil }

// Delays reports whether messages are held back.
func (d *Damage) Delays() bool { return len(d.late) > 0 }

// Jitters reports whether they are held back unequally, so that they may overtake
// each other.
func (d *Damage) Jitters() bool { return d.jitter }

// cause is one fault of a link at work.
type cause struct {
	link       Link
	seed       uint64
	draws      atomic.Uint64
	lost, late atomic.Uint64 // messages
}

// draw gives the next number below n of the seed's series (SplitMix64), whoever
// asks: a lock would make sending slower than the fault.
func (c *cause) draw(n uint64) uint64 {
	z := c.seed + c.draws.Add(1)*0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return z % n
}
