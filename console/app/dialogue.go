package app

import (
	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
)

// dialogue is a question of the screen itself. No is what happens unless somebody says yes.
type dialogue struct {
	title string
	text  []string
	do    func(*Model) tea.Cmd
}

// snapshotsToRead is how many snapshots a question of a command has to be seen before a key answers it: whoever was
// typing when it came up must not have answered.
const snapshotsToRead = 2

// snapshotsDeaf is how many snapshots an Enter is ignored after a letter has closed a dialogue: who types `y` and Enter
// means one decision, and the page below must not take the second key for another.
const snapshotsDeaf = 10

// question asks.
func (m *Model) question(d dialogue) { m.ask, m.yes = &d, false }

// asking tells whether a dialogue has the keys.
func (m *Model) asking() bool { return m.ask != nil || m.console.Session.Question != nil }

// pressDialogue takes a key of a dialogue.
func (m *Model) pressDialogue(key tea.KeyMsg) tea.Cmd {
	name := key.String()
	severe := m.ask == nil && m.console.Session.Question.Type != ""
	switch {
	case name == "ctrl+l":
		return tea.ClearScreen
	case name == "esc", name == "ctrl+c":
		return m.decide(false)
	case m.ask == nil && m.seen < snapshotsToRead:
		m.seen = 0 // somebody still types what was meant for the prompt
		return nil
	case severe:
		return m.typeConfirmation(key)
	}
	switch name {
	case "left", "right", "tab", "shift+tab", "h", "l":
		m.yes = !m.yes
	case "y", "Y":
		m.deaf = snapshotsDeaf
		return m.decide(true)
	case "n", "N", "q":
		m.deaf = snapshotsDeaf
		return m.decide(false)
	case "enter":
		return m.decide(m.yes)
	}
	return nil
}

// typeConfirmation takes the word without which nothing severe happens.
func (m *Model) typeConfirmation(key tea.KeyMsg) tea.Cmd {
	if key.String() == "enter" {
		return m.decide(m.confirm.Text() == m.console.Session.Question.Type)
	}
	m.confirm = edited(m.confirm, key)
	return nil
}

// decide ends the dialogue. A no is no word at all: a cluster may have any name.
func (m *Model) decide(yes bool) tea.Cmd {
	if own := m.ask; own != nil {
		if m.ask = nil; yes {
			return own.do(m)
		}
		return nil
	}
	text := ""
	switch word := m.console.Session.Question.Type; {
	case yes && word != "":
		text = word
	case yes:
		text = "yes"
	}
	// The snapshot is older than the answer; the next one knows.
	m.console.Session.Question, m.confirm = nil, state.Line{}
	source := m.options.Source
	return func() tea.Msg { source.Answer(text); return nil }
}

// dialogueBox draws the open dialogue; "" without one.
func (m *Model) dialogueBox(width int) string {
	switch question := m.console.Session.Question; {
	case m.ask != nil:
		return panel.Dialogue(panel.DialogueView{Title: m.ask.title, Text: m.ask.text, Yes: m.yes}, m.theme, width)
	case question != nil:
		return panel.Dialogue(questionView(question, m.yes, &m.confirm), m.theme, width)
	}
	return ""
}

func questionView(question *state.Question, yes bool, line *state.Line) panel.DialogueView {
	return panel.DialogueView{
		Title: "Are you sure?", Text: []string{question.Text}, Type: question.Type, Typed: line, Yes: yes,
	}
}
