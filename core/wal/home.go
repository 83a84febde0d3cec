package wal

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/mutant"
)

const (
	segmentSuffix = ".segment"
	poisonedName  = "POISONED"
	nextName      = "next.tmp"  // a segment that is made while somebody waits
	spareName     = "spare.tmp" // a segment that is made in the background

	// zeroChunkBytes is written at a time. A page: Linux keeps what one call writes in as large a unit of its page cache
	// as it can, and charges the whole unit to the process for every later write of a few bytes of it. With 256 KiB at a
	// time the system said that a small put wrote 1.2 MB on five replicas, nearly thirty times what reached the disk. The time
	// of a sync is the same either way (BenchmarkAppendSync, in turn on an idle machine: 50 to 57 us).
	zeroChunkBytes = 4 << 10
	// zeroSyncBytes is how much the background writes between two syncs: little, so that the sync of a batch does
	// not wait behind it for long.
	zeroSyncBytes = 1 << 20
	oversizeBytes = 4096 // a segment made for one large batch is a multiple of this
)

const category = vfs.DiskWriteCategory("acceptor-log")

var (
	errStopped = errors.New("stopped")
	// errNoFile says that a file could not even be opened, which says nothing about the state of the log.
	errNoFile = errors.New("cannot make file")
)

func segmentName(id uint64) string { return fmt.Sprintf("%012d%s", id, segmentSuffix) }

