package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"synod/console/command"
	"synod/core/config"
)

// root makes the tree of commands. The verbs of the command language come from its own table.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "synod",
		Short: "Client of a Synod cluster: screen, commands, batches, local cluster, load",
		Long: "synod alone opens the screen on a terminal, and otherwise runs commands from standard input.\n" +
			"synod VERB … runs one command of the same language as the screen's prompt and batch files.\n\n" +
			"Exit codes: 0 done, 1 a request failed or its outcome is unknown (or the key of a get is missing), 2 wrong\n" +
			"usage or configuration, 3 an expectation was not met, 4 no replica was reached, 5 replicas differ.",
		Example: "  synod up                       # five replicas on this machine, and the screen\n" +
			"  synod put color red            # through any replica of ./config.toml\n" +
			"  synod get color @r3            # through this one\n" +
			"  synod -f batch.synod           # a file, parsed whole before anything is sent\n" +
			"  synod --host 10.0.0.3 --port 7101 get color\n" +
			"  synod bench --clients 64 --mix put",
		Version:       version(),
		Args:          noArguments,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return p.checkOutput() },
		RunE:              func(c *cobra.Command, _ []string) error { return p.start(c.Context()) },
	}
	root.SetIn(p.stdin)
	root.SetOut(p.out)
	root.SetErr(p.stderr)
	root.SetVersionTemplate("{{.Version}}\n")
	p.addFlags(root)
	grammar := command.NewGrammar(nil)
	for _, group := range command.Groups() {
		root.AddGroup(&cobra.Group{ID: string(group), Title: string(group) + " commands:"})
	}
	const programs = "Programs"
	root.AddGroup(&cobra.Group{ID: programs, Title: "Programs:"})
	for _, verb := range grammar.Verbs() {
		if !promptOnly(verb.Name) {
			root.AddCommand(p.verb(verb))
		}
	}
	for _, c := range []*cobra.Command{p.upCommand(), p.benchCommand()} {
		c.GroupID = programs
		root.AddCommand(c)
	}
	root.SetHelpCommand(helpCommand(root, grammar))
	root.SetHelpCommandGroupID(programs)
	root.SetCompletionCommandGroupID(programs)
	return root
}

// promptOnly names verbs that make no sense alone on a command line. `help` is the library's own, over the same table.
func promptOnly(verb string) bool {
	return verb == "help" || verb == "quit" || verb == "expect" || verb == "set"
}

// helpCommand explains commands, and the verbs of the prompt that are none.
func helpCommand(root *cobra.Command, grammar *command.Grammar) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "explain a command",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return root.Help()
			}
			if found, _, err := root.Find(args); err == nil && found != root {
				return found.Help()
			}
			if verb, ok := grammar.Verb(args[0]); ok {
				fmt.Fprintf(root.OutOrStdout(), "At the prompt and in files:\n\n%s", grammar.HelpVerb(verb.Name))
				return nil // standard output remembers what goes wrong with it
			}
			return &usageError{noArguments(root, args)}
		},
	}
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, known := range c.Commands() {
		names = append(append(names, known.Name()), known.Aliases...)
	}
	if near := config.Nearest(args[0], names); near != "" {
		return fmt.Errorf("unknown command %s, did you mean %q?", command.Quote(args[0]), near)
	}
	return fmt.Errorf("unknown command %s", command.Quote(args[0]))
}

func (p *program) addFlags(root *cobra.Command) {
	set, f := root.PersistentFlags(), &p.flags
	set.StringVarP(&f.config, "config", "c", "", "configuration of the cluster (default config.toml in this folder)")
	set.StringVar(&f.host, "host", "", "speak to one server at this host only, without a configuration")
	set.IntVar(&f.port, "port", 0, "port of the server named by --host, or of 127.0.0.1")
	set.StringVar(&f.protocol, "protocol", "tcp", "protocol of the server named by --host: tcp")
	set.BoolVar(&f.yes, "yes", false, "break things without being asked")
	set.StringVar(&f.confirm, "confirm", "", "the cluster's name: allow what would stop writes")
	set.BoolVar(&f.readOnly, "read-only", false, "refuse updates and faults")
	set.BoolVar(&f.noColor, "no-color", false, "no colours (as with NO_COLOR)")
	set.Uint64Var(&f.seed, "seed", 0, "of the random choices (default: drawn, and printed in the summary)")
	set.StringVar(&f.timeout, "timeout", "", "of each request (default 2s)")
	set.StringVar(&f.output, "output", outputText, "form of the output: text, json (an object on a line) or csv")
	set.BoolVar(&f.raw, "raw", false, "no line end behind the value that get prints to a pipe")
	local := root.Flags()
	local.AddFlagSet(p.lookFlags())
	local.StringVarP(&f.file, "file", "f", "", "run the commands of this file; - is standard input")
	local.IntVar(&f.parallel, "parallel", 1, "requests of a file in flight at once, up to the next line that is none")
	local.BoolVar(&f.check, "check", false, "only parse the commands, send nothing")
	local.BoolVar(&f.plain, "plain", false, "lines instead of the screen")
}

// version tells which build this is.
func version() string {
	text, revision, changed := "synod", "", ""
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return text + " of unknown build, " + runtime.Version()
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			revision = ", commit " + setting.Value[:min(12, len(setting.Value))]
		case "vcs.modified":
			if setting.Value == "true" {
				changed = " with changes"
			}
		}
	}
	return fmt.Sprintf("%s %s%s%s, %s", text, info.Main.Version, revision, changed, runtime.Version())
}

// verb makes the command of one verb of the language.
func (p *program) verb(verb command.Verb) *cobra.Command {
	examples := make([]string, len(verb.Examples))
	for i, example := range verb.Examples {
		examples[i] = "  synod " + shellExample(example)
	}
	return &cobra.Command{
		Use: verb.Usage(), Aliases: verb.Aliases, Short: verb.Help, GroupID: string(verb.Group),
		Long: strings.TrimSpace(upperFirst(verb.Help) + ".\n\n" + verb.Long), Example: strings.Join(examples, "\n"),
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return p.one(c.Context(), verb, args)
		},
	}
}

// shellExample quotes what a shell would take for itself.
func shellExample(line string) string {
	if strings.ContainsAny(line, `$*|<>;&"'\`) {
		return "… # at the prompt: " + line
	}
	return line
}

func upperFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// start is synod without a command: a file, the screen, lines, or standard input.
func (p *program) start(ctx context.Context) error {
	person := terminal(p.stdin)
	switch {
	case p.flags.file != "" || p.flags.check:
		return p.batch(ctx)
	case person && terminal(p.stdout) && !p.flags.plain && p.getenv("TERM") != "dumb" && p.getenv("TERM") != "":
		return p.screen(ctx)
	case person:
		return p.lines(ctx)
	}
	return p.batch(ctx)
}
