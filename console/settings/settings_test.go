package settings

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"synod/console/theme"
)

func load(text string, environ []string, flags map[string]string) (Settings, error) {
	return Load(Source{
		Name: "console.toml", Text: []byte(text), Environ: environ, Flags: flags, Keys: []string{"q", "e", "E", ":", "ctrl+l"},
	})
}

func TestDefaults(t *testing.T) {
	got, err := load("", nil, nil)
	want := Settings{
		Look: theme.Look{Theme: "auto", Graphs: "block", Border: "rounded"}, Mouse: true, History: true,
		Refresh: 100 * time.Millisecond,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	got, err := load("theme = \"mono\"\ngraphs = \"ascii\"\nborder = \"plain\"\nmouse = false\nrefresh = \"1s\"\nsticky = true\n",
		[]string{"SYNOD_CONSOLE_GRAPHS=braille", "SYNOD_CONSOLE_BORDER=ascii", "SYNOD_CONSOLE_HISTORY=off"},
		map[string]string{"border": "rounded"})
	want := Settings{
		Look: theme.Look{Theme: "mono", Graphs: "braille", Border: "rounded"}, Sticky: true, Refresh: time.Second,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestKeysMove(t *testing.T) {
	got, err := load("[keys]\nq = \"Q\"\n\":\" = \";\"\ne = \"E\"\nE = \"e\"\n", nil, nil)
	want := map[string]string{"Q": "q", ";": ":", "E": "e", "e": "E", "q": "", ":": ""}
	if err != nil || !reflect.DeepEqual(got.Keys, want) {
		t.Errorf("%v, %v", got.Keys, err)
	}
}

func TestEverythingThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := load(`# a comment = "not a setting"
theme = "drak"
grpahs = "block"
mouse = "perhaps"
refresh = "1ms"
sticky = 3

[keys]
q = "x"
e = "x"
"ctrl+l" = ":"
z = "Z"
E = 5
`, []string{"SYNOD_CONSOLE_BORDER=round"}, map[string]string{"history": "maybe"})
	want := []string{
		`console.toml:2: theme: "drak" is not one of auto, dark, light, mono, contrast; did you mean "dark"?`,
		`console.toml:4: mouse: "perhaps" is neither true nor false`,
		`console.toml:6: sticky: a value in quotes, or true or false, is wanted here`,
		`console.toml:5: refresh: "1ms" is no duration from 50ms to 10s, such as "100ms"`,
		`environment SYNOD_CONSOLE_BORDER: "round" is not one of rounded, plain, ascii`,
		`flag --history: "maybe" is neither true nor false`,
		`console.toml:3: unknown setting "grpahs"; did you mean "graphs"?`,
		`console.toml:10: keys.e: "x" would do what q does and what e does; choose another key for one of them`,
		`console.toml:11: keys.ctrl+l: ":" does something already; choose another key, or move that one too`,
		`console.toml:12: keys.z: "z" does nothing, so there is nothing to move; ? lists what keys do`,
		`console.toml:13: keys.E: the name of a key in quotes is wanted here, such as "Q" or "ctrl+q"`,
	}
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, line := range want {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("missing: %s", line)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(want) {
		t.Errorf("%d problems, want %d:\n%v", got, len(want), err)
	}
}

func TestSyntaxErrorsHaveTheirPlace(t *testing.T) {
	if _, err := load("theme = \"mono\"\ngraphs = = 1\n", nil, nil); err == nil || !strings.Contains(err.Error(), "console.toml:2:") {
		t.Errorf("%v", err)
	}
	if _, err := load("keys = 3\n", nil, nil); err == nil || !strings.Contains(err.Error(), "console.toml:1: keys is a section") {
		t.Errorf("%v", err)
	}
}

func TestFileName(t *testing.T) {
	for _, row := range []struct {
		environment map[string]string
		name        string
		named       bool
	}{
		{map[string]string{}, "", false},
		{map[string]string{"HOME": "/h"}, "/h/.config/synod/console.toml", false},
		{map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "/c"}, "/c/synod/console.toml", false},
		{map[string]string{"HOME": "/h", "SYNOD_CONSOLE_CONFIG": "x.toml"}, "x.toml", true},
	} {
		name, named := FileName(func(key string) string { return row.environment[key] })
		if name != row.name || named != row.named {
			t.Errorf("%v: %q, %v", row.environment, name, named)
		}
	}
}
