//go:build mutants

package sim

import (
	"strings"
	"testing"

	"synod/core/mutant"
	"synod/core/paxos"
	"synod/core/sim/check"
)

// killing says how a mutant is to die.
type killing struct {
	id mutant.ID
	// direct makes the runs visit what the mutant breaks, and why says it.
	direct func(*Options)
	why    string
}

// killings is the table of mutants that die in simulation.
func killings() []killing {
	return []killing{
		{id: mutant.M1, direct: syncWindow, why: "many crashes between a promise and its sync"},
		{id: mutant.M2},
		{id: mutant.M3},
		{id: mutant.M4},
		{id: mutant.M5, direct: atLeastFive, why: "two of three are a majority"},
		{id: mutant.M6, direct: atLeastFiveAndElections, why: "two of three are a majority; many campaigns"},
		{id: mutant.M7},
		{id: mutant.M8, direct: gaps, why: "entries of several ballots need many leaders"},
		{id: mutant.M9},
		{id: mutant.M10, direct: gaps, why: "leaders that die with later slots voted and earlier ones not"},
		{id: mutant.M11, direct: unheardLeaders, why: "a leader that few have heard of crashes, and campaigns again"},
		{id: mutant.M12},
		{id: mutant.M13, direct: oldReplies, why: "the same proposer campaigns twice, with old replies under way"},
		{id: mutant.M14},
		{id: mutant.M15, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M16, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M17, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M18, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M19, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M24, direct: cuts, why: "logs that are cut"},
		{id: mutant.M25, direct: cutsAndLoss, why: "logs that are cut, and lost stores"},
		{id: mutant.M25b, direct: cutsAndLoss, why: "logs that are cut, and lost stores"},
		{id: mutant.M26},
		{id: mutant.M27},
		{id: mutant.M27b},
		{id: mutant.M28},
		{id: mutant.M29},
		{id: mutant.M29b, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M29c, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M29d, direct: cuts, why: "logs that are cut"},
		{id: mutant.M31, direct: rot, why: "a damaged log, opened again"},
		{id: mutant.M32},
		{id: mutant.M33},
		{id: mutant.M34},
		{id: mutant.M35},
		{id: mutant.M36, direct: gaps, why: "a learner that missed the Accept and holds the loser's entry"},
		{id: mutant.M37},
		{id: mutant.M38, direct: loss, why: "acceptors that lose their logs"},
		{id: mutant.M39},
		{id: mutant.M40, direct: cuts, why: "logs that are cut"},
		{id: mutant.M41, direct: unheardLeaders, why: "leaders that give up and campaign again, and hear of no other"},
		{id: mutant.M42},
		{id: mutant.M43},
		{id: mutant.M44},
		{id: mutant.M45, direct: expiry, why: "sessions that end with updates under way"},
		{id: mutant.M46, direct: expiry, why: "sessions that end with updates under way"},
		{id: mutant.M47},
		{id: mutant.M48},
		{id: mutant.M49},
	}
}

func syncWindow(o *Options) {
	elections(o)
	o.SyncMean = 4000
	o.Faults.Every[faultDie] = 80 * check.Millisecond
	o.Faults.Every[faultPowerLoss] = 200 * check.Millisecond
}

func atLeastFive(o *Options) { o.Replicas = max(o.Replicas, 5) }

func atLeastFiveAndElections(o *Options) {
	atLeastFive(o)
	elections(o)
}

// elections lets leaders come and go.
func elections(o *Options) {
	o.Proposer.ElectionTicks = 20
	o.Faults.Every[faultRoleCrash] = 150 * check.Millisecond
	o.Faults.Every[faultNewLeader] = check.Second
	o.Faults.Every[faultLoss] = 300 * check.Millisecond
	o.Faults.Every[faultHint] = 300 * check.Millisecond
	o.Faults.DownMax = 200 * check.Millisecond
}

// gaps keeps some slots of a leader from the acceptors, and then the leader down.
func gaps(o *Options) {
	elections(o)
	o.Proposer.Window, o.Proposer.BatchCommandsMax = 16, 1
	o.Workload.Clients, o.Workload.Pipeline, o.Workload.Think = 8, 1, 5*check.Millisecond
	o.Faults.Every[faultStarvation] = 100 * check.Millisecond
}

