package store

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/kv"
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	o.MemTableBytes = cmp.Or(o.MemTableBytes, memTableBytes)
	o.BlockCacheBytes = cmp.Or(o.BlockCacheBytes, blockCacheBytes)
	o.RowCacheBytes = max(0, cmp.Or(o.RowCacheBytes, rowCacheBytes))
	if o.Report == nil {
		o.Report = func(error) {}
	}
	if o.Fatal == nil {
		o.Fatal = func(message string) { panic(message) }
	}
	return o
}

// formatVersion is that of Pebble's files. A later program raises it; an earlier
// one then refuses the store instead of misreading it.
const formatVersion = pebble.FormatNewest

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                          patientFS{s.options.FS, s},
		Lock:                        s.lock,
		DisableWAL:                  true,
		FormatMajorVersion:          formatVersion,
		MemTableSize:                uint64(s.options.MemTableBytes),
		MemTableStopWritesThreshold: MemTablesMax,
		CacheSize:                   int64(s.options.BlockCacheBytes),
		MaxOpenFiles:                openFilesMax,
		// Five replicas share few cores: one compaction each, and not before enough
		// has come together to be worth it.
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
		L0CompactionThreshold:      8,
		L0StopWritesThreshold:      24,
		LBaseMaxBytes:              64 << 20,
		Logger:                     pebbleLog{fatal: s.options.Fatal},
		EventListener:              s.listener(),
	}
	for i := range o.Levels {
		// The tables hold whole keys' filters: most misses cost no block.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return o
}

// listener is what we want to hear of Pebble's background work. Its functions run
// under Pebble's lock: they note and return.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		FlushEnd: func(info pebble.FlushInfo) {
			// An error here may be the harmless one of an empty memtable; real ones
			// come as BackgroundError.
			if info.Err != nil {
				return
			}
			s.flushes.Add(1)
			s.failures.Store(0)
			s.durableOld.Store(true)
			if failure := s.background.Load(); failure != nil && !errors.Is(*failure, ErrDamaged) {
				s.background.CompareAndSwap(failure, nil)
			}
		},
		BackgroundError: s.onBackgroundError,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			s.onBackgroundError(fmt.Errorf("%w: file %s: %w: this replica's state is lost; rebuild it from the others",
				ErrDamaged, info.Path, info.Details))
		},
	}
}

// onBackgroundError stops Apply until a memtable could be written again: a flush or
// a compaction that keeps failing would in the end block it without a word. Damage
// stops it for good.
func (s *Store) onBackgroundError(err error) {
	err = s.explain(err)
	s.background.Store(&err)
	select {
	case s.flushFailed <- struct{}{}:
	default:
	}
	if n := s.failures.Add(1); powerOfTwo(n) {
		s.options.Report(fmt.Errorf("applied store %s, failure %d: %w", s.options.Dir, n, err))
	}
}

// pebbleLog keeps Pebble quiet: what matters comes through the listener.
type pebbleLog struct {
	fatal func(message string)
}

func (pebbleLog) Infof(string, ...any) {}

func (pebbleLog) Errorf(string, ...any) {}

func (l pebbleLog) Fatalf(format string, args ...any) {
	l.fatal("applied store: " + fmt.Sprintf(format, args...))
}

// snapshot implements kv.Snapshot.
type snapshot struct {
	store *Store
	state *pebble.Snapshot
}

func (v *snapshot) Get(key, dst []byte) ([]byte, bool, error) {
	return v.store.get(v.state, key, dst)
}

func (v *snapshot) Ascend(lower, upper []byte, visit func(key, value []byte) bool) error {
	if len(lower) == 0 {
		// For Pebble only nil is "no bound".
		lower = nil
	}
	rows, err := v.state.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return v.wrap(err)
	}
	for more := rows.First(); more; more = rows.Next() {
		value, err := rows.ValueAndErr()
		if err != nil {
			return v.wrap(errors.Join(err, rows.Close()))
		}
		if !visit(rows.Key(), value) {
			break
		}
	}
	return v.wrap(errors.Join(rows.Error(), rows.Close()))
}

func (v *snapshot) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("scan %s: %w", v.store.options.Dir, v.store.explain(err))
}

func (v *snapshot) Close() error { return v.state.Close() }

// Stats are figures for the operator.
type Stats struct {
	// DurableSlot is the applied slot that no crash takes back.
	DurableSlot uint64
	// Flushes counts memtables written since the store was opened.
	Flushes uint64
	// DiskBytes is the size of all files, MemTableBytes that of what is not there.
	DiskBytes, MemTableBytes uint64
	// RowHits and RowMisses count reads answered from the row cache, and not.
	RowHits, RowMisses uint64
}

// Stats gives the present figures.
func (s *Store) Stats() (Stats, error) {
	durable, err := s.Durable()
	metrics := s.db.Metrics()
	return Stats{
		DurableSlot:   durable,
		Flushes:       s.flushes.Load(),
		DiskBytes:     metrics.DiskSpaceUsage(),
		MemTableBytes: metrics.MemTable.Size,
		RowHits:       s.rows.hits.Load(),
		RowMisses:     s.rows.misses.Load(),
	}, err
}

var _ kv.Store = (*Store)(nil)
