package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"synod/core/agent"
	"synod/core/kv"
	"synod/core/paxos"
	"synod/daemon/gateway"
	"synod/daemon/host"
	"synod/daemon/identity"
	"synod/daemon/snapshot"
	"synod/daemon/store"
	"synod/protocol"
)

// storeOptions say where the applied state lies.
func (d *daemon) storeOptions() store.Options {
	return store.Options{
		Dir: filepath.Join(d.dir, identity.StoreDir),
		Report: func(err error) {
			d.logger.Error("applied store", "role", "learner", "error", err)
		},
		Fatal: func(message string) {
			d.fatal(host.Failure{Role: paxos.RoleLearner, Err: errors.New(message)})
		},
	}
}

// openLearner opens the applied state and a learner that goes on after it.
func (d *daemon) openLearner() (host.Agent, error) {
	s := &sink{Gateway: d.gateway, daemon: d}
	machine, err := s.open()
	if err != nil {
		return nil, err
	}
	d.learner.Store(s)
	return agent.NewLearner(d.self, paxos.LearnerOptions{
		Run: random(), Applied: paxos.Slot(machine.Applied()),
	}, s, agent.Options{}), nil
}

// sink is the state machine behind the learner: the gateway applies and answers.
// Its methods are the learner's, but for checkpoint and copy.
type sink struct {
	*gateway.Gateway
	daemon *daemon
	// state is replaced by Install.
	state atomic.Pointer[applied]
}

// applied is one open store. How much of it is durable belongs to it and to no
// other: the acceptor cuts its log by it.
type applied struct {
	*store.Store
	machine *kv.Machine
	durable atomic.Uint64 // it only grows
}

// look asks the store how much is durable by now.
func (a *applied) look() error {
	slot, err := a.Store.Durable()
	if err != nil {
		return fmt.Errorf("applied store: %w", err)
	}
	for {
		known := a.durable.Load()
		if slot <= known || a.durable.CompareAndSwap(known, slot) {
			return nil
		}
	}
}

// open opens the store as the disk has it, and the machine on it.
func (s *sink) open() (*kv.Machine, error) {
	opened, err := store.Open(s.daemon.storeOptions())
	if err != nil {
		return nil, err
	}
	machine, err := kv.New(opened, kv.Options{Replica: int(s.daemon.self.Self), Mutant: s.daemon.plant})
	state := &applied{Store: opened, machine: machine}
	if err == nil {
		err = state.look()
	}
	if err != nil {
		opened.Abandon()
		return nil, err
	}
	s.state.Store(state)
	s.Attach(machine)
	s.daemon.applied.look(machine, opened, time.Now())
	return machine, nil
}

// Close makes everything applied durable.
func (s *sink) Close() error {
	s.Detach()
	s.daemon.applied.down()
	return s.state.Load().Close()
}

// Abandon is a crash: what is not durable is lost.
func (s *sink) Abandon() {
	s.Detach()
	s.daemon.applied.down()
	s.state.Load().Abandon()
}

// Apply applies, answers, and looks how much is durable by now.
func (s *sink) Apply(chosen []paxos.Entry) error {
	known := time.Now()
	if err := s.Gateway.Apply(chosen); err != nil {
		return err
	}
	done, state := time.Now(), s.state.Load()
	s.daemon.trace.Applied(chosen, known, done)
	s.daemon.applied.look(state.machine, state.Store, done)
	return state.look()
}

// Durable implements agent.Sink.
func (s *sink) Durable() paxos.Slot { return paxos.Slot(s.state.Load().durable.Load()) }

// Want implements agent.Sink.
func (s *sink) Want(wanted paxos.Snapshot) { s.daemon.fetcher.Want(wanted) }

