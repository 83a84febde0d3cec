package disk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"synod/core/sim/disk"
	"synod/core/wal"
)

// bench is a log on a simulated disk, with the list of what was acknowledged.
type bench struct {
	t       *testing.T
	random  *rand.Rand
	now     int64
	disk    *disk.Disk
	log     *wal.Log
	written []string // appended, in order
	synced  int      // how many of them were durable at now
}

func newBench(t *testing.T, seed uint64) *bench {
	b := &bench{t: t, random: rand.New(rand.NewPCG(seed, 1))}
	b.disk = disk.New(disk.Options{
		Now: func() int64 { return b.now }, Random: rand.New(rand.NewPCG(seed, 2)),
		SyncMin: 50, SyncMean: 100,
	})
	log, err := wal.Create(b.options())
	if err != nil {
		t.Fatal(err)
	}
	b.log, b.now = log, b.disk.IdleAt()
	return b
}

func (b *bench) options() wal.Options {
	return wal.Options{FS: b.disk, Dir: "/log", SegmentBytes: 1024, FirstSegmentBytes: 1024}
}

// append writes a batch and syncs it; it reports whether the agent survived.
func (b *bench) append() (alive bool) {
	defer func() {
		if died := recover(); died != nil {
			if _, ok := died.(disk.Died); !ok {
				panic(died)
			}
		}
	}()
	var records [][]byte
	for range 1 + b.random.IntN(3) {
		text := fmt.Sprintf("record %d %s", len(b.written), make([]byte, b.random.IntN(200)))
		b.written = append(b.written, text)
		records = append(records, []byte(text))
	}
	if _, err := b.log.Append(records, nil); err != nil {
		b.t.Fatal(err)
	}
	if err := b.log.Sync(); err != nil {
		b.t.Fatal(err)
	}
	return true
}

// reopen reads the log as the next start does and holds it against the list.
func (b *bench) reopen(way disk.Crash) {
	var found []string
	log, err := wal.Open(b.options(), func(_ wal.Position, record []byte) error {
		found = append(found, string(record))
		return nil
	})
	if err != nil {
		b.t.Fatalf("%v: %v", way, err)
	}
	if len(found) < b.synced {
		b.t.Fatalf("%v: %d records are left, %d were durable", way, len(found), b.synced)
	}
	for i, text := range found {
		if text != b.written[i] {
			b.t.Fatalf("%v: record %d is %q, not %q", way, i, text, b.written[i])
		}
	}
	b.written, b.synced = found, len(found)
	b.log, b.now = log, b.disk.IdleAt()
}

// TestLogSurvivesEveryCrash runs the real log through all ways to crash, between
// operations, in the middle of a sync and inside of an operation.
func TestLogSurvivesEveryCrash(t *testing.T) {
	var torn, dropped, names uint64
	for seed := range uint64(60) {
		b := newBench(t, seed)
		for range 40 {
			before := len(b.written)
			if b.random.IntN(3) == 0 {
				b.disk.DieAt(1 + b.random.IntN(8))
			}
			alive := b.append()
			way := disk.Crash(1 + b.random.IntN(4))
			switch {
			case !alive:
				b.disk.Crash(way, b.disk.IdleAt())
				b.reopen(way)
			case b.random.IntN(3) == 0: // in the middle of the sync
				b.synced = before
				b.disk.Crash(way, b.now+b.random.Int64N(b.disk.IdleAt()-b.now))
				b.reopen(way)
			default:
				b.synced, b.now = len(b.written), b.disk.IdleAt()
				if b.random.IntN(4) == 0 {
					b.disk.Crash(way, b.now)
					b.reopen(way)
				}
			}
			b.disk.DieAt(0)
		}
		counts := b.disk.Counts()
		torn, dropped, names = torn+counts.Torn, dropped+counts.Dropped, names+counts.Names
	}
	if torn == 0 || dropped == 0 || names == 0 {
		t.Errorf("torn %d, dropped %d, names lost %d: each must have happened", torn, dropped, names)
	}
}

// TestKilledThenPowerLoss: what a killed process wrote is readable at the next
// start, and still losable.
func TestKilledThenPowerLoss(t *testing.T) {
	now := int64(0)
	d := disk.New(disk.Options{Now: func() int64 { return now }, Random: rand.New(rand.NewPCG(1, 1)), SyncMin: 10})
	f, err := d.Create("/a", "")
	if err != nil {
		t.Fatal(err)
	}
	root, _ := d.OpenDir("/")
	_ = root.Sync()
	now = d.IdleAt()
	_, _ = f.Write([]byte("hello"))
	d.Crash(disk.Killed, now)
	if size := fileSize(t, d); size != 5 {
		t.Errorf("after the process was killed, %d bytes are readable, want 5", size)
	}
	d.Crash(disk.LoseAll, now)
	if size := fileSize(t, d); size != 0 {
		t.Errorf("after the power failed, %d bytes are left, want 0", size)
	}
}

func fileSize(t *testing.T, d *disk.Disk) int64 {
	t.Helper()
	info, err := d.Stat("/a")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestFailAndFill(t *testing.T) {
	b := newBench(t, 7)
	b.disk.Fill(true)
	_, err := b.log.Append([][]byte{make([]byte, 2000)}, nil)
	if !errors.Is(err, wal.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk gives %v", err)
	}
	b.disk.Fill(false)
	b.append()
	b.now = b.disk.IdleAt()
	b.disk.FailAt(1)
	if _, err := b.log.Append([][]byte{{1}}, nil); !errors.Is(err, disk.ErrFailed) {
		t.Errorf("a failing write gives %v", err)
	}
	b.disk.Crash(disk.Killed, b.now)
	if _, err := wal.Open(b.options(), nil); !errors.Is(err, wal.ErrPoisoned) {
		t.Errorf("after a failed write the log opens with %v", err)
	}
}

func TestRotIsFound(t *testing.T) {
	found := 0
	for seed := range uint64(30) {
		b := newBench(t, seed)
		for range 12 {
			b.append()
			b.now = b.disk.IdleAt()
		}
		name, offset, ok := b.disk.Rot("/log", 128)
		if !ok {
			t.Fatal("nothing to rot")
		}
		b.disk.Crash(disk.LoseAll, b.now)
		records := 0
		_, err := wal.Open(b.options(), func(wal.Position, []byte) error { records++; return nil })
		switch {
		case errors.Is(err, wal.ErrDamaged):
			found++
		case err != nil:
			t.Errorf("rot in %s at %d gives %v", name, offset, err)
		case records != len(b.written):
			t.Errorf("rot in %s at %d: %d of %d records, and no error", name, offset, records, len(b.written))
		}
	}
	if found == 0 {
		t.Error("no rot was found")
	}
}
