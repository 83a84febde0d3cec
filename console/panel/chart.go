package panel

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// chart is a series over the last seconds, one column each, the newest at the right.
type chart struct {
	theme  *theme.Theme
	values []float64 // one a second, the oldest first; none() for unknown
	format func(float64) string
	marks  []chartMark
	style  lipgloss.Style
}

// chartMark is an event on the axis.
type chartMark struct {
	back   int    // columns before the newest
	letter string // F or L
	text   string
}

const (
	chartAxisCells = 5 // a number and the axis
	chartAxisRows  = 2 // the axis and its labels
	chartTickCells = 10
	// chartLabelCells is the longest label of a mark.
	chartLabelCells = 24
)

// columns is the number of values that fit into so many cells.
func (c *chart) columns(width int) int { return max(width-chartAxisCells, 0) }

// draw makes the lines of the chart: bars, an axis with marks, and what the marks mean.
func (c *chart) draw(width, height int) []string {
	columns, rows := c.columns(width), height-chartAxisRows
	if columns < 1 || rows < 1 {
		return []string{spark(c.theme, c.values, max(width, 0), 0)}
	}
	values := c.values[max(0, len(c.values)-columns):]
	top := roundTop(highest(values))
	lines := make([]string, 0, height)
	for row := rows; row > 0; row-- {
		label := ""
		if (rows-row)%max(rows/4, 1) == 0 {
			label = c.format(top * float64(row) / float64(rows))
		}
		lines = append(lines, styled(c.theme.Quiet, right(label, chartAxisCells-1)+c.theme.Border.LeftTick)+
			strings.Repeat(" ", columns-len(values))+c.bars(values, top, row, rows))
	}
	return append(lines, c.axis(columns), c.labels(columns))
}

// bars is one row of the chart.
func (c *chart) bars(values []float64, top float64, row, rows int) string {
	levels := c.theme.Spark.Levels
	var b strings.Builder
	for _, v := range values {
		switch steps := v / top * float64(rows*len(levels)); {
		case math.IsNaN(v):
			if row == 1 {
				b.WriteString(c.theme.Spark.None)
			} else {
				b.WriteByte(' ')
			}
		default:
			at := int(math.Round(steps)) - (row-1)*len(levels)
			if row == 1 && v > 0 {
				at = max(at, 1)
			}
			if at < 1 {
				b.WriteByte(' ')
			} else {
				b.WriteString(levels[min(at, len(levels))-1])
			}
		}
	}
	return styled(c.style, b.String())
}

// axis is the line under the bars, with a tick every so many seconds and the letters of the marks.
func (c *chart) axis(columns int) string {
	border := c.theme.Border
	letters := make([]string, columns)
	for _, mark := range c.marks {
		if at := columns - 1 - mark.back; at >= 0 {
			letters[at] = mark.letter
		}
	}
	var b strings.Builder
	plain := right("0", chartAxisCells-1) + border.Corner
	for i, letter := range letters {
		if letter != "" {
			b.WriteString(styled(c.theme.Quiet, plain) + styled(c.theme.Warning, letter))
			plain = ""
			continue
		}
		if back := columns - 1 - i; back > 0 && back%chartTickCells == 0 {
			plain += border.Tick
		} else {
			plain += border.Horizontal
		}
	}
	return b.String() + styled(c.theme.Quiet, plain)
}

// labels stand under the axis: what the newest marks mean where there is room, the time elsewhere.
func (c *chart) labels(columns int) string {
	line := make([]string, columns) // what begins in a column
	for i := range line {
		line[i] = " "
	}
	put := func(at int, text string, style lipgloss.Style) bool {
		cells := ansi.StringWidth(text)
		if at < 0 || at+cells > columns || cells == 0 {
			return false
		}
		for i := max(at-1, 0); i < min(at+cells+1, columns); i++ {
			if line[i] != " " {
				return false
			}
		}
		line[at] = styled(style, text)
		for i := at + 1; i < at+cells; i++ {
			line[i] = ""
		}
		return true
	}
	put(columns-len("now"), "now", c.theme.Quiet)
	for i := len(c.marks) - 1; i >= 0; i-- {
		text := ansi.Truncate(command.Visible(c.marks[i].text), chartLabelCells, c.theme.Glyphs.Ellipsis)
		cells := ansi.StringWidth(text)
		at := min(max(columns-1-c.marks[i].back-cells/2, 0), max(columns-cells, 0))
		for range cells { // beside what is there already, if that is near
			if put(at, text, c.theme.Warning) {
				break
			}
			at--
		}
	}
	for back := 2 * chartTickCells; back < columns; back += 2 * chartTickCells {
		text := fmt.Sprintf("-%ds", back)
		put(columns-1-back-len(text)/2, text, c.theme.Quiet)
	}
	return strings.Repeat(" ", chartAxisCells) + strings.Join(line, "")
}

func highest(values []float64) float64 {
	top := 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			top = max(top, v)
		}
	}
	return top
}

// roundTop is the end of an axis: the next of 1, 2, 4, 6, 8 times a power of ten.
func roundTop(top float64) float64 {
	if top <= 4 {
		return 4
	}
	power := math.Pow(10, math.Floor(math.Log10(top)))
	for _, step := range []float64{1, 2, 4, 6, 8, 10} {
		if top <= step*power {
			return step * power
		}
	}
	return 10 * power
}

// short writes a number in at most four letters: 0, 950, 1.2k, 24k, 3.1M.
func short(n float64) string {
	switch {
	case n >= 9_950_000:
		return fmt.Sprintf("%.0fM", n/1e6)
	case n >= 999_500:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 9_950:
		return fmt.Sprintf("%.0fk", n/1000)
	case n >= 1000:
		return strings.Replace(fmt.Sprintf("%.1fk", n/1000), ".0k", "k", 1)
	}
	return fmt.Sprintf("%.0f", n)
}

// series picks a number out of every second; seconds that were not watched are unknown.
func series(seconds []state.Second, pick func(*state.Second) float64) []float64 {
	values := make([]float64, len(seconds))
	for i := range seconds {
		if values[i] = none(); seconds[i].Known {
			values[i] = pick(&seconds[i])
		}
	}
	return values
}

// historyMarks are the events that lie on the columns of a chart.
func historyMarks(h *state.History, columns int) []chartMark {
	if len(h.Seconds) == 0 {
		return nil
	}
	end := h.Seconds[len(h.Seconds)-1].At
	var marks []chartMark
	for i := range h.Marks {
		mark := &h.Marks[i]
		back := int(max(end.Sub(mark.At), 0) / time.Second)
		if back >= columns || mark.Kind == state.FaultOver {
			continue
		}
		letter := "F"
		if mark.Kind == state.LeaderChange {
			letter = "L"
		}
		marks = append(marks, chartMark{back, letter, mark.Text})
	}
	return apart(marks, columns)
}

// apart moves a fault one column to the left that shares its second with a change of leader, most often one that it has
// caused: both are seen, in their order.
func apart(marks []chartMark, columns int) []chartMark {
	taken := map[int]bool{}
	led := map[int]bool{}
	for i := range marks {
		taken[marks[i].back] = true
		led[marks[i].back] = led[marks[i].back] || marks[i].letter == "L"
	}
	for i := range marks {
		before := marks[i].back + 1
		if marks[i].letter == "F" && led[before-1] && !taken[before] && before < columns {
			marks[i].back, taken[before] = before, true
		}
	}
	return marks
}
