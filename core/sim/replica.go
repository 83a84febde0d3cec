package sim

import (
	"encoding/binary"
	"slices"

	"synod/core/agent"
	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/paxos"
	"synod/core/sim/check"
	"synod/core/sim/disk"
	"synod/core/wal"
)

const logDir = "/acceptor"

// replica is one process: three agents, a disk for the acceptor's log, a store for
// the learner's state machine, and a gateway.
type replica struct {
	cluster *cluster
	id      paxos.ReplicaID
	up      bool

	proposer, acceptor, learner *host

	disk    *disk.Disk
	store   *memstore.Store
	machine *kv.Machine // nil while the learner is down
	gateway *gateway

	// incarnation is the life of the acceptor, as the identity file has it, and
	// wholeLives those of which the logs were complete once and still lie there.
	incarnation paxos.Incarnation
	wholeLives  []paxos.Incarnation
	// latest is the highest life in which the acceptor was ever normal.
	latest paxos.Incarnation
	// flushAt is when the store is made durable next.
	flushAt check.Time
	// wallOffset is how wrong the wall clock is, in milliseconds.
	wallOffset int64
	tick       check.Time
	// mayFail: an error was injected, so that the acceptor may end or refuse.
	mayFail bool
	// full: the disk has no space now.
	full bool
	// paused counts the faults that pause the whole process now.
	paused int
	// frozen: the replica is no part of the healed core.
	frozen bool
}

// excused: errors were injected, so the acceptor may end or refuse.
func (r *replica) excused() bool { return r.mayFail || r.full }

// wallEpochMillis is the wall time at the start of every run.
const wallEpochMillis = 1_700_000_000_000

func (r *replica) wallMillis() int64 {
	return wallEpochMillis + int64(r.cluster.now/check.Millisecond) + r.wallOffset
}

func newReplica(c *cluster, id paxos.ReplicaID) *replica {
	r := &replica{cluster: c, id: id, store: memstore.New(c.options.StorePendingMax), incarnation: 1}
	r.tick = between(c.streams.host, c.options.TickMin, c.options.TickMax)
	r.disk = disk.New(disk.Options{
		Now: func() int64 { return int64(c.now) }, Random: c.streams.disk,
		SyncMin: c.options.SyncMin, SyncMean: c.options.SyncMean,
	})
	newHost := func(role paxos.Roles) *host {
		return &host{cluster: c, replica: r, address: paxos.Address{Replica: id, Roles: role}}
	}
	r.proposer = newHost(paxos.RoleProposer)
	r.acceptor = newHost(paxos.RoleAcceptor)
	r.learner = newHost(paxos.RoleLearner)
	return r
}

func (r *replica) hosts() [3]*host { return [3]*host{r.proposer, r.acceptor, r.learner} }

// host gives the replica's host of one role.
func (r *replica) host(role paxos.Roles) *host {
	switch role {
	case paxos.RoleProposer:
		return r.proposer
	case paxos.RoleAcceptor:
		return r.acceptor
	}
	return r.learner
}

func (r *replica) config() paxos.Config {
	return paxos.Config{
		Cluster: r.cluster.id, Self: r.id, Replicas: r.cluster.options.Replicas,
		Incarnation: r.incarnation, Mutant: r.cluster.options.Mutant,
	}
}

func (r *replica) acceptorOptions() agent.AcceptorOptions {
	o := r.cluster.options
	var run [16]byte
	binary.BigEndian.PutUint64(run[:], 1+r.cluster.streams.nonce.Uint64N(1<<63))
	return agent.AcceptorOptions{
		Options: agent.Options{Tap: r.acceptor.keepRecords}, Log: r.logOptions(), Renew: r.renew,
		Limits: paxos.AcceptorOptions{
			MemoryBytesMax: o.Acceptor.MemoryBytesMax, PartBytesMax: o.Acceptor.PartBytesMax, Run: run,
			Cuts: o.Acceptor.Cuts, KeepSlots: o.Acceptor.KeepSlots, KeepBytesMax: o.Acceptor.KeepBytesMax,
		},
	}
}

func (r *replica) logOptions() wal.Options {
	o := r.cluster.options
	return wal.Options{
		FS: r.disk, Dir: r.logDir(), SegmentBytes: o.SegmentBytes, FirstSegmentBytes: o.SegmentBytes,
		Identity: wal.Identity{Cluster: r.cluster.id, Replica: uint8(r.id), Incarnation: uint64(r.incarnation)},
		Mutant:   o.Mutant,
	}
}

// renew is the identity file, durable at once: a new life, with a log of its own.
// Whatever lies in its place is from a life whose number was forgotten.
func (r *replica) renew(life paxos.Incarnation) (wal.Options, error) {
	r.incarnation = life
	r.wholeLives = slices.DeleteFunc(r.wholeLives, func(old paxos.Incarnation) bool { return old >= life })
	r.disk.Lose(r.logDir())
	return r.logOptions(), nil
}

// format is what init does, once in the life of a replica.
func (r *replica) format() {
	if err := agent.CreateAcceptor(r.config(), r.acceptorOptions()); err != nil {
		r.cluster.fail("start", "the log of %s cannot be created: %v", r.id, err)
	}
	r.wholeLives = append(r.wholeLives, r.incarnation)
}

// start starts the process with all that is down in it.
func (r *replica) start() {
	if r.up || r.frozen {
		return
	}
	r.up = true
	r.gateway = newGateway(r)
	for _, h := range r.hosts() {
		r.startRole(h)
	}
	r.gateway.start()
}

