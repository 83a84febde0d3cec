package wal

import (
	"errors"
	"fmt"
	"io"
)

// Inspection is what Inspect found in a log's directory.
type Inspection struct {
	// Refusal is the error with which Open would refuse the log, nil if it would not.
	Refusal error
	// Marker is the text that a failed write or sync left, "" if there is none.
	Marker string
	// Identity is whose log it is, by the newest header that can be read.
	Identity Identity
	// Oldest is the lowest segment that must exist.
	Oldest   uint64
	Segments []SegmentState
	// Torn is where Open would cut behind an unfinished write; zero for nowhere.
	Torn Position
}

// SegmentState is one file of the log.
type SegmentState struct {
	Path     string
	Number   uint64
	Bytes    int64 // length of the file, as its header says
	Released bool  // nobody needs it any more
	Batches  int   // valid ones
	Records  int   // in them
	End      int64 // of the last valid batch
	Err      error // what is wrong with it, nil if nothing is
}

// Inspect reads a log that no process has open, and changes nothing. It goes on behind damage where it can, and calls
// visit for every valid record in order. With a zero Identity in the options it takes the log for whose it says it is.
// The error is that of visit, or of a directory that cannot be read; damage is in the Inspection.
func Inspect(options Options, visit func(Position, []byte) error) (*Inspection, error) {
	options = options.withDefaults()
	h, err := openHome(options)
	if errors.Is(err, ErrNotExist) {
		return &Inspection{Refusal: err}, nil
	}
	if err != nil {
		return nil, err
	}
	n := &inspector{
		Inspection: &Inspection{}, visit: visit,
		reopening: reopening{home: h, options: options, replay: func(Position, []byte) error { return nil }},
	}
	err = n.run()
	return n.Inspection, errors.Join(err, n.close(), h.close())
}

// inspector is the work of one Inspect.
type inspector struct {
	*Inspection
	reopening
	visit func(Position, []byte) error
}

// refuse keeps the first reason.
func (n *inspector) refuse(err error) {
	if n.Refusal == nil {
		n.Refusal = err
	}
}

func (n *inspector) run() error {
	found, err := n.home.list()
	if errors.Is(err, ErrForeign) {
		n.refuse(err)
		return nil
	}
	if err != nil {
		return err
	}
	if found.poisoned {
		n.readMarker()
	}
	if len(found.segments) == 0 {
		n.refuse(fmt.Errorf("%w: no segment in %q", ErrNotExist, n.home.dir))
		return nil
	}
	n.heading(found.segments)
	for i := range n.Segments {
		if err := n.segment(i); err != nil {
			return err
		}
	}
	return nil
}

func (n *inspector) readMarker() {
	path := n.home.path(poisonedName)
	n.refuse(fmt.Errorf("%w: %q exists, a write or sync failed in an earlier run: %s", ErrPoisoned, path, remedyDamaged))
	n.Marker = "it cannot be read"
	file, err := n.home.fs.Open(path)
	if err != nil {
		return
	}
	const textBytesMax = 4 << 10
	if text, err := io.ReadAll(io.LimitReader(file, textBytesMax)); err == nil {
		n.Marker = string(text)
	}
	_ = file.Close() // it was only read
}

// heading reads all headers, the newest first: it says what must exist.
func (n *inspector) heading(ids []uint64) {
	states := make([]SegmentState, len(ids))
	heads, chains := make([]segmentHead, len(ids)), make([]uint32, len(ids))
	for i := len(ids) - 1; i >= 0; i-- {
		s := &states[i]
		s.Path, s.Number = n.home.path(segmentName(ids[i])), ids[i]
		if s.Released = ids[i] < n.Oldest; s.Released {
			continue
		}
		heads[i], chains[i], s.Err = n.readAnyHead(ids[i])
		if s.Err != nil {
			continue
		}
		s.Bytes = heads[i].bytes
		if n.Oldest == 0 {
			n.Oldest, n.Identity = heads[i].oldest, heads[i].identity
		}
	}
	n.Segments, n.heads, n.chains = states, heads, chains
	before := n.Oldest - 1
	for i := range states {
		if states[i].Released || n.Oldest == 0 {
			continue
		}
		if states[i].Number > before+1 {
			n.refuse(n.missing(before+1, states[i].Number))
		}
		before = states[i].Number
	}
}

// readAnyHead is readHead, for a log of whoever it says if the options name nobody.
func (n *inspector) readAnyHead(id uint64) (segmentHead, uint32, error) {
	head, chain, err := n.readHead(id)
	if !errors.Is(err, ErrIdentity) || n.options.Identity != (Identity{}) {
		return head, chain, err
	}
	if err := n.close(); err != nil {
		return head, chain, err
	}
	n.options.Identity = n.reopening.seen
	return n.readHead(id)
}

// segment reads the batches of one segment.
func (n *inspector) segment(i int) error {
	state := &n.Segments[i]
	if state.Released {
		return nil
	}
	if state.Err != nil {
		n.refuse(state.Err)
		return nil
	}
	s, err := n.openScan(i, n.openRead)
	if err != nil {
		state.Err = err
		n.refuse(err)
		return nil
	}
	newest := i == len(n.Segments)-1
	end := int64(0)
	if newest {
		t, err := n.survey(s)
		if err != nil {
			state.Err = err
			n.refuse(err)
		}
		end, n.Torn = t.end, n.torn
	} else if n.Segments[i+1].Err == nil && n.Segments[i+1].Number == state.Number+1 {
		end = n.heads[i+1].end
	}
	s.offset, s.chain = segmentHeadBytes, n.chains[i]
	return n.batches(s, state, end)
}

// batches reads up to the end, or if that is not known until nothing valid comes. What was valid behind the end has been
// written anew in the next segment. Where nothing valid comes before the end, something is lost.
func (n *inspector) batches(s *scan, state *SegmentState, end int64) error {
	state.End = s.offset
	for end == 0 || s.offset < end {
		b, _, err := s.next()
		if err != nil || b.kind != kindRecords && b.kind != kindMark {
			if state.End < end && state.Err == nil {
				state.Err = err
				n.refuse(err)
			}
			return nil
		}
		state.Batches, state.Records, state.End = state.Batches+1, state.Records+b.count, s.offset
		begin := Position{b.segment, b.offset}
		err = b.each(func(offset int64, payload []byte) error {
			return n.visit(Position{begin.Segment, begin.Offset + offset}, payload)
		})
		if err != nil {
			return fmt.Errorf("record in batch at offset %d of %q: %w", b.offset, s.name, err)
		}
	}
	return nil
}
