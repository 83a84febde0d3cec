package app

import (
	"strings"

	"synod/console/panel"
)

// Sizes from which the screen has more to offer.
const (
	bothWidthMin   = 80 // both panes
	bothHeightMin  = 24
	doubleRowsMin  = 30 // two rows for each replica
	framesHeight   = 10 // a pane with a frame; below that only lines
	framesWidth    = 50
	hintHeightMin  = 4 // a hint line
	sessionRowsMin = 5
)

// layout is how the height is shared out.
type layout struct {
	replicas, session int // 0: not seen
	hint, prompt      bool
}

func (m *Model) layout() layout {
	width, height := m.size.Width, m.size.Height
	l := layout{prompt: height >= 2, hint: height >= hintHeightMin}
	rest := height - 1
	if l.prompt {
		rest--
	}
	if l.hint {
		rest--
	}
	switch {
	case rest <= 0:
	case width >= bothWidthMin && height >= bothHeightMin:
		rows := 1
		if height >= doubleRowsMin {
			rows = 2
		}
		l.replicas = min(panel.ReplicasHeight(len(m.console.Replicas), rows), rest-sessionRowsMin)
		l.session = rest - l.replicas
	case m.focus == replicasPane:
		l.replicas = rest
	default:
		l.session = rest
	}
	return l
}

// View draws the screen. The header is always there.
func (m *Model) View() string {
	width, height := m.size.Width, m.size.Height
	if width < 1 || height < 1 {
		return ""
	}
	t := m.options.Theme
	parts := []string{panel.Header(&m.console, t, width)}
	if m.help && height > 1 {
		size := panel.Size{Width: width, Height: height - 1}
		return strings.Join(append(parts, panel.Help(helpKeys(), m.options.Grammar, t, size)), "\n")
	}
	l := m.layout()
	if l.replicas > 0 {
		parts = append(parts, panel.Replicas(&m.console, t, width, l.replicas))
	}
	if l.session > 0 {
		size := panel.Size{Width: width, Height: l.session}
		if width < framesWidth || height < framesHeight {
			parts = append(parts, panel.SessionLines(&m.console, t, size, m.scroll))
		} else {
			parts = append(parts, panel.Session(&m.console, t, size, m.scroll))
		}
	}
	if l.hint {
		parts = append(parts, m.hint(width))
	}
	if l.prompt {
		parts = append(parts, panel.Prompt(&m.line, t, width))
	}
	return strings.Join(parts, "\n")
}
