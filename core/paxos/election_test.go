package paxos

import (
	"testing"
)

func canvassReply(r ReplicaID, attempt uint64, granted bool, leader Ballot, applied Slot) Envelope {
	return from(r, RoleProposer, &CanvassReply{attempt, granted, leader, leader.Round, applied})
}

// follower returns r1's proposer of five that hears r2 lead with ballot2.
func follower(t *testing.T) *Proposer {
	t.Helper()
	p := NewProposer(testConfig(1, 5, testPlant), ProposerOptions{Run: 11, Seed: 5})
	step(p, from(1, RoleLearner, &Applied{0}))
	out := step(p, heartbeat(ballot2, 1, 0))
	replies := sentOf[*HeartbeatReply](out)
	if p.State() != Following || p.Leader() != ballot2 || len(replies) != 1 || out.Messages[0].To.Replica != 2 {
		t.Fatalf("a heartbeat makes it %s of %s, with %+v", p.State(), p.Leader(), out.Messages)
	}
	return p
}

// canvassing lets a proposer wait until it asks whether to campaign.
func canvassing(t *testing.T, p *Proposer) uint64 {
	t.Helper()
	for range 4 * p.options.ElectionTicks {
		if asked := sentOf[*Canvass](ticks(p, 1)); len(asked) == 1 {
			return asked[0].Attempt
		}
	}
	t.Fatalf("without a leader it stays %s", p.State())
	return 0
}

// TestNobodyCampaignsWithoutAMajority: a majority must not hear a leader either.
func TestNobodyCampaignsWithoutAMajority(t *testing.T) {
	p := follower(t)
	attempt := canvassing(t, p)
	out := step(p, canvassReply(1, attempt, true, Ballot{}, 0), canvassReply(2, attempt, true, Ballot{}, 0),
		canvassReply(2, attempt, true, Ballot{}, 0), canvassReply(3, attempt-1, true, Ballot{}, 0),
		canvassReply(4, attempt, false, ballot2, 0), canvassReply(5, attempt, false, ballot2, 0))
	if len(sentOf[*Prepare](out)) > 0 || p.State() != Canvassing {
		t.Fatalf("two of five make it %s", p.State())
	}
	if out = ticks(p, p.options.ResendTicks*2); p.State() == Preparing || len(sentOf[*Prepare](out)) > 0 {
		t.Fatal("without answers it campaigns")
	}
	step(p, from(1, RoleLearner, &Applied{5}))
	attempt = canvassing(t, p)
	out = step(p, canvassReply(1, attempt, true, Ballot{}, 5), canvassReply(3, attempt, true, Ballot{}, 7),
		canvassReply(4, attempt, true, Ballot{}, 2))
	prepares := sentOf[*Prepare](out)
	if len(prepares) != 1 || prepares[0].From != 3 {
		t.Fatalf("a majority whose learners are at 5, 7 and 2 makes %+v, want a campaign from slot 3", prepares)
	}
	if prepares[0].Ballot.Round <= ballot2.Round {
		t.Errorf("campaigns with %s, heard of was %s", prepares[0].Ballot, ballot2)
	}
}

// TestCampaignGoesBackOnlySoFar: a learner that is far behind fetches what it
// lacks from its peers; phase 1 does not carry it all.
func TestCampaignGoesBackOnlySoFar(t *testing.T) {
	p := NewProposer(testConfig(1, 3, testPlant), ProposerOptions{Run: 11})
	attempt := canvassing(t, p)
	out := step(p, canvassReply(2, attempt, true, Ballot{}, 90_000), canvassReply(3, attempt, true, Ballot{}, 3))
	if m := sentOf[*Prepare](out); len(m) != 1 || m[0].From != 90_000-reopenSlotsMax+1 {
		t.Errorf("campaigns with %+v", m)
	}
}

