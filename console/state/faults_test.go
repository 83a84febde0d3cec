package state

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"synod/console/quorum"
	"synod/protocol"
)

func texts(list []Injected) string {
	var all []string
	for _, f := range list {
		all = append(all, f.What+" -> "+f.Heal)
	}
	return strings.Join(all, "; ")
}

func linkFault(id uint64, kind, peer, direction string) protocol.FaultStatus {
	return protocol.FaultStatus{ID: id, Kind: kind, Peer: peer, Direction: direction, Owner: "ann", Since: at(9)}
}

func TestFaultsAreWordedAsTheCommandsThatSetThem(t *testing.T) {
	const in, out, both = protocol.DirectionIn, protocol.DirectionOut, protocol.DirectionBoth
	role := func(kind, name string) protocol.FaultStatus {
		return protocol.FaultStatus{Kind: kind, Role: name, Owner: "ann", Since: at(9)}
	}
	delay := linkFault(4, FaultDelay, "r3", both)
	delay.DelayMicros, delay.JitterMicros = 50_000, 10_000
	loss := linkFault(5, FaultLoss, "r1", in)
	loss.LossPermille = 305
	for _, row := range []struct {
		faults map[string][]protocol.FaultStatus
		want   string
	}{
		{nil, ""},
		{map[string][]protocol.FaultStatus{"r3": {role(FaultPause, "acceptor")}}, "pause r3.acceptor -> heal r3.acceptor"},
		{
			map[string][]protocol.FaultStatus{"r3": {role(FaultCrash, "proposer"), role(FaultCrash, "acceptor"), role(FaultCrash, "learner")}},
			"crash r3 -> heal r3",
		},
		{map[string][]protocol.FaultStatus{"r1": {linkFault(7, FaultCut, "r3", out)}}, "cut r1 r3 oneway=yes -> heal r1#7"},
		{map[string][]protocol.FaultStatus{"r1": {linkFault(7, FaultCut, "r3", in)}}, "cut r3 r1 oneway=yes -> heal r1#7"},
		{map[string][]protocol.FaultStatus{"r1": {linkFault(7, FaultCut, "r3", both)}}, "cut r1 r3 -> heal r1#7"},
		{
			map[string][]protocol.FaultStatus{"r1": {linkFault(7, FaultCut, "r3", out)}, "r3": {linkFault(2, FaultCut, "r1", out)}},
			"cut r1 r3 -> heal r1 r3",
		},
		{
			map[string][]protocol.FaultStatus{"r1": {delay}, "r4": {loss}},
			"delay r1 r3 50ms jitter=10ms -> heal r1#4; drop r1 r4 30.5% oneway=yes -> heal r4#5",
		},
		{
			map[string][]protocol.FaultStatus{"r4": {
				linkFault(1, FaultCut, "r1", both), linkFault(2, FaultCut, "r2", both), linkFault(3, FaultCut, "r3", both),
				linkFault(4, FaultCut, "r5", both),
			}},
			"isolate r4 -> heal r4",
		},
		{
			map[string][]protocol.FaultStatus{
				"r1": {linkFault(1, FaultCut, "r3", both), linkFault(2, FaultCut, "r4", both), linkFault(3, FaultCut, "r5", both)},
				"r2": {linkFault(1, FaultCut, "r3", both), linkFault(2, FaultCut, "r4", both), linkFault(3, FaultCut, "r5", both)},
			},
			"partition r1,r2 | r3,r4,r5 -> heal",
		},
		{
			map[string][]protocol.FaultStatus{"r1": {{Fault: "pause acceptor", Owner: "ann"}}},
			"r1: pause acceptor -> heal r1",
		},
	} {
		c := told(nil)
		for i := range c.Replicas {
			c.Replicas[i].Status.Faults = row.faults[c.Replicas[i].ID]
		}
		if got := texts(c.Injected()); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}

func TestLinksShowFaultsOfBothEnds(t *testing.T) {
	c := told(nil)
	c.Replicas[0].Status.Faults = []protocol.FaultStatus{linkFault(1, FaultCut, "r2", protocol.DirectionOut)}
	slow := linkFault(1, FaultDelay, "r2", protocol.DirectionIn)
	slow.DelayMicros = 20_000
	lossy := linkFault(2, FaultLoss, "r2", protocol.DirectionIn)
	lossy.LossPermille = 500
	c.Replicas[2].Status.Faults = []protocol.FaultStatus{slow, lossy}
	c.Replicas[1].Status.Faults = []protocol.FaultStatus{{Kind: FaultLoss, Peer: "r3", Direction: protocol.DirectionOut, LossPermille: 500}}
	c.Replicas[3].Connected, c.Replicas[3].Err = false, "refused"
	c.Replicas[4].Status.Peers[0].Connected = false
	want := map[string]LinkState{
		"r1>r2": LinkCut, "r2>r3": LinkLossy, "r5>r1": LinkDown, "r1>r5": LinkUp, "r1>r4": LinkDown, "r4>r1": LinkDown, "r2>r1": LinkUp,
	}
	for _, row := range c.Links() {
		for _, l := range row {
			if state, ok := want[l.From+">"+l.To]; ok && l.State != state {
				t.Errorf("%s>%s is %d, want %d", l.From, l.To, l.State, state)
			}
		}
	}
	l := c.Links()[1][2]
	if l.Permille != 750 || l.Delay != 20*time.Millisecond || l.Faults != 3 {
		t.Errorf("what passes both losses: %+v", l)
	}
}

// TestQuorumAgreesWithCounting compares what the screen says about the quorum with counting by hand, over random roles
// and cuts: a leader needs a majority of acceptors and of proposers that it exchanges messages with.
func TestQuorumAgreesWithCounting(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for round := range 500 {
		c := told(nil)
		for i := range c.Replicas {
			o := &c.Replicas[i]
			o.Status.Leader = ""
			for r := range o.Status.Roles {
				if random.IntN(4) == 0 {
					o.Status.Roles[r].State = []string{"down", "paused", "refusing"}[random.IntN(3)]
				}
			}
			for j := range c.Replicas {
				if i != j && random.IntN(5) == 0 {
					way := []string{protocol.DirectionIn, protocol.DirectionOut, protocol.DirectionBoth}[random.IntN(3)]
					o.Status.Faults = append(o.Status.Faults, linkFault(uint64(j), FaultCut, c.Replicas[j].ID, way))
				}
			}
			if random.IntN(8) == 0 {
				o.Connected, o.Err = false, "refused"
			}
		}
		links := c.Links()
		for p := range c.Replicas {
			acceptors, proposers := 0, 0
			for a := range c.Replicas {
				mutual := a == p || links[p][a].Passes() && links[a][p].Passes()
				if mutual && c.Replicas[a].Connected && c.Replicas[a].Status.Roles[1].State == "normal" {
					acceptors++
				}
				if mutual && c.Replicas[a].Connected && c.Replicas[a].Status.Roles[0].State == "normal" {
					proposers++
				}
			}
			able := c.Replicas[p].Connected && c.Replicas[p].Status.Roles[0].State == "normal" && acceptors >= 3 && proposers >= 3
			told := strings.Contains(strings.Join(c.Quorum().Verdict().Electable, " "), c.Replicas[p].ID)
			if able != told {
				t.Fatalf("seed %d, round %d: %s can lead: %v, said %v", seed, round, c.Replicas[p].ID, able, told)
			}
		}
	}
}

func TestForesee(t *testing.T) {
	c := told(nil)
	c.Replicas[4].Process = ProcessKilled
	c.Replicas[3].Status.Roles[1].State = "paused"
	for _, row := range []struct {
		line     string
		known    bool
		answers  int
		writable bool
		grade    quorum.Grade
	}{
		{"crash r2", true, 2, false, quorum.Severe},
		{"crash leader.learner", true, 3, true, quorum.Moderate},
		{"pause r2.proposer", true, 3, true, quorum.Mild},
		{"wipe r4.acceptor", true, 3, true, quorum.Severe},
		{"wipe r2", true, 2, false, quorum.Severe},
		{"resume r4.acceptor", true, 4, true, quorum.Mild},
		{"start r5", true, 4, true, quorum.Mild},
		{"isolate r3", true, 2, false, quorum.Severe},
		{"partition r1,r2 | r3,r4,r5", true, 2, false, quorum.Severe},
		{"cut r1 r2", true, 3, true, quorum.Moderate},
		{"delay r1 r2 50ms", true, 3, true, quorum.Mild},
		{"put a b", false, 0, false, 0},
		{"crash", false, 0, false, 0},
		{"", false, 0, false, 0},
	} {
		effect, known := c.Foresee(row.line)
		if known != row.known || known && (len(effect.After.Answering) != row.answers || effect.After.Writable() != row.writable ||
			effect.Grade != row.grade) {
			t.Errorf("%s: %v %+v", row.line, known, effect)
		}
	}
}

// TestEpisodesMeasureWhatAFaultDid replays a leader's crash second by second.
func TestEpisodesMeasureWhatAFaultDid(t *testing.T) {
	c := Console{}
	look := func(seconds float64, change func([]Observation)) {
		base := told(nil)
		for i := range base.Replicas {
			o := &base.Replicas[i]
			o.At, o.Status.PID = at(seconds), 100+i
			bucket := 10
			if seconds > 20 {
				bucket = 30
			}
			buckets := make([]uint64, bucket+1)
			buckets[10] = uint64(min(seconds, 20) * 100)
			buckets[bucket] += uint64(max(seconds-20, 0) * 100)
			o.Status.Operations = []protocol.OperationStatus{{Operation: "put", Buckets: buckets}}
			o.Status.Requests.Failed = uint64(max(seconds-20, 0) * 10)
		}
		if change != nil {
			change(base.Replicas)
		}
		c = c.Observe(Snapshot{At: at(seconds), Replicas: base.Replicas})
	}
	for s := 10.0; s < 20; s += 0.5 {
		look(s, nil)
	}
	crashed := func(leader string) func([]Observation) {
		return func(replicas []Observation) {
			for i := range replicas {
				replicas[i].Status.Leader = leader
			}
			for r := range replicas[0].Status.Roles {
				replicas[0].Status.Roles[r].State = "down"
				replicas[0].Status.Faults = append(replicas[0].Status.Faults, protocol.FaultStatus{
					Kind: FaultCrash, Role: replicas[0].Status.Roles[r].Role, Owner: "ann", Since: at(20),
				})
			}
		}
	}
	look(20.1, crashed(""))
	if e := &c.Episodes.List[0]; !e.NoLeader(&c) {
		t.Errorf("%+v", e)
	}
	for s := 20.6; s < 24; s += 0.5 {
		look(s, crashed("r4"))
	}
	look(25, nil)
	if len(c.Episodes.List) != 1 {
		t.Fatalf("%+v", c.Episodes.List)
	}
	e := c.Episodes.List[0]
	if e.What != "crash r1" || e.AnswersBefore != 5 || e.AnswersAfter != 4 || e.LeaderBefore != "r1" || e.LeaderAfter != "r4" ||
		e.LeaderIn != 600*time.Millisecond || e.Ended.IsZero() {
		t.Errorf("%+v", e)
	}
	if e.P99Before <= 0 || e.P99After <= e.P99Before || e.Failed == 0 {
		t.Errorf("p99 %v to %v, %d failed", e.P99Before, e.P99After, e.Failed)
	}
}

// TestAPartitionIsOneEpisode: its cuts come from two replicas, over two connections, one look after the other.
func TestAPartitionIsOneEpisode(t *testing.T) {
	c := Console{}.Observe(Snapshot{At: at(8), Replicas: told(nil).Replicas})
	look := func(seconds float64, count int) {
		base := told(nil)
		for i := range base.Replicas {
			base.Replicas[i].At = at(seconds)
			for _, to := range []string{"r3", "r4", "r5"} {
				cut := linkFault(1, FaultCut, to, protocol.DirectionBoth)
				cut.Owner = fmt.Sprintf("ann@127.0.0.1:%d", 40_000+i)
				if i < count {
					base.Replicas[i].Status.Faults = append(base.Replicas[i].Status.Faults, cut)
				}
			}
		}
		c = c.Observe(Snapshot{At: at(seconds), Replicas: base.Replicas})
	}
	look(8.9, 0)
	look(9.1, 1)
	look(9.2, 2)
	look(9.3, 2)
	if list := c.Episodes.List; len(list) != 1 || list[0].What != "partition r1,r2 | r3,r4,r5" || list[0].AnswersBefore != 5 ||
		list[0].AnswersAfter != 3 || !list[0].Ended.IsZero() {
		t.Errorf("%+v", list)
	}
	look(12, 0)
	if list := c.Episodes.List; len(list) != 1 || list[0].Ended.IsZero() {
		t.Errorf("%+v", list)
	}
}

func TestAFaultThatWasThereBeforeTheScreenClaimsNothing(t *testing.T) {
	base := told(nil)
	base.Replicas[2].Status.Faults = []protocol.FaultStatus{{Kind: FaultPause, Role: "acceptor", Owner: "ann", Since: at(5)}}
	c := Console{}.Observe(Snapshot{At: at(10)})
	c = c.Observe(Snapshot{At: at(10.2), Replicas: base.Replicas})
	if list := c.Episodes.List; len(list) != 1 || !list[0].Old() {
		t.Errorf("%+v", list)
	}
}

func TestTheHistoryOfFaultsIsBounded(t *testing.T) {
	c := Console{}.Observe(Snapshot{At: at(0)})
	for round := range 2 * episodesMax {
		base := told(nil)
		now := at(10 + float64(round))
		for i := range base.Replicas {
			base.Replicas[i].At = now
		}
		base.Replicas[round%5].Status.Faults = []protocol.FaultStatus{
			{Kind: FaultPause, Role: "acceptor", Owner: fmt.Sprint(round), Since: now},
		}
		c = c.Observe(Snapshot{At: now, Replicas: base.Replicas})
	}
	if n := len(c.Episodes.List); n != episodesMax {
		t.Errorf("%d episodes", n)
	}
}

func TestPerson(t *testing.T) {
	for owner, want := range map[string]string{
		"ann@127.0.0.1:41822": "ann@127.0.0.1", "by ann@[::1]:9": "by ann@[::1]", "chaos": "chaos", "a:b": "a:b", "x@host:name": "x@host:name",
	} {
		if got := Person(owner); got != want {
			t.Errorf("%q is %q, want %q", owner, got, want)
		}
	}
}
