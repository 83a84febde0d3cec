package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limits of a script: each keeps a slip of the keyboard from running for a day.
const (
	repeatMax      = 10_000_000 // repetitions of one repeat
	parallelMax    = 1024       // bodies of one repeat in flight
	blockDepthMax  = 16         // repeats within each other
	sourceDepthMax = 8          // files that source each other
	scriptBytesMax = 64 << 20   // one file
	problemsMax    = 50         // problems reported of one script
)

// Parser turns lines into statements. It remembers open blocks and the variables set so far, so use one for each run of
// lines that belong together. Not for concurrent use.
type Parser struct {
	grammar   *Grammar
	readFile  func(name string) ([]byte, error)
	variables map[string]bool
	open      []Statement // blocks without their end yet, the innermost last
	sources   []string    // files being read, the innermost last
	hint      bool        // only to say what is wrong so far: reads no files, and variables may be of earlier lines
}

// NewParser makes a parser. Files named by `source` are read with readFile, which may be nil for os.ReadFile.
func NewParser(grammar *Grammar, readFile func(name string) ([]byte, error)) *Parser {
	if readFile == nil {
		readFile = os.ReadFile
	}
	return &Parser{grammar: grammar, readFile: readFile, variables: map[string]bool{}}
}

// Define tells the parser about a variable that exists before the script sets any.
func (p *Parser) Define(name string) { p.variables[name] = true }

// Depth is the number of blocks that still miss their `end`: a prompt shows that it waits for more lines.
func (p *Parser) Depth() int { return len(p.open) }

// Script parses a whole file. The error is [Problems] with the first faults of all its lines.
func (p *Parser) Script(name string, text []byte) ([]Statement, error) {
	if len(text) > scriptBytesMax {
		at := Position{File: name, Line: 1, Column: 1}
		text := fmt.Sprintf("longer than %d bytes, split it and source the parts", scriptBytesMax)
		return nil, Problems{{At: at, Text: text}}
	}
	p.sources = append(p.sources, name)
	defer func() { p.sources = p.sources[:len(p.sources)-1] }()
	outer := len(p.open)
	var script []Statement
	var problems Problems
	line := 0
	for text := range strings.Lines(string(text)) {
		line++
		statements, err := p.line(strings.TrimRight(text, "\r\n"), Position{File: name, Line: line, Column: 1}, outer)
		script = append(script, statements...)
		problems = appendProblems(problems, err)
		if len(problems) >= problemsMax {
			break
		}
	}
	for _, block := range p.open[outer:] {
		problems = append(problems, Problem{At: block.At, Text: "repeat without its end"})
	}
	p.open = p.open[:outer]
	if len(problems) > 0 {
		return nil, problems
	}
	return script, nil
}

func appendProblems(problems Problems, err error) Problems {
	var list Problems
	if errors.As(err, &list) {
		return append(problems, list...)
	}
	return problems
}

// Line parses one line of a prompt or of a stream. It gives no statement for an empty line and while a block is open;
// the `end` of the outermost block gives the block. The error is [Problems]; an open block stays open then.
func (p *Parser) Line(text string, at Position) ([]Statement, error) {
	return p.line(strings.TrimRight(text, "\r\n"), at, 0)
}

// Words parses one command whose words the user's shell has cut and unquoted already. NAME=VALUE is an option only if
// the verb has it, so values may hold "="; behind "--" everything is a plain word. Nothing is substituted.
func (p *Parser) Words(words []string) ([]Statement, error) {
	var tokens []token
	var verb *Verb
	for i, text := range words {
		if text == "--" {
			for _, rest := range words[i+1:] {
				tokens = append(tokens, token{word: literalWord(rest)})
			}
			break
		}
		next := token{word: literalWord(text)}
		name := leadingName(text)
		switch {
		case verb == nil:
			verb, _ = p.grammar.Verb(text) // behind `repeat N` the verb comes later
			if verb != nil && verb.Name == "repeat" {
				verb = nil
			}
		case len(text) > 1 && text[0] == '@' && len(verb.Targets) > 0:
			next = token{kind: targetToken, word: literalWord(text[1:])}
		case name != "" && strings.HasPrefix(text[len(name):], "="):
			if row, err := verb.option(name); err == nil && (row != nil || verb.AnyOption) {
				next = token{kind: optionToken, name: name, word: literalWord(text[len(name)+1:])}
			}
		}
		tokens = append(tokens, next)
	}
	if len(tokens) == 0 {
		return nil, nil
	}
	statement, err := p.statement(tokens, false)
	if err != nil {
		return nil, err
	}
	if statement.Block {
		return nil, Problems{{Text: "repeat needs a command behind it; blocks are for files"}}
	}
	return []Statement{*statement}, nil
}

