package sim

import (
	"fmt"
	"io"
	"strings"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/sim/check"
)

// Report is what became of a run.
type Report struct {
	Options   Options
	Violation *check.Violation // nil if all promises were kept
	// Trace is a hash over everything that happened: equal runs have equal hashes.
	Trace uint64
	// Events is the length of the trace, Tasks the number of steps of the schedule.
	Events, Tasks uint64
	Simulated     check.Time
	Slots         paxos.Slot
	// Done, Refused and Unknown count the clients' operations.
	Done, Refused, Unknown uint64
	Faults                 [faultKinds]uint64
	Network                NetworkCounts
	Torn, Dropped          uint64 // writes at power losses
	Probes                 [probeCount]uint64
}

// Err is the violation as an error that says how to see it again.
func (r *Report) Err() error {
	if r.Violation == nil {
		return nil
	}
	return fmt.Errorf("seed %d: %w\nreplay with: %s\n%s", r.Options.Seed, r.Violation, r.Options.Replay(), r.Options)
}

// Run runs a cluster as the options say and judges it. With out, it prints every
// event, one line each.
//
// A run has phases: warm-up without faults; chaos, in which safety is watched; core
// only, in which a random majority is healed and the rest stays broken, and must
// serve; healed; quiet, in which the last operations end and all replicas must
// become equal.
func Run(options Options, out io.Writer) Report {
	c := newCluster(options, out)
	c.boot()
	c.asking = true
	for _, k := range c.clients {
		k.think()
	}
	c.runPhases()
	c.panelFinish()
	c.trace.flush()
	return c.report()
}

// boot makes the logs and starts all replicas.
func (c *cluster) boot() {
	c.enter(check.WarmUp)
	for _, r := range c.replicas {
		r.format()
	}
	c.until(check.Time(c.replicas[0].disk.IdleAt()), nil)
	for _, r := range c.replicas {
		r.start()
		first := between(c.streams.host, 0, r.tick)
		if c.options.Scripted {
			first = check.Time(r.id) * check.Millisecond
		}
		c.at(c.now+first, task{kind: taskTick, replica: r})
	}
}

func (c *cluster) runPhases() {
	c.until(c.now+c.options.WarmUp, nil)
	c.enter(check.Chaos)
	c.faults.begin()
	c.until(c.now+c.options.Chaos, nil)

	core := c.drawCore()
	c.core = core
	c.heal(core)
	c.breakRest(core)
	c.enter(check.CoreOnly)
	c.serve(600 * check.Millisecond)

	c.core = everyone(c.options.Replicas)
	c.heal(c.core)
	c.enter(check.Healed)
	c.serve(600 * check.Millisecond)

	c.asking = false
	c.enter(check.Quiet)
	c.settle()
	c.audit()
}

// drawCore draws a majority, or more, of replicas whose acceptors have their state.
func (c *cluster) drawCore() replicaSet {
	n := c.options.Replicas
	size := n/2 + 1 + c.streams.fault.IntN(n-n/2)
	core := everyone(n)
	// To lose its leader, and not to notice, is what a majority suffers most from.
	if leader := c.leader(); leader != nil && !c.faults.lost.has(leader.id) && c.streams.fault.IntN(2) == 0 {
		size = min(size, n-1)
		core = core.without(only(leader.id))
	}
	for _, i := range c.streams.fault.Perm(n) {
		id := paxos.ReplicaID(i + 1)
		if core.size() > size && !c.faults.lost.has(id) {
			core = core.without(only(id))
		}
	}
	// Those that lost their state may be in the core, as long as enough others are.
	for core.without(c.faults.lost).size() < n/2+1 {
		for _, r := range c.replicas {
			if !core.has(r.id) && !c.faults.lost.has(r.id) {
				core = core.with(r.id)
				break
			}
		}
	}
	return core
}

// serve lets the phase last until it has served and a little longer.
func (c *cluster) serve(atLeast check.Time) {
	c.until(c.now+c.options.ServeMax+1, func() bool { return c.served })
	c.until(max(c.now, c.phaseStart+atLeast), nil)
}

