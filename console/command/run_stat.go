package command

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"synod/protocol"
)

// metrics shows what people look at first in the replicas' statuses, one column for each.
func (e *Executor) metrics(ctx context.Context, f *frame, c *call) bool {
	var only []string
	if name := c.arg(0); name != "" {
		only = []string{name}
	}
	answers := e.look(ctx, f.limit(c), only...)
	names := []string{"metric"}
	failed := 0
	table := newTable(len(answers))
	for i := range answers {
		names = append(names, answers[i].replica)
		if answers[i].err != nil {
			failed++
			table.set("state", i, "no answer")
			continue
		}
		table.set("state", i, "answers")
		measure(&answers[i].status, func(metric, value string) { table.set(metric, i, value) })
	}
	e.report(c, names, table.rows())
	e.looked(f, failed, len(answers))
	return true
}

// measure tells the metrics of one replica in order.
func measure(s *Status, tell func(metric, value string)) {
	for _, role := range s.Roles {
		tell(Visible(role.Role)+" state", Visible(role.State))
		tell(Visible(role.Role)+" restarts", strconv.Itoa(role.Restarts))
	}
	for _, position := range []struct {
		name string
		at   uint64
	}{
		{"voted slot", s.Voted},
		{"chosen slot", s.Chosen},
		{"applied slot", s.Applied},
		{"flushed slot", s.Flushed},
		{"floor slot", s.Floor},
		{"revision", s.Revision},
		{"updates answered", s.Requests.Updates},
		{"reads answered", s.Requests.Reads},
		{"requests failed", s.Requests.Failed},
	} {
		tell(position.name, number10(position.at))
	}
	tell("connections", strconv.Itoa(s.Connections))
	tell("sync p50 µs", strconv.FormatInt(s.SyncMicros.P50, 10))
	tell("sync p99 µs", strconv.FormatInt(s.SyncMicros.P99, 10))
	for _, queue := range s.Queues {
		name := "queue " + Visible(queue.Queue)
		tell(name, fmt.Sprintf("%d of %d", queue.Length, queue.Limit))
		tell(name+" dropped", number10(queue.Dropped))
	}
	for _, peer := range s.Peers {
		word := "lost"
		if peer.Connected {
			word = strconv.FormatInt(peer.RTTMicros, 10)
		}
		tell("rtt "+Visible(peer.Replica)+" µs", word)
	}
	tell("faults", strconv.Itoa(len(s.Faults)))
	tell("uptime", s.uptime())
}

// table collects rows whose names come in the order in which they are first told.
type table struct {
	width int
	at    map[string]int
	cells [][]string
}

func newTable(width int) *table { return &table{width: width, at: map[string]int{}} }

func (t *table) set(name string, column int, value string) {
	at, known := t.at[name]
	if !known {
		at = len(t.cells)
		t.at[name] = at
		row := make([]string, t.width+1)
		row[0] = name
		for i := range t.width {
			row[i+1] = "-"
		}
		t.cells = append(t.cells, row)
	}
	t.cells[at][column+1] = value
}

func (t *table) rows() [][]string { return t.cells }

// tally is the sum of what replicas have answered at a moment, by operation.
type tally struct {
	at         time.Time
	operations map[string]*durations
	updates    uint64
	reads      uint64
	failed     uint64
}

// durations of one operation.
type durations struct {
	buckets [protocol.LatencyBuckets]uint64
	count   uint64
	failed  uint64
}

func (d *durations) add(s *protocol.OperationStatus) {
	d.failed += s.Failed
	for i, count := range s.Buckets[:min(len(s.Buckets), len(d.buckets))] {
		d.buckets[i] += count
		d.count += count
	}
}

// since gives what has come since an earlier moment. A replica that has started anew in between counts from 0: then less
// may have come than there was, which counts as nothing.
func (d *durations) since(before *durations) durations {
	var diff durations
	if before == nil {
		before = &durations{}
	}
	for i := range d.buckets {
		if d.buckets[i] > before.buckets[i] {
			diff.buckets[i] = d.buckets[i] - before.buckets[i]
			diff.count += diff.buckets[i]
		}
	}
	if d.failed > before.failed {
		diff.failed = d.failed - before.failed
	}
	return diff
}

// quantile gives the upper bound of the bucket in which a share of the durations ends, in milliseconds; "-" without any.
func (d *durations) quantile(share float64) string {
	if d.count == 0 {
		return "-"
	}
	rank, seen, last := uint64(share*float64(d.count)), uint64(0), 0
	for i, count := range d.buckets {
		if count > 0 {
			last = i
		}
		if seen += count; count > 0 && seen > rank {
			break
		}
	}
	return fmt.Sprintf("%.2f", protocol.LatencyBucket(last)/1000)
}

