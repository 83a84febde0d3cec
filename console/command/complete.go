package command

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// Known is what completion may offer beyond the grammar: what the console has learned.
type Known struct {
	Keys    []string // of the last scans and reads
	Faults  []string // ids of faults that last, such as "r3#5"
	History []string // lines, the newest last
}

// CandidateKind says what a candidate is.
type CandidateKind string

// The kinds of candidates.
const (
	VerbCandidate    CandidateKind = "verb"
	ValueCandidate   CandidateKind = "value"
	OptionCandidate  CandidateKind = "option"
	TargetCandidate  CandidateKind = "target"
	KeyCandidate     CandidateKind = "key"
	HistoryCandidate CandidateKind = "history"
)

// Candidate is one way to go on with a line.
type Candidate struct {
	Kind   CandidateKind
	Text   string // the word, for a list
	Help   string // a few words about it, or ""
	Line   string // the whole line with the word in its place
	Cursor int    // where the cursor would be: a byte of Line
}

// candidatesMax bounds a list: nobody reads more.
const candidatesMax = 100

// Complete gives the ways to go on with a line at the cursor, a byte of it: those of the grammar in the order of the
// help, then whole lines of the history, the newest first. It is pure.
func Complete(g *Grammar, line string, cursor int, known Known) []Candidate {
	c := completer{grammar: g, known: known, line: line, cursor: min(max(cursor, 0), len(line))}
	before := line[:c.cursor]
	words, partial, ok := splitTyped(before)
	if !ok {
		return nil
	}
	c.partial = partial
	words = afterRepeat(words)
	if len(words) == 0 {
		c.verbs()
	} else if verb, ok := g.Verb(words[0]); ok {
		c.behind(verb, words[1:])
	}
	if c.cursor == len(line) && strings.TrimSpace(line) != "" {
		c.history(before)
	}
	return c.found[:min(len(c.found), candidatesMax)]
}

// Ghost is what would be shown greyed behind the cursor: the rest of the newest line of the history that begins so, else
// of the first candidate; "" if there is none or the cursor is not at the end.
func Ghost(g *Grammar, line string, cursor int, known Known) string {
	if cursor != len(line) || strings.TrimSpace(line) == "" {
		return ""
	}
	candidates := Complete(g, line, cursor, known)
	at := max(slices.IndexFunc(candidates, func(c Candidate) bool { return c.Kind == HistoryCandidate }), 0)
	if len(candidates) == 0 || !strings.HasPrefix(candidates[at].Line, line) {
		return ""
	}
	return candidates[at].Line[len(line):]
}

// completer collects candidates for the word before the cursor.
type completer struct {
	grammar *Grammar
	known   Known
	line    string
	cursor  int
	partial string
	found   []Candidate
}

// splitTyped cuts what is typed into whole words and the one that is being typed; false inside quotes or a comment.
func splitTyped(text string) (words []string, partial string, ok bool) {
	for {
		text = strings.TrimLeft(text, " \t\r") // what blank takes for a space
		if text == "" {
			return words, "", true
		}
		if text[0] == '#' {
			return nil, "", false
		}
		length := wordLength(text)
		switch {
		case length < 0:
			return nil, "", false
		case length == len(text):
			return words, text, !strings.ContainsAny(text, `"'`)
		}
		words = append(words, text[:length])
		text = text[length:]
	}
}

// wordLength measures the word at the beginning of text, with its quotes; -1 if they are not closed.
func wordLength(text string) int {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch char := text[i]; {
		case quote == '"' && char == '\\':
			i++
		case quote != 0:
			if char == quote {
				quote = 0
			}
		case char == '"' || char == '\'':
			quote = char
		case blank(char):
			return i
		}
	}
	if quote != 0 {
		return -1
	}
	return len(text)
}

// afterRepeat passes over the repeats in front of a command.
func afterRepeat(words []string) []string {
	for len(words) > 1 && words[0] == "repeat" {
		words = words[2:]
		for len(words) > 1 && (words[0] == "every" || words[0] == "parallel") {
			words = words[2:]
		}
	}
	return words
}

// add offers a word if it begins with what is typed. A word that the next one follows ends with a space.
func (c *completer) add(kind CandidateKind, text, help string) {
	if !strings.HasPrefix(text, c.partial) || text == c.partial && kind != VerbCandidate {
		return
	}
	word := text
	if !strings.HasSuffix(word, "=") && !strings.HasSuffix(word, "/") && !strings.HasSuffix(word, ".") {
		word += " "
	}
	head := c.line[:c.cursor-len(c.partial)] + word
	tail := c.line[c.cursor:]
	if strings.HasSuffix(head, " ") {
		tail = strings.TrimPrefix(tail, " ")
	}
	if slices.ContainsFunc(c.found, func(other Candidate) bool { return other.Text == text }) {
		return
	}
	c.found = append(c.found, Candidate{Kind: kind, Text: text, Help: help, Line: head + tail, Cursor: len(head)})
}

func (c *completer) verbs() {
	for i := range c.grammar.verbs {
		verb := &c.grammar.verbs[i]
		for _, name := range append([]string{verb.Name}, verb.Aliases...) {
			if c.partial != "" || name == verb.Name { // aliases only for who knows them
				c.add(VerbCandidate, name, verb.Help)
			}
		}
	}
}

