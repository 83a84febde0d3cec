package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"synod/core/mutant"
	"synod/core/paxos"
	"synod/core/sim/check"
)

// Options describe a run completely: the same options give the same run. Draw
// makes them from a seed. Times are simulated.
type Options struct {
	Seed     uint64
	Replicas int
	Mutant   mutant.Set
	// Scripted leaves nothing to chance: simultaneous events keep their order, agents
	// take their messages after a fixed time. For scenarios that somebody wrote.
	Scripted bool

	WarmUp, Chaos check.Time
	// ServeMax bounds how long after healing the first update may take.
	ServeMax check.Time

	Proposer struct {
		HeartbeatTicks, ElectionTicks, ResendTicks, Window int
		BatchBytesMax, BatchCommandsMax, QueueBytesMax     int
	}
	Acceptor struct {
		MemoryBytesMax, PartBytesMax int
		Cuts                         bool
		KeepSlots                    paxos.Slot
		KeepBytesMax                 int64
	}
	Learner struct{ AheadMax, FetchBytesMax, ResendTicks int }

	SegmentBytes      int64
	SyncMin, SyncMean int64
	MailboxMax        int
	// StorePendingMax is how many applied batches a crash of the store can take back.
	StorePendingMax int
	// FlushEvery is how often a replica makes its store durable.
	FlushEvery check.Time
	// TickMin and TickMax bound the length of a replica's tick: clocks drift.
	TickMin, TickMax check.Time

	Network  NetworkOptions
	Workload WorkloadOptions
	Sessions SessionOptions
	Faults   FaultOptions
}

// NetworkOptions describe the links between replicas when nothing is broken.
type NetworkOptions struct {
	DelayMin, DelayMean check.Time
	// Ordered: the messages of a link arrive in the order in which they were sent.
	Ordered bool
	// Drop, Duplicate and Capsule are probabilities for each message. A capsule is a
	// copy that arrives much later, long after everybody has forgotten it.
	Drop, Duplicate, Capsule float64
	CapsuleDelay             check.Time
	// FlightMax bounds the messages under way on one link; more are dropped.
	FlightMax int
}

// WorkloadOptions describe the clients.
type WorkloadOptions struct {
	Clients, Keys int
	// Pipeline is how many operations a client has under way.
	Pipeline int
	// Think is the mean pause before an operation.
	Think check.Time
	// Gets, Deletes and OneShots are shares in percent; OneShots of the updates.
	Gets, Deletes, OneShots, Stales int
	ValueBytesMax                   int
	// AttemptMax is when a client tries another replica, DeadlineMax when it gives up.
	AttemptMax, DeadlineMax check.Time
	// Reopen is the probability that a client opens a new session before an update.
	Reopen float64
}

// SessionOptions are the replicated limits of sessions; see kv.Options.
type SessionOptions struct {
	Max        int
	GuardSlots uint64
	IdleMillis uint64
}

// FaultOptions say how often each kind of fault happens: the mean time between
// two, 0 for never.
type FaultOptions struct {
	Every [faultKinds]check.Time
	// DownMax bounds how long anything stays down, paused or cut.
	DownMax check.Time
	// Starve are the kinds of messages that starvation picks from; a kind may stand
	// more than once.
	Starve []paxos.Kind
	// LostMax is how many replicas may be without the state of their acceptor or
	// their store at a time.
	LostMax int
}

// Draw gives the options of a seed. Every kind of fault is on with probability one
// half and of random intensity: runs that lack a kind find what the kind hides.
func Draw(seed uint64) Options {
	random := rand.New(rand.NewPCG(seed, 0))
	o := Options{
		Seed:     seed,
		Replicas: pick(random, 3, 3, 5, 5, 5, 7),
		WarmUp:   between(random, 600*check.Millisecond, 1200*check.Millisecond),
		Chaos:    between(random, 2*check.Second, 7*check.Second),
		ServeMax: 12 * check.Second,

		SegmentBytes: pick(random, int64(1024), 2048, 4096, 16384),
		SyncMin:      pick(random, int64(20), 100), SyncMean: pick(random, int64(50), 200, 1000, 4000),
		MailboxMax:      pick(random, 64, 1024),
		StorePendingMax: pick(random, 4, 32, 256),
		TickMin:         9 * check.Millisecond, TickMax: 11 * check.Millisecond,
	}
	drawRoles(random, &o)
	drawNetwork(random, &o.Network)
	drawWorkload(random, &o)
	drawFaults(random, &o)
	drawMemory(random, &o)
	if o.MailboxMax < 1000 || o.Network.FlightMax < 1000 {
		// A Promise counts when all its parts are there: it must fit on a link.
		o.Acceptor.PartBytesMax = 256 << 10
	}
	return o
}

func drawRoles(random *rand.Rand, o *Options) {
	p := &o.Proposer
	p.HeartbeatTicks = pick(random, 2, 5)
	p.ElectionTicks = pick(random, 20, 40, 60)
	p.ResendTicks = pick(random, 6, 20)
	p.Window = pick(random, 1, 2, 4, 16, 32)
	p.BatchBytesMax = pick(random, 64, 1024, 256<<10)
	p.BatchCommandsMax = pick(random, 1, 3, 64)
	p.QueueBytesMax = pick(random, 512, 16<<20)
	o.Acceptor.MemoryBytesMax = pick(random, 1, 1000, 16<<20)
	o.Acceptor.PartBytesMax = pick(random, 100, 2000, 256<<10)
	o.Learner.AheadMax = pick(random, 4, 64, 1024)
	o.Learner.FetchBytesMax = pick(random, 100, 2000, 256<<10)
	o.Learner.ResendTicks = pick(random, 5, 10)
}

