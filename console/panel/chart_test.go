package panel

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"synod/console/theme"
)

func TestSparks(t *testing.T) {
	look := theme.New(true)
	for _, row := range []struct {
		values []float64
		width  int
		top    float64
		want   string
	}{
		{nil, 3, 0, "___"},
		{[]float64{0, 4, 8}, 3, 0, "▁▅█"},
		{[]float64{none(), 8}, 4, 0, "___█"},
		{[]float64{1, 2, 3, 4}, 2, 8, "▄▅"},
		{[]float64{0, 0}, 2, 0, "▁▁"},
		{[]float64{5}, -1, 0, ""},
	} {
		if got := spark(look, row.values, row.width, row.top); got != row.want {
			t.Errorf("%v in %d: %q, want %q", row.values, row.width, got, row.want)
		}
	}
}

func TestBars(t *testing.T) {
	look := theme.New(true)
	for _, row := range []struct {
		part  float64
		width int
		want  string
	}{
		{0, 3, "   "},
		{1, 3, "███"},
		{0.5, 3, "█▌ "},
		{0.0001, 3, "▏  "},
		{7, 2, "██"},
		{math.NaN(), 2, "  "},
		{1, 0, ""},
	} {
		if got := bar(look, row.part, row.width); got != row.want {
			t.Errorf("%v of %d: %q, want %q", row.part, row.width, got, row.want)
		}
	}
}

func TestAxesEndAtRoundNumbers(t *testing.T) {
	for _, row := range []struct{ top, want float64 }{{0, 4}, {4, 4}, {5, 6}, {11, 20}, {999, 1000}, {18400, 20000}, {61000, 80000}} {
		if got := roundTop(row.top); got != row.want {
			t.Errorf("%v: %v, want %v", row.top, got, row.want)
		}
	}
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1k", 1500: "1.5k", 24000: "24k", 3_100_000: "3.1M"} {
		if got := short(n); got != want {
			t.Errorf("%v: %q, want %q", n, got, want)
		}
	}
}

// TestChartsFillTheirRoom at every size, with marks at the ends and close together, in every set of signs.
func TestChartsFillTheirRoom(t *testing.T) {
	values := make([]float64, 300)
	for i := range values {
		if values[i] = float64(i % 50); i%7 == 0 {
			values[i] = none()
		}
	}
	marks := []chartMark{
		{299, "F", "long ago"}, {40, "F", "pause r3.acceptor"}, {39, "L", "r1 to r2"}, {2, "F", "cut 東京 r5"}, {0, "L", "now"},
	}
	for _, graphs := range theme.Graphs() {
		look := theme.From(theme.Look{Plain: true, Graphs: graphs})
		for width := 1; width < 130; width += 3 {
			for height := 1; height < 20; height += 2 {
				c := chart{theme: look, values: values, format: short, marks: marks, style: look.Graph}
				lines := c.draw(width, height)
				if len(lines) > height {
					t.Fatalf("%s %dx%d: %d lines", graphs, width, height, len(lines))
				}
				for _, line := range lines {
					if got := ansi.StringWidth(line); got != width {
						t.Fatalf("%s %dx%d: a line of %d cells: %q", graphs, width, height, got, line)
					}
				}
			}
		}
	}
	look := theme.New(true)
	c := chart{theme: look, values: values, format: short, marks: marks, style: look.Graph}
	text := strings.Join(c.draw(80, 10), "\n")
	for _, want := range []string{"pause r3.acceptor", "r1 to r2", "now"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestAFaultIsSeenBesideTheChangeOfLeaderThatItCaused(t *testing.T) {
	for _, row := range []struct{ marks, want []chartMark }{
		{[]chartMark{{7, "F", ""}, {7, "L", ""}}, []chartMark{{8, "F", ""}, {7, "L", ""}}},
		{[]chartMark{{8, "F", ""}, {7, "F", ""}, {7, "L", ""}}, []chartMark{{8, "F", ""}, {7, "F", ""}, {7, "L", ""}}},
		{[]chartMark{{9, "F", ""}, {9, "L", ""}}, []chartMark{{9, "F", ""}, {9, "L", ""}}}, // the last column
		{[]chartMark{{3, "F", ""}, {2, "L", ""}}, []chartMark{{3, "F", ""}, {2, "L", ""}}},
	} {
		if got := apart(slices.Clone(row.marks), 10); !slices.Equal(got, row.want) {
			t.Errorf("%v became %v, want %v", row.marks, got, row.want)
		}
	}
}
