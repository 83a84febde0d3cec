package command

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// token is one word of a line with what its form says about it.
type token struct {
	kind tokenKind
	name string // of an option
	word Word   // the word, the option's value or the target's name
}

type tokenKind int

const (
	wordToken tokenKind = iota
	optionToken
	targetToken
)

// lexer cuts one line into tokens.
type lexer struct {
	text string
	at   int
	line Position // of the first character

	pending []byte // fixed bytes of the word at hand that are not yet a part
}

// lex cuts a line, without its line end, into tokens; a comment ends it.
func lex(text string, line Position) ([]token, *Problem) {
	l := &lexer{text: text, line: line}
	var tokens []token
	for {
		for l.at < len(text) && blank(text[l.at]) {
			l.at++
		}
		if l.at >= len(text) || text[l.at] == '#' {
			return tokens, nil
		}
		next, problem := l.token()
		if problem != nil {
			return nil, problem
		}
		tokens = append(tokens, next)
	}
}

func blank(char byte) bool { return char == ' ' || char == '\t' || char == '\r' }

func (l *lexer) position(at int) Position {
	place := l.line
	place.Column += utf8.RuneCountInString(l.text[:at])
	return place
}

func (l *lexer) problem(at int, format string, args ...any) *Problem {
	return &Problem{At: l.position(at), Text: fmt.Sprintf(format, args...)}
}

// unfinished is a problem that goes away when the rest is typed.
func (l *lexer) unfinished(at int, format string, args ...any) *Problem {
	problem := l.problem(at, format, args...)
	problem.Short = true
	return problem
}

func (l *lexer) token() (token, *Problem) {
	start := l.at
	if l.text[l.at] == '@' {
		l.at++
		word, problem := l.bare()
		if problem == nil && len(word.Parts) == 0 {
			problem = l.unfinished(start, "@ needs a target: @auto, @random, @leader, @all or a replica such as @r3")
		}
		word.At = l.position(start)
		return token{kind: targetToken, word: word}, problem
	}
	if name := leadingName(l.text[l.at:]); name != "" && strings.HasPrefix(l.text[l.at+len(name):], "=") {
		l.at += len(name) + 1
		if l.at >= len(l.text) || blank(l.text[l.at]) {
			return token{}, l.unfinished(start, "option %s has no value, write %s=VALUE (\"\" for an empty one)", name, name)
		}
		word, problem := l.word()
		word.At = l.position(start)
		return token{kind: optionToken, name: name, word: word}, problem
	}
	word, problem := l.word()
	return token{kind: wordToken, word: word}, problem
}

// leadingName gives the longest NAME at the beginning of text.
func leadingName(text string) string {
	for i := range len(text) {
		char := text[i]
		letter := char|0x20 >= 'a' && char|0x20 <= 'z' || char == '_'
		if !letter && (i == 0 || (char < '0' || char > '9') && char != '-') {
			return text[:i]
		}
	}
	return text
}

func (l *lexer) word() (Word, *Problem) {
	start := l.at
	var word Word
	var problem *Problem
	switch rest := l.text[l.at:]; {
	case rest[0] == '\'':
		word, problem = l.single()
	case rest[0] == '"':
		word, problem = l.double()
	case strings.HasPrefix(rest, "x'"):
		word, problem = l.hex()
	default:
		return l.bare()
	}
	if problem == nil && l.at < len(l.text) && !blank(l.text[l.at]) {
		problem = l.problem(l.at, "a space is missing after the closing quote")
	}
	word.At, word.Quoted = l.position(start), true
	return word, problem
}

// bare scans an unquoted word, which may be empty.
func (l *lexer) bare() (Word, *Problem) {
	word := Word{At: l.position(l.at)}
	for l.at < len(l.text) && !blank(l.text[l.at]) {
		switch rest := l.text[l.at:]; {
		case rest[0] == '"' || rest[0] == '\'':
			return word, l.problem(l.at, `quote inside a word, put the whole word in quotes, as in "it's"`)
		case strings.HasPrefix(rest, "${"):
			if problem := l.variable(&word); problem != nil {
				return word, problem
			}
		default:
			l.run(" \t\r\"'$")
		}
	}
	l.flush(&word)
	return word, nil
}