// startRole starts one agent, from what its disk holds.
func (r *replica) startRole(h *host) {
	if !r.up || h.agent != nil || r.frozen {
		return
	}
	started := check.Event{Kind: check.Started, Agent: h.address}
	switch h.address.Roles {
	case paxos.RoleProposer:
		h.begin(r.newProposer())
	case paxos.RoleLearner:
		learner := r.newLearner()
		if learner == nil {
			return
		}
		h.begin(learner)
		started.Slot = paxos.Slot(r.machine.Applied())
	case paxos.RoleAcceptor:
		acceptor, ok := r.openAcceptor()
		if !ok {
			return
		}
		status := acceptor.Status()
		started.Refusing, started.Reason = status.State != "normal", status.Reason
		waits := status.State == "refusing" && status.Floor > 0
		if started.Refusing && !waits && !r.excused() && !r.cluster.faults.lost.has(r.id) {
			r.cluster.fail("start", "%s refuses without a cause from outside: %s", h.address, status.Reason)
		}
		r.cluster.probeLog(status.Log)
		h.begin(acceptor)
	}
	r.cluster.show(started)
	h.wake()
}

func (r *replica) newProposer() *agent.Agent {
	random, o := r.cluster.streams.host, r.cluster.options.Proposer
	return agent.NewProposer(r.config(), paxos.ProposerOptions{
		Run: 1 + random.Uint64N(1<<63), Seed: random.Uint64(),
		HeartbeatTicks: o.HeartbeatTicks, ElectionTicks: o.ElectionTicks, ResendTicks: o.ResendTicks,
		WindowMax: o.Window, BatchBytesMax: o.BatchBytesMax, BatchCommandsMax: o.BatchCommandsMax,
		QueueBytesMax: o.QueueBytesMax,
	}, agent.Options{})
}

func (r *replica) newLearner() *agent.Agent {
	o := r.cluster.options
	machine, err := r.newMachine()
	if err != nil {
		r.cluster.fail("start", "the state machine of %s does not start: %v", r.id, err)
		return nil
	}
	r.machine = machine
	return agent.NewLearner(r.config(), paxos.LearnerOptions{
		Run: 1 + r.cluster.streams.host.Uint64N(1<<63), Applied: paxos.Slot(machine.Applied()),
		AheadMax: o.Learner.AheadMax, FetchBytesMax: o.Learner.FetchBytesMax, ResendTicks: o.Learner.ResendTicks,
	}, &sink{replica: r, machine: machine}, agent.Options{})
}

func (r *replica) newMachine() (*kv.Machine, error) {
	o := r.cluster.options
	return kv.New(r.store, kv.Options{
		SessionsMax: o.Sessions.Max, SessionGuardSlots: o.Sessions.GuardSlots,
		SessionIdleMillis: o.Sessions.IdleMillis, MarkSlots: 16, Replica: int(r.id), Mutant: o.Mutant,
	})
}

// openAcceptor replays the log. It may die in the middle of it, or fail if an error
// was injected; then it is tried again later.
func (r *replica) openAcceptor() (*agent.Agent, bool) {
	var acceptor *agent.Agent
	died, err := r.acceptor.dare(func() (err error) {
		acceptor, err = agent.OpenAcceptor(r.config(), r.acceptorOptions())
		return err
	})
	if !died && err == nil {
		return acceptor, true
	}
	if err != nil && !r.excused() {
		r.cluster.fail("start", "the acceptor of %s does not start: %v", r.id, err)
		return nil, false
	}
	r.cluster.probe(probeDiedOpening)
	r.disk.Crash(disk.Crash(1+r.cluster.streams.fault.IntN(4)), r.disk.IdleAt())
	r.cluster.restartLater(r.acceptor)
	return nil, false
}

// crash ends the process. The way says what the disk loses.
func (r *replica) crash(way disk.Crash, reason string) {
	if !r.up {
		return
	}
	for _, h := range r.hosts() {
		h.end(way, reason)
		h.paused = 0
	}
	r.up, r.paused = false, 0
	r.gateway.end()
}

// unfill gives the disk space again. An acceptor that refuses for want of space is
// started anew, as its operator would.
func (r *replica) unfill() {
	if !r.full {
		return
	}
	r.full = false
	r.disk.Fill(false)
	if r.acceptor.agent != nil && r.acceptor.agent.Status().State == "refusing" {
		r.crashRole(r.acceptor, disk.Killed, "restart after the disk was full")
		r.startRole(r.acceptor)
	}
}

// crashRole ends one agent; the process lives on.
func (r *replica) crashRole(h *host, way disk.Crash, reason string) {
	h.end(way, reason)
}

// checkBounds holds the sizes of everything that could grow against its limit.
func (r *replica) checkBounds() {
	if h := r.proposer; h.agent != nil {
		if s := h.agent.Status(); s.InFlight > r.cluster.options.Proposer.Window && r.cluster.options.Proposer.Window > 0 {
			r.cluster.fail("bounds", "%s has %d slots in flight, its window is %d",
				h.address, s.InFlight, r.cluster.options.Proposer.Window)
		}
	}
	if n := r.gateway.waiters.Len(); n > gatewayCountMax {
		r.cluster.fail("bounds", "%d requests wait at %s, the limit is %d", n, r.id, gatewayCountMax)
	}
}

// ticks lets the clock tick for ever.
func (r *replica) ticks() {
	r.checkBounds()
	r.flush()
	r.cluster.faults.returnPermit(r)
	for _, h := range r.hosts() {
		if h.agent != nil {
			h.ticks++
			h.wake()
		}
	}
	if r.up && r.paused == 0 {
		r.gateway.tick()
	}
	r.cluster.at(r.cluster.now+r.tick, task{kind: taskTick, replica: r})
}
