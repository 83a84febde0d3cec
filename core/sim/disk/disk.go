package disk

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrFailed is what an operation returns that FailAt chose.
var ErrFailed = errors.New("simulated input/output error")

// Died is the value of the panic that ends an agent in the middle of an operation
// that DieAt chose. Whoever runs the agent recovers it.
type Died struct{ Operation string }

// Options of a [Disk]. Times are microseconds.
type Options struct {
	// Now reads the simulated clock.
	Now func() int64
	// Random is the disk's own generator.
	Random *rand.Rand
	// SyncMin and SyncMean describe how long a sync takes: at least the one, and the
	// rest exponential with the other.
	SyncMin, SyncMean int64
}

// Disk is a simulated disk. It has files, and directories that are durable as soon
// as they are made; names of files become durable with the sync of their directory.
type Disk struct {
	vfs.FS // nil: operations that no log uses

	options Options
	idleAt  int64
	files   map[string]*node // what the running system sees
	names   map[string]*node // what is on the medium
	changes []change         // of names, in order, not known to be durable
	dirs    map[string]bool
	nodes   []*node // all that may have pending writes, in order of creation

	countdown int // operations until dying or failing; 0: neither
	fails     bool
	full      bool
	slow      int64

	counts Counts
}

// Counts tell what a disk did.
type Counts struct {
	Operations, Syncs    uint64
	Torn, Dropped, Names uint64 // writes torn and dropped, names lost, at power losses
}

// change is one change of a directory: name now means node, nil for nothing.
type change struct {
	name   string
	node   *node
	issued int64
	synced int64 // when it is durable; 0: not synced yet
}

// node is a file.
type node struct {
	data    []byte // page cache
	medium  []byte
	pending []write // in order, not known to be durable
}

type write struct {
	offset int64
	bytes  []byte
	issued int64
	synced int64
}

// New gives an empty disk.
func New(options Options) *Disk {
	return &Disk{
		options: options, slow: 1,
		files: map[string]*node{}, names: map[string]*node{}, dirs: map[string]bool{"/": true},
	}
}

// IdleAt is when everything that was asked of the disk is done.
func (d *Disk) IdleAt() int64 { return max(d.idleAt, d.options.Now()) }

// Counts tells what the disk did so far.
func (d *Disk) Counts() Counts { return d.counts }

// DieAt makes the agent die in its k-th operation from now; 0 takes it back.
func (d *Disk) DieAt(k int) { d.countdown, d.fails = k, false }

// FailAt makes the k-th operation from now fail; 0 takes it back.
func (d *Disk) FailAt(k int) { d.countdown, d.fails = k, true }

// Fill makes every write that needs new space fail with ENOSPC, until it is taken
// back. Overwriting goes on working, as it does on a real disk.
func (d *Disk) Fill(full bool) { d.full = full }

// Slow makes every sync take so many times as long; 1 takes it back.
func (d *Disk) Slow(times int) { d.slow = int64(times) }

// operate counts an operation of the log and lets it die or fail.
func (d *Disk) operate(name string) error {
	d.counts.Operations++
	if d.countdown == 0 {
		return nil
	}
	d.countdown--
	if d.countdown > 0 {
		return nil
	}
	if d.fails {
		return &os.PathError{Op: name, Path: "disk", Err: ErrFailed}
	}
	panic(Died{name})
}

// finishSync draws how long a sync takes and moves the disk's line of time.
func (d *Disk) finishSync() int64 {
	d.counts.Syncs++
	took := d.options.SyncMin + int64(float64(d.options.SyncMean)*d.options.Random.ExpFloat64())
	d.idleAt = d.IdleAt() + took*d.slow
	return d.idleAt
}

// Create implements vfs.FS.
func (d *Disk) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.operate("create"); err != nil {
		return nil, err
	}
	return d.create(name)
}

