package fault

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/paxos"
)

// newLinks makes a controller of r1 with a table and a log that can be read.
func newLinks() (*Controller, *Table, *record) {
	table, log := NewTable(), &record{}
	return New(Options{
		Self: 1, Enabled: true, TTL: time.Minute, Links: table, Host: newHost(),
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}), table, log
}

// record is the log, written from timers, too.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// line finds one with all the words.
func (r *record) line(words ...string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(r.text.String()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			return line
		}
	}
	return ""
}

func TestLinksHaveWordsAndKinds(t *testing.T) {
	for text, link := range map[string]Link{
		"cut r1<>r3":                         {Peer: 3, Direction: Both, Cut: true},
		"cut r1>r3 loss 100%":                {Peer: 3, Direction: Out, Cut: true, LossPermille: 1000},
		"delay r3>r1 50ms":                   {Peer: 3, Direction: In, Delay: 50 * time.Millisecond},
		"delay r1>r3 0s jitter 1.5ms":        {Peer: 3, Direction: Out, Jitter: 1500 * time.Microsecond},
		"loss r1<>r3 30.5%":                  {Peer: 3, Direction: Both, LossPermille: 305},
		"delay r1>r2 1s jitter 2ms loss 30%": {2, Out, false, time.Second, 2 * time.Millisecond, 300},
	} {
		f := Fault{Link: link}
		if got := f.Text(1); got != text || !strings.HasPrefix(text, string(link.kind())) {
			t.Errorf("%+v is %q of kind %s, want %q", link, got, link.kind(), text)
		}
	}
	f := Fault{Kind: Crash, Role: paxos.RoleLearner}
	if got := f.Text(1); got != "crash learner" {
		t.Errorf("a crash is %q", got)
	}
}

func TestEveryFaultHasAnIDAndEndsByIt(t *testing.T) {
	c, table, log := newLinks()
	defer c.Close()
	crash, err := c.Inject(crash("op@here"), 0)
	if err != nil {
		t.Fatal(err)
	}
	cut := Link{Peer: 2, Direction: Out, Cut: true}
	links, err := c.Break([]Link{cut, {Peer: 3, Direction: Both, LossPermille: 1000}}, "op@here", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Break([]Link{cut}, "op@here", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Concat([]uint64{crash}, links, again)
	if !slices.Equal(want, []uint64{1, 2, 3, 4}) {
		t.Errorf("ids %v", want)
	}
	for i, f := range c.Active() {
		if f.ID != want[i] || f.Owner != "op@here" || !f.Until.After(f.Since) || f.Link.Peer == 0 == (f.Role == 0) {
			t.Errorf("fault %d: %+v", i, f)
		}
	}
	for _, words := range [][]string{
		{"fault injected", "id=1", `fault="crash acceptor"`, "role=acceptor", "owner=op@here", "life_ms=60000"},
		{"fault injected", "id=2", `fault="cut r1>r2"`, "peer=r2", "direction=out", "life_ms=1000", "seed="},
	} {
		if log.line(words...) == "" {
			t.Errorf("no line with %q in\n%s", words, &log.text)
		}
	}
	ended, err := c.Clear([]uint64{2, 2, 77}, "op")
	if err != nil || !slices.Equal(ended, []uint64{2}) {
		t.Errorf("ended %v, %v", ended, err)
	}
	if d := table.Damage(2, Out); d == nil || !d.Cuts() {
		t.Error("the end of one cut ended another one of the same link")
	}
	if lost, _ := table.Damage(3, In).Judge(); !lost {
		t.Error("a message survived a loss of all")
	}
	ended, err = c.ClearAll("op")
	if err != nil || !slices.Equal(ended, []uint64{1, 3, 4}) || len(c.Active()) != 0 {
		t.Errorf("ended %v, %v, active %v", ended, err, c.Active())
	}
	if log.line("fault healed", "id=3", "lost=1", "late=0", `why="by op"`) == "" {
		t.Errorf("no line about the end:\n%s", &log.text)
	}
	if id, err := c.Inject(Fault{Role: paxos.RoleLearner, Kind: Pause, Owner: "op"}, 0); err != nil || id != 5 {
		t.Errorf("the next id is %d, %v", id, err)
	}
	if _, err := c.Inject(Fault{Role: paxos.RoleLearner, Kind: Crash, Owner: "other"}, 0); err != nil {
		t.Fatal(err)
	}
	if log.line("fault healed", "id=5", "another fault by other takes its place") == "" {
		t.Errorf("the end of a replaced fault is not told:\n%s", &log.text)
	}
}

func TestATableKnowsTheDirections(t *testing.T) {
	c, table, _ := newLinks()
	defer c.Close()
	damage := func() (all string) {
		for peer := paxos.ReplicaID(0); peer <= 8; peer++ { // also those that do not exist
			if table.Damage(peer, Out) != nil {
				all += "1>" + peer.String() + " "
			}
			if table.Damage(peer, In) != nil {
				all += peer.String() + ">1 "
			}
		}
		return all
	}
	for want, link := range map[string]Link{
		"1>r2 ":       {Peer: 2, Direction: Out, Cut: true},
		"r3>1 ":       {Peer: 3, Direction: In, Delay: 1},
		"1>r4 r4>1 ":  {Peer: 4, Direction: Both, LossPermille: 1},
		"1>r7 r7>1 ":  {Peer: paxos.ReplicasMax, Direction: Both, Jitter: 1},
		"1>r5 r5>1  ": {},
	} {
		if link.Peer == 0 {
			continue
		}
		ids, err := c.Break([]Link{link}, "op", 0)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-table.Changed():
		default:
			t.Error("the change was not told")
		}
		if got := damage(); got != want {
			t.Errorf("%+v breaks %q, want %q", link, got, want)
		}
		if _, err := c.Clear(ids, "op"); err != nil || damage() != "" {
			t.Errorf("%+v leaves %q, %v", link, damage(), err)
		}
		<-table.Changed()
	}
	var none *Table
	if none.Damage(2, Out) != nil || none.Changed() != nil {
		t.Error("no table is not a whole one")
	}
}

func TestFaultsOfALinkAddUp(t *testing.T) {
	c, table, _ := newLinks()
	defer c.Close()
	late := Link{Peer: 2, Direction: Out, Delay: 30 * time.Millisecond}
	jitter := Link{Peer: 2, Direction: Both, Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}
	if _, err := c.Break([]Link{late, jitter}, "op", 0); err != nil {
		t.Fatal(err)
	}
	out, in := table.Damage(2, Out), table.Damage(2, In)
	if !out.Delays() || !out.Jitters() || out.Cuts() {
		t.Errorf("out: %+v", out)
	}
	low, high := time.Hour, time.Duration(0)
	for range 1000 {
		lost, delay := out.Judge()
		if low, high = min(low, delay), max(high, delay); lost {
			t.Error("lost without a loss")
		}
		if _, delay := in.Judge(); delay < 20*time.Millisecond || delay > 30*time.Millisecond {
			t.Fatalf("%v on the way in", delay)
		}
	}
	if low < 50*time.Millisecond || low > 53*time.Millisecond || high < 57*time.Millisecond || high > 60*time.Millisecond {
		t.Errorf("delays from %v to %v, want 50 to 60 ms", low, high)
	}
	if _, err := c.Break([]Link{{Peer: 2, Direction: Out, Cut: true}}, "op", 0); err != nil {
		t.Fatal(err)
	}
	if lost, _ := table.Damage(2, Out).Judge(); !lost {
		t.Error("a message passed a cut")
	}
	if lost, _ := table.Damage(2, In).Judge(); lost {
		t.Error("a message was lost against the direction of the cut")
	}
}

// TestASeedDrawsTheSame losses: what the log line of a fault gives is enough.
func TestASeedDrawsTheSame(t *testing.T) {
	seed := rand.Uint64()
	draw := func() (lost []bool) {
		d := (*Damage)(nil).with(&cause{link: Link{LossPermille: 300}, seed: seed})
		for range 10_000 {
			is, _ := d.Judge()
			lost = append(lost, is)
		}
		return lost
	}
	first := draw()
	if !slices.Equal(first, draw()) {
		t.Errorf("seed %d draws differently", seed)
	}
	count := 0
	for _, lost := range first {
		if lost {
			count++
		}
	}
	if count < 2700 || count > 3300 { // six deviations
		t.Errorf("seed %d loses %d of 10,000 instead of 3,000", seed, count)
	}
}

func TestFaultsOfLinksHealByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, table, log := newLinks()
		defer c.Close()
		if _, err := c.Break([]Link{{Peer: 2, Direction: Both, Cut: true}}, "op", 2*time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1999 * time.Millisecond)
		if table.Damage(2, In) == nil {
			t.Error("healed too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if table.Damage(2, In) != nil || len(c.Active()) != 0 || log.line("fault healed", "its time was over") == "" {
			t.Errorf("not healed: %+v\n%s", c.Active(), &log.text)
		}
	})
}

