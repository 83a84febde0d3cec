package wal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A log whose old records are released again and again does not grow, with and without a goroutine that recycles, and
// every start replays only what is kept.
func TestReleasedLogStaysSmall(t *testing.T) {
	for _, background := range []bool{false, true} {
		fs := vfs.NewMem()
		options := testOptions(fs)
		options.Background = background
		options.SegmentBytes = options.FirstSegmentBytes
		log, err := Create(options)
		must(t, err)
		var at []Position
		for i := range 500 {
			payload := fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 200))
			at, err = log.Append([][]byte{payload}, at[:0])
			must(t, err)
			log.Release(at[0].Segment)
			if s := log.Stats(); s.Segments > 2 || s.Bytes > 2*options.SegmentBytes || s.Oldest != at[0].Segment {
				t.Fatalf("batch %d of a log with everything released: %+v", i, s)
			}
			if names, err := fs.List(testDir); err != nil || len(names) > 3 {
				t.Fatalf("batch %d: files %v, %v", i, names, err)
			}
		}
		got, err := log.ReadAt(at[0], nil)
		if err != nil || !strings.HasPrefix(string(got), "499 ") {
			t.Fatalf("the last record: %.20q, %v", got, err)
		}
		if _, err := log.ReadAt(Position{1, 176}, nil); err == nil {
			t.Error("a released record was read")
		}
		must(t, log.Close())
		log, all, err := replayAll(options)
		must(t, err)
		if len(all) == 0 || len(all) > 10 || !strings.HasPrefix(all[len(all)-1].payload, "499 ") {
			t.Errorf("%d records replayed", len(all))
		}
		must(t, log.Close())
	}
}

// A released segment of the right length becomes the next spare: its bytes are overwritten, none of them is valid again.
func TestRecycledSegmentIsBlank(t *testing.T) {
	var renamed int
	mem := vfs.NewMem()
	options := testOptions(&disk{FS: mem, before: func(a act) error {
		if a.verb == "rename" && strings.HasSuffix(a.path, ".segment to "+testDir+"/"+spareName) {
			renamed++
		}
		return nil
	}})
	options.SegmentBytes = options.FirstSegmentBytes
	options.Background = true
	log, err := Create(options)
	must(t, err)
	defer log.Abandon()
	for log.last().id < 9 {
		at, err := log.Append([][]byte{[]byte(strings.Repeat("x", 300))}, nil)
		must(t, err)
		log.Release(at[0].Segment)
		log.spare.ready <- <-log.spare.ready // wait for the spare
		data, err := mem.UnsafeGetFileDataBuffer(testDir + "/" + spareName)
		must(t, err)
		if int64(len(data)) != options.SegmentBytes || !isZero(data) {
			t.Fatalf("segment %d: a spare of %d bytes, not all zero", log.last().id, len(data))
		}
	}
	if renamed < 5 {
		t.Errorf("%d segments were recycled", renamed)
	}
}

// What was released and is still there after a crash is not read, whatever it holds, and goes at the next start.
func TestReleasedLeftoversAreNotRead(t *testing.T) {
	e := makeReleased(t, true)
	if e.files.names()[0] == segmentName(1) {
		t.Fatal("nothing was released")
	}
	e.files[segmentName(1)] = []byte("half zeroed")
	must(t, e.check(t, e.files, 0))
	fs := e.files.fs(t)
	log, _, err := replayAll(testOptions(fs))
	must(t, err)
	must(t, log.Close())
	if names := readImage(t, fs).names(); names[0] == segmentName(1) {
		t.Errorf("the released segment is still there: %v", names)
	}
}

// The disk may refuse to remove: the log goes on, and tries again when the next segment begins.
func TestReleasedFileThatCannotBeRemoved(t *testing.T) {
	refuse := true
	mem := vfs.NewMem()
	options := testOptions(&disk{FS: mem, before: func(a act) error {
		if refuse && a.verb == "remove" {
			return fmt.Errorf("planted")
		}
		return nil
	}})
	options.SegmentBytes = options.FirstSegmentBytes
	log, err := Create(options)
	must(t, err)
	for log.last().id < 6 {
		refuse = log.last().id < 4
		at, err := log.Append([][]byte{[]byte(strings.Repeat("x", 300))}, nil)
		must(t, err)
		log.Release(at[0].Segment)
	}
	must(t, log.Close())
	if names, err := mem.List(testDir); err != nil || len(names) > 2 {
		t.Errorf("files %v, %v", names, err)
	}
}
