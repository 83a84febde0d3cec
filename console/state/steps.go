package state

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"synod/protocol"
)

// Moment is one thing that happened to a slot, by the clock of the replica at which it did.
type Moment struct {
	At      time.Time // zero of what did not happen
	Replica string
	What    string // a step of the protocol, or StepSilent
	Text    string // for people; keys in it are quoted by whoever draws them
}

// StepSilent marks a replica of which a vote is missing.
const StepSilent = "silent"

// Detail says how much of a slot's story is told.
type Detail int

// The details, the most first.
const (
	EveryStep   Detail = iota
	WithoutEcho        // without the votes that the leader heard: the acceptors' own word is there
	Together           // what several learners did is one line
)

// Story gives what happened to a slot at all replicas, in the order of time, and at its end whose vote is missing.
func (c *Console) Story(slot uint64, detail Detail) []Moment {
	var story []Moment
	accepted := map[string]bool{}
	for i := range c.Ledger.Replicas {
		r := &c.Ledger.Replicas[i]
		trace := r.trace(slot)
		if trace == nil {
			continue
		}
		for j := range trace.Steps {
			step := &trace.Steps[j]
			if step.What == protocol.StepAccepted {
				accepted[r.ID] = true
			}
			story = append(story, Moment{At: step.At, Replica: r.ID, What: step.What, Text: stepText(trace, step)})
		}
	}
	if detail >= WithoutEcho {
		story = slices.DeleteFunc(story, func(m Moment) bool {
			return m.What == protocol.StepVoted && accepted[strings.TrimPrefix(m.Text, heardVote)]
		})
	}
	slices.SortStableFunc(story, func(a, b Moment) int { return a.At.Compare(b.At) })
	if detail >= Together {
		story = together(story)
	}
	return append(story, c.missing(slot)...)
}

const heardVote = "heard the vote of "

func stepText(trace *protocol.SlotTrace, step *protocol.Step) string {
	text := stepWords(trace, step)
	if step.Times > 1 && step.What != protocol.StepAccepted {
		text += fmt.Sprintf(" (%d times by now)", step.Times)
	}
	return text
}

func stepWords(trace *protocol.SlotTrace, step *protocol.Step) string {
	under := ""
	if step.Ballot != "" && step.Ballot != trace.Ballot {
		under = " under " + step.Ballot
	}
	switch step.What {
	case protocol.StepProposed:
		ballot := step.Ballot
		if ballot == "" {
			ballot = trace.Ballot
		}
		return "proposes under " + ballot
	case protocol.StepAsked:
		return "asks " + step.From + " again" + under
	case protocol.StepVoted:
		return heardVote + step.From + under
	case protocol.StepAccepted:
		text := "accepted" + under
		if step.TookMicros > 0 {
			text += fmt.Sprintf(", durable after %.2f ms", float64(step.TookMicros)/1000)
		}
		return text
	case protocol.StepRefused:
		if step.Ballot != "" {
			return "refused: it has promised " + step.Ballot
		}
		return "refused: it has promised a higher ballot"
	case protocol.StepChosen:
		return "CHOSEN: knows the votes of a majority" + under
	case protocol.StepApplied:
		return "applied"
	}
	return step.What // of a newer replica
}

// together keeps the first learner that knew the slot as chosen, and joins the others, and those that applied it.
func together(story []Moment) []Moment {
	var out []Moment
	first := map[string]int{} // step to its line in out
	for _, m := range story {
		if m.What != protocol.StepChosen && m.What != protocol.StepApplied {
			out = append(out, m)
			continue
		}
		at, seen := first[m.What]
		if !seen || m.What == protocol.StepChosen && at >= 0 && out[at].Text != alsoChosen {
			first[m.What] = len(out)
			if seen {
				m.Text = alsoChosen
			}
			out = append(out, m)
			continue
		}
		out[at].Replica += " " + m.Replica
	}
	return out
}

const alsoChosen = "know it is chosen, too"

// missing names the replicas whose vote is not known, while the slot is not chosen.
func (c *Console) missing(slot uint64) []Moment {
	in := c.Instance(slot)
	if in.Phase != Proposing && in.Phase != Accepting {
		return nil
	}
	var list []Moment
	for i := range c.Replicas {
		if !in.Voted[i] {
			list = append(list, Moment{Replica: c.Replicas[i].ID, What: StepSilent, Text: "no vote: " + c.whyNoVote(&in, i)})
		}
	}
	return list
}
