package agent

import (
	"errors"
	"fmt"
	"slices"

	"synod/core/paxos"
	"synod/core/wal"
)

// Input is what one Deliver takes: messages in order of arrival, and the ticks
// that have passed since the last one.
type Input struct {
	Envelopes  []paxos.Envelope
	Ticks      int
	WallMillis int64
}

// Sink is the state machine behind a learner. Its methods are called by
// Deliver, on the caller's goroutine, Apply before Read.
type Sink interface {
	// Apply applies chosen slots in order. The slice is valid during the call,
	// the values stay. An error is fatal for the replica.
	Apply([]paxos.Entry) error
	// Read answers reads from the state now reached.
	Read([]paxos.ReadDone)
	// Durable is the slot through which the state is durable, so that no crash
	// takes it back. It may lag behind. What lies below may be cut from the log of
	// this replica's acceptor: a sink that tells too much loses data.
	Durable() paxos.Slot
	// Want asks for a copy of another replica's state, because nobody holds the log
	// that is missing here. It returns at once; it is repeated until the learner got
	// on, and while a copy is on its way the sink may ignore it. When the copy is
	// complete, checked and durable beside the state in use, the host tells the
	// learner [paxos.SnapshotReady].
	Want(paxos.Snapshot)
	// Install puts the copy at this slot in the place of the state, so that a crash
	// leaves one or the other. Durable is at least the slot afterwards. A copy that
	// the learner has overtaken is never installed. An error is fatal.
	Install(paxos.Slot) error
	// Close ends it in order; Abandon as a crash would.
	Close() error
	Abandon()
}

// Status is what an agent tells about its role. Fields that do not belong to
// the role are zero.
type Status struct {
	Role paxos.Roles
	// State is "normal", "refusing" or "recovering" for an acceptor, a
	// [paxos.ProposerState] for a proposer, "learning" for a learner.
	State  string
	Reason string // why it does not vote, and how far a recovery is
	// Incarnation is the life of an acceptor, or the one that it recovers into.
	Incarnation paxos.Incarnation
	Floor       paxos.Slot // the last slot that an acceptor has cut
	// Ballot is the one promised, or the one led or campaigned with.
	Ballot paxos.Ballot
	Leader paxos.Ballot
	Voted  paxos.Slot // highest slot voted for
	Chosen paxos.Slot // highest slot known to be chosen (learner), with all below (acceptor)
	// Applied is the last slot handed to the state machine.
	Applied  paxos.Slot
	InFlight int // slots waiting for a quorum
	Queued   int // commands waiting for a slot
	Dropped  uint64
	Log      wal.Stats
}

// Options are what is common to all agents.
type Options struct {
	// Tap sees every step before anything of it takes effect. It must not keep
	// what it is shown. It may be nil.
	Tap func(*Input, *paxos.Output)
}

// Agent is one role with its log.
type Agent struct {
	role    paxos.Role
	kind    paxos.Roles
	options Options
	out     paxos.Output
	status  func(*Status)
	store   *logStore
	// Of a learner.
	sink         Sink
	cfg          paxos.Config
	checkpoint   paxos.Slot // last told to the own acceptor
	untold       int        // ticks since then
	checkpointed bool       // it was told at all
}

// NewProposer returns a proposer's agent. It has no log.
func NewProposer(cfg paxos.Config, po paxos.ProposerOptions, o Options) *Agent {
	p := paxos.NewProposer(cfg, po)
	a := &Agent{role: p, kind: paxos.RoleProposer, options: o}
	a.status = func(s *Status) {
		s.State, s.Ballot, s.Leader = p.State().String(), p.Ballot(), p.Leader()
		s.InFlight, s.Queued = p.InFlight()
		s.Dropped = p.Dropped()
	}
	return a
}

// NewLearner returns a learner's agent. What it learns goes to the sink, which
// it owns from now on.
func NewLearner(cfg paxos.Config, lo paxos.LearnerOptions, sink Sink, o Options) *Agent {
	l := paxos.NewLearner(cfg, lo)
	a := &Agent{role: l, kind: paxos.RoleLearner, options: o, sink: sink, cfg: cfg}
	a.status = func(s *Status) {
		s.State, s.Applied, s.Chosen = "learning", l.Applied(), l.Known()
	}
	return a
}

