package wal

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// inspect reads an image with and without knowing whose log it is, and checks that nothing was changed.
func inspect(t *testing.T, files image, identity Identity) (*Inspection, []string) {
	t.Helper()
	fs := files.fs(t)
	options := testOptions(fs)
	options.Identity = identity
	var records []string
	n, err := Inspect(options, func(_ Position, payload []byte) error {
		records = append(records, string(payload))
		return nil
	})
	must(t, err)
	if after := readImage(t, fs); !maps.EqualFunc(files, after, slices.Equal[[]byte]) {
		t.Fatal("the inspection has changed the log")
	}
	return n, records
}

// An inspection says what Open says, for a whole log and for every changed byte, and shows what Open replays.
func TestInspectAgreesWithOpen(t *testing.T) {
	for _, e := range []example{makeExample(t, 0, true), makeReleased(t, true), makeReleased(t, false)} {
		for _, name := range e.files.names() {
			for at := -1; at < len(e.files[name]); at += 7 {
				files := maps.Clone(e.files)
				if at >= 0 {
					files[name] = slices.Clone(e.files[name])
					files[name][at] ^= 0x24
				}
				n, records := inspect(t, files, testIdentity)
				log, all, err := replayAll(testOptions(files.fs(t)))
				if (err == nil) != (n.Refusal == nil) {
					t.Fatalf("byte %d of %s changed: open says %v, inspect %v", at, name, err, n.Refusal)
				}
				if err != nil {
					continue
				}
				log.Abandon()
				var replayed []string
				for _, p := range all {
					replayed = append(replayed, p.payload)
				}
				if !slices.Equal(records, replayed) {
					t.Fatalf("byte %d of %s changed: inspect shows %d records, open replays %d", at, name, len(records), len(all))
				}
			}
		}
	}
}

// Whatever is spoiled as a whole is told as Open tells it, and the rest is read all the same.
func TestInspectRefusals(t *testing.T) {
	e := makeExample(t, 0, true)
	for _, r := range refusals() {
		files := e.files.clone()
		r.spoil(files, files.names())
		n, _ := inspect(t, files, testIdentity)
		if !errors.Is(n.Refusal, r.want) {
			t.Errorf("%s: got %v, want %v", r.name, n.Refusal, r.want)
		}
	}
	files := e.files.clone()
	files[files.names()[0]][200] ^= 1
	files[poisonedName] = []byte("sync failed\n")
	n, records := inspect(t, files, Identity{})
	if n.Identity != testIdentity || n.Marker != "sync failed\n" || !errors.Is(n.Refusal, ErrPoisoned) ||
		n.Segments[0].Err == nil || n.Segments[1].Err != nil || len(records) == 0 {
		t.Errorf("inspected %+v, %d records", n, len(records))
	}
	if err := n.Segments[0].Err; !strings.Contains(err.Error(), n.Segments[0].Path) {
		t.Errorf("%v does not name %s", err, n.Segments[0].Path)
	}
}
