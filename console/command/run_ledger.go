package command

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"synod/console/quorum"
	"synod/protocol"
)

// instance is one slot as all replicas saw it.
type instance struct {
	slot   uint64
	ballot string
	trace  protocol.SlotTrace // of a replica that knows the value, if any does
	at     map[string][]protocol.Step
}

// has tells whether a replica has done something to the slot.
func (i *instance) has(replica, what string) bool {
	return slices.ContainsFunc(i.at[replica], func(s protocol.Step) bool { return s.What == what })
}

// voted tells whether a replica's acceptor holds the value, by its own word or by that of the leader's proposer.
func (i *instance) voted(replica string) bool {
	for from, steps := range i.at {
		for _, step := range steps {
			if from == replica && step.What == protocol.StepAccepted || step.What == protocol.StepVoted && step.From == replica {
				return true
			}
		}
	}
	return false
}

// phase is how far a slot is anywhere.
func (i *instance) phase() string {
	phase := "proposed"
	for replica, steps := range i.at { // the highest one does not depend on the order
		if phase == "proposed" && i.voted(replica) {
			phase = "accepting"
		}
		for _, step := range steps {
			switch {
			case step.What == protocol.StepApplied:
				return protocol.StepApplied
			case step.What == protocol.StepChosen:
				phase = protocol.StepChosen
			}
		}
	}
	return phase
}

// took is the time from the first step to the first replica that knew it chosen; "-" while nobody does.
func (i *instance) took() string {
	var first, chosen time.Time
	for _, steps := range i.at { // the earliest ones do not depend on the order
		for _, step := range steps {
			if first.IsZero() || step.At.Before(first) {
				first = step.At
			}
			if step.What == protocol.StepChosen && (chosen.IsZero() || step.At.Before(chosen)) {
				chosen = step.At
			}
		}
	}
	if chosen.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(chosen.Sub(first))/float64(time.Millisecond))
}

// traces asks all replicas for slots and puts together what they say, in the order of slots.
func (e *Executor) traces(
	ctx context.Context, timeout time.Duration, query protocol.SlotsQuery,
) (instances []instance, oldest uint64, failed int) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	replicas := e.known()
	answers, problems := make([]*protocol.Slots, len(replicas)), make([]error, len(replicas))
	var asked sync.WaitGroup
	for i, replica := range replicas {
		problems[i] = errNoOperator
		if e.ports.Operator != nil {
			asked.Go(func() { answers[i], problems[i] = e.ports.Operator.Slots(ctx, replica, query) })
		}
	}
	asked.Wait()
	bySlot := map[uint64]*instance{}
	for i, replica := range replicas {
		if problems[i] != nil {
			failed++
			continue
		}
		if answers[i].Oldest > 0 && (oldest == 0 || answers[i].Oldest < oldest) {
			oldest = answers[i].Oldest
		}
		for _, trace := range answers[i].Slots {
			one := bySlot[trace.Slot]
			if one == nil {
				one = &instance{slot: trace.Slot, at: map[string][]protocol.Step{}}
				bySlot[trace.Slot] = one
			}
			one.at[replica] = trace.Steps
			if one.trace.Operation == "" {
				one.trace = trace
			}
			if later(trace.Ballot, one.ballot) {
				one.ballot = trace.Ballot
			}
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(bySlot)) {
		instances = append(instances, *bySlot[slot])
	}
	return instances, oldest, failed
}

// later compares ballots in the form round.replica by their rounds.
func later(ballot, than string) bool {
	round := func(text string) uint64 {
		digits, _, _ := strings.Cut(text, ".")
		number, _ := strconv.ParseUint(digits, 10, 64)
		return number
	}
	return than == "" || cmp.Compare(round(ballot), round(than)) > 0
}

func (e *Executor) slots(ctx context.Context, f *frame, c *call) bool {
	span, err := slotsAsked(c)
	if err != nil {
		panic("command: unchecked span: " + err.Error())
	}
	query := protocol.SlotsQuery{From: span.from, To: span.to, Max: span.newest}
	instances, _, failed := e.traces(ctx, f.limit(c), query)
	if span.from == 0 { // the newest of each replica are more slots together
		instances = instances[max(0, len(instances)-span.newest):]
	}
	replicas := e.known()
	heading := append([]string{"#slot", "phase", "ballot"}, replicas...)
	heading = append(heading, "voted", "#took ms", "op", "key", "#bytes", "request")
	var rows [][]string
	for i := range instances {
		rows = append(rows, slotRow(&instances[i], replicas))
	}
	if len(rows) == 0 {
		e.report(c, nil, [][]string{{"no replica has kept anything of these slots"}})
	} else {
		e.report(c, heading, rows)
	}
	e.looked(f, failed, len(replicas))
	return true
}