// Deliver hands a batch to the role and returns the messages to send. Messages
// that carry no promise go to prompt before anything is synced. Both slices
// are valid until the next Deliver. An error is final: the agent must not be
// used any more, and its process should end, for nobody knows what its disk
// holds.
//
// PUT 5/8 one sync for the votes of the batch, then they leave. Next: the learners' onAccepted.
func (a *Agent) Deliver(in Input, prompt func([]paxos.Envelope)) ([]paxos.Envelope, error) {
	out := &a.out
	out.Reset()
	// What has arrived is seen before time passes: a heartbeat that waited in
	// the mailbox of a busy replica is a sign of life all the same.
	for i := range in.Envelopes {
		a.role.Step(in.Envelopes[i], out)
	}
	for range in.Ticks {
		a.role.Tick(in.WallMillis, out)
	}
	a.role.Settle(out)
	if a.options.Tap != nil {
		a.options.Tap(&in, out)
	}
	if len(out.Prompt) > 0 {
		prompt(out.Prompt)
	}
	if a.sink != nil {
		if err := a.feed(out); err != nil {
			return nil, err
		}
		a.tellCheckpoint(in.Ticks, out)
	}
	if a.store != nil {
		// Records are durable before any message leaves. This is the one place.
		if err := a.store.keep(out); err != nil {
			return nil, fmt.Errorf("keep what the acceptor may not forget: %w", err)
		}
	}
	return out.Messages, nil
}

// feed gives a learner's findings to the state machine.
func (a *Agent) feed(out *paxos.Output) error {
	if len(out.Chosen) > 0 {
		if err := a.sink.Apply(out.Chosen); err != nil {
			return fmt.Errorf("apply slots %d to %d: %w",
				out.Chosen[0].Slot, out.Chosen[len(out.Chosen)-1].Slot, err)
		}
	}
	if out.Install != 0 {
		if err := a.sink.Install(out.Install); err != nil {
			return fmt.Errorf("install the snapshot at slot %d: %w", out.Install, err)
		}
	}
	if out.Want.From != 0 {
		a.sink.Want(out.Want)
	}
	if len(out.Reads) > 0 {
		a.sink.Read(out.Reads)
	}
	return nil
}

// checkpointTicks after which the acceptor is told again what is durable: it may
// have been started anew.
const checkpointTicks = 20

// tellCheckpoint tells the acceptor of the own replica what the store holds
// durably: what it may cut, and, when it has just started, that nothing of what it
// has cut is lost.
func (a *Agent) tellCheckpoint(ticks int, out *paxos.Output) {
	a.untold += ticks
	durable := a.sink.Durable()
	if a.checkpointed && durable == a.checkpoint && a.untold < checkpointTicks {
		return
	}
	a.checkpoint, a.untold, a.checkpointed = durable, 0, true
	// First of all: an acceptor that waits for it can then answer the rest.
	out.Messages = slices.Insert(out.Messages, 0, paxos.Envelope{
		Cluster: a.cfg.Cluster, From: paxos.Address{Replica: a.cfg.Self, Roles: paxos.RoleLearner},
		Incarnation: a.cfg.Incarnation, To: paxos.Address{Replica: a.cfg.Self, Roles: paxos.RoleAcceptor},
		Message: &paxos.Checkpoint{Slot: durable},
	})
}

// Events returns what the last Deliver had to tell people. It is valid until
// the next one.
func (a *Agent) Events() []paxos.Event { return a.out.Events }

// Status returns the state of the role.
func (a *Agent) Status() Status {
	s := Status{Role: a.kind}
	a.status(&s)
	return s
}

// Close ends the agent in order: everything it has is durable afterwards.
func (a *Agent) Close() error {
	var errs []error
	if a.sink != nil {
		errs = append(errs, a.sink.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.close())
	}
	return errors.Join(errs...)
}

// Abandon ends the agent as a crash would: memory is dropped, nothing is
// flushed or synced.
func (a *Agent) Abandon() {
	if a.sink != nil {
		a.sink.Abandon()
	}
	if a.store != nil {
		a.store.abandon()
	}
}
