package state

import (
	"fmt"
	"testing"
	"time"

	"synod/protocol"
)

// watched makes looks of a cluster, ten a second.
type watched struct {
	console  Console
	now      time.Time
	replicas []Observation
}

func watch() *watched {
	w := &watched{now: at(0)}
	for n := 1; n <= 5; n++ {
		o := observation(fmt.Sprintf("r%d", n), "r1", w.now, 0)
		o.Status.Operations = []protocol.OperationStatus{{Operation: "get"}, {Operation: "put"}}
		o.Status.Peers = []protocol.PeerStatus{{Replica: "x", Connected: true, RTTMicros: 210}, {Replica: "y", RTTMicros: 9000}}
		w.replicas = append(w.replicas, o)
	}
	return w
}

// look lets a time pass and takes a snapshot after a change.
func (w *watched) look(pause time.Duration, change func([]Observation)) {
	w.now = w.now.Add(pause)
	next := make([]Observation, len(w.replicas))
	for i, o := range w.replicas {
		o.At = w.now
		o.Status.Operations = nil
		for _, operation := range w.replicas[i].Status.Operations {
			operation.Buckets = append([]uint64(nil), operation.Buckets...)
			o.Status.Operations = append(o.Status.Operations, operation)
		}
		o.Status.Faults = append([]protocol.FaultStatus(nil), o.Status.Faults...)
		next[i] = o
	}
	if change != nil {
		change(next)
	}
	w.replicas = next
	w.console = w.console.Observe(Snapshot{At: w.now, Replicas: next})
}

// answer counts requests of one operation at r1, all in one bucket.
func answer(count uint64, bucket int) func([]Observation) {
	return func(replicas []Observation) {
		o := &replicas[0].Status
		o.Requests.Updates += count
		for len(o.Operations[1].Buckets) <= bucket {
			o.Operations[1].Buckets = append(o.Operations[1].Buckets, 0)
		}
		o.Operations[1].Buckets[bucket] += count
		o.Chosen += count
	}
}

func TestHistoryCountsSecondBySecond(t *testing.T) {
	w := watch()
	w.look(0, func(r []Observation) { r[0].Status.Chosen = 1000 })
	for range 30 {
		w.look(100*time.Millisecond, answer(10, 12))
	}
	h := &w.console.History
	if len(h.Seconds) != 3 {
		t.Fatalf("%d seconds after three", len(h.Seconds))
	}
	for _, s := range h.Seconds {
		if !s.Known || s.Answered != 100 || s.Chosen != 100 || s.Leader != "r1" || s.Up != 5 {
			t.Errorf("second %+v", s)
		}
		if s.P99 != 160 || s.Replicas[2].RTT != 210 {
			t.Errorf("p99 %d, round trip %d", s.P99, s.Replicas[2].RTT)
		}
	}
	all := h.Latencies()
	if len(all) != 2 || all[0].Operation != "put" || all[0].Count != 300 || all[1].Count != 0 {
		t.Errorf("latencies %+v", all)
	}
	for range 200 {
		w.look(100*time.Millisecond, nil)
	}
	if l := w.console.History.Latency(); l.Count != 0 || l.Max() != 0 {
		t.Errorf("%d requests of the last ten seconds, twenty after the last one", l.Count)
	}
}

func TestHistoryOfARestartedProcessBeginsAnew(t *testing.T) {
	w := watch()
	w.look(0, answer(500, 3))
	w.look(100*time.Millisecond, func(r []Observation) {
		r[0].Status.PID, r[0].Status.Requests.Updates = 7, 9
		r[0].Status.Operations[1].Buckets = []uint64{9}
	})
	w.look(1100*time.Millisecond, answer(5, 0))
	if s := w.console.History.Seconds[0]; s.Answered != 5 {
		t.Errorf("%d answers of a process that began to count anew", s.Answered)
	}
}

func TestHistoryShowsWhereNobodyLooked(t *testing.T) {
	w := watch()
	w.look(0, nil)
	w.look(1000*time.Millisecond, answer(1, 1))
	w.look(5*time.Second, nil)
	seconds := w.console.History.Seconds
	if len(seconds) != 6 || seconds[3].Known || !seconds[5].Known {
		t.Errorf("%d seconds: %+v", len(seconds), seconds)
	}
	w.look(time.Hour, nil)
	if n := len(w.console.History.Seconds); n != HistoryMax {
		t.Errorf("%d seconds after an hour", n)
	}
	w.look(-2*time.Hour, nil) // somebody has set the clock
	w.look(time.Second, nil)
}

func TestHistoryMarksFaultsAndLeaders(t *testing.T) {
	w := watch()
	w.look(0, nil)
	w.look(100*time.Millisecond, func(r []Observation) {
		r[2].Status.Faults = []protocol.FaultStatus{{ID: 1, Fault: "pause acceptor", Kind: "pause", Role: "acceptor"}}
	})
	w.look(100*time.Millisecond, func(r []Observation) {
		for i := range r {
			r[i].Status.Leader = "r4"
		}
	})
	w.look(3*time.Second, func(r []Observation) { r[2].Status.Faults = nil })
	var got []string
	for _, m := range w.console.History.Marks {
		got = append(got, fmt.Sprint(m.Kind, " ", m.Text))
	}
	if text := fmt.Sprint(got); text != "[0 pause r3.acceptor 2 r1 to r4 1 pause r3.acceptor]" {
		t.Errorf("marks %s", text)
	}
	for i := range 2 * marksMax {
		w.look(time.Second, func(r []Observation) {
			for n := range r {
				r[n].Status.Leader = fmt.Sprintf("r%d", 1+i%5)
			}
		})
	}
	if n := len(w.console.History.Marks); n > marksMax {
		t.Errorf("%d marks are kept", n)
	}
}

func TestCopiesOfAHistoryDoNotChange(t *testing.T) {
	w := watch()
	w.look(0, nil)
	for range 25 {
		w.look(100*time.Millisecond, answer(10, 2))
	}
	kept := w.console
	before := fmt.Sprintf("%+v", kept.History)
	for range 200 {
		w.look(100*time.Millisecond, answer(10, 70))
	}
	if after := fmt.Sprintf("%+v", kept.History); before != after {
		t.Errorf("an old copy has changed\n%s\n%s", before, after)
	}
}

func TestQuantiles(t *testing.T) {
	var l Latency
	l.Buckets[0], l.Buckets[8], l.Buckets[20] = 90, 9, 1
	l.Count = 100
	for _, row := range []struct{ q, want float64 }{{0, 20}, {0.5, 20}, {0.9, 20}, {0.91, 80}, {0.99, 80}, {1, 640}} {
		if got := l.Quantile(row.q); got != row.want {
			t.Errorf("quantile %v is %v, want %v", row.q, got, row.want)
		}
	}
}