// TestNobodyCampaignsInTheDark: until its learner has spoken a proposer neither
// campaigns nor lets others, but it does not wait for a dead learner for ever.
func TestNobodyCampaignsInTheDark(t *testing.T) {
	p := NewProposer(testConfig(1, 3, testPlant), ProposerOptions{Run: 11})
	ask := from(3, RoleProposer, &Canvass{Attempt: 7})
	if out := ticks(p, p.options.ElectionTicks); len(sentOf[*Canvass](out)) > 0 {
		t.Fatal("a proposer that knows nothing canvasses")
	}
	if got := sentOf[*CanvassReply](step(p, ask))[0]; got.Granted {
		t.Fatal("a proposer that knows nothing lets others campaign")
	}
	step(p, from(1, RoleLearner, &Applied{0}))
	if got := sentOf[*CanvassReply](step(p, ask))[0]; !got.Granted {
		t.Error("a proposer whose learner is at the beginning refuses")
	}
	dark := NewProposer(testConfig(1, 3, testPlant), ProposerOptions{Run: 11})
	canvassing(t, dark)
}

// TestWhoHearsALeaderRefuses: and says which; the others may campaign.
func TestWhoHearsALeaderRefuses(t *testing.T) {
	ask := from(3, RoleProposer, &Canvass{Attempt: 7})
	p := follower(t)
	step(p, from(1, RoleLearner, &Applied{6}))
	got := sentOf[*CanvassReply](step(p, ask))[0]
	if got.Granted || got.Leader != ballot2 || got.Attempt != 7 || got.Applied != 6 || got.Highest < ballot2.Round {
		t.Errorf("while it hears a leader it answers %+v", got)
	}
	step(p, from(1, RoleProposer, &LinkDown{2}))
	if got = sentOf[*CanvassReply](step(p, ask))[0]; !got.Granted {
		t.Errorf("after the link broke it answers %+v", got)
	}
	leader := leadingProposer(t, ProposerOptions{})
	if got = sentOf[*CanvassReply](step(leader, ask))[0]; got.Granted || got.Leader != leader.ballot {
		t.Errorf("a leader answers %+v", got)
	}
}

// TestLinkDownIsAHint: only the link to the leader counts, and a heartbeat undoes it.
func TestLinkDownIsAHint(t *testing.T) {
	p := follower(t)
	step(p, from(1, RoleProposer, &LinkDown{4}))
	if p.lost {
		t.Fatal("the link to somebody else made it lose its leader")
	}
	step(p, from(1, RoleProposer, &LinkDown{2}))
	if out := ticks(p, 8); len(sentOf[*Canvass](out)) != 1 {
		t.Fatal("it does not canvass soon after the link to the leader broke")
	}
	step(p, heartbeat(ballot2, 1, 0))
	if p.State() != Following || p.Leader() != ballot2 {
		t.Errorf("after a heartbeat it is %s of %s", p.State(), p.Leader())
	}
}

// TestLeaderGivesUp (dies of M34): when less than a majority hears it, or nothing
// is chosen although something waits.
func TestLeaderGivesUp(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{})
	for range p.options.ElectionTicks * 2 {
		ticks(p, 1)
		step(p, from(3, RoleProposer, &HeartbeatReply{Ballot: p.ballot}))
	}
	if p.State() != Leading {
		t.Fatal("a leader that two of three hear gives up")
	}
	ticks(p, p.options.ElectionTicks+1)
	if p.State() == Leading {
		t.Fatal("a leader that nobody hears does not give up")
	}
	p = leadingProposer(t, ProposerOptions{})
	step(p, propose("a"))
	for range p.options.ElectionTicks*3 + 2 {
		ticks(p, 1)
		step(p, from(3, RoleProposer, &HeartbeatReply{Ballot: p.ballot}))
	}
	if p.State() == Leading {
		t.Error("a leader without progress does not give up")
	}
}

// TestWhoeverIsOutbidFollows: a higher heartbeat ends a leadership and a campaign;
// a lower one is ignored.
func TestWhoeverIsOutbidFollows(t *testing.T) {
	p := leadingProposer(t, ProposerOptions{})
	step(p, heartbeat(Ballot{0, 3, 3}, 1, 0))
	if p.State() != Leading {
		t.Fatal("a lower ballot ends the leadership")
	}
	step(p, propose("a"), heartbeat(ballot3, 1, 0))
	if p.State() != Following || p.Leader() != ballot3 {
		t.Fatalf("a higher ballot leaves it %s of %s", p.State(), p.Leader())
	}
	step(p, heartbeat(ballot2, 1, 0))
	if p.Leader() != ballot3 {
		t.Errorf("an older leader is followed: %s", p.Leader())
	}
	p, _ = newTestProposer(3, ProposerOptions{})
	step(p, heartbeat(ballot2, 1, 0))
	if p.State() != Following {
		t.Errorf("a campaign goes on against a higher leader: %s", p.State())
	}
}

