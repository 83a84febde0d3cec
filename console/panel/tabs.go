package panel

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/theme"
)

// TabsView are the titles of the screens, and which one is seen.
type TabsView struct {
	Long, Short []string
	At          int
}

// Tabs is the line with the numbers and names of the screens. The one that is seen stands in brackets.
func Tabs(v TabsView, status string, t *theme.Theme, width int) string {
	var b strings.Builder
	for i, text := range v.texts(width) {
		style := t.Plain
		if i == v.At {
			style = t.Title
		}
		b.WriteString(styled(style, text))
	}
	bar := b.String()
	for room := width - ansi.StringWidth(bar) - 2; status != "" && ansi.StringWidth(status) > room; {
		_, status, _ = strings.Cut(status, "  ") // the last words are the most important ones
	}
	return fit(spread(bar, styled(t.Quiet, status+" "), width), width)
}

// TabAt gives the index of the title at a column, -1 if there is none.
func TabAt(v TabsView, width, x int) int {
	from := 0
	for i, text := range v.texts(width) {
		if x >= from && x < from+ansi.StringWidth(text) {
			return i
		}
		from += ansi.StringWidth(text)
	}
	return -1
}

// texts are the titles as they are shown: the long ones if there is room.
func (v *TabsView) texts(width int) []string {
	for _, form := range []struct {
		names []string
		gap   string
	}{{v.Long, "  "}, {v.Long, ""}, {v.Short, ""}, {nil, ""}} {
		var texts []string
		total := 0
		for i := range v.Long {
			text := fmt.Sprint(i + 1)
			if form.names != nil {
				text += " " + form.names[i]
			}
			if i == v.At {
				text = "[" + text + "]"
			} else {
				text = " " + text + " "
			}
			texts = append(texts, text+form.gap)
			total += ansi.StringWidth(text + form.gap)
		}
		if total <= width || form.names == nil {
			return texts
		}
	}
	return nil
}
