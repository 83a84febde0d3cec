package wal

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"synod/core/mutant"
)

// Open replays a log and goes on with it in a new segment. It calls replay for every record in order, with the record's
// place from now on; the bytes are valid during the call only. When Open returns without an error, everything replayed
// is durable, even what a killed process had written but not synced. If it returns an error the caller must forget what
// was replayed; an error of replay itself ends Open and is returned.
//
// The errors: ErrNotExist, ErrPoisoned, ErrIdentity, ErrVersion, ErrForeign, ErrDamaged, ErrNoSpace, and others that
// come from the disk, such as a missing permission.
func Open(options Options, replay func(Position, []byte) error) (*Log, error) {
	options = options.withDefaults()
	h, err := openHome(options)
	if err != nil {
		return nil, err
	}
	log, err := open(options, h, replay)
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return log, nil
}

func open(options Options, h home, replay func(Position, []byte) error) (*Log, error) {
	found, err := h.list()
	if err != nil {
		return nil, err
	}
	if found.poisoned {
		return nil, fmt.Errorf("%w: %q exists, a write or sync failed in an earlier run: this acceptor refuses to vote: "+
			"check the disk and let the replica recover its state from the others", ErrPoisoned, h.path(poisonedName))
	}
	if len(found.segments) == 0 {
		return nil, fmt.Errorf("%w: no segment in %q: initialise the replica, or let it recover if it lost its disk",
			ErrNotExist, options.Dir)
	}
	if err := h.removeLeftovers(found.leftovers); err != nil {
		return nil, err
	}
	r := &reopening{home: h, options: options, replay: replay}
	log, err := r.run(found.segments)
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return log, nil
}

// reopening is the work of one Open.
type reopening struct {
	home    home
	options Options
	replay  func(Position, []byte) error

	heads  []segmentHead
	chains []uint32 // sums of the heads
	// released are segments below the oldest one that must exist.
	released []uint64
	old      vfs.File // the file being read

	segments []segment
	torn     Position
	copied   int
	seen     Identity // of the header read last
}

func (r *reopening) close() error {
	if r.old == nil {
		return nil
	}
	err := r.old.Close()
	r.old = nil
	return err
}

// openScan opens segment i for reading, or for the seal, too, and stands before its first batch.
func (r *reopening) openScan(i int, open func(string) (vfs.File, error)) (*scan, error) {
	head := r.heads[i]
	path := r.home.path(segmentName(head.segment))
	if err := r.close(); err != nil {
		return nil, err
	}
	file, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("open segment %q: %w", path, err)
	}
	r.old = file
	return &scan{
		window:  window{file: file, name: path, size: head.bytes},
		segment: head.segment, offset: segmentHeadBytes, chain: r.chains[i],
	}, nil
}

func (r *reopening) openRead(path string) (vfs.File, error) { return r.home.fs.Open(path) }

func (r *reopening) openReadWrite(path string) (vfs.File, error) {
	return r.home.fs.OpenReadWrite(path, category)
}

// run replays all segments and makes the new one.
func (r *reopening) run(ids []uint64) (*Log, error) {
	if err := r.readHeads(ids); err != nil {
		return nil, err
	}
	if err := r.removeReleased(); err != nil {
		return nil, err
	}
	last := len(r.heads) - 1
	for i, head := range r.heads[:last] {
		next := r.heads[i+1]
		s, err := r.openScan(i, r.openRead)
		if err != nil {
			return nil, err
		}
		if err := r.replayTo(s, next.end); err != nil {
			return nil, err
		}
		if s.chain != next.chain && !r.options.Mutant.Has(mutant.M31) {
			return nil, s.damaged(fmt.Sprintf("the end of batch %08x", next.chain), fmt.Sprintf("that of %08x", s.chain))
		}
		r.segments = append(r.segments, segment{id: head.segment, bytes: head.bytes, end: next.end})
	}
	s, err := r.openScan(last, r.openReadWrite)
	if err != nil {
		return nil, err
	}
	t, err := r.survey(s)
	if err != nil {
		return nil, err
	}
	if err := r.replayTo(s, t.durable); err != nil {
		return nil, err
	}
	r.segments = append(r.segments, segment{id: s.segment, bytes: s.size, end: s.offset})
	n := r.nextSegment(s, t.end-s.offset)
	if err := r.copyTail(s, t.end, n); err != nil {
		return nil, err
	}
	return r.goOn(s, t, n)
}

// removeReleased removes what an earlier run released and could not remove before it ended.
func (r *reopening) removeReleased() error {
	for _, id := range r.released {
		if err := r.home.fs.Remove(r.home.path(segmentName(id))); err != nil {
			return fmt.Errorf("remove released segment %q: %w", r.home.path(segmentName(id)), err)
		}
	}
	return nil
}