func slotRow(i *instance, replicas []string) []string {
	row := []string{number10(i.slot), i.phase(), orDash(Visible(i.ballot))}
	votes := 0
	for _, replica := range replicas {
		voted := i.voted(replica)
		if voted {
			votes++
		}
		switch {
		case i.has(replica, protocol.StepApplied):
			row = append(row, "a")
		case i.has(replica, protocol.StepChosen):
			row = append(row, "c")
		case voted:
			row = append(row, "v")
		default:
			row = append(row, "-")
		}
	}
	t := &i.trace
	operation := orDash(Visible(t.Operation))
	if t.Commands > 1 {
		operation = fmt.Sprintf("%s of %d", operation, t.Commands)
	}
	key := "-"
	if len(t.Key) > 0 {
		key = cutTo(Plain(string(t.Key)), commandWidth)
	}
	return append(row, fmt.Sprintf("%d/%d", votes, len(replicas)/2+1), i.took(), operation, key, strconv.Itoa(t.Bytes),
		orDash(Visible(t.Request)))
}

// slot tells the story of one slot.
func (e *Executor) slot(ctx context.Context, f *frame, c *call) bool {
	number, err := strconv.ParseUint(c.arg(0), 10, 64)
	if err != nil {
		panic("command: unchecked slot: " + err.Error())
	}
	query := protocol.SlotsQuery{From: number, To: number}
	instances, oldest, failed := e.traces(ctx, f.limit(c), query)
	answers := e.look(ctx, f.limit(c))
	if len(instances) == 0 {
		e.report(c, nil, [][]string{{untraced(number, oldest, answers)}})
		e.looked(f, failed, len(answers))
		return true
	}
	i := &instances[0]
	e.report(c, []string{"time", "replica", "step", "more"}, stepRows(i))
	e.report(c, nil, [][]string{{e.fate(i, answers)}})
	e.looked(f, failed, len(answers))
	return true
}

// untraced says why there is nothing to tell about a slot.
func untraced(slot, oldest uint64, answers []look) string {
	highest := uint64(0)
	for i := range answers {
		highest = max(highest, answers[i].status.Chosen)
	}
	switch {
	case slot <= highest && slot < oldest:
		return fmt.Sprintf("slot %d is chosen; its steps are forgotten, slot %d is the oldest of which any are kept", slot, oldest)
	case slot <= highest:
		return fmt.Sprintf("slot %d is chosen; no replica that answers has kept a step of it", slot)
	}
	return fmt.Sprintf("slot %d is not begun: slot %d is the highest chosen one", slot, highest)
}

// stepRows lists the steps of all replicas in the order of time.
func stepRows(i *instance) [][]string {
	type line struct {
		replica string
		step    protocol.Step
	}
	var lines []line
	for _, replica := range slices.Sorted(maps.Keys(i.at)) {
		for _, step := range i.at[replica] {
			lines = append(lines, line{replica, step})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.step.At.Compare(b.step.At) })
	var rows [][]string
	for _, l := range lines {
		var more []string
		if l.step.From != "" {
			more = append(more, Visible(l.step.From))
		}
		if l.step.TookMicros > 0 {
			more = append(more, fmt.Sprintf("took %.2f ms", float64(l.step.TookMicros)/1000))
		}
		if l.step.Ballot != "" && l.step.Ballot != i.ballot {
			more = append(more, "ballot "+Visible(l.step.Ballot))
		}
		rows = append(rows, []string{
			l.step.At.UTC().Format("15:04:05.000000"), l.replica, Visible(l.step.What), strings.Join(more, ", "),
		})
	}
	return rows
}

