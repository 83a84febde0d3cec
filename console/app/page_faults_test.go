package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
	"synod/protocol"
)

// faulty is the scene with faults as replicas tell them: r3's acceptor paused, r2 to r4 slow, r1 to r3 cut one way.
func faulty() *fake {
	f := scene()
	since := func(seconds float64) time.Time { return noon().Add(-time.Duration(seconds * float64(time.Second))) }
	fault := func(id uint64, kind string, seconds float64) protocol.FaultStatus {
		return protocol.FaultStatus{
			ID: id, Kind: kind, Owner: "ann@127.0.0.1:41822", Since: since(seconds), Until: since(seconds).Add(10 * time.Minute),
		}
	}
	pause, delay, cut := fault(1, state.FaultPause, 41), fault(4, state.FaultDelay, 8), fault(2, state.FaultCut, 3)
	pause.Role = "acceptor"
	delay.Peer, delay.Direction, delay.DelayMicros = "r4", protocol.DirectionBoth, 50_000
	cut.Peer, cut.Direction = "r3", protocol.DirectionOut
	f.replicas[2].Status.Faults = []protocol.FaultStatus{pause}
	f.replicas[1].Status.Faults = []protocol.FaultStatus{delay}
	f.replicas[0].Status.Faults = []protocol.FaultStatus{cut}
	for i := range f.past { // as they came
		look := f.past[i].Replicas
		for n := range look {
			look[n].Status.Faults = nil
			for _, one := range f.replicas[n].Status.Faults {
				if !one.Since.After(f.past[i].At) {
					look[n].Status.Faults = append(look[n].Status.Faults, one)
				}
			}
		}
	}
	return f
}

// owned is the same with processes of our own, one of them killed.
func owned() *fake {
	f := faulty()
	for i := range f.replicas {
		f.replicas[i].Process = state.ProcessRunning
	}
	f.replicas[4].Process = state.ProcessKilled
	return f
}

// answering leaves so many replicas that answer.
func answering(count int) func() *fake {
	return func() *fake {
		f := scene()
		f.past = nil
		for i := range f.replicas {
			o := &f.replicas[i]
			o.Status.Faults, o.Status.Roles[1].State, o.Status.Applied = nil, "normal", 48213
			o.Connected, o.Err, o.At = i < count, "", noon()
			if i >= count {
				o.Err, o.At = "connection refused", noon().Add(-9*time.Second)
			}
			for p := range o.Status.Peers {
				o.Status.Peers[p].Connected = i < count && p < count
			}
		}
		return f
	}
}

func TestFaultsScreens(t *testing.T) {
	goldenPage(t, "faults", faulty, "3")
	goldenPage(t, "faults-owned", owned, "3<right><right><down><down>")
	for name, open := range map[string]string{
		"links": "3<tab><right><right>", "quorum": "3<tab><tab>", "active": "3<tab><tab><tab>", "history": "3<tab><tab><tab><tab>",
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []panel.Size{{Width: 80, Height: 24}, {Width: 60, Height: 15}} {
				m := screen(t, faulty(), size.Width, size.Height)
				keys(m, open)
				goldenScreen(t, "faults-"+name, m)
			}
		})
	}
	for name, prepare := range map[string]func() *fake{"0of5": answering(0), "2of5": answering(2), "5of5": answering(5)} {
		m := screen(t, prepare(), 120, 36)
		keys(m, "3")
		goldenScreen(t, "faults-"+name, m)
	}
}

