// Package theme holds the looks of the screen: styles named by what they mean, glyphs, frames and the signs of graphs.
// Colours are the terminal's own 16. Nothing is told by colour alone, so a theme without any loses nothing.
package theme

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Theme is a set of styles and signs. It is read only.
type Theme struct {
	Name    string         // as in Names
	Title   lipgloss.Style // names of panes and of the cluster
	Leader  lipgloss.Style
	Good    lipgloss.Style // works, agreed
	Warning lipgloss.Style // paused, catching up, missing
	Bad     lipgloss.Style // crashed, failed, unreachable
	Info    lipgloss.Style // worth a look, nothing wrong
	Old     lipgloss.Style // no longer of now
	Quiet   lipgloss.Style // frames, headings, hints
	Focus   lipgloss.Style // frame of the pane that has the keys
	Select  lipgloss.Style // the chosen row or cell; Glyphs.Select stands before it too
	Match   lipgloss.Style // what a search has found
	Ghost   lipgloss.Style // the rest of a completion, not typed yet
	Graph   lipgloss.Style // bars of charts
	Typed   lipgloss.Style // what a person typed
	Cursor  lipgloss.Style
	Plain   lipgloss.Style
	Glyphs  Glyphs
	Border  Border
	Spark   Spark
}

// Glyphs are the signs for states, each one cell wide.
type Glyphs struct {
	Running, Paused, Down, Recovering, Unknown, Leader, Failed string
	// Select stands before the chosen row, Open and Shut before a branch of a tree.
	Select, Open, Shut string
	// Asked, Accepted, Applied and Absent are the states of one slot at one replica.
	Asked, Accepted, Applied, Absent string
	// Good, Slow and Self are cells of the board of links: works, delayed, the replica itself.
	Good, Slow, Self string
	// Follow, Dot, Times, Ellipsis and Arrow are parts of sentences.
	Follow, Dot, Ellipsis, Arrow string
	Prompt, Cursor               string
	// Spinner has one sign for each step of something that runs.
	Spinner []string
}

// Border is the frame of panes, each sign one cell wide.
type Border struct {
	TopLeft, TopRight, BottomLeft, BottomRight, Horizontal, Vertical string
	// Corner, Tick, LeftTick and RightTick are the axes of charts.
	Corner, Tick, LeftTick, RightTick string
}

// Spark is the set of signs of which graphs are made.
type Spark struct {
	Levels []string // bars standing on the ground, from the lowest that is seen to a full cell
	Parts  []string // bars lying at the left edge, from the narrowest to a full cell
	Shade  string   // a part of a bar that is not there yet
	None   string   // no data
}

// Look chooses a theme. The zero value is the automatic one with block graphs and rounded frames.
type Look struct {
	Theme  string // one of Names, "" for auto
	Graphs string // block, braille or ascii, "" for block
	Border string // rounded, plain or ascii, "" for rounded
	// Plain leaves out all escape sequences, whatever the theme: NO_COLOR, or a terminal that knows none.
	Plain bool
	// Light is what auto means: the terminal has a light background.
	Light bool
}

// Names lists the themes in the order in which they are gone through.
func Names() []string { return []string{"auto", "dark", "light", "mono", "contrast"} }

// Graphs lists the sets of signs for graphs.
func Graphs() []string { return []string{"block", "braille", "ascii"} }

// Borders lists the kinds of frames.
func Borders() []string { return []string{"rounded", "plain", "ascii"} }

// New makes the automatic theme, or one without any escape sequence. It asks the terminal nothing.
func New(plain bool) *Theme { return From(Look{Plain: plain}) }

// From makes the theme of a look; a name that is not known counts as the first of its list. It asks the terminal nothing.
func From(look Look) *Theme {
	renderer := lipgloss.NewRenderer(io.Discard)
	renderer.SetHasDarkBackground(!look.Light)
	renderer.SetColorProfile(termenv.ANSI)
	if look.Plain {
		renderer.SetColorProfile(termenv.Ascii)
	}
	t := &Theme{Name: look.Theme, Plain: renderer.NewStyle()}
	if t.Name == "" {
		t.Name = "auto"
	}
	switch {
	case t.Name == "mono":
		t.mono(renderer)
	case t.Name == "contrast":
		t.contrast(renderer)
	case t.Name == "light", t.Name != "dark" && look.Light:
		t.colours(renderer, "4", "0")
	default:
		t.colours(renderer, "6", "7")
	}
	t.Title, t.Typed = t.Plain.Bold(true), t.Plain.Bold(true)
	t.Cursor, t.Select = t.Plain.Reverse(true), t.Plain.Reverse(true)
	t.Glyphs = glyphs(look.Border == "ascii")
	t.Border, t.Spark = border(look.Border), spark(look.Graphs)
	if look.Plain {
		t.Glyphs.Cursor = "▏" // reverse video is not there to show it
		if look.Border == "ascii" {
			t.Glyphs.Cursor = "|"
		}
	}
	return t
}

// colours sets the styles with colour. Yellow and white are hard to read on a light background, so the accent and the
// warnings differ there.
func (t *Theme) colours(r *lipgloss.Renderer, accent, text string) {
	color := func(code string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(code)) }
	t.Leader, t.Info, t.Focus = color(accent).Bold(true), color(accent), color(accent)
	t.Good, t.Bad, t.Warning = color("2"), color("1").Bold(true), color("3")
	if text == "0" {
		t.Warning = color("5")
	}
	t.Old, t.Quiet, t.Ghost = r.NewStyle().Faint(true), r.NewStyle().Faint(true), r.NewStyle().Faint(true)
	t.Match = color("3").Underline(true)
	t.Graph = color(accent)
}

// mono uses weight, underline and reverse video only.
func (t *Theme) mono(r *lipgloss.Renderer) {
	t.Leader, t.Bad, t.Focus = r.NewStyle().Bold(true), r.NewStyle().Bold(true), r.NewStyle().Bold(true)
	t.Warning, t.Match = r.NewStyle().Underline(true), r.NewStyle().Underline(true)
	t.Old, t.Quiet, t.Ghost = r.NewStyle().Faint(true), r.NewStyle().Faint(true), r.NewStyle().Faint(true)
	t.Good, t.Info, t.Graph = r.NewStyle(), r.NewStyle(), r.NewStyle()
}

// contrast uses the bright colours, and nothing faint.
func (t *Theme) contrast(r *lipgloss.Renderer) {
	color := func(code string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(code)).Bold(true) }
	t.Leader, t.Info, t.Focus, t.Graph = color("14"), color("14"), color("14"), color("14")
	t.Good, t.Bad, t.Warning = color("10"), color("9"), color("11")
	t.Match = color("11").Underline(true)
	t.Old, t.Ghost = r.NewStyle().Underline(true), r.NewStyle().Underline(true)
	t.Quiet = r.NewStyle()
}
