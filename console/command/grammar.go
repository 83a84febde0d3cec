package command

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"synod/core/config"
)

// Group is a heading of the help.
type Group string

// The groups of verbs, in the order in which the help shows them.
const (
	Data   Group = "Data"
	Look   Group = "Look"
	Faults Group = "Faults"
	Script Group = "Script"
	Checks Group = "Checks"
	Load   Group = "Load"
)

// Groups lists all groups in the order of the help.
func Groups() []Group { return []Group{Data, Look, Faults, Script, Checks, Load} }

// Kind says what a parameter takes; parsing, messages and completion follow from it.
type Kind int

// The kinds of parameters.
const (
	KindText     Kind = iota // any bytes
	KindKey                  // a key of the store: not empty
	KindInteger              // a whole number in the parameter's range
	KindDuration             // "500ms"
	KindSpan                 // "200ms..1s"
	KindChoice               // one of the parameter's choices
	KindReplica              // "r3"
	KindRoles                // "r3", "r3.acceptor", "leader", "leader.acceptor" or "*.acceptor"
	KindVerb                 // a verb of the table
	KindTarget               // "auto", "random", "leader" or a replica
	KindPrefix               // the beginning of keys, possibly empty
	KindGroups               // words of `partition`: "r1,r2", "|", "r3"
	KindHealed               // of `heal`: "all", a replica, "r3.acceptor" or the id of a fault, "r3#5"
	KindPercent              // "30%"
)

// Parameter is an argument or an option of a verb.
type Parameter struct {
	Name     string
	Kind     Kind
	Choices  []string // of a KindChoice; of a KindReplica: words that stand for a replica; of others: words to offer
	Low      int      // of a KindInteger: smallest and largest value
	High     int
	Optional bool   // of an argument: it may be left out, and so may all that follow
	Rest     bool   // of the last argument: it takes all words that are left
	Help     string // a few words
}

// Verb is one row of the table: all that the language knows about one command.
type Verb struct {
	Name      string
	Aliases   []string
	Group     Group
	Arguments []Parameter
	Options   []Parameter
	AnyOption bool     // takes options of any name too, as `set` does
	Targets   []string // kinds of @target it takes: "one" (a replica, auto, random, leader), "all"
	Help      string   // one line
	Long      string   // paragraphs
	Examples  []string // lines that parse

	// check finds what the kinds of the parameters cannot tell. It must pass over values that are not known yet.
	check func(c *call) error
}

// Grammar is the table of verbs with what is known about the cluster. It is not changed after NewGrammar and may be
// used by any number of goroutines.
type Grammar struct {
	verbs    []Verb
	replicas []string
}

// NewGrammar gives the language for a cluster with the given replica ids. Without ids any r1, r2, … is accepted.
func NewGrammar(replicas []string) *Grammar {
	return &Grammar{verbs: verbTable(), replicas: slices.Clone(replicas)}
}

// Verbs lists the whole table in the order of the help.
func (g *Grammar) Verbs() []Verb { return g.verbs }

// Verb finds a verb by name or alias.
func (g *Grammar) Verb(name string) (*Verb, bool) {
	for i := range g.verbs {
		if g.verbs[i].Name == name || slices.Contains(g.verbs[i].Aliases, name) {
			return &g.verbs[i], true
		}
	}
	return nil, false
}

// Names lists all names and aliases of verbs, sorted.
func (g *Grammar) Names() []string {
	var names []string
	for _, verb := range g.verbs {
		names = append(append(names, verb.Name), verb.Aliases...)
	}
	slices.Sort(names)
	return names
}

// Usage gives the syntax of a verb on one line.
func (v *Verb) Usage() string {
	words := []string{v.Name}
	for _, argument := range v.Arguments {
		name := argument.Name
		if argument.Rest {
			name += "…"
		}
		if argument.Optional {
			name = "[" + name + "]"
		}
		words = append(words, name)
	}
	for _, option := range v.Options {
		words = append(words, "["+option.Name+"="+option.values()+"]")
	}
	if len(v.Targets) > 0 {
		words = append(words, "[@TARGET]")
	}
	return strings.Join(words, " ")
}

// values names what a parameter takes, for usage lines and messages.
func (p *Parameter) values() string {
	switch p.Kind {
	case KindInteger:
		return "N"
	case KindDuration:
		return "DURATION"
	case KindSpan:
		return "FROM..TO"
	case KindChoice:
		return strings.Join(p.Choices, "|")
	case KindReplica:
		return "rN"
	case KindPercent:
		return "N%"
	}
	return strings.ToUpper(p.Name)
}

