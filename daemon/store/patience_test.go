package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/kv"
)

// brokenTables fails to make tables as long as it is broken.
type brokenTables struct {
	vfs.FS
	broken atomic.Bool
	tries  atomic.Uint64
}

func (b *brokenTables) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if b.broken.Load() && strings.HasSuffix(name, ".sst") {
		b.tries.Add(1)
		return nil, fmt.Errorf("create %s: the folder is gone", filepath.Base(name))
	}
	return b.FS.Create(name, category)
}

// TestFailedFlushesArePaced: Pebble repeats a failed flush at once and for ever.
// Here it waits between two tries, tells ever fewer of them, and goes on when the
// cause is gone.
func TestFailedFlushesArePaced(t *testing.T) {
	fs := &brokenTables{FS: vfs.NewMem()}
	var reports atomic.Uint64
	s, err := Open(Options{FS: fs, Dir: "store", Report: func(error) { reports.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	var b kv.Batch
	b.Set([]byte("dkey"), []byte("value"))
	if err := s.Apply(&b); err != nil {
		t.Fatal(err)
	}
	fs.broken.Store(true)
	begin := time.Now()
	if err := s.Flush(); err == nil {
		t.Fatal("a flush that made no table succeeded")
	}
	const tries = 6
	for end := time.Now().Add(30 * time.Second); fs.tries.Load() < tries; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %d tries", fs.tries.Load())
		}
	}
	// 20, 40, 80, 160 and 320 ms lie between six tries; Pebble alone makes
	// thousands in that time.
	if took := time.Since(begin); took < 500*time.Millisecond {
		t.Errorf("%d tries took %v: nobody waited between them", tries, took)
	}
	if told := reports.Load(); told == 0 || told > tries/2+1 {
		t.Errorf("%d failures were told in %d lines", tries, told)
	}
	fs.broken.Store(false)
	for end := time.Now().Add(30 * time.Second); s.failures.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the store did not go on after the cause was gone")
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
