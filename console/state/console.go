package state

import (
	"cmp"
	"time"
)

// Console is everything the screen shows. Its methods change only the value itself; a copy shares the slices, which are
// replaced and not written into.
type Console struct {
	Cluster  string
	ReadOnly bool
	Now      time.Time
	Replicas []Observation
	Session  Session
	Logs     Logs
	Ledger   Ledger
	Keys     Keys
	Load     Load
	Episodes Episodes
	History  History
	Rate     float64 // answered requests a second, of all replicas
	answered uint64  // requests since the screen began to watch
	samples  []sample
}

// sample is the sum of answered requests at a moment.
type sample struct {
	at     time.Time
	total  uint64
	chosen uint64
}

// rateSpan is the time over which the rate is taken.
const rateSpan = 2 * time.Second

// Observe takes what is known at a moment.
func (c Console) Observe(s Snapshot) Console {
	before := c
	now, replicas := s.At, s.Replicas
	for i := range replicas {
		if i < len(c.Replicas) {
			c.answered += answeredSince(&c.Replicas[i], &replicas[i])
		}
	}
	c.Now, c.Replicas, c.Session = now, replicas, s.Session
	c.Logs, c.Ledger, c.Keys, c.Load = s.Logs, s.Ledger, s.Keys, s.Load
	samples := make([]sample, 0, len(c.samples)+1)
	for _, s := range c.samples {
		if now.Sub(s.at) <= rateSpan {
			samples = append(samples, s)
		}
	}
	c.samples = append(samples, sample{now, c.answered, c.Chosen()})
	c.Rate = 0
	if first := c.samples[0]; now.After(first.at) {
		c.Rate = float64(c.answered-first.total) / now.Sub(first.at).Seconds()
	}
	c.Episodes = c.Episodes.observe(&c)
	c.History = c.History.observe(&before, &c)
	return c
}

// answeredSince counts the requests that a replica has answered between two statuses of the same connection. What it
// had answered before it was watched is of another time, and one that has started anew counts from 0.
func answeredSince(before, now *Observation) uint64 {
	was := before.Status.Requests.Updates + before.Status.Requests.Reads
	is := now.Status.Requests.Updates + now.Status.Requests.Reads
	if !before.Known || !before.Connected || !now.Connected || is < was {
		return 0
	}
	return is - was
}

// Up counts the replicas that answer now.
func (c *Console) Up() int {
	up := 0
	for i := range c.Replicas {
		if c.Replicas[i].Fresh(c.Now) {
			up++
		}
	}
	return up
}

// Leader gives the leader that a majority of the replicas that answer names, with its ballot; "" if there is none.
func (c *Console) Leader() (leader, ballot string) {
	votes := map[string]int{}
	for i := range c.Replicas {
		o := &c.Replicas[i]
		if !o.Fresh(c.Now) || o.Status.Leader == "" {
			continue
		}
		if votes[o.Status.Leader]++; 2*votes[o.Status.Leader] > c.Up() {
			leader = o.Status.Leader
		}
	}
	if leader == "" {
		return "", ""
	}
	// A replica tells the highest ballot that it has seen. The leader's own acceptor may be paused and know an old one,
	// another replica may know one of a campaign that failed: only a ballot that the leader owns is the leader's.
	own := ""
	for i := range c.Replicas {
		o := &c.Replicas[i]
		if !o.Fresh(c.Now) || o.Status.Leader != leader {
			continue
		}
		if BallotOwner(o.Status.Ballot) == leader && compareBallots(o.Status.Ballot, own) > 0 {
			own = o.Status.Ballot
		}
		if ballot == "" || o.ID == leader {
			ballot = o.Status.Ballot
		}
	}
	return leader, cmp.Or(own, ballot)
}

// Chosen is the highest slot that any replica has told as chosen.
func (c *Console) Chosen() uint64 {
	highest := uint64(0)
	for i := range c.Replicas {
		highest = max(highest, c.Replicas[i].Status.Chosen)
	}
	return highest
}

// Faults counts the injected faults that the replicas have told last, one for each order that set them, and a random
// schedule as one.
func (c *Console) Faults() int {
	count, chaos := 0, false
	for _, fault := range c.Injected() {
		if !fault.Old {
			count++
		}
	}
	for i := range c.Replicas {
		o := &c.Replicas[i]
		chaos = chaos || o.Fresh(c.Now) && o.Status.Chaos
	}
	if chaos {
		count++
	}
	return count
}

// Behind is how many slots a replica has not applied of those that were known as chosen before it told its state: the
// statuses of all replicas are of different moments, and under load thousands of slots lie between them. Of one that
// does not answer it is what it lacks now.
func (c *Console) Behind(o *Observation) uint64 {
	chosen := c.Chosen()
	if o.Fresh(c.Now) {
		chosen = min(chosen, o.Status.Chosen)
		for i := range c.samples {
			if c.samples[i].at.Before(o.At) {
				chosen = max(chosen, c.samples[i].chosen)
			}
		}
	}
	return chosen - min(o.Status.Applied, chosen)
}