func TestLinksThatMayNotBreak(t *testing.T) {
	c, table, _ := newLinks()
	cut := Link{Peer: 2, Direction: Both, Cut: true}
	for _, life := range []time.Duration{-1, time.Minute + 1} {
		if _, err := c.Break([]Link{cut}, "op", life); !errors.Is(err, ErrTime) {
			t.Errorf("a life of %v: %v", life, err)
		}
	}
	if _, err := c.Break(slices.Repeat([]Link{cut}, linksMax-1), "op", 0); err != nil {
		t.Error(err)
	}
	if _, err := c.Break([]Link{cut, cut}, "op", 0); !errors.Is(err, ErrMany) || len(c.Active()) != linksMax-1 {
		t.Errorf("above the limit: %v, %d faults", err, len(c.Active()))
	}
	if _, err := c.Inject(crash("op"), 0); err != nil {
		t.Errorf("a role cannot fail beside many links: %v", err)
	}
	c.Close()
	if _, err := c.Break([]Link{cut}, "op", 0); !errors.Is(err, ErrDisabled) {
		t.Errorf("after the end: %v", err)
	}
	off, _ := newController(false)
	if _, err := off.Break([]Link{cut}, "op", 0); !errors.Is(err, ErrDisabled) || table.Damage(3, Out) != nil {
		t.Errorf("with faults off: %v", err)
	}
}

// TestTheEndOfAllEndsChaos, and a role that does not start keeps no other fault.
func TestTheEndOfAllEndsChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, host := newController(true)
		defer c.Close()
		schedule := Schedule{Seed: 1, Roles: []RoleSchedule{
			{Role: paxos.RoleAcceptor, Every: time.Millisecond, DownMin: time.Second, DownMax: time.Second},
		}}
		if err := c.StartChaos(schedule, "op"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Break([]Link{{Peer: 2, Direction: Out, Cut: true}}, "op", 0); err != nil {
			t.Fatal(err)
		}
		for len(c.Active()) < 2 {
			time.Sleep(time.Millisecond)
		}
		host.setBroken(true)
		ended, err := c.ClearAll("op")
		if !errors.Is(err, errBroken) || len(ended) != 1 || len(c.Active()) != 0 || c.Chaos() {
			t.Errorf("ended %v, %v; active %v, chaos %v", ended, err, c.Active(), c.Chaos())
		}
	})
}
