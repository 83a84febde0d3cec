package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"synod/console/command"
	"synod/console/feed"
	"synod/console/up"
	"synod/protocol/client"
)

// Times of `synod up`.
const (
	upTimeout    = 60 * time.Second // until there is a leader
	upPatience   = time.Second      // before progress is shown, and between two lines of it
	upCheckPause = time.Second      // between two looks at the processes of a headless cluster
)

// portsFromMax leaves room for the ports of replicas above it.
const portsFromMax = 65535 - 20

type upFlags struct {
	data        string
	logs        string
	daemon      string
	file        string
	scenario    string
	demo        bool
	headless    bool
	portsFrom   int
	randomPorts bool
}

func (p *program) upCommand() *cobra.Command {
	f := &upFlags{}
	c := &cobra.Command{
		Use:   "up",
		Short: "start all replicas on this machine, and stop them at the end",
		Long: "Starts the replicas of the configuration (or five, without one) as processes of their own, waits for a\n" +
			"leader, and opens the screen, runs a batch, or just stays. Whatever ends it, it stops the replicas.\n" +
			"`kill r3` ends a replica's process with SIGKILL, `start r3` starts it again.\n\n" +
			"Without --data the replicas live in a temporary folder, which is removed after a success and kept otherwise.",
		Example: "  synod up\n  synod up --data data --headless\n  synod up --demo\n" +
			"  synod up --random-ports -f batch.synod\n  synod up --random-ports --scenario leader-crash",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.up(c.Context(), f) },
	}
	set := c.Flags()
	set.StringVar(&f.data, "data", "", "folder of the replicas' state (default: a temporary one)")
	set.StringVar(&f.logs, "logs", "", "folder of the logs (default: as configured; with other ports in the data folder)")
	set.AddFlagSet(p.lookFlags())
	set.StringVar(&f.daemon, "synodd", "", "the replica's program (default: beside this one, or in PATH)")
	set.StringVarP(&f.file, "file", "f", "", "run the commands of this file, then stop; - is standard input")
	set.StringVar(&f.scenario, "scenario", "", "run the shipped scenario of this name, then stop; the command scenario lists them")
	set.BoolVar(&f.demo, "demo", false, "run the batch that comes with the program, then stop")
	set.BoolVar(&f.headless, "headless", false, "stay until SIGINT or SIGTERM, without a screen")
	set.IntVar(&f.portsFrom, "ports-from", 0, "replica N serves clients at this port + N, peers at this port + 10 + N")
	set.BoolVar(&f.randomPorts, "random-ports", false, "use ports that are free now")
	return c
}

// up is `synod up`: a cluster for as long as its work takes.
func (p *program) up(ctx context.Context, f *upFlags) (err error) {
	if f.file != "" {
		p.flags.file = f.file
	}
	if exclusive(f.demo, f.headless, f.file != "", f.scenario != "") > 1 {
		return usagef("give only one of --demo, --scenario, --headless and -f")
	}
	if f.portsFrom < 0 || f.portsFrom > portsFromMax {
		return usagef("--ports-from must be from 1 to %d, not %d", portsFromMax, f.portsFrom)
	}
	plan, err := up.Prepare(up.Options{
		ConfigFile: p.upConfig(), Environ: p.environ, Data: f.data, Logs: f.logs, Daemon: f.daemon,
		PortsFrom: f.portsFrom, RandomPorts: f.randomPorts,
	})
	if err != nil {
		return &usageError{err}
	}
	defer func() {
		if err != nil && !plan.Begun {
			err = errors.Join(err, plan.Discard())
			return
		}
		if err != nil || p.code != 0 {
			fmt.Fprintf(p.stderr, "synod: the state of the replicas is in %s, the logs are in %s\n",
				plan.Data, plan.Config.Log.Dir)
			return
		}
		err = plan.Discard()
	}()
	t := clusterTarget(plan.Config)
	settings, batch, err := p.upWork(t, f)
	if err != nil {
		return err
	}
	// A reader that goes away must not end this process before its children.
	signal.Ignore(syscall.SIGPIPE)
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	release := p.signals.catch(cancel, cancel)
	cluster, err := up.Launch(running, plan)
	if err != nil {
		release()
		return &exitError{p.signals.code(command.ExitFailed), err}
	}
	defer func() {
		p.mourn(cluster)
		err = errors.Join(err, p.stopped(cluster.Stop()))
	}()
	if err := p.awaitLeader(running, cluster); err != nil {
		release()
		return &exitError{p.signals.code(command.ExitFailed), err}
	}
	if f.headless {
		return p.stay(running, cluster, plan)
	}
	release()
	return p.with(ctx, t, func(ctx context.Context, s *session) error {
		s.processes = cluster
		if batch != nil {
			return p.runScript(ctx, s, settings, batch)
		}
		return p.work(ctx, s, settings, cluster)
	})
}

