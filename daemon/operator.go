package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"synod/core/config"
	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/daemon/host"
	"synod/daemon/monitor"
	"synod/protocol"
)

// Hello implements gateway.Operator.
func (d *daemon) Hello(h protocol.Hello) protocol.HelloAnswer {
	d.logger.Debug("operator says hello", "program", h.Program, "version", h.Version)
	return protocol.HelloAnswer{
		Cluster: d.self.Cluster.String(), Name: d.config.Cluster.Name, Replica: d.self.Self.String(),
		Incarnation: uint64(d.life.present().Incarnation), Version: version(), Replicas: d.config.ReplicaIDs(),
		Faults: d.config.Faults.Enabled, PID: os.Getpid(), Now: time.Now(),
	}
}

// Log implements gateway.Operator.
func (d *daemon) Log() *monitor.Ring { return d.ring }

// Status implements gateway.Operator: everything that people may want to know.
func (d *daemon) Status() protocol.Status {
	roles := d.host.Status()
	acceptor, learner := &roles[1], &roles[2]
	s := protocol.Status{
		Replica: d.self.Self.String(), Incarnation: uint64(d.life.present().Incarnation),
		Voted: uint64(acceptor.Agent.Voted), Chosen: uint64(learner.Agent.Chosen), Applied: uint64(learner.Agent.Applied),
		Chaos: d.faults.Chaos(), Connections: d.gateway.Connections(), Version: version(),
		UptimeMS: time.Since(d.started).Milliseconds(), LogSequence: d.ring.Last(), PID: os.Getpid(),
	}
	if leader := d.Leader(); leader != paxos.Everyone {
		s.Leader = leader.String()
	}
	if b := acceptor.Agent.Ballot; !b.IsZero() {
		s.Ballot = b.String()
	}
	for i := range roles {
		s.Roles = append(s.Roles, roleStatus(&roles[i]))
		s.Queues = append(s.Queues, protocol.QueueStatus{
			Queue: roles[i].Kind.String(), Length: roles[i].Waiting, Limit: mailboxMessagesMax, Dropped: roles[i].Dropped,
		})
	}
	if p := d.fetcher.Progress(); p.Total > 0 {
		s.Roles[2].Cause = fmt.Sprintf("fetching a snapshot at slot %d from %s: %d of %d KiB", p.Slot, p.From,
			p.Bytes>>10, p.Total>>10)
	}
	forwards, others := d.links.Waiting()
	forwardsMax, othersMax := d.links.WaitingMax()
	forwardsDropped := d.counters.ForwardsDropped.Load() // first: it is part of the other
	s.Queues = append(s.Queues, protocol.QueueStatus{
		Queue: "requests", Length: d.gateway.Waiting(), Limit: d.gateway.WaitingMax(), Dropped: d.counters.Overloaded.Load(),
	}, protocol.QueueStatus{
		Queue: "peer_bytes", Length: others, Limit: othersMax,
		Dropped: d.counters.PeerDropped.Load() - forwardsDropped,
	}, protocol.QueueStatus{
		Queue: "forward_bytes", Length: forwards, Limit: forwardsMax, Dropped: forwardsDropped,
	}, protocol.QueueStatus{
		Queue: "held_by_faults", Length: d.links.Held(), Limit: d.links.HeldMax(), Dropped: d.counters.FaultOverflow.Load(),
	})
	for _, l := range d.links.Status() {
		s.Peers = append(s.Peers, protocol.PeerStatus{
			Replica: l.Replica.String(), Connected: l.Connected, RTTMicros: l.RTT.Microseconds(), LastHeard: l.LastHeard,
			SentBytes: l.Sent, ReceivedBytes: l.Received,
		})
	}
	s.Faults = d.faultStatus()
	syncs := d.syncs.Summary(time.Now())
	s.SyncMicros = protocol.Quantiles{
		P50: syncs.P50.Microseconds(), P99: syncs.P99.Microseconds(), Max: syncs.Max.Microseconds(),
	}
	s.Requests.Updates, s.Requests.Reads, s.Requests.Failed = d.gateway.Served()
	s.Operations = d.counters.Operations.Status()
	s.LogBytes, s.StoreBytes, s.LastErrors = acceptor.Agent.Log.Bytes, d.applied.storeBytes(), d.lastErrors()
	s.Floor = uint64(acceptor.Agent.Floor)
	s.Applied, s.Revision, s.Flushed = max(s.Applied, d.gateway.Applied()), d.gateway.Revision(), d.flushed()
	return s
}

// roleStatus words a role's state: what its agent says, or why it is not there.
func roleStatus(r *host.RoleStatus) protocol.RoleStatus {
	s := protocol.RoleStatus{
		Role: r.Kind.String(), State: string(r.State), Since: r.Since, Restarts: r.Restarts, Cause: r.Cause,
	}
	if r.State == host.StateUp {
		s.State = r.Agent.State
		if r.Agent.Reason != "" {
			s.Cause = r.Agent.Reason
		}
	}
	return s
}

