package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"synod/console/command"
)

const stdinName = "-"

// one runs a single command that was given as arguments.
func (p *program) one(ctx context.Context, verb command.Verb, args []string) error {
	t, err := p.target()
	if err != nil {
		return err
	}
	settings, err := p.settings(t)
	if err != nil {
		return err
	}
	story := verb.Name == "scenario" && len(args) > 0
	settings.MissingFails = !story
	parser := command.NewParser(command.NewGrammar(t.replicas()), nil)
	statements, err := parser.Line(line(verb, args), command.Position{})
	if err == nil {
		err = parser.Close()
	}
	if err != nil {
		return withoutPlaces(err)
	}
	output := p.writer(!story)
	return p.with(ctx, t, func(ctx context.Context, s *session) error {
		run := func(ctx context.Context, e *command.Executor) error {
			e.Run(ctx, statements)
			return nil
		}
		return p.execute(ctx, s, execution{
			settings: settings, output: output, run: run, hint: len(t.endpoints) > 1 && p.flags.output == outputText, summary: story,
		})
	})
}

// hint says where to look after a request that got no answer.
func (p *program) hint(summary command.Summary) {
	unanswered := summary.Failures[command.Timeout] + summary.Failures[command.NoQuorum] + summary.Failures[command.Unreachable]
	if unanswered > 0 {
		fmt.Fprintln(p.stderr, "`synod status` shows which replicas answer; a majority of them must")
	}
}

// line writes arguments as a line of the language. The shell has split them, so what looks like an option or a target
// is one, and everything else is a word, whatever is in it.
func line(verb command.Verb, args []string) string {
	words := []string{verb.Name}
	for _, arg := range args {
		name, value, isPair := strings.Cut(arg, "=")
		switch {
		case strings.HasPrefix(arg, "@"):
			words = append(words, arg)
		case isPair && isOption(verb, name):
			words = append(words, name+"="+quoted(value))
		default:
			words = append(words, quoted(arg))
		}
	}
	return strings.Join(words, " ")
}

func quoted(text string) string { return command.Word{Parts: []command.Part{{Text: text}}}.String() }

// isOption tells whether NAME=… is an option of the verb. Verbs that hold other commands or conditions, or take any
// option, decide later.
func isOption(verb command.Verb, name string) bool {
	letters := name != "" && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' }) < 0
	if letters && (verb.AnyOption || verb.Group == command.Script || verb.Group == command.Checks) {
		return true
	}
	for _, option := range verb.Options {
		if option.Name == name {
			return true
		}
	}
	return false
}

// withoutPlaces takes the columns out of problems: the line was put together here, nobody has seen it.
func withoutPlaces(err error) error {
	var problems command.Problems
	if !errors.As(err, &problems) {
		return err
	}
	plain := make(command.Problems, len(problems))
	for i, problem := range problems {
		plain[i] = command.Problem{Text: "synod: " + problem.Text}
	}
	return plain
}

// execution is one run of commands.
type execution struct {
	settings command.Settings
	output   command.Writer
	ask      func(context.Context, command.Danger) bool
	run      func(context.Context, *command.Executor) error
	stop     func() // at the first signal: makes run return that waits for input; may be nil
	summary  bool
	hint     bool // say where to look after a request without an answer
}

// with opens the way to a target for the time of do.
func (p *program) with(ctx context.Context, t *target, do func(context.Context, *session) error) error {
	s, err := p.connect(ctx, t)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, s), s.close())
}

// execute runs commands until they end or signals say so, and sets the exit code.
func (p *program) execute(ctx context.Context, s *session, x execution) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ports := s.ports(x.output)
	ports.Ask = x.ask
	executor := command.NewExecutor(s.grammar, ports, x.settings)
	soft := func() {
		executor.Stop()
		if x.stop != nil {
			x.stop()
		}
	}
	release := p.signals.catch(soft, cancel)
	defer release()
	err := x.run(ctx, executor)
	executor.EndLoad()
	summary := executor.Summary()
	if x.summary {
		summary = executor.Finish()
	}
	if x.hint {
		p.hint(summary)
	}
	p.code = p.signals.code(summary.ExitCode())
	return err
}

// script is a batch that is parsed already, or a stream of lines.
type script struct {
	name       string
	statements []command.Statement
	stream     io.Reader // nil if statements hold it all
}

