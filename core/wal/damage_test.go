package wal

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// example is a small log as files, with what it holds. The batches of pending were never synced.
type example struct {
	files   image
	batches [][]string
	synced  image // the files before pending was appended
	pending int   // how many of the batches are in pending
}

// makeExample writes a log of several segments; clean closes it, otherwise the role crashes.
func makeExample(t tester, pending int, clean bool) example {
	t.Helper()
	return playExample(t, "create append sync append append sync append sync append sync abandon open append sync",
		pending, clean)
}

// makeReleased is makeExample with a log that has lost its first segments.
func makeReleased(t tester, clean bool) example {
	t.Helper()
	kept := strings.Repeat("append sync ", 7)
	return playExample(t, "create "+strings.Repeat("append ", 11)+"release "+kept, 0, clean)
}

func playExample(t tester, ops string, pending int, clean bool) example {
	t.Helper()
	fs := vfs.NewCrashableMem()
	options := testOptions(fs)
	options.SegmentBytes = options.FirstSegmentBytes
	s := &script{options: options}
	must(t, s.play(ops))
	must(t, s.model.accept(s.places[s.gone():]))
	e := example{synced: readImage(t, fs), pending: pending}
	for i := range pending {
		must(t, s.append([]string{fmt.Sprint("pending ", i), "", strings.Repeat("y", 20)}))
	}
	if clean {
		must(t, s.log.Close())
	} else {
		s.log.Abandon()
	}
	e.files, e.batches = readImage(t, fs), s.model.batches
	return e
}

// check opens files and compares with the example, of which the last cuts batches may be missing.
func (e example) check(t tester, files image, cuts int) error {
	m := model{batches: e.batches, durable: len(e.batches) - cuts}
	log, all, err := replayAll(testOptions(files.fs(t)))
	if err != nil {
		return err
	}
	log.Abandon()
	if err := m.accept(all); err != nil {
		return fmt.Errorf("WRONG: %w", err)
	}
	return nil
}

// diagnosed reports whether an error is one that an operator can act on.
func diagnosed(err error) bool {
	if err == nil || strings.Contains(err.Error(), "WRONG") {
		return false
	}
	known := errors.Is(err, ErrDamaged) || errors.Is(err, ErrIdentity) || errors.Is(err, ErrVersion)
	return known && strings.Contains(err.Error(), testDir+"/") && strings.Contains(err.Error(), ": ")
}

// lastBatch is where the last batch of the newest segment begins and ends.
func (e example) lastBatch(t tester) (name string, start, end int) {
	t.Helper()
	names := e.files.names()
	name = names[len(names)-1]
	id, _ := parseSegmentName(name)
	data := e.files[name]
	start, end = segmentHeadBytes, segmentHeadBytes
	for end+batchHeadBytes <= len(data) {
		head, ok := decodeBatchHead(data[end:], Position{id, int64(end)})
		if !ok {
			break
		}
		start, end = end, end+batchHeadBytes+int(head.length)
	}
	return name, start, end
}

// A changed byte anywhere never gives a wrong record: it is harmless, or refused with a reason. Only in the last batch
// of a log that was not closed, behind which nothing was written, it cannot be told from a torn write.
func TestFlipEveryByte(t *testing.T) {
	for i, e := range []example{
		makeExample(t, 0, true), makeExample(t, 0, false), makeReleased(t, true), makeReleased(t, false),
	} {
		clean := i%2 == 0
		must(t, e.check(t, e.files, 0))
		lastName, lastStart, lastEnd := e.lastBatch(t)
		refused, harmless, cut := 0, 0, 0
		for _, name := range e.files.names() {
			for at := range e.files[name] {
				files := maps.Clone(e.files)
				files[name] = append([]byte(nil), e.files[name]...)
				files[name][at] ^= []byte{0xff, 1, 0x80, 0x10}[at%4]
				err := e.check(t, files, 0)
				inLast := name == lastName && at >= lastStart && at < lastEnd
				switch {
				case err == nil:
					harmless++
				case diagnosed(err):
					refused++
				case !clean && inLast && e.check(t, files, 1) == nil:
					cut++
				default:
					t.Fatalf("clean %v: byte %d of %q changed: %v", clean, at, name, err)
				}
			}
		}
		t.Logf("clean %v: %d changes refused, %d harmless, %d cut the last batch", clean, refused, harmless, cut)
		if refused == 0 || harmless == 0 || (cut == 0) != clean {
			t.Errorf("clean %v: the test does not test what it says", clean)
		}
	}
}

