package feed

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"synod/console/state"
	"synod/protocol"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// told is a replica that answers questions about slots and ballots, and counts them.
type told struct {
	slots, ballots atomic.Int64
	last           atomic.Pointer[protocol.SlotsQuery]
}

func (a *told) operate(f protocol.Frame, stream *protocol.Stream) error {
	switch f.Kind {
	case protocol.KindSlotsQuery:
		query, err := protocol.DecodeJSON[protocol.SlotsQuery](f)
		if err != nil {
			return err
		}
		a.slots.Add(1)
		a.last.Store(query)
		answer := protocol.Slots{Oldest: 1, Newest: 50}
		to := query.To
		if to == 0 {
			to = answer.Newest
		}
		for slot := to; slot > 0 && len(answer.Slots) < query.Max; slot-- { // out of order on purpose
			answer.Slots = append(answer.Slots, protocol.SlotTrace{Slot: slot})
		}
		return push(stream, f.Request, &answer)
	case protocol.KindBallotsQuery:
		a.ballots.Add(1)
		return push(stream, f.Request, &protocol.Ballots{Events: []protocol.BallotEvent{{What: "leading", Ballot: "3.r1"}}})
	}
	return nil
}

func push[M protocol.OperatorMessage](stream *protocol.Stream, request uint64, m *M) error {
	raw, err := protocol.AppendJSON(nil, request, m)
	if err == nil {
		_, err = stream.Write(raw)
	}
	return err
}

// followed runs a ledger on one replica in a bubble of its own time.
func followed(t *testing.T, operate func(protocol.Frame, *protocol.Stream) error, use func(*Ledger)) error {
	t.Helper()
	cluster := clienttest.New(1)
	defer cluster.Close()
	cluster.Replica("r1").Operate(operate)
	operator, err := client.OpenOperator(t.Context(), cluster.Endpoints()[0], client.WithConnector(cluster.Connect))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = operator.Close() }() // it reports nothing
	l := NewLedger(cluster.Endpoints())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Follow(ctx, "r1", operator) }()
	use(l)
	cancel()
	return <-ended
}

func TestALedgerAsksOnlyWhileSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &told{}
		err := followed(t, a.operate, func(l *Ledger) {
			time.Sleep(5 * time.Second)
			if n := a.slots.Load() + a.ballots.Load(); n != 0 {
				t.Errorf("%d questions before anybody looked", n)
			}
			want := state.LedgerWant{Seen: true, Rows: 10, Slot: 7}
			l.Look(want)
			synctest.Wait()
			got := l.Look(want).Replicas[0]
			if len(got.Window) != 10 || got.Window[0].Slot != 41 || got.Window[9].Slot != 50 || got.Newest != 50 {
				t.Errorf("window %+v", got)
			}
			if got.One == nil || got.One.Slot != 7 || len(got.Ballots) != 1 {
				t.Errorf("slot %+v, ballots %+v", got.One, got.Ballots)
			}
			version := l.Look(want).Version
			time.Sleep(10 * time.Second)
			asked := a.slots.Load()
			if l.Look(state.LedgerWant{}).Version <= version {
				t.Error("nothing was asked again while somebody looked")
			}
			time.Sleep(10 * time.Second)
			if now := a.slots.Load(); now != asked {
				t.Errorf("%d questions after the last look, %d before", now, asked)
			}
			if left := l.Look(state.LedgerWant{}).Replicas[0]; len(left.Window) != 10 {
				t.Error("the last answer is gone")
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestALedgerAsksForTheWindowThatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &told{}
		err := followed(t, a.operate, func(l *Ledger) {
			for _, row := range []struct {
				want     state.LedgerWant
				from, to uint64
			}{
				{state.LedgerWant{Seen: true, To: 30, Rows: 10}, 21, 30},
				{state.LedgerWant{Seen: true, To: 3, Rows: 10}, 1, 3},
				{state.LedgerWant{Seen: true, To: 3, Rows: 100_000}, 1, 3},
				{state.LedgerWant{Seen: true, Rows: 10}, 0, 0},
			} {
				l.Look(row.want)
				synctest.Wait()
				if q := a.last.Load(); q.From != row.from || q.To != row.to || q.Max > state.LedgerRowsMax {
					t.Errorf("%+v asks for %+v", row.want, q)
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAReplicaThatKeepsNoTracesIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(f protocol.Frame, stream *protocol.Stream) error {
			_, err := stream.Write(protocol.Refuse(protocol.CodeUnavailable, 1, "no traces here").Append(nil, f.Request))
			return err
		}
		err := followed(t, refuse, func(l *Ledger) {
			l.Look(state.LedgerWant{Seen: true, Rows: 10})
			time.Sleep(time.Second)
			if got := l.Look(state.LedgerWant{}).Replicas[0]; !got.At.IsZero() || !got.BallotsAt.IsZero() {
				t.Errorf("a refusal was taken as an answer: %+v", got)
			}
		})
		if err != nil {
			t.Errorf("the connection ended: %v", err)
		}
	})
}
