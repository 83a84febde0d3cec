package panel

import (
	"math"
	"strings"

	"synod/console/theme"
)

// none is a value that is not known, in a series.
func none() float64 { return math.NaN() }

// spark draws the newest values of a series as bars of one cell each, from 0 to top; 0 takes the highest value that is
// seen as the top. What is not known is told by its own sign.
func spark(t *theme.Theme, values []float64, width int, top float64) string {
	width = max(width, 0)
	values = values[max(0, len(values)-width):]
	if top <= 0 {
		top = highest(values)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(t.Spark.None, width-len(values)))
	for _, v := range values {
		b.WriteString(level(t, v, top))
	}
	return b.String()
}

// level is the bar of one value: the lowest one also stands for nothing at all, so that 0 and unknown differ.
func level(t *theme.Theme, v, top float64) string {
	if math.IsNaN(v) {
		return t.Spark.None
	}
	levels := t.Spark.Levels
	at := 0
	if top > 0 {
		at = int(v / top * float64(len(levels)))
	}
	return levels[min(max(at, 0), len(levels)-1)]
}

// bar draws a lying bar over so many cells for a part of the whole.
func bar(t *theme.Theme, part float64, width int) string {
	if width < 1 || math.IsNaN(part) {
		return strings.Repeat(" ", max(width, 0))
	}
	parts := t.Spark.Parts
	steps := int(math.Round(min(max(part, 0), 1) * float64(width*len(parts))))
	if steps == 0 && part > 0 {
		steps = 1 // something is not nothing
	}
	text := strings.Repeat(parts[len(parts)-1], steps/len(parts))
	if rest := steps % len(parts); rest > 0 {
		text += parts[rest-1]
	}
	return fit(text, width)
}