// In a closed log every record is under at least two witnesses that lie apart: a lost stretch is refused wherever it
// is.
func TestZeroEveryStretch(t *testing.T) {
	e := makeExample(t, 0, true)
	for _, name := range e.files.names() {
		data := e.files[name]
		for at := 0; at+64 <= len(data); at += 8 {
			files := e.files.clone()
			clear(files[name][at : at+64])
			if err := e.check(t, files, 0); err != nil && !diagnosed(err) {
				t.Fatalf("64 zeros at %d of %q: %v", at, name, err)
			}
		}
	}
}

// A torn write cuts whole batches that were never durable, and nothing else.
func TestTearEveryByteOfUnsyncedBatches(t *testing.T) {
	e := makeExample(t, 3, false)
	name, _, end := e.lastBatch(t)
	start := 0
	for start = range e.files[name] {
		if e.files[name][start] != e.synced[name][start] {
			break
		}
	}
	start -= start % alignBytes // the sum of the first pending batch may begin with a zero
	cutsSeen := map[int]bool{}
	for at := start; at <= end; at++ {
		front, back := e.files.clone(), e.files.clone()
		clear(front[name][at:end])  // only the front was written
		clear(back[name][start:at]) // only the back was written
		for i, files := range []image{front, back} {
			if err := e.check(t, files, e.pending); err != nil {
				t.Fatalf("torn at %d, variant %d: %v", at, i, err)
			}
		}
		for cuts := range e.pending + 1 {
			if e.check(t, front, cuts) == nil {
				cutsSeen[cuts] = true
				break
			}
		}
	}
	if len(cutsSeen) != e.pending+1 {
		t.Errorf("tears cut %v batches, want each number up to %d", cutsSeen, e.pending)
	}
}

// What a cut left behind cannot come alive: the log goes on elsewhere, and the old file ends where the next one says.
func TestCutStaysCut(t *testing.T) {
	e := makeExample(t, 2, false)
	name, start, end := e.lastBatch(t)
	files := e.files.clone()
	clear(files[name][start:end])
	fs := files.fs(t)
	log, _, err := replayAll(testOptions(fs))
	must(t, err)
	must(t, log.Close())
	files = readImage(t, fs)
	copy(files[name][start:end], e.files[name][start:end]) // the lost write turns up after all
	if err := e.check(t, files, 1); err != nil {
		t.Fatal(err)
	}
	if err := e.check(t, files, 0); err == nil {
		t.Fatal("the cut batch is back")
	}
}

// refusal is one way to spoil a log, and the words the operator gets.
type refusal struct {
	name  string
	spoil func(image, []string)
	want  error
	words []string
}

func refusals() []refusal {
	return []refusal{
		{"first segment missing", func(m image, n []string) { delete(m, n[0]) }, ErrDamaged, []string{"no file"}},
		{"middle segment missing", func(m image, n []string) { delete(m, n[1]) }, ErrDamaged, []string{"no file"}},
		{"last segment missing", func(m image, n []string) { delete(m, n[len(n)-1]) }, ErrDamaged, []string{"no file"}},
		{"empty file", func(m image, n []string) { m[n[1]] = nil }, ErrDamaged, []string{"an empty file"}},
		{"short file", func(m image, n []string) { m[n[1]] = m[n[1]][:60] }, ErrDamaged, []string{"a file of 60 bytes"}},
		{"cut file", func(m image, n []string) { m[n[1]] = m[n[1]][:1000] }, ErrDamaged, []string{"of 1024 bytes"}},
		{"long file", func(m image, n []string) { m[n[1]] = append(m[n[1]], 0) }, ErrDamaged, []string{"one of 1025"}},
		{"zeroed file", func(m image, n []string) { clear(m[n[1]]) }, ErrDamaged, []string{"zeros"}},
		{"foreign content", func(m image, n []string) { copy(m[n[1]], "#!/bin/sh") }, ErrDamaged, []string{"a foreign file"}},
		{"swapped files", func(m image, n []string) { m[n[0]], m[n[1]] = m[n[1]], m[n[0]] }, ErrDamaged, []string{"renamed"}},
		{"foreign file", func(m image, _ []string) { m["notes.txt"] = nil }, ErrForeign, []string{"notes.txt", "move it"}},
		{"odd name", func(m image, n []string) { m["1.segment"] = m[n[0]] }, ErrForeign, []string{"1.segment"}},
		{"poisoned", func(m image, _ []string) { m[poisonedName] = nil }, ErrPoisoned, []string{"POISONED", "refuses"}},
		{"nothing left", func(m image, _ []string) { clear(m) }, ErrNotExist, []string{"no segment", "initialise"}},
		{"other version", func(m image, n []string) { setVersion(m[n[0]], 2) }, ErrVersion, []string{"has version 2"}},
	}
}

