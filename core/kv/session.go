package kv

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"

	"synod/core/session"
)

// client is what a replica knows of one session. Its row in the store:
//
//	1 byte version, 16 bytes token, then uvarints: last slot, last index, last
//	time, low, number of results; then each result: its sequence minus the one
//	before it (minus low, for the first), 8 bytes digest, last slot minus its slot,
//	its index, its revision minus the one before (zigzag), 1 byte status
type client struct {
	id    session.ID
	token session.Token
	// lastSlot, lastIndex: place of the last command applied in the session.
	lastSlot  uint64
	lastIndex uint32
	// lastMillis is the log time of that command.
	lastMillis uint64
	// low: no sequence below it executes any more; their results are forgotten.
	low uint64
	// results[forgotten:] are those of every executed sequence >= low, ascending.
	results   []executed
	forgotten int
	// dirty: changed since the batch began, and on its list. gone: removed.
	dirty, gone bool
	// older, newer: neighbours in the order of last use.
	older, newer *client
}

// executed is the first result of one update.
type executed struct {
	sequence uint64
	digest   uint64
	slot     uint64
	revision uint64
	index    uint32
	status   session.Status
}

const clientVersion = 1

// resultsIdle is the room for results that a session keeps even if it is not used.
const resultsIdle = 64

// kept are the results that are still needed, in order of sequence.
func (c *client) kept() []executed { return c.results[c.forgotten:] }

// find gives where the sequence's result is among kept, or belongs.
func (c *client) find(sequence uint64) (int, bool) {
	kept := c.kept()
	// Nearly always the newest sequence, which has no result yet.
	if len(kept) == 0 || kept[len(kept)-1].sequence < sequence {
		return len(kept), false
	}
	at := sort.Search(len(kept), func(i int) bool { return kept[i].sequence >= sequence })
	return at, kept[at].sequence == sequence
}

// insert puts a result at place at of kept.
func (c *client) insert(at int, result executed) {
	if c.forgotten > 0 && len(c.results) == cap(c.results) {
		c.compact()
	}
	c.results = append(c.results, executed{})
	kept := c.kept()
	copy(kept[at+1:], kept[at:])
	kept[at] = result
}

// acknowledge raises low and forgets the results below it.
func (c *client) acknowledge(low uint64) {
	if low <= c.low {
		return
	}
	c.low = low
	for c.forgotten < len(c.results) && c.results[c.forgotten].sequence < low {
		c.forgotten++
	}
	// Moving them down only when half is free keeps the cost per result constant.
	if c.forgotten*2 > len(c.results) {
		c.compact()
	}
}

// compact moves the kept results to the front, and gives memory back that only a
// burst has needed.
func (c *client) compact() {
	target := c.results[:0]
	if kept := len(c.kept()); cap(c.results) > resultsIdle && kept < cap(c.results)/4 {
		target = make([]executed, 0, 2*kept)
	}
	c.results = append(target, c.kept()...)
	c.forgotten = 0
}

func (c *client) appendRow(dst []byte) []byte {
	dst = append(dst, clientVersion)
	dst = append(dst, c.token[:]...)
	dst = binary.AppendUvarint(dst, c.lastSlot)
	dst = binary.AppendUvarint(dst, uint64(c.lastIndex))
	dst = binary.AppendUvarint(dst, c.lastMillis)
	dst = binary.AppendUvarint(dst, c.low)
	dst = binary.AppendUvarint(dst, uint64(len(c.kept())))
	sequence, revision := c.low, uint64(0)
	for _, r := range c.kept() {
		dst = binary.AppendUvarint(dst, r.sequence-sequence)
		dst = binary.LittleEndian.AppendUint64(dst, r.digest)
		dst = binary.AppendUvarint(dst, c.lastSlot-r.slot)
		dst = binary.AppendUvarint(dst, uint64(r.index))
		dst = binary.AppendVarint(dst, int64(r.revision-revision))
		dst = append(dst, byte(r.status))
		sequence, revision = r.sequence, r.revision
	}
	return dst
}

// resultBytesMin is the shortest a result can be in a row.
const resultBytesMin = 1 + 8 + 1 + 1 + 1 + 1

func decodeClient(id session.ID, row []byte) (*client, error) {
	c := &client{id: id}
	d := decoder{rest: row}
	version := d.bytes(1)
	copy(c.token[:], d.bytes(uint64(len(c.token))))
	c.lastSlot = d.uvarint()
	index := d.uvarint()
	c.lastIndex = uint32(index)
	c.lastMillis, c.low = d.uvarint(), d.uvarint()
	count := d.uvarint()
	if d.failed || version[0] != clientVersion || index > math.MaxUint32 || c.low == 0 ||
		count > uint64(len(d.rest)/resultBytesMin) {
		return nil, fmt.Errorf("%w: head of session %v", ErrDamaged, id)
	}
	c.results = make([]executed, 0, count)
	sequence, revision := c.low, uint64(0)
	for i := range count {
		r := executed{}
		above := d.uvarint()
		r.sequence = sequence + above
		digest := d.bytes(8)
		before := d.uvarint()
		r.slot = c.lastSlot - before
		r.index = uint32(d.uvarint())
		r.revision = revision + uint64(d.varint())
		status := d.bytes(1)
		if d.failed || before >= c.lastSlot || i > 0 && above == 0 {
			return nil, fmt.Errorf("%w: result %d of session %v", ErrDamaged, i, id)
		}
		r.digest, r.status = binary.LittleEndian.Uint64(digest), session.Status(status[0])
		c.results = append(c.results, r)
		sequence, revision = r.sequence, r.revision
	}
	if len(d.rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes behind session %v", ErrDamaged, len(d.rest), id)
	}
	return c, nil
}

// clients are all sessions, by ID, by token, and in the order of last use.
type clients struct {
	byID           map[session.ID]*client
	byToken        map[session.Token]*client
	oldest, newest *client
}

func newClients() clients {
	return clients{byID: map[session.ID]*client{}, byToken: map[session.Token]*client{}}
}

// add puts a session in as the one used last.
func (t *clients) add(c *client) {
	t.byID[c.id] = c
	t.byToken[c.token] = c
	t.link(c)
}

func (t *clients) remove(c *client) {
	delete(t.byID, c.id)
	delete(t.byToken, c.token)
	t.unlink(c)
	c.gone = true
}

// used makes the session the one used last.
func (t *clients) used(c *client) {
	if t.newest != c {
		t.unlink(c)
		t.link(c)
	}
}

func (t *clients) link(c *client) {
	c.older = t.newest
	if t.newest != nil {
		t.newest.newer = c
	} else {
		t.oldest = c
	}
	t.newest = c
}

func (t *clients) unlink(c *client) {
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		t.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		t.newest = c.older
	}
	c.older, c.newer = nil, nil
}