// TestKeysOfFaultsFillThePrompt: what each key proposes, at which cell.
func TestKeysOfFaultsFillThePrompt(t *testing.T) {
	for _, row := range []struct{ keys, want string }{
		{"c", "crash r1"},
		{"<down><right>c", "crash r2.proposer"},
		{"<down><down><right><right>p", "resume r3.acceptor"},
		{"<right><right><right>p", "pause r1.learner"},
		{"<down><down><right><right>r", "restart r3.acceptor"},
		{"<down>i", "isolate r2"},
		{"<down>k", "kill r2"},
		{"<down><down><down><down>s", "start r5"},
		{"<tab>x", "cut r1 r2"},
		{"<tab><right>x", "heal r1 r3"},
		{"<right><right><right><right><right>x", "cut r1 r2"},
		{"<tab><down><left>o", "cut r2 r1 oneway=yes"},
		{"<tab>d", "delay r1 r2 50ms"},
		{"<tab>%", "drop r1 r2 30%"},
		{"P", "partition r1,r2 | r3,r4,r5"},
		{"u", "undo"},
		{"H", "heal"},
		{"<tab><tab><tab><enter>", "heal r3.acceptor"},
		{"<tab><tab><tab><down><enter>", "heal r2#4"},
		{"<tab><tab><tab><down><down><enter>", "heal r1#2"},
		{"<down><down><down><down><down><enter>", "heal r3.acceptor"},
	} {
		f := owned()
		m := screen(t, f, 120, 36)
		keys(m, "3"+row.keys)
		if got := m.line.Text(); got != row.want || m.focus != onPrompt {
			t.Errorf("%s proposes %q, want %q (%s)", row.keys, got, row.want, m.notice)
		}
		if len(f.submitted) != 0 {
			t.Errorf("%s has done something: %q", row.keys, f.submitted)
		}
	}
}

func TestFaultsAreLockedWithAReason(t *testing.T) {
	for name, prepare := range map[string]func(*fake, *Model){
		"--read-only": func(_ *fake, m *Model) { m.options.ReadOnly, m.console.ReadOnly = true, true },
		"[faults]": func(f *fake, m *Model) {
			for i := range f.replicas {
				f.replicas[i].FaultsOff = true
			}
			see(m, f)
		},
	} {
		for _, key := range strings.Split("c r p i k s P u H", " ") {
			f := owned()
			m := screen(t, f, 120, 36)
			keys(m, "3")
			prepare(f, m)
			keys(m, key)
			if !m.line.Empty() || !strings.Contains(m.View(), "locked: ") || !strings.Contains(m.View(), name) {
				t.Errorf("%s, %s: %q\n%s", name, key, m.line.Text(), m.View())
			}
		}
	}
}

func TestProcessesOfOthersAreNotKilled(t *testing.T) {
	m := screen(t, faulty(), 120, 36)
	keys(m, "3k")
	if !m.line.Empty() || !strings.Contains(m.View(), "synod up") {
		t.Errorf("%q\n%s", m.line.Text(), m.View())
	}
}

func TestEnterSaysMoreAboutACell(t *testing.T) {
	for _, row := range []struct{ keys, want string }{
		{"<enter>", "r1 at 127.0.0.1:7101, up 3h12m"},
		{"<down><down><right><right><enter>", "r3.acceptor is paused, 0 restarts: by ops"},
		{"<down><down><down><down><enter>", "connection refused"},
		{"<tab><right><enter>", "r1 to r3: cut on purpose"},
		{"<tab><down><right><right><enter>", "delayed by 50ms"},
	} {
		m := screen(t, faulty(), 120, 36)
		keys(m, "3"+row.keys)
		if !strings.Contains(m.notice, row.want) {
			t.Errorf("%s says %q, want %q", row.keys, m.notice, row.want)
		}
	}
}

// TestClicksChooseWhatTheyHit: the cell under the mouse is the one that has the brackets afterwards.
func TestClicksChooseWhatTheyHit(t *testing.T) {
	for _, size := range []panel.Size{{Width: 120, Height: 36}, {Width: 80, Height: 24}} {
		m := screen(t, faulty(), size.Width, size.Height)
		keys(m, "3")
		for y := range size.Height {
			for x := y % 7; x < size.Width; x += 7 {
				before := m.line.Text()
				m.Update(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
				m.View()
				if m.line.Text() != before {
					t.Fatalf("a click at %d,%d has typed %q", x, y, m.line.Text())
				}
				m.focus, m.at = onPage, 2
			}
		}
		at := slices.IndexFunc(strings.Split(m.View(), "\n"), func(line string) bool { return strings.Contains(line, "REPLICA") })
		if at < 0 {
			t.Fatalf("no board of roles\n%s", m.View())
		}
		m.Update(tea.MouseMsg{X: 9, Y: at + 3, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
		if line := strings.Split(m.View(), "\n")[at+3]; !strings.Contains(line, "r3   [up") {
			t.Errorf("the click has not chosen r3: %q", line)
		}
	}
}
