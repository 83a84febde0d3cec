package app

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/command"
	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
)

// Source is where the screen learns from and where commands go. Its methods return at once and may be called by any
// goroutine.
type Source interface {
	// Look gives what is known now, and makes sure that what the visible screen wants is fetched.
	Look(want state.Want) state.Snapshot
	// Submit queues a command; false if too many wait.
	Submit(line string) bool
	// Answer ends the question of the running command.
	Answer(text string)
	// Cancel ends the running command and drops those that wait; false if there is none.
	Cancel() bool
}

// Options say what the screen shows.
type Options struct {
	Cluster  string
	ReadOnly bool
	Grammar  *command.Grammar
	Theme    *theme.Theme
	Source   Source
}

// snapshotPause is the time between two looks at the source.
const snapshotPause = 100 * time.Millisecond

// Model is the screen.
type Model struct {
	options Options
	console state.Console
	line    state.Line
	size    panel.Size
	scroll  int  // lines of the session, from the newest
	focus   pane // seen alone on a small screen
	help    bool
	leaving bool     // the next ctrl-C quits
	pasted  []string // lines that wait for a decision
	notice  string   // shown instead of the hint until the next key
}

// pane is one of the two panes.
type pane int

const (
	sessionPane pane = iota
	replicasPane
)

// snapshot is the message that brings what is known now.
type snapshot state.Snapshot

// ended is the message that ends the screen: somebody typed quit.
type ended struct{}

// Ended makes the message that ends the screen.
func Ended() tea.Msg { return ended{} }

// New makes the screen.
func New(options Options) *Model {
	return &Model{options: options, console: state.Console{Cluster: options.Cluster, ReadOnly: options.ReadOnly}}
}

// Init asks for the first snapshot.
func (m *Model) Init() tea.Cmd { return m.look(0) }

// look asks for a snapshot after a pause.
func (m *Model) look(pause time.Duration) tea.Cmd {
	source := m.options.Source
	return tea.Tick(pause, func(at time.Time) tea.Msg {
		s := source.Look(state.Want{})
		s.At = at
		return snapshot(s)
	})
}

// Update takes one message.
func (m *Model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case snapshot:
		return m, m.observe(message)
	case tea.WindowSizeMsg:
		m.size = panel.Size{Width: message.Width, Height: message.Height}
		return m, nil
	case tea.KeyMsg:
		return m, m.press(message)
	case ended:
		return m, tea.Quit
	}
	return m, nil
}

func (m *Model) observe(s snapshot) tea.Cmd {
	if added := len(s.Session.Entries) - len(m.console.Session.Entries); m.scroll > 0 && added > 0 {
		m.scroll += added // what is being read stays where it is
	}
	m.console = m.console.Observe(state.Snapshot(s))
	return m.look(snapshotPause)
}

// submit runs what is typed, or answers the question.
func (m *Model) submit() tea.Cmd {
	source := m.options.Source
	if m.console.Session.Question != nil {
		text := m.line.Text()
		m.line = m.line.Set("")
		// The snapshot is older than the answer; the next one knows.
		m.console.Session.Question = nil
		return func() tea.Msg { source.Answer(text); return nil }
	}
	lines := m.pasted
	if m.pasted = nil; lines == nil {
		var text string
		if text, m.line = m.line.Enter(); text == "" {
			m.scroll = 0
			return nil
		}
		lines = []string{text}
	}
	m.scroll = 0
	for _, line := range lines {
		if !source.Submit(line) {
			m.notice = "too many commands wait: the rest was not taken"
			return nil
		}
	}
	return nil
}

// interrupt is ctrl-C: it clears the line, or ends the running command, or quits at the second time.
func (m *Model) interrupt() tea.Cmd {
	switch {
	case m.pasted != nil:
		m.pasted, m.notice = nil, "the pasted commands were dropped"
	case !m.line.Empty():
		m.line = m.line.Set("")
	case m.console.Session.Running != "" && m.options.Source.Cancel():
		m.notice = "the running command was told to end"
	case m.leaving:
		return tea.Quit
	default:
		m.leaving, m.notice = true, "ctrl-C once more quits"
	}
	return nil
}