// exclusive counts what was asked for.
func exclusive(asked ...bool) int {
	count := 0
	for _, one := range asked {
		if one {
			count++
		}
	}
	return count
}

// upConfig is the configuration file: the one that is named, the one in this folder, or none.
func (p *program) upConfig() string {
	if p.flags.config != "" {
		return p.flags.config
	}
	if exists(configDefault) {
		return configDefault
	}
	return ""
}

// upWork parses what is to be run before anything is started.
func (p *program) upWork(t *target, f *upFlags) (command.Settings, *script, error) {
	settings, err := p.settings(t)
	if err != nil {
		return settings, nil, err
	}
	grammar := command.NewGrammar(t.replicas())
	interactive := terminal(p.stdin) && terminal(p.stdout)
	switch {
	case f.headless:
		return settings, nil, nil
	case f.demo:
		settings.Target, settings.Yes = "random", true
		statements, err := command.NewParser(grammar, nil).Script(command.DemoName, command.Demo())
		return settings, &script{name: command.DemoName, statements: statements}, err
	case f.scenario != "":
		settings.Target, settings.Yes = "random", true
		statements, err := command.NewParser(grammar, nil).Words([]string{"scenario", f.scenario})
		return settings, &script{name: f.scenario, statements: statements}, err
	case f.file != "" || !interactive:
		settings.Target = "random"
		batch, err := p.script(grammar)
		return settings, batch, err
	}
	return settings, nil, nil
}

// work opens the screen, or lines where there can be none.
func (p *program) work(ctx context.Context, s *session, settings command.Settings, cluster *up.Cluster) error {
	if p.flags.plain || p.getenv("TERM") == "dumb" || p.getenv("TERM") == "" {
		return p.prompt(ctx, s, settings)
	}
	return p.runScreen(ctx, s, settings, cluster)
}

// awaitLeader waits until the cluster serves and says so; if that takes long it says what it waits for.
func (p *program) awaitLeader(ctx context.Context, cluster *up.Cluster) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	begun := time.Now()
	shown := begun
	operators := feed.NewOperators(client.Endpoints(cluster.Config()), owner(), discard())
	leader, err := cluster.WaitLeader(ctx, func(ctx context.Context) string {
		if now := time.Now(); now.Sub(shown) > upPatience {
			shown = now
			fmt.Fprintf(p.stderr, "synod: waiting for a leader, %.0f s\n", now.Sub(begun).Seconds())
		}
		return operators.Leader(ctx)
	})
	if err != nil {
		return err
	}
	c := cluster.Config()
	fmt.Fprintf(p.stderr, "synod: %d replicas of %s are up after %.1f s, leader %s; clients at %s … %s\n", len(c.Replicas),
		command.Quote(c.Cluster.Name), time.Since(begun).Seconds(), leader, c.Replicas[0].Client,
		c.Replicas[len(c.Replicas)-1].Client)
	return nil
}

// stay is --headless: the cluster is there until somebody ends it, which is no failure.
func (p *program) stay(ctx context.Context, cluster *up.Cluster, plan *up.Plan) error {
	fmt.Fprintf(p.stderr, "synod: another terminal reaches it with: synod --config %s status\n", plan.ConfigFile)
	ticker := time.NewTicker(upCheckPause)
	defer ticker.Stop()
	gone := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, process := range cluster.Processes() {
			if process.State == up.Exited && !gone[process.ID] {
				gone[process.ID] = true
				fmt.Fprintf(p.stderr, "synod: %s has ended: %s; its log is %s\n", process.ID, process.Cause,
					plan.Config.LogFile(process.ID))
			}
		}
	}
}

// mourn names the replicas that have ended by themselves.
func (p *program) mourn(cluster *up.Cluster) {
	for _, process := range cluster.Processes() {
		if process.State == up.Exited {
			fmt.Fprintf(p.stderr, "synod: %s has ended by itself: %s; its log is %s\n", process.ID, process.Cause,
				cluster.Config().LogFile(process.ID))
		}
	}
}

// stopped turns the failure to stop the replicas into an exit code.
func (p *program) stopped(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{command.ExitFailed, err}
}
