package sim

import (
	"fmt"

	"synod/core/paxos"
	"synod/core/sim/check"
	"synod/core/sim/disk"
)

// faultKind is a kind of trouble.
type faultKind uint8

const (
	faultRoleCrash faultKind = iota
	faultReplicaCrash
	faultPowerLoss
	faultBlackout // power loss of all replicas
	faultDie      // inside of a file operation
	faultPauseRole
	faultPauseReplica
	faultSlowDisk
	faultPartition
	faultOneWay
	faultLoss
	faultDelay
	faultStarvation
	faultNewLeader // the crash of a leader's proposer right after it came into office
	faultHint      // a false report of a broken connection
	faultClock
	faultRot
	faultBadDisk
	faultFullDisk
	faultWipe     // the acceptor's log, the store, or both are gone
	faultRollback // the disk is put back to an older life of the acceptor
	faultKinds
)

var faultNames = [faultKinds]string{
	"role crash", "replica crash", "power loss", "blackout", "death in a file operation", "role pause",
	"replica pause", "slow disk", "partition", "one-way cut", "loss", "delay", "starvation",
	"crash of a new leader", "false hint", "clock jump", "rot", "bad disk", "full disk",
	"wipe", "rollback",
}

func (k faultKind) String() string { return faultNames[k] }

// rare faults stop everything or cannot be undone.
func (k faultKind) rare() bool { return k == faultBlackout || k == faultClock || k >= faultRot }

// losesState: the acceptor has to recover.
func (k faultKind) losesState() bool { return k == faultRot || k == faultBadDisk }

// faults makes trouble while it is on.
type faults struct {
	c    *cluster
	on   bool
	lost replicaSet // replicas that have, or may have, lost state: the permits given
	// lostLives are the lives in which their acceptors' agents lost it.
	lostLives [paxos.ReplicasMax + 1]uint64
	counts    [faultKinds]uint64
}

// begin starts a process for each kind of fault.
func (f *faults) begin() {
	f.on = true
	for kind := range faultKinds {
		if f.c.options.Faults.Every[kind] > 0 && kind != faultNewLeader {
			f.plan(kind)
		}
	}
}

func (f *faults) plan(kind faultKind) {
	f.c.after(exponential(f.c.streams.fault, f.c.options.Faults.Every[kind]), func() {
		if !f.on {
			return
		}
		f.strike(kind)
		f.plan(kind)
	})
}

// strike makes one fault happen.
func (f *faults) strike(kind faultKind) {
	f.counts[kind]++
	r := f.victim()
	switch kind {
	case faultRoleCrash:
		f.crashRole(r)
	case faultReplicaCrash:
		f.crash(r, disk.Killed)
	case faultPowerLoss:
		f.crash(r, f.powerLoss())
	case faultBlackout:
		f.blackout()
	case faultDie:
		r.disk.DieAt(1 + f.c.streams.fault.IntN(12))
	case faultPauseRole, faultPauseReplica:
		f.pause(kind, r)
	case faultSlowDisk:
		f.slowDisk(r)
	case faultPartition, faultOneWay, faultLoss, faultDelay, faultStarvation:
		f.breakNetwork(kind)
	case faultHint:
		f.hint(r)
	case faultClock:
		r.wallOffset = f.c.streams.fault.Int64N(7_200_000) - 3_600_000
	case faultRot, faultBadDisk:
		f.loseState(kind, r)
	case faultWipe:
		f.wipe(r)
	case faultRollback:
		f.rollBack(r)
	case faultFullDisk:
		f.fillDisk(r)
	}
}

func (f *faults) note(format string, values ...any) {
	f.c.show(check.Event{Kind: check.Noted, Reason: "fault: " + fmt.Sprintf(format, values...)})
}

func (f *faults) victim() *replica {
	return f.c.replicas[f.c.streams.fault.IntN(len(f.c.replicas))]
}

func (f *faults) downtime() check.Time {
	return between(f.c.streams.fault, check.Millisecond, f.c.options.Faults.DownMax)
}

