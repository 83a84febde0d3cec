package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"synod/core/config"
)

// Exit codes of the process.
const (
	exitFailure  = 1  // at run time; a failed sync
	exitUsage    = 2  // configuration, flags, or no identity yet
	exitDamaged  = 3  // identity file or applied store
	exitInUse    = 4  // address or data directory
	exitInternal = 70 // a panic
	exitSignal   = 128
)

// exit is an error that knows the exit code of the process.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func fail(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exit{code, err}
}

func main() {
	tuneMemory()
	err := command().Execute()
	if err == nil {
		return
	}
	tell("synodd: " + err.Error() + "\n")
	code := exitUsage
	var coded *exit
	if errors.As(err, &coded) {
		code = coded.code
	}
	os.Exit(code)
}

// tell writes the last line of the process to standard error. If nobody takes it in
// time the process ends without: whoever waits for its end matters more.
func tell(line string) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		_, _ = os.Stderr.WriteString(line)
	}()
	select {
	case <-told:
	case <-time.After(logFlushMax):
	}
}

const (
	// gcPercent: most of the heap is caches and memtables without pointers, which
	// cost the collector nothing; collecting often keeps five replicas small.
	gcPercent = 75
	// memoryBytesMax is where the collector begins to work harder; limits on
	// everything that waits keep the heap far below it.
	memoryBytesMax = 1 << 30
)

// tuneMemory sets the collector, unless the environment does.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBytesMax)
	}
}

// flags of all commands.
type flags struct {
	config    string
	replica   string
	check     bool
	logLevel  string
	logFormat string
	profile   bool
	cluster   string
}

// load reads the configuration; flags win over the environment, that over the
// file.
func (f *flags) load() (*config.Config, error) {
	over := map[string]string{}
	if f.logLevel != "" {
		over["log.level"] = f.logLevel
	}
	c, err := config.Load(f.config, os.Environ(), over)
	return c, fail(exitUsage, err)
}

func command() *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:   "synodd --config FILE --replica ID",
		Short: "One replica of a strongly consistent, replicated key-value store",
		Example: "  synodd init --config config.toml\n" +
			"  synodd --config config.toml --replica r1\n  synodd config --config config.toml",
		Version: versionLine(), Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(&f) },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().StringVar(&f.config, "config", "config.toml", "configuration `file`")
	root.PersistentFlags().StringVar(&f.replica, "replica", "", "`id` of the replica, such as r1")
	root.Flags().BoolVar(&f.check, "check-config", false, "check the configuration and exit, 0 if it is right")
	root.Flags().StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error instead of the configured `level`")
	root.Flags().StringVar(&f.logFormat, "log-format", "text", "`format` of log lines, text or json")
	root.Flags().BoolVar(&f.profile, "pprof", false, "serve profiles on the replica's http address, loopback only")
	root.AddCommand(initCommand(&f), configCommand(&f), inspectCommand(&f), recoverCommand(&f))
	return root
}

func configCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Print every effective value and where it comes from", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.load()
			if err != nil {
				return err
			}
			for _, s := range c.Explain() {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), s); err != nil {
					return fail(exitFailure, err)
				}
			}
			return nil
		},
	}
}

func initCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use: "init", Short: "Begin a new cluster: make the folders and identities of its replicas",
		Long: "Without --replica the folders of all replicas are made here, for a cluster on one machine.\n" +
			"On several machines run it on each with --replica and the same --cluster-id; `--cluster-id new` draws one.\n" +
			"Initialise all replicas before the first is started: a replica of a cluster that has begun is never made anew,\n" +
			"because an acceptor that does not know what it has voted for could undo what was acknowledged. Whoever runs\n" +
			"at the configured addresses is asked. A folder that exists is never touched.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return initialise(f, cmd.OutOrStdout(), cmd.ErrOrStderr()) },
	}
	c.Flags().StringVar(&f.cluster, "cluster-id", "", "`id` of the cluster, needed with --replica, or new")
	return c
}
