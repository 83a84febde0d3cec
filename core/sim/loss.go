package sim

import (
	"fmt"

	"synod/core/kv/memstore"
	"synod/core/paxos"
	"synod/core/sim/check"
	"synod/core/sim/disk"
)

// permit lets a replica lose state, if not too many are without theirs. It is held
// until the replica's acceptor is normal again in a later start, durably, and its
// store holds all that the others have cut.
func (f *faults) permit(r *replica) bool {
	if f.lost.has(r.id) || f.lost.with(r.id).size() > f.c.options.Faults.LostMax {
		return false
	}
	f.lost = f.lost.with(r.id)
	f.lostLives[r.id] = r.acceptor.life
	return true
}

// returnPermit looks whether a replica has all that it needs.
func (f *faults) returnPermit(r *replica) {
	h := r.acceptor
	if !f.lost.has(r.id) || h.agent == nil || h.busy || h.life == f.lostLives[r.id] {
		return
	}
	status := h.agent.Status()
	if status.State != "normal" || status.Incarnation < r.latest { // an older life has not heard of it yet
		return
	}
	durable := r.durable()
	for _, other := range f.c.replicas {
		if other.acceptor.agent != nil && other.acceptor.agent.Status().Floor > durable {
			return
		}
	}
	f.lost = f.lost.without(only(r.id))
	r.mayFail = false
	f.note("permit of %s is returned", r.id)
}

// loseState damages an acceptor's log, within the budget: at least a majority of
// acceptors keeps its state.
func (f *faults) loseState(kind faultKind, r *replica) {
	if !f.permit(r) {
		return
	}
	r.mayFail = true
	if kind == faultBadDisk {
		f.note("the next file operations of %s fail", r.id)
		r.disk.FailAt(1 + f.c.streams.fault.IntN(5))
	} else if name, offset, ok := r.disk.Rot(r.logDir(), segmentHeadBytes); ok {
		f.note("rot in %s of %s at byte %d", name, r.id, offset)
	}
	// The damage is found at the next start at the latest.
	f.later(func() {
		r.crashRole(r.acceptor, disk.Killed, "restart after damage")
		f.c.restartLater(r.acceptor)
	})
}

// wipe loses the state of a role, or of a whole replica, while it is down.
func (f *faults) wipe(r *replica) {
	if !f.permit(r) {
		return
	}
	random := f.c.streams.fault
	switch random.IntN(4) {
	case 0:
		f.crashForLoss(r, r.acceptor)
		r.loseLog()
	case 1:
		f.crashForLoss(r, r.acceptor, r.learner)
		r.loseStore()
	case 2:
		f.crashProcessForLoss(r)
		r.loseLog()
		r.loseStore()
	case 3: // the directory is gone, and with it the memory of which life it was
		f.crashProcessForLoss(r)
		r.loseLog()
		r.loseStore()
		r.incarnation = 1
		r.loseLog()
	}
}

// crashProcessForLoss ends the process for a while.
func (f *faults) crashProcessForLoss(r *replica) {
	r.crash(disk.Killed, "crash before a loss")
	f.later(r.start)
}

// crashForLoss ends some agents for a while.
func (f *faults) crashForLoss(r *replica, hosts ...*host) {
	for _, h := range hosts {
		r.crashRole(h, disk.Killed, "crash before a loss")
		f.later(func() { r.startRole(h) })
	}
}

// rollBack puts a replica's identity and log back to an older life, as a backup of
// its disk would. The log of that life is whole; only the others know better.
func (f *faults) rollBack(r *replica) {
	if len(r.wholeLives) == 0 {
		return
	}
	old := r.wholeLives[f.c.streams.fault.IntN(len(r.wholeLives))]
	if old == r.incarnation || !f.permit(r) {
		return
	}
	f.crashForLoss(r, r.acceptor)
	r.incarnation = old
	f.note("%s is put back to incarnation %d", r.id, old)
}

// loseLog takes the acceptor's log away.
func (r *replica) loseLog() {
	r.cluster.faults.note("the log of %s is lost", r.id)
	r.disk.Lose(r.logDir())
	kept := r.wholeLives[:0]
	for _, life := range r.wholeLives {
		if life != r.incarnation {
			kept = append(kept, life)
		}
	}
	r.wholeLives = kept
}

// loseStore takes the applied state away.
func (r *replica) loseStore() {
	r.cluster.faults.note("the store of %s is lost", r.id)
	r.store = memstore.New(r.cluster.options.StorePendingMax)
	r.cluster.show(check.Event{Kind: check.Stored, Agent: r.learner.address})
}

// logDir is where the acceptor's log of the present life lies.
func (r *replica) logDir() string { return logDirOf(r.incarnation) }

func logDirOf(life paxos.Incarnation) string {
	if life == 1 {
		return logDir
	}
	return fmt.Sprintf("%s-%d", logDir, life)
}

// durable is through which slot the replica's store is durable.
func (r *replica) durable() paxos.Slot {
	durable, err := r.store.Durable()
	if err != nil {
		panic(err) // a store in memory does not fail
	}
	return paxos.Slot(durable)
}
