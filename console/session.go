package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"synod/console/command"
	"synod/console/feed"
	"synod/console/workload"
	"synod/core/config"
	"synod/protocol/client"
)

// target is what the program speaks to: a cluster or one server.
type target struct {
	config    *config.Config // nil with --host or --port
	endpoints []client.Endpoint
	log       string // file of the client's log
}

// configDefault is the configuration that is used unless another is named.
const configDefault = "config.toml"

// target finds out from the flags what to speak to.
func (p *program) target() (*target, error) {
	f := &p.flags
	switch f.protocol {
	case "tcp":
	case "udp":
		return nil, usagef("--protocol udp is not available in this version, use --protocol tcp")
	default:
		return nil, usagef("unknown --protocol %s, use tcp", command.Quote(f.protocol))
	}
	if f.host != "" || f.port != 0 {
		return p.server()
	}
	name := f.config
	if name == "" {
		name = configDefault
	}
	c, err := config.Load(name, p.environ, nil)
	switch {
	case f.config == "" && errors.Is(err, fs.ErrNotExist):
		return nil, usagef("no %s in this folder: give --config FILE, or --host HOST --port PORT of one server, "+
			"or start a cluster here with `synod up`", configDefault)
	case err != nil:
		return nil, &usageError{err}
	}
	return clusterTarget(c), nil
}

func clusterTarget(c *config.Config) *target {
	return &target{config: c, endpoints: client.Endpoints(c), log: c.LogFile("client")}
}

func (p *program) server() (*target, error) {
	f := &p.flags
	if f.config != "" {
		return nil, usagef("--config names a cluster and --host one server: give only one of them")
	}
	if f.port < 1 || f.port > 65535 {
		return nil, usagef("--port must be from 1 to 65535, as in --host 127.0.0.1 --port 7101")
	}
	host := f.host
	if host == "" {
		host = "127.0.0.1"
	}
	address := net.JoinHostPort(host, strconv.Itoa(f.port))
	return &target{endpoints: []client.Endpoint{{Address: address}}, log: filepath.Join("logs", "client.log")}, nil
}

// replicas lists the names of the replicas; with one server they are not known.
func (t *target) replicas() []string {
	if t.config == nil {
		return nil
	}
	return t.config.ReplicaIDs()
}

// session is an open way to the target.
type session struct {
	target    *target
	grammar   *command.Grammar
	cluster   *feed.Cluster
	operators *feed.Operators
	processes command.Processes // nil unless this program started the replicas
	load      *workload.Loader
	logs      *feed.Logs
	log       *slog.Logger
	logFile   io.Closer
}

// connect opens the way to the target; connections are made when they are needed.
func (p *program) connect(ctx context.Context, t *target) (*session, error) {
	s := &session{target: t, grammar: command.NewGrammar(t.replicas())}
	var err error
	if s.log, s.logFile, err = command.OpenLog(t.log); err != nil {
		fmt.Fprintf(p.stderr, "synod: going on without a log: %v\n", err)
		s.log = slog.New(slog.DiscardHandler)
	}
	s.logs = feed.NewLogs(t.endpoints)
	s.log = s.logs.Tee(s.log.Handler())
	if s.cluster, err = feed.OpenCluster(ctx, t.endpoints, s.log); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.operators = feed.NewOperators(t.endpoints, owner(), s.log)
	s.load = s.newLoader(ctx, nil)
	return s, nil
}

// newLoader makes what runs the built-in load; its histories lie beside the client's log.
func (s *session) newLoader(ctx context.Context, start func(func())) *workload.Loader {
	open := func(ctx context.Context, _ workload.Profile) (workload.Store, io.Closer, error) {
		return feed.OpenLoad(ctx, s.target.endpoints, s.operators)
	}
	return workload.NewLoader(ctx, open, filepath.Dir(s.target.log), start)
}

// loadEndMax bounds the wait for the end of a load: its last answers, the judge, the deleting of its keys.
const loadEndMax = 2 * time.Minute

// endLoad ends the load that still runs.
func (s *session) endLoad() {
	if s.load == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadEndMax)
	defer cancel()
	// Without a load there is nothing to end.
	_, _ = s.load.Stop(ctx)
}

// owner names the person for the replicas' logs.
func owner() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

func (s *session) close() error {
	var failures []error
	s.endLoad()
	if s.cluster != nil {
		failures = append(failures, s.cluster.Close())
	}
	if s.logFile != nil {
		failures = append(failures, s.logFile.Close())
	}
	return errors.Join(failures...)
}

// ports are the doors for an executor.
func (s *session) ports(output command.Writer) command.Ports {
	return command.Ports{
		Cluster: s.cluster, Operator: s.operators, Processes: s.processes, Load: s.load, Output: output, Log: s.log,
	}
}

// settings are what the flags say about a run.
func (p *program) settings(t *target) (command.Settings, error) {
	f := &p.flags
	settings := command.Settings{Seed: f.seed, Yes: f.yes, Confirm: f.confirm, ReadOnly: f.readOnly}
	if settings.Seed == 0 {
		settings.Seed = uint64(1 + rand.IntN(seedMax))
	}
	if f.parallel < 0 || f.parallel > parallelMax {
		return settings, usagef("--parallel must be from 1 to %d, not %d", parallelMax, f.parallel)
	}
	settings.Parallel = f.parallel
	if t.config != nil {
		settings.ClusterName = t.config.Cluster.Name
	}
	if f.timeout != "" {
		timeout, err := config.ParseDuration(f.timeout)
		if err != nil || timeout <= 0 || timeout > timeoutMax {
			return settings, usagef(`--timeout must be a duration above 0 and up to %v, such as "500ms"`, timeoutMax)
		}
		settings.Timeout = timeout
	}
	return settings, nil
}

const (
	seedMax     = 1_000_000 // of a drawn seed: short enough to type again
	timeoutMax  = time.Hour
	parallelMax = 1024
)
