package command

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Position is a place in a script. Line and Column count from 1, the column in characters.
type Position struct {
	File   string // as the user named it; "-" for standard input, "" for arguments and the prompt
	Line   int
	Column int
}

// String gives file:line:column, without the parts that say nothing: the prompt has columns only, arguments nothing.
func (p Position) String() string {
	if p.Column == 0 {
		return p.File
	}
	if p.File == "" {
		return fmt.Sprintf("column %d", p.Column)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one fault in a script, found before the line was run.
type Problem struct {
	At    Position
	Text  string
	Short bool // more text behind it may mend it: something is not closed or still missing
}

// Error gives the place and the text.
func (p Problem) Error() string {
	if place := p.At.String(); place != "" {
		return place + ": " + p.Text
	}
	return p.Text
}

// shortError is the error of a command to which something must be added.
type shortError string

func (e shortError) Error() string { return string(e) }

// Problems is the error of a script: every fault that was found, in the order of the text.
type Problems []Problem

// Error gives one line per problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Part is a piece of a word: fixed bytes or a variable to be put in its place.
type Part struct {
	Text     string // the bytes, if Variable is empty
	Variable string // "i", "NAME" or "env:NAME"
}

// Word is one word of a line. Quoting is resolved: the parts hold the bytes that were meant.
type Word struct {
	At     Position
	Parts  []Part
	Quoted bool // was in quotes: never a keyword
}

// Literal gives the word's bytes; false if they depend on a variable.
func (w Word) Literal() (string, bool) {
	var text strings.Builder
	for _, part := range w.Parts {
		if part.Variable != "" {
			return "", false
		}
		text.WriteString(part.Text)
	}
	return text.String(), true
}

// expand puts the values of the variables in their places.
func (w Word) expand(lookup func(variable string) (string, error)) (string, error) {
	var text strings.Builder
	for _, part := range w.Parts {
		if part.Variable == "" {
			text.WriteString(part.Text)
			continue
		}
		value, err := lookup(part.Variable)
		if err != nil {
			return "", err
		}
		text.WriteString(value)
	}
	return text.String(), nil
}

// String writes the word so that parsing gives the same word again.
func (w Word) String() string {
	if text, ok := w.Literal(); ok && !utf8.ValidString(text) {
		return fmt.Sprintf("x'%x'", text)
	}
	raw := w.raw()
	name := leadingName(raw)
	option := name != "" && strings.HasPrefix(raw[len(name):], "=")
	bare := !w.Quoted && raw != "" && !option
	for i, part := range w.Parts {
		bare = bare && bareText(part.Text, i == 0)
	}
	if bare {
		return raw
	}
	var text strings.Builder
	for _, part := range w.Parts {
		if part.Variable != "" {
			text.WriteString("${" + part.Variable + "}")
			continue
		}
		text.WriteString(escape(part.Text))
	}
	return `"` + text.String() + `"`
}

// raw writes the word without any quoting, as a target stands on the line.
func (w Word) raw() string {
	var text strings.Builder
	for _, part := range w.Parts {
		if part.Variable != "" {
			text.WriteString("${" + part.Variable + "}")
		}
		text.WriteString(part.Text)
	}
	return text.String()
}

// bareText tells whether text may stand in a word without quotes.
func bareText(text string, first bool) bool {
	if first && text != "" && strings.ContainsRune("@#", rune(text[0])) {
		return false
	}
	if strings.Contains(text, "${") {
		return false
	}
	for _, char := range text {
		if char == utf8.RuneError || !unicode.IsGraphic(char) || unicode.IsSpace(char) || char == '"' || char == '\'' {
			return false
		}
	}
	return true
}

// Visible writes a text of others, such as an error, with escapes for whatever a terminal would obey; quotes stay.
func Visible(text string) string { return escaped(text, false) }

// escape writes text as it stands between double quotes, with nothing in it that a terminal would obey.
func escape(text string) string { return escaped(text, true) }

func escaped(text string, quotes bool) string {
	var out strings.Builder
	for at := 0; at < len(text); {
		char, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case char == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[at])
		case char == '\n':
			out.WriteString(`\n`)
		case char == '\r':
			out.WriteString(`\r`)
		case char == '\t':
			out.WriteString(`\t`)
		case quotes && (char == '"' || char == '\\'):
			out.WriteString(`\` + string(char))
		case quotes && char == '$' && strings.HasPrefix(text[at:], "${"):
			out.WriteString(`\x24`)
		case char == ' ' || unicode.IsGraphic(char) && !unicode.IsSpace(char):
			out.WriteRune(char)
		case char < utf8.RuneSelf:
			fmt.Fprintf(&out, `\x%02x`, char)
		default:
			fmt.Fprintf(&out, `\u{%x}`, char)
		}
		at += size
	}
	return out.String()
}

// Quote writes bytes of a user or of the network so that they can do nothing to a terminal: in double quotes, with
// escapes for whatever is not plainly visible.
func Quote(text string) string { return `"` + escape(text) + `"` }

// Plain writes text bare where that is unmistakable, and like [Quote] otherwise.
func Plain(text string) string {
	return Word{Parts: []Part{{Text: text}}}.String()
}
