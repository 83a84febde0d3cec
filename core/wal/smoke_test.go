package wal

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestSmoke(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := Options{FS: fs, Dir: "a/b", SegmentBytes: 4096}
	l, err := Create(o)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for round := range 5 {
		for range 20 {
			if _, err := l.Append([][]byte{[]byte(fmt.Sprint("r", n)), make([]byte, n)}, nil); err != nil {
				t.Fatal(err)
			}
			n++
			if n%3 == 0 {
				if err := l.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if round%2 == 0 {
			l.Abandon()
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		i := 0
		type rec struct {
			p Position
			s string
		}
		var all []rec
		l, err = Open(o, func(p Position, b []byte) error { i++; all = append(all, rec{p, string(b)}); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if i != 2*n {
			t.Fatal(i, n)
		}
		for _, r := range all {
			b, err := l.ReadAt(r.p, nil)
			if err != nil || string(b) != r.s {
				t.Fatal(err)
			}
		}
		t.Logf("%+v", l.Stats())
	}
}
