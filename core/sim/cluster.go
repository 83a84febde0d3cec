package sim

import (
	"fmt"
	"io"

	"synod/core/paxos"
	"synod/core/sim/check"
	"synod/core/sim/disk"
)

// cluster is the whole simulated world.
type cluster struct {
	schedule
	options Options
	streams streams
	id      paxos.ClusterID
	network network
	faults  faults
	// replicas by number minus one, clients by number minus one.
	replicas []*replica
	clients  []*client
	panel    *check.Panel
	trace    trace
	probes   [probeCount]uint64
	probing  prober
	event    check.Event
	watch    func(*check.Event) // of a test, may be nil

	phase      check.Phase
	phaseStart check.Time
	// served: an update that began in this phase was answered.
	served bool
	// asking: clients begin new operations.
	asking     bool
	core       replicaSet // whom clients ask
	operations uint64
	steps      uint64
	// epoch changes when everything is healed, so that older undoings are void.
	epoch  uint64
	failed *check.Violation
	times  []check.Time
	done   [4]uint64 // operations by outcome
}

func newCluster(options Options, out io.Writer) *cluster {
	c := &cluster{
		options: options,
		streams: newStreams(options.Seed),
		core:    everyone(options.Replicas),
		panel: check.New(check.Options{
			Replicas: options.Replicas, ServeMax: options.ServeMax,
			PendingMax: options.Workload.DeadlineMax + check.Second, LeadersMax: leadersMax,
		}),
		trace: newTrace(out),
	}
	if !options.Scripted {
		c.schedule.random = c.streams.order
	}
	c.network = network{options: options.Network, random: c.streams.network}
	c.faults.c = c
	for i := range c.id {
		c.id[i] = byte(c.streams.host.Uint64())
	}
	for id := paxos.ReplicaID(1); int(id) <= options.Replicas; id++ {
		c.replicas = append(c.replicas, newReplica(c, id))
	}
	for number := 1; number <= options.Workload.Clients; number++ {
		c.clients = append(c.clients, newClient(c, number))
	}
	return c
}

// leadersMax is how many leaders a healed majority may see. Three campaigns may be
// under way when it is healed, and an acceptor among them that recovers has none of
// the runs that prove old slots: a learner may need one of them opened again.
const leadersMax = 4

// show is the one place through which everything passes that can be seen.
func (c *cluster) show(e check.Event) {
	c.event = e
	c.event.At = c.now
	c.trace.show(&c.event)
	c.panel.Watch(&c.event)
	c.probing.watch(c, &c.event)
	if c.watch != nil {
		c.watch(&c.event)
	}
	if e.Kind == check.Returned {
		c.done[e.Operation.Outcome]++
		if e.Operation.Outcome == check.Done && e.Operation.Op != check.Get && e.Operation.Invoked >= c.phaseStart {
			c.served = true
		}
	}
}

// isRead reports whether anybody reads the trace.
func (c *cluster) isRead() bool { return c.trace.out != nil || c.watch != nil }

// remark is for readers only: it is not a part of the trace that is compared.
func (c *cluster) remark(e check.Event) {
	e.At = c.now
	c.trace.print(&e)
	if c.watch != nil {
		c.watch(&e)
	}
}

// fail ends the run because of something that no watcher sees.
func (c *cluster) fail(checker, format string, values ...any) {
	if c.failed == nil {
		c.failed = &check.Violation{Checker: checker, At: c.now, Err: fmt.Errorf(format, values...)}
	}
}

// violation is the first broken promise.
func (c *cluster) violation() *check.Violation {
	if v := c.panel.Violation(); v != nil {
		return v
	}
	return c.failed
}

func (c *cluster) violated() bool { return c.violation() != nil }

// until runs the world to a time, or to the first violation, or until it is done.
func (c *cluster) until(limit check.Time, done func() bool) {
	for !c.violated() && (done == nil || !done()) {
		t, ok := c.next(limit)
		if !ok {
			return
		}
		c.perform(&t)
	}
}

