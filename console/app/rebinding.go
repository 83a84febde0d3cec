package app

import (
	"fmt"
	"slices"
)

// Keys says which keys do what others would: from the key that a person presses to the one whose meaning it has, "" for
// none. The zero value changes nothing.
type Keys map[string]string

// name gives the key that is meant.
func (k Keys) name(pressed string) string {
	if meant, ok := k[pressed]; ok {
		return meant
	}
	return pressed
}

// moved tells where the meaning of some keys has gone.
func (k Keys) moved(names []string) string {
	text := ""
	for _, name := range names {
		for _, pressed := range sortedKeys(k) {
			if k[pressed] == name {
				text += fmt.Sprintf(" (moved to %s)", pressed)
			}
		}
	}
	return text
}

func sortedKeys(k Keys) []string {
	var names []string
	for name := range k {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// KeyNames lists the keys that do something outside of text fields, for settings that move them.
func KeyNames() []string {
	var names []string
	add := func(list []binding) {
		for _, b := range list {
			for _, name := range b.on {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	add(globals())
	for _, p := range newPages() {
		add(p.bindings())
	}
	slices.Sort(names)
	return names
}
