package store

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"synod/core/kv"
	"synod/core/session"
)

// BenchmarkApply applies puts of 256 bytes to 100,000 keys in slots of 50, from
// one session with so many updates without a known result. Beside the time it
// gives the processor time of the whole process, background work included.
func BenchmarkApply(b *testing.B) {
	for _, window := range []int{50, 500} {
		b.Run(fmt.Sprint("window=", window), func(b *testing.B) {
			s, err := Open(Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Abandon()
			benchmarkMachine(b, s, window)
		})
	}
}

func benchmarkMachine(b *testing.B, s *Store, window int) {
	const slotCommands, keys = 50, 100_000
	machine, err := kv.New(s, kv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	value := kv.AppendBatchCommand(kv.AppendBatchHeader(nil, 1), kv.AppendOpen(nil, session.Token{1}))
	results, err := machine.ApplyBatch([]kv.Entry{{Slot: 1, Value: value}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	update := kv.Update{Session: results[0].Session}
	data := make([]byte, 256)
	var command, key []byte
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		value = kv.AppendBatchHeader(value[:0], 1)
		for range slotCommands {
			update.Sequence++
			update.Low = uint64(max(1, int(update.Sequence)-window))
			key = fmt.Appendf(key[:0], "user%08d", update.Sequence*7919%keys)
			command = kv.AppendPut(command[:0], update, key, data)
			value = kv.AppendBatchCommand(value, command)
		}
		results, err = machine.ApplyBatch([]kv.Entry{{Slot: machine.Applied() + 1, Value: value}}, results[:0])
		if err != nil {
			b.Fatal(err)
		}
	}
	puts := float64(b.N) * slotCommands
	b.ReportMetric(float64(cpuTime(b)-before)/puts/1000, "cpu-µs/put")
	b.ReportMetric(float64(b.Elapsed())/puts/1000, "µs/put")
}

// cpuTime is the processor time that the process has taken.
func cpuTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkGet(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Abandon()
	var batch kv.Batch
	for i := range 1000 {
		batch.Set(fmt.Appendf(nil, "duser%08d", i), make([]byte, 264))
	}
	if err := s.Apply(&batch); err != nil {
		b.Fatal(err)
	}
	machine, err := kv.New(freshStore{s}, kv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var key, value []byte
	i := 0
	for b.Loop() {
		i++
		key = fmt.Appendf(key[:0], "user%08d", i%1000)
		var found bool
		if value, _, found, err = machine.Get(key, value[:0]); err != nil || !found {
			b.Fatal("not found", err)
		}
	}
}

// freshStore looks empty to a machine that starts.
type freshStore struct{ *Store }

func (freshStore) Snapshot() kv.Snapshot { return emptySnapshot{} }

type emptySnapshot struct{}

func (emptySnapshot) Get(_, dst []byte) ([]byte, bool, error) { return dst, false, nil }

func (emptySnapshot) Ascend(_, _ []byte, _ func(key, value []byte) bool) error { return nil }

func (emptySnapshot) Close() error { return nil }
