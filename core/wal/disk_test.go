package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// act is one file operation as a test sees it, before it happens.
type act struct {
	verb, path     string
	offset, length int64
}

func (a act) String() string {
	switch {
	case a.verb == "write at":
		return fmt.Sprintf("%s %s %d+%d", a.verb, a.path, a.offset, a.length)
	case a.verb == "write":
		return fmt.Sprintf("%s %s %d", a.verb, a.path, a.length)
	}
	return a.verb + " " + a.path
}

// changes reports whether the operation can change what a crash leaves behind.
func (a act) changes() bool {
	return !strings.HasPrefix(a.verb, "read") && a.verb != "open" && a.verb != "list"
}

// disk calls before ahead of every operation. An error of before is the operation's result; a write that is refused
// so leaves its first half behind, as a real one may.
type disk struct {
	vfs.FS
	before func(act) error
	files  []*diskFile
}

func (d *disk) file(f vfs.File, path string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	opened := &diskFile{File: f, path: path, disk: d}
	d.files = append(d.files, opened)
	return opened, nil
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.before(act{verb: "create", path: name}); err != nil {
		return nil, err
	}
	f, err := d.FS.Create(name, c)
	return d.file(f, name, err)
}

func (d *disk) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	if err := d.before(act{verb: "open", path: name}); err != nil {
		return nil, err
	}
	f, err := d.FS.Open(name, options...)
	return d.file(f, name, err)
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	if err := d.before(act{verb: "open to write", path: name}); err != nil {
		return nil, err
	}
	f, err := d.FS.OpenReadWrite(name, c)
	return d.file(f, name, err)
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	return d.file(f, name, err)
}

func (d *disk) Remove(name string) error {
	if err := d.before(act{verb: "remove", path: name}); err != nil {
		return err
	}
	return d.FS.Remove(name)
}

func (d *disk) Rename(from, to string) error {
	if err := d.before(act{verb: "rename", path: from + " to " + to}); err != nil {
		return err
	}
	for _, f := range d.files {
		if f.path == from {
			f.path = to
		}
	}
	return d.FS.Rename(from, to)
}

func (d *disk) MkdirAll(name string, perm os.FileMode) error {
	if err := d.before(act{verb: "make directory", path: name}); err != nil {
		return err
	}
	return d.FS.MkdirAll(name, perm)
}

func (d *disk) List(name string) ([]string, error) {
	if err := d.before(act{verb: "list", path: name}); err != nil {
		return nil, err
	}
	return d.FS.List(name)
}

type diskFile struct {
	vfs.File
	path string
	disk *disk
}

func (f *diskFile) Write(p []byte) (int, error) {
	if err := f.disk.before(act{verb: "write", path: f.path, length: int64(len(p))}); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *diskFile) WriteAt(p []byte, offset int64) (int, error) {
	if err := f.disk.before(act{"write at", f.path, offset, int64(len(p))}); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], offset)
		return n, err
	}
	return f.File.WriteAt(p, offset)
}

func (f *diskFile) ReadAt(p []byte, offset int64) (int, error) {
	if err := f.disk.before(act{"read at", f.path, offset, int64(len(p))}); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, offset)
}

func (f *diskFile) Sync() error {
	if err := f.disk.before(act{verb: "sync", path: f.path}); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *diskFile) SyncData() error {
	if err := f.disk.before(act{verb: "sync data", path: f.path}); err != nil {
		return err
	}
	return f.File.SyncData()
}

// image is the content of the log's directory.
type image map[string][]byte

const testDir = "log"

func readImage(t tester, fs vfs.FS) image {
	t.Helper()
	names, err := fs.List(testDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(t, err)
	files := image{}
	for _, name := range names {
		f, err := fs.Open(testDir + "/" + name)
		must(t, err)
		info, err := f.Stat()
		must(t, err)
		data := make([]byte, info.Size())
		if len(data) > 0 {
			_, err = f.ReadAt(data, 0)
			must(t, err)
		}
		must(t, f.Close())
		files[name] = data
	}
	return files
}

// fs makes a file system that holds the image, all of it durable. A nil image has no directory.
func (m image) fs(t tester) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	if m == nil {
		return fs
	}
	must(t, fs.MkdirAll(testDir, 0o755))
	for _, name := range m.names() {
		f, err := fs.Create(testDir+"/"+name, category)
		must(t, err)
		_, err = f.Write(slices.Clone(m[name]))
		must(t, err)
		must(t, f.Sync())
		must(t, f.Close())
	}
	for _, dir := range []string{"", testDir} {
		f, err := fs.OpenDir(dir)
		must(t, err)
		must(t, f.Sync())
		must(t, f.Close())
	}
	return fs
}

func (m image) names() []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m image) clone() image {
	c := image{}
	for name, data := range m {
		c[name] = slices.Clone(data)
	}
	return c
}

// states are what a loss of power may leave of the log's directory.
type states struct {
	least image // durable names, durable bytes
	named image // all names, durable bytes
	most  image // all names, all bytes
}

// power looks at what a loss of power would leave now.
func power(t tester, fs *vfs.MemFS) states {
	t.Helper()
	names := 1 // the directory itself
	if list, err := fs.List(testDir); err == nil {
		names += len(list)
	}
	clone := func(draws int) image {
		rng := rand.New(&yesThenNo{yes: draws})
		return readImage(t, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng}))
	}
	return states{least: clone(0), named: clone(names), most: clone(1 << 30)}
}

// yesThenNo answers CrashClone, which asks first for each name and then for each block whether it survives.
type yesThenNo struct{ yes int }

func (y *yesThenNo) Uint64() uint64 {
	if y.yes--; y.yes >= 0 {
		return 1 << 40
	}
	return 1<<64 - 1
}

// tear mixes the states: each name and each small sector is durable or lost. Unlike CrashClone with a percentage it
// gives the same result for the same seed, and it tears within blocks.
func (s states) tear(seed uint64) image {
	if s.most == nil || s.least == nil && seed%2 == 0 {
		return s.least
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	sector := 8 << rng.IntN(7)
	torn := image{}
	for _, name := range union(s.least, s.most) {
		old, isOld := s.least[name]
		young, isYoung := s.most[name]
		if isOld != isYoung && rng.IntN(2) == 0 {
			continue
		}
		if !isYoung {
			torn[name] = old
			continue
		}
		data := slices.Clone(s.named[name])
		for at := 0; at < len(young); at += sector {
			if rng.IntN(2) == 0 {
				continue
			}
			part := young[at:min(at+sector, len(young))]
			if grow := at + len(part) - len(data); grow > 0 {
				data = append(data, make([]byte, grow)...)
			}
			copy(data[at:], part)
		}
		torn[name] = data
	}
	return torn
}

func union(a, b image) []string {
	names := append(a.names(), b.names()...)
	slices.Sort(names)
	return slices.Compact(names)
}

// tester is what a helper needs of *testing.T, *testing.F and *rapid.T.
type tester interface {
	Helper()
	Fatal(args ...any)
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
