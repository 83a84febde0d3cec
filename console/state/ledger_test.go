package state

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"synod/protocol"
)

// recorded is what a real cluster of five processes told, as the ledger exports it.
func recorded(t *testing.T, name string) Console {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var s Snapshot
	if err := json.Unmarshal(content, &s); err != nil {
		t.Fatal(err)
	}
	return Console{Cluster: "demo"}.Observe(s)
}

// told makes a console of five fresh replicas with traces of slots.
func told(traces map[string][]protocol.SlotTrace) Console {
	s := Snapshot{At: at(10)}
	for _, id := range []string{"r1", "r2", "r3", "r4", "r5"} {
		o := observation(id, "r1", at(10), 0)
		o.Status.Ballot = "3.r1"
		for _, role := range roleOrder {
			o.Status.Roles = append(o.Status.Roles, protocol.RoleStatus{Role: role, State: "normal"})
		}
		for _, peer := range []string{"r1", "r2", "r3", "r4", "r5"} {
			if peer != id {
				o.Status.Peers = append(o.Status.Peers, protocol.PeerStatus{Replica: peer, Connected: true, RTTMicros: 200})
			}
		}
		s.Replicas = append(s.Replicas, o)
		r := LedgerReplica{ID: id, Window: traces[id], At: at(10)}
		if n := len(r.Window); n > 0 {
			r.Oldest, r.Newest = r.Window[0].Slot, r.Window[n-1].Slot
		}
		s.Ledger.Replicas = append(s.Ledger.Replicas, r)
	}
	return Console{}.Observe(s)
}

func step(seconds float64, what, from string) protocol.Step {
	return protocol.Step{At: at(seconds), What: what, From: from}
}

func trace(slot uint64, ballot string, steps ...protocol.Step) protocol.SlotTrace {
	return protocol.SlotTrace{Slot: slot, Ballot: ballot, Operation: "put", Key: []byte("k"), Commands: 1, Steps: steps}
}

func marks(in Instance) string {
	signs := [...]string{"-", "o", "x", "v", "a"}
	text := ""
	for _, mark := range in.Marks {
		text += signs[mark]
	}
	return text
}

func TestRecordedStuckSlot(t *testing.T) {
	c := recorded(t, "stuck")
	if slot := c.StuckSlot(); slot != 37 {
		t.Fatalf("slot %d is stuck", slot)
	}
	in := c.Instance(37)
	if in.Phase != Accepting || in.Ballot != "1.r1" || in.Votes != 2 || in.Needed != 3 || marks(in) != "vxvox" ||
		string(in.Key) != "user/1042" {
		t.Errorf("%+v %s", in, marks(in))
	}
	verdict := c.Explain(37)
	for _, want := range []string{
		"NOT CHOSEN", "2 of 3 votes", "no majority names a leader", "r2: its acceptor is paused (by root@127.0.0.1)",
		"r4: the link r1 to r4 is cut", "r5: its process was killed",
	} {
		if !strings.Contains(verdict.Sentence, want) {
			t.Errorf("no %q in %q", want, verdict.Sentence)
		}
	}
	if !verdict.Stuck || verdict.Remedy != "resume r2.acceptor" {
		t.Errorf("%+v", verdict)
	}
	story := c.Story(37, EveryStep)
	missing := 0
	for i, m := range story {
		if m.What == StepSilent {
			missing++
		} else if i > 0 && story[i-1].At.After(m.At) {
			t.Errorf("step %d is out of order: %+v", i, story)
		}
	}
	if missing != 3 || story[0].What != protocol.StepProposed {
		t.Errorf("%d votes are missing in %+v", missing, story)
	}
}

func TestRecordedElection(t *testing.T) {
	c := recorded(t, "elected")
	reigns := c.Reigns()
	if len(reigns) < 3 || reigns[0].Ballot != "16.r4" || !reigns[0].Led || len(reigns[0].PromisedBy) < 3 {
		t.Fatalf("%+v", reigns)
	}
	if !strings.Contains(reigns[0].Why, "no heartbeat of r1") {
		t.Errorf("why 16.r4: %q", reigns[0].Why)
	}
	for _, reign := range reigns {
		switch reign.Ballot {
		case "15.r1":
			if !reign.Led || reign.OpenSlots != 3 || !strings.Contains(reign.Why, "slot 37 made no progress") ||
				!strings.Contains(reign.Why, "campaigns failed before") {
				t.Errorf("%+v", reign)
			}
		case "13.r1":
			if reign.Led {
				t.Errorf("a campaign that failed led: %+v", reign)
			}
		}
	}
	in := c.Instance(37) // chosen under its first ballot, proposed again under a later one
	if in.Phase != Applied || in.Ballot != "1.r1" || in.Took < 20*time.Second || marks(in) != "aaaaa" {
		t.Errorf("%+v", in)
	}
	if text := c.Explain(37).Sentence; !strings.Contains(text, "under 1.r1") || !strings.Contains(text, "applied everywhere") {
		t.Errorf("%q", text)
	}
	if c.StuckSlot() != 0 {
		t.Errorf("slot %d is stuck", c.StuckSlot())
	}
}

