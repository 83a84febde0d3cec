package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"synod/core/kv"
	"synod/core/kv/storetest"
)

const testDir = "data/r1/store"

// instance is a store in a file system in memory that can lose power.
type instance struct {
	fs    *vfs.MemFS
	store *Store
}

func newInstance(t storetest.T) *instance {
	i := &instance{fs: vfs.NewCrashableMem()}
	i.open(t)
	return i
}

func (i *instance) open(t storetest.T) {
	t.Helper()
	var err error
	// A small memtable, so that Pebble writes some out by itself.
	i.store, err = Open(Options{FS: i.fs, Dir: testDir, MemTableBytes: 256 << 10, RowCacheBytes: 64 << 10})
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func (i *instance) Store() kv.Store { return i.store }

func (i *instance) Reopen(t storetest.T) {
	if err := i.store.Close(); err != nil {
		t.Fatalf("%v", err)
	}
	i.open(t)
}

// Crash is the crash of the role for low choices, and a power loss for the others:
// from nothing unsynced left, to all of it.
func (i *instance) Crash(t storetest.T, choice int) {
	if choice < 30 {
		i.store.Abandon()
		i.open(t)
		return
	}
	clone := i.fs.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: (choice - 30) * 100 / 69,
		RNG:                 rand.New(rand.NewPCG(uint64(choice), 1)),
	})
	i.store.Abandon()
	i.fs = clone
	i.open(t)
}

func (i *instance) Copy(t storetest.T) kv.Copy {
	c, err := i.store.Copy()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

func (i *instance) Install(t storetest.T, c kv.Copy) error {
	durable, err := i.store.Durable()
	if err != nil {
		return err
	}
	if err := carry(i.store.options, c, durable); err != nil {
		return err
	}
	i.store.Abandon()
	i.open(t)
	return nil
}

// carry takes a copy in chunks that fit no file, and adopts it.
func carry(options Options, c kv.Copy, durable uint64) error {
	r, err := Receive(options, c.Manifest())
	if err != nil {
		return err
	}
	chunk := make([]byte, 777)
	for {
		n, err := c.ReadAt(chunk, r.Offset())
		if _, err := r.Write(chunk[:n]); err != nil {
			return errors.Join(err, r.Close())
		}
		if errors.Is(err, io.EOF) {
			return r.Adopt(durable)
		}
		if err != nil {
			return errors.Join(err, r.Close())
		}
	}
}

func (i *instance) End(storetest.T) { i.store.Abandon() }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t storetest.T) storetest.Instance { return newInstance(t) })
}

func TestStoreOnDisk(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir() + "/r1/store"})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, "dkey", "value")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(s.options)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, s, "dkey", "value")
	apply(t, s, "dkey", "lost")
	s.Abandon()
	if s, err = Open(s.options); err != nil {
		t.Fatal(err)
	}
	defer s.Abandon()
	expect(t, s, "dkey", "value")
}

func TestSecondOpenIsRefused(t *testing.T) {
	i := newInstance(t)
	defer i.End(t)
	_, err := Open(i.store.options)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), testDir) {
		t.Fatalf("error %v", err)
	}
	apply(t, i.store, "dkey", "value")
}

// TestDamageIsNamed destroys each file in turn: the store says what is wrong, where,
// and what to do. Only a damaged manifest may pass for the torn end of one, and give
// the rows of an earlier time; the applied slot among them then is below what the
// acceptor has cut from its log, and the replica sees that its state is lost.
func TestDamageIsNamed(t *testing.T) {
	i := newInstance(t)
	for k := range 2000 {
		apply(t, i.store, fmt.Sprintf("dkey%04d", k), strings.Repeat("v", 100))
	}
	if err := i.store.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := i.fs.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") && !strings.HasPrefix(name, "MANIFEST") {
			continue
		}
		fs := i.fs.CrashClone(vfs.CrashCloneCfg{})
		overwrite(t, fs, testDir+"/"+name)
		rows, err := readAll(Options{FS: fs, Dir: testDir})
		if err == nil && (rows == 2000 || strings.HasPrefix(name, "MANIFEST")) {
			continue
		}
		damaged++
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), testDir) {
			t.Errorf("damaged %s: error %v", name, err)
		}
	}
	if damaged == 0 {
		t.Errorf("of the files %v none was found damaged", names)
	}
}

// overwrite replaces the middle of a file.
func overwrite(t *testing.T, fs vfs.FS, path string) {
	t.Helper()
	in, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, info.Size())
	if _, err := in.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	copy(data[len(data)/3:], bytes.Repeat([]byte{0x5a}, max(1, len(data)/3)))
	out, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

