package app

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
	"synod/protocol"
)

var rewrite = flag.Bool("rewrite", false, "write the golden screens anew")

// noon is the moment at which all tests look.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 40, 7, 381e6, time.UTC) }

// fake is a source that holds still.
type fake struct {
	replicas  []state.Observation
	session   state.Session
	submitted []string
	answers   []string
	full      bool
	running   bool
	logs      state.Logs
	ledger    state.Ledger
	keys      state.Keys
	load      state.Load
	past      []state.Snapshot // what came before, the oldest first
}

func (f *fake) Look(state.Want) state.Snapshot {
	return state.Snapshot{
		Replicas: slices.Clone(f.replicas), Session: f.session, Logs: f.logs, Ledger: f.ledger, Keys: f.keys, Load: f.load,
	}
}
func (f *fake) Answer(text string) { f.answers = append(f.answers, text) }
func (f *fake) Cancel() bool       { return f.running }
func (f *fake) Submit(line string) bool {
	if f.full {
		return false
	}
	f.submitted = append(f.submitted, line)
	return true
}

// scene is the one of the design: r1 leads, r3's acceptor is paused, r4 catches up, r5 is dead.
func scene() *fake {
	roles := func(p, a, l string) []protocol.RoleStatus {
		return []protocol.RoleStatus{
			{Role: "proposer", State: p}, {Role: "acceptor", State: a}, {Role: "learner", State: l},
		}
	}
	status := func(n int, chosen, applied uint64, r []protocol.RoleStatus) protocol.Status {
		return protocol.Status{
			Replica: fmt.Sprintf("r%d", n), Roles: r, Leader: "r1", Ballot: "12.r1", Voted: chosen + 6, Chosen: chosen,
			Applied: applied, SyncMicros: protocol.Quantiles{P50: 840, P99: 4100}, Connections: 12, UptimeMS: 11_520_000,
			PID: 4000 + n, Queues: []protocol.QueueStatus{{Queue: "proposer", Length: 64, Limit: 1000}},
		}
	}
	f := &fake{}
	for n := 1; n <= 5; n++ {
		f.replicas = append(f.replicas, state.Observation{
			ID: fmt.Sprintf("r%d", n), Address: fmt.Sprintf("127.0.0.1:710%d", n), Connected: true, Known: true,
			At: noon().Add(-100 * time.Millisecond), Status: status(n, 48213, 48213, roles("following", "normal", "learning")),
		})
	}
	f.replicas[0].Status.Roles = roles("leading", "normal", "learning")
	f.replicas[2].Status.Roles = roles("following", "paused", "learning")
	f.replicas[2].Status.Roles[1].Cause = "by ops"
	f.replicas[2].Status.Faults = []protocol.FaultStatus{{Fault: "pause acceptor", Owner: "ops"}}
	f.replicas[3].Status.Applied = 45100
	f.replicas[4].Status = status(5, 47118, 47118, roles("following", "normal", "learning"))
	f.replicas[4].Connected, f.replicas[4].At = false, noon().Add(-9400*time.Millisecond)
	f.replicas[4].Err = "connect 127.0.0.1:7105: connection refused"
	f.replicas[4].RetryAt = noon().Add(1600 * time.Millisecond)
	f.session = conversation()
	f.past = lastMinute(f.replicas)
	return f
}