// TestCommandsFindTheLeader: at most two hops, and nobody keeps what it cannot place.
func TestCommandsFindTheLeader(t *testing.T) {
	p := follower(t)
	sent := func(e Envelope) (to ReplicaID, relayed bool) {
		out := step(p, e)
		for i, m := range sentOf[*Forward](out) {
			to, relayed = out.Messages[i].To.Replica, m.Relayed
		}
		return to, relayed
	}
	if to, relayed := sent(propose("a")); to != 2 || relayed {
		t.Errorf("an own command goes to %s, relayed %v", to, relayed)
	}
	stranger := propose("a")
	stranger.From.Replica = 3
	if to, _ := sent(stranger); to != 0 {
		t.Error("another replica's gateway is served")
	}
	if to, relayed := sent(from(3, RoleProposer, &Forward{[][]byte{{1}}, false})); to != 2 || !relayed {
		t.Errorf("a forwarded command goes to %s, relayed %v", to, relayed)
	}
	if to, _ := sent(from(3, RoleProposer, &Forward{[][]byte{{1}}, true})); to != 0 {
		t.Error("a command is relayed twice")
	}
	attempt := canvassing(t, p)
	if to, _ := sent(propose("a")); to != 0 {
		t.Errorf("without a leader a command goes to %s", to)
	}
	step(p, canvassReply(4, attempt, false, ballot3, 0))
	if to, _ := sent(propose("a")); to != 4 {
		t.Errorf("r4 hears a leader, but the command goes to %s", to)
	}
	leader := leadingProposer(t, ProposerOptions{})
	if got := accepts(step(leader, from(2, RoleProposer, &Forward{[][]byte{[]byte("x")}, true}))); got[1] != "<x>" {
		t.Errorf("the leader proposes %v", got)
	}
}

// TestDelaysDiffer: two proposers that ask at the same time do not do so for ever.
func TestDelaysDiffer(t *testing.T) {
	a := NewProposer(testConfig(1, 3, testPlant), ProposerOptions{Run: 1, Seed: 1})
	b := NewProposer(testConfig(2, 3, testPlant), ProposerOptions{Run: 2, Seed: 1})
	differ := 0
	for range 20 {
		if a.patience() != b.patience() {
			differ++
		}
	}
	if differ < 10 {
		t.Errorf("only %d of 20 delays differ", differ)
	}
	a.failures = 100
	if got, most := a.patience(), uint64(a.electionTicks*4); got > most {
		t.Errorf("after many failures it waits %d ticks, at most %d are meant", got, most)
	}
}

// TestLargePromisesArrive: while parts come, phase 1 is neither given up nor asked
// for again; when they stop, it is.
func TestLargePromisesArrive(t *testing.T) {
	p, ballot := newTestProposer(3, ProposerOptions{})
	part := func(i uint32) Envelope {
		e := promise(2, ballot)
		e.Message.(*Promise).Part, e.Message.(*Promise).Parts = i, 1000
		return e
	}
	for i := range uint32(50) {
		out := ticks(p, p.options.ResendTicks/2)
		step(p, part(i))
		for j, m := range sentOf[*Prepare](out) {
			if out.Messages[j].To.Replica == 2 && i > 1 {
				t.Fatalf("r2 is asked again with %+v while its answer arrives", m)
			}
		}
	}
	if p.State() != Preparing {
		t.Fatalf("while parts arrive it is %s", p.State())
	}
	again := false
	for range 4 * p.options.ElectionTicks {
		for _, e := range ticks(p, 1).Messages {
			again = again || e.Message.Kind() == KindPrepare && e.To.Replica == 2
		}
		step(p, part(3)) // this part is known
	}
	if !again || p.State() == Preparing {
		t.Errorf("after the parts stopped it is %s; asked again: %v", p.State(), again)
	}
}
