package wal

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// BenchmarkAppendSync is one batch and its sync on the real disk: what a vote waits for.
func BenchmarkAppendSync(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			benchmarkAppend(b, size, true)
		})
	}
}

// BenchmarkAppend is one batch without its sync: encoding, sums and one write.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 64 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			benchmarkAppend(b, size, false)
		})
	}
}

func benchmarkAppend(b *testing.B, size int, sync bool) {
	log, err := Create(Options{FS: vfs.Default, Dir: b.TempDir() + "/log", FirstSegmentBytes: 64 << 20, Background: true})
	must(b, err)
	defer log.Abandon()
	records := [][]byte{make([]byte, size)}
	var positions []Position
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		positions, err = log.Append(records, positions[:0])
		must(b, err)
		if sync {
			must(b, log.Sync())
		}
	}
}

// BenchmarkOpen replays 32 MiB of batches of 1 KiB.
func BenchmarkOpen(b *testing.B) {
	options := Options{FS: vfs.Default, Dir: b.TempDir() + "/log", FirstSegmentBytes: 40 << 20}
	log, err := Create(options)
	must(b, err)
	record := make([]byte, 1<<10)
	for range 32 << 10 {
		_, err := log.Append([][]byte{record}, nil)
		must(b, err)
	}
	must(b, log.Close())
	options.FirstSegmentBytes = 1 << 20 // what Open makes; each round leaves one more behind
	var opening time.Duration
	for b.Loop() {
		start := time.Now()
		log, err := Open(options, func(Position, []byte) error { return nil })
		must(b, err)
		opening += time.Since(start)
		log.Abandon()
	}
	b.ReportMetric(float64(opening.Milliseconds())/float64(b.N), "ms/open")
}