// Install implements agent.Sink: the store of the other replica is beside ours
// already; opening finds it and takes it.
func (s *sink) Install(slot paxos.Slot) error {
	begin := time.Now()
	s.Detach()
	s.daemon.applied.down()
	s.state.Load().Abandon()
	machine, err := s.open()
	if err != nil {
		return err
	}
	if machine.Applied() != uint64(slot) {
		return fmt.Errorf("the applied state is at slot %d, not at %d", machine.Applied(), slot)
	}
	s.daemon.logger.Debug("the store was replaced by a copy", "role", "learner", "slot", uint64(slot),
		"took_ms", time.Since(begin).Milliseconds())
	return nil
}

// checkpoint makes durable what is applied, unless it is already.
func (s *sink) checkpoint() error {
	state := s.state.Load()
	if s.Applied() <= state.durable.Load() {
		return nil
	}
	err := state.Flush()
	if err == nil {
		err = state.look()
	}
	if errors.Is(err, store.ErrClosed) {
		return nil // the role has ended meanwhile
	}
	return err
}

// flushed is the slot that no crash of the learner takes back; 0 before its first
// start.
func (d *daemon) flushed() uint64 {
	if s := d.learner.Load(); s != nil {
		return s.state.Load().durable.Load()
	}
	return 0
}

// checkpointEvery is the pause between two checkpoints of the applied state. Under
// load Pebble writes its memtables out more often by itself; this bounds what a
// start applies again, and lets the acceptor cut its log when little happens.
const checkpointEvery = 5 * time.Second

// checkpointer makes the applied state durable from time to time, and looks after an
// acceptor that waits for space.
type checkpointer struct {
	stop    chan struct{}
	running sync.WaitGroup
}

func newCheckpointer(d *daemon) *checkpointer {
	c := &checkpointer{stop: make(chan struct{})}
	c.running.Go(func() {
		ticker := time.NewTicker(d.checkpoint)
		defer ticker.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-ticker.C:
			}
			d.lookForSpace()
			if s := d.learner.Load(); s != nil {
				if err := s.checkpoint(); err != nil {
					d.logger.Warn("checkpoint of the applied state", "role", "learner", "error", err)
				}
			}
		}
	})
	return c
}

// close ends the checkpointer; it may be nil.
func (c *checkpointer) close() {
	if c == nil {
		return
	}
	close(c.stop)
	c.running.Wait()
}

// copyState makes a copy for another replica.
func (d *daemon) copyState() (kv.Copy, error) {
	s := d.learner.Load()
	if s == nil {
		return nil, errors.New("the learner has not been started yet")
	}
	return s.state.Load().Copy()
}

// answerSnapshot gives another replica bytes of a copy.
func (d *daemon) answerSnapshot(from paxos.ReplicaID, ask protocol.SnapshotAsk) protocol.SnapshotChunk {
	return d.copies.Answer(from, ask)
}

// takeSnapshot takes such bytes of another replica.
func (d *daemon) takeSnapshot(from paxos.ReplicaID, answer protocol.SnapshotChunk) {
	d.fetcher.Take(from, answer)
}

// arriving is a copy on its way into this replica's folder.
type arriving struct {
	*store.Receiver
	daemon *daemon
}

// receiveCopy begins to take a copy of another replica's state.
func (d *daemon) receiveCopy(m *kv.Manifest) (snapshot.Receiver, error) {
	r, err := store.Receive(d.storeOptions(), m)
	if err != nil {
		return nil, err
	}
	return arriving{r, d}, nil
}

// Adopt implements snapshot.Receiver.
func (a arriving) Adopt() error { return a.Receiver.Adopt(a.daemon.flushed()) }

// snapshotReady tells the learner that it may install. If it is down, its next start
// finds the copy by itself.
func (d *daemon) snapshotReady(slot uint64) {
	err := d.host.Submit(paxos.Envelope{
		Cluster: d.self.Cluster, Incarnation: d.self.Incarnation,
		From:    paxos.Address{Replica: d.self.Self},
		To:      paxos.Address{Replica: d.self.Self, Roles: paxos.RoleLearner},
		Message: &paxos.SnapshotReady{Slot: paxos.Slot(slot)},
	})
	if err != nil {
		d.logger.Info("the copy is installed at the learner's next start", "role", "learner", "reason", err)
	}
}
