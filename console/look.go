package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/spf13/pflag"

	"synod/console/app"
	"synod/console/history"
	"synod/console/settings"
	"synod/console/state"
)

// lookFlags are the flags of the screen: what a person has chosen for it, by the names of the settings.
type lookFlags struct {
	file   string
	values map[string]*string
	set    *pflag.FlagSet
}

// lookFlags makes a flag for each setting of the screen, for the commands that open one.
func (p *program) lookFlags() *pflag.FlagSet {
	f := &p.flags.look
	if f.set != nil {
		return f.set
	}
	set := pflag.NewFlagSet("screen", pflag.ContinueOnError)
	f.set, f.values = set, map[string]*string{}
	set.StringVar(&f.file, "console-config", "", "settings of the screen (default synod/console.toml in the folder for "+
		"configurations)")
	for _, row := range [][2]string{
		{"theme", "auto, dark, light, mono or contrast"},
		{"graphs", "signs of graphs: block, braille or ascii"},
		{"border", "frames: rounded, plain or ascii"},
		{"mouse", "on: clicks and the wheel are the screen's; off: they are the terminal's"},
		{"sticky", "on: the prompt keeps the keys after Enter"},
		{"history", "off: commands are not kept for the next time"},
		{"refresh", "time between two looks at the replicas (default 100ms)"},
	} {
		f.values[row[0]] = set.String(row[0], "", row[1])
	}
	return set
}

// look reads what a person has chosen for the screen.
func (p *program) look() (settings.Settings, error) {
	f := &p.flags.look
	name, named := settings.FileName(p.getenv)
	if f.file != "" {
		name, named = f.file, true
	}
	source := settings.Source{Name: name, Environ: p.environ, Flags: map[string]string{}, Keys: app.KeyNames()}
	if name != "" {
		text, err := os.ReadFile(name)
		if err != nil && (named || !errors.Is(err, fs.ErrNotExist)) {
			return settings.Settings{}, usagef("settings of the screen: %w", err)
		}
		source.Text = text
	}
	for setting, value := range f.values {
		if f.set.Lookup(setting).Changed {
			source.Flags[setting] = *value
		}
	}
	chosen, err := settings.Load(source)
	if err != nil {
		return chosen, &usageError{err}
	}
	chosen.Look.Plain = p.flags.noColor || p.getenv("NO_COLOR") != ""
	chosen.Look.Light = lightBackground(p.getenv("COLORFGBG"))
	return chosen, nil
}

// history opens the file of commands, if it is wanted. That it cannot be read is said, and the work goes on.
func (p *program) history(wanted bool, desk *app.Desk) *history.History {
	if !wanted {
		return nil
	}
	kept, err := history.Open(history.FileName(p.getenv))
	if err != nil {
		desk.Say(state.Remark, "  "+err.Error())
	}
	return kept
}

// lightBackground reads COLORFGBG, which some terminals set: its last number is the background's colour.
func lightBackground(value string) bool {
	parts := strings.Split(value, ";")
	background := parts[len(parts)-1]
	return background == "7" || background == "15"
}

// mouseOption takes the mouse from the terminal, if a person wants it.
func mouseOption(wanted bool) []tea.ProgramOption {
	if !wanted {
		return nil
	}
	return []tea.ProgramOption{tea.WithMouseCellMotion()}
}
