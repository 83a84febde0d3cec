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
	text string
	rank int
}

const (
	headerGap   = "   "
	clockFormat = "15:04:05.000"
)

// Header is the one line that is always there: cluster, replicas that answer, leader, ballot, progress, faults, time.
func Header(c *state.Console, t *theme.Theme, width int) string {
	parts := headerParts(c, t)
	clock := c.Now.Format(clockFormat)
	for dropped := 0; ; dropped++ {
		texts := make([]string, 0, len(parts))
		for _, part := range parts {
			if part.rank < headerRanks-dropped {
				texts = append(texts, part.text)
			}
		}
		text := " " + strings.Join(texts, headerGap)
		room := width - ansi.StringWidth(text) - 1
		switch {
		case room > len(clock):
			return text + strings.Repeat(" ", room-len(clock)) + clock + " "
		case dropped == headerRanks-1:
			return fit(text, width)
		}
	}
}

const headerRanks = 8

func headerParts(c *state.Console, t *theme.Theme) []headerPart {
	up, all := c.Up(), len(c.Replicas)
	upText := fmt.Sprintf("%d/%d up", up, all)
	switch {
	case 2*up <= all:
		upText = styled(t.Bad, upText)
	case up < all:
		upText = styled(t.Warning, upText)
	}
	leader, ballot := c.Leader()
	leaderText := styled(t.Bad, "no leader")
	if leader != "" {
		leaderText = styled(t.Leader, t.Glyphs.Leader+" leader "+command.Visible(leader))
	}
	parts := []headerPart{{upText, 0}, {leaderText, 0}}
	if replica := c.Diverged(); replica != "" {
		parts = append(parts, headerPart{styled(t.Bad, t.Glyphs.Failed+" DIVERGENCE "+command.Visible(replica)), 0})
	}
	if c.Cluster != "" {
		parts = append([]headerPart{{styled(t.Title, command.Visible(c.Cluster)), 1}}, parts...)
	}
	if ballot != "" {
		parts = append(parts, headerPart{"ballot " + command.Visible(ballot), 4})
	}
	parts = append(parts, headerPart{"chosen " + grouped(c.Chosen()), 3}, headerPart{rate(c.Rate) + " op/s", 5})
	if latency := c.History.Latency(); latency.Count > 0 {
		text := fmt.Sprintf("p50 %s  p99 %s ms", millis(latency.Quantile(0.5)), millis(latency.Quantile(0.99)))
		parts = append(parts, headerPart{text, 6})
	}
	switch faults := c.Faults(); {
	case faults == 1:
		parts = append(parts, headerPart{styled(t.Warning, "1 fault"), 2})
	case faults > 1:
		parts = append(parts, headerPart{styled(t.Warning, fmt.Sprintf("%d faults", faults)), 2})
	default:
		parts = append(parts, headerPart{"no faults", 7})
	}
	if c.ReadOnly {
		parts = append(parts, headerPart{styled(t.Warning, "read-only"), 2})
	}
	return parts
}
