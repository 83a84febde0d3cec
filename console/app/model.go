package app

import (
	"fmt"
	"strings"
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

// Outside is what the screen does beyond drawing and asking its source. Both are called from commands of Bubble Tea,
// never from Update; nil means that it cannot be done.
type Outside struct {
	// Copy hands a text to the terminal's clipboard.
	Copy func(text string) error
	// Save writes an export and returns the name of the file.
	Save func(name string, content []byte) (string, error)
	// Remember keeps a command that was typed for the next time.
	Remember func(line string) error
}

// Options say what the screen shows.
type Options struct {
	Cluster  string
	Owner    string // the name under which faults are set from here
	ReadOnly bool
	Grammar  *command.Grammar
	Look     theme.Look
	Source   Source
	Outside  Outside
	Refresh  time.Duration // between two looks at the source; 0 for 100 ms
	Sticky   bool          // the prompt keeps the keys after Enter
	NoMouse  bool          // the mouse is the terminal's from the start
	History  []string      // lines of earlier sessions, the newest last
	Keys     Keys          // keys that a person has chosen
}

// refreshDefault is the time between two looks at the source.
const refreshDefault = 100 * time.Millisecond

// Model is the screen.
type Model struct {
	options Options
	look    theme.Look
	theme   *theme.Theme
	console state.Console  // what is known now
	frozen  *state.Console // what the pages show while the screen is frozen; nil if it is not
	size    panel.Size
	pages   []page
	at      int    // index of the page that is seen
	panes   []int  // the pane that has the keys, for each page
	zoomed  []bool // whether it is alone, for each page
	mouse   bool   // whether clicks come to us

	focus    focus
	line     state.Line
	complete completion
	search   search
	filters  []state.Line // for each page
	found    string       // what the page says about its filter
	pasted   []string     // lines that wait for a decision
	notice   string       // shown instead of the hint until the next key
	leaving  bool         // the next ctrl-C quits

	ask     *dialogue  // a question of our own
	seen    int        // snapshots since the question of the source is on the screen
	yes     bool       // the choice in a dialogue
	deaf    int        // snapshots for which an Enter still belongs to the dialogue that a letter has closed
	confirm state.Line // the word typed in a dialogue
	help    help
	save    bool // the kind of an export is being chosen
}

// focus is what takes the letters.
type focus int

const (
	onPage focus = iota
	onPrompt
	onFilter
	onSearch // of the history, with the prompt behind it
)

// snapshot is the message that brings what is known now.
type snapshot state.Snapshot

// done is the message of a command of Bubble Tea that has something to say.
type done struct{ text string }

// ended is the message that ends the screen: somebody typed quit.
type ended struct{}

// Ended makes the message that ends the screen.
func Ended() tea.Msg { return ended{} }

// New makes the screen.
func New(options Options) *Model {
	m := &Model{
		options: options, look: options.Look, theme: theme.From(options.Look), pages: newPages(), mouse: !options.NoMouse,
		console: state.Console{Cluster: options.Cluster, ReadOnly: options.ReadOnly},
	}
	m.line = m.line.Remember(options.History...)
	m.panes, m.zoomed, m.filters = make([]int, len(m.pages)), make([]bool, len(m.pages)), make([]state.Line, len(m.pages))
	return m
}

// Init asks for the first snapshot.
func (m *Model) Init() tea.Cmd { return m.lookAfter(0) }

// lookAfter asks for a snapshot after a pause.
func (m *Model) lookAfter(pause time.Duration) tea.Cmd {
	source, want := m.options.Source, m.page().want()
	return tea.Tick(pause, func(at time.Time) tea.Msg {
		s := source.Look(want)
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
	case tea.KeyMsg:
		return m, m.press(message)
	case tea.MouseMsg:
		return m, m.point(message)
	case tea.ResumeMsg:
		return m, m.resume()
	case done:
		return m, m.say(message.text)
	case ended:
		return m, tea.Quit
	}
	return m, nil
}

func (m *Model) observe(s snapshot) tea.Cmd {
	before := m.console.Session.Question
	m.console = m.console.Observe(state.Snapshot(s))
	m.deaf = max(m.deaf-1, 0)
	switch {
	case m.console.Session.Question == nil:
		m.seen = 0
	case m.console.Session.Question == before:
		m.seen++
	default:
		m.seen, m.yes, m.confirm, m.help.open = 0, false, state.Line{}, false
	}
	if m.frozen == nil {
		for _, p := range m.pages {
			p.observe(&m.console)
		}
	} else {
		m.frozen.Session = m.console.Session
	}
	pause := m.options.Refresh
	if pause <= 0 {
		pause = refreshDefault
	}
	return m.lookAfter(pause)
}

// page is the one that is seen.
func (m *Model) page() page { return m.pages[m.at] }

// known is what the pages show.
func (m *Model) known() *state.Console {
	if m.frozen != nil {
		return m.frozen
	}
	return &m.console
}

// interrupt is ctrl-C: it clears the line, or ends the running command, or quits at the second time.
func (m *Model) interrupt() tea.Cmd {
	leaving := m.leaving
	m.leaving = false
	switch {
	case m.pasted != nil:
		m.pasted = nil
		return m.say("the pasted lines were dropped")
	case m.focus == onPrompt && !m.line.Empty():
		m.line = m.line.Set("")
	case m.console.Session.Running != "" && m.options.Source.Cancel():
		return m.say("the running command was told to end")
	case leaving:
		return tea.Quit
	default:
		m.leaving = true
		return m.say("ctrl-C once more quits")
	}
	return nil
}

// ours tells whether a fault was set under our name. Replicas add the address it came from.
func (m *Model) ours(owner string) bool {
	address, ours := strings.CutPrefix(owner, m.options.Owner) // a name may hold an @ of its own
	return ours && m.options.Owner != "" && (address == "" || strings.LastIndex(address, "@") == 0)
}

// quit leaves, after a question if something would be lost or left behind.
func (m *Model) quit() tea.Cmd {
	var reasons []string
	for _, p := range m.pages {
		if g, ok := p.(guarded); ok {
			if reason := g.unsaved(&m.console); reason != "" {
				reasons = append(reasons, reason)
			}
		}
	}
	ours := 0
	for _, fault := range m.console.Injected() {
		if m.ours(fault.Owner) && !fault.Old {
			ours++
		}
	}
	if ours > 0 {
		reasons = append(reasons, fmt.Sprintf("%d of the faults in force were set from here; they stay until they run out. "+
			"heal ends them.", ours))
	}
	if len(reasons) == 0 {
		return tea.Quit
	}
	m.question(dialogue{title: "Quit?", text: reasons, do: func(*Model) tea.Cmd { return tea.Quit }})
	return nil
}
