package config

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// place is a position in a file, both from 1; the column counts characters.
type place struct {
	line, column int
}

// location is where a key and its value begin. A section has no value: both are its header then.
type location struct {
	key, value place
}

// locate maps each dotted key of the text to its place. The TOML library knows places only of syntax errors, so this
// small scanner finds them again. It relies on text that the library has accepted; on anything else it ends too, with
// some places missing.
func locate(text string) map[string]location {
	s := &scanner{text: text, found: map[string]location{}}
	var section toml.Key
	for s.skipBlank(true); s.at < len(s.text); s.skipBlank(true) {
		before := s.at
		if s.text[s.at] == '[' {
			header := s.at
			s.at += len(s.text[s.at:]) - len(strings.TrimLeft(s.text[s.at:], "["))
			section = s.key()
			s.note(section, header, header)
			s.skipLine()
			continue
		}
		s.pair(section)
		if s.at == before {
			s.skipLine()
		}
	}
	return s.found
}

type scanner struct {
	text  string
	at    int // offset of the next byte
	found map[string]location

	// The place of offset counted, so that places, asked for in rising order, cost one pass over the text in all.
	counted      int
	line, column int
}

// note records where a key stands; the first mention wins. Parents that were not mentioned get the same place.
func (s *scanner) note(key toml.Key, keyAt, valueAt int) {
	spot := location{key: s.placeOf(keyAt), value: s.placeOf(valueAt)}
	for end := len(key); end > 0; end-- {
		name := key[:end].String()
		if _, known := s.found[name]; known {
			return
		}
		s.found[name] = spot
	}
}

// placeOf turns an offset into line and column.
func (s *scanner) placeOf(offset int) place {
	if s.line == 0 || offset < s.counted {
		s.counted, s.line, s.column = 0, 1, 1
	}
	for _, char := range s.text[s.counted:offset] {
		s.column++
		if char == '\n' {
			s.line, s.column = s.line+1, 1
		}
	}
	s.counted = offset
	return place{s.line, s.column}
}

// pair scans key = value.
func (s *scanner) pair(section toml.Key) {
	keyAt := s.at
	key := append(section[:len(section):len(section)], s.key()...)
	s.skipBlank(false)
	if !s.take('=') {
		return
	}
	s.skipBlank(false)
	s.note(key, keyAt, s.at)
	s.value(key)
}

// key scans a dotted key.
func (s *scanner) key() toml.Key {
	var parts toml.Key
	for {
		s.skipBlank(false)
		start := s.at
		switch {
		case s.at < len(s.text) && (s.text[s.at] == '"' || s.text[s.at] == '\''):
			s.quoted()
			parts = append(parts, unquote(s.text[start:s.at]))
		default:
			for s.at < len(s.text) && !strings.ContainsRune(" \t\r\n.=]#[{},\"'", rune(s.text[s.at])) {
				s.at++
			}
			parts = append(parts, s.text[start:s.at])
		}
		s.skipBlank(false)
		if !s.take('.') {
			return parts
		}
	}
}

// value scans one value; the pairs of an inline table are noted under key.
func (s *scanner) value(key toml.Key) {
	if s.at >= len(s.text) {
		return
	}
	switch s.text[s.at] {
	case '{':
		s.list('}', func() { s.pair(key) })
	case '[':
		s.list(']', func() { s.value(key) })
	case '"', '\'':
		s.quoted()
	default:
		for s.at < len(s.text) && !strings.ContainsRune(",]}#\n", rune(s.text[s.at])) {
			s.at++
		}
	}
}

// list scans the elements of an array or of an inline table up to its closing bracket.
func (s *scanner) list(closing byte, element func()) {
	s.at++
	for {
		s.skipBlank(true)
		if s.at >= len(s.text) || s.take(closing) {
			return
		}
		before := s.at
		element()
		s.skipBlank(true)
		if !s.take(',') && s.at == before {
			s.at++ // no TOML: go on somewhere rather than stay
		}
	}
}

// quoted scans a string in any of the four forms.
func (s *scanner) quoted() {
	quote := s.text[s.at : s.at+1]
	long := strings.Repeat(quote, 3)
	closing := quote
	if strings.HasPrefix(s.text[s.at:], long) {
		closing = long
	}
	s.at += len(closing)
	for s.at < len(s.text) && !strings.HasPrefix(s.text[s.at:], closing) {
		if s.text[s.at] == '\\' && quote == `"` {
			s.at++
		}
		s.at++
	}
	s.at = min(s.at+len(closing), len(s.text))
	for closing == long && s.take(quote[0]) { // up to two quotes may stand right before the closing three
		continue
	}
}

func (s *scanner) take(char byte) bool {
	if s.at < len(s.text) && s.text[s.at] == char {
		s.at++
		return true
	}
	return false
}

// skipBlank skips spaces, and line ends and comments too if asked.
func (s *scanner) skipBlank(lines bool) {
	for s.at < len(s.text) {
		switch char := s.text[s.at]; {
		case char == ' ' || char == '\t' || char == '\r':
			s.at++
		case char == '\n' && lines:
			s.at++
		case char == '#' && lines:
			s.skipLine()
		default:
			return
		}
	}
}

func (s *scanner) skipLine() {
	end := strings.IndexByte(s.text[s.at:], '\n')
	if end < 0 {
		end = len(s.text) - s.at
	}
	s.at += end
}

// unquote gives the text of a quoted key. TOML's escapes that Go does not have are so rare in keys that they may stay.
func unquote(quoted string) string {
	if inner, err := strconv.Unquote(quoted); err == nil && quoted[0] == '"' {
		return inner
	}
	return strings.Trim(quoted, quoted[:1])
}