// lastMinute is a load that grows, an acceptor that is paused 41 s before noon, and another leader 30 s before it.
func lastMinute(replicas []state.Observation) []state.Snapshot {
	const seconds = 64
	var past []state.Snapshot
	total := uint64(0)
	for i := range seconds {
		at := noon().Add(time.Duration(i-seconds) * time.Second)
		total += uint64(min(i, 45)) * 400
		if i == seconds-30 || i == seconds-31 {
			total -= uint64(min(i, 45)) * 390
		}
		look := make([]state.Observation, len(replicas))
		for n := range replicas {
			look[n] = earlier(replicas[n], n, i, at, total)
			look[n].Status.Leader = "r1"
			if i < seconds-30 {
				look[n].Status.Leader = "r2"
			}
			if i < seconds-41 {
				look[n].Status.Faults = nil
			}
		}
		past = append(past, state.Snapshot{At: at, Replicas: look})
	}
	last := past[seconds-1].Replicas
	for n := range replicas {
		replicas[n].Status.Operations, replicas[n].Status.Requests = last[n].Status.Operations, last[n].Status.Requests
		replicas[n].Status.Peers = last[n].Status.Peers
		replicas[n].Status.Requests.Updates += 18_000
	}
	return past
}

// earlier is what a replica told at a second of the last minute.
func earlier(o state.Observation, n, second int, at time.Time, total uint64) state.Observation {
	if n < 4 || second < 54 {
		o.At, o.Connected, o.Err = at, true, ""
	} else {
		o.Connected = false
	}
	o.Status.Requests = protocol.Requests{Updates: total, Failed: uint64(second / 30)}
	o.Status.SyncMicros = protocol.Quantiles{P50: int64(700 + 100*(second*7%5)), P99: 4100, Max: 9800}
	for peer := 1; peer <= 5; peer++ {
		if peer != n+1 {
			o.Status.Peers = append(o.Status.Peers[:len(o.Status.Peers):len(o.Status.Peers)], protocol.PeerStatus{
				Replica: fmt.Sprintf("r%d", peer), Connected: peer < 5, RTTMicros: int64(200 + 20*n + 60*(second*(n+3)%4)),
				LastHeard: at,
			})
		}
	}
	buckets := func(share uint64) []uint64 {
		list := make([]uint64, 50)
		for i := range list[14:40] {
			list[14+i] = total * share / 100 / uint64(2+i*i)
		}
		return list
	}
	o.Status.Operations = []protocol.OperationStatus{
		{Operation: "del", Buckets: buckets(1)},
		{Operation: "get", Buckets: buckets(51), Failed: uint64(second / 60)},
		{Operation: "put", Buckets: buckets(48), Failed: uint64(second / 30)},
	}
	return o
}

func conversation() state.Session {
	at := noon().Add(-8 * time.Second)
	result := func(verb, replica string, reply command.Reply) []state.Entry {
		reply.Latency = 1100 * time.Microsecond
		r := command.Result{Verb: verb, Replica: replica, Status: command.StatusOK, Reply: reply, Time: at}
		r.Request.Operation = command.Operation(verb)
		if reply.Failure != "" {
			r.Status = string(reply.Failure)
		}
		return state.Result(r)
	}
	typed := func(text string) state.Entry { return state.Entry{At: at, Tone: state.Typed, Text: "> " + text} }
	var s state.Session
	s = s.Append(typed(`put user/1042 "Ada L."`))
	s = s.Append(result("put", "r2", command.Reply{Slot: 48190, Revision: 77})...)
	s = s.Append(typed("get user/1042 @r2"))
	s = s.Append(result("get", "r2", command.Reply{Value: []byte("Ada L."), Applied: 48201})...)
	s = s.Append(typed("get city"))
	s = s.Append(result("get", "r3", command.Reply{Value: []byte("東京\x1b[31m"), Applied: 48201})...)
	s = s.Append(typed("put user/7 x @r5"))
	s = s.Append(result("put", "r5", command.Reply{
		Failure: command.Unreachable, Outcome: command.NotSent, Err: fmt.Errorf("connection refused"),
	})...)
	s = s.Append(typed("del user/9 @r4"))
	s = s.Append(result("del", "r4", command.Reply{
		Failure: command.Timeout, Outcome: command.Unknown, Err: fmt.Errorf("no answer in time"),
	})...)
	s.Sent, s.Failed = 5, 2
	return s
}

// plainLook is the one of the golden files: no escape sequences.
func plainLook() theme.Look { return theme.Look{Plain: true} }

