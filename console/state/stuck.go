package state

import (
	"fmt"
	"strings"
	"time"

	"synod/protocol"
)

// Verdict answers why a slot is where it is.
type Verdict struct {
	Stuck    bool   // it waits for something that does not come by itself
	Sentence string // one sentence for people
	Remedy   string // a command that helps; "" if none is known
}

// stuckAfter is the age from which a slot that is not chosen waits for more than the network.
const stuckAfter = 500 * time.Millisecond

// Explain answers why a slot is where it is: who has voted, whose vote is missing and why, and what would help. It
// concludes from the statuses, the injected faults and the traces of the slot, and says when these do not tell.
func (c *Console) Explain(slot uint64) Verdict {
	in := c.Instance(slot)
	var verdict Verdict
	switch in.Phase {
	case Applied:
		verdict = c.explainApplied(&in)
	case Chosen:
		verdict = c.explainChosen(&in)
	case Unseen:
		verdict = c.explainUnseen(slot)
	default:
		verdict = c.explainOpen(&in)
	}
	if c.Up() == 0 {
		verdict.Sentence = "Nobody answers; by what was told last: " + verdict.Sentence
	}
	return verdict
}

func (c *Console) explainApplied(in *Instance) Verdict {
	took := ""
	if in.Took > 0 {
		took = ", " + tookFor(in.Took) + " after it was proposed"
	}
	var lagging grouped
	for i := range c.Replicas {
		if in.Marks[i] != MarkApplied {
			lagging.add(c.whyNotApplied(i, in.Slot), c.Replicas[i].ID)
		}
	}
	chosen := "It was chosen" + under(in.Ballot) + took
	if in.Ballot == "" {
		chosen = "It was chosen, and how is no longer kept"
		if oldest := c.Ledger.Oldest(); in.Slot < oldest {
			chosen += fmt.Sprintf(" (traces begin at %d)", oldest)
		}
	}
	if len(lagging) == 0 {
		return Verdict{Sentence: chosen + ", and is applied everywhere."}
	}
	return Verdict{Sentence: chosen + ". Not applied at " + lagging.String() + "."}
}

func under(ballot string) string {
	if ballot == "" {
		return ""
	}
	return " under " + ballot
}

// grouped collects replicas by what is to be said about them, in the order in which it is said first.
type grouped []group

type group struct {
	reason   string
	replicas []string
}

func (g *grouped) add(reason, replica string) {
	for i := range *g {
		if (*g)[i].reason == reason {
			(*g)[i].replicas = append((*g)[i].replicas, replica)
			return
		}
	}
	*g = append(*g, group{reason, []string{replica}})
}

// String gives "r2 r3: the acceptor is paused; r5: its process was killed".
func (g *grouped) String() string {
	var texts []string
	for _, one := range *g {
		texts = append(texts, strings.Join(one.replicas, " ")+": "+one.reason)
	}
	return strings.Join(texts, "; ")
}

// whyNotApplied says why a replica has not applied a slot that is chosen.
func (c *Console) whyNotApplied(replica int, slot uint64) string {
	o := &c.Replicas[replica]
	learner, known := o.Role("learner")
	switch {
	case c.gone(o) || !o.Fresh(c.Now):
		return c.silence(replica)
	case known && (learner.State == "down" || learner.State == "paused"):
		return "its learner is " + word(learner.State) + because(learner.Cause)
	case o.Status.Applied+1 < slot:
		return fmt.Sprintf("it is at %d and catches up", o.Status.Applied)
	}
	return "it comes next"
}

func word(state string) string {
	if state == "down" {
		return "crashed"
	}
	return state
}

// explainChosen is for a slot that no replica has applied although a majority has voted.
func (c *Console) explainChosen(in *Instance) Verdict {
	if slot := c.StuckSlot(); slot > 0 && slot < in.Slot {
		return Verdict{
			Stuck: true,
			Sentence: fmt.Sprintf("It is chosen%s, but slots are applied in order and %d is not chosen: look there (g %d).",
				under(in.Ballot), slot, slot),
			Remedy: fmt.Sprintf("slot %d", slot),
		}
	}
	return Verdict{Sentence: "It is chosen" + under(in.Ballot) + ": nothing can change it any more. Learners apply it next."}
}

func (c *Console) explainUnseen(slot uint64) Verdict {
	newest := c.Ledger.Newest()
	switch {
	case newest == 0:
		return Verdict{Sentence: "No replica has told anything about slots yet."}
	case slot > newest:
		return Verdict{Sentence: fmt.Sprintf("Nobody has proposed anything for it: the newest slot is %d.", newest)}
	}
	return Verdict{
		Stuck:    true,
		Sentence: "No replica that answers has seen a proposal for it: the next leader fills it.", Remedy: "leader",
	}
}