func drawNetwork(random *rand.Rand, n *NetworkOptions) {
	n.DelayMin = pick(random, 20*check.Millisecond/1000, check.Millisecond/2)
	n.DelayMean = pick(random, 50*check.Millisecond/1000, check.Millisecond, 5*check.Millisecond)
	n.Ordered = random.IntN(2) == 0
	if random.IntN(2) == 0 {
		n.Drop = random.Float64() * 0.1
	}
	if random.IntN(2) == 0 {
		n.Duplicate = random.Float64() * 0.1
	}
	if random.IntN(2) == 0 {
		n.Capsule = 0.01
	}
	n.CapsuleDelay = between(random, check.Second, 6*check.Second)
	n.FlightMax = pick(random, 50, 1000)
}

func drawWorkload(random *rand.Rand, o *Options) {
	w := &o.Workload
	w.Clients = 1 + random.IntN(8)
	w.Keys = 1 + random.IntN(4)
	// More at a time on one key would be more than the judge of histories can take.
	w.Pipeline = min(pick(random, 1, 1, 2, 4), max(1, 8/w.Clients))
	w.Think = pick(random, 5*check.Millisecond, 20*check.Millisecond, 80*check.Millisecond)
	w.Gets = pick(random, 10, 40, 60)
	w.Deletes = pick(random, 0, 10)
	w.OneShots = pick(random, 0, 20, 50)
	w.Stales = pick(random, 0, 10)
	w.ValueBytesMax = pick(random, 8, 100, 600)
	w.AttemptMax = pick(random, 300*check.Millisecond, check.Second)
	w.DeadlineMax = pick(random, 1500*check.Millisecond, 3*check.Second)
	o.Sessions = SessionOptions{Max: 1000, GuardSlots: 1000}
	if random.IntN(3) == 0 {
		w.Reopen = 0.2
		o.Sessions = SessionOptions{
			Max:        w.Clients + o.Replicas + 1,
			GuardSlots: uint64(2 + random.IntN(10)),
			IdleMillis: uint64(pick(random, 0, 500)),
		}
	}
}

func drawFaults(random *rand.Rand, o *Options) {
	for kind := range faultKinds {
		if random.IntN(2) == 0 {
			continue
		}
		every := between(random, 100*check.Millisecond, 2*check.Second)
		if kind.rare() {
			every = between(random, check.Second, 6*check.Second)
		}
		if kind.losesState() && random.IntN(4) != 0 {
			continue
		}
		o.Faults.Every[kind] = every
	}
	o.Faults.Starve = []paxos.Kind{
		paxos.KindPrepare, paxos.KindPromise, paxos.KindAccept, paxos.KindAccept, paxos.KindAccepted,
		paxos.KindAccepted, paxos.KindHeartbeat, paxos.KindHeartbeatReply, paxos.KindForward, paxos.KindReadAnswer,
		paxos.KindHeld, paxos.KindFetch, paxos.KindClose, paxos.KindNack, paxos.KindCanvassReply,
	}
	o.Faults.DownMax = pick(random, 50*check.Millisecond, 500*check.Millisecond, 1500*check.Millisecond)
	o.Faults.LostMax = random.IntN((o.Replicas-1)/2 + 1)
}

// drawMemory draws what is kept, and how often it is lost.
func drawMemory(random *rand.Rand, o *Options) {
	o.FlushEvery = pick(random, 100*check.Millisecond, 400*check.Millisecond)
	o.Acceptor.Cuts = random.IntN(4) > 0
	o.Acceptor.KeepSlots = pick(random, paxos.Slot(0), 0, 8, 64)
	o.Acceptor.KeepBytesMax = pick(random, int64(0), 2000)
	for _, kind := range []faultKind{faultWipe, faultRollback} {
		o.Faults.Every[kind] = 0
		if random.IntN(2) == 0 {
			o.Faults.Every[kind] = between(random, 200*check.Millisecond, 2*check.Second)
		}
	}
	if random.IntN(2) == 0 {
		o.Faults.LostMax = (o.Replicas - 1) / 2
	}
	o.Faults.Starve = append(o.Faults.Starve, paxos.KindRecoverQuery, paxos.KindRecoverInfo, paxos.KindRecover,
		paxos.KindRecoverState, paxos.KindRevived, paxos.KindBelowFloor)
}

// pick draws one of the choices.
func pick[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }

// String prints every option, one line for each group.
func (o Options) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d replicas, warm-up %s, chaos %s, serve within %s\n",
		o.Seed, o.Replicas, o.WarmUp, o.Chaos, o.ServeMax)
	fmt.Fprintf(&b, "proposer %+v\nacceptor %+v\nlearner  %+v\n", o.Proposer, o.Acceptor, o.Learner)
	fmt.Fprintf(&b, "disk     segment %d bytes, sync %d + %d us; mailbox %d, store %d pending\n",
		o.SegmentBytes, o.SyncMin, o.SyncMean, o.MailboxMax, o.StorePendingMax)
	fmt.Fprintf(&b, "network  %+v\nclients  %+v\nsessions %+v\n", o.Network, o.Workload, o.Sessions)
	fmt.Fprintf(&b, "faults   down at most %s, acceptors lost at most %d;", o.Faults.DownMax, o.Faults.LostMax)
	for kind, every := range o.Faults.Every {
		if every > 0 {
			fmt.Fprintf(&b, " %s every %s,", faultKind(kind), every)
		}
	}
	return strings.TrimSuffix(b.String(), ",")
}

// Replay is the command that runs the seed again, with its trace.
func (o Options) Replay() string { return fmt.Sprintf("make sim SEED=%d", o.Seed) }
