package main

import (
	"context"

	"synod/console/command"
	"synod/console/up"
)

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
	return p.with(ctx, t, func(ctx context.Context, s *session) error { return p.runScreen(ctx, s, settings, nil) })
}

func (p *program) runScreen(ctx context.Context, s *session, settings command.Settings, _ *up.Cluster) error {
	return p.prompt(ctx, s, settings)
}
