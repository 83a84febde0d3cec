package panel

import (
	"strings"

	"synod/console/state"
	"synod/console/theme"
)

// Panes of the screen of faults, in the order of Tab.
const (
	FaultsRoles = iota
	FaultsLinks
	FaultsQuorum
	FaultsActive
	FaultsHistory
)

// FaultsView is what a person has chosen on the screen of faults.
type FaultsView struct {
	Row, Column int    // cell of the board of roles; column 0 is the whole replica
	From, To    int    // cell of the board of links
	Fault       int    // index into the faults in force
	Scroll      int    // lines of the history, from the newest
	Act         string // the command that "before you act" tells about
	Locked      string // why no fault can be set from here; "" if it can
	Scenarios   []string
	Pane        int
	Alone       bool // the pane alone is seen
}

// RolesColumns is the number of columns of the board of roles: the replica, and its three roles.
const RolesColumns = 4

// Widths from which the panes stand side by side.
const (
	faultsWideMin  = 110 // five panes
	faultsBothMin  = 76  // boards of roles and links
	faultsTallMin  = 22  // five panes
	faultsShortMin = 14  // two boards and a pane below
)

// faultsLayout is the place of every pane that is seen.
type faultsLayout struct {
	boards, middle, bottom int // heights; 0: not there
	roles                  int // width of the board of roles
	quorum                 int // width of the pane about the quorum; 0: it is one with the faults in force
}

func layoutFaults(size Size, replicas int) (faultsLayout, bool) {
	l := faultsLayout{boards: replicas + 1 + frameCells}
	switch {
	case size.Width >= faultsWideMin && size.Height >= faultsTallMin+replicas:
		l.boards += 3
		l.middle = min(12, size.Height-l.boards-6)
		l.bottom = size.Height - l.boards - l.middle
		l.roles, l.quorum = size.Width*48/100, size.Width/2
	case size.Width >= faultsBothMin && size.Height >= faultsShortMin:
		l.boards++
		l.middle = size.Height - l.boards
		l.roles = size.Width * 47 / 100
	default:
		return l, false
	}
	return l, true
}

// Faults is the screen on which things are broken and mended: who does what, who hears whom, what the cluster can still
// do, and what was done to it.
func Faults(c *state.Console, t *theme.Theme, size Size, v FaultsView) string {
	l, all := layoutFaults(size, len(c.Replicas))
	if v.Alone || !all {
		return faultsPane(c, t, size, &v, v.Pane)
	}
	top := beside(faultsPane(c, t, Size{l.roles, l.boards}, &v, FaultsRoles),
		faultsPane(c, t, Size{size.Width - l.roles, l.boards}, &v, FaultsLinks))
	if l.quorum == 0 {
		return top + "\n" + faultsAndQuorum(c, t, Size{size.Width, l.middle}, &v)
	}
	middle := beside(faultsPane(c, t, Size{l.quorum, l.middle}, &v, FaultsQuorum),
		faultsPane(c, t, Size{size.Width - l.quorum, l.middle}, &v, FaultsActive))
	return strings.Join([]string{top, middle, faultsPane(c, t, Size{size.Width, l.bottom}, &v, FaultsHistory)}, "\n")
}

func faultsPane(c *state.Console, t *theme.Theme, size Size, v *FaultsView, pane int) string {
	switch pane {
	case FaultsLinks:
		return linksBoard(c, t, size, v)
	case FaultsQuorum:
		return quorumPane(c, t, size, v)
	case FaultsActive:
		return activePane(c, t, size, v)
	case FaultsHistory:
		return historyPane(c, t, size, v)
	}
	return rolesBoard(c, t, size, v)
}

// FaultsHit is what lies under a cell of the screen.
type FaultsHit struct {
	Pane        int
	Row, Column int // of a board; Row alone of a list
}

// FaultsAt tells what lies under a cell of what Faults has drawn; false if it is nothing to choose.
func FaultsAt(c *state.Console, size Size, v FaultsView, x, y int) (FaultsHit, bool) {
	l, all := layoutFaults(size, len(c.Replicas))
	if v.Alone || !all {
		return hitIn(c, size, &v, v.Pane, x, y)
	}
	if y < l.boards {
		if x < l.roles {
			return hitIn(c, Size{l.roles, l.boards}, &v, FaultsRoles, x, y)
		}
		return hitIn(c, Size{size.Width - l.roles, l.boards}, &v, FaultsLinks, x-l.roles, y)
	}
	y -= l.boards
	switch {
	case l.quorum == 0:
		return hitIn(c, Size{size.Width, l.middle}, &v, FaultsActive, x, y)
	case y >= l.middle:
		return FaultsHit{Pane: FaultsHistory}, true
	case x < l.quorum:
		return FaultsHit{Pane: FaultsQuorum}, true
	}
	return hitIn(c, Size{size.Width - l.quorum, l.middle}, &v, FaultsActive, x-l.quorum, y)
}

func hitIn(c *state.Console, size Size, v *FaultsView, pane, x, y int) (FaultsHit, bool) {
	hit := FaultsHit{Pane: pane}
	full := size
	if framed(size.Width, size.Height) {
		x, y, size.Width = x-1, y-1, size.Width-frameCells
	}
	hit.Row = y - 1 // below the headings
	switch pane {
	case FaultsRoles:
		hit.Row += firstRow(len(c.Replicas), v.Row, full)
		hit.Column = columnAt(rolesCells(size.Width), x)
	case FaultsLinks:
		hit.Row += firstRow(len(c.Replicas), v.From, full)
		hit.Column = columnAt(linksCells(size.Width, len(c.Replicas)), x)
	case FaultsActive:
		return hit, hit.Row >= 0 && hit.Row < len(c.Injected())
	default:
		return hit, true
	}
	return hit, hit.Row >= 0 && hit.Row < len(c.Replicas) && hit.Column >= 0
}

// columnAt finds the cell of a board in which a place lies; -1 for none.
func columnAt(widths []int, x int) int {
	x -= boardNameCells
	for i, width := range widths {
		if x >= 0 && x < width {
			return i
		}
		x -= width
	}
	return -1
}
