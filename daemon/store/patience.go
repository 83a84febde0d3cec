package store

import (
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pauses after failed background work: the first, and the longest.
const (
	patienceFirst = 10 * time.Millisecond
	patienceMax   = time.Second
)

// patientFS lets Pebble wait before it begins a table again. Pebble repeats a
// failed flush at once and for ever; on a full disk, or in a folder that somebody
// has removed, that would take a whole processor for nothing.
type patientFS struct {
	vfs.FS
	store *Store
}

// Create implements vfs.FS. Tables are made by Pebble's background goroutines,
// which hold no lock then.
func (p patientFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if failures := p.store.failures.Load(); failures > 0 && strings.HasSuffix(name, ".sst") {
		time.Sleep(min(patienceFirst<<min(failures, 16), patienceMax))
	}
	return p.FS.Create(name, category)
}

// powerOfTwo says which repetitions of a failure are told: ever fewer.
func powerOfTwo(n uint64) bool { return n&(n-1) == 0 }