func (c *cluster) perform(t *task) {
	switch t.kind {
	case taskCall:
		t.call()
	case taskTick:
		t.replica.ticks()
	case taskArrive:
		c.network.link(t.envelope.From.Replica, t.envelope.To.Replica).flight--
		c.arrive(&t.envelope)
	case taskDeliver:
		if t.host.life == t.life {
			t.host.deliver()
		}
	case taskRelease:
		if t.host.life == t.life {
			t.host.leave()
		}
	}
}

// route takes a message to every replica that it is addressed to.
func (c *cluster) route(e *paxos.Envelope) {
	if e.To.Replica != paxos.Everyone {
		c.routeTo(e, e.To.Replica)
		return
	}
	for _, r := range c.replicas {
		c.routeTo(e, r.id)
	}
}

func (c *cluster) routeTo(e *paxos.Envelope, to paxos.ReplicaID) {
	own := *e
	own.To.Replica = to
	if to == e.From.Replica {
		c.arrive(&own)
		return
	}
	c.times = c.network.arrivals(c.now, to, &own, c.times[:0])
	c.network.link(e.From.Replica, to).flight += len(c.times)
	for _, at := range c.times {
		c.at(at, task{kind: taskArrive, envelope: own})
	}
}

// arrive gives a message to each role that it is addressed to.
func (c *cluster) arrive(e *paxos.Envelope) {
	r := c.replicas[e.To.Replica-1]
	for _, h := range r.hosts() {
		if e.To.Roles&h.address.Roles != 0 {
			own := *e
			own.To.Roles = h.address.Roles
			h.receive(&own)
		}
	}
}

// chooseReplica is a client's choice of whom to ask.
func (c *cluster) chooseReplica() *replica {
	for {
		if r := c.replicas[c.streams.workload.IntN(len(c.replicas))]; c.core.has(r.id) {
			return r
		}
	}
}

// leader is the replica whose proposer says that it leads, if one does.
func (c *cluster) leader() *replica {
	for _, r := range c.replicas {
		if r.proposer.agent != nil && r.proposer.leads {
			return r
		}
	}
	return nil
}

// restartLater starts a role again after a while.
func (c *cluster) restartLater(h *host) {
	c.after(between(c.streams.fault, check.Millisecond, c.options.Faults.DownMax+check.Millisecond),
		func() { h.replica.startRole(h) })
}

// enter begins a phase.
func (c *cluster) enter(phase check.Phase) {
	c.show(check.Event{Kind: check.Phased, Phase: phase})
	c.phase, c.phaseStart, c.served = phase, c.now, false
}

// healAll takes back every fault, for the replicas in the set.
func (c *cluster) heal(set replicaSet) {
	c.faults.on = false
	c.epoch++
	c.network.heal(everyone(c.options.Replicas))
	c.network.options.Drop, c.network.options.Duplicate, c.network.options.Capsule = 0, 0, 0
	for _, r := range c.replicas {
		if !set.has(r.id) {
			continue
		}
		r.frozen = false
		r.paused = 0
		r.disk.DieAt(0)
		r.disk.Slow(1)
		r.unfill()
		r.start()
		for _, h := range r.hosts() {
			h.paused = 0
			r.startRole(h)
			h.wake()
		}
	}
}

// breakRest leaves the replicas outside of the core broken, each in its own way.
func (c *cluster) breakRest(core replicaSet) {
	for _, r := range c.replicas {
		if core.has(r.id) {
			continue
		}
		r.frozen = true
		me, random := only(r.id), c.streams.fault
		switch way := random.IntN(6); way {
		case 0:
			r.crash(disk.LoseAll, "left broken: down")
		case 1:
			r.paused++
			for _, h := range r.hosts() {
				h.paused++
			}
			c.faults.note("%s is left broken: paused", r.id)
		case 2:
			c.network.cutBetween(me, core, 1)
			c.network.cutBetween(core, me, 1)
			c.faults.note("%s is left broken: cut off", r.id)
		case 3, 5:
			c.network.cutBetween(core, me, 1)
			c.faults.note("%s is left broken: deaf", r.id)
		case 4:
			c.network.cutBetween(me, core, 1)
			c.faults.note("%s is left broken: mute", r.id)
		}
	}
}