// Role implements gateway.Operator.
func (d *daemon) Role(m protocol.RoleControl) (protocol.Done, *protocol.Error) {
	if err := m.Check(); err != nil {
		return protocol.Done{}, d.refuse(protocol.CodeCorrupt, err)
	}
	if m.Action == protocol.ActionWipe {
		return d.wipes.wipe(m)
	}
	var done []string
	var ids []uint64
	for _, role := range rolesNamed(m.Role) {
		id, err := d.control(m, role)
		if id != 0 {
			ids = append(ids, id)
		}
		switch {
		case errors.Is(err, fault.ErrDisabled):
			return protocol.Done{}, d.refuse(protocol.CodeDenied, err)
		case errors.Is(err, fault.ErrNone) && m.Action == protocol.ActionHeal && m.Role == "all":
			done = append(done, role.String()) // whole already
		case err != nil && m.Role != "all":
			return protocol.Done{}, d.refuse(protocol.CodeConflict, err)
		case err == nil:
			done = append(done, role.String())
		}
	}
	if len(done) == 0 {
		return protocol.Done{}, d.refuse(protocol.CodeConflict, fmt.Errorf("no role of %s could %s", d.self.Self, m.Action))
	}
	return protocol.Done{
		Text: fmt.Sprintf("%s %s of %s", m.Action, strings.Join(done, ", "), d.self.Self), Faults: ids,
	}, nil
}

// control does to one role what is asked for, and gives the id of the fault if that
// is one.
func (d *daemon) control(m protocol.RoleControl, role paxos.Roles) (id uint64, err error) {
	life := time.Duration(m.ForMillis) * time.Millisecond
	switch m.Action {
	case protocol.ActionCrash:
		return d.faults.Inject(fault.Fault{Role: role, Kind: fault.Crash, Owner: m.Owner}, life)
	case protocol.ActionPause:
		return d.faults.Inject(fault.Fault{Role: role, Kind: fault.Pause, Owner: m.Owner}, life)
	case protocol.ActionResume:
		return 0, d.faults.Resume(role, m.Owner)
	case protocol.ActionRestart:
		return 0, d.faults.Restart(role, m.Owner)
	default:
		return 0, d.faults.Heal(role, m.Owner)
	}
}

func rolesNamed(name string) []paxos.Roles {
	all := []paxos.Roles{paxos.RoleProposer, paxos.RoleAcceptor, paxos.RoleLearner}
	for i, role := range all {
		if role.String() == name {
			return all[i : i+1]
		}
	}
	return all
}

// Chaos implements gateway.Operator.
func (d *daemon) Chaos(m protocol.ChaosControl) (protocol.Done, *protocol.Error) {
	if !m.On {
		if !d.faults.StopChaos(m.Owner) {
			return protocol.Done{Text: fmt.Sprintf("chaos was off at %s", d.self.Self)}, nil
		}
		return protocol.Done{Text: fmt.Sprintf("chaos off at %s", d.self.Self)}, nil
	}
	schedule, err := d.chaosSchedule(m)
	if err != nil {
		return protocol.Done{}, d.refuse(protocol.CodeCorrupt, err)
	}
	if err := d.faults.StartChaos(schedule, m.Owner); err != nil {
		return protocol.Done{}, d.refuse(protocol.CodeDenied, err)
	}
	return protocol.Done{Text: fmt.Sprintf("chaos on at %s, seed %d", d.self.Self, schedule.Seed)}, nil
}

// chaosSchedule is the configured schedule with what an operator wants changed.
func (d *daemon) chaosSchedule(m protocol.ChaosControl) (fault.Schedule, error) {
	schedule := d.schedule()
	if m.Seed != 0 {
		// Each replica draws its own failures, or all would fail together.
		schedule.Seed = m.Seed + uint64(d.self.Self)
	}
	for name, want := range m.Roles {
		roles := rolesNamed(name)
		if len(roles) != 1 {
			return schedule, fmt.Errorf("unknown role %q, use proposer, acceptor or learner", name)
		}
		const shortest = 10 // milliseconds
		if want.EveryMillis < shortest || want.DownMinMillis < shortest || want.DownMaxMillis < want.DownMinMillis ||
			want.DownMaxMillis > d.config.Faults.TTL.Milliseconds() || want.EveryMillis > dayMillis {
			return schedule, fmt.Errorf("times of %s out of range: every %d ms, down %d to %d ms",
				name, want.EveryMillis, want.DownMinMillis, want.DownMaxMillis)
		}
		for i := range schedule.Roles {
			if schedule.Roles[i].Role == roles[0] {
				schedule.Roles[i] = fault.RoleSchedule{
					Role: roles[0], Every: time.Duration(want.EveryMillis) * time.Millisecond,
					DownMin: time.Duration(want.DownMinMillis) * time.Millisecond,
					DownMax: time.Duration(want.DownMaxMillis) * time.Millisecond, Wipe: schedule.Roles[i].Wipe,
				}
			}
		}
	}
	return schedule, nil
}

const dayMillis = 24 * 60 * 60 * 1000

// schedule is the configured one of this replica.
func (d *daemon) schedule() fault.Schedule {
	r := d.config.Faults.Random
	part := func(role paxos.Roles, f config.RoleFaults) fault.RoleSchedule {
		return fault.RoleSchedule{Role: role, Every: f.Every, DownMin: f.Down.Min, DownMax: f.Down.Max, Wipe: f.Wipe}
	}
	return fault.Schedule{Seed: r.Seed + uint64(d.self.Self), Roles: []fault.RoleSchedule{
		part(paxos.RoleProposer, r.Proposer), part(paxos.RoleAcceptor, r.Acceptor), part(paxos.RoleLearner, r.Learner),
	}}
}

func (d *daemon) refuse(code protocol.Code, err error) *protocol.Error {
	return protocol.Refuse(code, d.self.Self, err.Error())
}
