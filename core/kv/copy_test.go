package kv

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func exampleManifest() *Manifest {
	return &Manifest{Slot: 300, Chain: 1 << 60, Files: []CopyFile{
		{Name: "000004.sst", Bytes: 70_000, Sum: 0xdeadbeef}, {Name: "MANIFEST-000001"}, {Name: "rows", Bytes: 1},
	}}
}

// Whatever is not a manifest, or one that no replica writes, is refused: its names decide where files are made.
func TestManifestIsChecked(t *testing.T) {
	spoil := map[string]func(m *Manifest){
		"no slot":         func(m *Manifest) { m.Slot = 0 },
		"no files":        func(m *Manifest) { m.Files = nil },
		"twice":           func(m *Manifest) { m.Files[1].Name = m.Files[0].Name },
		"no name":         func(m *Manifest) { m.Files[0].Name = "" },
		"parent":          func(m *Manifest) { m.Files[0].Name = ".." },
		"path":            func(m *Manifest) { m.Files[0].Name = "../identity.toml" },
		"absolute":        func(m *Manifest) { m.Files[0].Name = "/etc/passwd" },
		"long name":       func(m *Manifest) { m.Files[0].Name = strings.Repeat("x", copyNameBytesMax+1) },
		"too large":       func(m *Manifest) { m.Files[0].Bytes = copyBytesMax + 1 },
		"too large a sum": func(m *Manifest) { m.Files[0].Bytes, m.Files[1].Bytes = copyBytesMax, 1 },
	}
	for name, change := range spoil {
		m := exampleManifest()
		change(m)
		if _, err := DecodeManifest(AppendManifest(nil, m)); !errors.Is(err, ErrCopy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzManifest decodes anything: what is taken is coded as it came. The sum is put right first, or nothing would get
// past it.
func FuzzManifest(f *testing.F) {
	whole := AppendManifest(nil, exampleManifest())
	f.Add(whole[:len(whole)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := CopySum(0, body)
		raw := append(bytes.Clone(body), byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
		m, err := DecodeManifest(raw)
		if err != nil {
			if !errors.Is(err, ErrCopy) {
				t.Fatal(err)
			}
			return
		}
		again, err := DecodeManifest(AppendManifest(nil, m))
		if err != nil || again.Slot != m.Slot || again.Bytes() != m.Bytes() || len(again.Files) != len(m.Files) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}
