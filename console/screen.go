package main

import (
	"context"
	"errors"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"synod/console/app"
	"synod/console/command"
	"synod/console/feed"
	"synod/console/state"
	"synod/console/up"
	"synod/console/workload"
)

// screenFrames is how often a second the screen is written at most.
const screenFrames = 20

// screen opens the operator's screen on the configured target.
func (p *program) screen(ctx context.Context) error {
	t, err := p.target()
	if err != nil {
		return err
	}
	settings, err := p.settings(t)
	if err != nil {
		return err
	}
	if _, err := p.look(); err != nil { // before anything is connected
		return err
	}
	return p.with(ctx, t, func(ctx context.Context, s *session) error { return p.runScreen(ctx, s, settings, nil) })
}

// source is what the screen reads: the desk's session, the watch's replicas, and the processes that we have started.
type source struct {
	*app.Desk
	watch   *feed.Watch
	logs    *feed.Logs
	ledger  *feed.Ledger
	keys    *feed.Keys
	cluster *up.Cluster // nil if others have started the replicas
	load    *workload.Loader
}

// Look gives what is known now.
func (s *source) Look(want state.Want) state.Snapshot {
	seen := state.Snapshot{Replicas: s.replicas(), Session: s.Session(), Ledger: s.ledger.Look(want.Ledger)}
	seen.Logs, seen.Keys = s.logs.Look(), s.keys.Look(want.Keys)
	seen.Load.Progress, seen.Load.Known = s.load.Progress()
	return seen
}

func (s *source) replicas() []state.Observation {
	observations := s.watch.Snapshot()
	if s.cluster == nil {
		return observations
	}
	for _, process := range s.cluster.Processes() {
		for i := range observations {
			if observations[i].ID == process.ID {
				observations[i].Process = string(process.State)
			}
		}
	}
	return observations
}

// runScreen shows the screen until a person leaves it or a signal comes.
func (p *program) runScreen(ctx context.Context, s *session, settings command.Settings, cluster *up.Cluster) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	guard := &app.Guard{}
	ledger := feed.NewLedger(s.target.endpoints)
	s.logs.Keep()
	watch := feed.StartWatch(ctx, s.target.endpoints, s.log, guard.Go, s.logs, s.logs.Clocks(), ledger)
	defer watch.Close()
	keys := feed.StartKeys(ctx, s.cluster, s.target.replicas(), guard.Go)
	defer keys.Close()
	desk := app.NewDesk()
	s.load = s.newLoader(ctx, guard.Go)
	ports := s.ports(desk)
	ports.Ask = desk.Ask
	executor := command.NewExecutor(s.grammar, ports, settings)
	// The library asks the terminal for its background unless it is told.
	lipgloss.SetHasDarkBackground(true)
	look, err := p.look()
	if err != nil {
		return err
	}
	terminal := &terminalOutput{File: p.stdout}
	kept := p.history(look.History, desk)
	model := app.New(app.Options{
		Cluster: settings.ClusterName, Owner: owner(), ReadOnly: settings.ReadOnly, Grammar: s.grammar,
		Look: look.Look, Refresh: look.Refresh, Sticky: look.Sticky, NoMouse: !look.Mouse, Keys: look.Keys,
		History: kept.Lines(),
		Source:  &source{Desk: desk, watch: watch, logs: s.logs, ledger: ledger, keys: keys, cluster: cluster, load: s.load},
		Outside: app.Outside{Copy: terminal.copy, Save: saveExport, Remember: kept.Append},
	})
	screen := tea.NewProgram(model, append(mouseOption(look.Mouse), tea.WithContext(ctx), tea.WithInput(p.stdin),
		tea.WithOutput(terminal), tea.WithAltScreen(), tea.WithoutSignalHandler(), tea.WithFPS(screenFrames))...)
	guard.OnPanic(func() { go screen.Kill() })
	defer p.signals.catch(cancel, cancel)()
	served := make(chan struct{})
	guard.Go(func() {
		defer close(served)
		parser := command.NewParser(s.grammar, nil)
		desk.Serve(ctx, func(ctx context.Context, line string) bool { return runLine(ctx, line, parser, executor, desk) })
		screen.Send(app.Ended())
	})
	if p.screenUp != nil {
		p.screenUp(guard)
	}
	_, err = screen.Run()
	cancel()
	if failed := guard.Err(); failed != nil {
		return &exitError{exitInternal, failed}
	}
	<-served
	p.code = p.signals.code(command.ExitOK)
	if err != nil && !(errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil) {
		return &exitError{exitInternal, fmt.Errorf("the screen: %w", err)}
	}
	summary := executor.Summary()
	if summary.Requests > 0 {
		fmt.Fprintf(p.stderr, "# %s\n", summary.String())
	}
	return nil
}

// runLine runs a line of the prompt; false ends the screen.
func runLine(ctx context.Context, line string, p *command.Parser, e *command.Executor, desk *app.Desk) bool {
	statements, err := p.Line(line, command.Position{})
	if err != nil {
		desk.Say(state.Bad, "  "+err.Error())
		return true
	}
	return e.Run(ctx, statements)
}
