package check

import (
	"fmt"

	"synod/core/paxos"
)

// Watcher watches over one promise. Both methods return the first breach that
// they see, as a sentence.
type Watcher interface {
	Name() string
	Watch(*Event) error
	Finish() error
}

// Options of a [Panel].
type Options struct {
	Replicas int
	// ServeMax is how long after healing a new update may take to be answered,
	// and PendingMax how long any operation may stay without an answer.
	ServeMax, PendingMax Time
	// LeadersMax bounds how many leaders a healed majority may see.
	LeadersMax int
}

// Violation is a broken promise.
type Violation struct {
	Checker string
	At      Time
	Err     error
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s: at %s: %v", v.Checker, v.At, v.Err)
}

func (v *Violation) Unwrap() error { return v.Err }

// Panel shows every event to every watcher and keeps the first violation.
type Panel struct {
	ledger   *Ledger
	watchers []Watcher
	now      Time
	first    *Violation
}

// New gives a panel with all watchers for a cluster.
func New(options Options) *Panel {
	ledger := NewLedger(options.Replicas)
	lives := &lives{}
	p := &Panel{ledger: ledger}
	p.watchers = []Watcher{
		lives,
		&proposal{ledger: ledger},
		&agreement{ledger: ledger},
		newClaims(ledger),
		newPromise(ledger, lives),
		&vote{ledger: ledger, lives: lives},
		&silence{},
		&floor{lives: lives},
		newPrefix(ledger, options.Replicas),
		newOnce(),
		newOrder(),
		newDurability(),
		newLiveness(options),
		&linearizable{},
	}
	return p
}

// Ledger is what the panel knows to be chosen.
func (p *Panel) Ledger() *Ledger { return p.ledger }

// Watch shows the event to all watchers. After a violation it does nothing.
func (p *Panel) Watch(e *Event) {
	if p.first != nil {
		return
	}
	p.now = e.At
	for _, w := range p.watchers {
		if err := w.Watch(e); err != nil {
			p.first = &Violation{Checker: w.Name(), At: e.At, Err: err}
			return
		}
	}
}

// Finish asks all watchers for their last word.
func (p *Panel) Finish() {
	for _, w := range p.watchers {
		if p.first != nil {
			return
		}
		if err := w.Finish(); err != nil {
			p.first = &Violation{Checker: w.Name(), At: p.now, Err: err}
		}
	}
}

// Violation is the first broken promise, nil if there is none.
func (p *Panel) Violation() *Violation { return p.first }

// replicaSet is a set of replicas, one bit each.
type replicaSet uint8

func (s replicaSet) with(r paxos.ReplicaID) replicaSet { return s | 1<<(r-1) }