// run takes the characters up to the next one that may mean something; the first one never does.
func (l *lexer) run(stops string) {
	length := 1 + strings.IndexAny(l.text[l.at+1:], stops)
	if length == 0 {
		length = len(l.text) - l.at
	}
	l.pending = append(l.pending, l.text[l.at:l.at+length]...)
	l.at += length
}

// flush ends a run of fixed bytes.
func (l *lexer) flush(word *Word) {
	if len(l.pending) > 0 {
		word.Parts = append(word.Parts, Part{Text: string(l.pending)})
		l.pending = l.pending[:0]
	}
}

// variable scans ${…}.
func (l *lexer) variable(word *Word) *Problem {
	start := l.at
	length := strings.IndexByte(l.text[l.at:], '}')
	if length < 0 {
		return l.unfinished(start, "${ is not closed, write ${NAME}, or '${' in single quotes for the characters")
	}
	name := l.text[l.at+2 : l.at+length]
	plain := strings.TrimPrefix(name, "env:")
	if plain == "" || leadingName(plain) != plain {
		return l.problem(start, "${%s} is no variable, write ${i}, ${NAME} or ${env:NAME}", escape(name))
	}
	l.flush(word)
	word.Parts = append(word.Parts, Part{Variable: name})
	l.at += length + 1
	return nil
}

func (l *lexer) single() (Word, *Problem) {
	start := l.at
	length := strings.IndexByte(l.text[l.at+1:], '\'')
	if length < 0 {
		return Word{}, l.unfinished(start, "quote ' is not closed on this line")
	}
	word := Word{Parts: []Part{{Text: l.text[l.at+1 : l.at+1+length]}}}
	l.at += length + 2
	return word, nil
}

func (l *lexer) hex() (Word, *Problem) {
	start := l.at
	length := strings.IndexByte(l.text[l.at+2:], '\'')
	if length < 0 {
		return Word{}, l.unfinished(start, "quote ' is not closed on this line")
	}
	digits := l.text[l.at+2 : l.at+2+length]
	if len(digits)%2 != 0 {
		return Word{}, l.problem(start, "x'…' takes two digits for each byte, one is missing")
	}
	text := make([]byte, 0, len(digits)/2)
	for i := 0; i < len(digits); i += 2 {
		value, err := strconv.ParseUint(digits[i:i+2], 16, 8)
		if err != nil {
			return Word{}, l.problem(l.at+2+i, "%s is no hexadecimal byte", Quote(digits[i:i+2]))
		}
		text = append(text, byte(value))
	}
	l.at += length + 3
	return Word{Parts: []Part{{Text: string(text)}}}, nil
}

func (l *lexer) double() (Word, *Problem) {
	start := l.at
	var word Word
	for l.at++; l.at < len(l.text); {
		switch rest := l.text[l.at:]; {
		case rest[0] == '"':
			l.at++
			l.flush(&word)
			return word, nil
		case rest[0] == '\\':
			text, length := unescape(rest)
			if length == 0 {
				return word, l.problem(l.at, `unknown escape, have \n \r \t \0 \\ \" \x41 \u{41}`)
			}
			l.pending = append(l.pending, text...)
			l.at += length
		case strings.HasPrefix(rest, "${"):
			if problem := l.variable(&word); problem != nil {
				return word, problem
			}
		default:
			l.run("\\\"$")
		}
	}
	return word, l.unfinished(start, `quote " is not closed on this line`)
}

// unescape reads the escape at the beginning of text; length 0 means that there is none.
func unescape(text string) (meant string, length int) {
	if len(text) < 2 {
		return "", 0
	}
	switch text[1] {
	case 'n':
		return "\n", 2
	case 'r':
		return "\r", 2
	case 't':
		return "\t", 2
	case '0':
		return "\x00", 2
	case '\\', '"':
		return text[1:2], 2
	case 'x':
		if len(text) < 4 {
			return "", 0
		}
		value, err := strconv.ParseUint(text[2:4], 16, 8)
		if err != nil {
			return "", 0
		}
		return string([]byte{byte(value)}), 4
	case 'u':
		digits, ok := strings.CutPrefix(text, `\u{`)
		end := strings.IndexByte(digits, '}')
		if !ok || end < 1 || end > 6 {
			return "", 0
		}
		value, err := strconv.ParseUint(digits[:end], 16, 32)
		if err != nil || !utf8.ValidRune(rune(value)) {
			return "", 0
		}
		return string(rune(value)), end + 4
	}
	return "", 0
}
