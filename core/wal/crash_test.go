package wal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tearsPerCrash is how many random mixtures of old and new bytes are tried at each operation.
const tearsPerCrash = 6

// survives opens what a loss of power left and compares it with the model; then it loses power again at once, as an
// acceptor may that answered with what it had just replayed, and a third time after one more batch.
func survives(t *testing.T, left image, m *model, created bool) error {
	t.Helper()
	m = m.clone()
	fs := left.fs(t)
	log, all, err := replayAll(testOptions(fs))
	if errors.Is(err, ErrNotExist) && !created {
		if log, err = Create(testOptions(fs)); err != nil {
			return fmt.Errorf("create after an unfinished create: %w", err)
		}
	}
	if err != nil {
		return err
	}
	if err := m.accept(all); err != nil {
		return err
	}
	for _, what := range []string{"at once", "after one more batch"} {
		left := power(t, fs).least
		log.Abandon()
		fs = left.fs(t)
		if log, all, err = replayAll(testOptions(fs)); err != nil {
			return fmt.Errorf("second loss of power %s: %w", what, err)
		}
		if err := m.accept(all); err != nil {
			return fmt.Errorf("second loss of power %s: %w", what, err)
		}
		batch := []string{"one more"}
		if _, err := log.Append(bytesOf(batch), nil); err != nil {
			return err
		}
		if err := log.Sync(); err != nil {
			return err
		}
		m.batches = append(m.batches, batch)
		m.durable = len(m.batches)
	}
	return log.Close()
}

// crashEverywhere plays the script and loses power before each operation that changes the disk.
func crashEverywhere(t *testing.T, options Options) error {
	mem := vfs.NewCrashableMem()
	var s *script
	var failure error
	var mu sync.Mutex // the goroutine that makes spares crashes, too
	operations := 0
	crash := func(a act) error {
		mu.Lock()
		defer mu.Unlock()
		if !a.changes() || failure != nil {
			return nil
		}
		operations++
		s.mu.Lock()
		m, created := s.model, s.created
		s.mu.Unlock()
		now := power(t, mem)
		left := []image{now.least, now.named, now.most}
		for seed := range uint64(tearsPerCrash) {
			left = append(left, now.tear(uint64(operations)*tearsPerCrash+seed))
		}
		for i, l := range left {
			if err := survives(t, l, &m, created); err != nil {
				failure = fmt.Errorf("power lost before operation %d (%v), variant %d: %w", operations, a, i, err)
			}
		}
		return nil
	}
	options.FS = &disk{FS: mem, before: crash}
	s = &script{options: options}
	if err := s.play(scriptOps); err != nil {
		return err
	}
	if operations < 60 && failure == nil {
		return fmt.Errorf("only %d operations were crashed at", operations)
	}
	return failure
}

// Whatever operation the power is lost at, what was durable is there again.
func TestPowerLossAtEveryOperation(t *testing.T) {
	if err := crashEverywhere(t, testOptions(nil)); err != nil {
		t.Fatal(err)
	}
}

// The same with a goroutine that writes spares, and segments of one size, so that released ones are recycled.
func TestPowerLossWhileRecycling(t *testing.T) {
	options := testOptions(nil)
	options.Background = true
	options.SegmentBytes = options.FirstSegmentBytes
	if err := crashEverywhere(t, options); err != nil {
		t.Fatal(err)
	}
}

// failAt plays the script with one failing operation and returns the failed one, or an empty act at the script's end.
func failAt(s *script, mem *vfs.MemFS, n int, cause error) (failed act, err error) {
	count := 0
	s.options.FS = &disk{FS: mem, before: func(a act) error {
		count++
		if count != n {
			return nil
		}
		failed = a
		return fmt.Errorf("planted: %w", cause)
	}}
	err = s.play(scriptOps)
	return failed, err
}