// goOn makes the new segment durable, seals the old one and starts the log.
func (r *reopening) goOn(s *scan, t tail, n *nextSegment) (*Log, error) {
	id := n.head.segment
	file, err := r.home.newSegment(n.head, n.image)
	if err != nil {
		return nil, err
	}
	if !r.options.Mutant.Has(mutant.M39) {
		if err := r.home.syncDir(); err != nil {
			return nil, errors.Join(r.home.poison("sync the directory for", segmentName(id), err), file.Close())
		}
	}
	old := segment{id: s.segment, bytes: s.size, end: t.end}
	if err := seal(s.file, old, t.durable, t.chain); err != nil {
		return nil, errors.Join(r.home.poison("seal", segmentName(old.id), err), file.Close())
	}
	if err := r.close(); err != nil {
		return nil, errors.Join(r.home.poison("close", segmentName(old.id), err), file.Close())
	}
	r.segments = append(r.segments, segment{id: id, bytes: n.head.bytes, end: int64(len(n.image))})
	log := newLog(r.options, r.home, r.segments)
	log.torn, log.copied = r.torn, r.copied
	log.start(file, n.chain)
	return log, nil
}

// replayTo replays batches up to end, all of which was durable once.
func (r *reopening) replayTo(s *scan, end int64) error {
	for s.offset < end {
		b, _, err := s.next()
		if err != nil && r.options.Mutant.Has(mutant.M31) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.replayBatch(s, &b, Position{b.segment, b.offset}); err != nil {
			return err
		}
	}
	if s.offset != end {
		return s.damaged(fmt.Sprintf("the end of a batch at %d", end), "a batch across it")
	}
	return nil
}

// replayBatch replays the records of a batch as if it began at a place.
func (r *reopening) replayBatch(s *scan, b *batch, begin Position) error {
	err := b.each(func(offset int64, payload []byte) error {
		return r.replay(Position{begin.Segment, begin.Offset + offset}, payload)
	})
	if err != nil {
		return fmt.Errorf("replay batch at offset %d of %q: %w", b.offset, s.name, err)
	}
	return nil
}

// tail is how the last segment ends.
type tail struct {
	durable int64  // highest offset below which all was durable when some batch was written
	end     int64  // of the last valid batch
	chain   uint32 // its sum
}

// survey finds the end of the last segment without replaying it, and refuses if something durable is lost.
func (r *reopening) survey(s *scan) (tail, error) {
	start := *s
	t := tail{durable: segmentHeadBytes, end: segmentHeadBytes, chain: s.chain}
	for {
		b, zeros, err := s.next()
		if err == nil {
			t.durable = max(t.durable, b.durable)
			if b.kind == kindSealed {
				return tail{}, &damagedError{
					name:     r.home.path(segmentName(s.segment + 1)),
					expected: fmt.Sprintf("the segment that was begun after %q", s.name), found: "no file",
				}
			}
			t.end, t.chain = s.offset, s.chain
			continue
		}
		if r.options.Mutant.Has(mutant.M31) {
			break
		}
		witness, durable, searchErr := s.durableBeyond(s.offset)
		if searchErr != nil {
			return tail{}, searchErr
		}
		var damaged *damagedError
		if errors.As(err, &damaged) && (witness > 0 || damaged.cause != nil) {
			if witness > 0 {
				damaged.expected += fmt.Sprintf(" (batch at %d says that all below %d was durable)", witness, durable)
			}
			return tail{}, err
		}
		if !zeros {
			r.torn = Position{s.segment, s.offset}
		}
		break
	}
	s.offset, s.chain = start.offset, start.chain
	return t, nil
}

// nextSegment is the segment that Open goes on in, as it grows.
type nextSegment struct {
	head  segmentHead
	image []byte // header and batches
	chain uint32 // sum of its last batch, or of the header
}

// nextSegment begins the segment behind what of s was provably durable, with room for a tail and its mark.
func (r *reopening) nextSegment(s *scan, tailBytes int64) *nextSegment {
	head := segmentHead{
		segment: s.segment + 1, bytes: r.options.FirstSegmentBytes, identity: r.options.Identity,
		previous: s.segment, end: s.offset, chain: s.chain, oldest: r.segments[0].id,
	}
	if need := segmentHeadBytes + tailBytes + batchHeadBytes + reserveBytes; head.bytes < need {
		head.bytes = roundUp(need, oversizeBytes)
	}
	n := &nextSegment{head: head, image: make([]byte, segmentHeadBytes, segmentHeadBytes+tailBytes+batchHeadBytes)}
	n.chain = head.encode(n.image)
	return n
}

// copyTail replays what is valid up to end, but not provably durable, from its new place. It is written anew rather
// than synced where it lies: after a failed sync the page cache shows bytes that no later sync will write.
func (r *reopening) copyTail(s *scan, end int64, n *nextSegment) error {
	for s.offset < end {
		b, _, err := s.next()
		if err != nil {
			return err
		}
		if b.kind != kindRecords {
			continue
		}
		begin := Position{n.head.segment, int64(len(n.image))}
		if err := r.replayBatch(s, &b, begin); err != nil {
			return err
		}
		records := make([][]byte, 0, b.count)
		// each only fails if its callback does.
		_ = b.each(func(_ int64, payload []byte) error {
			records = append(records, payload)
			return nil
		})
		n.add(kindRecords, segmentHeadBytes, records)
		r.copied += b.count
	}
	if len(n.image) > segmentHeadBytes {
		n.add(kindMark, int64(len(n.image)), nil)
	}
	return nil
}

// add appends a batch to the image.
func (n *nextSegment) add(kind byte, durable int64, records [][]byte) {
	head := batchHead{
		kind: kind, segment: n.head.segment, offset: int64(len(n.image)), durable: durable, chain: n.chain,
	}
	n.image = appendBatch(n.image, &head, records)
	n.chain = head.sum
}
