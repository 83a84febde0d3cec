package trace

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

func (w *world) tell(events ...paxos.Event) {
	w.sleep(1000)
	w.Tell(paxos.RoleProposer, events, w.now)
}

// story gives the last events in words.
func (w *world) story(most int) string {
	var lines []string
	for _, e := range w.Ballots(protocol.BallotsQuery{Max: most}).Events {
		line := fmt.Sprintf("%s %s %s: %s", e.What, e.Ballot, e.Owner, e.Reason)
		if e.What == "leading" {
			line += fmt.Sprintf(" [%d us, by %s, %d open]", e.PhaseMicros, strings.Join(e.PromisedBy, " "), e.OpenSlots)
		}
		if e.Times > 1 {
			line += fmt.Sprintf(" x%d", e.Times)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestWhyTheLeaderChanged(t *testing.T) {
	w := newWorld()
	own := paxos.Ballot{Round: 13, Replica: 2, Run: 3}
	w.tell(paxos.Event{Kind: paxos.EventFollowing, Ballot: ballot1})
	w.tell(paxos.Event{Kind: paxos.EventLeaderLost, Ballot: ballot1, Reason: "connection lost", Ticks: 1})
	w.tell(paxos.Event{Kind: paxos.EventFollowing, Ballot: ballot1}) // it came back at once
	w.tell(paxos.Event{Kind: paxos.EventLeaderLost, Ballot: ballot1, Ticks: 64},
		paxos.Event{Kind: paxos.EventCanvassing, Slot: 9})
	w.tell(paxos.Event{Kind: paxos.EventCanvassing, Slot: 9, Replicas: 0b10010})
	w.tell(paxos.Event{Kind: paxos.EventCanvassing, Slot: 9, Replicas: 0b10010})
	w.tell(paxos.Event{Kind: paxos.EventCampaigning, Ballot: own, Slot: 10})
	w.tell(paxos.Event{Kind: paxos.EventLeading, Ballot: own, Slot: 10, Replicas: 0b10110, Slots: 3})
	w.tell(paxos.Event{Kind: paxos.EventResigned, Ballot: own, Slot: 12, Ticks: 120, Reason: "slot 12 is late"})
	w.tell(paxos.Event{Kind: paxos.EventCampaigning, Ballot: own, Slot: 12})
	w.tell(paxos.Event{Kind: paxos.EventResigned, Ballot: own, Replicas: 0b11, Reason: "x"})
	w.tell(paxos.Event{Kind: paxos.EventResigned, Ballot: own, Reason: "outbid by 14.r4"})
	w.tell(paxos.Event{Kind: paxos.EventStuck, Ballot: own, Slot: 4},
		paxos.Event{Kind: paxos.EventCampaigning, Ballot: own})
	want := `following 12.r1 r1: its heartbeat arrived
leader lost 12.r1 r1: lost the connection to r1
following 12.r1 r1: it is heard again
leader lost 12.r1 r1: no heartbeat of r1 for 640 ms
canvassing  : asks all whether they hear no leader either
canvassing  : asks again: the last attempt got the consent of r2, r5, 2 of 5, too few x2
campaigning 13.r2 r2: no heartbeat of r1 for 640 ms
leading 13.r2 r2: no heartbeat of r1 for 640 ms [1000 us, by r2 r3 r5, 3 open]
resigned 13.r2 r2: gave up: slot 12 made no progress for 1.2 s
campaigning 13.r2 r2: no leader since it gave up 13.r2
resigned 13.r2 r2: gave up: only r1, r2, 2 of 5, answer its heartbeats
resigned 13.r2 r2: gave up: outbid by 14.r4
campaigning 13.r2 r2: a replica can get slot 4 from nobody: it is chosen again`
	if got := w.story(0); got != want {
		t.Errorf("the story is\n%s\nwant\n%s", got, want)
	}
	if got := w.story(1); got != want[strings.LastIndex(want, "\n")+1:] {
		t.Errorf("the last one is %q", got)
	}
	r := &w.rounds
	counts := [...]uint64{
		r.LinkDown.Load(), r.Silence.Load(), r.NoLeader.Load(), r.Stuck.Load(), r.Leaders.Load(),
	}
	if counts != [...]uint64{0, 1, 1, 1, 2} {
		t.Errorf("campaigns after a lost link, silence, no leader, a stuck slot; changes of the leader: %v", counts)
	}
}

// TestALostConnectionIsToldOnce: the proposer tells it again when it canvasses.
func TestALostConnectionIsToldOnce(t *testing.T) {
	w := newWorld()
	w.tell(paxos.Event{Kind: paxos.EventCampaigning, Ballot: ballot2})
	w.tell(paxos.Event{Kind: paxos.EventLeaderLost, Ballot: ballot1, Reason: "connection lost"})
	w.tell(paxos.Event{Kind: paxos.EventLeaderLost, Ballot: ballot1, Ticks: 3},
		paxos.Event{Kind: paxos.EventCampaigning, Ballot: ballot2})
	want := "campaigning 13.r2 r2: no leader was known\nleader lost 12.r1 r1: lost the connection to r1\n" +
		"campaigning 13.r2 r2: lost the connection to r1"
	if got := w.story(0); got != want || w.rounds.LinkDown.Load() != 1 {
		t.Errorf("the story is\n%s", got)
	}
	w.Tell(paxos.RoleLearner, []paxos.Event{{Kind: paxos.EventStuck, Slot: 9}}, w.now)
	if got := w.story(0); got != want {
		t.Errorf("a learner's complaint is no change of leadership:\n%s", got)
	}
}

func TestOldBallotsAreForgotten(t *testing.T) {
	w := newWorld()
	for round := uint64(1); round <= 3*BallotsKept; round++ {
		w.tell(paxos.Event{Kind: paxos.EventFollowing, Ballot: paxos.Ballot{Round: round, Replica: 2, Run: 1}})
	}
	events := w.Ballots(protocol.BallotsQuery{Max: 1 << 30}).Events
	if len(events) != protocol.BallotsMax || events[len(events)-1].Ballot != fmt.Sprintf("%d.r2", 3*BallotsKept) {
		t.Errorf("%d events, the last %+v", len(events), events[len(events)-1])
	}
	for i := 1; i < len(events); i++ {
		if events[i].At.Sub(events[i-1].At) != time.Millisecond {
			t.Fatalf("event %d is out of order", i)
		}
	}
}
