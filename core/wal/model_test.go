package wal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

var testIdentity = Identity{Cluster: [16]byte{0xc1, 0xc2}, Replica: 3, Incarnation: 7}

func testOptions(fs vfs.FS) Options {
	return Options{
		FS: fs, Dir: testDir, SegmentBytes: 2048, FirstSegmentBytes: 1024, Identity: testIdentity,
	}
}

// model is a log as a list of batches, and how many of them are durable for certain.
type model struct {
	batches [][]string
	durable int
	// released of the first batches need not be there any more, from some begin on.
	released int
}

// placed is a record as replay handed it out.
type placed struct {
	at      Position
	payload string
}

// replayAll opens a log and returns what it replays.
func replayAll(options Options) (*Log, []placed, error) {
	var all []placed
	log, err := Open(options, func(at Position, payload []byte) error {
		all = append(all, placed{at, string(payload)})
		return nil
	})
	return log, all, err
}

// accept compares a replay with the model: whole batches, from one that need not be there to at least the last that is
// durable. It cuts the model to what was found, which is durable from now on.
func (m *model) accept(all []placed) error {
	var got []string
	for _, p := range all {
		got = append(got, p.payload)
	}
	for skipped := range m.released + 1 {
		var want []string
		for kept := skipped; kept <= len(m.batches); kept++ {
			if kept > skipped {
				want = append(want, m.batches[kept-1]...)
			}
			if kept >= m.durable && slices.Equal(got, want) {
				m.batches, m.durable = m.batches[skipped:kept], kept-skipped
				m.released -= skipped
				return nil
			}
		}
	}
	return fmt.Errorf("replayed %d records %.300q, want the first %d of %d batches %.600q or more of them, "+
		"without at most the first %d", len(got), got, m.durable, len(m.batches), m.batches, m.released)
}

// release notes that the batches in segments before the given one may go, by the places of all records.
func (m *model) release(before uint64, places []placed) {
	records, batches := 0, 0
	for batches < len(m.batches) && places[records].at.Segment < before {
		records += len(m.batches[batches])
		batches++
	}
	m.released = max(m.released, batches)
}

func (m *model) clone() *model {
	return &model{batches: slices.Clone(m.batches), durable: m.durable, released: m.released}
}

// bytesOf makes the records of a batch for Append.
func bytesOf(batch []string) [][]byte {
	records := make([][]byte, len(batch))
	for i, r := range batch {
		records[i] = []byte(r)
	}
	return records
}

// run is a log and its model under the same operations.
type run struct {
	t      *rapid.T
	fs     *vfs.MemFS
	log    *Log
	model  model
	all    []placed // the places of all records of the model
	places []placed // everything that must be readable
	next   int
}

func (r *run) reopen() {
	log, all, err := replayAll(testOptions(r.fs))
	if err != nil {
		r.t.Fatalf("open: %v", err)
	}
	if err := r.model.accept(all); err != nil {
		r.t.Fatal(err)
	}
	r.log, r.all, r.places = log, all, all
}

func (r *run) append(t *rapid.T) {
	var batch []string
	for range rapid.IntRange(1, 4).Draw(t, "records") {
		size := rapid.SampledFrom([]int{0, 1, 7, 8, 9, 60, 300, 2500}).Draw(t, "bytes")
		batch = append(batch, fmt.Sprintf("%d:%*s", r.next, size, ""))
		r.next++
	}
	positions, err := r.log.Append(bytesOf(batch), nil)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	r.model.batches = append(r.model.batches, batch)
	for i, payload := range batch {
		r.all = append(slices.Clip(r.all), placed{positions[i], payload})
		r.places = append(slices.Clip(r.places), placed{positions[i], payload})
	}
}

func (r *run) sync(t *rapid.T) {
	if err := r.log.Sync(); err != nil {
		t.Fatalf("sync: %v", err)
	}
	r.model.durable = len(r.model.batches)
	if s := r.log.Stats(); s.End != s.Durable {
		t.Fatalf("after a sync the end is %v and durable is %v", s.End, s.Durable)
	}
}

// release lets go of what lies before the segment of some record. It may be there until the next segment begins.
func (r *run) release(t *rapid.T) {
	if len(r.places) == 0 {
		t.Skip("nothing to release")
	}
	before := rapid.SampledFrom(r.places).Draw(t, "first kept").at.Segment
	r.model.release(before, r.all)
	r.log.Release(before)
	r.places = slices.DeleteFunc(slices.Clone(r.places), func(p placed) bool { return p.at.Segment < before })
}

func (r *run) read(t *rapid.T) {
	if len(r.places) == 0 {
		t.Skip("nothing to read")
	}
	p := rapid.SampledFrom(r.places).Draw(t, "place")
	got, err := r.log.ReadAt(p.at, nil)
	if err != nil || string(got) != p.payload {
		t.Fatalf("read at %v: %.60q, %v; want %.60q", p.at, got, err, p.payload)
	}
}

func (r *run) closeAndOpen(t *rapid.T) {
	if err := r.log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	r.model.durable = len(r.model.batches)
	r.reopen()
}

// crashRole loses memory only: the page cache keeps every batch.
func (r *run) crashRole(*rapid.T) {
	r.log.Abandon()
	r.model.durable = len(r.model.batches)
	r.reopen()
}

// losePower loses any part of what was not synced.
func (r *run) losePower(t *rapid.T) {
	r.log.Abandon()
	r.fs = power(t, r.fs).tear(rapid.Uint64().Draw(t, "tear")).fs(t)
	r.reopen()
}

// crashAndLosePower makes what a killed process left durable only by opening the log.
func (r *run) crashAndLosePower(t *rapid.T) {
	r.crashRole(t)
	r.losePower(t)
}

// Any order of operations, with crashes of either kind in between, keeps what was durable, in order, in whole batches.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &run{t: t, fs: vfs.NewCrashableMem()}
		log, err := Create(testOptions(r.fs))
		if err != nil {
			t.Fatal(err)
		}
		r.log = log
		t.Repeat(map[string]func(*rapid.T){
			"append": r.append, "append again": r.append, "append more": r.append, "sync": r.sync, "read": r.read, "release": r.release,
			"close": r.closeAndOpen, "crash": r.crashRole, "power": r.losePower, "crash, power": r.crashAndLosePower,
		})
		r.log.Abandon()
	})
}
