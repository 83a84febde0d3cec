package app

import (
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"synod/console/theme"
)

// nextTheme goes to the next theme.
func (m *Model) nextTheme() tea.Cmd {
	names := theme.Names()
	at := slices.Index(names, m.theme.Name)
	m.look.Theme = names[(at+1)%len(names)]
	m.theme = theme.From(m.look)
	if m.look.Plain {
		return m.say("theme " + m.theme.Name + ", without colours as NO_COLOR asks")
	}
	return m.say("theme " + m.theme.Name)
}

// copy hands what is chosen to the clipboard.
func (m *Model) copy() tea.Cmd {
	text := ""
	if p, ok := m.page().(copied); ok {
		text = p.selection(m.known())
	}
	put := m.options.Outside.Copy
	switch {
	case text == "":
		return m.say("nothing is chosen to copy")
	case put == nil:
		return m.say("this terminal's clipboard cannot be reached")
	}
	return func() tea.Msg {
		if err := put(text); err != nil {
			return done{"not copied: " + err.Error()}
		}
		return done{fmt.Sprintf("copied %d bytes", len(text))}
	}
}

// export writes what is seen to a file; where the page offers several kinds, a person chooses first.
func (m *Model) export() tea.Cmd {
	if m.options.Outside.Save == nil {
		return m.say("nothing can be saved from here")
	}
	if p, ok := m.page().(exported); ok && len(p.formats()) > 0 {
		m.save = true
		return nil
	}
	return m.write("text")
}

// exportHint says which letter chooses which kind.
func (m *Model) exportHint() string {
	words := []string{"export as   t text"}
	for _, format := range m.page().(exported).formats() {
		words = append(words, format[:1]+" "+format)
	}
	return strings.Join(append(words, "Esc not"), "   ")
}

func (m *Model) pressExport(name string) tea.Cmd {
	m.save = false
	if name == "t" {
		return m.write("text")
	}
	for _, format := range m.page().(exported).formats() {
		if format[:1] == name {
			return m.write(format)
		}
	}
	return m.say("nothing was written")
}

// write saves the page in a format.
func (m *Model) write(format string) tea.Cmd {
	long, _ := m.page().title()
	name := fmt.Sprintf("synod-%s-%s.", strings.ToLower(long), m.known().Now.Format("20060102-150405"))
	var content []byte
	if p, ok := m.page().(exported); ok && format != "text" {
		content, name = p.export(m.known(), format), name+format
	} else {
		content, name = []byte(ansi.Strip(m.View())+"\n"), name+"txt"
	}
	save := m.options.Outside.Save
	return func() tea.Msg {
		file, err := save(name, content)
		if err != nil {
			return done{"not saved: " + err.Error()}
		}
		return done{fmt.Sprintf("saved %d bytes to %s", len(content), file)}
	}
}
