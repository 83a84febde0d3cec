package command

import (
	"fmt"
	"strings"
)

// Help lists all verbs by group.
func (g *Grammar) Help() string {
	var text strings.Builder
	for _, group := range Groups() {
		fmt.Fprintf(&text, "%s\n", group)
		for _, verb := range g.verbs {
			if verb.Group == group {
				fmt.Fprintf(&text, "  %-10s %s\n", verb.Name, verb.Help)
			}
		}
	}
	text.WriteString("\nTargets: @auto (any that answers) @random @leader @r3 @all. help VERB tells more.\n")
	return text.String()
}

// HelpVerb explains one verb: examples first, then what it takes. An unknown name gives a hint.
func (g *Grammar) HelpVerb(name string) string {
	verb, ok := g.Verb(name)
	if !ok {
		return unknown("verb", name, g.Names()) + "\n"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n\n", verb.Name, verb.Help)
	for _, example := range verb.Examples {
		fmt.Fprintf(&text, "  %s\n", example)
	}
	if len(verb.Examples) > 0 {
		text.WriteString("\n")
	}
	fmt.Fprintf(&text, "Usage: %s\n", verb.Usage())
	if len(verb.Aliases) > 0 {
		fmt.Fprintf(&text, "Also:  %s\n", strings.Join(verb.Aliases, ", "))
	}
	for i := range verb.Options {
		option := &verb.Options[i]
		fmt.Fprintf(&text, "  %-32s %s\n", option.Name+"="+option.values(), option.Help)
	}
	if verb.Long != "" {
		fmt.Fprintf(&text, "\n%s\n", verb.Long)
	}
	return text.String()
}