// explainOpen is for a slot that is not chosen.
func (c *Console) explainOpen(in *Instance) Verdict {
	age, known := c.Age(in)
	verdict := Verdict{Stuck: !known || age >= stuckAfter}
	var missing grouped
	possible := in.Votes
	for i := range c.Replicas {
		if in.Voted[i] {
			continue
		}
		missing.add(c.whyNoVote(in, i), c.Replicas[i].ID)
		if c.canVote(i) {
			possible++
		} else if verdict.Remedy == "" {
			verdict.Remedy = c.remedy(i)
		}
	}
	leader, _ := c.Leader()
	have := fmt.Sprintf("%d of %d votes", in.Votes, in.Needed)
	votes := "Missing: " + missing.String() + "."
	switch {
	case !verdict.Stuck:
		verdict.Sentence, verdict.Remedy = fmt.Sprintf("On its way: it has %s after %s. %s", have, brief(age), votes), ""
	case leader == "":
		verdict.Sentence = fmt.Sprintf("NOT CHOSEN: it has %s and no majority names a leader, so nobody asks for more. %s",
			have, votes)
	case possible < in.Needed:
		verdict.Sentence = fmt.Sprintf("NOT CHOSEN: it has %s and at most %d can vote now. %s", have, possible, votes)
	default:
		verdict.Sentence = fmt.Sprintf("NOT CHOSEN: it has %s; %d could vote. %s", have, possible, votes)
	}
	return verdict
}

// canVote tells whether an acceptor and its leader hear each other, as far as is known.
func (c *Console) canVote(replica int) bool {
	if c.silence(replica) != "" {
		return false
	}
	leader, _ := c.Leader()
	at := c.index(leader)
	if at < 0 || at == replica {
		return true
	}
	there, back := c.link(at, replica), c.link(replica, at)
	return there.Passes() && back.Passes()
}

// whyNoVote says why the vote of an acceptor is missing.
func (c *Console) whyNoVote(in *Instance, replica int) string {
	if why := c.silence(replica); why != "" {
		return why
	}
	o := &c.Replicas[replica]
	owner := BallotOwner(in.Ballot)
	if leader, _ := c.Leader(); leader != "" {
		owner = leader
	}
	if why := c.whyLink(c.index(owner), replica); why != "" {
		return why
	}
	if refused := c.refused(in.Slot, o.ID); refused != "" {
		return refused
	}
	if BallotOwner(in.Ballot) != owner {
		return fmt.Sprintf("%s proposed it under %s and leads no more", BallotOwner(in.Ballot), in.Ballot)
	}
	if age, known := c.Age(in); known {
		return "asked " + brief(age) + " ago, no answer yet"
	}
	return "asked, no answer yet"
}

// whyLink says what is wrong with the links between a leader and an acceptor.
func (c *Console) whyLink(leader, replica int) string {
	if leader < 0 || leader == replica {
		return ""
	}
	for _, l := range []Link{c.link(leader, replica), c.link(replica, leader)} {
		switch l.State {
		case LinkCut:
			return fmt.Sprintf("the link %s to %s is cut", l.From, l.To)
		case LinkDown:
			return l.Why
		case LinkLossy:
			return fmt.Sprintf("the link %s to %s loses %s of the messages", l.From, l.To, Percent(l.Permille))
		case LinkDelayed:
			return fmt.Sprintf("the link %s to %s is delayed by %s", l.From, l.To, brief(l.Delay))
		}
	}
	return ""
}

// refused tells of the last refusal of an acceptor.
func (c *Console) refused(slot uint64, id string) string {
	for i := range c.Ledger.Replicas {
		r := &c.Ledger.Replicas[i]
		if r.ID != id {
			continue
		}
		trace := r.trace(slot)
		for j := 0; trace != nil && j < len(trace.Steps); j++ {
			if trace.Steps[j].What == protocol.StepRefused {
				return stepText(trace, &trace.Steps[j])
			}
		}
	}
	return ""
}

// remedy is the command that brings the vote of an acceptor back, as far as one is known.
func (c *Console) remedy(replica int) string {
	o := &c.Replicas[replica]
	acceptor, _ := o.Role("acceptor")
	switch {
	case o.Process == ProcessKilled || o.Process == ProcessExited:
		return "start " + o.ID
	case !o.Fresh(c.Now):
		return ""
	case acceptor.State == "paused":
		return "resume " + o.ID + ".acceptor"
	case acceptor.State == "down":
		return "restart " + o.ID + ".acceptor"
	case acceptor.State == "refusing" || acceptor.State == "recovering":
		return ""
	}
	return "heal"
}

// Age is how long ago an open slot was proposed, by the clock of who proposed it; false if nobody has told.
func (c *Console) Age(in *Instance) (time.Duration, bool) {
	if in.Proposed.IsZero() {
		return 0, false
	}
	return max(c.Now.Sub(in.Proposed), 0), true
}

// Percent writes a part of thousand: 30 %, 0.5 %.
func Percent(permille int) string {
	if permille%10 == 0 {
		return fmt.Sprintf("%d%%", permille/10)
	}
	return fmt.Sprintf("%d.%d%%", permille/10, permille%10)
}

// tookFor writes how long a slot took: to a tenth of a millisecond below a second, where that tells a disk from a network.
func tookFor(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return brief(d)
}

// brief writes a duration for a sentence.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

// StuckSlot is the oldest slot that waits for something that does not come by itself; 0 if there is none. Slots are
// chosen in any order and applied in order, so it is the one above what is applied anywhere, if it is open for long.
func (c *Console) StuckSlot() uint64 {
	applied := uint64(0)
	for i := range c.Replicas {
		applied = max(applied, c.Replicas[i].Status.Applied)
	}
	if applied >= c.Ledger.Newest() {
		return 0
	}
	in := c.Instance(applied + 1)
	age, known := c.Age(&in)
	if in.Phase == Unseen || in.Phase >= Chosen || !known || age < stuckAfter {
		return 0
	}
	return in.Slot
}
