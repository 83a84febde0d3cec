package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"synod/protocol"
)

// Reign is one ballot under which somebody led, or tried to.
type Reign struct {
	Ballot, Owner string
	From          time.Time // when it led, or else when it tried
	Led           bool
	Phase         time.Duration // phase 1
	PromisedBy    []string
	OpenSlots     int       // proposed again
	Why           string    // what made it necessary; "" if nobody has told
	Ended         time.Time // when its owner gave up; zero if it has not, or has not told
	EndedBy       string
}

// Words of the events about leadership.
const (
	eventCanvassing  = "canvassing"
	eventCampaigning = "campaigning"
	eventLeading     = "leading"
	eventResigned    = "resigned"
	eventLeaderLost  = "leader lost"
)

// ReignsMax bounds the ballots that are shown.
const ReignsMax = 100

// Reigns gives the ballots that the replicas know of, the newest first.
func (c *Console) Reigns() []Reign {
	found := map[string]*Reign{}
	for i := range c.Ledger.Replicas {
		for j, events := 0, c.Ledger.Replicas[i].Ballots; j < len(events); j++ {
			reignOf(found, c.Ledger.Replicas[i].ID, events, j)
		}
	}
	reigns := make([]Reign, 0, len(found))
	for _, reign := range found {
		reigns = append(reigns, *reign)
	}
	slices.SortFunc(reigns, func(a, b Reign) int { return compareBallots(b.Ballot, a.Ballot) })
	reigns = reigns[:min(len(reigns), ReignsMax)]
	for i := range reigns {
		if reigns[i].Why == "" && i+1 < len(reigns) && reigns[i+1].EndedBy != "" {
			reigns[i].Why = reigns[i+1].Owner + " " + resignation(reigns[i+1].EndedBy)
		}
	}
	return reigns
}

// reignOf takes one event of a replica.
func reignOf(found map[string]*Reign, replica string, events []protocol.BallotEvent, at int) {
	event := &events[at]
	owner := event.Owner
	if owner == "" {
		owner = BallotOwner(event.Ballot)
	}
	if event.Ballot == "" || owner == "" || event.What == eventLeaderLost || event.What == eventCanvassing {
		return // about the ballot of another
	}
	reign := found[event.Ballot]
	if reign == nil {
		reign = &Reign{Ballot: event.Ballot, Owner: owner, From: event.At}
		found[event.Ballot] = reign
	}
	if owner != replica {
		reign.Led = reign.Led || event.What == "following"
		if event.At.Before(reign.From) && reign.Phase == 0 {
			reign.From = event.At // its owner may be gone
		}
		return
	}
	switch event.What {
	case eventCampaigning:
		if !reign.Led {
			reign.From = event.At
		}
		reign.Why = whyCampaign(events, at)
	case eventLeading:
		reign.Led, reign.From = true, event.At
		reign.Phase = time.Duration(event.PhaseMicros) * time.Microsecond
		reign.PromisedBy, reign.OpenSlots = event.PromisedBy, event.OpenSlots
	case eventResigned:
		reign.Ended, reign.EndedBy = event.At, event.Reason
	}
}

// whyCampaign looks back from a campaign for what made its owner begin it: the loss of a leader, or that it gave up
// itself. Campaigns that failed in between say nothing about the cause.
func whyCampaign(events []protocol.BallotEvent, at int) string {
	why, failed := events[at].Reason, 0
	for i := at - 1; i >= 0; i-- {
		e := &events[i]
		switch e.What {
		case eventCanvassing:
		case eventCampaigning:
			failed++
		case eventLeaderLost:
			return behind(cmp.Or(e.Reason, why), failed)
		case eventResigned:
			return behind(e.Owner+" "+resignation(e.Reason), failed)
		default: // it followed or led, and has told why that ended
			return behind(why, failed)
		}
	}
	return behind(why, failed)
}

func resignation(reason string) string {
	if strings.HasPrefix(reason, gaveUp) {
		return reason
	}
	return "resigned: " + reason
}

const gaveUp = "gave up"

func behind(why string, failed int) string {
	switch {
	case failed == 1:
		return why + "; one campaign failed before"
	case failed > 1:
		return fmt.Sprintf("%s; %d campaigns failed before", why, failed)
	}
	return why
}
