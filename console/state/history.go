package state

import (
	"slices"
	"time"

	"synod/protocol"
)

// Second is what happened in one second.
type Second struct {
	At       time.Time // its end
	Known    bool      // something was watched
	Answered uint64    // requests of clients, at all replicas that were watched
	Failed   uint64
	Chosen   uint64 // slots
	P50, P99 int64  // microseconds, of the answered ones; 0 without any
	Leader   string
	Up       int // replicas that answer
	Faults   int
	Replicas []ReplicaSecond // in the order of the replicas
	latest   []Latency       // of the newest seconds only
}

// ReplicaSecond is what one replica told last in a second, in microseconds; 0 where there is nothing to tell.
type ReplicaSecond struct {
	Known            bool
	RTT              int64 // the median over its connected peers
	SyncP50, SyncP99 int64 // of its acceptor's log
}

// HistoryMark is an event on the axis of time.
type HistoryMark struct {
	At   time.Time
	Kind MarkKind
	Text string // such as "pause r3.acceptor" or "r1 to r4"
}

// MarkKind is the kind of an event.
type MarkKind int

// The kinds of events.
const (
	FaultSet MarkKind = iota
	FaultOver
	LeaderChange
)

// Latency is how long the requests of one operation took.
type Latency struct {
	Operation string
	Count     uint64 // answered
	Failed    uint64
	Buckets   [protocol.LatencyBuckets]uint64
}

// History is the last minutes, second by second. A copy shares its lists, which are replaced and not written into.
type History struct {
	Seconds []Second      // the oldest first, at most HistoryMax
	Marks   []HistoryMark // the oldest first
	now     Second        // the one that is not over
	began   time.Time
	chosen  uint64   // at the last look
	faults  []string // that lasted at the last look
	leader  string   // the last one that was known
}

// Limits of the history.
const (
	HistoryMax     = 600 // seconds
	marksMax       = 200
	latencySeconds = 10 // that Latencies merges
)

// observe takes the change from what was known before to what is known now.
func (h History) observe(before, c *Console) History {
	if h.began.IsZero() || c.Now.Before(h.began) {
		h.began, h.chosen, h.faults = c.Now, c.Chosen(), faultNames(c)
		h.leader, _ = c.Leader()
		h.now = Second{}
		return h
	}
	h.now = h.now.add(before, c)
	if chosen := c.Chosen(); chosen > h.chosen {
		if h.chosen > 0 {
			h.now.Chosen += chosen - h.chosen
		}
		h.chosen = chosen
	}
	h.mark(c)
	if c.Now.Sub(h.began) < time.Second {
		return h
	}
	return h.close(c)
}

// add counts what was answered between two looks.
func (s Second) add(before, c *Console) Second {
	s.latest = slices.Clone(s.latest)
	for i := range c.Replicas {
		if i >= len(before.Replicas) {
			break
		}
		was, is := &before.Replicas[i], &c.Replicas[i]
		if !was.Known || !was.Connected || !is.Connected || was.Status.PID != is.Status.PID {
			continue
		}
		s.Known = true
		s.Answered += answeredSince(was, is)
		s.Failed += grown(was.Status.Requests.Failed, is.Status.Requests.Failed)
		for _, now := range is.Status.Operations {
			s.latency(was, now)
		}
	}
	return s
}

// latency adds the growth of one operation.
func (s *Second) latency(was *Observation, now protocol.OperationStatus) {
	at := slices.IndexFunc(was.Status.Operations, func(o protocol.OperationStatus) bool { return o.Operation == now.Operation })
	old := protocol.OperationStatus{}
	if at >= 0 {
		old = was.Status.Operations[at]
	}
	own := slices.IndexFunc(s.latest, func(l Latency) bool { return l.Operation == now.Operation })
	if own < 0 {
		own, s.latest = len(s.latest), append(s.latest, Latency{Operation: now.Operation})
	}
	sum := &s.latest[own]
	sum.Failed += grown(old.Failed, now.Failed)
	for i := range min(len(now.Buckets), len(sum.Buckets)) {
		count := now.Buckets[i]
		if i < len(old.Buckets) {
			count = grown(old.Buckets[i], count)
		}
		sum.Buckets[i] += count
		sum.Count += count
	}
}

