package state

import (
	"slices"
	"time"
)

// Episode is a fault with what it did to the cluster: what was seen before it and while it lasted. Nothing of it is
// guessed; what was not seen is zero.
type Episode struct {
	What          string
	Owner         string
	Since         time.Time
	Ended         time.Time // zero while it lasts
	AnswersBefore int       // acceptors that answered
	AnswersAfter  int       // the fewest that did while it lasted
	LeaderBefore  string
	LeaderAfter   string        // the first other one; "" if there was none
	LeaderIn      time.Duration // from the fault to LeaderAfter
	P99Before     time.Duration // of requests in the seconds before; 0 without requests
	P99After      time.Duration // of requests in the first seconds of it
	Failed        uint64        // requests that failed in those seconds
	judged        bool          // its effect has been measured
}

// Episodes is the history of the faults that this screen has seen, the oldest first.
type Episodes struct {
	List []Episode
	from time.Time // the first look
	last standing  // at the look before
}

// Limits of the history.
const (
	episodesMax    = 200
	effectSpan     = 5 * time.Second // after which the effect of a fault is taken
	killedWord     = "kill "
	killedOwner    = "this program"
	ledLately      = 2 * time.Second  // who led then is the leader before a fault
	leaderEffectIn = 10 * time.Second // later changes are not of this fault
)

// observe compares what is known now with what was.
func (e Episodes) observe(c *Console) Episodes {
	if e.from.IsZero() {
		e.from = c.Now
	}
	now := c.Injected()
	for i := range c.Replicas {
		if o := &c.Replicas[i]; o.Process == ProcessKilled {
			now = append(now, Injected{What: killedWord + o.ID, Owner: killedOwner, Since: c.Now})
		}
	}
	list := slices.Clone(e.List)
	for i := range list {
		episode := &list[i]
		if !episode.Ended.IsZero() {
			continue
		}
		at := slices.IndexFunc(now, func(f Injected) bool { return f.What == episode.What })
		if at < 0 {
			episode.Ended = c.Now
		} else {
			now = slices.Delete(now, at, at+1)
		}
	}
	for _, f := range now {
		for i := range list { // what changes from now on is of this one, as far as anybody can tell
			list[i].judged = list[i].judged || f.Since.Sub(list[i].Since) > togetherWithin
		}
		var episode Episode
		list, episode = e.takeOver(c, f, list)
		list = append(list, episode)
	}
	answers := len(c.Quorum().Verdict().Answering)
	for i := range list {
		if !list[i].judged {
			e.judge(c, &list[i], answers)
		}
	}
	e.List, e.last.answers = list[max(0, len(list)-episodesMax):], answers
	if leader, _ := c.Leader(); leader != "" {
		e.last.leader, e.last.led = leader, c.Now
	}
	return e
}

// takeOver begins an episode. The faults of one order arrive from several replicas one after the other, and are worded
// differently until all are there: what was begun for a part of them is not another episode.
func (e *Episodes) takeOver(c *Console, f Injected, list []Episode) ([]Episode, Episode) {
	episode := e.begin(c, f)
	part := func(old Episode) bool {
		return old.Ended.Equal(c.Now) && Person(old.Owner) == Person(f.Owner) && f.Since.Sub(old.Since).Abs() < togetherWithin
	}
	if at := slices.IndexFunc(list, part); at >= 0 {
		old := &list[at]
		episode.AnswersBefore, episode.LeaderBefore, episode.P99Before = old.AnswersBefore, old.LeaderBefore, old.P99Before
		episode.AnswersAfter = old.AnswersAfter
	}
	return slices.DeleteFunc(list, part), episode
}

// begin notes how things were before a fault. Of one that was there before the screen nothing is known.
func (e *Episodes) begin(c *Console, f Injected) Episode {
	episode := Episode{What: f.What, Owner: f.Owner, Since: f.Since, judged: f.Since.Before(e.from)}
	if episode.judged {
		return episode
	}
	episode.AnswersBefore, episode.AnswersAfter = e.last.answers, e.last.answers
	if c.Now.Sub(e.last.led) < ledLately {
		episode.LeaderBefore = e.last.leader
	}
	episode.P99Before, _ = effect(&c.History, f.Since.Add(-effectSpan), f.Since)
	return episode
}

// judge measures the effect of a fault, as long as a change can be of it.
func (e *Episodes) judge(c *Console, episode *Episode, answers int) {
	age := c.Now.Sub(episode.Since)
	if episode.Ended.IsZero() {
		episode.AnswersAfter = min(episode.AnswersAfter, answers)
	}
	leader, _ := c.Leader()
	if leader != "" && leader != episode.LeaderBefore && episode.LeaderAfter == "" && age <= leaderEffectIn {
		episode.LeaderAfter, episode.LeaderIn = leader, max(age, 0)
	}
	if age <= effectSpan {
		episode.P99After, episode.Failed = effect(&c.History, episode.Since, c.Now)
	}
	episode.judged = age > leaderEffectIn
}

// Old tells whether the fault was there before the screen: then nothing is known about its effect.
func (e *Episode) Old() bool { return e.AnswersBefore == 0 && e.LeaderBefore == "" }

// NoLeader tells whether the fault has left the cluster without a leader until now.
func (e *Episode) NoLeader(c *Console) bool {
	leader, _ := c.Leader()
	return e.Ended.IsZero() && e.LeaderBefore != "" && leader == "" && !e.judged
}

// standing is what is compared when a fault begins.
type standing struct {
	answers int
	leader  string // the last one that was known
	led     time.Time
}

// effect sums up the seconds of the history that end between two moments: the duration that 99 of 100 requests did not
// exceed, 0 without requests, and how many failed.
func effect(h *History, from, to time.Time) (p99 time.Duration, failed uint64) {
	var all Latency
	for i := range h.Seconds {
		second := &h.Seconds[i]
		if !second.At.After(from) || second.At.After(to) {
			continue
		}
		failed += second.Failed
		operations := merged(second.latest)
		all.merge(&operations)
	}
	return time.Duration(all.Quantile(0.99) * float64(time.Microsecond)), failed
}
