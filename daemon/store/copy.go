package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/kv"
)

// copiesSuffix, behind the store's directory, is where its copies lie.
const copiesSuffix = ".copies"

// lockName is Pebble's, in each directory that it has had open.
const lockName = "LOCK"

// files implements kv.Copy on a directory with the files of a manifest.
type files struct {
	fs       vfs.FS
	dir      string
	manifest kv.Manifest

	mu     sync.Mutex
	opened vfs.File // the file read last, nil before the first
	index  int      // its number
}

// Copy makes a copy of the state. It shares the tables with the store by hard
// links, so it costs little, until the store has replaced them. Apply may go on
// meanwhile; a crash of the role waits until the tables are linked. The error is
// kv.ErrCopy if nothing was ever applied, and ErrClosed.
func (s *Store) Copy() (kv.Copy, error) {
	fs, copies := s.options.FS, s.options.Dir+copiesSuffix
	if err := fs.MkdirAll(copies, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of copies %s: %w", copies, err)
	}
	dir := fs.PathJoin(copies, fmt.Sprint(s.copies.Add(1)))
	if err := fs.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("remove an old copy: %w", err)
	}
	c, err := s.copyTo(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy the applied state: %w", err), fs.RemoveAll(dir))
	}
	return c, nil
}

func (s *Store) copyTo(dir string) (*files, error) {
	if err := s.Checkpoint(dir); err != nil {
		return nil, err
	}
	c := &files{fs: s.options.FS, dir: dir}
	row, err := peek(s.options, dir)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, fmt.Errorf("%w: nothing was applied yet", kv.ErrCopy)
	}
	mark, err := kv.AppliedMark(row)
	if err != nil {
		return nil, err
	}
	c.manifest.Slot, c.manifest.Chain = mark.Slot, mark.Hash
	names, err := c.fs.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if name == lockName {
			continue
		}
		file, err := sumFile(c.fs, c.fs.PathJoin(dir, name))
		if err != nil {
			return nil, err
		}
		file.Name = name
		c.manifest.Files = append(c.manifest.Files, file)
	}
	return c, nil
}

// peek opens a store for reading only and returns the row of its applied slot,
// nil if there is none.
func peek(options Options, dir string) (row []byte, err error) {
	s := &Store{options: options}
	o := s.pebbleOptions()
	o.FS, o.Lock, o.EventListener, o.ReadOnly = options.FS, nil, nil, true
	if s.db, err = pebble.Open(dir, o); err != nil {
		if pebble.IsCorruptionError(err) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	row, found, err := s.get(s.db, kv.AppliedKey(), nil)
	if !found {
		row = nil
	}
	return row, errors.Join(err, s.db.Close())
}

// Applied reads, from a store that no process has open, up to which slot it is
// complete, with the hash over all values; zero if nothing was ever applied. Errors
// are ErrDamaged and the file system's, and os.ErrNotExist without a store.
func Applied(options Options) (kv.Mark, error) {
	options = options.withDefaults()
	if !exists(options.FS, options.Dir) {
		return kv.Mark{}, fmt.Errorf("read the applied state: %s: %w", options.Dir, os.ErrNotExist)
	}
	row, err := peek(options, options.Dir)
	if err != nil || row == nil {
		return kv.Mark{}, err
	}
	return kv.AppliedMark(row)
}

// sumBytes is read at once to sum a file.
const sumBytes = 256 << 10

// sumFile reads a file to its end.
func sumFile(fs vfs.FS, path string) (kv.CopyFile, error) {
	file, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return kv.CopyFile{}, err
	}
	var sum kv.CopyFile
	buffer := make([]byte, sumBytes)
	for {
		n, err := file.Read(buffer)
		sum.Bytes += int64(n)
		sum.Sum = kv.CopySum(sum.Sum, buffer[:n])
		if errors.Is(err, io.EOF) {
			return sum, file.Close()
		}
		if err != nil {
			return sum, errors.Join(fmt.Errorf("read %s: %w", path, err), file.Close())
		}
	}
}

// Manifest implements kv.Copy.
func (c *files) Manifest() *kv.Manifest { return &c.manifest }

// ReadAt implements kv.Copy.
func (c *files) ReadAt(p []byte, offset int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	read, begin := 0, int64(0)
	for i, file := range c.manifest.Files {
		end := begin + file.Bytes
		if at := offset + int64(read); at < end && read < len(p) {
			part := p[read:min(len(p), read+int(min(end-at, int64(len(p)))))]
			if err := c.readPart(i, part, at-begin); err != nil {
				return read, fmt.Errorf("read copy of the applied state: %w", err)
			}
			read += len(part)
		}
		begin = end
	}
	if read < len(p) {
		return read, io.EOF
	}
	return read, nil
}

// readPart reads within one file, all of p.
func (c *files) readPart(index int, p []byte, offset int64) error {
	if c.opened == nil || c.index != index {
		if err := c.closeFile(); err != nil {
			return err
		}
		file, err := c.fs.Open(c.fs.PathJoin(c.dir, c.manifest.Files[index].Name))
		if err != nil {
			return err
		}
		c.opened, c.index = file, index
	}
	n, err := c.opened.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	return errors.Join(err, io.ErrUnexpectedEOF)
}

func (c *files) closeFile() error {
	if c.opened == nil {
		return nil
	}
	err := c.opened.Close()
	c.opened = nil
	return err
}

// Close implements kv.Copy. It removes the copy.
func (c *files) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.closeFile(), c.fs.RemoveAll(c.dir))
}
