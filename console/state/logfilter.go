package state

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"unicode"
)

// LogFilter says which lines of which sources are seen. The zero value lets through information, warnings and errors of
// all sources.
type LogFilter struct {
	Level  slog.Level // the least
	hidden uint64     // sources, one bit for each
	text   string
	terms  []logTerm
}

// logTerm is one condition on the text of a line.
type logTerm struct {
	invert  bool
	plain   string // looked for as it stands, or in small letters with fold; "" if there is a pattern
	fold    bool
	pattern *regexp.Regexp
}

// logSourcesMax is how many sources a filter can tell apart.
const logSourcesMax = 64

// logAnd stands between the terms of a filter's text, all of which must be true.
const logAnd = " & "

// Search gives the filter with another text: regular expressions, joined by " & ", each with a ! in front if it must not
// match. Small letters match capitals too. If a term is no regular expression the filter stays as it was, and the
// error says why.
func (f LogFilter) Search(text string) (LogFilter, error) {
	var terms []logTerm
	for word := range strings.SplitSeq(text, logAnd) {
		word = strings.TrimSuffix(word, strings.TrimRight(logAnd, " ")) // another term is about to be typed
		term := logTerm{}
		if word, term.invert = strings.CutPrefix(strings.TrimSpace(word), "!"); word == "" {
			continue
		}
		term.fold = strings.IndexFunc(word, unicode.IsUpper) < 0
		if regexp.QuoteMeta(word) == word && ascii(word) {
			term.plain = word
			terms = append(terms, term)
			continue
		}
		expression := word
		if term.fold {
			expression = "(?i)" + word
		}
		pattern, err := regexp.Compile(expression)
		if err != nil {
			return f, fmt.Errorf("no regular expression yet: %w", err)
		}
		term.pattern = pattern
		terms = append(terms, term)
	}
	f.text, f.terms = text, terms
	return f, nil
}

func ascii(text string) bool {
	return strings.IndexFunc(text, func(char rune) bool { return char > unicode.MaxASCII }) < 0
}

// Text is what was searched for.
func (f *LogFilter) Text() string { return f.text }

// LogExactly is the text of a filter for lines with that field.
func LogExactly(field LogField) string {
	value := strings.ReplaceAll(regexp.QuoteMeta(field.Value), logAnd, " . ")
	// Values come bare, quoted, or quoted twice.
	return `\b` + regexp.QuoteMeta(field.Key) + `=["\\]*` + value + `($|[ "\\])`
}

// Invert gives the text with the sense of the last term turned around.
func (f *LogFilter) Invert() string {
	at := strings.LastIndex(f.text, logAnd)
	before, last := "", f.text
	if at >= 0 {
		before, last = f.text[:at+len(logAnd)], f.text[at+len(logAnd):]
	}
	if rest, was := strings.CutPrefix(strings.TrimSpace(last), "!"); was {
		return before + rest
	}
	return before + "!" + strings.TrimSpace(last)
}

// And gives the text with room for another term.
func (f *LogFilter) And() string {
	if f.text == "" {
		return ""
	}
	return f.text + logAnd
}

// Shows tells whether a source is seen.
func (f *LogFilter) Shows(source int) bool { return f.hidden&(1<<(source%logSourcesMax)) == 0 }

// Toggle gives the filter with a source seen or hidden the other way round.
func (f LogFilter) Toggle(source int) LogFilter {
	f.hidden ^= 1 << (source % logSourcesMax)
	return f
}

// Only gives the filter with one source alone, or all with a negative number.
func (f LogFilter) Only(source int) LogFilter {
	f.hidden = 0
	if source >= 0 {
		f.hidden = ^uint64(0) &^ (1 << (source % logSourcesMax))
	}
	return f
}

// Sole gives the only source that is seen of so many; false if it is not exactly one.
func (f *LogFilter) Sole(sources int) (int, bool) {
	sole, count := 0, 0
	for i := range sources {
		if f.Shows(i) {
			sole, count = i, count+1
		}
	}
	return sole, count == 1 && sources > 1
}

// All tells whether all of so many sources are seen.
func (f *LogFilter) All(sources int) bool {
	for i := range sources {
		if !f.Shows(i) {
			return false
		}
	}
	return true
}

// Passes tells whether a line of a source that is seen gets through. Remarks always do: something may be missing there.
func (f *LogFilter) Passes(line *LogLine) bool {
	if line.Remark {
		return true
	}
	if line.Level < f.Level {
		return false
	}
	return f.Matches(line.Text)
}

// Matches tells whether all terms are true of a text.
func (f *LogFilter) Matches(text string) bool {
	for i := range f.terms {
		if term := &f.terms[i]; term.matches(text) == term.invert {
			return false
		}
	}
	return true
}

func (t *logTerm) matches(text string) bool {
	switch {
	case t.pattern != nil:
		return t.pattern.MatchString(text)
	case t.fold:
		return indexFold(text, t.plain) >= 0
	}
	return strings.Contains(text, t.plain)
}

// indexFold finds a word of small ASCII letters in whatever case; -1 if it is not there.
func indexFold(text, word string) int {
	for at := 0; at+len(word) <= len(text); at++ {
		i := 0
		for i < len(word) && small(text[at+i]) == word[i] {
			i++
		}
		if i == len(word) {
			return at
		}
	}
	return -1
}

func small(char byte) byte {
	if char >= 'A' && char <= 'Z' {
		return char + 'a' - 'A'
	}
	return char
}

// Hits gives the places in a text that the filter has searched for, in order and without overlap, as from and to.
func (f *LogFilter) Hits(text string) [][2]int {
	var hits [][2]int
	for i := range f.terms {
		if f.terms[i].invert {
			continue
		}
		for from := 0; from < len(text); {
			at, to := f.terms[i].find(text[from:])
			if at < 0 || to == at {
				break
			}
			hits = append(hits, [2]int{from + at, from + to})
			from += to
		}
	}
	return ordered(hits)
}

func (t *logTerm) find(text string) (from, to int) {
	at := -1
	switch {
	case t.pattern != nil:
		if place := t.pattern.FindStringIndex(text); place != nil {
			return place[0], place[1]
		}
		return -1, -1
	case t.fold:
		at = indexFold(text, t.plain)
	default:
		at = strings.Index(text, t.plain)
	}
	return at, at + len(t.plain)
}