// unknown makes the message for a word that is not in a list.
func unknown(what, word string, candidates []string) string {
	text := fmt.Sprintf("unknown %s %s", what, Quote(word))
	if near := config.Nearest(strings.ToLower(word), candidates); near != "" {
		return text + fmt.Sprintf(", did you mean %q?", near)
	}
	return text
}

// unknownOf makes the message for a word that is not in a short list: the near one if there is one, else the list.
func unknownOf(what, word string, list []string) string {
	if text := unknown(what, word, list); strings.HasSuffix(text, "?") {
		return text
	}
	return fmt.Sprintf("unknown %s %s; have %s", what, Quote(word), strings.Join(list, ", "))
}

// value checks one value against its parameter.
func (g *Grammar) value(p *Parameter, text string) error {
	switch p.Kind {
	case KindKey:
		if text == "" {
			return fmt.Errorf("%s is empty, a key has at least one byte", p.Name)
		}
	case KindInteger:
		if number, err := strconv.Atoi(text); err != nil || number < p.Low || number > p.High {
			return fmt.Errorf("%s must be a whole number from %d to %d, not %s", p.Name, p.Low, p.High, Quote(text))
		}
	case KindDuration:
		if _, err := parseDuration(text); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	case KindSpan:
		if _, err := config.ParseSpan(text); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	case KindChoice:
		if !slices.Contains(p.Choices, text) {
			if near := config.Nearest(text, p.Choices); near != "" {
				return fmt.Errorf("%s has no %s, did you mean %q?", p.Name, Quote(text), near)
			}
			return fmt.Errorf("%s must be %s, not %s", p.Name, strings.Join(p.Choices, " or "), Quote(text))
		}
	case KindReplica:
		if slices.Contains(p.Choices, text) {
			return nil
		}
		return g.replica(text)
	case KindRoles:
		_, err := g.roles(text)
		return err
	case KindVerb:
		if _, ok := g.Verb(text); !ok {
			return fmt.Errorf("%s", unknown("verb", text, g.Names()))
		}
	case KindHealed:
		return g.healed(text)
	case KindPercent:
		_, err := parsePercent(text)
		return err
	case KindTarget:
		if !slices.Contains([]string{targetAuto, targetRandom, targetLeader}, text) {
			if err := g.replica(text); err != nil {
				return fmt.Errorf("%w, or auto, random, leader", err)
			}
		}
	}
	return nil
}

// durationMax bounds every duration of a script: a day is longer than anyone waits on purpose.
const durationMax = 24 * time.Hour

func parseDuration(text string) (time.Duration, error) {
	d, err := config.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf(`%s is no duration, write a number with us, ms, s or m, as in "500ms"`, Quote(text))
	}
	if d > durationMax {
		return 0, fmt.Errorf("%s is longer than a day", Quote(text))
	}
	return d, nil
}

// replica checks the id of a replica.
func (g *Grammar) replica(id string) error {
	if number, err := strconv.Atoi(strings.TrimPrefix(id, "r")); !strings.HasPrefix(id, "r") || err != nil || number < 1 {
		return fmt.Errorf("%s is no replica, write r1, r2, …", Quote(id))
	}
	if len(g.replicas) > 0 && !slices.Contains(g.replicas, id) {
		return fmt.Errorf("unknown replica %s; have %s", Quote(id), strings.Join(g.replicas, ", "))
	}
	return nil
}

// roleNames are the three roles of every replica.
var roleNames = []string{"proposer", "acceptor", "learner"}

// RoleTarget is what a fault command acts on.
type RoleTarget struct {
	Replica string // "r3", "*" for every replica, or "leader" for the one that leads when the command runs
	Role    string // "proposer", "acceptor" or "learner"; "" for all three
}

// roles reads the target of a fault command.
func (g *Grammar) roles(text string) (RoleTarget, error) {
	replica, role, two := strings.Cut(text, ".")
	target := RoleTarget{Replica: replica, Role: role}
	if two && !slices.Contains(roleNames, role) {
		return target, errors.New(unknownOf("role", role, roleNames))
	}
	if replica == "*" {
		if !two {
			return target, fmt.Errorf(`"*" needs a role, write *.acceptor, *.proposer or *.learner`)
		}
		return target, nil
	}
	if replica == targetLeader {
		return target, nil
	}
	return target, g.replica(replica)
}
