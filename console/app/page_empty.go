package app

import (
	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// emptyPage is a screen with nothing but its name.
type emptyPage struct{ long, short string }

func newEmptyPage(long, short string) *emptyPage { return &emptyPage{long, short} }

func (p *emptyPage) title() (long, short string)        { return p.long, p.short }
func (p *emptyPage) bindings() []binding                { return nil }
func (p *emptyPage) want() state.Want                   { return state.Want{} }
func (p *emptyPage) observe(*state.Console)             {}
func (p *emptyPage) click(*Model, tea.MouseMsg) tea.Cmd { return nil }
func (p *emptyPage) draw(_ *state.Console, t *theme.Theme, size panel.Size) string {
	return panel.Empty(p.long, t, size)
}
