package tidy

import (
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func packageCommentRule(sources []*source) []finding {
	comments := map[string][]finding{}
	first := map[string]*source{}
	var found []finding
	for _, s := range sources {
		if s.test || s.dir == "core/tidy" && s.path != "core/tidy/doc.go" {
			continue
		}
		if first[s.dir] == nil {
			first[s.dir] = s
		}
		if s.file.Doc == nil {
			continue
		}
		comments[s.dir] = append(comments[s.dir], s.at(s.file.Name, "a second comment of the package: one is true longer"))
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "" // commands begin with their name
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			found = append(found, s.at(s.file.Name, "the comment of the package has to begin with %q", want))
		}
	}
	for dir, s := range first {
		switch n := len(comments[dir]); {
		case n == 0:
			found = append(found, s.at(s.file.Name, "package %s has no comment: say what it gives and how to use it", dir))
		case n > 1:
			found = append(found, comments[dir][1:]...)
		}
	}
	return found
}

// bannedWord is a pattern that no source and no document may hold.
type bannedWord struct {
	pattern *regexp.Regexp
	reason  string
}

// bannedWords are put together from pieces, so that this file does not hold them.
func bannedWords() []bannedWord {
	word := func(pattern, reason string) bannedWord { return bannedWord{regexp.MustCompile(pattern), reason} }
	return []bannedWord{
		word(`\b(TO`+`DO|FIX`+`ME|XX`+`X)\b`, "TO"+"DO: what is not done is an issue, not a comment"),
		word(`/wo`+`rk/|/ho`+`me/[a-z]|/ro`+`ot/`, "a path of somebody's machine means nothing to others"),
		word(`proxy\.gol`+`ang\.org|GOPR`+`OXY|Artif`+`actory`, "a host of a registry is a matter of the machine"),
		word(`(?i)\b(entry|slot|value|ballot)s? (is|are|was|were) comm`+`itted`,
			"say chosen, applied or durable: the word used here means all three"),
	}
}

func wordRule(sources []*source) []finding {
	words := bannedWords()
	var found []finding
	for _, s := range sources {
		found = append(found, wordsIn(words, s.path, s.text)...)
	}
	return found
}

func wordsIn(words []bannedWord, path, text string) []finding {
	var found []finding
	for _, w := range words {
		for _, at := range w.pattern.FindAllStringIndex(text, -1) {
			found = append(found, finding{path, 1 + strings.Count(text[:at[0]], "\n"), w.reason})
		}
	}
	return found
}

// TestWordsOfDocuments: the rule of words holds for what is not Go, too.
func TestWordsOfDocuments(t *testing.T) {
	words := bannedWords()
	for _, name := range documents(t) {
		for _, f := range wordsIn(words, name, readTop(t, name)) {
			t.Error(f)
		}
	}
}

// documents lists what people read besides the sources.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"Makefile", "config.toml", ".ci/run"}
	for _, top := range []string{".", ".github", "core", "protocol", "daemon", "console"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && top == "." && name != root && name != filepath.Join(root, ".") {
				return fs.SkipDir
			}
			switch path.Ext(name) {
			case ".md", ".yml", ".synod":
				relative, err := filepath.Rel(root, name)
				names = append(names, filepath.ToSlash(relative))
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