// parseSegmentName is the inverse of segmentName and takes nothing else.
func parseSegmentName(name string) (id uint64, ok bool) {
	digits, found := strings.CutSuffix(name, segmentSuffix)
	if !found {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, err == nil && id > 0 && segmentName(id) == name
}

// makeDir makes the directory with its ancestors and syncs the parent of each one it made, and of the last.
func makeDir(fs vfs.FS, dir string) error {
	parents := []string{fs.PathDir(dir)}
	for {
		path := parents[len(parents)-1]
		parent := fs.PathDir(path)
		if _, err := fs.Stat(path); err == nil || parent == path {
			break
		}
		parents = append(parents, parent)
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make log directory %q: %w", dir, err)
	}
	for _, parent := range parents {
		handle, err := fs.OpenDir(parent)
		if err == nil {
			err = errors.Join(handle.Sync(), handle.Close())
		}
		if err != nil {
			return fmt.Errorf("sync directory %q: %w", parent, err)
		}
	}
	return nil
}

// home is the log's directory: names, listing, and the making of segments in it.
type home struct {
	fs     vfs.FS
	dir    string
	handle vfs.File // for syncs of the directory
	mutant mutant.Set
}

func openHome(options Options) (home, error) {
	handle, err := options.FS.OpenDir(options.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return home{}, fmt.Errorf("%w: no directory %q: initialise the replica, or let it recover if it lost its disk",
			ErrNotExist, options.Dir)
	}
	if err != nil {
		return home{}, fmt.Errorf("open log directory %q: %w", options.Dir, err)
	}
	return home{fs: options.FS, dir: options.Dir, handle: handle, mutant: options.Mutant}, nil
}

func (h home) path(name string) string { return h.fs.PathJoin(h.dir, name) }

func (h home) close() error { return h.handle.Close() }

// contents is what lies in the directory.
type contents struct {
	segments  []uint64 // ascending
	leftovers []string // provably temporary
	poisoned  bool
}

func (h home) list() (contents, error) {
	names, err := h.fs.List(h.dir)
	if err != nil {
		return contents{}, fmt.Errorf("list log directory %q: %w", h.dir, err)
	}
	slices.Sort(names)
	var found contents
	for _, name := range names {
		id, ok := parseSegmentName(name)
		switch {
		case ok:
			found.segments = append(found.segments, id)
		case name == nextName || name == spareName:
			found.leftovers = append(found.leftovers, name)
		case name == poisonedName:
			found.poisoned = true
		default:
			return contents{}, fmt.Errorf("%w: %q: move it away if it is not a renamed segment", ErrForeign, h.path(name))
		}
	}
	slices.Sort(found.segments)
	return found, nil
}

// removeLeftovers deletes files that never got a segment's name, so never held a batch that anybody relied on.
func (h home) removeLeftovers(names []string) error {
	for _, name := range names {
		if err := h.fs.Remove(h.path(name)); err != nil {
			return fmt.Errorf("remove unfinished segment %q: %w", h.path(name), err)
		}
	}
	return nil
}

// blank makes a file full of zeros under a temporary name, durable in its length and content. A non-nil stop ends it
// early with errStopped, and paces it.
func (h home) blank(name string, bytes int64, stop *atomic.Bool) (vfs.File, error) {
	path := h.path(name)
	file, err := h.fs.OpenReadWrite(path, category)
	if err != nil {
		return nil, fmt.Errorf("%w %q: check permissions and the limit of open files: %w", errNoFile, path, err)
	}
	if err := fillZero(file, bytes, stop); err != nil {
		h.drop(file, name)
		return nil, fmt.Errorf("fill segment %q with zeros: %w", path, err)
	}
	return file, nil
}

func fillZero(file vfs.File, bytes int64, stop *atomic.Bool) error {
	zeros := make([]byte, min(zeroChunkBytes, bytes))
	for written := int64(0); written < bytes; {
		if stop != nil && stop.Load() {
			return errStopped
		}
		clear(zeros) // Write is allowed to change what it is given
		n, err := file.Write(zeros[:min(int64(len(zeros)), bytes-written)])
		if err != nil {
			return err
		}
		written += int64(n)
		if stop != nil && written%zeroSyncBytes == 0 {
			if err := file.SyncData(); err != nil {
				return err
			}
		}
	}
	return file.Sync()
}

// drop closes and removes an unfinished file, best effort: Open removes it as well.
func (h home) drop(file vfs.File, name string) {
	_ = file.Close()
	_ = h.fs.Remove(h.path(name))
}

// newSegment makes a segment with the bytes of image at its begin and gives it its name. A full disk is ErrNoSpace.
// The caller syncs the directory.
func (h home) newSegment(head segmentHead, image []byte) (vfs.File, error) {
	file, err := h.blank(nextName, head.bytes, nil)
	if err == nil {
		err = h.christen(file, nextName, head.segment, image)
	}
	if isNoSpace(err) {
		return nil, noSpace("make segment", h.path(segmentName(head.segment)), err)
	}
	return file, err
}

// christen writes image into a blank file, syncs it, and only then gives it the segment's name: a segment with its name
// has a valid header. On an error the file is gone.
func (h home) christen(file vfs.File, name string, id uint64, image []byte) error {
	n, err := file.WriteAt(image, 0)
	if err == nil && n < len(image) {
		err = fmt.Errorf("%d of %d bytes written", n, len(image))
	}
	if err == nil && !(h.mutant.Has(mutant.M39) && id > 1) {
		err = file.SyncData()
	}
	if err == nil {
		err = h.fs.Rename(h.path(name), h.path(segmentName(id)))
	}
	if err != nil {
		h.drop(file, name)
		return fmt.Errorf("make segment %q: %w", h.path(segmentName(id)), err)
	}
	return nil
}

// syncDir makes the names in the directory durable.
func (h home) syncDir() error {
	if err := h.handle.Sync(); err != nil {
		return fmt.Errorf("sync log directory %q: %w", h.dir, err)
	}
	return nil
}

// poison leaves the marker that makes the next Open refuse, as well as the disk allows, and returns the error.
func (h home) poison(act, name string, cause error) error {
	reason := fmt.Errorf("%w: %s %q failed: this acceptor must stop voting, its state counts as lost: "+
		"check the disk and let the replica recover its state from the others: %w",
		ErrPoisoned, act, h.path(name), cause)
	file, err := h.fs.Create(h.path(poisonedName), category)
	if err != nil {
		return reason
	}
	_, _ = file.Write([]byte(reason.Error() + "\n"))
	_ = file.Sync()
	_ = file.Close()
	_ = h.handle.Sync()
	return reason
}
