package check

import (
	"fmt"

	"synod/core/paxos"
)

// liveness watches over progress. In the phases CoreOnly and Healed a new update
// is answered in bounded time (L1) and leaders change rarely (L4); at the end no
// operation is pending (L5). That all replicas end equal (L2) is prefix's part.
type liveness struct {
	options Options
	phase   Phase
	since   Time
	served  bool
	leaders int
	// healedAt is when the phase Healed began.
	healedAt Time
	pending  map[uint64]*Operation
	oldest   []*Operation // in order of invocation; the returned ones are skipped
}

func newLiveness(options Options) *liveness {
	return &liveness{options: options, pending: map[uint64]*Operation{}}
}

func (*liveness) Name() string { return "liveness" }

func (w *liveness) Watch(e *Event) error {
	switch e.Kind {
	case Phased:
		late := w.late(e.At)
		if e.Phase == Healed {
			w.healedAt = e.At
		}
		w.phase, w.since, w.served, w.leaders = e.Phase, e.At, false, 0
		return late
	case Invoked:
		w.pending[e.Operation.ID] = e.Operation
		w.oldest = append(w.oldest, e.Operation)
		return w.stuck(e.At)
	case Returned:
		return w.returned(e)
	case Told:
		return w.told(e)
	}
	return nil
}

func (w *liveness) returned(e *Event) error {
	o := e.Operation
	delete(w.pending, o.ID)
	if o.Outcome == Done && o.Op != Get && o.Invoked >= w.since {
		if late := w.late(e.At); late != nil {
			return late
		}
		w.served = true
	}
	healed := w.phase == Healed || w.phase == Quiet
	if healed && o.Outcome == Unknown && !o.Expired && o.Invoked >= w.healedAt+w.options.ServeMax {
		return fmt.Errorf("L5: %v began %s after everything was healed and got no answer", o, o.Invoked-w.healedAt)
	}
	return w.stuck(e.At)
}

// late reports a healed phase that did not serve in time.
func (w *liveness) late(now Time) error {
	healing := w.phase == CoreOnly || w.phase == Healed
	if !healing || w.served || now-w.since <= w.options.ServeMax {
		return nil
	}
	return fmt.Errorf("L1: in phase %q no new update was answered for %s", w.phase, now-w.since)
}

// stuck reports an operation without an answer. Every operation has its own
// deadline, so the bound holds in all phases.
func (w *liveness) stuck(now Time) error {
	for len(w.oldest) > 0 && w.oldest[0].Outcome != Pending {
		w.oldest = w.oldest[1:]
	}
	if len(w.oldest) > 0 && now-w.oldest[0].Invoked > w.options.PendingMax {
		return fmt.Errorf("L5: %v is without an answer for %s", w.oldest[0], now-w.oldest[0].Invoked)
	}
	return nil
}

func (w *liveness) told(e *Event) error {
	if e.Note.Kind != paxos.EventLeading {
		return nil
	}
	w.leaders++
	if w.phase >= CoreOnly && w.leaders > w.options.LeadersMax {
		return fmt.Errorf("L4: in phase %q %d leaders came into office in %s", w.phase, w.leaders, e.At-w.since)
	}
	return nil
}

func (w *liveness) Finish() error {
	if len(w.pending) == 0 {
		return nil
	}
	for _, o := range w.oldest {
		if o.Outcome == Pending {
			return fmt.Errorf("L5: at the end %v has no answer", o)
		}
	}
	return nil
}