// settle waits until no operation is pending and all learners are equal.
func (c *cluster) settle() {
	limit := c.now + c.options.Workload.DeadlineMax + c.options.ServeMax
	c.until(limit, func() bool { return c.pending() == 0 && c.equal() && c.notNormal() == "" })
	if c.violated() || c.pending() > 0 {
		return // the liveness watcher says it better
	}
	if who := c.notNormal(); who != "" {
		c.fail("liveness", "L3: %s after the last operation %s", c.now-c.phaseStart, who)
		return
	}
	if !c.equal() {
		applied := []string{}
		for _, r := range c.replicas {
			applied = append(applied, fmt.Sprintf("%s %s", r.id, r.appliedText()))
		}
		c.fail("liveness", "L2: %s after the last operation the replicas have applied: %s; slot %d is chosen",
			c.now-c.phaseStart, strings.Join(applied, ", "), c.panel.Ledger().LastChosen())
	}
}

// notNormal says which acceptor does not vote, and why; "" if all do.
func (c *cluster) notNormal() string {
	for _, r := range c.replicas {
		if r.acceptor.agent == nil {
			return fmt.Sprintf("%s is down", r.acceptor.address)
		}
		if s := r.acceptor.agent.Status(); s.State != "normal" {
			return fmt.Sprintf("%s is %s: %s", r.acceptor.address, s.State, s.Reason)
		}
	}
	return ""
}

func (c *cluster) pending() int {
	pending := 0
	for _, k := range c.clients {
		pending += k.active
	}
	return pending
}

func (c *cluster) equal() bool {
	last := c.panel.Ledger().LastChosen()
	for _, r := range c.replicas {
		if r.machine == nil || paxos.Slot(r.machine.Applied()) != last {
			return false
		}
	}
	return true
}

func (r *replica) appliedText() string {
	if r.machine == nil {
		return "down"
	}
	return fmt.Sprint(r.machine.Applied())
}

// audit shows what every replica holds at the end.
func (c *cluster) audit() {
	for _, r := range c.replicas {
		if c.violated() {
			return
		}
		rows, err := r.rows()
		if err != nil {
			c.fail("start", "the store of %s cannot be read at the end: %v", r.id, err)
			return
		}
		c.show(check.Event{
			Kind: check.Audited, Agent: r.learner.address, Slot: paxos.Slot(r.machine.Applied()), Rows: rows,
			Revision: r.machine.Revision(),
		})
	}
}

func (r *replica) rows() ([]check.Row, error) {
	view, err := r.machine.View()
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	page, err := view.Scan(kv.Range{RowsMax: 1 << 20, BytesMax: 1 << 30})
	if err != nil {
		return nil, err
	}
	var rows []check.Row
	for _, row := range page.Rows {
		rows = append(rows, check.Row{Key: string(row.Key), Value: string(row.Value), Revision: row.Revision})
	}
	return rows, nil
}

func (c *cluster) panelFinish() {
	if !c.violated() {
		c.panel.Finish()
	}
	if v := c.violation(); v != nil && c.trace.out != nil {
		fmt.Fprintf(c.trace.out, "%s  VIOLATION    %s\n", c.now, v)
	}
}

func (c *cluster) report() Report {
	r := Report{
		Options: c.options, Violation: c.violation(), Trace: c.trace.hash, Events: c.trace.count, Tasks: c.count,
		Simulated: c.now, Slots: c.panel.Ledger().LastChosen(), Faults: c.faults.counts, Network: c.network.counts,
		Done: c.done[check.Done], Refused: c.done[check.Refused], Unknown: c.done[check.Unknown], Probes: c.probes,
	}
	for _, replica := range c.replicas {
		counts := replica.disk.Counts()
		r.Torn, r.Dropped = r.Torn+counts.Torn, r.Dropped+counts.Dropped
	}
	return r
}