func setVersion(segment []byte, version byte) {
	segment[8] = version
	sum := segmentHeadSum(segment)
	for i := range 4 {
		segment[12+i] = byte(sum >> (8 * i))
	}
}

// Each way in which a log can be spoiled as a whole has its own readable error.
func TestRefusals(t *testing.T) {
	e := makeExample(t, 0, true)
	for _, r := range refusals() {
		files := e.files.clone()
		r.spoil(files, files.names())
		_, _, err := replayAll(testOptions(files.fs(t)))
		if !errors.Is(err, r.want) {
			t.Errorf("%s: got %v, want %v", r.name, err, r.want)
			continue
		}
		for _, word := range append(r.words, testDir) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", r.name, err, word)
			}
		}
		if errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), "refuses to vote") {
			t.Errorf("%s: %q does not say that the acceptor refuses", r.name, err)
		}
	}
}

func TestIdentityIsChecked(t *testing.T) {
	e := makeExample(t, 0, true)
	for _, other := range []Identity{
		{Cluster: [16]byte{1}, Replica: 3, Incarnation: 7},
		{Cluster: testIdentity.Cluster, Replica: 4, Incarnation: 7},
		{Cluster: testIdentity.Cluster, Replica: 3, Incarnation: 8},
	} {
		options := testOptions(e.files.fs(t))
		options.Identity = other
		if _, _, err := replayAll(options); !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), other.String()) {
			t.Errorf("opened as %v: %v", other, err)
		}
	}
}

func TestCreateRefusesALog(t *testing.T) {
	e := makeExample(t, 0, true)
	if _, err := Create(testOptions(e.files.fs(t))); !errors.Is(err, ErrExists) {
		t.Errorf("create over a log: %v", err)
	}
	poisoned := image{poisonedName: nil}
	if _, err := Create(testOptions(poisoned.fs(t))); !errors.Is(err, ErrExists) {
		t.Errorf("create over a poisoned log: %v", err)
	}
	if _, err := Open(testOptions(vfs.NewMem()), nil); !errors.Is(err, ErrNotExist) {
		t.Errorf("open of nothing: %v", err)
	}
}

// Unfinished segments are removed, whatever they contain: they never had a name that counts.
func TestLeftoversAreRemoved(t *testing.T) {
	e := makeExample(t, 0, true)
	e.files[nextName], e.files[spareName] = []byte("half a header"), nil
	fs := e.files.fs(t)
	log, _, err := replayAll(testOptions(fs))
	must(t, err)
	must(t, log.Close())
	for _, name := range readImage(t, fs).names() {
		if _, ok := parseSegmentName(name); !ok {
			t.Errorf("%q is still there", name)
		}
	}
}

// damageInTheMiddle changes a byte in a batch that others follow, in an old segment and in the newest one.
func damageInTheMiddle(t *testing.T, options Options) error {
	e := makeExample(t, 2, true)
	for _, name := range e.files.names() {
		files := e.files.clone()
		files[name][segmentHeadBytes+batchHeadBytes+recordHeadBytes] ^= 1
		options.FS = files.fs(t)
		log, _, err := replayAll(options)
		if err == nil {
			log.Abandon()
			return fmt.Errorf("damage in the middle of %q was not refused", name)
		}
		if !errors.Is(err, ErrDamaged) {
			return err
		}
	}
	return nil
}

func TestDamageInTheMiddleIsRefused(t *testing.T) { must(t, damageInTheMiddle(t, testOptions(nil))) }
