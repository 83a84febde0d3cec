package panel

import (
	"strings"

	"synod/console/state"
	"synod/console/theme"
)

// OverviewView is what a person has chosen on the overview.
type OverviewView struct {
	Replica int  // index of the chosen one
	Card    bool // its details are open
	Scroll  int  // lines of the session, from the newest
	Seen    int  // entries of the session at the last look
	Pane    int  // that has the keys
	Alone   bool // it alone is seen
}

// The panes of the overview in the order of Tab.
const (
	ReplicasPane = iota
	SessionPane
	RatesPane
	LatencyPane
)

// Sizes of the overview from which it has more to offer.
const (
	twoColumnsCells = 110
	twoColumnsRows  = 26
	chartsRows      = 36 // one below the other
	ratesRows       = 10
	latencyRows     = 9
	sessionRowsMin  = 5
)

// place of a pane on the overview.
type spot struct {
	pane       int
	x, y, w, h int
}

// spots shares the room out.
func spots(replicas int, size Size, v OverviewView) []spot {
	w, h := size.Width, size.Height
	if v.Alone {
		return []spot{{v.Pane, 0, 0, w, h}}
	}
	rows := 1
	if w >= detailCellsMin+frameCells && h >= twoColumnsRows {
		rows = 2
	}
	top := max(min(replicasHeight(replicas, rows), h-sessionRowsMin), 0)
	list := []spot{{ReplicasPane, 0, 0, w, top}}
	rest := h - top
	switch {
	case w >= twoColumnsCells && h >= twoColumnsRows:
		left, upper := w/2-2, rest*4/9
		return append(list, spot{SessionPane, left, top, w - left, rest}, spot{RatesPane, 0, top, left, upper},
			spot{LatencyPane, 0, top + upper, left, rest - upper})
	case h >= chartsRows:
		own := rest - ratesRows - latencyRows
		return append(list, spot{SessionPane, 0, top, w, own}, spot{RatesPane, 0, top + own, w, ratesRows},
			spot{LatencyPane, 0, top + own + ratesRows, w, latencyRows})
	}
	return append(list, spot{SessionPane, 0, top, w, rest})
}

// replicasHeight is the height of the pane for a number of replicas, with one or two rows each.
func replicasHeight(replicas, rows int) int { return frameCells + 1 + rows*replicas }

// Overview is the cluster at a glance, and the session.
func Overview(c *state.Console, t *theme.Theme, size Size, v OverviewView) string {
	list := spots(len(c.Replicas), size, v)
	charts := len(list) > 2
	views := make([]string, len(list))
	for i, s := range list {
		views[i] = overviewPane(c, t, s, v, charts)
	}
	view := views[0]
	switch {
	case len(list) == 4 && list[1].w < size.Width:
		view += "\n" + beside(views[2]+"\n"+views[3], views[1])
	case len(list) > 1:
		view = strings.Join(views, "\n")
	}
	if v.Card && v.Replica < len(c.Replicas) {
		view = Over(view, Card(c, t, size, v.Replica), size)
	}
	return view
}

func overviewPane(c *state.Console, t *theme.Theme, s spot, v OverviewView, charts bool) string {
	size, focused := Size{s.w, s.h}, v.Pane == s.pane
	switch s.pane {
	case SessionPane:
		return Session(c, t, size, SessionView{Scroll: v.Scroll, Focused: focused, Footer: !charts && s.h >= 8 && s.w >= 60})
	case RatesPane:
		return Rates(c, t, size, focused)
	case LatencyPane:
		return Latencies(c, t, size, focused)
	}
	return Replicas(c, t, size, ReplicasView{Chosen: v.Replica, Focused: focused})
}

// beside joins two views of the same height.
func beside(left, right string) string {
	lines, more := strings.Split(left, "\n"), strings.Split(right, "\n")
	for i := range lines {
		lines[i] += more[i]
	}
	return strings.Join(lines, "\n")
}

// OverviewAt gives the pane at a cell, -1 if there is none, and the replica there, -1 if there is none.
func OverviewAt(c *state.Console, size Size, v OverviewView, x, y int) (pane, replica int) {
	for _, s := range spots(len(c.Replicas), size, v) {
		if x < s.x || x >= s.x+s.w || y < s.y || y >= s.y+s.h {
			continue
		}
		if s.pane != ReplicasPane {
			return s.pane, -1
		}
		return s.pane, ReplicaAt(c, Size{s.w, s.h}, y-s.y)
	}
	return -1, -1
}
