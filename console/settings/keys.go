package settings

import (
	"slices"
	"strings"
)

// keys reads which keys are moved: the key that does something on the left, the one that shall do it on the right.
func (l *loader) keys(value any) {
	if value == nil {
		return
	}
	table, ok := value.(map[string]any)
	if !ok {
		l.wrong("keys", `keys is a section: write [keys] and below it lines such as q = "Q"`)
		return
	}
	var names []string
	for name := range table {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return l.places["keys."+a] - l.places["keys."+b] })
	moved := map[string]string{} // from the new key to the old one
	for _, name := range names {
		pressed, isText := table[name].(string)
		at := "keys." + name
		switch {
		case !isText || pressed == "":
			l.wrong(at, `keys.%s: the name of a key in quotes is wanted here, such as "Q" or "ctrl+q"`, name)
		case !slices.Contains(l.source.Keys, name):
			l.wrong(at, "keys.%s: %q does nothing, so there is nothing to move; ? lists what keys do", name, name)
		case moved[pressed] != "":
			l.wrong(at, "keys.%s: %q would do what %s does and what %s does; choose another key for one of them",
				name, pressed, moved[pressed], name)
		case l.taken(pressed, table):
			l.wrong(at, "keys.%s: %q does something already; choose another key, or move that one too", name, pressed)
		default:
			moved[pressed] = name
		}
	}
	l.settings.Keys = moved
	for _, name := range names {
		if moved[name] == "" {
			l.settings.Keys[name] = "" // what it did is elsewhere now
		}
	}
}

// taken tells whether a key does something that is not moved elsewhere.
func (l *loader) taken(key string, table map[string]any) bool {
	_, away := table[key]
	return slices.Contains(l.source.Keys, key) && !away
}

// places maps each name of the file to the line on which it stands: the library tells only those of syntax errors. A
// name in a section has the section in front.
func places(text string) map[string]int {
	found := map[string]int{}
	section := ""
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if header, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ := strings.Cut(strings.Trim(header, "[ "), "]")
			section = strings.Trim(strings.TrimSpace(name), `"'`)
			found[section] = number
			section += "."
			continue
		}
		name, ok := leadingName(line)
		if !ok {
			continue
		}
		if _, known := found[section+name]; !known {
			found[section+name] = number
		}
	}
	return found
}

// leadingName is what stands before the equals sign, without its quotes.
func leadingName(line string) (string, bool) {
	if line == "" || line[0] == '#' {
		return "", false
	}
	if quote := line[0]; quote == '"' || quote == '\'' {
		name, rest, ok := strings.Cut(line[1:], string(quote))
		return name, ok && strings.HasPrefix(strings.TrimSpace(rest), "=")
	}
	name, _, ok := strings.Cut(line, "=")
	return strings.TrimSpace(name), ok
}
