package command

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func known() Known {
	return Known{
		Keys: []string{"user/1042", "user/7", "cart/77", "two words"}, Faults: []string{"r3#5"},
		History: []string{"put color red", "get color", "put color blue", "put color red"},
	}
}

func texts(candidates []Candidate, kinds ...CandidateKind) string {
	var list []string
	for _, c := range candidates {
		if len(kinds) == 0 || slices.Contains(kinds, c.Kind) {
			list = append(list, c.Text)
		}
	}
	return strings.Join(list, " ")
}

func TestCompletes(t *testing.T) {
	g := NewGrammar(fiveReplicas)
	for _, row := range []struct{ typed, want, line string }{
		{"pu", "put", "put "},
		{"dele", "delete", "delete "},
		{"get u", "user/", "get user/"},
		{"get user/", "user/1042 user/7", "get user/1042 "},
		{"get two", "", ""},
		{"get k @l", "@leader", "get k @leader "},
		{"get k re", "read=", "get k read="},
		{"get k read=", "read=linearizable read=stale", "get k read=linearizable "},
		{"get k read=s", "read=stale", "get k read=stale "},
		{"get k @r1 @", "", ""},
		{"put k v @al", "", ""},
		{"scan @al", "@all", "scan @all "},
		{"crash r3", "r3.proposer r3.acceptor r3.learner", "crash r3.proposer "},
		{"crash r3.a", "r3.acceptor", "crash r3.acceptor "},
		{"crash lead", "leader", "crash leader "},
		{"cut r1 lea", "leader", "cut r1 leader "},
		{"cut r1 r3 one", "oneway=", "cut r1 r3 oneway="},
		{"heal r3#", "r3#5", "heal r3#5 "},
		{"heal al", "all", "heal all "},
		{"help parti", "partition", "help partition "},
		{"scenario role", "role-storm", "scenario role-storm "},
		{"wait con", "converged", "wait converged "},
		{"assert lin", "linearizable", "assert linearizable "},
		{"repeat 10 every 1s ge", "get", "repeat 10 every 1s get "},
		{"repeat 10 parallel 4 get user/7 ti", "timeout=", "repeat 10 parallel 4 get user/7 timeout="},
		{"get k # r", "", ""},
		{`put "open `, "", ""},
		{"nonsense ", "", ""},
	} {
		t.Run(row.typed, func(t *testing.T) {
			k := known()
			k.History = nil
			candidates := Complete(g, row.typed, len(row.typed), k)
			if have := texts(candidates); have != row.want {
				t.Errorf("have %q, want %q", have, row.want)
			}
			if len(candidates) > 0 && candidates[0].Line != row.line {
				t.Errorf("line %q, want %q", candidates[0].Line, row.line)
			}
		})
	}
}

func TestCompletesInTheMiddle(t *testing.T) {
	g := NewGrammar(fiveReplicas)
	line := "get us timeout=1s"
	c := Complete(g, line, len("get us"), known())
	if len(c) != 1 || c[0].Line != "get user/ timeout=1s" || c[0].Cursor != len("get user/") {
		t.Errorf("%+v", c)
	}
	c = Complete(g, "get k @le timeout=1s", len("get k @le"), known())
	if len(c) != 1 || c[0].Line != "get k @leader timeout=1s" || c[0].Cursor != len("get k @leader ") {
		t.Errorf("%+v", c)
	}
}

func TestGhostIsTheNewestLineThatBeginsSo(t *testing.T) {
	g := NewGrammar(fiveReplicas)
	for typed, want := range map[string]string{
		"pu": "t color red", "put color b": "lue", "get": " color", "sca": "n ", "": "", "zzz": "",
	} {
		if have := Ghost(g, typed, len(typed), known()); have != want {
			t.Errorf("behind %q: %q, want %q", typed, have, want)
		}
	}
	c := Complete(g, "put color ", len("put color "), known())
	if have := texts(c, HistoryCandidate); have != "put color red put color blue" {
		t.Errorf("history %q: the newest first, each once", have)
	}
}

func TestSyntaxTellsWhatIsWrongWhileTyping(t *testing.T) {
	g := NewGrammar(fiveReplicas)
	for _, row := range []struct{ typed, usage, problem string }{
		{"", "", ""},
		{"pu", "", ""},
		{"putt k v", "", `unknown verb "putt", did you mean "put"?`},
		{"zz", "", `unknown verb "zz"`},
		{"put", "put K", ""},
		{"put k", "put K", ""},
		{`put k "a b`, "put K", ""},
		{"put k v extra", "put K", "takes no more words"},
		{"crash r", "crash T", ""},
		{"crash r6", "crash T", `unknown replica "r6"; have r1, r2, r3, r4, r5`},
		{"get k @r", "get K", ""},
		{"get k @r9", "get K", `unknown replica "r9"`},
		{"get k timeout=", "get K", ""},
		{"get k timeout=soon", "get K", "is no duration"},
		{"get ${name}", "get K", ""},
		{"source /etc/passwd", "source FILE", ""},
		{"scenario nope", "scenario [NAME]", "must be"},
		{"wait", "wait ", ""},
		{"wait alive", "wait ", ""},
		{"repeat", "repeat N", ""},
		{"repeat 3 get k", "get K", ""},
		{"repeat x get k", "get K", "whole number"},
		{"end", "", ""},
		{"assert leader =", "assert ", ""},
		{"partition r1,r2 |", "partition ", ""},
		{"partition r1,r9", "partition ", `unknown replica "r9"`},
	} {
		t.Run(row.typed, func(t *testing.T) {
			hint := Syntax(g, row.typed, len(row.typed))
			if !strings.HasPrefix(hint.Usage, row.usage) || row.usage == "" && hint.Usage != "" {
				t.Errorf("usage %q, want %q", hint.Usage, row.usage)
			}
			if !strings.Contains(hint.Problem, row.problem) || row.problem == "" && hint.Problem != "" {
				t.Errorf("problem %q, want %q", hint.Problem, row.problem)
			}
		})
	}
}

// TestCompletionsOfWholeWordsParse: whatever is typed, a candidate keeps it, stands at its cursor, and every example of
// the grammar can be completed at every place without trouble.
func TestCompletionsOfAnyText(t *testing.T) {
	g := NewGrammar(fiveReplicas)
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.OneOf(
			rapid.StringMatching(`(get|put|crash|heal|cut|wait|repeat 3 get)( [a-z0-9@=.#/"']{0,8}){0,4}`), rapid.String(),
		).Draw(t, "line")
		cursor := rapid.IntRange(0, len(line)).Draw(t, "cursor")
		_ = Syntax(g, line, cursor)
		_ = Ghost(g, line, cursor, known())
		for _, c := range Complete(g, line, cursor, known()) {
			if c.Cursor < 0 || c.Cursor > len(c.Line) {
				t.Fatalf("cursor %d of %q", c.Cursor, c.Line)
			}
			if utf8.ValidString(line) && c.Kind != HistoryCandidate && !strings.HasSuffix(c.Line, strings.TrimPrefix(line[cursor:], " ")) {
				t.Fatalf("%q lost what is behind the cursor: %q", line, c.Line)
			}
		}
	})
	for _, verb := range g.Verbs() {
		for _, example := range verb.Examples {
			for at := range len(example) + 1 {
				_ = Complete(g, example, at, known())
			}
			if hint := Syntax(g, example, len(example)); hint.Problem != "" {
				t.Errorf("%s: %s", example, hint.Problem)
			}
		}
	}
}
