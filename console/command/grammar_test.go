package command

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestGrammar runs the files of testdata/grammar. `parse` takes every line by itself, `script` all of them as one file.
func TestGrammar(t *testing.T) {
	datadriven.Walk(t, "testdata/grammar", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			files := func(name string) ([]byte, error) {
				if name == "other.synod" {
					return []byte("get from/other\nput x ${y}\n"), nil
				}
				if name == "self.synod" {
					return []byte("source self.synod\n"), nil
				}
				return nil, errors.New("file does not exist")
			}
			if d.Cmd == "script" {
				return parsed(NewParser(NewGrammar(fiveReplicas), files), d.Input)
			}
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				out.WriteString(parsed(NewParser(NewGrammar(fiveReplicas), files), line))
			}
			return out.String()
		})
	})
}

// parsed prints what a text is parsed to, after checking that parsing the print gives the same.
func parsed(parser *Parser, text string) string {
	statements, err := parser.Script("t", []byte(text))
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	for i := range statements {
		out.WriteString(statements[i].String() + "\n")
	}
	return out.String()
}

// TestEveryVerbRuns: each row of the table has a runner, a help text, and examples that parse.
func TestEveryVerbRuns(t *testing.T) {
	grammar := NewGrammar(fiveReplicas)
	e := NewExecutor(grammar, Ports{}, Settings{})
	for _, verb := range grammar.Verbs() {
		if e.runners[verb.Name] == nil && verb.Name != "repeat" && verb.Name != "source" {
			t.Errorf("%s has no runner", verb.Name)
		}
		if verb.Help == "" || !strings.Contains(grammar.Help(), verb.Help) || !slices.Contains(Groups(), verb.Group) {
			t.Errorf("%s is missing in the help", verb.Name)
		}
		help := grammar.HelpVerb(verb.Name)
		for _, example := range verb.Examples {
			if _, err := NewParser(grammar, nil).Script("example", []byte(example)); err != nil {
				t.Errorf("example %q of %s: %v", example, verb.Name, err)
			}
			if !strings.Contains(help, example) {
				t.Errorf("help of %s misses %q", verb.Name, example)
			}
		}
	}
	for name := range e.runners {
		if _, ok := grammar.Verb(name); !ok {
			t.Errorf("runner %s has no row in the table", name)
		}
	}
}

// TestWords: what the user's shell has cut needs no quotes of ours.
func TestWords(t *testing.T) {
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"get", "two words"}, `get "two words"`},
		{[]string{"put", "k", "a=b"}, `put k "a=b"`},
		{[]string{"put", "k", "it's ${i} 'quoted'"}, `put k "it's \x24{i} 'quoted'"`},
		{[]string{"get", "k", "timeout=1s", "@r2"}, "get k timeout=1s @r2"},
		{[]string{"get", "--", "@r2"}, `get "@r2"`},
		{[]string{"put", "k", "--", "file=x"}, `put k "file=x"`},
		{[]string{"repeat", "3", "every", "1s", "get", "k", "@r2"}, "repeat 3 every 1s get k @r2"},
		{[]string{"expect", "value", "~", "x y"}, `expect value ~ "x y"`},
		{[]string{"gte", "k"}, `unknown verb "gte", did you mean "get"?`},
		{[]string{"get", ""}, "K is empty, a key has at least one byte"},
		{[]string{"repeat", "3"}, "repeat needs a command behind it; blocks are for files"},
		{[]string{"repeat", "3", "repeat", "x"}, `repeat needs a whole number from 1 to 10000000`},
		{nil, ""},
	} {
		statements, err := NewParser(NewGrammar(fiveReplicas), nil).Words(test.words)
		got := ""
		if len(statements) > 0 {
			got = statements[0].String()
		}
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q: have %s, want %s", test.words, got, test.want)
		}
	}
}

