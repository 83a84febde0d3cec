package command

import (
	"errors"
	"fmt"
	"slices"

	"synod/core/config"
)

// call is a command with its words put in their places: by the parser, to check it, with the values of variables not
// known yet; by the executor, to run it, with all values known.
type call struct {
	verb    *Verb
	at      Position
	args    []value
	options map[string]value
	target  value // without "@"; empty text: none was written
}

// value is one word after substitution.
type value struct {
	text   string
	known  bool // false: depends on a variable, not to be checked yet
	quoted bool // not a keyword
	at     Position
}

// keyword tells whether the value is that bare word.
func (v value) keyword(text string) bool { return v.known && !v.quoted && v.text == text }

// option gives the text of an option, or the fallback if it was not written.
func (c *call) option(name, fallback string) string {
	if v, ok := c.options[name]; ok {
		return v.text
	}
	return fallback
}

// arg gives the text of an argument, "" if it was not written.
func (c *call) arg(index int) string {
	if index >= len(c.args) {
		return ""
	}
	return c.args[index].text
}

// errUnset is the answer of a lookup that does not know any value: that of the parser.
var errUnset = errors.New("not known before the run")

// bind puts the words of a statement in their places and checks them. The lookup gives the value of a variable;
// errUnset leaves a word unchecked, any other error is a problem of the word.
func (g *Grammar) bind(s *Statement, lookup func(string) (string, error)) (*call, *Problem) {
	c := &call{verb: s.Verb, at: s.At, options: map[string]value{}}
	resolve := func(w Word) (value, *Problem) {
		text, err := w.expand(lookup)
		if err != nil && !errors.Is(err, errUnset) {
			return value{}, &Problem{At: w.At, Text: err.Error()}
		}
		return value{text: text, known: err == nil, quoted: w.Quoted, at: w.At}, nil
	}
	for _, word := range s.Args {
		v, problem := resolve(word)
		if problem != nil {
			return nil, problem
		}
		c.args = append(c.args, v)
	}
	for _, option := range s.Options {
		v, problem := resolve(option.Value)
		if problem != nil {
			return nil, problem
		}
		if _, twice := c.options[option.Name]; twice {
			return nil, &Problem{At: v.at, Text: "option " + option.Name + " is given twice"}
		}
		c.options[option.Name] = v
	}
	if s.Target != nil {
		v, problem := resolve(*s.Target)
		if problem != nil {
			return nil, problem
		}
		c.target = v
	}
	return c, g.check(c, s)
}

// check compares a call with its row of the table.
func (g *Grammar) check(c *call, s *Statement) *Problem {
	for i, v := range c.args {
		parameter, problem := c.parameter(i)
		if problem != nil {
			return problem
		}
		if err := g.known(parameter, v); err != nil {
			return &Problem{At: v.at, Text: err.Error()}
		}
	}
	for _, option := range s.Options { // in the order of the line, so that the first fault is the one reported
		v := c.options[option.Name]
		parameter, err := c.verb.option(option.Name)
		if err == nil && parameter != nil {
			err = g.known(parameter, v)
		}
		if err != nil {
			return &Problem{At: v.at, Text: err.Error()}
		}
	}
	if missing := len(c.args); missing < len(c.verb.Arguments) && !c.verb.Arguments[missing].Optional {
		text := fmt.Sprintf("%s needs %s: %s", c.verb.Name, c.verb.Arguments[missing].Name, c.verb.Usage())
		return &Problem{At: c.at, Text: text, Short: true}
	}
	if s.Target != nil {
		if err := g.target(c); err != nil {
			return &Problem{At: c.target.at, Text: err.Error()}
		}
	}
	var err error
	if c.verb.check != nil {
		err = c.verb.check(c)
	}
	if err == nil {
		err = g.conditions(c)
	}
	var problem *Problem
	if err == nil || errors.As(err, &problem) {
		return problem
	}
	var short shortError
	return &Problem{At: c.at, Text: c.verb.Name + ": " + err.Error(), Short: errors.As(err, &short)}
}

func (g *Grammar) known(p *Parameter, v value) error {
	if !v.known {
		return nil
	}
	return g.value(p, v.text)
}

// parameter gives the row of the argument at an index.
func (c *call) parameter(index int) (*Parameter, *Problem) {
	rows := c.verb.Arguments
	if index < len(rows) {
		return &rows[index], nil
	}
	if len(rows) > 0 && rows[len(rows)-1].Rest {
		return &rows[len(rows)-1], nil
	}
	text := fmt.Sprintf("%s takes no more words here, quote a text with spaces: %s", c.verb.Name, c.verb.Usage())
	return nil, &Problem{At: c.args[index].at, Text: text}
}

// option gives the row of an option; nil for one that a verb with AnyOption takes.
func (v *Verb) option(name string) (*Parameter, error) {
	names := make([]string, len(v.Options))
	for i := range v.Options {
		if v.Options[i].Name == name {
			return &v.Options[i], nil
		}
		names[i] = v.Options[i].Name
	}
	if v.AnyOption {
		return nil, nil
	}
	if near := config.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("%s has no option %q, did you mean %q?", v.Name, name, near)
	}
	return nil, fmt.Errorf("%s has no option %q; a word that holds = needs quotes", v.Name, name)
}

const (
	targetAuto   = "auto"
	targetRandom = "random"
	targetLeader = "leader"
	targetAll    = "all"
)

// target checks the @target of a call.
func (g *Grammar) target(c *call) error {
	switch name := c.target.text; {
	case len(c.verb.Targets) == 0:
		return fmt.Errorf("%s takes no @target", c.verb.Name)
	case !c.target.known:
		return nil
	case name == targetAll:
		if slices.Contains(c.verb.Targets, "all") {
			return nil
		}
		return fmt.Errorf("%s goes to one replica, each of them applies it: leave out @all", c.verb.Name)
	case !slices.Contains(c.verb.Targets, "one"):
		return fmt.Errorf("%s takes only @all", c.verb.Name)
	default:
		if err := g.value(&Parameter{Kind: KindTarget}, name); err != nil {
			return err
		}
		return nil
	}
}
