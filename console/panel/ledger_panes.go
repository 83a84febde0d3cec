package panel

import (
	"fmt"
	"strings"
	"time"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
	"synod/protocol"
)

// ballotsPane lists who led under which ballot, and why there was an election.
func ballotsPane(c *state.Console, t *theme.Theme, size Size, v *LedgerView) string {
	inner := size.Width - frameCells
	reigns := c.Reigns()
	leader, ballot := c.Leader()
	lines := []string{styled(t.Quiet, fit("   "+fit("BALLOT", 8)+fit("FROM", 14)+fit("PHASE 1", 9)+fit("PROMISED BY", 15)+"TOOK OVER", inner))}
	chosen := min(v.Ballot, max(len(reigns)-1, 0))
	why := whyLines(reigns, chosen, t, inner)
	room := max(size.Height-frameCells-1-len(why), 1)
	from := max(0, chosen-room+1)
	for i := from; i < min(len(reigns), from+room); i++ {
		lines = append(lines, reignRow(&reigns[i], t, inner, v.Pane == LedgerBallots && i == chosen, reigns[i].Ballot == ballot))
	}
	if len(reigns) == 0 {
		lines = append(lines, styled(t.Quiet, " no replica has told of an election yet"))
	}
	for len(lines) < size.Height-frameCells-len(why) {
		lines = append(lines, "")
	}
	note := fmt.Sprintf("%d known", len(reigns))
	if leader == "" {
		note = styled(t.Bad, "no leader")
	}
	return pane{
		title: "Ballots", note: note, width: size.Width, height: size.Height, focused: v.Pane == LedgerBallots && !v.Explain,
	}.draw(t, append(lines, why...))
}

func reignRow(r *state.Reign, t *theme.Theme, inner int, chosen, current bool) string {
	mark := "   "
	if chosen {
		mark = " " + t.Glyphs.Select + " "
	} else if current {
		mark = " " + styled(t.Leader, t.Glyphs.Leader) + " "
	}
	phase, promised, open := "—", "—", "—"
	switch {
	case r.Led && r.Phase > 0:
		phase, promised = elapsed(r.Phase), strings.Join(r.PromisedBy, " ")
		if open = fmt.Sprintf("%d slots", r.OpenSlots); r.OpenSlots == 1 {
			open = "1 slot"
		}
	case !r.Led:
		promised = "did not lead"
	}
	text := fit(command.Visible(r.Ballot), 8) + fit(r.From.Local().Format(clockFormat), 14) + fit(phase, 9) +
		fit(command.Visible(promised), 15) + open
	switch {
	case chosen:
		return mark + styled(t.Select, fit(text, inner-3))
	case !r.Led:
		return mark + styled(t.Quiet, fit(text, inner-3))
	}
	return mark + fit(text, inner-3)
}

// whyLines tell why the chosen ballot and the one before it were needed.
func whyLines(reigns []state.Reign, chosen int, t *theme.Theme, inner int) []string {
	if len(reigns) == 0 {
		return nil
	}
	lines := []string{""}
	for i := chosen; i < min(chosen+2, len(reigns)); i++ {
		why := reigns[i].Why
		if why == "" {
			why = "no replica that answers has kept the reason"
		}
		text := fmt.Sprintf(" why %s: %s", reigns[i].Ballot, why)
		look := t.Quiet
		if i == chosen {
			look = t.Plain
		}
		lines = append(lines, wrapped(command.Visible(text), inner, look.Render)...)
	}
	return lines
}

// storyPane is one slot step by step, below the answer to the question why it is where it is.
func storyPane(c *state.Console, t *theme.Theme, size Size, v *LedgerView) string {
	inner := size.Width
	if framed(size.Width, size.Height) {
		inner -= frameCells
	}
	slot := v.Slot
	if slot == 0 {
		return pane{title: "Slot", width: size.Width, height: size.Height}.draw(t, []string{styled(t.Quiet, " no slot is chosen")})
	}
	in := c.Instance(slot)
	verdict := c.Explain(slot)
	look := t.Plain
	if verdict.Stuck {
		look = t.Bad
	}
	lines := wrapped(" "+command.Visible(verdict.Sentence), inner, look.Render)
	if verdict.Remedy != "" {
		lines = append(lines, styled(t.Info, " try:  "+command.Visible(verdict.Remedy)))
	}
	room := size.Height - frameCells - len(lines)
	story := c.Story(slot, state.EveryStep)
	for detail := state.WithoutEcho; detail <= state.Together && len(story) > room; detail++ {
		story = c.Story(slot, detail)
	}
	from := min(v.Scroll, max(len(story)-room, 0))
	began := in.Proposed
	for i := range story {
		if began.IsZero() && !story[i].At.IsZero() {
			began = story[i].At
		}
	}
	for i := from; i < len(story) && i < from+max(room, 0); i++ {
		lines = append(lines, momentLine(&story[i], t, began, inner))
	}
	note := in.Phase.String()
	if !began.IsZero() && inner >= storyWideMin {
		note = "from " + began.Local().Format("15:04:05.000000") + "  " + note
	}
	if more := len(story) - from - room; more > 0 {
		note = fmt.Sprintf("%d more lines below (+)", more)
	}
	return pane{
		title: storyTitle(&in), note: note, width: size.Width, height: size.Height,
		focused: v.Pane == LedgerStory || v.Explain,
	}.draw(t, lines)
}

