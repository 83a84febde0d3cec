package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"synod/core/agent"
	"synod/core/config"
	"synod/core/mutant"
	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/daemon/gateway"
	"synod/daemon/host"
	"synod/daemon/identity"
	"synod/daemon/monitor"
	"synod/daemon/peer"
	"synod/daemon/snapshot"
	"synod/daemon/store"
	"synod/daemon/trace"
	"synod/protocol"
)

// Limits of one role's mailbox.
const (
	mailboxMessagesMax = 16 << 10
	mailboxBytesMax    = 64 << 20
)

// drainMax is how long a stop waits for requests under way.
const drainMax = 10 * time.Second

// settings are what a daemon is started with.
type settings struct {
	config   *config.Config
	plant    mutant.Set // the bug planted on purpose; none in a product
	identity identity.Identity
	dir      string // of the replica
	logger   *slog.Logger
	ring     *monitor.Ring
	file     *monitor.File    // nil in tests
	lines    []*monitor.Queue // of the logger: the file's, standard error's; none in tests
	// checkpoint is the pause between two checkpoints of the applied state.
	checkpoint time.Duration
	// fatal ends the process; it must not return in a product.
	fatal func(host.Failure)
}

// daemon is one replica with all its parts.
//
//	clients ─ gateway ─┬─ host ─┬─ proposer
//	                   │        ├─ acceptor ─ wal
//	                   └────────┴─ learner ── kv ── store
//	replicas ── peer ──────┘ │
//	operators ─ gateway ── fault
type daemon struct {
	settings
	self     paxos.Config
	run      uint64 // random, of this start
	started  time.Time
	counters monitor.Counters
	syncs    monitor.Latency
	rounds   monitor.Rounds
	trace    *trace.Recorder
	applied  appliedState
	requests *monitor.Requests
	host     *host.Host
	links    *peer.Links
	gateway  *gateway.Gateway
	faults   *fault.Controller
	learner  atomic.Pointer[sink]
	life     lives
	wipes    *wipes
	copies   *snapshot.Server
	// checkpoints is nil until start.
	checkpoints *checkpointer
	fetcher     *snapshot.Fetcher
	leader      leaderSign
	serving     sync.WaitGroup
	admin       *admin
}

// newDaemon joins the parts; nothing runs before start, except the gateway's
// clock.
func newDaemon(s settings) *daemon {
	d := &daemon{settings: s, run: random(), started: time.Now()}
	d.life.identity = s.identity
	d.self = paxos.Config{
		Cluster: s.identity.Cluster, Self: s.identity.Replica, Replicas: len(s.config.Replicas),
		Incarnation: s.identity.Incarnation, Mutant: s.plant,
	}
	speaks := protocol.Identity{
		Cluster: d.self.Cluster, Replica: d.self.Self, Incarnation: d.self.Incarnation, Run: d.run,
		Replicas: d.self.Replicas,
	}
	d.trace = trace.New(trace.Options{Replicas: d.self.Replicas, Tick: s.config.Consensus.Tick, Rounds: &d.rounds})
	d.requests = monitor.NewRequests(s.logger, s.config.Log.Requests)
	broken := fault.NewTable()
	d.links = peer.New(peer.Options{
		Identity: speaks, Addresses: d.peerAddresses(), Receive: d.receive, Down: d.linkDown,
		Logger: s.logger, Counters: &d.counters, Faults: broken,
		Answer: d.answerSnapshot, AnswerTo: d.takeSnapshot,
		Condition: func(from paxos.ReplicaID, c protocol.Condition) { d.wipes.heard(from, c) },
	})
	d.copies = snapshot.NewServer(snapshot.ServerOptions{Make: d.copyState, Logger: s.logger, First: random()})
	d.fetcher = snapshot.NewFetcher(snapshot.FetcherOptions{
		Ask: d.links.AskSnapshot, Receive: d.receiveCopy, Ready: d.snapshotReady, Logger: s.logger,
	})
	d.host = host.New(host.Options{
		Self: d.self.Self, Tick: s.config.Consensus.Tick,
		Mailbox:  host.Limits{MessagesMax: mailboxMessagesMax, BytesMax: mailboxBytesMax},
		Proposer: d.openProposer, Acceptor: d.openAcceptor, Learner: d.openLearner,
		Remote: d.links, Observe: d.observe, Delivered: d.trace.Delivered, Fatal: s.fatal,
	})
	d.wipes = newWipes(d)
	d.faults = fault.New(fault.Options{
		Self: d.self.Self, Enabled: s.config.Faults.Enabled, TTL: s.config.Faults.TTL,
		Links: broken, Host: d.host, Logger: s.logger, Wiper: d.wipes.wiper,
	})
	d.gateway = gateway.New(gateway.Options{
		Identity: speaks, Replica: d, Logger: s.logger, Requests: d.requests, Counters: &d.counters, Operator: d,
	})
	return d
}

// start runs everything: the roles, then the links, then the door for clients.
// It owns the listeners, also when it fails.
func (d *daemon) start(peers, clients net.Listener) error {
	if err := store.Clean(d.storeOptions()); err != nil {
		return errors.Join(err, peers.Close(), clients.Close())
	}
	if err := d.host.Run(); err != nil {
		return errors.Join(err, peers.Close(), clients.Close())
	}
	d.checkpoints = newCheckpointer(d)
	d.wipes.start()
	d.serving.Go(func() { d.serve(d.links.Serve, peers) })
	d.links.Start()
	d.serving.Go(func() { d.serve(d.gateway.Serve, clients) })
	if f := d.config.Faults; f.Random.On && f.Enabled {
		return d.faults.StartChaos(d.schedule(), "configuration")
	}
	return nil
}