func readAll(options Options) (rows int, err error) {
	s, err := Open(options)
	if err != nil {
		return 0, err
	}
	defer s.Abandon()
	snapshot := s.Snapshot()
	err = snapshot.Ascend(nil, []byte{0xff}, func(_, _ []byte) bool {
		rows++
		return true
	})
	return rows, errors.Join(err, snapshot.Close())
}

// TestFullDisk: neither Flush nor Apply waits for ever, and reads go on.
func TestFullDisk(t *testing.T) {
	full := &fullDisk{}
	reported := make(chan error, 1)
	s, err := Open(Options{
		FS: errorfs.Wrap(vfs.NewMem(), full), Dir: testDir, MemTableBytes: 256 << 10,
		Report: func(err error) {
			select {
			case reported <- err:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, "dkey", "value")
	full.set(true)
	if err := s.Flush(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), testDir) {
		t.Fatalf("flush to a full disk: %v", err)
	}
	if err := <-reported; !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("reported %v", err)
	}
	var b kv.Batch
	b.Set([]byte("dkey"), []byte("refused"))
	if err := s.Apply(&b); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("apply with a full disk: %v", err)
	}
	expect(t, s, "dkey", "value")
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("close with a full disk: %v", err)
	}
}

// TestFullDiskRecovers: when there is room again, Pebble writes what waits, and
// the store takes more.
func TestFullDiskRecovers(t *testing.T) {
	full := &fullDisk{}
	s, err := Open(Options{FS: errorfs.Wrap(vfs.NewMem(), full), Dir: testDir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abandon()
	apply(t, s, "dkey", "value")
	full.set(true)
	if err := s.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("flush to a full disk: %v", err)
	}
	full.set(false)
	// Pebble tries again by itself.
	for deadline := time.Now().Add(time.Minute); s.Flush() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the store does not recover")
		}
		time.Sleep(time.Millisecond)
	}
	apply(t, s, "dkey", "more")
}

// fullDisk is a disk that may be full.
type fullDisk struct{ full atomic.Bool }

func (d *fullDisk) set(full bool) { d.full.Store(full) }

func (d *fullDisk) String() string { return "full disk" }

func (d *fullDisk) MaybeError(op errorfs.Op) error {
	if d.full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		return syscall.ENOSPC
	}
	return nil
}

func TestCheckpointHoldsWhatWasApplied(t *testing.T) {
	i := newInstance(t)
	defer i.End(t)
	apply(t, i.store, "dkey", "value")
	if err := i.store.Checkpoint("data/r1/copy"); err != nil {
		t.Fatal(err)
	}
	apply(t, i.store, "dkey", "later")
	taken, err := Open(Options{FS: i.fs, Dir: "data/r1/copy"})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Abandon()
	expect(t, taken, "dkey", "value")
}

// TestReadersDuringApply: a reader never sees a row go back to an older value,
// whether it comes from the cache or from Pebble.
func TestReadersDuringApply(t *testing.T) {
	i := newInstance(t)
	defer i.End(t)
	const keys, rounds = 40, 300
	var readers sync.WaitGroup
	done := make(chan struct{})
	for reader := range 2 {
		readers.Go(func() {
			var last []byte
			var value []byte
			for k := reader; ; k++ {
				select {
				case <-done:
					return
				default:
				}
				var err error
				value, _, err = i.store.Get(fmt.Appendf(nil, "dkey%d", k%keys), value[:0])
				if err != nil {
					t.Error(err)
					return
				}
				if bytes.Compare(value, last) < 0 && k%keys == 0 {
					t.Errorf("read %.10q after %.10q", value, last)
				}
				if k%keys == 0 {
					last = bytes.Clone(value)
				}
			}
		})
	}
	var b kv.Batch
	for round := range rounds {
		b.Reset()
		for k := range keys {
			b.Set(fmt.Appendf(nil, "dkey%d", k), fmt.Appendf(nil, "v%08d%s", round, strings.Repeat("x", k*20)))
		}
		if err := i.store.Apply(&b); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	readers.Wait()
	stats, err := i.store.Stats()
	if err != nil || stats.RowHits == 0 || stats.Flushes == 0 {
		t.Fatalf("stats %+v, error %v", stats, err)
	}
}

func apply(t *testing.T, s *Store, key, value string) {
	t.Helper()
	var b kv.Batch
	b.Set([]byte(key), []byte(value))
	if err := s.Apply(&b); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, s *Store, key, want string) {
	t.Helper()
	value, found, err := s.Get([]byte(key), nil)
	if err != nil || !found || string(value) != want {
		t.Fatalf("get %s: %q, found %v, error %v; want %q", key, value, found, err, want)
	}
}

// TestMain makes random tests shorter unless told otherwise: each check opens and
// crashes Pebble several times. A soak gives -rapid.checks itself.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		_ = flag.Set("rapid.checks", "25")
	}
	os.Exit(m.Run())
}
