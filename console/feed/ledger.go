package feed

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"synod/console/state"
	"synod/protocol"
	"synod/protocol/client"
)

// Times of a Ledger.
const (
	ledgerPause  = 250 * time.Millisecond // between two looks at the slots
	ballotsPause = time.Second
	// ledgerWantedFor is how long a wish lasts that is not repeated: the screen has gone elsewhere.
	ledgerWantedFor = 2 * time.Second
	ledgerTimeout   = 2 * time.Second // of one question
)

// ballotsAsked bounds the events about leadership that are kept for each replica.
const ballotsAsked = 100

// Ledger is a Follower that asks every replica about slots and ballots while somebody looks at them, and keeps the last
// answers, those of replicas that are gone as well. Safe for concurrent use.
type Ledger struct {
	now func() time.Time

	mutex    sync.Mutex
	want     state.LedgerWant
	wantedAt time.Time
	version  uint64
	replicas []state.LedgerReplica
	changed  chan struct{} // closed and replaced when the wish changes
}

var _ Follower = (*Ledger)(nil)

// NewLedger makes a Ledger of these replicas.
func NewLedger(endpoints []client.Endpoint) *Ledger {
	l := &Ledger{now: time.Now, changed: make(chan struct{})}
	for _, endpoint := range endpoints {
		l.replicas = append(l.replicas, state.LedgerReplica{ID: endpoint.Replica})
	}
	return l
}

// Look gives what is known and makes sure that what is wanted is fetched. It never waits for the network.
func (l *Ledger) Look(want state.LedgerWant) state.Ledger {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if want.Seen {
		l.wantedAt = l.now()
	}
	if want != l.want {
		l.want = want
		close(l.changed)
		l.changed = make(chan struct{})
	}
	// Answers are replaced and not written into.
	return state.Ledger{Version: l.version, Replicas: append([]state.LedgerReplica(nil), l.replicas...)}
}

// Follow asks one replica again and again while its connection lasts.
func (l *Ledger) Follow(ctx context.Context, replica string, operator *client.Operator) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var ballotsAt time.Time
	for {
		want, changed := l.wanted()
		if want.Seen {
			err := l.ask(ctx, replica, operator, want)
			if now := l.now(); err == nil && now.Sub(ballotsAt) >= ballotsPause {
				ballotsAt = now
				err = l.askBallots(ctx, replica, operator)
			}
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
		timer.Reset(ledgerPause)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-timer.C:
		}
	}
}

// wanted gives the wish, if it is of now.
func (l *Ledger) wanted() (state.LedgerWant, <-chan struct{}) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.now().Sub(l.wantedAt) > ledgerWantedFor {
		return state.LedgerWant{}, l.changed
	}
	return l.want, l.changed
}

// ask fetches the window, and the one slot unless it lies in the window.
func (l *Ledger) ask(ctx context.Context, replica string, operator *client.Operator, want state.LedgerWant) error {
	query := protocol.SlotsQuery{Max: min(max(want.Rows, 1), state.LedgerRowsMax)}
	if want.To > 0 {
		query.To, query.From = want.To, want.To-min(want.To-1, uint64(query.Max-1))
	}
	window, err := l.slots(ctx, operator, query)
	if err != nil || window == nil {
		return err
	}
	var one *protocol.SlotTrace
	if want.Slot > 0 {
		one, err = l.one(ctx, operator, want.Slot, window.Slots)
	}
	if err != nil {
		return err
	}
	l.keep(replica, func(r *state.LedgerReplica) {
		r.Oldest, r.Newest, r.Window, r.At = window.Oldest, window.Newest, window.Slots, l.now()
		r.One = one
	})
	return nil
}

func (l *Ledger) one(
	ctx context.Context, operator *client.Operator, slot uint64, window []protocol.SlotTrace,
) (*protocol.SlotTrace, error) {
	for i := range window {
		if window[i].Slot == slot {
			return &window[i], nil
		}
	}
	answer, err := l.slots(ctx, operator, protocol.SlotsQuery{From: slot, To: slot, Max: 1})
	if err != nil || answer == nil || len(answer.Slots) == 0 {
		return nil, err
	}
	return &answer.Slots[0], nil
}

// slots asks one question. A replica that refuses it has nothing to tell: that is no reason to lose the connection.
func (l *Ledger) slots(
	ctx context.Context, operator *client.Operator, query protocol.SlotsQuery,
) (*protocol.Slots, error) {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	answer, err := operator.Slots(ctx, query)
	switch {
	case refused(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	// What is looked up by slot must be in order, whatever the replica says.
	slices.SortFunc(answer.Slots, func(a, b protocol.SlotTrace) int { return cmp.Compare(a.Slot, b.Slot) })
	answer.Slots = answer.Slots[:min(len(answer.Slots), state.LedgerRowsMax)]
	return answer, nil
}

func (l *Ledger) askBallots(ctx context.Context, replica string, operator *client.Operator) error {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	answer, err := operator.Ballots(ctx, protocol.BallotsQuery{Max: ballotsAsked})
	switch {
	case refused(err):
		return nil
	case err != nil:
		return err
	}
	l.keep(replica, func(r *state.LedgerReplica) { r.Ballots, r.BallotsAt = answer.Events, l.now() })
	return nil
}

// refused tells whether a replica has answered that it does not answer.
func refused(err error) bool {
	var refusal *protocol.Error
	return errors.As(err, &refusal)
}

func (l *Ledger) keep(replica string, change func(*state.LedgerReplica)) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for i := range l.replicas {
		if l.replicas[i].ID == replica {
			change(&l.replicas[i])
			l.version++
			return
		}
	}
}
