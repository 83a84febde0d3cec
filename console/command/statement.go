package command

import (
	"fmt"
	"strings"
	"time"
)

// Statement is one parsed line, or a block with its lines. Statements are not changed after parsing.
type Statement struct {
	At      Position
	Verb    *Verb
	Args    []Word
	Options []Option
	Target  *Word       // without its "@"; nil if none was written
	Repeat  *Repeat     // of a `repeat`: how often
	Body    []Statement // of a `repeat` and of a `source`: what it runs
	Block   bool        // of a `repeat`: written with `end`, not in front of a command
}

// Option is NAME=VALUE.
type Option struct {
	Name  string
	Value Word
}

// Repeat says how a `repeat` runs its body.
type Repeat struct {
	Count    int
	Every    time.Duration // from one start to the next; 0: at once
	Parallel int           // bodies in flight at once, at least 1
}

// String writes the statement so that parsing gives the same statement again; a block takes several lines. The body of
// a `source` is not written: it is in its own file.
func (s *Statement) String() string {
	if s.Repeat != nil {
		return s.repeatString()
	}
	words := []string{s.Verb.Name}
	for _, word := range s.Args {
		words = append(words, word.String())
	}
	for _, option := range s.Options {
		words = append(words, option.Name+"="+option.Value.String())
	}
	if s.Target != nil {
		words = append(words, "@"+s.Target.raw())
	}
	return strings.Join(words, " ")
}

func (s *Statement) repeatString() string {
	text := fmt.Sprintf("repeat %d", s.Repeat.Count)
	if s.Repeat.Every > 0 {
		text += fmt.Sprintf(" every %v", s.Repeat.Every)
	}
	if s.Repeat.Parallel > 1 {
		text += fmt.Sprintf(" parallel %d", s.Repeat.Parallel)
	}
	if !s.Block {
		return text + " " + s.Body[0].String()
	}
	for i := range s.Body {
		text += "\n" + s.Body[i].String()
	}
	return text + "\nend"
}