func (d *Disk) create(name string) (vfs.File, error) {
	if d.full {
		return nil, &os.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	if !d.dirs[path.Dir(name)] {
		return nil, notExist("create", name)
	}
	n := &node{}
	d.nodes = append(d.nodes, n)
	d.rename(name, n)
	return &file{disk: d, node: n}, nil
}

func (d *Disk) rename(name string, n *node) {
	if n == nil {
		delete(d.files, name)
	} else {
		d.files[name] = n
	}
	d.changes = append(d.changes, change{name: name, node: n, issued: d.IdleAt()})
}

// Open implements vfs.FS.
func (d *Disk) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	if err := d.operate("open"); err != nil {
		return nil, err
	}
	n := d.files[name]
	if n == nil {
		return nil, notExist("open", name)
	}
	return &file{disk: d, node: n}, nil
}

// OpenReadWrite implements vfs.FS.
func (d *Disk) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	if err := d.operate("open"); err != nil {
		return nil, err
	}
	if n := d.files[name]; n != nil {
		return &file{disk: d, node: n}, nil
	}
	return d.create(name)
}

// OpenDir implements vfs.FS.
func (d *Disk) OpenDir(name string) (vfs.File, error) {
	if err := d.operate("open directory"); err != nil {
		return nil, err
	}
	if !d.dirs[name] {
		return nil, notExist("open directory", name)
	}
	return &file{disk: d, dir: name}, nil
}

// Remove implements vfs.FS.
func (d *Disk) Remove(name string) error {
	if err := d.operate("remove"); err != nil {
		return err
	}
	if d.files[name] == nil {
		return notExist("remove", name)
	}
	d.rename(name, nil)
	return nil
}

// Rename implements vfs.FS. It is two changes of names; the new one comes first, so
// that no crash loses both.
func (d *Disk) Rename(old, name string) error {
	if err := d.operate("rename"); err != nil {
		return err
	}
	n := d.files[old]
	if n == nil {
		return notExist("rename", old)
	}
	d.rename(name, n)
	d.rename(old, nil)
	return nil
}

// MkdirAll implements vfs.FS.
func (d *Disk) MkdirAll(dir string, _ os.FileMode) error {
	if err := d.operate("make directory"); err != nil {
		return err
	}
	for ; !d.dirs[dir]; dir = path.Dir(dir) {
		d.dirs[dir] = true
	}
	return nil
}

// List implements vfs.FS.
func (d *Disk) List(dir string) ([]string, error) {
	if err := d.operate("list"); err != nil {
		return nil, err
	}
	if !d.dirs[dir] {
		return nil, notExist("list", dir)
	}
	return d.list(dir), nil
}

// Lose takes every file of a directory away, durably, as if the disk were new.
// Nobody may have one open.
func (d *Disk) Lose(dir string) {
	for _, name := range d.list(dir) {
		full := path.Join(dir, name)
		delete(d.files, full)
		delete(d.names, full)
		d.changes = slices.DeleteFunc(d.changes, func(c change) bool { return c.name == full })
	}
	delete(d.dirs, dir)
}

func (d *Disk) list(dir string) []string {
	var names []string
	for name := range d.files {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

// Stat implements vfs.FS.
func (d *Disk) Stat(name string) (vfs.FileInfo, error) {
	if err := d.operate("stat"); err != nil {
		return nil, err
	}
	if n := d.files[name]; n != nil {
		return info{name: path.Base(name), size: int64(len(n.data))}, nil
	}
	if d.dirs[name] {
		return info{name: path.Base(name), dir: true}, nil
	}
	return nil, notExist("stat", name)
}

// PathBase implements vfs.FS.
func (*Disk) PathBase(name string) string { return path.Base(name) }

// PathJoin implements vfs.FS.
func (*Disk) PathJoin(elements ...string) string { return path.Join(elements...) }

// PathDir implements vfs.FS.
func (*Disk) PathDir(name string) string { return path.Dir(name) }

// Lock implements vfs.FS. Nobody else is there.
func (*Disk) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Unwrap implements vfs.FS.
func (*Disk) Unwrap() vfs.FS { return nil }

func notExist(operation, name string) error {
	return &os.PathError{Op: operation, Path: name, Err: os.ErrNotExist}
}
