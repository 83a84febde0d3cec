package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// LogField is one key=value of a line.
type LogField struct {
	Key, Value string // without quotes and escapes
}

// logFieldsMax bounds what is taken apart of one line.
const logFieldsMax = 64

// logGap stands between the message and the fields of a line's text.
const logGap = "  "

// ParseLogText takes a line as replicas and clients write it, key=value text or a JSON object, and gives the text of a
// LogLine and how much of it is the message. The time and the level are left out, they have fields of their own, and
// so is replica=SOURCE, which every line of that source has.
func ParseLogText(raw, source string) (text string, message int) {
	if strings.HasPrefix(raw, "{") {
		if text, message, ok := parseLogJSON(raw, source); ok {
			return text, message
		}
	}
	rest, said := raw, ""
	for _, want := range [...]string{"time", "level", "msg"} {
		field, behind, ok := nextLogField(rest)
		if !ok || field.Key != want {
			return raw, 0 // not of our own loggers: as it came
		}
		said, rest = field.Value, behind
	}
	if field, behind, ok := nextLogField(rest); ok && field.Key == "replica" && field.Value == source {
		rest = behind
	}
	if rest == "" {
		return said, len(said)
	}
	return said + logGap + rest, len(said)
}

func parseLogJSON(raw, source string) (text string, message int, ok bool) {
	var object map[string]any
	if json.Unmarshal([]byte(raw), &object) != nil {
		return "", 0, false
	}
	said, _ := object["msg"].(string)
	var words []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value := fmt.Sprint(object[key])
		if key == "time" || key == "level" || key == "msg" || key == "replica" && value == source {
			continue
		}
		words = append(words, key+"="+quotedIfNeeded(value))
	}
	if len(words) == 0 {
		return said, len(said), true
	}
	return said + logGap + strings.Join(words, " "), len(said), true
}

func quotedIfNeeded(value string) string {
	if value == "" || strings.ContainsAny(value, " =\"\n\r\t") {
		return strconv.Quote(value)
	}
	return value
}

// nextLogField takes the first key=value off a text.
func nextLogField(text string) (field LogField, rest string, ok bool) {
	text = strings.TrimLeft(text, " ")
	key, behind, ok := cutWord(text, '=')
	if !ok || !strings.HasPrefix(behind, "=") {
		return LogField{}, text, false
	}
	value, rest, ok := cutWord(behind[1:], ' ')
	return LogField{key, value}, strings.TrimLeft(rest, " "), ok
}

// cutWord takes a word off a text: quoted, or up to the end sign, which stays.
func cutWord(text string, end byte) (word, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", text, false
		}
		word, err = strconv.Unquote(quoted)
		return word, text[len(quoted):], err == nil
	}
	at := strings.IndexByte(text, end)
	if at < 0 {
		at = len(text)
	}
	return text[:at], text[at:], true
}

// Said is the message of the line.
func (l *LogLine) Said() string { return l.Text[:l.Message] }

// Rest is the fields as they are written, "" if there are none.
func (l *LogLine) Rest() string { return strings.TrimLeft(l.Text[l.Message:], " ") }

// Fields takes the fields apart, as many as a person can look at.
func (l *LogLine) Fields() []LogField {
	var fields []LogField
	for rest := l.Rest(); rest != "" && len(fields) < logFieldsMax; {
		field, behind, ok := nextLogField(rest)
		if !ok {
			break
		}
		fields, rest = append(fields, field), behind
	}
	return fields
}

// Field gives the value of a field; false if the line has none of that key.
func (l *LogLine) Field(key string) (value string, ok bool) {
	for _, field := range l.Fields() {
		if field.Key == key {
			return field.Value, true
		}
	}
	return "", false
}
