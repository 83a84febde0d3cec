package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"synod/console/command"
	"synod/console/feed"
	"synod/console/load"
	"synod/console/up"
	"synod/protocol/client"
)

type benchFlags struct {
	load.Options
	mix       string
	json      bool
	endpoints string
	profile   string
	local     bool
}

// benchGarbage trades memory, of which a load generator needs little, for processor time that the servers need.
const benchGarbage = 1600

func (p *program) benchCommand() *cobra.Command {
	f := &benchFlags{}
	c := &cobra.Command{
		Use:   "bench",
		Short: "measure rate and latency with a closed loop of clients",
		Long: "Every client sends its next request when the one before has ended. Clients share connections,\n" +
			"which are spread over the replicas. All keys (16 bytes) are written once before, unless --prepare=false. Only\n" +
			"what is answered in the measured time counts. --json prints one last line for programs; all else goes to\n" +
			"standard error then.",
		Example: "  synod bench --clients 256 --mix put\n  synod bench --mix get --prepare=false --duration 30s --json\n" +
			"  synod bench --endpoints 10.0.0.1:7101,10.0.0.2:7101",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.bench(c.Context(), f) },
	}
	set := c.Flags()
	set.IntVar(&f.Clients, "clients", 64, "clients, each with one request in flight")
	set.IntVar(&f.Connections, "connections", 10, "connections that the clients share")
	set.StringVar(&f.mix, "mix", string(load.Mixed), "put, get or mixed (half each)")
	set.IntVar(&f.ValueSize, "value-size", 256, "bytes of a value")
	set.IntVar(&f.Keys, "keys", 100_000, "number of keys")
	set.BoolVar(&f.Prepare, "prepare", true, "write all keys once before")
	set.DurationVar(&f.Warmup, "warmup", 3*time.Second, "time before the measurement")
	set.DurationVar(&f.Duration, "duration", 10*time.Second, "time of the measurement")
	set.BoolVar(&f.json, "json", false, "print the result as one line of JSON")
	set.StringVar(&f.endpoints, "endpoints", "", "host:port of servers, with commas, instead of a configuration")
	set.BoolVar(&f.local, "local", false, "start the replicas of the configuration here for the time of the run")
	set.StringVar(&f.profile, "cpuprofile", "", "write a profile of this program to the file")
	return c
}

// bench is `synod bench`.
func (p *program) bench(ctx context.Context, f *benchFlags) error {
	f.Mix, f.Seed = load.Mix(f.mix), p.flags.seed
	if err := f.Check(); err != nil {
		return &usageError{err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer p.signals.catch(cancel, cancel)()
	if f.local {
		return p.benchLocal(ctx, f)
	}
	t, err := p.benchTarget(f)
	if err != nil {
		return err
	}
	return p.measure(ctx, f, t)
}

// benchLocal measures a cluster that lives as long as the measurement.
func (p *program) benchLocal(ctx context.Context, f *benchFlags) (err error) {
	if f.endpoints != "" || p.flags.host != "" || p.flags.port != 0 {
		return usagef("--local starts a cluster, --endpoints, --host and --port name one: give only one of them")
	}
	plan, err := up.Prepare(up.Options{ConfigFile: p.upConfig(), Environ: p.environ, RandomPorts: true})
	if err != nil {
		return &usageError{err}
	}
	defer func() { err = errors.Join(err, plan.Discard()) }()
	cluster, err := up.Launch(ctx, plan)
	if err != nil {
		return &exitError{p.signals.code(command.ExitFailed), err}
	}
	defer func() { err = errors.Join(err, p.stopped(cluster.Stop())) }()
	if err := p.awaitLeader(ctx, cluster); err != nil {
		return &exitError{p.signals.code(command.ExitFailed), err}
	}
	return p.measure(ctx, f, clusterTarget(plan.Config))
}

// measure runs the load against a target and prints what came of it.
func (p *program) measure(ctx context.Context, f *benchFlags, t *target) error {
	debug.SetGCPercent(benchGarbage)
	if f.profile != "" {
		stop, err := profile(f.profile)
		if err != nil {
			return &usageError{err}
		}
		defer stop()
	}
	ports := load.Ports{Dial: benchDial(t), Kind: func(err error) string {
		kind, _, _ := feed.Describe(err)
		return string(kind)
	}}
	if terminal(p.stderr) {
		ports.Progress = func(progress load.Progress) { fmt.Fprintln(p.stderr, progress) }
	}
	result, err := load.Run(ctx, f.Options, ports)
	if err != nil {
		return &exitError{p.signals.code(command.ExitFailed), err}
	}
	if f.json {
		fmt.Fprint(p.stderr, result)
		fmt.Fprintln(p.out, result.JSON())
	} else {
		fmt.Fprint(p.out, result)
	}
	if p.code = p.signals.code(command.ExitOK); result.Ops == 0 && p.code == command.ExitOK {
		p.code = command.ExitFailed
	}
	return nil
}

// profile begins to write a profile of the processor's time.
func profile(name string) (stop func(), err error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close() // a profile that is cut short shows itself
	}, nil
}

// benchTarget is what the flags name. Addresses without a configuration have no replicas' names.
func (p *program) benchTarget(f *benchFlags) (*target, error) {
	if f.endpoints == "" {
		return p.target()
	}
	t := &target{}
	for address := range strings.SplitSeq(f.endpoints, ",") {
		if address = strings.TrimSpace(address); address == "" {
			return nil, usagef("--endpoints must be host:port with commas between them, not %s", command.Quote(f.endpoints))
		}
		t.endpoints = append(t.endpoints, client.Endpoint{Address: address})
	}
	return t, nil
}

// benchDial gives the way to open connection number n. Each prefers one replica, in turn, and moves on to another when
// that one fails; without the names of the replicas it cannot move on.
func benchDial(t *target) func(context.Context, int) (load.Client, error) {
	return func(ctx context.Context, number int) (load.Client, error) {
		endpoint := t.endpoints[number%len(t.endpoints)]
		if endpoint.Replica == "" {
			return openBenchClient(ctx, []client.Endpoint{endpoint})
		}
		return openBenchClient(ctx, t.endpoints, client.WithReplica(endpoint.Replica))
	}
}

// benchClient is a client library's client as the generator wants it.
type benchClient struct{ library *client.Client }

func openBenchClient(ctx context.Context, endpoints []client.Endpoint, options ...client.Option) (load.Client, error) {
	library, err := client.Open(ctx, endpoints, options...)
	if err != nil {
		return nil, err
	}
	return benchClient{library}, nil
}

func (c benchClient) Put(ctx context.Context, key, value []byte) error {
	_, err := c.library.Put(ctx, key, value)
	return err
}

func (c benchClient) Get(ctx context.Context, key []byte) (bool, error) {
	value, err := c.library.Get(ctx, key)
	return value.Found, err
}

func (c benchClient) Close() error { return c.library.Close() }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
