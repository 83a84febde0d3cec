package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"synod/core/config"
	"synod/daemon/gateway"
	"synod/daemon/host"
	"synod/daemon/identity"
	"synod/daemon/monitor"
	"synod/daemon/store"
)

// ringLinesMax is how many log lines operators can look back.
const ringLinesMax = 2000

// run is the life of a replica's process.
func run(f *flags) error {
	c, err := f.load()
	if err != nil || f.check {
		return err
	}
	if f.logFormat != "text" && f.logFormat != "json" {
		return fail(exitUsage, fmt.Errorf("--log-format %q: give text or json", f.logFormat))
	}
	if f.replica == "" {
		return fail(exitUsage, fmt.Errorf("which replica? give --replica with one of %v", c.ReplicaIDs()))
	}
	r, ok := c.Replica(f.replica)
	if !ok {
		return fail(exitUsage, unknownReplica(f.replica, c))
	}
	plant, err := planted()
	if err != nil {
		return fail(exitUsage, err)
	}
	s := settings{
		config: c, plant: plant, dir: c.ReplicaDir(r.ID), ring: monitor.NewRing(ringLinesMax), checkpoint: checkpointEvery,
	}
	s.identity, err = readIdentity(s.dir, r, c)
	if errors.Is(err, identity.ErrNone) {
		s.identity, err = lostIdentity(c, r, s.dir, err, os.Stderr)
	}
	if err != nil {
		return err
	}
	lock, err := identity.TakeLock(s.dir)
	if err != nil {
		return fail(codeOf(err), err)
	}
	defer func() { _ = lock.Release() }() // the end of the process would do it too
	file, err := monitor.OpenFile(c.LogFile(r.ID))
	if err != nil {
		return fail(exitFailure, err)
	}
	// A queue for each, so that a standard error that nobody reads leaves the file whole.
	s.lines = []*monitor.Queue{monitor.NewQueue(file), monitor.NewQueue(os.Stderr)}
	defer s.closeLines(file)
	logger, err := monitor.NewLogger(monitor.LogOptions{
		Level: c.Log.Level, JSON: f.logFormat == "json", Queues: s.lines, Ring: s.ring,
	})
	if err != nil {
		return fail(exitUsage, err)
	}
	s.logger = logger.With("replica", r.ID)
	s.fatal = func(failure host.Failure) { s.die(failure) }
	s.file = file
	err = s.live(f, r)
	if err != nil {
		s.logger.Error("stopped", "error", err)
	}
	return err
}

// logFlushMax is how long the end of the process waits for its last log lines.
const logFlushMax = time.Second

// closeLines ends the queues of log lines, and the file if nothing holds it.
func (s *settings) closeLines(file *monitor.File) {
	var ending sync.WaitGroup
	for i, q := range s.lines {
		ending.Go(func() {
			if q.Close(logFlushMax) && i == 0 {
				_ = file.Close() // its lines are on standard error too
			}
		})
	}
	ending.Wait()
}

// flushLines waits until the log lines so far are written.
func (s *settings) flushLines() {
	var flushing sync.WaitGroup
	for _, q := range s.lines {
		flushing.Go(func() { q.Flush(logFlushMax) })
	}
	flushing.Wait()
}

// readIdentity reads who this is and holds it against the configuration.
func readIdentity(dir string, r config.Replica, c *config.Config) (identity.Identity, error) {
	id, err := identity.Read(dir)
	switch {
	case err != nil:
		return id, fail(codeOf(err), err)
	case id.Replica.String() != r.ID:
		return id, fail(exitDamaged, fmt.Errorf("data directory %q belongs to %s, not to %s: "+
			"was a folder copied or renamed?", dir, id.Replica, r.ID))
	case id.Replicas != len(c.Replicas):
		return id, fail(exitUsage, fmt.Errorf("the cluster was begun with %d replicas, the configuration has %d: "+
			"majorities of both would not meet; give the configuration the same replicas", id.Replicas, len(c.Replicas)))
	}
	return id, nil
}

// codeOf gives the exit code of an error at start.
func codeOf(err error) int {
	switch {
	case errors.Is(err, identity.ErrNone):
		return exitUsage
	case errors.Is(err, identity.ErrDamaged), errors.Is(err, store.ErrDamaged):
		return exitDamaged
	case errors.Is(err, identity.ErrLocked), errors.Is(err, store.ErrLocked), errors.Is(err, unix.EADDRINUSE):
		return exitInUse
	default:
		return exitFailure
	}
}

