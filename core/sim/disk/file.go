package disk

import (
	"io"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is an open file or directory.
type file struct {
	disk *Disk
	node *node  // nil for a directory
	dir  string // empty for a file
	at   int64  // where Read and Write go on
}

// Read implements vfs.File.
func (f *file) Read(b []byte) (int, error) {
	n, err := f.ReadAt(b, f.at)
	f.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(b []byte, offset int64) (int, error) {
	if err := f.disk.operate("read"); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements vfs.File.
func (f *file) Write(b []byte) (int, error) {
	n, err := f.WriteAt(b, f.at)
	f.at += int64(n)
	return n, err
}

// WriteAt implements vfs.File. If the agent dies in it, a part may be written.
func (f *file) WriteAt(b []byte, offset int64) (int, error) {
	d := f.disk
	if d.countdown == 1 && !d.fails && len(b) > 0 {
		f.write(b[:d.options.Random.IntN(len(b))], offset)
	}
	if err := d.operate("write"); err != nil {
		return 0, err
	}
	if d.full && offset+int64(len(b)) > int64(len(f.node.data)) {
		return 0, &os.PathError{Op: "write", Path: "disk", Err: syscall.ENOSPC}
	}
	f.write(b, offset)
	return len(b), nil
}

func (f *file) write(b []byte, offset int64) {
	own := make([]byte, len(b))
	copy(own, b)
	f.node.data = overwrite(f.node.data, own, offset)
	f.node.pending = append(f.node.pending, write{offset: offset, bytes: own, issued: f.disk.IdleAt()})
}

// overwrite puts b into data at an offset, with zeros in between if it is beyond.
func overwrite(data, b []byte, offset int64) []byte {
	if end := int(offset) + len(b); end > len(data) {
		if end > cap(data) {
			grown := make([]byte, len(data), end)
			copy(grown, data)
			data = grown
		}
		data = data[:end]
	}
	copy(data[offset:], b)
	return data
}

// Sync implements vfs.File: it returns at once, and is done on the disk's line of
// time.
func (f *file) Sync() error {
	if err := f.disk.operate("sync"); err != nil {
		return err
	}
	done := f.disk.finishSync()
	if f.node == nil {
		f.disk.syncNames(done)
		return nil
	}
	for i := range f.node.pending {
		if w := &f.node.pending[i]; w.synced == 0 {
			w.synced = done
		}
	}
	f.node.settle(f.disk.options.Now())
	return nil
}

// settle moves to the medium what is durable by now.
func (n *node) settle(now int64) {
	done := 0
	for done < len(n.pending) && n.pending[done].synced != 0 && n.pending[done].synced <= now {
		n.medium = overwrite(n.medium, n.pending[done].bytes, n.pending[done].offset)
		done++
	}
	n.pending = append(n.pending[:0], n.pending[done:]...)
}

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.Sync() }

// SyncTo implements vfs.File.
func (f *file) SyncTo(int64) (bool, error) { return true, f.Sync() }

// Stat implements vfs.File.
func (f *file) Stat() (vfs.FileInfo, error) {
	if err := f.disk.operate("stat"); err != nil {
		return nil, err
	}
	return info{size: int64(len(f.node.data))}, nil
}

// Close implements vfs.File. A file that a dead agent held may be closed, too.
func (*file) Close() error { return nil }

// Preallocate implements vfs.File.
func (*file) Preallocate(int64, int64) error { return nil }

// Prefetch implements vfs.File.
func (*file) Prefetch(int64, int64) error { return nil }

// Fd implements vfs.File.
func (*file) Fd() uintptr { return vfs.InvalidFd }

// info implements vfs.FileInfo, except for the time of change, which nobody asks.
type info struct {
	os.FileInfo
	name string
	size int64
	dir  bool
}

func (i info) Name() string { return i.name }
func (i info) Size() int64  { return i.size }
func (i info) IsDir() bool  { return i.dir }
func (info) Sys() any       { return nil }

func (i info) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o700
	}
	return 0o600
}

func (info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
