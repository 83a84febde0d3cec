package kv

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"synod/core/mutant"
	"synod/core/session"
)

// Limits of sessions. They are constants of the format: every replica must use
// the same, or they would disagree about which sessions live.
const (
	sessionsMax       = 100_000
	sessionGuardSlots = 1_000
	sessionIdleMillis = 60 * 60 * 1000
	logStepMillisMax  = 10_000
)

// Options are constants of the format, made smaller by tests and simulations. The
// zero value means the product's. A store remembers them and refuses others.
type Options struct {
	// SessionsMax is how many sessions are kept; an Open above it evicts the least
	// recently used one. 100,000.
	SessionsMax int
	// SessionGuardSlots: a session used in so many last slots is never evicted; an
	// Open that would need it is refused as Overloaded. 1,000.
	SessionGuardSlots uint64
	// SessionIdleMillis of log time without use end a session. One hour.
	SessionIdleMillis uint64
	// MarkSlots: the chain hash is remembered at every multiple. 1,000.
	MarkSlots uint64
	// Replica is this replica's number; only a mutant looks at it.
	Replica int
	// Mutant plants a bug, in builds for that.
	Mutant mutant.Set
}

func (o Options) withDefaults() Options {
	o.SessionsMax = cmp.Or(o.SessionsMax, sessionsMax)
	o.SessionGuardSlots = cmp.Or(o.SessionGuardSlots, sessionGuardSlots)
	o.SessionIdleMillis = cmp.Or(o.SessionIdleMillis, sessionIdleMillis)
	o.MarkSlots = cmp.Or(o.MarkSlots, markSlots)
	return o
}

func (o Options) limits() limits {
	return limits{
		sessionsMax: uint64(o.SessionsMax),
		guardSlots:  o.SessionGuardSlots,
		idleMillis:  o.SessionIdleMillis,
		window:      session.WindowMax,
	}
}

// Entry is one chosen slot with its value, see the package comment.
type Entry struct {
	Slot  uint64
	Value []byte
}

// Machine applies chosen entries to a store. It is used by one goroutine, but for
// Get and View, which others may call meanwhile.
type Machine struct {
	store   Store
	options Options
	// state is that after the last entry applied, in the store or in batch.
	state state
	// clients are the living sessions. Rows in the store are their durable copy and
	// are read only by New.
	clients clients
	marks   marks
	// batch collects the writes of one ApplyBatch; changed are the sessions whose
	// rows it has yet to get, in the order of their first change.
	batch   Batch
	changed []*client
	hash    xxhash.Digest
	// failed is the error after which memory and store may differ.
	failed error
}

// New reads the state from the store. Errors are ErrDamaged, ErrLimits and the
// store's.
func New(store Store, options Options) (*Machine, error) {
	m := &Machine{store: store, options: options.withDefaults(), clients: newClients()}
	snapshot := store.Snapshot()
	err := m.load(snapshot)
	if closeErr := snapshot.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read applied state: %w", err)
	}
	return m, nil
}

func (m *Machine) load(snapshot Snapshot) error {
	row, found, err := snapshot.Get(AppliedKey(), nil)
	if err != nil {
		return err
	}
	if !found {
		// Nothing was ever applied, so nothing may be there. It would be, if the
		// applied slot were written apart from the data.
		return m.expectEmpty(snapshot)
	}
	var written limits
	if m.state, written, err = decodeApplied(row); err != nil {
		return err
	}
	if want := m.options.limits(); written != want {
		return fmt.Errorf("%w: %+v, this program has %+v: all replicas need the same", ErrLimits, written, want)
	}
	loaded, err := loadClients(snapshot, m.state.slot)
	if err != nil {
		return err
	}
	for _, c := range loaded {
		m.clients.add(c)
	}
	return nil
}

func (m *Machine) expectEmpty(snapshot Snapshot) error {
	var first []byte
	err := snapshot.Ascend(nil, []byte{0xff}, func(key, _ []byte) bool {
		first = bytes.Clone(key)
		return false
	})
	if err == nil && first != nil {
		return fmt.Errorf("%w: no applied slot, but a row %.40q", ErrDamaged, first)
	}
	return err
}

// loadClients reads all sessions in the order of their last use.
func loadClients(snapshot Snapshot, applied uint64) ([]*client, error) {
	var loaded []*client
	var damage error
	err := snapshot.Ascend([]byte{sessionSpace}, []byte{sessionSpace + 1}, func(key, row []byte) bool {
		var id session.ID
		var c *client
		if id, damage = decodeSessionKey(key); damage != nil {
			return false
		}
		if c, damage = decodeClient(id, row); damage != nil {
			return false
		}
		if c.lastSlot > applied {
			damage = fmt.Errorf("%w: session %v was used at slot %d, applied is %d", ErrDamaged, id, c.lastSlot, applied)
			return false
		}
		loaded = append(loaded, c)
		return true
	})
	if err = cmp.Or(damage, err); err != nil {
		return nil, err
	}
	slices.SortFunc(loaded, func(a, b *client) int {
		return cmp.Or(cmp.Compare(a.lastSlot, b.lastSlot), cmp.Compare(a.lastIndex, b.lastIndex))
	})
	return loaded, nil
}

// Applied is the last applied slot, 0 before the first.
func (m *Machine) Applied() uint64 { return m.state.slot }

