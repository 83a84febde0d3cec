package settings

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"synod/console/theme"
	"synod/core/config"
)

// Settings are what a person has chosen.
type Settings struct {
	Look    theme.Look
	Mouse   bool
	Sticky  bool
	History bool
	Refresh time.Duration
	Keys    map[string]string // from the key that is pressed to the one whose meaning it has, "" for none
}

// Source is what settings are made of.
type Source struct {
	Name    string            // the file's name for messages
	Text    []byte            // the file's content; nil if there is none
	Environ []string          // NAME=VALUE as from os.Environ
	Flags   map[string]string // name, as in the file, to value
	Keys    []string          // names of the keys that do something
}

// Limits of the pause between two looks.
const (
	refreshMin = 50 * time.Millisecond
	refreshMax = 10 * time.Second
	variable   = "SYNOD_CONSOLE_"
)

// FileName gives the place of the file: SYNOD_CONSOLE_CONFIG, else console.toml in the folder for configurations. It is
// "" where there is no home. Named tells that a person has named it, so that it must be there.
func FileName(getenv func(string) string) (name string, named bool) {
	if name = getenv(variable + "CONFIG"); name != "" {
		return name, true
	}
	folder := getenv("XDG_CONFIG_HOME")
	if folder == "" {
		home := getenv("HOME")
		if home == "" {
			return "", false
		}
		folder = filepath.Join(home, ".config")
	}
	return filepath.Join(folder, "synod", "console.toml"), false
}

// row is one setting.
type row struct {
	name     string
	fallback string
	read     func(*Settings, string) error
}

// rows are all settings but the keys.
func rows() []row {
	return []row{
		{"theme", "auto", func(s *Settings, v string) error { return choose(&s.Look.Theme, v, theme.Names()) }},
		{"graphs", "block", func(s *Settings, v string) error { return choose(&s.Look.Graphs, v, theme.Graphs()) }},
		{"border", "rounded", func(s *Settings, v string) error { return choose(&s.Look.Border, v, theme.Borders()) }},
		{"mouse", "true", func(s *Settings, v string) error { return decide(&s.Mouse, v) }},
		{"sticky", "false", func(s *Settings, v string) error { return decide(&s.Sticky, v) }},
		{"history", "true", func(s *Settings, v string) error { return decide(&s.History, v) }},
		{"refresh", "100ms", readRefresh},
	}
}

// Names lists the settings that have a flag and a variable.
func Names() []string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// choose takes one of a few words.
func choose(to *string, value string, words []string) error {
	if !slices.Contains(words, value) {
		hint := ""
		if near := config.Nearest(value, words); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("%q is not one of %s%s", value, strings.Join(words, ", "), hint)
	}
	*to = value
	return nil
}

// decide takes true or false, and the words that people write for them.
func decide(to *bool, value string) error {
	switch value {
	case "true", "on", "yes", "1":
		*to = true
	case "false", "off", "no", "0":
		*to = false
	default:
		return fmt.Errorf("%q is neither true nor false", value)
	}
	return nil
}

func readRefresh(s *Settings, value string) error {
	pause, err := config.ParseDuration(value)
	if err != nil || pause < refreshMin || pause > refreshMax {
		return fmt.Errorf("%q is no duration from %v to %v, such as \"100ms\"", value, refreshMin, refreshMax)
	}
	s.Refresh = pause
	return nil
}

// Load lays defaults, file, environment and flags over each other. The error is [config.Problems] with everything that
// is wrong; only a syntax error of the file hides the rest of it.
func Load(source Source) (Settings, error) {
	l := &loader{source: source, places: places(string(source.Text))}
	var tree map[string]any
	if _, err := toml.Decode(string(source.Text), &tree); err != nil {
		return Settings{}, config.Problems{l.syntax(err)}
	}
	for _, r := range rows() {
		l.apply(r, tree[r.name])
	}
	l.unknown(tree)
	l.keys(tree["keys"])
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b config.Problem) int { return down(a) - down(b) })
		return Settings{}, l.problems
	}
	return l.settings, nil
}

// down is the order in which a person meets problems: down the file, then the rest.
func down(p config.Problem) int {
	if p.Line == 0 {
		return math.MaxInt32
	}
	return p.Line
}

type loader struct {
	source   Source
	settings Settings
	places   map[string]int
	problems config.Problems
}

func (l *loader) syntax(err error) config.Problem {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return config.Problem{Source: l.source.Name, Text: err.Error()}
	}
	return config.Problem{
		Source: l.source.Name, Line: max(1, syntax.Position.Line), Column: max(1, syntax.Position.Col), Text: syntax.Message,
	}
}

// wrong notes a problem at a key of the file.
func (l *loader) wrong(key, format string, args ...any) {
	l.problems = append(l.problems, config.Problem{
		Source: l.source.Name, Line: max(1, l.places[key]), Text: fmt.Sprintf(format, args...),
	})
}

// apply gives one setting its value. Each source is checked, even if a later one overrides it.
func (l *loader) apply(r row, value any) {
	if err := r.read(&l.settings, r.fallback); err != nil {
		panic(fmt.Sprintf("settings: the default of %s: %v", r.name, err))
	}
	switch value := value.(type) {
	case nil:
	case string:
		l.fromFile(r, value)
	case bool:
		l.fromFile(r, strconv.FormatBool(value))
	default:
		l.wrong(r.name, "%s: a value in quotes, or true or false, is wanted here", r.name)
	}
	name := variable + strings.ToUpper(r.name)
	for _, pair := range l.source.Environ {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			l.override(r, "environment "+name, text)
		}
	}
	if text, ok := l.source.Flags[r.name]; ok {
		l.override(r, "flag --"+r.name, text)
	}
}

func (l *loader) fromFile(r row, text string) {
	if err := r.read(&l.settings, text); err != nil {
		l.wrong(r.name, "%s: %v", r.name, err)
	}
}

func (l *loader) override(r row, source, text string) {
	if err := r.read(&l.settings, text); err != nil {
		l.problems = append(l.problems, config.Problem{Source: source, Text: err.Error()})
	}
}

// unknown finds names that mean nothing, in the order of the file.
func (l *loader) unknown(tree map[string]any) {
	var names []string
	for name := range tree {
		if name != "keys" && !slices.Contains(Names(), name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return l.places[a] - l.places[b] })
	for _, name := range names {
		known := append(Names(), "keys")
		hint := "have " + strings.Join(known, ", ")
		if near := config.Nearest(name, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		l.wrong(name, "unknown setting %q; %s", name, hint)
	}
}