// fate says whether a slot is chosen, and if it is not, who is missing and why.
func (e *Executor) fate(i *instance, answers []look) string {
	var voted, missing, applied []string
	chosen := false
	for at := range answers {
		name := answers[at].replica
		// A learner whose unbroken prefix reaches this far knows it, whether or not it remembers the step.
		chosen = chosen || i.has(name, protocol.StepChosen) || answers[at].err == nil && answers[at].status.Chosen >= i.slot
		if i.has(name, protocol.StepApplied) || answers[at].err == nil && answers[at].status.Applied >= i.slot {
			applied = append(applied, name)
		}
		if i.voted(name) {
			voted = append(voted, name)
		} else {
			missing = append(missing, name+" "+e.absence(name, answers))
		}
	}
	if chosen {
		text := fmt.Sprintf("slot %d is chosen under ballot %s; applied at %s", i.slot, Visible(i.ballot), orNone(applied))
		if len(applied) < len(answers) {
			text += fmt.Sprintf(", %d of %d replicas", len(applied), len(answers))
		}
		return text
	}
	majority := len(answers)/2 + 1
	why := "the votes are there, no learner that answers has counted them yet"
	if len(voted) < majority {
		why = "missing: " + strings.Join(missing, ", ")
	}
	return fmt.Sprintf("slot %d is NOT chosen: %d of %d votes seen, from %s; %s", i.slot, len(voted), majority, orNone(voted), why)
}

// absence says why the vote of a replica is missing.
func (e *Executor) absence(name string, answers []look) string {
	leader, _ := leaderOf(answers)
	for i := range answers {
		if answers[i].replica != name {
			continue
		}
		acceptor := answers[i].role("acceptor")
		switch {
		case answers[i].err != nil:
			return "(no answer)"
		case !acceptor.Works():
			return strings.TrimRight("(acceptor "+orDash(Visible(acceptor.State))+" "+Visible(acceptor.Cause), " ") + ")"
		}
	}
	if leader != "" && name != leader {
		ids, statuses := statusesOf(answers)
		if now := quorum.Of(ids, statuses); !now.Passes(leader, name) || !now.Passes(name, leader) {
			return "(link to the leader " + leader + " is cut)"
		}
	}
	return "(nothing heard)"
}

func statusesOf(answers []look) (ids []string, statuses []*protocol.Status) {
	ids, statuses = make([]string, len(answers)), make([]*protocol.Status, len(answers))
	for i := range answers {
		ids[i] = answers[i].replica
		if answers[i].err == nil {
			statuses[i] = &answers[i].status.Status
		}
	}
	return ids, statuses
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// ballots lists the changes of leadership as each replica has seen them, in the order of time.
func (e *Executor) ballots(ctx context.Context, f *frame, c *call) bool {
	newest, _ := strconv.Atoi(c.option("last", strconv.Itoa(ballotsShown))) // checked
	ctx, cancel := context.WithTimeout(ctx, f.limit(c))
	defer cancel()
	type seen struct {
		replica string
		protocol.BallotEvent
	}
	var events []seen
	failed := 0
	for _, replica := range e.known() {
		err := error(errNoOperator)
		var answer *protocol.Ballots
		if e.ports.Operator != nil {
			answer, err = e.ports.Operator.Ballots(ctx, replica, ballotsShownMax)
		}
		if err != nil {
			failed++
			e.note(c.at, Warning, "the ballots of %s are missing: %s", orDash(replica), Visible(err.Error()))
			continue
		}
		for _, event := range answer.Events {
			events = append(events, seen{replica, event})
		}
	}
	slices.SortStableFunc(events, func(a, b seen) int { return a.At.Compare(b.At) })
	var rows [][]string
	for _, event := range events[max(0, len(events)-newest):] {
		more := []string{}
		if event.PhaseMicros > 0 {
			more = append(more, fmt.Sprintf("phase 1 took %.1f ms, promised by %s, %s proposed again",
				float64(event.PhaseMicros)/1000, orNone(event.PromisedBy), plural(event.OpenSlots, "slot")))
		}
		if event.Reason != "" {
			more = append(more, event.Reason)
		}
		rows = append(rows, []string{
			event.At.UTC().Format("15:04:05.000"), event.replica, Visible(event.What), orDash(Visible(event.Ballot)),
			Visible(strings.Join(more, "; ")),
		})
	}
	if len(rows) == 0 {
		e.report(c, nil, [][]string{{"no change of leadership is remembered"}})
	} else {
		e.report(c, []string{"time", "seen by", "what", "ballot", "why"}, rows)
	}
	e.looked(f, failed, len(e.known()))
	return true
}
