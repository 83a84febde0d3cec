// Package theme holds the looks of the screen: styles named by what they mean, and glyphs. Nothing is told by colour
// alone, so the plain theme loses nothing.
package theme

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Theme is a set of styles and glyphs. It is read only.
type Theme struct {
	Title   lipgloss.Style // names of panes and of the cluster
	Leader  lipgloss.Style
	Good    lipgloss.Style // works
	Warning lipgloss.Style // paused, catching up, missing
	Bad     lipgloss.Style // crashed, failed, unreachable
	Old     lipgloss.Style // no longer of now
	Quiet   lipgloss.Style // frames, headings, hints
	Typed   lipgloss.Style // what a person typed
	Cursor  lipgloss.Style
	Plain   lipgloss.Style
	Glyphs  Glyphs
}

// Glyphs are the signs for states, each one cell wide.
type Glyphs struct {
	Running, Paused, Down, Recovering, Unknown, Leader, Failed string
	Prompt, Cursor                                             string
}

// New makes the theme of the terminal's own 16 colours, or the plain one without any. It asks the terminal nothing.
func New(plain bool) *Theme {
	renderer := lipgloss.NewRenderer(io.Discard)
	renderer.SetHasDarkBackground(true)
	renderer.SetColorProfile(termenv.ANSI)
	if plain {
		renderer.SetColorProfile(termenv.Ascii)
	}
	color := func(code string) lipgloss.Style { return renderer.NewStyle().Foreground(lipgloss.Color(code)) }
	t := &Theme{
		Title:   renderer.NewStyle().Bold(true),
		Leader:  color("6").Bold(true),
		Good:    color("2"),
		Warning: color("3"),
		Bad:     color("1").Bold(true),
		Old:     renderer.NewStyle().Faint(true),
		Quiet:   renderer.NewStyle().Faint(true),
		Typed:   renderer.NewStyle().Bold(true),
		Cursor:  renderer.NewStyle().Reverse(true),
		Plain:   renderer.NewStyle(),
		Glyphs: Glyphs{
			Running: "●", Paused: "‖", Down: "✕", Recovering: "◐", Unknown: "?", Leader: "★", Failed: "✕", Prompt: ":",
		},
	}
	if plain {
		t.Glyphs.Cursor = "▏" // reverse video is not there to show it
	}
	return t
}
