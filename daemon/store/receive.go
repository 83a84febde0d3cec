package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/kv"
)

// Directories beside the store's own. A copy that arrives lies under incoming until
// it is whole, checked and durable; then it gets the name next, at once, and with
// that name it replaces the store when that is opened for the next time.
const (
	incomingSuffix = ".incoming"
	nextSuffix     = ".next"
	oldSuffix      = ".old"
	// manifestName is the manifest's file within incoming and next.
	manifestName = "COPY"
)

const copyCategory = vfs.DiskWriteCategory("applied-store-copy")

// Receiver collects the bytes of another replica's copy, in their order, beside a
// store that may be open meanwhile. One goroutine uses it. It ends with Adopt or
// with Close.
type Receiver struct {
	options  Options
	manifest *kv.Manifest
	dir      string

	file   vfs.File // being written, nil between two
	index  int      // of the file that the next byte belongs to
	inFile int64
	sum    uint32
	offset int64
}

// Receive begins to take a copy for the store with these options. What an earlier
// receiver has left unfinished is gone.
func Receive(options Options, m *kv.Manifest) (*Receiver, error) {
	options = options.withDefaults()
	for _, f := range m.Files {
		if f.Name == manifestName || f.Name == lockName {
			return nil, fmt.Errorf("%w: a file %s", kv.ErrCopy, f.Name)
		}
	}
	r := &Receiver{options: options, manifest: m, dir: options.Dir + incomingSuffix}
	fs := options.FS
	if err := fs.RemoveAll(r.dir); err != nil {
		return nil, fmt.Errorf("remove an unfinished copy: %w", err)
	}
	if err := makeDirectory(fs, r.dir); err != nil {
		return nil, fmt.Errorf("make %s: %w", r.dir, err)
	}
	file, err := fs.Create(fs.PathJoin(r.dir, manifestName), copyCategory)
	if err != nil {
		return nil, fmt.Errorf("begin a copy: %w", err)
	}
	_, err = file.Write(kv.AppendManifest(nil, m))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, fmt.Errorf("begin a copy: %w", err)
	}
	return r, nil
}

// Manifest is that of the copy.
func (r *Receiver) Manifest() *kv.Manifest { return r.manifest }

// Offset is how many bytes have been written: where a transfer that broke off goes
// on.
func (r *Receiver) Offset() int64 { return r.offset }

// Write takes the next bytes. kv.ErrCopy says that a file does not match its sum,
// or that there is more than the manifest says; other errors are the disk's.
func (r *Receiver) Write(p []byte) (int, error) {
	written := 0
	for {
		if err := r.endFiles(); err != nil {
			return written, err
		}
		if written == len(p) {
			return written, nil
		}
		if r.index == len(r.manifest.Files) {
			return written, fmt.Errorf("%w: more bytes than its manifest says", kv.ErrCopy)
		}
		rest := r.manifest.Files[r.index].Bytes - r.inFile
		part := p[written:min(len(p), written+int(min(rest, int64(len(p)))))]
		// The disk may change what it is given, so the sum comes first.
		r.sum = kv.CopySum(r.sum, part)
		n, err := r.file.Write(part)
		written, r.inFile, r.offset = written+n, r.inFile+int64(n), r.offset+int64(n)
		if err != nil {
			return written, fmt.Errorf("write copy of the applied state: %w", err)
		}
	}
}

// endFiles ends the file that is full, begins the next, and does the same with
// those that are empty.
func (r *Receiver) endFiles() error {
	for r.index < len(r.manifest.Files) {
		f := &r.manifest.Files[r.index]
		if r.file == nil {
			path := r.options.FS.PathJoin(r.dir, f.Name)
			file, err := r.options.FS.Create(path, copyCategory)
			if err != nil {
				return fmt.Errorf("make %s: %w", path, err)
			}
			r.file = file
		}
		if r.inFile < f.Bytes {
			return nil
		}
		err := errors.Join(r.file.Sync(), r.file.Close())
		r.file = nil
		if err != nil {
			return fmt.Errorf("sync copy of the applied state: %w", err)
		}
		if r.sum != f.Sum {
			return fmt.Errorf("%w: file %s does not match its sum", kv.ErrCopy, f.Name)
		}
		r.index, r.inFile, r.sum = r.index+1, 0, 0
	}
	return nil
}

