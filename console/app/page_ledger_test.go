package app

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
	"synod/protocol"
)

// ledgered is the scene with what the replicas tell about the slots of the design.
func ledgered() *fake {
	f := scene()
	began := noon().Add(-20 * time.Millisecond)
	after := func(ms float64) time.Time { return began.Add(time.Duration(ms * float64(time.Millisecond))) }
	traces := map[string][]protocol.SlotTrace{}
	for slot := uint64(48190); slot <= 48219; slot++ {
		start := float64(slot-48190) * 0.6
		key, operation, commands := fmt.Sprintf("user/%d", slot%1000), "put", 1
		switch slot % 5 {
		case 0:
			operation, commands = "batch", 64
		case 1:
			key, operation = "城市/東京\x1b[31m", "del"
		case 2:
			key, operation, commands = "", "noop", 0
		}
		chosen, applied := slot <= 48218, slot <= 48213
		for n := 1; n <= 4; n++ {
			id := fmt.Sprintf("r%d", n)
			tr := protocol.SlotTrace{
				Slot: slot, Ballot: "12.r1", Operation: operation, Key: []byte(key), Commands: commands, Bytes: 128 * commands,
				Request: fmt.Sprintf("c7.%d", slot%100),
			}
			add := func(ms float64, what, from string, took int64) {
				tr.Steps = append(tr.Steps, protocol.Step{At: after(start + ms), What: what, From: from, TookMicros: took})
			}
			if n == 1 {
				add(0, protocol.StepProposed, "", 0)
			}
			if n != 3 && (chosen || n < 3) { // r3's acceptor is paused
				add(0.1+0.2*float64(n), protocol.StepAccepted, "", int64(150*n))
			}
			if n == 1 {
				add(0.6, protocol.StepVoted, "r2", 0)
			}
			if chosen && (n != 4 || slot < 48100) {
				add(0.9, protocol.StepChosen, "", 0)
			}
			if applied && n != 4 {
				add(1, protocol.StepApplied, "", 30)
			}
			traces[id] = append(traces[id], tr)
		}
	}
	f.ledger.Version = 1
	for n := 1; n <= 5; n++ {
		id := fmt.Sprintf("r%d", n)
		r := state.LedgerReplica{ID: id, Window: traces[id], At: noon().Add(-50 * time.Millisecond)}
		if n < 5 {
			r.Oldest, r.Newest = 40000, 48219
			r.Ballots, r.BallotsAt = elections(id), r.At
		}
		f.ledger.Replicas = append(f.ledger.Replicas, r)
	}
	return f
}

func elections(replica string) []protocol.BallotEvent {
	event := func(seconds float64, what, ballot, reason string) protocol.BallotEvent {
		owner := state.BallotOwner(ballot)
		return protocol.BallotEvent{
			At: noon().Add(-time.Duration(seconds * float64(time.Second))), What: what, Ballot: ballot, Owner: owner, Reason: reason,
		}
	}
	led := func(e protocol.BallotEvent, phase int64, open int, by ...string) protocol.BallotEvent {
		e.PhaseMicros, e.PromisedBy, e.OpenSlots = phase, by, open
		return e
	}
	if replica == "r1" {
		return []protocol.BallotEvent{
			event(9000, "campaigning", "10.r1", "no leader was known"),
			led(event(9000, "leading", "10.r1", ""), 8800, 0, "r1", "r2", "r3"),
			event(520, "resigned", "10.r1", "only 2 of 5 replicas hear this leader"),
			event(500, "following", "11.r4", "its heartbeat arrived"),
			event(476.6, "leader lost", "11.r4", "the connection to r4 was lost"),
			event(476.5, "campaigning", "12.r1", "the connection to r4 was lost"),
			led(event(476.51, "leading", "12.r1", ""), 1900, 3, "r1", "r2", "r3", "r4"),
		}
	}
	if replica == "r4" {
		return []protocol.BallotEvent{
			event(525.9, "leader lost", "10.r1", "no heartbeat of r1 for 640 ms"),
			event(525.9, "canvassing", "", "asks all whether they hear no leader either"),
			event(525.8, "campaigning", "11.r4", "no heartbeat of r1 for 640 ms"),
			led(event(525.7, "leading", "11.r4", ""), 2400, 0, "r3", "r4", "r5"),
		}
	}
	return nil
}