// TestPromptLines: a block at the prompt is complete with its end, and a faulty line does not close it.
func TestPromptLines(t *testing.T) {
	parser := NewParser(NewGrammar(nil), nil)
	at := Position{Column: 1}
	for _, line := range []string{"repeat 2", "  get a"} {
		if statements, err := parser.Line(line, at); err != nil || len(statements) != 0 || parser.Depth() != 1 {
			t.Fatalf("%s: %v, %v, depth %d", line, statements, err, parser.Depth())
		}
	}
	if _, err := parser.Line("  gett b", at); err == nil || err.Error() != `column 3: unknown verb "gett", did you mean "get"?` {
		t.Errorf("error is %v", err)
	}
	statements, err := parser.Line("end", at)
	if err != nil || len(statements) != 1 || statements[0].String() != "repeat 2\nget a\nend" || parser.Depth() != 0 {
		t.Errorf("block is %v, %v", statements, err)
	}
	if _, err := parser.Line("repeat 5 # open", at); err != nil {
		t.Fatal(err)
	}
	if err := parser.Close(); err == nil || parser.Depth() != 0 {
		t.Errorf("an open block closes without an error")
	}
}

// TestAnyBytesSurvive: whatever bytes a word has, printing it and reading it gives the same bytes, and the print holds
// nothing that a terminal obeys.
func TestAnyBytesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "text") {
			text = rapid.String().Draw(t, "string")
		}
		word := literalWord(text)
		word.Quoted = rapid.Bool().Draw(t, "quoted")
		for _, shown := range []string{word.String(), Quote(text), Plain(text)} {
			tokens, problem := lex(shown, Position{Column: 1})
			if problem != nil || len(tokens) != 1 {
				t.Fatalf("%q prints as %s: %v, %d words", text, shown, problem, len(tokens))
			}
			if got, ok := tokens[0].word.Literal(); !ok || got != text {
				t.Fatalf("%q prints as %s and reads as %q", text, shown, got)
			}
			if strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' }) {
				t.Fatalf("%q prints as %q, with control characters", text, shown)
			}
		}
	})
}

// FuzzParser: any text is parsed or refused with places inside it, and what is parsed prints to a text that parses to
// the same print.
func FuzzParser(f *testing.F) {
	f.Add(string(Demo()))
	f.Add("repeat 3 every 10ms parallel 2 put n/${i} \"a\\x00\" @random timeout=1s\nrepeat 2\nget 'x' # c\nend\n")
	f.Add("expect value ~ \"^a\"\nwait alive=5 timeout=1s\nassert leader = r3\nset x=1 y='2'\necho ${x}${env:HOME} x'ff'\n")
	f.Add("get @\nput k \"\\u{41}\" file=\nend\nrepeat\nexpect error no_quorum\nwait chosen>=${x}\nassert same k @all")
	f.Add("get k @$x\xff@${env:A}\nsource other\nset i=3\nput ${i} x'")
	refuse := func(string) ([]byte, error) { return nil, errors.New("no files here") }
	f.Fuzz(func(t *testing.T, text string) {
		grammar := NewGrammar(fiveReplicas)
		statements, err := NewParser(grammar, refuse).Script("f", []byte(text))
		if err != nil {
			var problems Problems
			lines := strings.Count(text, "\n") + 1
			if !errors.As(err, &problems) || problems[0].At.Line < 1 || problems[0].At.Line > lines {
				t.Fatalf("problems without places: %v", err)
			}
			return
		}
		once := printed(statements)
		again, err := NewParser(grammar, refuse).Script("f", []byte(once))
		if err != nil {
			t.Fatalf("%q\nprints as\n%s\nwhich does not parse: %v", text, once, err)
		}
		if twice := printed(again); once != twice {
			t.Fatalf("%q\nprints as\n%s\nand then as\n%s", text, once, twice)
		}
	})
}

func printed(statements []Statement) string {
	var out strings.Builder
	for i := range statements {
		out.WriteString(statements[i].String() + "\n")
	}
	return out.String()
}
