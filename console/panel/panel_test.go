package panel

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"synod/console/state"
	"synod/console/theme"
	"synod/protocol"
)

func TestNumbers(t *testing.T) {
	for _, row := range []struct{ got, want string }{
		{grouped(0), "0"},
		{grouped(999), "999"},
		{grouped(1000), "1,000"},
		{grouped(18446744073709551615), "18,446,744,073,709,551,615"},
		{rate(0), "0"},
		{rate(999), "999"},
		{rate(18400), "18.4k"},
		{rate(123456), "123k"},
		{span(-time.Second), "0.0s"},
		{span(9400 * time.Millisecond), "9.4s"},
		{span(22 * time.Second), "22s"},
		{span(192 * time.Second), "3m12s"},
		{span(11520 * time.Second), "3h12m"},
		{span(100 * time.Hour), "4d04h"},
		{micros(0), "—"},
		{micros(840), "0.84"},
	} {
		if row.got != row.want {
			t.Errorf("%q, want %q", row.got, row.want)
		}
	}
}

func TestFitCountsCells(t *testing.T) {
	for _, row := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 5, "abc  "},
		{"abcdef", 4, "abc…"},
		{"東京都", 4, "東… "},
		{"東京", 4, "東京"},
		{"abc", 0, ""},
		{"abc", -3, ""},
	} {
		if got := fit(row.text, row.width); got != row.want {
			t.Errorf("%q in %d cells is %q, want %q", row.text, row.width, got, row.want)
		}
	}
	if got := right("12", 4); got != "  12" {
		t.Errorf("right: %q", got)
	}
	if got := right("12345", 4); got != "123…" {
		t.Errorf("right of too much: %q", got)
	}
}

func TestVisibleLines(t *testing.T) {
	for _, row := range []struct{ lines, rows, scroll, from, to int }{
		{0, 10, 0, 0, 0},
		{5, 10, 0, 0, 5},
		{50, 10, 0, 40, 50},
		{50, 10, 5, 35, 45},
		{50, 10, 99, 0, 10},
		{5, 10, 3, 0, 5},
		{5, 0, 0, 5, 5},
	} {
		from, to := Visible(row.lines, row.rows, row.scroll)
		if from != row.from || to != row.to {
			t.Errorf("%+v: %d to %d", row, from, to)
		}
	}
}

func TestPromptShowsThePartAroundTheCursor(t *testing.T) {
	look := theme.New(true)
	for back := range 60 {
		line := state.Line{}.Set("put a-very-long-key 東京東京東京 and-a-value-that-does-not-fit-either").Move(-back)
		text := Prompt(PromptView{Line: &line, Focused: true}, look, 30)
		if width := ansi.StringWidth(text); width != 30 {
			t.Errorf("cursor %d from the end: %d cells: %q", back, width, text)
		}
		if !strings.Contains(text, look.Glyphs.Cursor) {
			t.Errorf("cursor %d from the end is not seen: %q", back, text)
		}
	}
}

// TestAReplicaWithoutRolesIsNoFollower: one whose roles are all down must not look as if it worked.
func TestAReplicaWithoutRolesIsNoFollower(t *testing.T) {
	now := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct{ proposer, others, want string }{
		{"down", "down", "roles down"}, {"paused", "paused", "paused"}, {"following", "down", "follower"},
	} {
		o := state.Observation{ID: "r1", Known: true, Connected: true, At: now}
		for _, role := range []string{"proposer", "acceptor", "learner"} {
			word := row.others
			if role == "proposer" {
				word = row.proposer
			}
			o.Status.Roles = append(o.Status.Roles, protocol.RoleStatus{Role: role, State: word})
		}
		c := state.Console{}.Observe(state.Snapshot{At: now, Replicas: []state.Observation{o}})
		text := ansi.Strip(Replicas(&c, theme.New(true), Size{120, 10}, ReplicasView{}))
		if !strings.Contains(text, row.want) {
			t.Errorf("%v: no %q in\n%s", row, row.want, text)
		}
	}
}

// TestARecoveringAcceptorSaysHowFarItIs: it works by itself, so it is no alarm, but it does not vote.
func TestARecoveringAcceptorSaysHowFarItIs(t *testing.T) {
	now := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
	const lost, progress = "the log is missing; recovering as ", "incarnation 3: 2 of 3 others have told"
	o := state.Observation{ID: "r3", Known: true, Connected: true, At: now}
	o.Status.Roles = []protocol.RoleStatus{
		{Role: "proposer", State: "following"},
		{Role: "acceptor", State: "recovering", Cause: lost + progress + " their state"},
		{Role: "learner", State: "learning"},
	}
	c := state.Console{}.Observe(state.Snapshot{At: now, Replicas: []state.Observation{o}})
	look := theme.New(true)
	for _, width := range []int{80, 120} {
		text := ansi.Strip(Replicas(&c, look, Size{width, 10}, ReplicasView{}))
		for _, want := range []string{look.Glyphs.Recovering + " recovering", "A" + look.Glyphs.Recovering} {
			if !strings.Contains(text, want) {
				t.Errorf("%d wide: no %q in\n%s", width, want, text)
			}
		}
		if width == 120 && !strings.Contains(text, progress) {
			t.Errorf("no progress in\n%s", text)
		}
	}
	if cell, _ := roleCell(&c, &c.Replicas[0], look, "acceptor"); cell != look.Glyphs.Recovering+" recovers" {
		t.Errorf("the board of faults says %q", cell)
	}
}

func TestAKilledReplicaSaysHowItComesBack(t *testing.T) {
	now := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
	o := state.Observation{ID: "r3", Process: "killed", Err: "connection refused", At: now, Known: true}
	c := state.Console{}.Observe(state.Snapshot{At: now, Replicas: []state.Observation{o}})
	for _, width := range []int{80, 120} {
		if text := ansi.Strip(Replicas(&c, theme.New(true), Size{width, 10}, ReplicasView{})); !strings.Contains(text, "start r3 brings it back") {
			t.Errorf("%d wide:\n%s", width, text)
		}
	}
}

func TestANoteNamesTheLinksThatAReplicaKeepsBroken(t *testing.T) {
	c := &state.Console{Now: time.Now()}
	status := protocol.Status{Faults: []protocol.FaultStatus{
		{Kind: "cut", Peer: "r4", Direction: protocol.DirectionBoth},
		{Kind: "cut", Peer: "r3", Direction: protocol.DirectionBoth},
		{Kind: "delay", Peer: "r2", Direction: protocol.DirectionOut},
		{Kind: "loss", Peer: "r5", Direction: protocol.DirectionIn},
		{Kind: "pause", Role: "acceptor"},
	}}
	v := &view{
		console: c, theme: theme.New(true), fresh: true,
		Observation: &state.Observation{ID: "r1", Connected: true, Known: true, At: c.Now, Status: status},
	}
	if got, want := ansi.Strip(v.note()), "cut r3 r4, delay to r2, loss from r5"; got != want {
		t.Errorf("note %q, want %q", got, want)
	}
	if got := v.now(24_850); got != "24.9" && got != "24.8" {
		t.Errorf("%q in four cells", got)
	}
}