// die ends the process because a role failed: nobody can say what it would
// promise next.
func (s *settings) die(failure host.Failure) {
	code := exitFailure
	if failure.Panic {
		code = exitInternal
	}
	s.logger.Error("the process ends, because a role failed", "role", failure.Role.String(), "error", failure.Err)
	if failure.Stack != "" {
		s.logger.Error("where it failed", "stack", failure.Stack)
	}
	s.flushLines()
	os.Exit(code)
}

// live opens the ports, runs the replica until a signal, and stops it.
func (s *settings) live(f *flags, r config.Replica) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	peers, err := listen(r.Peer)
	if err != nil {
		return err
	}
	clients, err := listen(r.Client)
	if err != nil {
		return errors.Join(err, peers.Close())
	}
	d := newDaemon(*s)
	defer d.closeAdmin()
	if err := d.openAdmin(r.HTTP, f.profile); err != nil {
		return errors.Join(err, peers.Close(), clients.Close())
	}
	s.announce(r)
	if err := d.start(peers, clients); err != nil {
		return fail(codeOf(err), err)
	}
	s.logger.Info("ready")
	s.logger.Info("stopping, a second signal ends it at once", "signal", d.wait(signals).String())
	go func() {
		number := d.wait(signals)
		os.Exit(exitSignal + int(number))
	}()
	if err := d.stop(); err != nil {
		return fail(exitFailure, fmt.Errorf("stop: %w", err))
	}
	s.logger.Info("stopped, everything is on disk")
	return nil
}

// wait waits for a signal to stop, and meanwhile does what others ask for: HUP
// begins a new log file, USR1 dumps status and goroutines to the log.
func (d *daemon) wait(signals <-chan os.Signal) syscall.Signal {
	for {
		number, _ := (<-signals).(syscall.Signal)
		switch number {
		case syscall.SIGHUP:
			if err := d.file.Rotate(); err != nil {
				d.logger.Error("log file", "error", err)
			}
		case syscall.SIGUSR1:
			d.dump()
		default:
			return number
		}
	}
}

// dumpBytesMax bounds the text of all goroutines in the log.
const dumpBytesMax = 1 << 20

// dump logs what this replica is doing.
func (d *daemon) dump() {
	status, err := json.Marshal(d.Status())
	if err != nil {
		d.logger.Error("dump", "error", err)
		return
	}
	text := make([]byte, dumpBytesMax)
	text = text[:runtime.Stack(text, true)]
	d.logger.Info("dump", "status", string(status), "goroutines", string(text))
}

// listen opens a port.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fail(exitInUse, fmt.Errorf("address %s is in use by another process: "+
			"stop it, or change the address in the configuration", address))
	}
	return nil, fail(exitFailure, fmt.Errorf("listen on %s: %w", address, err))
}

// announce logs who this is and what its limits are.
func (s *settings) announce(r config.Replica) {
	id := s.identity
	s.logger.Info("starting", "version", version(), "pid", os.Getpid(), "cluster", id.Cluster.String(),
		"name", s.config.Cluster.Name, "incarnation", uint64(id.Incarnation), "replicas", id.Replicas)
	if mark := plantedMark(); mark != "" {
		s.logger.Error("this program is for tests of the tests: it may have a bug planted on purpose, "+
			"and nothing that it says can be trusted", "build", mark)
	}
	s.logger.Info("addresses", "client", r.Client, "peer", r.Peer, "http", r.HTTP, "dir", s.dir)
	s.logger.Info("limits", limitAttributes()...)
	if s.config.Faults.Enabled {
		s.logger.Warn("faults may be injected by operators; set enabled = false in [faults] where that must not be")
	}
	for _, address := range []string{r.Client, r.Peer} {
		if !loopback(address) {
			s.logger.Warn("this address is open to the network without encryption", "address", address)
		}
	}
}

func limitAttributes() []any {
	var all []any
	for _, l := range gateway.ShownLimits() {
		all = append(all, slog.Int64(l.Name, l.Value))
	}
	return append(all, slog.Int("mailbox_messages", mailboxMessagesMax), slog.Int("mailbox_bytes", mailboxBytesMax))
}

// loopback reports whether an address can only be reached from this machine.
func loopback(address string) bool {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}
