package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"synod/console/command"
)

// TestArgumentsMeanWhatTheShellGave: the shell has split the words; nothing in them may be taken apart again.
func TestArgumentsMeanWhatTheShellGave(t *testing.T) {
	grammar := command.NewGrammar([]string{"r1", "r2", "r3"})
	for _, row := range []struct {
		args []string // verb first
		want string   // the statement, as the language writes it
	}{
		{[]string{"get", "color"}, "get color"},
		{[]string{"get", "color", "@r3", "timeout=1s"}, "get color timeout=1s @r3"},
		{[]string{"put", "two words", "a # b"}, `put "two words" "a # b"`},
		{[]string{"put", "k", "${HOME}"}, `put k '${HOME}'`},
		{[]string{"put", "k", "a=b"}, `put k "a=b"`},
		{[]string{"put", "k", ""}, `put k ""`},
		{[]string{"crash", "*.acceptor", "for=2s"}, "crash *.acceptor for=2s"},
		{[]string{"wait", "chosen>=100", "timeout=5s"}, "wait chosen>=100 timeout=5s"},
		{[]string{"repeat", "10", "every", "100ms", "get", "color"}, "repeat 10 every 100ms get color"},
	} {
		verb, ok := grammar.Verb(row.args[0])
		if !ok {
			t.Fatalf("no verb %s", row.args[0])
		}
		text := line(*verb, row.args[1:])
		statements, err := command.NewParser(grammar, nil).Line(text, command.Position{})
		if err != nil || len(statements) != 1 {
			t.Errorf("%q became %q: %v", row.args, text, err)
			continue
		}
		want, err := command.NewParser(grammar, nil).Line(row.want, command.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if got := statements[0].String(); got != want[0].String() {
			t.Errorf("%q became %s, want %s", row.args, got, want[0].String())
		}
	}
}

func TestEveryVerbIsACommandOrOfThePrompt(t *testing.T) {
	p := &program{}
	root := p.root()
	for _, verb := range command.NewGrammar(nil).Verbs() {
		found, _, err := root.Find([]string{verb.Name})
		if promptOnly(verb.Name) {
			continue
		}
		if err != nil || found == root || !strings.Contains(found.Use, verb.Name) {
			t.Errorf("synod %s is no command: %v", verb.Name, err)
		}
	}
}

func TestSignalsAskKindlyOnceAndGiveTheirCode(t *testing.T) {
	var s signals
	var calls []string
	release := s.catch(func() { calls = append(calls, "soft") }, func() { calls = append(calls, "hard") })
	defer s.close()
	s.take(syscall.SIGINT)
	s.take(syscall.SIGINT)
	release()
	s.catch(func() { calls = append(calls, "soft") }, func() { calls = append(calls, "late") })
	if got := strings.Join(calls, " "); got != "soft hard late" {
		t.Errorf("calls %s", got)
	}
	if code := s.code(0); code != command.ExitInterrupted {
		t.Errorf("code %d", code)
	}
	if code := s.code(command.ExitViolation); code != command.ExitViolation {
		t.Errorf("a violation was hidden by a signal: code %d", code)
	}
	var terminated signals
	terminated.received = syscall.SIGTERM
	if code := terminated.code(1); code != 143 {
		t.Errorf("code %d after SIGTERM", code)
	}
}

// TestHelpExplainsWhatIsNoCommand: the verbs of the prompt have a help too, and a wrong name is an error.
func TestHelpExplainsWhatIsNoCommand(t *testing.T) {
	for _, row := range []struct{ word, want string }{
		{"expect", "Usage: expect CONDITION"}, {"put", "synod put K"}, {"crash", "leader.acceptor mean"}, {"up", "--headless"},
	} {
		var out strings.Builder
		root := new(program).root()
		root.SetOut(&out)
		root.SetArgs([]string{"help", row.word})
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), row.want) {
			t.Errorf("help %s: %v, without %q:\n%s", row.word, err, row.want, out.String())
		}
	}
	root := new(program).root()
	root.SetArgs([]string{"help", "pt"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), `did you mean "put"?`) {
		t.Errorf("help pt: %v", err)
	}
}

// TestTheLinesOfTheREADMEAreCommands: what a newcomer types first at the prompt must be understood.
func TestTheLinesOfTheREADMEAreCommands(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```console\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("README.md has no block of lines for the prompt")
	}
	for line := range strings.Lines(block) {
		parser := command.NewParser(command.NewGrammar([]string{"r1", "r2", "r3", "r4", "r5"}), nil)
		if _, err := parser.Line(strings.TrimSpace(line), command.Position{}); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}