// powerLoss draws a way to lose what is not durable.
func (f *faults) powerLoss() disk.Crash {
	return pick(f.c.streams.fault, disk.LoseAll, disk.KeepFirst, disk.KeepAny)
}

// later undoes a fault, unless everything was healed before.
func (f *faults) later(undo func()) {
	epoch := f.c.epoch
	f.c.after(f.downtime(), func() {
		if f.c.epoch == epoch {
			undo()
		}
	})
}

// crashRole ends one role. Often it is the leader's proposer: its crash hurts most.
func (f *faults) crashRole(r *replica) {
	h := r.hosts()[f.c.streams.fault.IntN(3)]
	if leader := f.c.leader(); leader != nil && h.address.Roles == paxos.RoleProposer && f.c.streams.fault.IntN(2) == 0 {
		h = leader.proposer
	}
	if h.agent == nil {
		return
	}
	way := disk.Killed
	if f.c.streams.fault.IntN(2) == 0 {
		way = f.powerLoss()
	}
	h.replica.crashRole(h, way, "crash of the role")
	f.later(func() { h.replica.startRole(h) })
}

// newLeader is told of every leader. Its crash right after it came into office,
// with half of its first messages under way, is what elections are most afraid of.
func (f *faults) newLeader(r *replica) {
	random := f.c.streams.fault
	if !f.on || f.c.options.Faults.Every[faultNewLeader] == 0 || random.IntN(2) == 0 {
		return
	}
	f.counts[faultNewLeader]++
	life := r.proposer.life
	f.c.after(exponential(random, 3*check.Millisecond), func() {
		if f.on && r.proposer.life == life {
			r.crashRole(r.proposer, disk.Killed, "crash of a new leader")
			f.later(func() { r.startRole(r.proposer) })
		}
	})
}

func (f *faults) crash(r *replica, way disk.Crash) {
	if !r.up {
		return
	}
	r.crash(way, "crash of the replica")
	f.hint(r)
	f.later(r.start)
}

func (f *faults) blackout() {
	for _, r := range f.c.replicas {
		f.crash(r, f.powerLoss())
	}
}

func (f *faults) pause(kind faultKind, r *replica) {
	if leader := f.c.leader(); leader != nil && f.c.streams.fault.IntN(3) == 0 {
		r = leader
	}
	hosts := r.hosts()
	paused := hosts[:]
	if kind == faultPauseRole {
		i := f.c.streams.fault.IntN(3)
		paused = hosts[i : i+1]
	} else {
		r.paused++
	}
	f.note("%s of %s: %d roles", kind, r.id, len(paused))
	for _, h := range paused {
		h.paused++
	}
	f.later(func() {
		if kind == faultPauseReplica && r.paused > 0 {
			r.paused--
		}
		for _, h := range paused {
			if h.paused > 0 {
				h.paused--
			}
			h.wake()
		}
	})
}

func (f *faults) slowDisk(r *replica) {
	f.note("slow disk of %s", r.id)
	r.disk.Slow(pick(f.c.streams.fault, 10, 100))
	f.later(func() { r.disk.Slow(1) })
}

// hint tells the others that the connection to a replica broke, true or not.
func (f *faults) hint(r *replica) {
	for _, other := range f.c.replicas {
		if other != r {
			e := paxos.Envelope{
				Cluster: f.c.id, From: other.proposer.address, Incarnation: 1, To: other.proposer.address,
				Message: &paxos.LinkDown{Replica: r.id},
			}
			other.proposer.receive(&e)
		}
	}
}

// segmentHeadBytes: rot leaves the header alone, because a segment with a wrong
// header is found at once, and the middle of a log is what matters.
const segmentHeadBytes = 128

// fillDisk leaves no space for a while. The acceptor refuses until it is started
// again with space.
func (f *faults) fillDisk(r *replica) {
	if r.full {
		return
	}
	f.note("full disk of %s", r.id)
	r.full = true
	r.disk.Fill(true)
	f.later(r.unfill)
}