// unheardLeaders: a leader's heartbeats get lost, its own acceptor is slow, and it
// crashes or gives up soon.
func unheardLeaders(o *Options) {
	elections(o)
	o.Workload.Clients, o.Workload.Pipeline, o.Workload.Think = 8, 1, 5*check.Millisecond
	o.SyncMean = 1000
	o.Faults.Every[faultSlowDisk] = 80 * check.Millisecond
	o.Faults.Every[faultStarvation] = 50 * check.Millisecond
	o.Faults.Starve = []paxos.Kind{paxos.KindHeartbeat, paxos.KindHeartbeat, paxos.KindHeartbeatReply, paxos.KindAccept}
}

// oldReplies: messages take longer than campaigns, and what they answer did not
// get through again.
func oldReplies(o *Options) {
	elections(o)
	o.Network.Ordered = false
	o.Network.Capsule, o.Network.CapsuleDelay = 0.3, 300*check.Millisecond
	o.Faults.Every[faultStarvation] = 40 * check.Millisecond
	o.Faults.Starve = []paxos.Kind{paxos.KindPrepare, paxos.KindPrepare, paxos.KindAccept}
}

func rot(o *Options) {
	o.Faults.Every[faultRot] = 500 * check.Millisecond
	o.Faults.Every[faultRoleCrash] = 200 * check.Millisecond
	o.Faults.LostMax = (o.Replicas - 1) / 2
	o.SegmentBytes = 1024
}

// loss wipes acceptors and puts them back to older lives, with old messages and
// elections all the time.
func loss(o *Options) {
	elections(o)
	o.Network.Capsule, o.Network.CapsuleDelay = 0.05, 500*check.Millisecond
	o.Faults.LostMax = (o.Replicas - 1) / 2
	o.Faults.Every[faultWipe] = 150 * check.Millisecond
	o.Faults.Every[faultRollback] = 500 * check.Millisecond
	o.Faults.DownMax = 50 * check.Millisecond
}

// cuts lets acceptors cut whatever their store holds.
func cuts(o *Options) {
	elections(o)
	o.Acceptor.Cuts, o.Acceptor.KeepSlots = true, 0
	o.FlushEvery = 50 * check.Millisecond
	o.StorePendingMax = 32
}

func cutsAndLoss(o *Options) {
	loss(o)
	cuts(o)
}

func expiry(o *Options) {
	o.Workload.Clients, o.Workload.Pipeline, o.Workload.Reopen = 8, 1, 0.3
	o.Workload.OneShots, o.Workload.Gets = 0, 10
	o.Sessions = SessionOptions{Max: 6 + o.Replicas, GuardSlots: 2, IdleMillis: 300}
	o.Faults.Every[faultReplicaCrash] = 300 * check.Millisecond
}

// TestMutants plants each bug and runs seeds until a checker finds it.
func TestMutants(t *testing.T) {
	for _, k := range killings() {
		t.Run(string(k.id), func(t *testing.T) {
			t.Parallel()
			k.run(t)
		})
	}
}

const killSeedsMax = 300

func (k *killing) run(t *testing.T) {
	for n := 1; n <= killSeedsMax; n++ {
		options := Draw(uint64(n))
		options.Mutant = mutant.Of(k.id)
		if k.direct != nil {
			k.direct(&options)
		}
		report := Run(options, nil)
		if v := report.Violation; v != nil {
			text, _, _ := strings.Cut(v.Error(), "\n")
			options.Mutant = mutant.Set{}
			if control := Run(options, nil); control.Violation != nil {
				t.Errorf("seed %d fails without %s, too: %v", n, k.id, control.Violation)
			}
			t.Logf("MUTANT %-4s dies of %-12s in %3d seeds: %.160s", k.id, v.Checker, n, text)
			return
		}
	}
	t.Errorf("mutant %s survives %d seeds", k.id, killSeedsMax)
}