// batch runs a file or standard input.
func (p *program) batch(ctx context.Context) error {
	if p.flags.file != "" && p.flags.file != stdinName && p.flags.check {
		// A file can be checked anywhere; with a configuration its replicas are checked too.
		grammar := command.NewGrammar(nil)
		if t, err := p.target(); err == nil {
			grammar = command.NewGrammar(t.replicas())
		}
		_, err := p.script(grammar)
		return err
	}
	t, err := p.target()
	if err != nil {
		return err
	}
	settings, err := p.settings(t)
	if err != nil {
		return err
	}
	batch, err := p.script(command.NewGrammar(t.replicas()))
	if err != nil || p.flags.check {
		return err
	}
	settings.Target = "random"
	return p.with(ctx, t, func(ctx context.Context, s *session) error { return p.runScript(ctx, s, settings, batch) })
}

func (p *program) runScript(ctx context.Context, s *session, settings command.Settings, batch *script) error {
	x := execution{settings: settings, output: p.writer(false), summary: true}
	x.run = func(ctx context.Context, e *command.Executor) error {
		e.Run(ctx, batch.statements)
		return nil
	}
	if batch.stream != nil {
		stream, end := interruptible(batch.stream)
		x.stop = end
		x.run = func(ctx context.Context, e *command.Executor) error {
			defer end()
			return e.RunLines(ctx, command.NewParser(s.grammar, nil), stream, batch.name)
		}
	}
	return p.execute(ctx, s, x)
}

// errNoCommand is the answer to a run without anything to do.
var errNoCommand = errors.New("no command: standard input is empty and no terminal\n" +
	"give a command (synod get color), a batch (synod -f FILE, synod < FILE), or start the screen on a terminal\n" +
	"synod --help lists everything")

// script reads what is to be run: a file whole, standard input line by line. With --check both are parsed whole.
func (p *program) script(grammar *command.Grammar) (*script, error) {
	name := p.flags.file
	if name == "" {
		name = stdinName
	}
	if name != stdinName {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, &usageError{fmt.Errorf("read the batch: %w", err)}
		}
		statements, err := command.NewParser(grammar, nil).Script(name, text)
		return &script{name: name, statements: statements}, err
	}
	input := bufio.NewReader(p.stdin)
	if _, err := input.Peek(1); err != nil {
		return nil, &usageError{errNoCommand}
	}
	if !p.flags.check {
		return &script{name: name, stream: input}, nil
	}
	text, err := io.ReadAll(input)
	if err != nil {
		return nil, &usageError{fmt.Errorf("read standard input: %w", err)}
	}
	statements, err := command.NewParser(grammar, nil).Script(name, text)
	return &script{name: name, statements: statements}, err
}

// lines is the line mode: a prompt, one command at a time, and its answer below it.
func (p *program) lines(ctx context.Context) error {
	t, err := p.target()
	if err != nil {
		return err
	}
	settings, err := p.settings(t)
	if err != nil {
		return err
	}
	return p.with(ctx, t, func(ctx context.Context, s *session) error { return p.prompt(ctx, s, settings) })
}

// prompt reads commands from a person until the end of input, `quit`, or ctrl-C.
func (p *program) prompt(ctx context.Context, s *session, settings command.Settings) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	input := newInput(p.stdin)
	ask := func(ctx context.Context, danger command.Danger) bool {
		want := danger.Type
		if want == "" {
			want = "yes"
		}
		fmt.Fprintf(p.out, "%s: this %s. Type %s to do it: ", danger.Command, danger.Effect, want)
		answer, err := input.line(ctx)
		return err == nil && strings.TrimSpace(answer) == want
	}
	output := p.writer(false)
	if p.flags.output == outputText {
		output = command.NewText(p.out, p.out) // one column of text, in the order in which it happens
	}
	return p.execute(ctx, s, execution{
		settings: settings, output: output, ask: ask, stop: cancel,
		run: func(ctx context.Context, e *command.Executor) error {
			parser := command.NewParser(s.grammar, nil)
			for {
				fmt.Fprint(p.out, strings.Repeat("  ", parser.Depth())+"synod> ")
				text, err := input.line(ctx)
				if err != nil {
					fmt.Fprintln(p.out)
					return nil
				}
				statements, err := parser.Line(text, command.Position{})
				if err != nil {
					fmt.Fprintf(p.out, "%v\n", err)
					continue
				}
				if !e.Run(ctx, statements) {
					return nil
				}
			}
		},
	})
}
