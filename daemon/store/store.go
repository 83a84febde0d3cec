package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/kv"
)

var (
	// ErrDamaged: files of the store are damaged or missing. The replica's applied
	// state is lost, and so is its right to vote with what its log has cut away.
	ErrDamaged = errors.New("applied store is damaged")
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("applied store is in use")
	// ErrClosed: the store was closed or abandoned.
	ErrClosed = errors.New("applied store is closed")
)

// Options say where the store is and how much memory it may take. Zero numbers
// mean the product's.
type Options struct {
	// FS is the file system; nil is the real one.
	FS vfs.FS
	// Dir is the store's directory. It is made if there is none.
	Dir string
	// MemTableBytes is the size at which Pebble begins a new memtable and writes
	// the full one out. At most MemTablesMax of them exist. 8 MiB.
	MemTableBytes int
	// BlockCacheBytes is for blocks read from tables. 4 MiB.
	BlockCacheBytes int
	// RowCacheBytes is for the rows written last; negative is none. 8 MiB.
	RowCacheBytes int
	// Report is told of failures in the background, for the log. It must be quick,
	// and must not call the store. It may be called by several goroutines.
	Report func(error)
	// Fatal is told why the process must end now, in one line, and must not return:
	// Pebble cannot go on after a failed sync of its manifest. nil panics.
	Fatal func(message string)
}

// MemTablesMax is how many memtables may wait to be written out before Apply
// waits for the disk.
const MemTablesMax = 3

const (
	memTableBytes   = 8 << 20
	blockCacheBytes = 4 << 20
	rowCacheBytes   = 8 << 20
	openFilesMax    = 256
)

// Store implements kv.Store on Pebble. Calls may come from many goroutines, but
// Apply from one at a time, and Close or Abandon last. Only Flush, Durable,
// Copy and Checkpoint may come later; their error is ErrClosed then.
type Store struct {
	options Options
	// life is held by those four, and by the end of the store, which sets closed.
	life   sync.RWMutex
	closed bool
	copies atomic.Uint64 // made so far
	db     *pebble.DB
	lock   *pebble.Lock
	rows   *rowCache
	// background is the last failure of Pebble's own work, nil since a memtable was
	// written. flushFailed has an entry when one came.
	background  atomic.Pointer[error]
	flushFailed chan struct{}
	flushMu     sync.Mutex
	flushes     atomic.Uint64
	// failures counts failed background work since a memtable was last written.
	failures atomic.Uint64

	durableMu sync.Mutex
	// durableOld: a flush has ended since durable was read. Set in Pebble's
	// callbacks, which may not read from it.
	durableOld atomic.Bool
	durable    uint64
}

// Open opens or makes the store. A copy that was adopted (see Receiver) takes its
// place first. Errors are ErrLocked, ErrDamaged and the file system's.
func Open(options Options) (*Store, error) {
	options = options.withDefaults()
	if err := switchOver(options); err != nil {
		return nil, fmt.Errorf("let a copy take the place of the applied store %s: %w", options.Dir, err)
	}
	s := &Store{options: options, rows: newRowCache(options.RowCacheBytes), flushFailed: make(chan struct{}, 1)}
	s.durableOld.Store(true)
	if err := makeDirectory(options.FS, options.Dir); err != nil {
		return nil, fmt.Errorf("make the directory of the applied store %s: %w", options.Dir, err)
	}
	var err error
	if s.lock, err = pebble.LockDirectory(options.Dir, options.FS); err != nil {
		return nil, fmt.Errorf("lock %s: %w (%w): stop the other synodd of this replica, "+
			"or give this one a directory of its own", options.Dir, ErrLocked, err)
	}
	if s.db, err = pebble.Open(options.Dir, s.pebbleOptions()); err != nil {
		err = fmt.Errorf("open applied store: %w", s.explain(err))
		return nil, errors.Join(err, s.lock.Close())
	}
	if _, err = s.Durable(); err != nil {
		return nil, errors.Join(fmt.Errorf("open applied store: %w", err), s.closeFiles())
	}
	return s, nil
}

