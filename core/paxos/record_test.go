package paxos

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func sampleRecords() []Record {
	ballot := Ballot{300, 5, 0xfedcba9876543210}
	return []Record{
		BirthRecord(testConfig(2, 5, testPlant)),
		{Kind: RecordPromised, Ballot: ballot},
		{Kind: RecordVoted, Ballot: ballot, Slot: 1, Value: Value("12345678\x03abc")},
		{Kind: RecordVoted, Ballot: ballot, Slot: 1 << 40, Value: Value{}},
		{Kind: RecordRuns, Runs: []ChosenRun{{ballot, 1, 7}, {Ballot{301, 1, 1}, 8, 8}}},
	}
}

// TestRecordsComeBack writes and reads every kind of record.
func TestRecordsComeBack(t *testing.T) {
	for _, r := range sampleRecords() {
		encoded := AppendRecord([]byte("before"), &r)
		if !bytes.HasPrefix(encoded, []byte("before")) {
			t.Fatalf("kind %d overwrites what was there", r.Kind)
		}
		got, err := DecodeRecord(encoded[len("before"):])
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v comes back as %+v, %v", r, got, err)
		}
	}
}

// TestDamagedRecordsAreRefused cuts and lengthens records of fixed form.
func TestDamagedRecordsAreRefused(t *testing.T) {
	for _, r := range sampleRecords() {
		encoded := AppendRecord(nil, &r)
		for n := range encoded {
			got, err := DecodeRecord(encoded[:n])
			shorter := got.Kind == RecordVoted && got.Ballot == r.Ballot && got.Slot == r.Slot ||
				got.Kind == RecordRuns && n == len(AppendRecord(nil, &got))
			if err == nil && !shorter {
				t.Errorf("kind %d: the first %d of %d bytes are read as %+v", r.Kind, n, len(encoded), got)
			}
			if err != nil && !errors.Is(err, ErrRecord) {
				t.Errorf("kind %d: %v is not ErrRecord", r.Kind, err)
			}
		}
	}
	for _, b := range [][]byte{nil, {0}, {5}, {255, 1, 2}, append(AppendRecord(nil, &sampleRecords()[1]), 0)} {
		if got, err := DecodeRecord(b); !errors.Is(err, ErrRecord) {
			t.Errorf("%x is read as %+v, %v", b, got, err)
		}
	}
}

// TestImpossibleRecordsAreRefused: what no acceptor writes must not reach one.
func TestImpossibleRecordsAreRefused(t *testing.T) {
	ballot := Ballot{1, 1, 1}
	for name, r := range map[string]Record{
		"a vote in slot 0":       {Kind: RecordVoted, Ballot: ballot},
		"a vote without ballot":  {Kind: RecordVoted, Slot: 1},
		"a promise of nothing":   {Kind: RecordPromised},
		"a run from slot 0":      {Kind: RecordRuns, Runs: []ChosenRun{{ballot, 0, 3}}},
		"a run that ends before": {Kind: RecordRuns, Runs: []ChosenRun{{ballot, 3, 2}}},
		"a run without ballot":   {Kind: RecordRuns, Runs: []ChosenRun{{Ballot{}, 3, 4}}},
		"a birth without life":   {Kind: RecordBorn},
	} {
		if _, err := DecodeRecord(AppendRecord(nil, &r)); !errors.Is(err, ErrRecord) {
			t.Errorf("%s is read: %v", name, err)
		}
	}
}

// TestBatchesComeBack writes commands into a value and reads them.
func TestBatchesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wall := rapid.Int64().Draw(t, "wall")
		commands := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 300)).Draw(t, "commands")
		value := Value(AppendBatch(nil, wall, commands))
		if value.IsNoop() || value.Wall() != wall {
			t.Fatalf("wall time %d comes back as %d", wall, value.Wall())
		}
		n := 0
		for i, c := range value.Commands() {
			if i != n || !bytes.Equal(c, commands[i]) {
				t.Fatalf("command %d comes back as number %d, %x", n, i, c)
			}
			n++
		}
		if n != len(commands) {
			t.Fatalf("%d of %d commands come back", n, len(commands))
		}
	})
	if !(Value{}).IsNoop() || (Value{}).Wall() != 0 {
		t.Error("the empty value is not the no-op")
	}
}

// FuzzDecodeRecord: whatever is read can be written, read again as the same, and
// replayed, unless its slot is beyond what memory could hold.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range sampleRecords() {
		f.Add(AppendRecord(nil, &r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecord(b)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("%v is not ErrRecord", err)
			}
			return
		}
		again, err := DecodeRecord(AppendRecord(nil, &r))
		if err != nil || !reflect.DeepEqual(normal(again), normal(r)) {
			t.Fatalf("%+v comes back as %+v, %v", r, again, err)
		}
		if r.Slot <= 1<<20 {
			a := NewAcceptor(testConfig(1, 5, testPlant), AcceptorOptions{}, noArchive{})
			a.Restore(r)
		}
	})
}

// normal makes an absent and an empty value the same.
func normal(r Record) Record {
	if len(r.Value) == 0 {
		r.Value = nil
	}
	return r
}

// FuzzValueCommands: any bytes are walked without a panic, within their bounds,
// and what was written whole is read whole.
func FuzzValueCommands(f *testing.F) {
	f.Add(AppendBatch(nil, 1, [][]byte{[]byte("a"), nil, bytes.Repeat([]byte("b"), 200)}))
	f.Add([]byte("12345678\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		v := Value(b)
		var commands [][]byte
		total := 0
		for i, c := range v.Commands() {
			if i != len(commands) {
				t.Fatalf("command %d is numbered %d", len(commands), i)
			}
			commands = append(commands, c)
			total += len(c)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of commands in %d bytes", total, len(b))
		}
		i := 0
		for _, c := range Value(AppendBatch(nil, v.Wall(), commands)).Commands() {
			if !bytes.Equal(c, commands[i]) {
				t.Fatalf("command %d comes back as %x", i, c)
			}
			i++
		}
		if i != len(commands) {
			t.Fatalf("%d of %d commands come back", i, len(commands))
		}
	})
}