// Revision is the number of updates applied.
func (m *Machine) Revision() uint64 { return m.state.revision }

// LogMillis is the log's time: that of the proposers, made monotone.
func (m *Machine) LogMillis() uint64 { return m.state.logMillis }

// Sessions is the number of living sessions.
func (m *Machine) Sessions() int { return len(m.clients.byID) }

// Durable is the applied slot that no crash can take back.
func (m *Machine) Durable() (uint64, error) { return m.store.Durable() }

// ApplyBatch applies entries, the slots right after Applied without a gap, in one
// store batch, and appends the result of every command, in order, to results. A
// caller that is behind should give many entries at once, up to some MiB. Results
// may be told to clients at once: durability is the log's business.
//
// Any error is fatal: nothing of the call is in the store, and this Machine
// answers every later call with the same error. ErrMalformed and
// ErrUnknownOperation mean a value that this program cannot execute; to skip it
// would make this replica differ from the others. Slots out of order panic.
//
// PUT 7/8 execute once per session and sequence. Next: daemon/gateway wakes the waiter.
func (m *Machine) ApplyBatch(entries []Entry, results []session.Result) ([]session.Result, error) {
	if m.failed != nil {
		return results, m.failed
	}
	if len(entries) == 0 {
		return results, nil
	}
	m.batch.Reset()
	given := len(results)
	for _, entry := range entries {
		if entry.Slot != m.state.slot+1 {
			panic(fmt.Sprintf("kv: apply slot %d after slot %d", entry.Slot, m.state.slot))
		}
		var err error
		if results, err = m.applyEntry(entry, results); err != nil {
			m.failed = fmt.Errorf("apply slot %d: %w: stopped, because all replicas must apply the same; "+
				"if the other replicas run a newer version, install it here", entry.Slot, err)
			return results[:given], m.failed
		}
	}
	if err := m.storeRows(); err != nil {
		m.failed = fmt.Errorf("apply slots %d to %d: %w", entries[0].Slot, m.state.slot, err)
		return results[:given], m.failed
	}
	return results, nil
}

// storeRows writes the rows that the entries changed, in one batch.
func (m *Machine) storeRows() error {
	for _, c := range m.changed {
		c.dirty = false
		if c.gone {
			continue
		}
		m.batch.data = appendSessionKey(m.batch.data, c.id)
		keyEnd := len(m.batch.data)
		m.batch.data = c.appendRow(m.batch.data)
		m.batch.endSet(keyEnd)
	}
	clear(m.changed)
	m.changed = m.changed[:0]
	if m.options.Mutant.Has(mutant.M26) {
		if err := m.store.Apply(&m.batch); err != nil {
			return err
		}
		m.batch.Reset()
	}
	m.batch.data = append(m.batch.data, appliedKey...)
	keyEnd := len(m.batch.data)
	m.batch.data = appendApplied(m.batch.data, m.state, m.options.limits())
	m.batch.endSet(keyEnd)
	return m.store.Apply(&m.batch)
}

// applyEntry applies one slot to memory and batch.
func (m *Machine) applyEntry(entry Entry, results []session.Result) ([]session.Result, error) {
	m.state.slot = entry.Slot
	m.state.chain = m.chainAfter(entry)
	if entry.Slot%m.options.MarkSlots == 0 {
		m.marks.add(Mark{Slot: entry.Slot, Hash: m.state.chain})
	}
	commands := ReadCommands(entry.Value)
	if len(entry.Value) != 0 {
		m.advanceTime(commands.WallMillis())
	}
	for commands.Next() {
		command, err := Decode(commands.Command())
		if err != nil {
			return results, fmt.Errorf("command %d: %w", commands.Index(), err)
		}
		results = append(results, m.execute(&command, commands.Index()))
	}
	return results, commands.Err()
}

// chainAfter is the hash of all values up to and with this entry.
func (m *Machine) chainAfter(entry Entry) uint64 {
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:8], m.state.chain)
	binary.LittleEndian.PutUint64(head[8:], entry.Slot)
	m.hash.Reset()
	_, _ = m.hash.Write(head[:])
	_, _ = m.hash.Write(entry.Value)
	return m.hash.Sum64()
}

// advanceTime moves the log's time towards a proposer's wall time. It never goes
// back, and at most 10 s forward for each slot, so that one wrong clock cannot end
// all sessions. The very first wall time is taken as it is: from zero, every slot
// would count as 10 s for years.
func (m *Machine) advanceTime(wall uint64) {
	switch now := m.state.logMillis; {
	case now == 0:
		m.state.logMillis = wall
	case wall > now:
		m.state.logMillis = now + min(wall-now, logStepMillisMax)
	}
	for oldest := m.clients.oldest; oldest != nil && m.idle(oldest); oldest = m.clients.oldest {
		m.drop(oldest)
	}
}

// idle reports whether a session ends for want of use. The guard holds here too:
// after a long rest of the cluster the log's time runs fast.
func (m *Machine) idle(c *client) bool {
	return m.state.logMillis-c.lastMillis >= m.options.SessionIdleMillis && !m.guarded(c)
}

// guarded reports whether the session was used in the last slots. Copies of its
// commands may be on their way, and its client believes that it lives.
func (m *Machine) guarded(c *client) bool {
	return m.state.slot-c.lastSlot < m.options.SessionGuardSlots
}
