package wal

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// script is one run that does everything a log can do, the same each time: segments end, a batch outgrows a segment, a
// role crashes with batches unsynced, the log is closed cleanly and opened again.
type script struct {
	options Options
	model   model
	log     *Log
	places  []placed   // of all records of the model
	created bool       // Create has returned
	failed  bool       // an operation has returned an error
	mu      sync.Mutex // guards model and created against a crash in the goroutine that makes spares
}

// scriptOps are the words of the script, as play understands them.
const scriptOps = "create append sync append append sync append append sync big sync append append sync " +
	"append append abandon open append sync close open append append abandon open abandon open append sync close " +
	"open append release append sync append append sync append release abandon open append append big sync release " +
	"append append append sync close open close"

// play runs the script up to its first error, which it returns with the operation's name.
func (s *script) play(ops string) error {
	for i, op := range strings.Fields(ops) {
		if err := s.step(op, i); err != nil {
			s.failed = true
			return fmt.Errorf("step %d, %s: %w", i, op, err)
		}
	}
	return nil
}

func (s *script) step(op string, i int) error {
	var err error
	switch op {
	case "create":
		s.log, err = Create(s.options)
		s.mu.Lock()
		s.created = err == nil
		s.mu.Unlock()
	case "append":
		err = s.append([]string{fmt.Sprintf("step %d first", i), strings.Repeat("x", i*5), ""})
	case "big":
		err = s.append([]string{strings.Repeat("big ", 800)})
	case "sync":
		if err = s.log.Sync(); err == nil {
			s.model.durable = len(s.model.batches)
		}
	case "close":
		if err = s.log.Close(); err == nil {
			s.model.durable = len(s.model.batches)
		}
	case "release":
		before := s.places[len(s.places)-1].at.Segment
		s.model.release(before, s.places)
		s.log.Release(before)
	case "abandon":
		s.log.Abandon()
	case "open":
		err = s.open()
	default:
		panic(op)
	}
	s.settle()
	return err
}

// settle waits for the goroutine that makes a spare, so that a step does the same each time.
func (s *script) settle() {
	if s.log != nil && s.log.failed == nil && s.log.spare.running {
		s.log.spare.ready <- <-s.log.spare.ready
	}
}

// append counts the batch before it is there: a crash in the middle may keep it.
func (s *script) append(batch []string) error {
	s.model.batches = append(slices.Clip(s.model.batches), batch)
	positions, err := s.log.Append(bytesOf(batch), nil)
	for i, at := range positions {
		s.places = append(slices.Clip(s.places), placed{at, batch[i]})
	}
	return err
}

// gone is how many of the records are in segments that the log no longer has.
func (s *script) gone() int {
	n := 0
	for s.places[n].at.Segment < s.log.segments[0].id {
		n++
	}
	return n
}

// open expects everything: the script never loses power itself.
func (s *script) open() error {
	log, all, err := replayAll(s.options)
	if err != nil {
		return err
	}
	m := s.model.clone()
	if !s.failed {
		m.durable = len(m.batches)
	}
	if err := m.accept(all); err != nil {
		return err
	}
	s.mu.Lock()
	s.log, s.model, s.places = log, *m, all
	s.mu.Unlock()
	return nil
}
