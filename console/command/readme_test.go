package command

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// TestREADMEListsTheVerbs: the console's README shows the help as it is. -rewrite writes it anew.
func TestREADMEListsTheVerbs(t *testing.T) {
	const name, begin, end = "../README.md", "<!-- the verbs, as `synod` lists them at `help`; a test compares -->\n```text\n", "```\n<!-- end of the verbs -->"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	first, last := strings.Index(text, begin), strings.Index(text, end)
	if first < 0 || last < first {
		t.Fatalf("%s has no part between %q and %q", name, begin, end)
	}
	first += len(begin)
	want := NewGrammar(nil).Help()
	if text[first:last] == want {
		return
	}
	if rewrite := flag.Lookup("rewrite"); rewrite != nil && rewrite.Value.String() == "true" {
		if err := os.WriteFile(name, []byte(text[:first]+want+text[last:]), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the verbs in %s are not those of the help; `go test ./console/command -rewrite` writes them anew", name)
}
