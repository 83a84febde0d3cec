package state

import (
	"slices"
	"time"

	"synod/protocol"
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
	failedBefore  uint64
}

// Episodes is the history of the faults that this screen has seen, the oldest first.
type Episodes struct {
	List    []Episode
	latency []latencySample // one a second
	seen    bool            // the first look has been taken
	last    standing        // at the look before
}

// Limits of the history.
const (
	episodesMax    = 200
	effectSpan     = 5 * time.Second // after which the effect of a fault is taken
	samplesMax     = 8               // seconds for which latencies are kept
	samplePause    = time.Second
	killedWord     = "kill "
	killedOwner    = "this program"
	ledLately      = 2 * time.Second  // who led then is the leader before a fault
	leaderEffectIn = 10 * time.Second // later changes are not of this fault
)

// observe compares what is known now with what was.
func (e Episodes) observe(c *Console) Episodes {
	e.sample(c)
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
		list = append(list, e.begin(c, f))
	}
	answers := len(c.Quorum().Verdict().Answering)
	for i := range list {
		if !list[i].judged {
			e.judge(c, &list[i], answers)
		}
	}
	e.List, e.seen, e.last.answers = list[max(0, len(list)-episodesMax):], true, answers
	if leader, _ := c.Leader(); leader != "" {
		e.last.leader, e.last.led = leader, c.Now
	}
	return e
}

// begin notes how things were before a fault. Of one that was there before the screen nothing is known.
func (e *Episodes) begin(c *Console, f Injected) Episode {
	episode := Episode{What: f.What, Owner: f.Owner, Since: f.Since, judged: !e.seen}
	if episode.judged {
		return episode
	}
	episode.AnswersBefore, episode.AnswersAfter = e.last.answers, e.last.answers
	if c.Now.Sub(e.last.led) < ledLately {
		episode.LeaderBefore = e.last.leader
	}
	episode.P99Before = e.p99(c.Now.Add(-effectSpan), c.Now)
	episode.failedBefore = failedOf(c)
	return episode
}

// judge measures the effect of a fault, as long as a change can be of it.
func (e *Episodes) judge(c *Console, episode *Episode, answers int) {
	age := c.Now.Sub(episode.Since)
	if episode.Ended.IsZero() {
		episode.AnswersAfter = min(episode.AnswersAfter, answers)
	}
	leader, _ := c.Leader()
	if leader != "" && leader != episode.LeaderBefore && episode.LeaderAfter == "" {
		episode.LeaderAfter, episode.LeaderIn = leader, max(age, 0)
	}
	if age <= effectSpan {
		episode.P99After = e.p99(episode.Since, c.Now)
		if failed := failedOf(c); failed >= episode.failedBefore {
			episode.Failed = failed - episode.failedBefore
		}
	}
	episode.judged = age > leaderEffectIn
}

// NoLeader tells whether the fault has left the cluster without a leader until now.
func (e *Episode) NoLeader(c *Console) bool {
	leader, _ := c.Leader()
	return e.Ended.IsZero() && e.LeaderBefore != "" && leader == "" && !e.judged
}

func failedOf(c *Console) uint64 {
	failed := uint64(0)
	for i := range c.Replicas {
		failed += c.Replicas[i].Status.Requests.Failed
	}
	return failed
}

// standing is what is compared when a fault begins.
type standing struct {
	answers int
	leader  string // the last one that was known
	led     time.Time
}

// latencySample is the durations of all requests up to a moment.
type latencySample struct {
	at      time.Time
	buckets [protocol.LatencyBuckets]uint64
}

// sample keeps the counts of requests by their duration, once a second.
func (e *Episodes) sample(c *Console) {
	if n := len(e.latency); n > 0 && c.Now.Sub(e.latency[n-1].at) < samplePause {
		return
	}
	s := latencySample{at: c.Now}
	for i := range c.Replicas {
		for _, operation := range c.Replicas[i].Status.Operations {
			for b, count := range operation.Buckets[:min(len(operation.Buckets), len(s.buckets))] {
				s.buckets[b] += count
			}
		}
	}
	kept := e.latency[max(0, len(e.latency)-samplesMax+1):]
	if n := len(kept); n > 0 && s.below(&kept[n-1]) {
		kept = nil // a process has begun anew, and counts from 0
	}
	e.latency = append(kept[:len(kept):len(kept)], s)
}

func (s *latencySample) below(other *latencySample) bool {
	for i := range s.buckets {
		if s.buckets[i] < other.buckets[i] {
			return true
		}
	}
	return false
}

// p99 gives the duration that 99 of 100 requests between two moments did not exceed; 0 without requests.
func (e *Episodes) p99(from, to time.Time) time.Duration {
	var first, last *latencySample
	for i := range e.latency {
		s := &e.latency[i]
		if first == nil || !s.at.After(from) {
			first = s
		}
		if !s.at.After(to) {
			last = s
		}
	}
	if first == nil || last == nil {
		return 0
	}
	total := uint64(0)
	for i := range last.buckets {
		total += last.buckets[i] - first.buckets[i]
	}
	sum := uint64(0)
	for i := range last.buckets {
		if sum += last.buckets[i] - first.buckets[i]; total > 0 && sum*100 >= total*99 {
			return time.Duration(protocol.LatencyBucket(i) * float64(time.Microsecond))
		}
	}
	return 0
}