// recordedStuck is what a real cluster told while a slot was stuck.
func recordedStuck(t *testing.T) *fake {
	t.Helper()
	content, err := os.ReadFile("../state/testdata/stuck.json")
	if err != nil {
		t.Fatal(err)
	}
	var s state.Snapshot
	if err := json.Unmarshal(content, &s); err != nil {
		t.Fatal(err)
	}
	shift := noon().Sub(s.At) // the tests look at noon
	for i := range s.Replicas {
		o := &s.Replicas[i]
		o.At = o.At.Add(shift)
		for j := range o.Status.Faults {
			o.Status.Faults[j].Since = o.Status.Faults[j].Since.Add(shift)
		}
	}
	for i := range s.Ledger.Replicas {
		r := &s.Ledger.Replicas[i]
		r.At = r.At.Add(shift)
		for j := range r.Ballots {
			r.Ballots[j].At = r.Ballots[j].At.Add(shift)
		}
		r.One = nil // it is in the window
		for j := range r.Window {
			for k := range r.Window[j].Steps {
				r.Window[j].Steps[k].At = r.Window[j].Steps[k].At.Add(shift)
			}
		}
	}
	return &fake{replicas: s.Replicas, ledger: s.Ledger}
}

func TestLedgerScreens(t *testing.T) {
	goldenPage(t, "ledger", ledgered, "4")
	goldenPage(t, "ledger-explain", ledgered, "4<up><up><enter>")
	goldenPage(t, "ledger-stuck", func() *fake { return recordedStuck(t) }, "4<enter>")
	for name, open := range map[string]string{"ballots": "4b<down>", "positions": "4<tab><tab><tab>", "filter": "4/城<enter>"} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []panel.Size{{Width: 120, Height: 36}, {Width: 80, Height: 24}, {Width: 60, Height: 15}} {
				m := screen(t, ledgered(), size.Width, size.Height)
				keys(m, open)
				goldenScreen(t, "ledger-"+name, m)
			}
		})
	}
	for name, prepare := range map[string]func() *fake{"0of5": answering(0), "2of5": answering(2), "5of5": answering(5)} {
		f := prepare()
		f.ledger = ledgered().ledger
		if name == "0of5" {
			for i := range f.ledger.Replicas {
				f.ledger.Replicas[i].At = noon().Add(-9 * time.Second)
			}
		}
		m := screen(t, f, 120, 36)
		keys(m, "4")
		see(m, f)
		goldenScreen(t, "ledger-"+name, m)
	}
}

// ledger gives the page of a model that shows it.
func ledger(t *testing.T, f *fake, open string) (*Model, *ledgerPage) {
	t.Helper()
	m := screen(t, f, 120, 36)
	keys(m, "4")
	m.View()
	see(m, f)
	keys(m, open)
	return m, m.page().(*ledgerPage)
}

func TestKeysOfTheLedger(t *testing.T) {
	for _, row := range []struct {
		keys   string
		follow bool
		slot   uint64
		check  func(*ledgerPage) bool
	}{
		{"", true, 48218, nil}, // the newest that is chosen
		{"<up>", false, 48217, nil},
		{"kk", false, 48216, nil},
		{"<up><down><down>", false, 48219, nil},
		{"<down><down><down>", false, 48219, nil}, // there is none behind the newest
		{"<pgup>", false, 0, func(p *ledgerPage) bool { return p.view.To < 48219 && p.view.Slot == p.view.To }},
		{"<pgup><pgdown>", false, 48219, nil},
		{"<pgup>f", true, 48218, nil},
		{"<up>G", true, 48218, nil},
		{"g4821x0<enter>", false, 48210, nil},
		{"g48<backspace>8<esc>", true, 48218, func(p *ledgerPage) bool { return !p.view.Going }},
		{"b", true, 48218, func(p *ledgerPage) bool { return p.at == panel.LedgerBallots }},
		{"bb", true, 48218, func(p *ledgerPage) bool { return p.at == panel.LedgerSlots }},
		{"b<down><down>", true, 48218, func(p *ledgerPage) bool { return p.view.Ballot == 2 }},
		{"<enter>", false, 48218, func(p *ledgerPage) bool { return p.view.Explain }},
		{"<enter><enter>", false, 48218, func(p *ledgerPage) bool { return !p.view.Explain }},
		{"<enter><esc>", false, 48218, func(p *ledgerPage) bool { return !p.view.Explain }},
		{"/user<enter>n", false, 48215, nil},
		{"/user<enter>nn", false, 48214, nil},
		{"/user<enter>nnN", false, 48215, nil},
	} {
		_, p := ledger(t, ledgered(), row.keys)
		if p.view.Follow != row.follow || row.slot != 0 && p.view.Slot != row.slot || row.check != nil && !row.check(p) {
			t.Errorf("%q: %+v", row.keys, p.view)
		}
	}
}

