package wal

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/mutant"
)

const (
	segmentBytesDefault      = 64 << 20
	firstSegmentBytesDefault = 1 << 20
	segmentGrowth            = 4
	segmentBytesMin          = 512

	// bufferKeepBytesMax is how much encoding memory a Log keeps between batches.
	bufferKeepBytesMax = 8 << 20
)

// Options says where a log lies and whose it is.
type Options struct {
	FS  vfs.FS // nil means the operating system's files
	Dir string // the log's own directory; nothing else may lie in it

	// SegmentBytes is the size that segments reach, 0 for 64 MiB. A batch that does not fit gets a larger one. With
	// Background set the first segments are smaller, each four times the one before.
	SegmentBytes int64
	// FirstSegmentBytes is the size of the segment that Create or Open makes, and of one that has to be made while
	// a batch waits although Background is set; 0 for 1 MiB. Small, because making it is what a start waits for.
	FirstSegmentBytes int64

	Identity Identity

	// Background makes a goroutine write the next segment full of zeros before it is needed. Without it segments
	// are made when they are needed, in one deterministic order of file operations, and no goroutine exists.
	Background bool

	Mutant mutant.Set // planted bugs; empty in a product
}

func (o Options) withDefaults() Options {
	if o.Dir == "" || o.SegmentBytes < 0 || o.FirstSegmentBytes < 0 {
		panic(fmt.Sprintf("wal: impossible options: dir %q, segment bytes %d, first segment bytes %d",
			o.Dir, o.SegmentBytes, o.FirstSegmentBytes))
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = segmentBytesDefault
	}
	if o.FirstSegmentBytes == 0 {
		o.FirstSegmentBytes = min(firstSegmentBytesDefault, o.SegmentBytes)
	}
	o.SegmentBytes = roundUp(max(o.SegmentBytes, segmentBytesMin), alignBytes)
	o.FirstSegmentBytes = roundUp(max(o.FirstSegmentBytes, segmentBytesMin), alignBytes)
	return o
}

// Position is the place of a record, or an end of the log. The zero Position is no place.
type Position struct {
	Segment uint64 // number of the segment, from 1
	Offset  int64  // bytes from the begin of its file
}

// Compare orders positions by their place in the log: -1, 0 or +1.
func (p Position) Compare(q Position) int {
	switch {
	case p.Segment < q.Segment, p.Segment == q.Segment && p.Offset < q.Offset:
		return -1
	case p == q:
		return 0
	}
	return 1
}

// Stats is what a Log knows about itself.
type Stats struct {
	Segments   int      // segments that hold the log
	Oldest     uint64   // number of the lowest that was not released
	Bytes      int64    // length of their files together
	End        Position // where the next batch goes
	Durable    Position // everything below is durable
	Batches    uint64   // batches appended since Create or Open
	Records    uint64   // records in them
	Syncs      uint64   // syncs that had something to do
	SpareReady bool     // the next segment is prepared

	// Torn is where Open cut the log behind an unfinished write; zero if it ended cleanly.
	Torn Position
	// Copied counts the records that Open found valid but not provably durable and wrote anew.
	Copied int
}

// segment is one file of the log. end is behind its last batch that counts.
type segment struct {
	id         uint64
	bytes, end int64
}

// Log is an open log. Only one goroutine may use it.
type Log struct {
	options Options
	home    home
	spare   spareMaker
	readers readers

	segments []segment // ascending without gaps; the last one is written to
	oldest   uint64    // segments below are released
	released []segment // below oldest in a durable header, and still there
	file     vfs.File  // of the last segment
	durable  int64     // all of the last segment below is durable, and all segments before it
	chain    uint32    // sum of the last batch, or of the segment's header
	buffer   []byte    // reused for every batch
	failed   error     // set once: ErrPoisoned or ErrClosed, returned by every later call

	batches, records, syncs uint64
	torn                    Position
	copied                  int
}

