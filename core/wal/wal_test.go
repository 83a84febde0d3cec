package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The sum of a record, computed in pieces for speed, is the plain CRC-32C of the bytes that the package comment lists.
func TestRecordSumIsPlainCRC(t *testing.T) {
	rest := []byte{3, 0, 0, 0, 'a', 'b', 'c', 0}
	plain := []byte{kindRecords}
	plain = binary.LittleEndian.AppendUint64(plain, 0x1122334455667788)
	plain = binary.LittleEndian.AppendUint64(plain, 4096)
	plain = append(plain, rest...)
	want := crc32.Checksum(plain, crc32.MakeTable(crc32.Castagnoli))
	if got := recordSum(kindRecords, Position{0x1122334455667788, 4096}, rest); got != want {
		t.Errorf("sum %08x, plain %08x", got, want)
	}
}

// A steady stream of batches allocates nothing, neither to append nor to read back.
func TestNoAllocation(t *testing.T) {
	options := testOptions(vfs.NewMem())
	options.FirstSegmentBytes = 16 << 20
	log, err := Create(options)
	must(t, err)
	defer log.Abandon()
	records := [][]byte{make([]byte, 100), make([]byte, 5000), nil}
	var positions []Position
	var buf []byte
	each := func() {
		positions, err = log.Append(records, positions[:0])
		must(t, err)
		must(t, log.Sync())
		buf, err = log.ReadAt(positions[1], buf)
		must(t, err)
	}
	if n := testing.AllocsPerRun(200, each); n > 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func TestLimits(t *testing.T) {
	log, err := Create(testOptions(vfs.NewMem()))
	must(t, err)
	huge := make([]byte, BatchBytesMax/4)
	if _, err := log.Append([][]byte{huge, huge, huge, huge}, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large a batch: %v", err)
	}
	positions, err := log.Append([][]byte{huge[:1<<20]}, nil) // larger than any segment so far
	must(t, err)
	for _, at := range []Position{{}, {9, 200}, {1, 0}, {positions[0].Segment, 1 << 40}, {positions[0].Segment, 177}} {
		if _, err := log.ReadAt(at, nil); err == nil {
			t.Errorf("read at %v succeeded", at)
		}
	}
	for i := range 2 {
		must(t, log.Close())
		if _, err := log.Append([][]byte{nil}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("append after close %d: %v", i, err)
		}
	}
	log.Abandon()
}

// ReadAt finds damage that came after Open, and reads from more segments than it keeps open.
func TestReadAtOverManySegments(t *testing.T) {
	fs := vfs.NewMem()
	options := testOptions(fs)
	options.SegmentBytes, options.FirstSegmentBytes = 640, 640 // one batch each
	log, err := Create(options)
	must(t, err)
	defer log.Abandon()
	var all []placed
	for i := range 2 * openFilesMax {
		payload := fmt.Sprintf("%0300d", i)
		positions, err := log.Append([][]byte{[]byte(payload)}, nil)
		must(t, err)
		all = append(all, placed{positions[0], payload})
	}
	var buf []byte
	for range 2 {
		for _, p := range all {
			buf, err = log.ReadAt(p.at, buf)
			if err != nil || string(buf) != p.payload {
				t.Fatalf("read at %v: %.20q, %v", p.at, buf, err)
			}
		}
	}
	if n := len(log.readers.files); n != openFilesMax {
		t.Errorf("%d files are open, the limit is %d", n, openFilesMax)
	}
	data, err := fs.UnsafeGetFileDataBuffer(testDir + "/" + segmentName(all[3].at.Segment))
	must(t, err)
	data[all[3].at.Offset+20] ^= 1
	if _, err := log.ReadAt(all[3].at, buf); !errors.Is(err, ErrDamaged) {
		t.Errorf("read of a damaged record: %v", err)
	}
}

// With Background the next segment is ready or is not; the log is the same, and ends with its goroutine.
func TestBackground(t *testing.T) {
	for _, clean := range []bool{true, false} {
		fs := vfs.NewMem()
		options := testOptions(fs)
		options.Background = true
		options.SegmentBytes = 2 << 20
		log, err := Create(options)
		must(t, err)
		payload := bytes.Repeat([]byte{7}, 700)
		for range 50 {
			_, err := log.Append([][]byte{payload}, nil)
			must(t, err)
		}
		log.spare.ready <- <-log.spare.ready // wait for the spare
		for !log.Stats().SpareReady {
			t.Fatal("the spare is gone")
		}
		before := log.Stats().Segments
		grown := log.spare.bytes
		for log.Stats().Segments == before {
			_, err := log.Append([][]byte{payload}, nil)
			must(t, err)
		}
		if got := log.last().bytes; got != grown {
			t.Errorf("the new segment has %d bytes, the spare had %d", got, grown)
		}
		count := int(log.Stats().Records)
		if clean {
			must(t, log.Close())
		} else {
			log.Abandon()
		}
		log, all, err := replayAll(options)
		must(t, err)
		if len(all) != count {
			t.Errorf("%d records replayed, %d were appended", len(all), count)
		}
		must(t, log.Close())
		if names := readImage(t, fs).names(); len(names) != log.Stats().Segments {
			t.Errorf("after close there are %v", names)
		}
	}
}

// An error of the replay ends Open and changes nothing.
func TestReplayErrorIsReturned(t *testing.T) {
	e := makeExample(t, 2, false)
	fs := e.files.fs(t)
	stop := errors.New("stop")
	for n := range 20 {
		_, err := Open(testOptions(fs), func(Position, []byte) error {
			if n--; n < 0 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Fatalf("open: %v", err)
		}
	}
	must(t, e.check(t, readImage(t, fs), 0))
}