func (d *daemon) serve(serve func(net.Listener) error, listener net.Listener) {
	if err := serve(listener); err != nil {
		d.logger.Error("listener failed", "address", listener.Addr(), "error", err)
	}
}

// stop ends everything in order: no new requests, answers to the old ones, then
// roles and links. Everything is durable afterwards.
func (d *daemon) stop() error {
	d.faults.Close()
	d.wipes.end()
	d.gateway.Drain(drainMax)
	d.fetcher.Close()
	d.copies.Close()
	d.checkpoints.close()
	err := d.host.Close() // the learner's end still answers what waits for it
	d.gateway.Close()
	d.links.Close()
	d.serving.Wait()
	d.requests.Close()
	return err
}

func (d *daemon) peerAddresses() map[paxos.ReplicaID]string {
	addresses := map[paxos.ReplicaID]string{}
	for _, r := range d.config.Replicas {
		if id := paxos.ReplicaID(r.Number); id != d.self.Self {
			addresses[id] = r.Peer
		}
	}
	return addresses
}

// openProposer opens the proposer. It has no log: its random run makes its
// ballots new.
func (d *daemon) openProposer() (host.Agent, error) {
	c := d.config.Consensus
	return agent.NewProposer(d.self, paxos.ProposerOptions{
		Run: random(), Seed: random(), HeartbeatTicks: c.HeartbeatTicks(), ElectionTicks: c.ElectionTicks(),
		WindowMax: c.Window, BatchBytesMax: int(c.Batch),
	}, agent.Options{}), nil
}

// receive takes messages of other replicas.
func (d *daemon) receive(envelopes []paxos.Envelope) {
	for i := range envelopes {
		if envelopes[i].Message.Kind() == paxos.KindHeartbeat {
			d.leader.heard(envelopes[i].From.Replica)
		}
	}
	d.host.Receive(envelopes)
}

// linkDown tells the proposer that the leader may be gone.
func (d *daemon) linkDown(replica paxos.ReplicaID) {
	_ = d.host.Submit(paxos.Envelope{ // a hint: nothing depends on it
		Cluster: d.self.Cluster, Incarnation: d.self.Incarnation,
		From: paxos.Address{Replica: d.self.Self}, To: paxos.Address{Replica: d.self.Self, Roles: paxos.RoleProposer},
		Message: &paxos.LinkDown{Replica: replica},
	})
}

// observe logs what roles tell, and makes the gateway repeat what waits when
// there is a new leader.
func (d *daemon) observe(role paxos.Roles, events []paxos.Event) {
	d.trace.Tell(role, events, time.Now())
	for i := range events {
		e := &events[i]
		level := slog.LevelInfo
		switch e.Kind {
		case paxos.EventLeading, paxos.EventFollowing:
			d.gateway.LeaderChanged()
		case paxos.EventRefusing:
			level = slog.LevelError
		}
		args := []any{"role", role.String()}
		if !e.Ballot.IsZero() {
			args = append(args, "ballot", e.Ballot.String())
		}
		if e.Slot != 0 {
			args = append(args, "slot", uint64(e.Slot))
		}
		if e.Reason != "" {
			args = append(args, "reason", e.Reason)
		}
		d.logger.Log(context.Background(), level, e.Kind.String(), args...)
	}
}

// Submit implements gateway.Replica.
func (d *daemon) Submit(e paxos.Envelope) error { return d.host.Submit(e) }

// Forward implements gateway.Replica.
func (d *daemon) Forward(e paxos.Envelope) { d.links.Send([]paxos.Envelope{e}) }

// Proposing implements gateway.Replica.
func (d *daemon) Proposing() bool { return d.host.Working(paxos.RoleProposer) }

// Leader implements gateway.Replica: as the own proposer knows it, and while it
// is down or paused by the heartbeats that pass here.
func (d *daemon) Leader() paxos.ReplicaID {
	if proposer := d.host.Status()[0]; proposer.State == host.StateUp {
		return proposer.Agent.Leader.Replica
	}
	return d.leader.within(d.config.Consensus.Election)
}

// Quorum implements gateway.Replica.
func (d *daemon) Quorum() bool {
	acceptors := d.links.AcceptorsHeard(d.config.Consensus.Election)
	if own := d.host.Status()[1]; own.State == host.StateUp && own.Agent.Reason == "" {
		acceptors++
	}
	return acceptors >= d.self.Majority()
}

// leaderSign remembers whose heartbeat came last.
type leaderSign struct {
	mu      sync.Mutex
	replica paxos.ReplicaID
	at      time.Time
}

func (l *leaderSign) heard(replica paxos.ReplicaID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replica, l.at = replica, time.Now()
}

// within is the replica, if it was heard within the time; 0 else.
func (l *leaderSign) within(limit time.Duration) paxos.ReplicaID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.at) > limit {
		return paxos.Everyone
	}
	return l.replica
}

// random draws a number that is not zero and that nobody has drawn before.
func random() uint64 {
	for {
		var raw [8]byte
		if _, err := rand.Read(raw[:]); err != nil {
			panic(fmt.Sprintf("no randomness: %v", err))
		}
		if n := binary.BigEndian.Uint64(raw[:]); n != 0 {
			return n
		}
	}
}
