package panel

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
)

// headerPart is a piece of the header. The parts with the highest rank go first where there is no room.
type headerPart struct {
	text  string
	rank  int
	short bool
}

const clockFormat = "15:04:05.000"

// Ranks of the header's parts: what is kept longest comes first.
const (
	rankLeader = iota
	rankChosen
	rankFaults
	rankCluster
	rankClock
	rankBallot
	rankRate
	rankLatency
	rankNothing // there is nothing wrong
	headerRanks
)

// Header is the one line that is always there: cluster, replicas that answer, leader, ballot, progress, faults, time.
// Where there is no room the words are shortened first, and then the parts go in the order of their rank.
func Header(c *state.Console, t *theme.Theme, width int) string {
	if line, fits := headerLine(c, headerParts(c, t, false), headerRanks, width); fits {
		return line
	}
	parts := headerParts(c, t, true)
	for ranks := headerRanks; ; ranks-- {
		if line, fits := headerLine(c, parts, ranks, width); fits || ranks == rankLeader+1 {
			return fit(line, width)
		}
	}
}

// headerLine joins the parts of some ranks, with the time at the right end; false if they do not fit.
func headerLine(c *state.Console, parts []headerPart, ranks, width int) (string, bool) {
	gap := "   "
	if parts[0].short {
		gap = "  "
	}
	texts := make([]string, 0, len(parts))
	for _, part := range parts {
		if part.rank < ranks {
			texts = append(texts, part.text)
		}
	}
	text, clock := " "+strings.Join(texts, gap), ""
	if ranks > rankClock {
		clock = c.Now.Format(clockFormat) + " "
	}
	room := width - ansi.StringWidth(text) - len(clock)
	if room < min(len(clock), 1) {
		return text, false
	}
	return text + strings.Repeat(" ", room) + clock, true
}

func headerParts(c *state.Console, t *theme.Theme, short bool) []headerPart {
	var parts []headerPart
	add := func(rank int, text string) { parts = append(parts, headerPart{text, rank, short}) }
	choose := func(long, brief string) string {
		if short {
			return brief
		}
		return long
	}
	if c.Cluster != "" {
		add(rankCluster, styled(t.Title, command.Visible(c.Cluster)))
	}
	add(rankLeader, headerUp(c, t))
	leader, ballot := c.Leader()
	if leader != "" {
		add(rankLeader, styled(t.Leader, t.Glyphs.Leader+choose(" leader ", " ")+command.Visible(leader)))
	} else {
		add(rankLeader, styled(t.Bad, "no leader"))
	}
	if replica := c.Diverged(); replica != "" {
		add(rankLeader, styled(t.Bad, t.Glyphs.Failed+" DIVERGENCE "+command.Visible(replica)))
	}
	if ballot != "" {
		add(rankBallot, choose("ballot ", "b")+command.Visible(ballot))
	}
	add(rankChosen, "chosen "+grouped(c.Chosen()))
	add(rankRate, rate(c.Rate)+choose(" op/s", "/s"))
	if latency := c.History.Latency(); latency.Count > 0 {
		add(rankLatency, fmt.Sprintf("p50 %s  p99 %s ms", millis(latency.Quantile(0.5)), millis(latency.Quantile(0.99))))
	}
	switch faults := c.Faults(); {
	case faults == 1:
		add(rankFaults, styled(t.Warning, "1 fault"))
	case faults > 1:
		add(rankFaults, styled(t.Warning, fmt.Sprintf("%d faults", faults)))
	default:
		add(rankNothing, "no faults")
	}
	if c.ReadOnly {
		add(rankFaults, styled(t.Warning, "read-only"))
	}
	return parts
}

// headerUp is how many replicas answer.
func headerUp(c *state.Console, t *theme.Theme) string {
	up, all := c.Up(), len(c.Replicas)
	text := fmt.Sprintf("%d/%d up", up, all)
	switch {
	case 2*up <= all:
		return styled(t.Bad, text)
	case up < all:
		return styled(t.Warning, text)
	}
	return text
}