func literalWord(text string) Word { return Word{Parts: []Part{{Text: text}}} }

// Close ends a stream of lines. An open block is a problem.
func (p *Parser) Close() error {
	var problems Problems
	for _, block := range p.open {
		problems = append(problems, Problem{At: block.At, Text: "repeat without its end"})
	}
	p.open = nil
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// line parses one line; blocks below the depth outer belong to another file and cannot be ended here.
func (p *Parser) line(text string, at Position, outer int) ([]Statement, error) {
	at.Column = max(at.Column, 1)
	tokens, problem := lex(text, at)
	if problem != nil {
		return nil, Problems{*problem}
	}
	if len(tokens) == 0 {
		return nil, nil
	}
	if tokens[0].bare("end") {
		return p.end(tokens, outer)
	}
	statement, err := p.statement(tokens, false)
	if err != nil {
		return nil, err
	}
	if statement.Block {
		p.open = append(p.open, *statement)
		return nil, nil
	}
	return p.complete(*statement, outer), nil
}

// complete puts a statement into the innermost open block of this file or hands it out.
func (p *Parser) complete(statement Statement, outer int) []Statement {
	if len(p.open) == outer {
		return []Statement{statement}
	}
	block := &p.open[len(p.open)-1]
	block.Body = append(block.Body, statement)
	return nil
}

func (p *Parser) end(tokens []token, outer int) ([]Statement, error) {
	if len(tokens) > 1 {
		return nil, problemAt(tokens[1].word.At, "end stands alone on its line")
	}
	if len(p.open) == outer {
		return nil, problemAt(tokens[0].word.At, "end without a repeat")
	}
	block := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	return p.complete(block, outer), nil
}

func problemAt(at Position, format string, args ...any) Problems {
	return Problems{{At: at, Text: fmt.Sprintf(format, args...)}}
}

func (t *token) bare(text string) bool {
	word, ok := t.word.Literal()
	return t.kind == wordToken && !t.word.Quoted && ok && word == text
}

// statement parses a command with the repeats in front of it; modified tells that one was parsed already.
func (p *Parser) statement(tokens []token, modified bool) (*Statement, error) {
	first := tokens[0]
	name, literal := first.word.Literal()
	switch {
	case first.kind != wordToken || first.word.Quoted || !literal:
		return nil, problemAt(first.word.At, "a line begins with a verb, such as get or put; try help")
	case name == "repeat":
		return p.repeat(tokens, modified)
	case name == "end":
		return nil, problemAt(first.word.At, "end stands alone on its line")
	}
	verb, ok := p.grammar.Verb(name)
	if !ok {
		return nil, problemAt(first.word.At, "%s", unknown("verb", name, p.grammar.Names()))
	}
	statement := &Statement{At: first.word.At, Verb: verb}
	for _, next := range tokens[1:] {
		switch next.kind {
		case optionToken:
			statement.Options = append(statement.Options, Option{Name: next.name, Value: next.word})
		case targetToken:
			if statement.Target != nil {
				return nil, problemAt(next.word.At, "a second @target, one is enough")
			}
			statement.Target = &next.word
		default:
			statement.Args = append(statement.Args, next.word)
		}
	}
	if err := p.variablesOf(statement); err != nil {
		return nil, err
	}
	if _, problem := p.grammar.bind(statement, unset); problem != nil {
		return nil, Problems{*problem}
	}
	return statement, p.effects(statement)
}

// unset is the parser's lookup: no value is known before the run.
func unset(string) (string, error) { return "", errUnset }

// repeat parses a modifier with what it stands before, or the head of a block.
func (p *Parser) repeat(tokens []token, modified bool) (*Statement, error) {
	at := tokens[0].word.At
	verb, _ := p.grammar.Verb("repeat")
	if len(p.open) >= blockDepthMax {
		return nil, problemAt(at, "more than %d repeats within each other", blockDepthMax)
	}
	if len(tokens) < 2 {
		return nil, Problems{{At: at, Text: "repeat needs a number: " + verb.Usage(), Short: true}}
	}
	count, err := number(tokens[1], "repeat", repeatMax)
	if err != nil {
		return nil, err
	}
	statement := &Statement{At: at, Verb: verb, Repeat: &Repeat{Count: count, Parallel: 1}}
	rest := tokens[2:]
	for len(rest) > 0 && (rest[0].bare("every") || rest[0].bare("parallel")) {
		name, _ := rest[0].word.Literal()
		if len(rest) < 2 {
			return nil, Problems{{At: rest[0].word.At, Text: name + " needs a value: " + verb.Usage(), Short: true}}
		}
		if name == "parallel" {
			statement.Repeat.Parallel, err = number(rest[1], name, parallelMax)
		} else {
			err = every(statement.Repeat, rest[1])
		}
		if err != nil {
			return nil, err
		}
		rest = rest[2:]
	}
	if len(rest) == 0 {
		if modified {
			return nil, problemAt(at, "a block begins with one repeat, put the outer one on its own line")
		}
		statement.Block = true
		return statement, nil
	}
	// The body is parsed inside, so that it knows whether it may run in parallel.
	p.open = append(p.open, *statement)
	inner, err := p.statement(rest, true)
	p.open = p.open[:len(p.open)-1]
	if err != nil {
		return nil, err
	}
	statement.Body = []Statement{*inner}
	return statement, nil
}

func every(repeat *Repeat, next token) error {
	text, _ := next.word.Literal()
	pause, err := parseDuration(text)
	if err != nil || next.kind != wordToken {
		return problemAt(next.word.At, `every needs a duration such as "500ms"`)
	}
	repeat.Every = pause
	return nil
}

func number(next token, name string, highest int) (int, error) {
	text, _ := next.word.Literal()
	count, err := strconv.Atoi(text)
	if next.kind != wordToken || err != nil || count < 1 || count > highest {
		return 0, problemAt(next.word.At, "%s needs a whole number from 1 to %d", name, highest)
	}
	return count, nil
}

// variablesOf checks that each variable of a statement is set somewhere above it.
func (p *Parser) variablesOf(s *Statement) error {
	words := append([]Word(nil), s.Args...)
	for _, option := range s.Options {
		words = append(words, option.Value)
	}
	if s.Target != nil {
		words = append(words, *s.Target)
	}
	for _, word := range words {
		for _, part := range word.Parts {
			switch name := part.Variable; {
			case name == "" || strings.HasPrefix(name, "env:") || p.variables[name]:
			case p.hint || slices.Contains(foundVariables, name):
			case name == "i" && len(p.open) == 0:
				return problemAt(word.At, "${i} counts the rounds of a repeat, and there is none here")
			case name != "i":
				return problemAt(word.At, "variable ${%s} is not set above, write set %s=VALUE", name, name)
			}
		}
	}
	return nil
}

// effects does what some verbs do at the time of parsing: set makes variables known, source reads a file.
func (p *Parser) effects(s *Statement) error {
	switch s.Verb.Name {
	case "set":
		for _, block := range p.open {
			if block.Repeat.Parallel > 1 {
				return problemAt(s.At, "set cannot stand in a parallel repeat: which round would win?")
			}
		}
		for _, option := range s.Options {
			if _, setting := settingNamed(option.Name); !setting {
				p.variables[option.Name] = true
			}
		}
	case "source":
		if !p.hint {
			return p.source(s)
		}
	case "scenario":
		return p.scenario(s)
	}
	return nil
}

// scenario parses the lines of a shipped scenario.
func (p *Parser) scenario(s *Statement) error {
	if len(s.Args) == 0 || p.hint {
		return nil
	}
	name, literal := s.Args[0].Literal()
	text, ok := Scenario(name)
	if !literal || !ok {
		return problemAt(s.Args[0].At, "scenario takes the name of a shipped one, and no variables; `scenario` lists them")
	}
	var err error
	s.Body, err = p.Script(scenarioFile(name), text)
	return err
}

// source reads the file that a `source` names, relative to the file it stands in.
func (p *Parser) source(s *Statement) error {
	name, literal := s.Args[0].Literal()
	if !literal {
		return problemAt(s.Args[0].At, "source takes no variables: files are read before these have values")
	}
	if len(p.sources) > 0 && !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(p.sources[len(p.sources)-1]), name)
	}
	if slices.Contains(p.sources, name) {
		return problemAt(s.Args[0].At, "%s sources itself", Quote(name))
	}
	if len(p.sources) >= sourceDepthMax {
		return problemAt(s.Args[0].At, "more than %d files source each other", sourceDepthMax)
	}
	text, err := p.readFile(name)
	if err != nil {
		return problemAt(s.Args[0].At, "cannot read %s: %v", Quote(name), err)
	}
	s.Body, err = p.Script(name, text)
	return err
}
