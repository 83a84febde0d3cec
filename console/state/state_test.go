package state

import (
	"fmt"
	"testing"
	"time"

	"synod/protocol"
)

func at(seconds float64) time.Time {
	return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func observation(id, leader string, when time.Time, answered uint64) Observation {
	return Observation{
		ID: id, Connected: true, Known: true, At: when,
		Status: protocol.Status{
			Replica: id, Leader: leader, Ballot: "3." + leader, Requests: protocol.Requests{Updates: answered},
		},
	}
}

func TestLeaderNeedsAMajorityOfThoseThatAnswer(t *testing.T) {
	now := at(10)
	replicas := []Observation{
		observation("r1", "r1", now, 0), observation("r2", "r1", now, 0), observation("r3", "r2", now, 0),
		observation("r4", "r2", at(1), 0), observation("r5", "r2", at(1), 0), // old: they do not count
	}
	var c Console
	c = c.Observe(Snapshot{At: now, Replicas: replicas})
	if leader, ballot := c.Leader(); leader != "r1" || ballot != "3.r1" {
		t.Errorf("leader %q, ballot %q", leader, ballot)
	}
	replicas[1].Status.Leader = "r2"
	replicas[0].Status.Leader = ""
	replicas[2].Status.Leader = "r3"
	c = c.Observe(Snapshot{At: now, Replicas: replicas})
	if leader, _ := c.Leader(); leader != "" {
		t.Errorf("three opinions made %q the leader", leader)
	}
	if c.Up() != 3 {
		t.Errorf("%d replicas are up", c.Up())
	}
}

// The acceptor of a leader may be paused: it has promised a ballot of the leader before, and its replica tells that one.
func TestTheBallotOfALeaderIsItsOwn(t *testing.T) {
	now := at(10)
	replicas := []Observation{
		observation("r1", "r4", now, 0), observation("r2", "r4", now, 0), observation("r3", "r4", now, 0),
		observation("r4", "r4", now, 0), observation("r5", "", at(1), 0),
	}
	for i, ballot := range []string{"4.r4", "10.r4", "11.r1", "3.r5", "3.r5"} {
		replicas[i].Status.Ballot = ballot
	}
	var c Console
	c = c.Observe(Snapshot{At: now, Replicas: replicas})
	if leader, ballot := c.Leader(); leader != "r4" || ballot != "10.r4" {
		t.Errorf("leader %q, ballot %q, want the highest that r4 owns", leader, ballot)
	}
	for i := range replicas {
		replicas[i].Status.Ballot = "3.r5"
	}
	c = c.Observe(Snapshot{At: now, Replicas: replicas})
	if leader, ballot := c.Leader(); leader != "r4" || ballot != "3.r5" {
		t.Errorf("leader %q, ballot %q, want what the leader's replica tells", leader, ballot)
	}
}

func TestRateIsOfTheLastSecondsAndSurvivesARestart(t *testing.T) {
	var c Console
	for i := range 50 {
		now := at(float64(i) / 10)
		c = c.Observe(Snapshot{At: now, Replicas: []Observation{observation("r1", "r1", now, uint64(100*i))}})
	}
	if c.Rate < 990 || c.Rate > 1010 {
		t.Errorf("rate %.1f, want 1000", c.Rate)
	}
	if len(c.samples) > 30 {
		t.Errorf("%d samples are kept", len(c.samples))
	}
	now := at(5)
	c = c.Observe(Snapshot{At: now, Replicas: []Observation{observation("r1", "r1", now, 3)}})
	if c.Rate < 0 || c.Rate > 1010 {
		t.Errorf("rate %.1f after a replica began to count anew", c.Rate)
	}
}

func TestRateCountsOnlyWhatWasWatched(t *testing.T) {
	c := Console{}.Observe(Snapshot{At: at(0), Replicas: []Observation{{ID: "r1"}}})
	for i := 1; i < 5; i++ {
		now := at(float64(i) / 10)
		c = c.Observe(Snapshot{At: now, Replicas: []Observation{observation("r1", "r1", now, 1000)}})
		if c.Rate != 0 {
			t.Errorf("rate %.1f of a replica that answered its requests before the screen opened", c.Rate)
		}
	}
}

func TestBehindIsNotTheAgeOfAStatus(t *testing.T) {
	var c Console
	for i := 1; i <= 20; i++ {
		now := at(float64(i) / 10)
		fast, late := observation("r1", "r1", now, 0), observation("r2", "r1", now.Add(-90*time.Millisecond), 0)
		fast.Status.Chosen, fast.Status.Applied = uint64(1000*i), uint64(1000*i)
		late.Status.Chosen, late.Status.Applied = uint64(1000*i-900), uint64(1000*i-900)
		c = c.Observe(Snapshot{At: now, Replicas: []Observation{fast, late}})
		if behind := c.Behind(&c.Replicas[1]); behind != 0 {
			t.Fatalf("behind by %d although its status is 90 ms older", behind)
		}
	}
	c.Replicas[1].Status.Applied -= 5000
	if behind := c.Behind(&c.Replicas[1]); behind < 4000 {
		t.Errorf("behind by %d, want about 5000", behind)
	}
	c.Replicas[1].Connected = false
	if behind := c.Behind(&c.Replicas[1]); behind != 5900 {
		t.Errorf("behind by %d without an answer", behind)
	}
}

func TestSessionForgetsTheOldestAndSharesNothing(t *testing.T) {
	var s Session
	for i := range entriesMax + 10 {
		s = s.Append(Entry{Text: fmt.Sprint(i)})
	}
	if len(s.Entries) != entriesMax || s.Entries[0].Text != "10" {
		t.Errorf("%d entries, the first is %q", len(s.Entries), s.Entries[0].Text)
	}
	one, other := s.Append(Entry{Text: "one"}), s.Append(Entry{Text: "other"})
	if one.Entries[entriesMax-1].Text != "one" || other.Entries[entriesMax-1].Text != "other" {
		t.Error("two continuations of a session share their lines")
	}
}

func TestLineEditing(t *testing.T) {
	line := func(text string, back int) Line { return Line{}.Set(text).Move(-back) }
	for _, row := range []struct {
		name          string
		got           Line
		before, after string
	}{
		{"insert", line("get k", 1).Insert([]rune("x")), "get x", "k"},
		{"control characters become spaces", Line{}.Insert([]rune("a\x1b\tb")), "a  b", ""},
		{"backspace", line("get k", 1).Backspace(), "get", "k"},
		{"backspace at the start", line("get", 3).Backspace(), "", "get"},
		{"delete", line("get", 3).Delete(), "", "et"},
		{"delete at the end", line("get", 0).Delete(), "get", ""},
		{"delete word", line("put key value", 0).DeleteWord(), "put key ", ""},
		{"delete word and spaces", line("put key  ", 0).DeleteWord(), "put ", ""},
		{"delete before", line("get key", 3).DeleteBefore(), "", "key"},
		{"delete after", line("get key", 3).DeleteAfter(), "get ", ""},
		{"home", line("東京", 0).Home(), "", "東京"},
		{"left over wide letters", line("東京", 1), "東", "京"},
		{"too far", line("ab", 0).Move(-9).Move(99), "ab", ""},
	} {
		if row.got.Before() != row.before || row.got.After() != row.after {
			t.Errorf("%s: %q and %q, want %q and %q", row.name, row.got.Before(), row.got.After(), row.before, row.after)
		}
	}
}

func TestHistoryDropsRepeatsAndSecrets(t *testing.T) {
	var line Line
	for _, text := range []string{"a", "a", " secret", "b", ""} {
		_, line = line.Set(text).Enter()
	}
	if fmt.Sprint(line.history) != "[a b]" {
		t.Errorf("history %q", line.history)
	}
	for range historyMax + 5 {
		_, line = line.Set(fmt.Sprint(len(line.history), line.at)).Enter()
		_, line = line.Set("x").Enter()
	}
	if len(line.history) > historyMax {
		t.Errorf("%d lines of history", len(line.history))
	}
}

func TestASlotTookMillisecondsOrSeconds(t *testing.T) {
	for took, want := range map[time.Duration]string{
		2250 * time.Microsecond: "2.2 ms", 724_500 * time.Microsecond: "724.5 ms", 37684 * time.Millisecond: "37 s",
	} {
		if got := tookFor(took); got != want {
			t.Errorf("%v is %q, want %q", took, got, want)
		}
	}
}