// A failed operation never leads to a log that forgot something durable. A failed write or sync of an open log poisons
// it: every later call fails, and so does the next Open, whatever the page cache shows.
func TestEveryOperationFails(t *testing.T) {
	for n := 1; ; n++ {
		mem := vfs.NewCrashableMem()
		s := &script{options: testOptions(nil)}
		failed, err := failAt(s, mem, n, syscall.EIO)
		if failed == (act{}) {
			if n < 100 {
				t.Fatalf("the script has %d operations only", n)
			}
			return
		}
		where := fmt.Sprintf("operation %d (%v) failed, result %v", n, failed, err)
		poisoned := errors.Is(err, ErrPoisoned)
		if s.log != nil && poisoned {
			if _, again := s.log.Append(bytesOf([]string{"more"}), nil); !errors.Is(again, ErrPoisoned) &&
				!errors.Is(again, ErrClosed) {
				t.Errorf("%s: a later append gave %v", where, again)
			}
		}
		step := ""
		if err != nil {
			step = strings.TrimSuffix(strings.Fields(err.Error())[2], ":")
		}
		isWrite := strings.HasPrefix(failed.verb, "write") || strings.HasPrefix(failed.verb, "sync")
		if inLog := slices.Contains([]string{"append", "big", "sync", "close"}, step); inLog && isWrite && !poisoned {
			t.Errorf("%s: the log is not poisoned", where)
		}
		if s.log != nil {
			s.log.Abandon()
		}
		s.options.FS = mem
		switch err := s.open(); {
		case poisoned && !errors.Is(err, ErrPoisoned):
			t.Errorf("%s: the next open gave %v", where, err)
		case !poisoned && err != nil && (s.created || !errors.Is(err, ErrNotExist)):
			t.Errorf("%s: the next open gave %v", where, err)
		case s.created && !poisoned:
			s.log.Abandon()
		}
	}
}

// A full disk refuses batches but poisons nothing: when space is free again the same log goes on.
func TestDiskFullAtEveryWrite(t *testing.T) {
	const ops = "create append sync append append append sync append append big append sync append append sync"
	for n := 1; ; n++ {
		mem := vfs.NewCrashableMem()
		count, full := 0, true
		options := testOptions(&disk{FS: mem, before: func(a act) error {
			if a.verb != "write" && a.verb != "write at" && a.verb != "open to write" {
				return nil
			}
			if count++; full && count >= n {
				return syscall.ENOSPC
			}
			return nil
		}})
		s := &script{options: options}
		err := s.play(ops)
		if err == nil {
			if n < 15 {
				t.Fatalf("the script has %d writes only", n)
			}
			return
		}
		if !errors.Is(err, ErrNoSpace) && !errors.Is(err, errNoFile) {
			t.Fatalf("disk full at write %d: %v", n, err)
		}
		full = false
		if !s.created {
			if err := s.step("create", 0); err != nil {
				t.Fatalf("create after the disk was full at write %d: %v", n, err)
			}
		} else {
			s.model.batches = s.model.batches[:len(s.model.batches)-1] // refused
		}
		if err := s.play("append append sync abandon open append close open close"); err != nil {
			t.Fatalf("after the disk was full at write %d: %v", n, err)
		}
	}
}

// killedThenPowerLost kills a process with a batch in the page cache only, opens the log, whose owner may answer by
// what it has replayed, and then loses power.
func killedThenPowerLost(t *testing.T, options Options) error {
	fs := vfs.NewCrashableMem()
	options.FS = fs
	s := &script{options: options}
	if err := s.play("create append sync append abandon open"); err != nil {
		return err
	}
	options.FS = power(t, fs).least.fs(t)
	log, all, err := replayAll(options)
	if err != nil {
		return err
	}
	log.Abandon()
	return s.model.accept(all) // open has counted both batches as durable
}

func TestKilledThenPowerLost(t *testing.T) { must(t, killedThenPowerLost(t, testOptions(nil))) }

// rolledThenPowerLost loses power after a synced batch in a segment that was begun for it: its name must be durable.
func rolledThenPowerLost(t *testing.T, options Options) error {
	fs := vfs.NewCrashableMem()
	options.FS = fs
	s := &script{options: options}
	if err := s.play("create append sync big sync"); err != nil {
		return err
	}
	options.FS = power(t, fs).least.fs(t)
	log, all, err := replayAll(options)
	if err != nil {
		return err
	}
	log.Abandon()
	return s.model.accept(all)
}

func TestRolledThenPowerLost(t *testing.T) { must(t, rolledThenPowerLost(t, testOptions(nil))) }
