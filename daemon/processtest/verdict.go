package processtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"synod/protocol"
)

// Slack is what an operation may take above its timeout on a busy machine.
const slack = 2 * time.Second

// problemsMax bounds the problems of one kind that are told.
const problemsMax = 5

// problems collects what is wrong, the first few in words.
type problems struct {
	all   []error
	count int
}

func (p *problems) add(format string, args ...any) {
	if p.count++; p.count <= problemsMax {
		p.all = append(p.all, fmt.Errorf(format, args...))
	}
}

func (p *problems) err() error {
	if p.count > problemsMax {
		p.all = append(p.all, fmt.Errorf("… and %d more of these", p.count-problemsMax))
	}
	return errors.Join(p.all...)
}

// Check judges a history: every operation ended in time with an answer or a clear error; nothing acknowledged was lost,
// nothing executed twice, nothing executed that was said to be not sent; revisions follow real time; and each key is
// linearizable.
func (h *History) Check() error {
	return errors.Join(
		h.checkEnds(), h.checkValues(), h.checkOrder(), h.checkLost(), h.checkCount(), h.checkLinearizable())
}

// checkEnds looks at times and errors.
func (h *History) checkEnds() error {
	var p problems
	for i := range h.Operations {
		o := &h.Operations[i]
		if o.Return-o.Call > h.Timeout+slack {
			p.add("late: %v has taken %v, its timeout was %v", o, o.Return-o.Call, h.Timeout)
		}
		if o.Outcome == Done {
			continue
		}
		switch o.Code {
		case protocol.CodeUnreachable, protocol.CodeUnavailable, protocol.CodeTimeout, protocol.CodeNoQuorum,
			protocol.CodeOverloaded:
			if o.Text == "" {
				p.add("an error without words: %v", o)
			}
		default:
			p.add("an error that no fault explains: %v", o)
		}
	}
	return p.err()
}

// checkValues: every value was written by one put, which was sent, and has one revision, which is no other update's.
func (h *History) checkValues() error {
	var p problems
	puts := map[string]*Operation{}
	for i := range h.Operations {
		if o := &h.Operations[i]; o.Kind == Put {
			puts[o.Key+" "+o.Value] = o
		}
	}
	revisions, owners := map[string]uint64{}, map[uint64]string{}
	for i := range h.Operations {
		o := &h.Operations[i]
		if o.Outcome != Done || o.Kind == Get && !o.Found {
			continue
		}
		name := o.Key + " " + o.Value
		if o.Kind == Delete {
			name = fmt.Sprintf("%s deleted by client %d at %v", o.Key, o.Client, o.Call)
		} else if put := puts[name]; put == nil {
			p.add("a value that nobody wrote: %v", o)
		} else if put.Outcome == NotSent {
			p.add("executed though not sent: %v, seen by %v", put, o)
		}
		if known, again := revisions[name]; again && known != o.Revision {
			p.add("executed twice, at revisions %d and %d: %v", known, o.Revision, o)
		}
		if owner, taken := owners[o.Revision]; taken && owner != name {
			p.add("revision %d of two updates: %s, and %v", o.Revision, owner, o)
		}
		revisions[name], owners[o.Revision] = o.Revision, name
	}
	return p.err()
}

// checkOrder: an update that begins after the end of another one has the higher revision, and a slot that is not lower.
func (h *History) checkOrder() error {
	var p problems
	var updates []*Operation
	for i := range h.Operations {
		if o := &h.Operations[i]; o.update() && o.Outcome == Done {
			updates = append(updates, o)
		}
	}
	byReturn := byEnd(updates)
	var highest *Operation
	next := 0
	for _, o := range updates { // by call
		for ; next < len(byReturn) && byReturn[next].Return < o.Call; next++ {
			if highest == nil || byReturn[next].Revision > highest.Revision {
				highest = byReturn[next]
			}
		}
		if highest != nil && highest.Revision >= o.Revision {
			p.add("out of order: %v ended before %v began", highest, o)
		}
	}
	slices.SortFunc(updates, func(a, b *Operation) int { return cmp.Compare(a.Revision, b.Revision) })
	for i := 1; i < len(updates); i++ {
		if updates[i-1].Slot > updates[i].Slot {
			p.add("slots against revisions: %v in slot %d, %v in slot %d", updates[i-1], updates[i-1].Slot, updates[i],
				updates[i].Slot)
		}
	}
	return p.err()
}

// checkLost: a read sees the newest update that was acknowledged before it began, or a newer one. Reads that find
// nothing are explained by any delete that could have come later.
func (h *History) checkLost() error {
	var p problems
	for _, operations := range h.byKey() {
		newest := &Operation{}
		ended := byEnd(operations)
		next := 0
		for _, o := range operations {
			for ; next < len(ended) && ended[next].Return < o.Call; next++ {
				if e := ended[next]; e.Outcome == Done && e.Revision > newest.Revision {
					newest = e
				}
			}
			if o.Kind != Get || o.Outcome != Done || newest.Revision == 0 {
				continue
			}
			if o.Found && o.Revision < newest.Revision || !o.Found && newest.Kind != Delete && !deleted(operations, newest, o) {
				p.add("lost or stale: %v, but before it ended %v", o, newest)
			}
		}
	}
	return p.err()
}

// deleted reports whether a delete may explain that a read did not find what was there.
func deleted(operations []*Operation, newest, read *Operation) bool {
	return slices.ContainsFunc(operations, func(o *Operation) bool {
		later := o.Outcome == Unknown || o.Outcome == Done && o.Revision > newest.Revision
		return o.Kind == Delete && o.Call < read.Return && later
	})
}

// checkCount: the revision counts executed updates. It grew by all that were acknowledged, and by no more than those
// that may have been executed.
func (h *History) checkCount() error {
	if h.Before == 0 || h.After == 0 {
		return nil
	}
	acknowledged := 0
	for i := range h.Operations {
		if o := &h.Operations[i]; o.update() && o.Outcome == Done {
			acknowledged++
		}
	}
	executed := int(h.After - h.Before - 1)
	unknown := h.Unknowns() + h.UnknownBefore
	if executed < acknowledged || executed > acknowledged+unknown {
		return fmt.Errorf("%d updates were executed from revision %d to %d, but %d were acknowledged and %d are unknown",
			executed, h.Before, h.After, acknowledged, unknown)
	}
	return nil
}

// byEnd gives the operations in the order in which they returned.
func byEnd(operations []*Operation) []*Operation {
	ended := slices.Clone(operations)
	slices.SortFunc(ended, func(a, b *Operation) int { return cmp.Compare(a.Return, b.Return) })
	return ended
}

// byKey splits the operations, those of a key by call.
func (h *History) byKey() map[string][]*Operation {
	keys := map[string][]*Operation{}
	for i := range h.Operations {
		o := &h.Operations[i]
		keys[o.Key] = append(keys[o.Key], o)
	}
	return keys
}
