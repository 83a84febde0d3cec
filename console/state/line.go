package state

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is the text at the prompt with its cursor and its history. The zero value is an empty one.
type Line struct {
	text    []rune
	cursor  int // index into text, up to its length
	history []string
	at      int    // index into history while walking through it; len(history) at the new line
	draft   string // the new line, while walking
}

const (
	lineLettersMax = 64 << 10
	historyMax     = 1000
)

// Text gives what is typed.
func (l *Line) Text() string { return string(l.text) }

// Before gives what is left of the cursor.
func (l *Line) Before() string { return string(l.text[:l.cursor]) }

// After gives the rest.
func (l *Line) After() string { return string(l.text[l.cursor:]) }

// Empty tells whether nothing is typed.
func (l *Line) Empty() bool { return len(l.text) == 0 }

// Set replaces the text and puts the cursor behind it.
func (l Line) Set(text string) Line {
	l.text = []rune(text)
	l.cursor = len(l.text)
	return l
}

// SetAt replaces the text and puts the cursor before a byte of it.
func (l Line) SetAt(text string, at int) Line {
	l = l.Set(text)
	l.cursor = utf8.RuneCountInString(text[:min(max(at, 0), len(text))])
	return l
}

// History lists the lines that were entered, the newest last. It is not changed.
func (l *Line) History() []string { return l.history }

// Insert adds text at the cursor. What a terminal would obey becomes a space.
func (l Line) Insert(text []rune) Line {
	clean := make([]rune, 0, len(text))
	for _, char := range text {
		if unicode.IsControl(char) {
			char = ' '
		}
		clean = append(clean, char)
	}
	if len(l.text)+len(clean) > lineLettersMax {
		return l
	}
	l.text = slices.Concat(l.text[:l.cursor], clean, l.text[l.cursor:])
	l.cursor += len(clean)
	return l
}

// Move moves the cursor by letters, as far as there are any.
func (l Line) Move(by int) Line {
	l.cursor = min(max(l.cursor+by, 0), len(l.text))
	return l
}

// Left moves by one letter.
func (l Line) Left() Line { return l.Move(-1) }

// Right moves by one letter.
func (l Line) Right() Line { return l.Move(1) }

// Home moves to the first letter.
func (l Line) Home() Line { return l.Move(-len(l.text)) }

// End moves behind the last letter.
func (l Line) End() Line { return l.Move(len(l.text)) }

// cut takes out the letters from one index to another and leaves the cursor between their neighbours.
func (l Line) cut(from, to int) Line {
	from, to = max(from, 0), min(to, len(l.text))
	if from < to {
		l.text = slices.Concat(l.text[:from], l.text[to:])
	}
	l.cursor = min(from, len(l.text))
	return l
}

// Backspace deletes the letter left of the cursor.
func (l Line) Backspace() Line { return l.cut(l.cursor-1, l.cursor) }

// Delete deletes the letter under the cursor.
func (l Line) Delete() Line { return l.cut(l.cursor, l.cursor+1) }

// DeleteWord deletes the word left of the cursor.
func (l Line) DeleteWord() Line {
	from := l.cursor
	for from > 0 && l.text[from-1] == ' ' {
		from--
	}
	for from > 0 && l.text[from-1] != ' ' {
		from--
	}
	return l.cut(from, l.cursor)
}

// DeleteBefore deletes everything left of the cursor.
func (l Line) DeleteBefore() Line { return l.cut(0, l.cursor) }

// DeleteAfter deletes from the cursor to the end.
func (l Line) DeleteAfter() Line { return l.cut(l.cursor, len(l.text)) }

// Enter gives the text, keeps it in the history and empties the line. The same line twice in a row is kept once; a line
// that begins with a space is not kept.
func (l Line) Enter() (string, Line) {
	text := string(l.text)
	worth := text != "" && text[0] != ' ' && (len(l.history) == 0 || l.history[len(l.history)-1] != text)
	if worth {
		l.history = append(slices.Clone(l.history[max(0, len(l.history)-historyMax+1):]), text)
	}
	l.at, l.draft = len(l.history), ""
	return text, l.Set("")
}

// Remember adds older lines to the history, the newest last.
func (l Line) Remember(lines ...string) Line {
	all := append(slices.Clone(lines), l.history...)
	l.history = all[max(0, len(all)-historyMax):]
	l.at = len(l.history)
	return l
}

// Find gives the newest line of the history that holds a text, after so many that do are passed over; a line that was
// already passed over is not found again. "" if there is none.
func (l *Line) Find(text string, skip int) string {
	var passed []string
	for _, line := range slices.Backward(l.history) {
		if !strings.Contains(line, text) || slices.Contains(passed, line) {
			continue
		}
		if len(passed) == skip {
			return line
		}
		passed = append(passed, line)
	}
	return ""
}

// Older shows the line of the history before the one shown now.
func (l Line) Older() Line {
	if l.at == 0 {
		return l
	}
	if l.at == len(l.history) {
		l.draft = string(l.text)
	}
	l.at--
	return l.Set(l.history[l.at])
}

// Newer shows the line of the history behind the one shown now, at last the line that was being typed.
func (l Line) Newer() Line {
	if l.at >= len(l.history) {
		return l
	}
	l.at++
	if l.at == len(l.history) {
		return l.Set(l.draft)
	}
	return l.Set(l.history[l.at])
}
