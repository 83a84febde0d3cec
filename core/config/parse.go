package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Source is what a configuration is made of.
type Source struct {
	Name    string            // the file's name for messages
	Text    []byte            // the file's content
	Environ []string          // NAME=VALUE as from os.Environ; only names that begin with SYNOD_ and a section matter
	Flags   map[string]string // dotted key, as in the file, to value
}

// Parse lays defaults, file, environment and flags over each other and checks the result. The error is [Problems] with
// everything that is wrong; only a syntax error hides what else is wrong with the file.
func Parse(source Source) (*Config, error) {
	var tree map[string]any
	if _, err := toml.Decode(string(source.Text), &tree); err != nil {
		return nil, Problems{syntaxProblem(source.Name, err)}
	}
	p := &parser{
		source: source,
		config: &Config{origins: map[string]string{}},
		leaves: map[string]any{},
		places: locate(string(source.Text)),
	}
	p.flatten(nil, tree)
	p.takeReplicas(tree["replicas"])
	p.rows = settingsFor(p.config.Replicas)
	for _, row := range p.rows {
		p.apply(row)
	}
	p.unknownKeys()
	p.unknownOverrides()
	p.cross()
	if len(p.problems) > 0 {
		p.problems.sort()
		return nil, p.problems
	}
	return p.config, nil
}

// syntaxProblem turns the library's error into ours.
func syntaxProblem(name string, err error) Problem {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return Problem{Source: name, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	text := syntax.Message
	if usage, _, _ := strings.Cut(strings.TrimSpace(syntax.Usage), "\n"); usage != "" {
		text += " (" + strings.TrimRight(usage, ".:") + ")"
	}
	return Problem{Source: name, Line: max(1, syntax.Position.Line), Column: max(1, syntax.Position.Col), Text: text}
}

type parser struct {
	source   Source
	config   *Config
	rows     []setting
	leaves   map[string]any // dotted key to what the file says
	sections []string       // dotted names of all tables of the file, sorted
	places   map[string]location
	problems Problems
}

// flatten fills leaves and sections from the tree that the library made.
func (p *parser) flatten(prefix toml.Key, table map[string]any) {
	for name, value := range table {
		key := append(prefix[:len(prefix):len(prefix)], name)
		if inner, ok := value.(map[string]any); ok {
			p.sections = append(p.sections, key.String())
			p.flatten(key, inner)
			continue
		}
		p.leaves[key.String()] = value
	}
	slices.Sort(p.sections)
}

// atKey and atValue note a problem where a key or its value stands in the file.
func (p *parser) atKey(key, format string, args ...any) {
	p.note(p.places[key].key, fmt.Sprintf(format, args...))
}

func (p *parser) atValue(key, format string, args ...any) {
	p.note(p.places[key].value, fmt.Sprintf(format, args...))
}

func (p *parser) note(at place, text string) {
	p.problems = append(p.problems, Problem{Source: p.source.Name, Line: at.line, Column: at.column, Text: text})
}

// takeReplicas makes the list of replicas from the names of the sections, sorted by number.
func (p *parser) takeReplicas(section any) {
	table, _ := section.(map[string]any)
	for name, value := range table {
		number, ok := replicaNumber(name)
		if !ok {
			p.atKey(toml.Key{"replicas", name}.String(), "replica %q must be named r1 to r7", name)
			continue
		}
		if _, ok := value.(map[string]any); !ok {
			p.atValue("replicas."+name, "replicas.%s is a section, write [replicas.%s]", name, name)
			continue
		}
		p.config.Replicas = append(p.config.Replicas, Replica{ID: name, Number: number})
	}
	slices.SortFunc(p.config.Replicas, func(a, b Replica) int { return a.Number - b.Number })
	const advice = `the cluster needs 3, 5 or 7 replicas (1 for a trial), each with its section, such as [replicas.r1]`
	switch count := len(p.config.Replicas); {
	case count == 0 && section == nil:
		p.problems = append(p.problems, Problem{Source: p.source.Name, Line: 1, Column: 1, Text: "no replicas: " + advice})
	case count%2 == 0:
		p.atKey("replicas", "%d replicas: %s", count, advice)
	}
}

func replicaNumber(id string) (int, bool) {
	if len(id) != 2 || id[0] != 'r' || id[1] < '1' || id[1] > '7' {
		return 0, false
	}
	return int(id[1] - '0'), true
}

// apply gives one setting its value from the sources in rising order of precedence. Each of them is checked, even if a
// later one overrides it: a fault that shows only without some flag is found too late.
func (p *parser) apply(row setting) {
	given := false
	if row.fallback != "" {
		if err := row.read(p.config, row.fallback); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", row.key, err))
		}
		p.config.origins[row.key] = "default"
	}
	if value, ok := p.leaves[row.key]; ok {
		given = true
		text, err := textOf(row.field(p.config), value)
		if err == nil {
			err = row.read(p.config, text)
		}
		if err != nil {
			p.atValue(row.key, "%s: %v", row.key, err)
		}
		p.config.origins[row.key] = fmt.Sprintf("%s:%d", p.source.Name, p.places[row.key].key.line)
	}
	if text, ok := p.variable(row.environment()); ok {
		given = true
		p.override(row, "environment "+row.environment(), text)
	}
	if text, ok := p.source.Flags[row.key]; ok {
		given = true
		p.override(row, "flag "+row.key, text)
	}
	if row.required && !given {
		section, name := row.key[:strings.LastIndexByte(row.key, '.')], row.key[strings.LastIndexByte(row.key, '.')+1:]
		p.atKey(section, `[%s] has no %s address, write %s = "127.0.0.1:7101" with its host and port`, section, name, name)
	}
}