// Create makes a new, empty log, durable when it returns, with every directory it had to make. It returns ErrExists if
// there is a log, even a broken one, and ErrNoSpace if the disk is full.
func Create(options Options) (*Log, error) {
	options = options.withDefaults()
	if err := makeDir(options.FS, options.Dir); err != nil {
		return nil, err
	}
	h, err := openHome(options)
	if err != nil {
		return nil, err
	}
	log, err := create(options, h)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return log, nil
}

func create(options Options, h home) (*Log, error) {
	found, err := h.list()
	if err != nil {
		return nil, err
	}
	if len(found.segments) > 0 || found.poisoned {
		return nil, fmt.Errorf("%w: in %q: open it, or move the directory away if its state is really to be lost",
			ErrExists, options.Dir)
	}
	if err := h.removeLeftovers(found.leftovers); err != nil {
		return nil, err
	}
	head := segmentHead{segment: 1, bytes: options.FirstSegmentBytes, identity: options.Identity, oldest: 1}
	image := make([]byte, segmentHeadBytes)
	chain := head.encode(image)
	file, err := h.newSegment(head, image)
	if err != nil {
		return nil, err
	}
	if err := h.syncDir(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	log := newLog(options, h, []segment{{id: 1, bytes: head.bytes, end: segmentHeadBytes}})
	log.start(file, chain)
	return log, nil
}

func newLog(options Options, h home, segments []segment) *Log {
	if h.mutant.Has(mutant.M39) {
		h.mutant = mutant.Set{} // it concerns Open only, which is over
	}
	return &Log{
		options:  options,
		home:     h,
		spare:    spareMaker{home: h, ready: make(chan spare, 1)},
		segments: segments,
		oldest:   segments[0].id,
	}
}

// start begins to write to a segment of which everything so far is durable.
func (l *Log) start(file vfs.File, chain uint32) {
	l.file, l.chain, l.durable = file, chain, l.last().end
	if l.options.Background {
		l.spare.start(l.spareBytes())
	}
}

func (l *Log) last() *segment { return &l.segments[len(l.segments)-1] }

// Append writes records as one batch behind the log and appends their positions to positions. The batch is not durable
// before the next Sync; after a crash either all or none of its records are there. Records may be empty and are not
// kept; the result may reuse positions' memory.
//
// After ErrNoSpace and ErrTooLarge nothing of the batch counts and the log is as before. Any other error poisons.
func (l *Log) Append(records [][]byte, positions []Position) ([]Position, error) {
	if l.failed != nil {
		return positions, l.failed
	}
	if len(records) == 0 {
		return positions, nil
	}
	need := batchBytes(records)
	if need > BatchBytesMax {
		return positions, fmt.Errorf("%w: %d records take more than %d bytes: append them in parts",
			ErrTooLarge, len(records), BatchBytesMax)
	}
	if l.last().end+need+reserveBytes > l.last().bytes {
		if err := l.roll(need); err != nil {
			return positions, err
		}
	}
	return l.write(records, positions)
}

// write encodes one batch that fits into the last segment and writes it with one call.
func (l *Log) write(records [][]byte, positions []Position) ([]Position, error) {
	last := l.last()
	head := batchHead{
		kind: kindRecords, segment: last.id, offset: last.end, durable: l.durable, chain: l.chain,
	}
	l.buffer = appendBatch(l.buffer[:0], &head, records)
	length := int64(len(l.buffer))
	if err := l.writeAt(l.buffer, last.end); err != nil {
		return positions, err
	}
	if cap(l.buffer) > bufferKeepBytesMax {
		l.buffer = nil
	}
	at := last.end + batchHeadBytes
	for _, record := range records {
		positions = append(positions, Position{last.id, at})
		at += recordBytes(len(record))
	}
	l.chain = head.sum
	last.end += length
	l.batches++
	l.records += uint64(len(records))
	return positions, nil
}

// writeAt writes into the last segment. When the disk is full, what it left behind the end is overwritten by the next
// batch or cut at the next Open, so the log stays usable.
func (l *Log) writeAt(src []byte, offset int64) error {
	n, err := l.file.WriteAt(src, offset)
	switch {
	case err == nil && n == len(src):
		return nil
	case err == nil:
		return l.poison("write", l.last().id, fmt.Errorf("%d of %d bytes written", n, len(src)))
	case isNoSpace(err):
		return noSpace("write", l.home.path(segmentName(l.last().id)), err)
	}
	return l.poison("write", l.last().id, err)
}

// Sync makes everything appended so far durable. It does nothing if it is already. An error poisons the log: after a
// failed sync nobody knows what the disk holds, and trying again would report success without having written.
func (l *Log) Sync() error {
	if l.failed != nil {
		return l.failed
	}
	if l.durable == l.last().end {
		return nil
	}
	if err := l.file.SyncData(); err != nil {
		return l.poison("sync", l.last().id, err)
	}
	l.durable = l.last().end
	l.syncs++
	return nil
}

// Stats returns the log's numbers. It works after an error, too.
func (l *Log) Stats() Stats {
	stats := Stats{
		Segments:   len(l.segments),
		Oldest:     l.oldest,
		End:        Position{l.last().id, l.last().end},
		Durable:    Position{l.last().id, l.durable},
		Batches:    l.batches,
		Records:    l.records,
		Syncs:      l.syncs,
		SpareReady: len(l.spare.ready) > 0,
		Torn:       l.torn,
		Copied:     l.copied,
	}
	for _, s := range l.segments {
		stats.Bytes += s.bytes
	}
	return stats
}

// Close syncs, writes a mark that makes every later damage recognisable, and ends the log. If the log is poisoned it
// returns that error, and the files are closed all the same.
func (l *Log) Close() error {
	if errors.Is(l.failed, ErrClosed) {
		return nil
	}
	err := l.Sync()
	if err == nil {
		err = l.mark()
	}
	return errors.Join(err, l.release(true))
}

// mark writes that everything before is durable, behind the last batch and once more at the end of the segment, so that
// one lost block does not take the last batch together with its only witness. A full disk only costs the mark.
func (l *Log) mark() error {
	last := l.last()
	if l.durable == segmentHeadBytes {
		return nil
	}
	for _, offset := range []int64{last.end, max(last.end+batchHeadBytes, last.bytes-batchHeadBytes)} {
		head := batchHead{kind: kindMark, segment: last.id, offset: offset, durable: l.durable, chain: l.chain}
		l.buffer = appendBatch(l.buffer[:0], &head, nil)
		err := l.writeAt(l.buffer, offset)
		if errors.Is(err, ErrNoSpace) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	last.end += batchHeadBytes
	return l.Sync()
}

// Abandon ends the log as a crash of its role would: nothing is written or synced, memory is dropped, files are closed
// and the background goroutine has ended when it returns.
func (l *Log) Abandon() {
	if errors.Is(l.failed, ErrClosed) {
		return
	}
	// Closing cannot fail in a way that matters: the next Open decides by what it finds.
	_ = l.release(false)
}

// release ends the goroutine and closes every file; clean also removes the spare segment.
func (l *Log) release(clean bool) error {
	l.failed = fmt.Errorf("%w: open it again", ErrClosed)
	err := errors.Join(l.spare.end(clean), l.readers.close(), l.file.Close(), l.home.close())
	if err != nil {
		return fmt.Errorf("close log %q: %w", l.options.Dir, err)
	}
	return nil
}

// poison ends the use of the log after a failed write or sync: it leaves a marker for the next Open, best effort.
func (l *Log) poison(act string, segment uint64, cause error) error {
	l.failed = l.home.poison(act, segmentName(segment), cause)
	return l.failed
}

func roundUp(n, multiple int64) int64 { return (n + multiple - 1) / multiple * multiple }