// behind offers what may follow a verb: values of the argument at hand, options that were not given, targets.
func (c *completer) behind(verb *Verb, words []string) {
	argument := 0
	given := map[string]bool{}
	targeted := false
	for _, word := range words {
		name := leadingName(word)
		switch {
		case word[0] == '@':
			targeted = true
		case name != "" && strings.HasPrefix(word[len(name):], "="):
			given[name] = true
		default:
			argument++
		}
	}
	name := leadingName(c.partial)
	if name != "" && strings.HasPrefix(c.partial[len(name):], "=") {
		if row, err := verb.option(name); err == nil && row != nil {
			c.values(row, name+"=")
		}
		return
	}
	if row := verb.argumentAt(argument); row != nil && !strings.HasPrefix(c.partial, "@") {
		c.values(row, "")
	}
	for i := range verb.Options {
		if option := &verb.Options[i]; !given[option.Name] {
			c.add(OptionCandidate, option.Name+"=", option.Help)
		}
	}
	if !targeted {
		c.targets(verb)
	}
}

// argumentAt gives the row of the argument at an index; nil if the verb takes no more.
func (v *Verb) argumentAt(index int) *Parameter {
	switch last := len(v.Arguments) - 1; {
	case index <= last:
		return &v.Arguments[index]
	case last >= 0 && v.Arguments[last].Rest:
		return &v.Arguments[last]
	}
	return nil
}

// values offers what a parameter takes, as far as it can be listed.
func (c *completer) values(p *Parameter, prefix string) {
	for _, choice := range p.Choices {
		c.add(ValueCandidate, prefix+choice, "")
	}
	switch p.Kind {
	case KindReplica, KindTarget:
		for _, replica := range c.grammar.replicas {
			c.add(ValueCandidate, prefix+replica, "")
		}
	case KindRoles:
		c.roles(prefix)
	case KindHealed:
		c.roles(prefix)
		for _, id := range c.known.Faults {
			c.add(ValueCandidate, prefix+id, "a fault that lasts")
		}
	case KindVerb:
		for i := range c.grammar.verbs {
			c.add(ValueCandidate, prefix+c.grammar.verbs[i].Name, c.grammar.verbs[i].Help)
		}
	case KindKey, KindPrefix:
		c.keys(prefix)
	}
}

func (c *completer) roles(prefix string) {
	replicas := slices.Concat(c.grammar.replicas, []string{targetLeader})
	for _, replica := range replicas {
		c.add(ValueCandidate, prefix+replica, "all its roles")
	}
	if !strings.Contains(c.partial, ".") && c.partial != "*" && !slices.Contains(replicas, c.partial) {
		return // roles are offered for one replica at a time
	}
	for _, replica := range append(replicas, "*") {
		for _, role := range roleNames {
			c.add(ValueCandidate, prefix+replica+"."+role, "")
		}
	}
}

// keys offers known keys up to their next slash, as folders are offered.
func (c *completer) keys(prefix string) {
	typed := strings.TrimPrefix(c.partial, prefix)
	for _, key := range c.known.Keys {
		if !strings.HasPrefix(key, typed) || Plain(key) != key {
			continue
		}
		if slash := strings.IndexByte(key[len(typed):], '/'); slash >= 0 {
			key = key[:len(typed)+slash+1]
		}
		c.add(KeyCandidate, prefix+key, "")
	}
}

func (c *completer) targets(verb *Verb) {
	if slices.Contains(verb.Targets, "one") {
		for _, name := range slices.Concat([]string{targetAuto, targetRandom, targetLeader}, c.grammar.replicas) {
			c.add(TargetCandidate, "@"+name, "")
		}
	}
	if slices.Contains(verb.Targets, targetAll) {
		c.add(TargetCandidate, "@"+targetAll, "every replica")
	}
}

// historyCandidatesMax bounds the lines of the history in a list.
const historyCandidatesMax = 10

func (c *completer) history(before string) {
	count := 0
	for _, line := range slices.Backward(c.known.History) {
		same := slices.ContainsFunc(c.found, func(other Candidate) bool { return other.Line == line })
		if line == before || same || !strings.HasPrefix(line, before) || !utf8.ValidString(line) {
			continue
		}
		c.found = append(c.found, Candidate{Kind: HistoryCandidate, Text: line, Line: line, Cursor: len(line)})
		if count++; count == historyCandidatesMax {
			return
		}
	}
}

// Hint is what the line above a prompt says while a command is typed.
type Hint struct {
	Usage   string // of the verb at the beginning of the line; "" if there is none yet
	Help    string
	Problem string // what is wrong already, "" if nothing is; what only misses its end is not wrong
	Column  int    // of the problem, in characters from 1
}

// Syntax says what the verb of a line takes, and what is wrong so far with what is typed. It is pure.
func Syntax(g *Grammar, line string, cursor int) Hint {
	var hint Hint
	words, partial, ok := splitTyped(line)
	if !ok { // in quotes: what is before them is known all the same
		words = strings.Fields(line)
	}
	words = afterRepeat(append(words, partial))
	if len(words) > 0 {
		if verb, ok := g.Verb(words[0]); ok {
			hint.Usage, hint.Help = verb.Usage(), verb.Help
		}
	}
	parser := NewParser(g, nil)
	parser.hint = true
	_, err := parser.Line(line, Position{Column: 1})
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 || problems[0].Short || strings.TrimSpace(line) == "end" {
		return hint
	}
	// What is being typed at the end is not wrong while it can still become right.
	if cursor == len(line) && partial != "" && problems[0].At.Column > utf8.RuneCountInString(line)-utf8.RuneCountInString(partial) &&
		len(Complete(g, line, cursor, Known{})) > 0 {
		return hint
	}
	hint.Problem, hint.Column = problems[0].Text, problems[0].At.Column
	return hint
}