func (p *parser) override(row setting, origin, text string) {
	if err := row.read(p.config, text); err != nil {
		p.problems = append(p.problems, Problem{Source: origin, Text: fmt.Sprintf("%s: %v", row.key, err)})
	}
	p.config.origins[row.key] = origin
}

// variable finds an environment variable; the last mention counts, as in os/exec.
func (p *parser) variable(name string) (string, bool) {
	for _, entry := range slices.Backward(p.source.Environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// read takes a value in text form into the configuration and checks choices and range.
func (s setting) read(c *Config, text string) error {
	target := s.field(c)
	if err := assign(target, text); err != nil {
		return err
	}
	if s.choices != nil && !slices.Contains(s.choices, text) {
		hint := "write one of " + strings.Join(s.choices, ", ")
		if near := Nearest(text, s.choices); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return fmt.Errorf("%q is not known, %s", text, hint)
	}
	if s.low == "" {
		return nil
	}
	lowest, highest := fresh(target), fresh(target)
	if err := errors.Join(assign(lowest, s.low), assign(highest, s.high)); err != nil {
		panic(fmt.Sprintf("config: range of %s: %v", s.key, err))
	}
	low, high := order(target)
	floor, _ := order(lowest)
	_, ceiling := order(highest)
	if low < floor || high > ceiling {
		return fmt.Errorf("%s is out of range, it must be from %s to %s", show(target), s.low, s.high)
	}
	return nil
}

// textOf gives a value of the file in text form if its TOML type fits the field.
func textOf(target, value any) (string, error) {
	text, isText := value.(string)
	switch target.(type) {
	case *bool:
		if yes, ok := value.(bool); ok {
			return strconv.FormatBool(yes), nil
		}
		return "", fmt.Errorf("want true or false without quotes, have %s", describe(value))
	case *int, *uint64:
		if number, ok := value.(int64); ok {
			return strconv.FormatInt(number, 10), nil
		}
		return "", fmt.Errorf("want a whole number without quotes, have %s", describe(value))
	case *float64:
		switch number := value.(type) {
		case int64:
			return strconv.FormatInt(number, 10), nil
		case float64:
			return strconv.FormatFloat(number, 'g', -1, 64), nil
		}
		return "", fmt.Errorf("want a number without quotes, have %s", describe(value))
	}
	if isText {
		return text, nil
	}
	switch target.(type) {
	case *time.Duration:
		return "", fmt.Errorf(`want a duration with its unit in quotes, such as "5ms", have %s`, describe(value))
	case *Size:
		return "", fmt.Errorf(`want a size with its unit in quotes, such as "64MiB", have %s`, describe(value))
	}
	return "", fmt.Errorf("want text in quotes, have %s", describe(value))
}

// describe names a TOML value for a message.
func describe(value any) string {
	switch value := value.(type) {
	case string:
		return fmt.Sprintf("the text %q", value)
	case bool:
		return strconv.FormatBool(value)
	case int64:
		return strconv.FormatInt(value, 10)
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64)
	case []any, []map[string]any:
		return "a list"
	}
	return "a date or time"
}