// makeDirectory makes what is missing of dir, durably: a directory whose name a
// power loss takes back would take everything durable inside with it. The name of
// one that is there is made durable too, since who made it may have died before.
func makeDirectory(fs vfs.FS, dir string) error {
	parent := fs.PathDir(dir)
	if parent == dir {
		return nil
	}
	if _, err := fs.Stat(dir); err != nil {
		if err := makeDirectory(fs, parent); err != nil {
			return err
		}
		if err := fs.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return syncDirectory(fs, parent)
}

// explain marks an error that comes of damaged files, and says what to do.
func (s *Store) explain(err error) error {
	if err == nil || !pebble.IsCorruptionError(err) {
		return err
	}
	return fmt.Errorf("%w: directory %s: %w: this replica's state is lost; keep the directory for diagnosis, "+
		"and rebuild the replica from the others", ErrDamaged, s.options.Dir, err)
}

// Apply implements kv.Store. It fails at once while the disk does not take what
// was applied before: to go on would fill the memory and then wait for ever.
// After an error reads still work.
func (s *Store) Apply(batch *kv.Batch) error {
	if failure := s.background.Load(); failure != nil {
		return fmt.Errorf("apply to %s: earlier changes could not be written: %w", s.options.Dir, *failure)
	}
	const writeOverheadBytes = 16
	writes := s.db.NewBatchWithSize(batch.Bytes() + writeOverheadBytes*(1+batch.Len()))
	for i := range batch.Len() {
		write := batch.At(i)
		if write.Remove {
			deferred := writes.DeleteDeferred(len(write.Key))
			copy(deferred.Key, write.Key)
			if err := deferred.Finish(); err != nil {
				return errors.Join(s.wrapApply(err), writes.Close())
			}
			continue
		}
		deferred := writes.SetDeferred(len(write.Key), len(write.Value))
		copy(deferred.Key, write.Key)
		copy(deferred.Value, write.Value)
		if err := deferred.Finish(); err != nil {
			return errors.Join(s.wrapApply(err), writes.Close())
		}
	}
	if err := writes.Commit(pebble.NoSync); err != nil {
		return errors.Join(s.wrapApply(err), writes.Close())
	}
	s.cacheRows(batch)
	return writes.Close()
}

func (s *Store) wrapApply(err error) error {
	return fmt.Errorf("apply to %s: %w", s.options.Dir, s.explain(err))
}

// cacheRows comes after Pebble has the rows: a reader that misses the cache then
// finds them there.
func (s *Store) cacheRows(batch *kv.Batch) {
	for i := range batch.Len() {
		write := batch.At(i)
		switch {
		case !kv.DataKey(write.Key):
		case write.Remove:
			s.rows.remove(write.Key)
		default:
			s.rows.set(write.Key, write.Value)
		}
	}
}

// Get implements kv.Store.
func (s *Store) Get(key, dst []byte) ([]byte, bool, error) {
	if kv.DataKey(key) {
		if value, known, found := s.rows.get(key, dst); known {
			return value, found, nil
		}
	}
	return s.get(s.db, key, dst)
}

func (s *Store) get(from pebble.Reader, key, dst []byte) ([]byte, bool, error) {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, fmt.Errorf("read from %s: %w", s.options.Dir, s.explain(err))
	}
	dst = append(dst, value...)
	return dst, true, closer.Close()
}

// Snapshot implements kv.Store.
func (s *Store) Snapshot() kv.Snapshot {
	return &snapshot{store: s, state: s.db.NewSnapshot()}
}

// Flush implements kv.Store. It waits for the disk; Apply may go on meanwhile.
func (s *Store) Flush() error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return s.wrapFlush(ErrClosed)
	}
	return s.flush()
}

func (s *Store) flush() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	if failure := s.background.Load(); failure != nil {
		return s.wrapFlush(*failure)
	}
	select {
	case <-s.flushFailed:
	default:
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		return s.wrapFlush(err)
	}
	select {
	case <-done:
		return nil
	case <-s.flushFailed:
		// Pebble would try again for ever.
		if failure := s.background.Load(); failure != nil {
			return s.wrapFlush(*failure)
		}
		<-done
		return nil
	}
}

func (s *Store) wrapFlush(err error) error {
	return fmt.Errorf("flush %s: %w", s.options.Dir, s.explain(err))
}

// Durable implements kv.Store. It costs a read after each memtable written, and
// next to nothing otherwise.
func (s *Store) Durable() (uint64, error) {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return 0, fmt.Errorf("read the durable slot of %s: %w", s.options.Dir, ErrClosed)
	}
	s.durableMu.Lock()
	defer s.durableMu.Unlock()
	if !s.durableOld.Swap(false) {
		return s.durable, nil
	}
	slot, err := s.readDurable()
	if err != nil {
		s.durableOld.Store(true)
		return 0, fmt.Errorf("read the durable slot of %s: %w", s.options.Dir, s.explain(err))
	}
	s.durable = slot
	return slot, nil
}

// readDurable reads the applied slot past the memtables.
func (s *Store) readDurable() (slot uint64, err error) {
	lower := kv.AppliedKey()
	rows, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound:                lower,
		UpperBound:                append(kv.AppliedKey(), 0),
		OnlyReadGuaranteedDurable: true,
	})
	if err != nil {
		return 0, err
	}
	if rows.First() {
		var row []byte
		if row, err = rows.ValueAndErr(); err == nil {
			slot, err = kv.AppliedSlot(row)
		}
	}
	return slot, errors.Join(err, rows.Error(), rows.Close())
}

// Checkpoint makes a copy of the store in dir, which must not exist, on the same
// file system: it shares the tables by hard links. The copy holds everything that
// was applied before the call, durably.
func (s *Store) Checkpoint(dir string) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return fmt.Errorf("copy %s to %s: %w", s.options.Dir, dir, ErrClosed)
	}
	// Without a log of its own, Pebble would leave the memtable out.
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.db.Checkpoint(dir); err != nil {
		return fmt.Errorf("copy %s to %s: %w", s.options.Dir, dir, s.explain(err))
	}
	return nil
}

// Close makes everything durable and closes the store.
func (s *Store) Close() error {
	return errors.Join(s.Flush(), s.closeFiles())
}

// Abandon closes the store as a crash would: what is not durable is lost.
func (s *Store) Abandon() {
	// Errors tell of the loss that is wanted here.
	_ = s.closeFiles()
}

func (s *Store) closeFiles() error {
	s.life.Lock()
	defer s.life.Unlock()
	s.closed = true
	err := s.db.Close()
	if err != nil {
		err = fmt.Errorf("close %s: %w", s.options.Dir, err)
	}
	return errors.Join(err, s.lock.Close())
}