func tallied(answers []look) tally {
	t := tally{at: time.Now(), operations: map[string]*durations{}}
	for i := range answers {
		s := &answers[i].status
		t.updates, t.reads, t.failed = t.updates+s.Requests.Updates, t.reads+s.Requests.Reads, t.failed+s.Requests.Failed
		for at := range s.Operations {
			name := s.Operations[at].Operation
			if t.operations[name] == nil {
				t.operations[name] = &durations{}
			}
			t.operations[name].add(&s.Operations[at])
		}
	}
	return t
}

// operationOrder is how operations are listed; others are left to `metrics`.
var operationOrder = []string{"put", "get", "del", "scan", "other"}

func (e *Executor) latency(ctx context.Context, f *frame, c *call) bool {
	var before tally
	if over := duration(c.option("over", "")); over > 0 {
		before = tallied(e.look(ctx, f.limit(c)))
		if !e.sleep(ctx, over) {
			return false
		}
	}
	answers := e.look(ctx, f.limit(c))
	now := tallied(answers)
	var rows [][]string
	for _, name := range operationOrder {
		if now.operations[name] == nil {
			continue
		}
		d := now.operations[name].since(before.operations[name])
		if d.count+d.failed == 0 {
			continue
		}
		rows = append(rows, []string{
			name, number10(d.count), d.quantile(0.5), d.quantile(0.9), d.quantile(0.99), d.quantile(0.999), d.quantile(1),
			number10(d.failed),
		})
	}
	if len(rows) == 0 {
		e.report(c, nil, [][]string{{"no request was answered"}})
	} else {
		e.report(c, []string{"op", "#count", "#p50 ms", "#p90 ms", "#p99 ms", "#p99.9 ms", "#max ms", "#failed"}, rows)
	}
	e.looked(f, unanswered(answers), len(answers))
	return true
}

func unanswered(answers []look) int {
	failed := 0
	for i := range answers {
		if answers[i].err != nil {
			failed++
		}
	}
	return failed
}

// statEvery is the pause between two lines of `stat`.
const statEvery = time.Second

// stat writes a line a second: the difference of two looks.
func (e *Executor) stat(ctx context.Context, f *frame, c *call) bool {
	every := duration(c.option("every", statEvery.String()))
	lines := statCountMax
	if text := c.option("count", ""); text != "" {
		lines, _ = strconv.Atoi(text) // checked
	}
	before := tallied(e.look(ctx, min(f.timeout, pollTimeout)))
	heading := []string{
		"time    ", "up ", "leader", "ballot  ", "#    chosen", "#behind", "#  op/s", "#p50 ms", "#p99 ms", "#failed", "#faults",
	}
	for line := range lines {
		if !e.sleep(ctx, every) {
			return false
		}
		answers := e.look(ctx, min(f.timeout, pollTimeout))
		now := tallied(answers)
		e.follow(c, heading, statLine(answers, &before, &now), line > 0)
		before = now
	}
	e.looked(f, 0, 1)
	return true
}

func statLine(answers []look, before, now *tally) []string {
	leader, votes := leaderOf(answers)
	if votes <= len(answers)/2 {
		leader = ""
	}
	up, highest, lowest, faults, ballot := 0, uint64(0), ^uint64(0), 0, ""
	for i := range answers {
		s := &answers[i].status
		if answers[i].err != nil {
			continue
		}
		up++
		highest, lowest, faults = max(highest, s.Chosen), min(lowest, s.Applied), faults+len(s.Faults)
		if answers[i].replica == leader {
			ballot = s.Ballot
		}
	}
	var all durations
	for name, d := range now.operations { // sums do not depend on the order
		diff := d.since(before.operations[name])
		all.count += diff.count
		for i := range diff.buckets {
			all.buckets[i] += diff.buckets[i]
		}
	}
	answered := float64(now.updates+now.reads) - float64(before.updates+before.reads)
	return []string{
		now.at.Format(time.TimeOnly), fmt.Sprintf("%d/%d", up, len(answers)), orDash(Visible(leader)), orDash(Visible(ballot)),
		number10(highest), number10(highest - min(lowest, highest)),
		fmt.Sprintf("%.0f", max(answered/now.at.Sub(before.at).Seconds(), 0)), all.quantile(0.5), all.quantile(0.99),
		number10(now.failed - min(before.failed, now.failed)), strconv.Itoa(faults),
	}
}