// screen is a model of a source at a size, after its first snapshot.
func screen(t testing.TB, f *fake, width, height int) *Model {
	t.Helper()
	m := New(Options{
		Cluster: "demo", Grammar: command.NewGrammar([]string{"r1", "r2", "r3", "r4", "r5"}), Look: plainLook(), Source: f,
	})
	m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	for _, s := range f.past {
		m.Update(snapshot(s))
	}
	see(m, f)
	return m
}

// see brings a snapshot.
func see(m *Model, f *fake) {
	s := f.Look(m.page().want())
	s.At = noon()
	m.Update(snapshot(s))
}

// keys presses keys one after the other: letters of a text, or names in brackets such as <enter> or <ctrl+r>. What the
// commands of Bubble Tea say is handed back to the model, as the program would.
func keys(m *Model, sequence string) (quit bool) {
	for _, key := range parseKeys(sequence) {
		_, cmd := m.Update(key)
		quit = settle(m, cmd) || quit
	}
	return quit
}

// settle runs a command and what follows from it, but no looks at the source: tests decide when the next one is.
func settle(m *Model, cmd tea.Cmd) (quit bool) {
	if cmd == nil {
		return false
	}
	switch message := cmd().(type) {
	case tea.QuitMsg:
		return true
	case done:
		m.Update(message)
	}
	return false
}

// parseKeys reads a sequence of keys.
func parseKeys(sequence string) []tea.KeyMsg {
	var list []tea.KeyMsg
	for sequence != "" {
		if name, rest, ok := strings.Cut(sequence[1:], ">"); ok && sequence[0] == '<' && len(name) > 1 {
			list, sequence = append(list, named(name)), rest
			continue
		}
		letter := []rune(sequence)[0]
		sequence = sequence[len(string(letter)):]
		list = append(list, named(string(letter)))
	}
	return list
}

// named is the key with a name as Bubble Tea writes it.
func named(name string) tea.KeyMsg {
	if name == " " || name == "space" {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune(" ")}
	}
	for kind := tea.KeyType(-100); kind < 128; kind++ {
		if key := (tea.KeyMsg{Type: kind}); kind != tea.KeyRunes && key.String() == name {
			return key
		}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (make golden writes it anew)\n%s\nwant\n%s", file, got, want)
	}
}

// goldenScreen compares what a model shows with testdata/NAME-WIDTHxHEIGHT.golden.
func goldenScreen(t *testing.T, name string, m *Model) {
	t.Helper()
	got := m.View()
	if plain := ansi.Strip(got); plain != got {
		t.Error("the plain theme writes escape sequences")
	}
	checkSize(t, got, m.size)
	golden(t, fmt.Sprintf("%s-%dx%d", name, m.size.Width, m.size.Height), got+"\n")
}

// goldenPage compares a page at the four sizes. Prepare makes the source, and open brings the model where it should be.
func goldenPage(t *testing.T, name string, prepare func() *fake, open string) {
	t.Helper()
	for _, size := range []panel.Size{{Width: 120, Height: 36}, {Width: 80, Height: 24}, {Width: 60, Height: 15}, {Width: 40, Height: 10}} {
		t.Run(fmt.Sprintf("%s-%dx%d", name, size.Width, size.Height), func(t *testing.T) {
			f := prepare()
			m := screen(t, f, size.Width, size.Height)
			keys(m, open)
			see(m, f)
			goldenScreen(t, name, m)
		})
	}
}

// checkSize: a view fills its screen exactly.
func checkSize(t *testing.T, view string, size panel.Size) {
	t.Helper()
	lines := strings.Split(view, "\n")
	if len(lines) != size.Height {
		t.Errorf("%d lines on a screen of %d", len(lines), size.Height)
	}
	for i, line := range lines {
		if width := ansi.StringWidth(line); width != size.Width {
			t.Errorf("line %d has %d cells of %d: %q", i+1, width, size.Width, line)
		}
	}
}