func TestGoingToASlotShowsItsCommand(t *testing.T) {
	f := ledgered()
	m, p := ledger(t, f, "g48200<enter>")
	if got := strings.Join(f.submitted, ","); got != "slot 48200" || p.view.Slot != 48200 {
		t.Errorf("submitted %q, slot %d", got, p.view.Slot)
	}
	if want := p.want().Ledger; want.To < 48200 || want.Slot != 48200 || !want.Seen {
		t.Errorf("%+v", want)
	}
	keys(m, "g0<enter>")
	if !strings.Contains(m.notice, "counted from 1") || len(f.submitted) != 1 {
		t.Errorf("%q %q", m.notice, f.submitted)
	}
}

func TestTheValueOfASlotIsReadByItsKey(t *testing.T) {
	f := ledgered()
	keysOf := func(slot string) string { return "g" + slot + "<enter>v" }
	m, _ := ledger(t, f, keysOf("48214"))
	keys(m, keysOf("48211")[0:]) // a key with letters that a terminal would obey
	want := `slot 48214,get user/214,slot 48211,get "城市/東京\x1b[31m"`
	if got := strings.Join(f.submitted, ","); got != want {
		t.Errorf("submitted %q, want %q", got, want)
	}
	keys(m, keysOf("48212"))
	if !strings.Contains(m.notice, "no key") {
		t.Errorf("%q", m.notice)
	}
}

// TestHoldingStandsStill: new slots move nothing under the cursor, and are counted.
func TestHoldingStandsStill(t *testing.T) {
	f := ledgered()
	m, p := ledger(t, f, "<up>")
	slot := p.view.Slot
	for i := range f.ledger.Replicas {
		r := &f.ledger.Replicas[i]
		if len(r.Window) > 0 {
			r.Newest = 48500
		}
	}
	see(m, f)
	if view := m.View(); p.view.Slot != slot || !strings.Contains(view, "281 newer (f)") {
		t.Errorf("slot %d\n%s", p.view.Slot, view)
	}
}

func TestNothingOfAKeyReachesTheTerminal(t *testing.T) {
	for _, open := range []string{"", "<up><up><up><up><up><up><up>", "<enter>", "/城<enter>", "b"} {
		m, _ := ledger(t, ledgered(), open)
		if strings.Contains(m.View(), "\x1b") {
			t.Errorf("%q: an escape of a key is on the screen", open)
		}
	}
}

func TestLedgerExports(t *testing.T) {
	m, p := ledger(t, ledgered(), "")
	var content struct {
		Slots []state.Instance
		Told  state.Snapshot
	}
	if err := json.Unmarshal(p.export(m.known(), "json"), &content); err != nil {
		t.Fatal(err)
	}
	if len(content.Slots) == 0 || len(content.Told.Replicas) != 5 || len(content.Told.Ledger.Replicas) != 5 {
		t.Errorf("%d slots", len(content.Slots))
	}
	lines := strings.Split(strings.TrimSpace(string(p.export(m.known(), "csv"))), "\r\n")
	if len(lines) != len(content.Slots)+1 || !strings.HasPrefix(lines[len(lines)-1], `48219,accepting,"12.r1",2,3,`) {
		t.Errorf("%q", lines)
	}
	if text := p.selection(m.known()); !strings.HasPrefix(text, "slot 48218\n") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}

func TestClicksOnTheLedger(t *testing.T) {
	m, p := ledger(t, ledgered(), "")
	lines := strings.Split(m.View(), "\n")
	for y, line := range lines {
		if strings.HasPrefix(line, "│   48,216 ") {
			m.Update(tea.MouseMsg{X: 10, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
			break
		}
	}
	if p.view.Slot != 48216 || p.view.Follow {
		t.Errorf("%+v", p.view)
	}
	for y := range 36 {
		for x := range 120 {
			m.Update(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
			m.at, m.focus = 3, onPage
		}
	}
	m.View()
}