// storyWideMin is the least width at which the moment of the first step fits beside the title.
const storyWideMin = 76

func storyTitle(in *state.Instance) string {
	title := "Slot " + grouped(in.Slot)
	if in.Operation != "" {
		title += "  " + command.Visible(in.Operation)
	}
	if len(in.Key) > 0 && in.Commands <= 1 {
		title += " " + command.Plain(string(in.Key))
	}
	return title
}

func momentLine(m *state.Moment, t *theme.Theme, began time.Time, inner int) string {
	look := t.Plain
	switch m.What {
	case protocol.StepChosen:
		look = t.Good.Bold(true)
	case protocol.StepApplied:
		look = t.Good
	case protocol.StepRefused, state.StepSilent:
		look = t.Bad
	case protocol.StepAsked:
		look = t.Warning
	case protocol.StepVoted:
		look = t.Quiet
	}
	when := fit("", 13)
	if !m.At.IsZero() {
		when = right(fmt.Sprintf("%+.3f ms", float64(m.At.Sub(began))/float64(time.Millisecond)), 13)
	}
	return fit(styled(t.Quiet, when)+"  "+fit(command.Visible(m.Replica), max(2, len(m.Replica)))+"  "+
		styled(look, command.Visible(m.Text)), inner)
}

// positionsPane shows how far every replica is, on one scale.
func positionsPane(c *state.Console, t *theme.Theme, size Size, v *LedgerView) string {
	inner := size.Width
	if framed(size.Width, size.Height) {
		inner -= frameCells
	}
	low, high := positionScale(c)
	numbers := 30
	bar := inner - 8 - numbers
	if bar < 10 {
		bar = 0
	}
	lines := []string{styled(t.Quiet, fit("", 7)+axis(low, high, bar)+
		right("VOTED", 10)+right("CHOSEN", 10)+right("APPLIED", 10))}
	leader, _ := c.Leader()
	floor := uint64(0)
	for i := range c.Replicas {
		o := &c.Replicas[i]
		mark := " "
		if o.ID == leader {
			mark = styled(t.Leader, t.Glyphs.Leader)
		}
		text := " " + fit(name(o), 3) + mark + "  "
		look, numbersLook := t.Graph, t.Plain
		if !o.Fresh(c.Now) {
			look, numbersLook = t.Old, t.Old
		}
		text += styled(look, positionBar(o, t, low, high, bar))
		text += styled(numbersLook, right(grouped(o.Status.Voted), 10)+right(grouped(o.Status.Chosen), 10)+
			right(grouped(o.Status.Applied), 10))
		lines = append(lines, text)
		floor = max(floor, o.Status.Floor)
	}
	note := ""
	if floor > 0 {
		note = "the log begins behind " + grouped(floor)
	}
	return pane{
		title: "Positions", note: note, width: size.Width, height: size.Height,
		focused: v.Pane == LedgerPositions && !v.Explain,
	}.draw(t, lines)
}

// positionScale is the part of the log in which the replicas differ, with some of what all have before it.
func positionScale(c *state.Console) (low, high uint64) {
	lowest := uint64(0)
	for i := range c.Replicas {
		s := &c.Replicas[i].Status
		high = max(high, s.Voted, s.Chosen, s.Applied)
		if c.Replicas[i].Known && (lowest == 0 || s.Applied < lowest) {
			lowest = s.Applied
		}
	}
	spread := max(high-min(lowest, high), positionSpreadMin)
	if high > 4*spread {
		low = high - 4*spread
	}
	return low, max(high, low+1)
}

// positionSpreadMin is the least difference that takes a quarter of the scale: what is on its way is no lag.
const positionSpreadMin = 100

func axis(low, high uint64, width int) string {
	if width == 0 {
		return ""
	}
	left, end := grouped(low), grouped(high)
	return left + strings.Repeat(" ", max(1, width-len(left)-len(end))) + end
}

// positionBar draws what is applied as a bar, what is only chosen as shade, and what is only voted for as points.
func positionBar(o *state.Observation, t *theme.Theme, low, high uint64, width int) string {
	if width == 0 {
		return ""
	}
	cellsTo := func(slot uint64) float64 {
		if slot <= low {
			return 0
		}
		return float64(slot-low) / float64(high-low) * float64(width)
	}
	applied, chosen, voted := cellsTo(o.Status.Applied), cellsTo(o.Status.Chosen), cellsTo(o.Status.Voted)
	parts := t.Spark.Parts
	full := int(applied)
	text := strings.Repeat(parts[len(parts)-1], min(full, width))
	if part := int((applied - float64(full)) * float64(len(parts))); part > 0 && full < width {
		text += parts[part-1]
		full++
	}
	for ; full < int(chosen) && full < width; full++ {
		text += t.Spark.Shade
	}
	for ; full < int(voted) && full < width; full++ {
		text += t.Glyphs.Dot
	}
	return fit(text, width)
}
