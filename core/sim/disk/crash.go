package disk

import (
	"bytes"
	"path"
)

// Crash is a way to lose what was not durable.
type Crash uint8

// The ways. A generator picks one of the power losses.
const (
	// Killed: the process ended, the page cache lives on.
	Killed Crash = iota + 1
	// LoseAll: the power failed, nothing that was not durable is left.
	LoseAll
	// KeepFirst: of each file's unsynced writes a beginning is left, the last of it
	// possibly torn; of the unsynced names, a beginning.
	KeepFirst
	// KeepAny: any of the unsynced writes are left, each whole, torn or not at all.
	KeepAny
)

func (c Crash) String() string {
	return [...]string{
		"", "killed", "power lost, nothing unsynced left", "power lost, a beginning left",
		"power lost, anything left",
	}[c]
}

// Crash takes the disk to the state in which the next start finds it, if its
// agent died at the given time. Open files must not be used any more.
func (d *Disk) Crash(way Crash, at int64) {
	d.countdown, d.idleAt = 0, 0
	d.crashNames(way, at)
	kept := d.nodes[:0]
	for _, n := range d.nodes {
		d.crashNode(n, way, at)
		if d.isNamed(n) {
			kept = append(kept, n)
		}
	}
	clear(d.nodes[len(kept):])
	d.nodes = kept
}

func (d *Disk) isNamed(n *node) bool {
	for _, other := range d.files {
		if other == n {
			return true
		}
	}
	for _, other := range d.names {
		if other == n {
			return true
		}
	}
	return false
}

func (d *Disk) crashNode(n *node, way Crash, at int64) {
	n.settle(at)
	var left []write
	for _, w := range n.pending {
		if w.issued <= at {
			w.synced = 0
			left = append(left, w)
		}
	}
	n.pending = nil
	n.data = append([]byte(nil), n.medium...)
	if way != Killed {
		d.pick(n, left, way)
		return
	}
	for _, w := range left {
		n.data = overwrite(n.data, w.bytes, w.offset)
	}
	n.pending = left
}

// pick keeps some of the writes that were not durable; what is kept is durable now.
func (d *Disk) pick(n *node, left []write, way Crash) {
	random := d.options.Random
	keep := 0
	if way == KeepFirst && len(left) > 0 {
		keep = random.IntN(len(left) + 1)
	}
	for i, w := range left {
		part := len(w.bytes)
		switch {
		case way == LoseAll || way == KeepFirst && i > keep:
			part = 0
		case way == KeepFirst && i == keep || way == KeepAny:
			part = d.tear(len(w.bytes))
		}
		switch part {
		case len(w.bytes):
		case 0:
			d.counts.Dropped++
		default:
			d.counts.Torn++
		}
		if part > 0 {
			n.data = overwrite(n.data, w.bytes[:part], w.offset)
		}
	}
	n.medium = append([]byte(nil), n.data...)
}

// tear draws how much of a write reached the medium: nothing, all, or a part.
func (d *Disk) tear(bytes int) int {
	switch random := d.options.Random; random.IntN(3) {
	case 0:
		return 0
	case 1:
		return bytes
	default:
		return random.IntN(bytes + 1)
	}
}

// syncNames makes all changes of names durable at a time.
func (d *Disk) syncNames(done int64) {
	for i := range d.changes {
		if c := &d.changes[i]; c.synced == 0 {
			c.synced = done
		}
	}
	d.settleNames(d.options.Now())
}

func (d *Disk) settleNames(now int64) {
	done := 0
	for done < len(d.changes) && d.changes[done].synced != 0 && d.changes[done].synced <= now {
		apply(d.names, d.changes[done])
		done++
	}
	d.changes = append(d.changes[:0], d.changes[done:]...)
}

func apply(names map[string]*node, c change) {
	if c.node == nil {
		delete(names, c.name)
		return
	}
	names[c.name] = c.node
}

func (d *Disk) crashNames(way Crash, at int64) {
	d.settleNames(at)
	var left []change
	for _, c := range d.changes {
		if c.issued <= at {
			c.synced = 0
			left = append(left, c)
		}
	}
	d.changes = nil
	keep := len(left)
	switch way {
	case LoseAll:
		keep = 0
	case KeepFirst, KeepAny:
		keep = d.options.Random.IntN(len(left) + 1)
	case Killed:
		d.changes = left
	}
	d.counts.Names += uint64(len(left) - keep)
	clear(d.files)
	for name, n := range d.names {
		d.files[name] = n
	}
	for _, c := range left[:keep] {
		apply(d.files, c)
		if way != Killed {
			apply(d.names, c)
		}
	}
}

// Rot changes one byte of one of the files in the directory, but never of the last
// one by name, and reports which; false if there is no such file. From is the first
// offset that may rot, the last byte that is not zero the last one.
func (d *Disk) Rot(dir string, from int64) (name string, offset int64, ok bool) {
	names := d.list(dir)
	if len(names) < 2 {
		return "", 0, false
	}
	random := d.options.Random
	name = path.Join(dir, names[random.IntN(len(names)-1)])
	n := d.files[name]
	used := int64(len(bytes.TrimRight(n.data, "\x00")))
	if used <= from {
		return "", 0, false
	}
	offset = from + random.Int64N(used-from)
	flip := byte(1 + random.IntN(255))
	n.data[offset] ^= flip
	if offset < int64(len(n.medium)) {
		n.medium[offset] ^= flip
	}
	return name, offset, true
}