func TestPhasesAndMarks(t *testing.T) {
	proposed := step(9.999, protocol.StepProposed, "")
	for _, row := range []struct {
		name   string
		traces map[string][]protocol.SlotTrace
		change func(*Console)
		phase  Phase
		marks  string
		votes  int
	}{
		{"nothing is known", nil, nil, Unseen, "-----", 0},
		{
			"asked", map[string][]protocol.SlotTrace{"r1": {trace(7, "3.r1", proposed)}}, nil, Proposing, "ooooo", 0,
		},
		{
			"a vote heard and one told", map[string][]protocol.SlotTrace{
				"r1": {trace(7, "3.r1", proposed, step(9.9995, protocol.StepVoted, "r2"))},
				"r3": {trace(7, "3.r1", step(9.9996, protocol.StepAccepted, ""))},
			}, nil, Accepting, "ovvoo", 2,
		},
		{
			"a majority that nobody has counted", map[string][]protocol.SlotTrace{
				"r1": {trace(7, "3.r1", proposed, step(9.9995, protocol.StepVoted, "r2"), step(9.9995, protocol.StepAccepted, ""))},
				"r3": {trace(7, "3.r1", step(9.9996, protocol.StepAccepted, ""))},
			}, nil, Chosen, "vvvoo", 3,
		},
		{
			"votes under different ballots make no majority", map[string][]protocol.SlotTrace{
				"r1": {trace(7, "2.r1", proposed, step(9.99, protocol.StepAccepted, ""))},
				"r2": {trace(7, "2.r1", step(9.99, protocol.StepAccepted, ""))},
				"r3": {trace(7, "10.r3", step(9.9996, protocol.StepProposed, ""), step(9.9997, protocol.StepAccepted, ""))},
			}, nil, Accepting, "oovoo", 1,
		},
		{
			"only the owner of the trace says so", map[string][]protocol.SlotTrace{
				"r1": {trace(7, "3.r1", proposed)}, "r4": {trace(7, "3.r1", step(9.9999, protocol.StepApplied, ""))},
			}, func(c *Console) { c.Replicas[1].Status.Applied = 8 }, Applied, "oaoao", 0,
		},
		{
			"silent ones", map[string][]protocol.SlotTrace{"r1": {trace(7, "3.r1", proposed)}}, func(c *Console) {
				c.Replicas[1].Connected, c.Replicas[1].Err = false, "refused"
				c.Replicas[2].Status.Roles[1].State = "paused"
				c.Replicas[3].Status.Roles[1].State = "down"
				c.Replicas[4].Process = ProcessKilled
			}, Proposing, "oxxxx", 0,
		},
	} {
		c := told(row.traces)
		if row.change != nil {
			row.change(&c)
		}
		if in := c.Instance(7); in.Phase != row.phase || marks(in) != row.marks || in.Votes != row.votes {
			t.Errorf("%s: %s %s, %d votes", row.name, in.Phase, marks(in), in.Votes)
		}
	}
}