// grown is by how much a counter has grown; one that has started anew counts from 0.
func grown(before, now uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// close ends the second. Seconds in which nobody looked, as while the program was suspended, are told as unknown.
func (h History) close(c *Console) History {
	second := h.now
	second.At = c.Now
	second.Leader, _ = c.Leader()
	second.Up, second.Faults = c.Up(), c.Faults()
	all := merged(second.latest)
	second.P50, second.P99 = int64(all.Quantile(0.5)), int64(all.Quantile(0.99))
	for i := range c.Replicas {
		second.Replicas = append(second.Replicas, replicaSecond(&c.Replicas[i], c.Now))
	}
	missed := min(int(c.Now.Sub(h.began)/time.Second), HistoryMax) - 1
	seconds := slices.Clone(h.Seconds[max(0, len(h.Seconds)+missed+1-HistoryMax):])
	for i := range missed {
		seconds = append(seconds, Second{At: c.Now.Add(time.Duration(i-missed) * time.Second)})
	}
	seconds = append(seconds, second)
	if old := len(seconds) - latencySeconds - 1; old >= 0 {
		seconds[old].latest = nil
	}
	h.Seconds, h.now = seconds, Second{}
	if h.began = h.began.Add(time.Duration(missed+1) * time.Second); c.Now.Sub(h.began) >= time.Second {
		h.began = c.Now
	}
	return h
}

func replicaSecond(o *Observation, now time.Time) ReplicaSecond {
	if !o.Fresh(now) {
		return ReplicaSecond{}
	}
	return ReplicaSecond{Known: true, RTT: o.RTT(), SyncP50: o.Status.SyncMicros.P50, SyncP99: o.Status.SyncMicros.P99}
}

// RTT is the median round trip to the peers it is connected with, in microseconds; 0 without any.
func (o *Observation) RTT() int64 {
	var all []int64
	for i := range o.Status.Peers {
		if peer := &o.Status.Peers[i]; peer.Connected && peer.RTTMicros > 0 {
			all = append(all, peer.RTTMicros)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// mark notes faults that begin and end, and another leader.
func (h *History) mark(c *Console) {
	marks := slices.Clone(h.Marks)
	names := faultNames(c)
	for _, name := range names {
		if slices.Contains(h.faults, name) {
			continue
		}
		// The parts of one order arrive one after the other, and with each the fault gets a fuller name.
		last := len(marks) - 1
		if last >= 0 && marks[last].Kind == FaultSet && c.Now.Sub(marks[last].At) < togetherWithin &&
			!slices.Contains(names, marks[last].Text) {
			marks[last].Text = name
		} else {
			marks = append(marks, HistoryMark{c.Now, FaultSet, name})
		}
	}
	for _, name := range h.faults {
		renamed := len(marks) > 0 && marks[len(marks)-1].Kind == FaultSet && c.Now.Sub(marks[len(marks)-1].At) < togetherWithin
		if !slices.Contains(names, name) && !renamed {
			marks = append(marks, HistoryMark{c.Now, FaultOver, name})
		}
	}
	h.faults = names
	if leader, _ := c.Leader(); leader != "" && leader != h.leader {
		if h.leader != "" {
			marks = append(marks, HistoryMark{c.Now, LeaderChange, h.leader + " to " + leader})
		}
		h.leader = leader
	}
	if len(marks) != len(h.Marks) || len(marks) > 0 && marks[len(marks)-1] != h.Marks[len(marks)-1] {
		h.Marks = marks[max(0, len(marks)-marksMax):]
	}
}

// faultNames are the faults that last now. Those of a replica that does not answer are not known: killing it hides them.
func faultNames(c *Console) []string {
	var names []string
	for _, fault := range c.Injected() {
		names = append(names, fault.What)
	}
	for i := range c.Replicas {
		if o := &c.Replicas[i]; o.Process == ProcessKilled {
			names = append(names, killedWord+o.ID)
		}
	}
	return names
}

// Last gives the newest seconds, at most n, the oldest first.
func (h *History) Last(n int) []Second { return h.Seconds[max(0, len(h.Seconds)-n):] }

// Latencies merges the last ten seconds, by operation: put, get, del, scan and others.
func (h *History) Latencies() []Latency {
	var all []Latency
	for _, second := range h.Last(latencySeconds) {
		for i := range second.latest {
			l := &second.latest[i]
			at := slices.IndexFunc(all, func(a Latency) bool { return a.Operation == l.Operation })
			if at < 0 {
				at, all = len(all), append(all, Latency{Operation: l.Operation})
			}
			all[at].merge(l)
		}
	}
	order := []string{"put", "get", "del", "scan"}
	rank := func(l Latency) int {
		if at := slices.Index(order, l.Operation); at >= 0 {
			return at
		}
		return len(order)
	}
	slices.SortStableFunc(all, func(a, b Latency) int { return rank(a) - rank(b) })
	return all
}

// Latency merges all operations of the last ten seconds.
func (h *History) Latency() Latency { return merged(h.Latencies()) }

func merged(list []Latency) Latency {
	var all Latency
	for i := range list {
		all.merge(&list[i])
	}
	return all
}

func (l *Latency) merge(other *Latency) {
	l.Count += other.Count
	l.Failed += other.Failed
	for i, count := range other.Buckets {
		l.Buckets[i] += count
	}
}

// Quantile gives an upper bound of a quantile in microseconds, at most 19 % too high; 0 without any request.
func (l *Latency) Quantile(q float64) float64 {
	rank := uint64(q*float64(l.Count) + 0.5)
	seen := uint64(0)
	for i, count := range l.Buckets {
		if seen += count; count > 0 && seen >= max(rank, 1) {
			return protocol.LatencyBucket(i)
		}
	}
	return 0
}

// Max gives an upper bound of the longest one in microseconds; 0 without any request.
func (l *Latency) Max() float64 { return l.Quantile(1) }