// Adopt checks that the copy is whole and holds what its manifest says, and makes
// it what the next Open opens, durably. The caller ends the open store, if there is
// one, and opens it again. A copy that is not ahead of the slot that is durable
// here is refused: kv.ErrCopy. The receiver is over in any case.
func (r *Receiver) Adopt(durable uint64) error {
	err := r.adopt(durable)
	return errors.Join(err, r.Close())
}

func (r *Receiver) adopt(durable uint64) error {
	if err := r.endFiles(); err != nil {
		return err
	}
	if r.index < len(r.manifest.Files) {
		return fmt.Errorf("%w: %d of %d bytes", kv.ErrCopy, r.offset, r.manifest.Bytes())
	}
	if r.manifest.Slot <= durable {
		return fmt.Errorf("%w: it ends at slot %d, slot %d is durable here", kv.ErrCopy, r.manifest.Slot, durable)
	}
	row, err := peek(r.options, r.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", kv.ErrCopy, err)
	}
	if err := r.manifest.Holds(row); err != nil {
		return err
	}
	fs, next := r.options.FS, r.options.Dir+nextSuffix
	if err := syncDirectory(fs, r.dir); err != nil {
		return err
	}
	if err := fs.RemoveAll(next); err != nil {
		return fmt.Errorf("remove an older copy: %w", err)
	}
	if err := fs.Rename(r.dir, next); err != nil {
		return fmt.Errorf("adopt the copy: %w", err)
	}
	return syncDirectory(fs, fs.PathDir(next))
}

// Close gives up what was received, unless it was adopted.
func (r *Receiver) Close() error {
	var err error
	if r.file != nil {
		err = r.file.Close()
		r.file = nil
	}
	return errors.Join(err, r.options.FS.RemoveAll(r.dir))
}

// switchOver lets an adopted copy take the place of the store. A crash anywhere in
// it leaves the old store or the new one: the copy keeps the name next until the
// old store has another name, durably, and the old store stays until the copy has
// its name, durably.
func switchOver(options Options) error {
	fs, dir := options.FS, options.Dir
	next, old := dir+nextSuffix, dir+oldSuffix
	switch {
	case !exists(fs, next) && exists(fs, dir):
		return fs.RemoveAll(old)
	case !exists(fs, next) && exists(fs, old):
		return renameDirectory(fs, old, dir)
	case !exists(fs, next):
		return nil
	}
	wanted, err := ahead(options)
	if err != nil {
		return err
	}
	if !wanted {
		return errors.Join(fs.RemoveAll(next), fs.RemoveAll(old))
	}
	if exists(fs, dir) {
		if err := fs.RemoveAll(old); err != nil {
			return err
		}
		if err := renameDirectory(fs, dir, old); err != nil {
			return err
		}
	}
	if err := renameDirectory(fs, next, dir); err != nil {
		return err
	}
	return errors.Join(fs.RemoveAll(old), fs.Remove(fs.PathJoin(dir, manifestName)))
}

// ahead reports whether the adopted copy is ahead of what the store's crash has
// left. The acceptor may have cut its log up to what the store calls durable.
func ahead(options Options) (bool, error) {
	fs, dir := options.FS, options.Dir
	m, err := readManifest(fs, fs.PathJoin(dir+nextSuffix, manifestName))
	if err != nil {
		return false, err
	}
	if !exists(fs, dir) {
		return true, nil
	}
	row, err := peek(options, dir)
	if errors.Is(err, ErrDamaged) || err == nil && row == nil {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	slot, err := kv.AppliedSlot(row)
	return err != nil || slot < m.Slot, nil
}

func readManifest(fs vfs.FS, path string) (*kv.Manifest, error) {
	file, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, kv.ManifestBytesMax+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	m, err := kv.DecodeManifest(text)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	return m, nil
}

// Clean removes what an earlier process has left of copies that it gave away or
// took. Nobody may use the store meanwhile.
func Clean(options Options) error {
	options = options.withDefaults()
	return errors.Join(options.FS.RemoveAll(options.Dir+copiesSuffix), options.FS.RemoveAll(options.Dir+incomingSuffix))
}

func exists(fs vfs.FS, path string) bool {
	_, err := fs.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func renameDirectory(fs vfs.FS, from, to string) error {
	if err := fs.Rename(from, to); err != nil {
		return err
	}
	return syncDirectory(fs, fs.PathDir(to))
}

func syncDirectory(fs vfs.FS, dir string) error {
	handle, err := fs.OpenDir(dir)
	if err == nil {
		err = errors.Join(handle.Sync(), handle.Close())
	}
	if err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