func TestExplanations(t *testing.T) {
	refused := open(2)
	refused["r2"] = []protocol.SlotTrace{trace(7, "3.r1", protocol.Step{At: at(9), What: protocol.StepRefused, Ballot: "4.r2"})}
	cut := protocol.FaultStatus{Kind: FaultCut, Peer: "r1", Direction: protocol.DirectionIn}
	for _, row := range []struct {
		name   string
		traces map[string][]protocol.SlotTrace
		change func(*Console)
		slot   uint64
		want   []string
		stuck  bool
		remedy string
	}{
		{"on its way", open(0.001), nil, 7, []string{"On its way", "1 of 3 votes"}, false, ""},
		{"refused", refused, nil, 7, []string{"NOT CHOSEN", "r2: refused: it has promised 4.r2"}, true, ""},
		{
			"cut on the way in", open(2), func(c *Console) { c.Replicas[2].Status.Faults = []protocol.FaultStatus{cut} }, 7,
			[]string{"r3: the link r1 to r3 is cut", "4 could vote"},
			true, "heal",
		},
		{
			"a role is down", open(2), func(c *Console) {
				c.Replicas[3].Status.Roles[1].State, c.Replicas[3].Status.Roles[1].Cause = "down", "crash by ann@10.0.0.7:4711"
			}, 7, []string{"r4: its acceptor is crashed (by ann@10.0.0.7)"}, true, "restart r4.acceptor",
		},
		{"no traces", nil, nil, 7, []string{"No replica has told anything"}, false, ""},
		{"not proposed", open(2), nil, 9, []string{"the newest slot is 7"}, false, ""},
		{
			"forgotten", open(2), func(c *Console) {
				for i := range c.Replicas {
					c.Replicas[i].Status.Applied = 6
				}
			}, 5, []string{"no longer kept (traces begin at 7), and is applied everywhere"}, false, "",
		},
		{
			"waits for the one before",
			map[string][]protocol.SlotTrace{"r1": {
				trace(5, "3.r1", step(8, protocol.StepProposed, "")), trace(7, "3.r1", step(9, protocol.StepChosen, "")),
			}},
			func(c *Console) { c.Replicas[1].Status.Applied = 4 },
			7,
			[]string{"5 is not chosen"},
			true, "slot 5",
		},
		{
			"applied, but not by all",
			map[string][]protocol.SlotTrace{"r1": {trace(7, "3.r1", step(9, protocol.StepApplied, ""))}},
			func(c *Console) {
				for i := range c.Replicas {
					c.Replicas[i].Status.Applied = 7
				}
				c.Replicas[3].Status.Applied, c.Replicas[4].Status.Applied = 3, 3
			}, 7,
			[]string{"Not applied at r4 r5: it is at 3 and catches up"},
			false, "",
		},
	} {
		c := told(row.traces)
		if row.change != nil {
			row.change(&c)
		}
		verdict := c.Explain(row.slot)
		says(t, row.name, verdict, row.want)
		if verdict.Stuck != row.stuck || verdict.Remedy != row.remedy {
			t.Errorf("%s: %+v", row.name, verdict)
		}
	}
}

func says(t *testing.T, name string, verdict Verdict, words []string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(verdict.Sentence, want) {
			t.Errorf("%s: no %q in %q", name, want, verdict.Sentence)
		}
	}
}

// open is a slot that was proposed so many seconds ago, and for which only its leader has voted.
func open(age float64) map[string][]protocol.SlotTrace {
	return map[string][]protocol.SlotTrace{
		"r1": {trace(7, "3.r1", step(10-age, protocol.StepProposed, ""), step(10-age, protocol.StepAccepted, ""))},
	}
}

func TestWindowsOfTheLedger(t *testing.T) {
	var traces []protocol.SlotTrace
	for slot := uint64(1); slot <= 150; slot++ {
		tr := trace(slot, "3.r1", step(1, protocol.StepApplied, ""))
		if slot%10 == 0 {
			tr.Key = []byte("cart/東京")
		}
		traces = append(traces, tr)
	}
	c := told(map[string][]protocol.SlotTrace{"r1": traces, "r2": traces[:140]})
	for _, row := range []struct {
		to          uint64
		rows        int
		text        string
		first, last uint64
		count       int
	}{
		{0, 10, "", 150, 141, 10},
		{145, 10, "", 145, 136, 10},
		{999, 3, "", 150, 148, 3},
		{2, 10, "", 2, 1, 2},
		{0, 100_000, "", 150, 1, 150},
		{0, 5, "cart", 150, 110, 5},
		{0, 50, "東", 150, 10, 15},
		{0, 50, "137", 137, 137, 1},
		{0, 50, "nothing", 0, 0, 0},
	} {
		list := c.Found(row.to, row.rows, row.text)
		if len(list) != row.count || row.count > 0 && (list[0].Slot != row.first || list[len(list)-1].Slot != row.last) {
			t.Errorf("%+v gives %d slots", row, len(list))
		}
	}
	c.Replicas[0].Status.Applied, c.Replicas[1].Status.Applied = 150, 90
	if tail, ok := c.Below(100); !ok || tail.From != 1 || tail.To != 99 || len(tail.Missing) != 4 || tail.Missing[0].Applied != 90 {
		t.Errorf("below 100: %+v", tail)
	}
	if _, ok := c.Below(1); ok {
		t.Error("there is something below slot 1")
	}
}

func TestCompareBallots(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"2.r1", "10.r1", -1}, {"3.r2", "3.r1", 1}, {"3.r1", "3.r1", 0}, {"", "1.r1", -1}, {"-", "", 0}, {"1.r1", "nonsense", 1},
	} {
		if got := compareBallots(row.a, row.b); got != row.want {
			t.Errorf("%q to %q: %d, want %d", row.a, row.b, got, row.want)
		}
	}
}
