package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"synod/core/agent"
	"synod/core/paxos"
	"synod/core/wal"
	"synod/daemon/host"
	"synod/daemon/identity"
)

const (
	// acceptorBytesMax bounds the values that an acceptor keeps in memory beside its
	// log.
	acceptorBytesMax = 8 << 20
	// keepSlotsMax bounds the slots that an acceptor keeps below its replica's
	// checkpoint for others that lag, however small they are; storage.keep bounds
	// their bytes.
	keepSlotsMax = 64 << 10
)

// lives is in which life the acceptor of this replica is. It grows when the
// acceptor has lost its memory.
type lives struct {
	mu       sync.Mutex
	identity identity.Identity
}

func (l *lives) present() identity.Identity {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.identity
}

// acceptorOptions say where the acceptor's log of a life lies.
func (s *settings) acceptorOptions(id identity.Identity) agent.AcceptorOptions {
	return agent.AcceptorOptions{
		Limits: paxos.AcceptorOptions{
			MemoryBytesMax: acceptorBytesMax, Cuts: true, KeepSlots: keepSlotsMax,
			KeepBytesMax: int64(s.config.Storage.Keep),
		},
		Log: wal.Options{
			Dir:          identity.AcceptorDir(s.dir, id.Incarnation),
			SegmentBytes: int64(s.config.Storage.Segment), Background: true, Mutant: s.plant,
			Identity: wal.Identity{
				Cluster: id.Cluster, Replica: uint8(id.Replica), Incarnation: uint64(id.Incarnation),
			},
		},
	}
}

// openAcceptor replays the acceptor's log. Without its log the acceptor recovers
// from the others.
func (d *daemon) openAcceptor() (host.Agent, error) {
	id := d.life.present()
	options := d.acceptorOptions(id)
	options.Renew = d.renew
	if _, err := rand.Read(options.Limits.Run[:]); err != nil {
		return nil, fmt.Errorf("draw the acceptor's run: %w", err)
	}
	options.Tap = d.trace.Arrived
	options.AroundSync = func(sync func() error) error {
		begin := time.Now()
		err := sync()
		end := time.Now()
		d.syncs.Add(end, end.Sub(begin))
		return err
	}
	self := d.self
	self.Incarnation = id.Incarnation
	opened, err := agent.OpenAcceptor(self, options)
	if err != nil {
		return nil, err
	}
	if status := opened.Status(); status.State != "normal" {
		d.logger.Warn("acceptor does not vote yet", "role", "acceptor", "state", status.State, "reason", status.Reason)
	}
	return opened, nil
}

// renew makes a new life of the acceptor durable, before it says anything in it. The
// log of the life before is kept, for diagnosis; older ones go.
func (d *daemon) renew(next paxos.Incarnation) (wal.Options, error) {
	d.life.mu.Lock()
	defer d.life.mu.Unlock()
	id := d.life.identity
	if next <= id.Incarnation {
		panic(fmt.Sprintf("renew: incarnation %d after %d", next, id.Incarnation))
	}
	id.Incarnation = next
	if err := identity.Write(d.dir, id); err != nil {
		return wal.Options{}, err
	}
	d.life.identity = id
	d.logger.Info("acceptor begins a new life", "role", "acceptor", "incarnation", uint64(next))
	log := d.acceptorOptions(id).Log
	if err := errors.Join(os.RemoveAll(log.Dir), identity.KeepLastAcceptor(d.dir, next)); err != nil {
		return wal.Options{}, fmt.Errorf("make room for the log of incarnation %d: %w", next, err)
	}
	return log, nil
}

// spaceWanted must be free before a log is opened again that had no space.
const spaceWanted = 16 << 20

// lookForSpace starts the acceptor again that stopped voting because the disk was
// full, when there is space. Nothing of what it has promised is lost meanwhile.
func (d *daemon) lookForSpace() {
	status := d.host.Status()[1]
	full := status.State == host.StateUp && status.Agent.State == "refusing" &&
		strings.Contains(status.Agent.Reason, wal.ErrNoSpace.Error())
	var disk unix.Statfs_t
	if !full || unix.Statfs(d.dir, &disk) != nil || disk.Bavail*uint64(disk.Bsize) < spaceWanted {
		return
	}
	const cause = "there is space on the disk again"
	// Whoever else controls the role now has his reasons; the next look finds out.
	if d.host.Crash(paxos.RoleAcceptor, cause) != nil {
		return
	}
	if err := d.host.Start(paxos.RoleAcceptor, cause); err != nil {
		d.logger.Warn("acceptor does not start", "role", "acceptor", "error", err)
		return
	}
	d.logger.Info("acceptor started again", "role", "acceptor", "reason", cause)
}
