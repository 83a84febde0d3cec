package kv

import (
	"encoding/binary"

	"synod/core/mutant"
	"synod/core/session"
)

// execute runs one command, the index-th of the current slot, if its session
// allows.
func (m *Machine) execute(c *Command, index uint32) session.Result {
	switch c.Op {
	case Open:
		return m.open(c, index)
	case Close:
		return m.close(c, index)
	default:
		return m.update(c, index)
	}
}

// open makes a session, or gives the one that an earlier copy of the same Open
// made: a gateway that repeats an Open must not fill the table.
func (m *Machine) open(c *Command, index uint32) session.Result {
	result := session.Result{Token: c.Token, Status: session.OK, Slot: m.state.slot, Index: index}
	if known := m.clients.byToken[c.Token]; known != nil {
		m.touch(known, index)
		result.Session, result.Repeated = known.id, true
		result.Slot, result.Index = known.id.Slot, known.id.Index
		return result
	}
	if len(m.clients.byID) >= m.sessionsMax() {
		oldest := m.clients.oldest
		if m.guarded(oldest) {
			result.Status = session.Overloaded
			return result
		}
		m.drop(oldest)
	}
	result.Session = session.ID{Slot: m.state.slot, Index: index}
	if m.options.Mutant.Has(mutant.M44) {
		result.Session.Index = 0
		if m.clients.byID[result.Session] != nil {
			return result
		}
	}
	opened := &client{id: result.Session, token: c.Token, low: 1}
	m.clients.add(opened)
	m.touch(opened, index)
	return result
}

func (m *Machine) sessionsMax() int {
	if m.options.Mutant.Has(mutant.M48) {
		return max(1, m.options.SessionsMax-m.options.Replica)
	}
	return m.options.SessionsMax
}

func (m *Machine) close(c *Command, index uint32) session.Result {
	result := session.Result{Session: c.Update.Session, Status: session.OK, Slot: m.state.slot, Index: index}
	if known := m.clients.byID[c.Update.Session]; known != nil {
		m.drop(known)
	} else {
		result.Status = session.Expired
	}
	return result
}

// update executes a put or a delete, or says why not. The order of the tests is
// the promise: below low nothing executes, whatever else may be true.
func (m *Machine) update(c *Command, index uint32) session.Result {
	u := c.Update
	result := session.Result{Session: u.Session, Sequence: u.Sequence, Slot: m.state.slot, Index: index}
	known := m.clients.byID[u.Session]
	if known == nil {
		result.Status = session.Expired
		return result
	}
	m.touch(known, index)
	if u.Sequence < known.low && !m.options.Mutant.Has(mutant.M42) {
		result.Status = session.Stale
		return result
	}
	known.acknowledge(u.Low)
	digest := c.Digest()
	result.Digest = digest
	at, found := known.find(u.Sequence)
	if m.options.Mutant.Has(mutant.M43) {
		at, found, digest = known.findLast(u.Sequence)
	}
	switch {
	case found && known.kept()[at].digest != digest:
		result.Status = session.Conflict
		return result
	case found:
		return known.kept()[at].repeat(result)
	case u.Sequence >= known.low+session.WindowMax:
		result.Status = session.Overloaded
		return result
	}
	result.Status, result.Revision = session.OK, m.write(c)
	known.insert(at, executed{
		sequence: u.Sequence,
		digest:   digest,
		slot:     result.Slot,
		revision: result.Revision,
		index:    index,
		status:   session.OK,
	})
	return result
}

// findLast is the planted bug M43: only the last sequence is remembered.
func (c *client) findLast(sequence uint64) (int, bool, uint64) {
	last := len(c.kept()) - 1
	if last < 0 || c.kept()[last].sequence < sequence {
		return last + 1, false, 0
	}
	return last, true, c.kept()[last].digest
}

// repeat makes the first result out of one for a copy of its command.
func (e *executed) repeat(result session.Result) session.Result {
	result.Status, result.Repeated = e.status, true
	result.Slot, result.Index, result.Revision = e.slot, e.index, e.revision
	return result
}

// write puts the row into the batch, or removes it, and gives the new revision.
// Both count as an update, also the delete of a key that is not there: to know
// that would cost a read before every write.
func (m *Machine) write(c *Command) (revision uint64) {
	m.state.revision++
	b := &m.batch
	b.data = appendDataKey(b.data, c.Key)
	if c.Op == Delete {
		b.endDelete()
		return m.state.revision
	}
	keyEnd := len(b.data)
	b.data = binary.BigEndian.AppendUint64(b.data, m.state.revision)
	b.data = append(b.data, c.Value...)
	b.endSet(keyEnd)
	return m.state.revision
}

// touch notes that the session was used by the current command.
func (m *Machine) touch(c *client, index uint32) {
	c.lastSlot, c.lastIndex, c.lastMillis = m.state.slot, index, m.state.logMillis
	m.clients.used(c)
	if !c.dirty {
		c.dirty = true
		m.changed = append(m.changed, c)
	}
}

// drop ends a session.
func (m *Machine) drop(c *client) {
	m.clients.remove(c)
	m.batch.data = appendSessionKey(m.batch.data, c.id)
	m.batch.endDelete()
}
