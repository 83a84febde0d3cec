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
	Pane    int  // that has the keys: replicas, session, rate, latency
	Alone   bool // it alone is seen
}

// Overview is the cluster at a glance, and the session.
func Overview(c *state.Console, t *theme.Theme, size Size, v OverviewView) string {
	if v.Alone {
		if v.Pane == 1 {
			return Session(c, t, size, v.Scroll)
		}
		return Replicas(c, t, size.Width, size.Height)
	}
	rows := 1
	if size.Height >= 26 {
		rows = 2
	}
	height := min(ReplicasHeight(len(c.Replicas), rows), size.Height-5)
	rest := Size{size.Width, size.Height - height}
	return strings.Join([]string{Replicas(c, t, size.Width, height), Session(c, t, rest, v.Scroll)}, "\n")
}
