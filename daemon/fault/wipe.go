package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"synod/core/paxos"
)

const (
	// permitTimeout bounds the wait for a permit, permitPause is between two looks.
	permitTimeout = 3 * time.Second
	permitPause   = 20 * time.Millisecond
)

// WiperOptions say what a Wiper needs of its daemon.
type WiperOptions struct {
	Enabled bool
	Host    Host
	Permits *Permits
	// Serial draws a number for a permit.
	Serial func() uint64
	// Lose removes the state of a role that is down.
	Lose   func(role paxos.Roles) error
	Logger *slog.Logger
}

// Wiper makes roles lose their state, with a permit for each time. Any goroutine may
// use it, but not a role's own.
type Wiper struct {
	options WiperOptions
	mu      sync.Mutex // one at a time
}

// NewWiper makes a wiper.
func NewWiper(options WiperOptions) *Wiper { return &Wiper{options: options} }

// Wipe crashes the roles, removes their state, waits, and starts them again. A role
// that was down already stays so. The error is ErrDisabled, ErrPermit, or of the
// disk; with the first two nothing has happened.
func (w *Wiper) Wipe(ctx context.Context, roles []paxos.Roles, owner string, down time.Duration) error {
	if !w.options.Enabled {
		return ErrDisabled
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.permit(ctx); err != nil {
		return err
	}
	cause := "state wiped by " + owner
	var start []paxos.Roles
	for _, role := range roles {
		if err := w.options.Host.Crash(role, cause); err == nil {
			start = append(start, role)
		}
	}
	w.options.Permits.Lost()
	var failures []error
	for _, role := range roles {
		if err := w.options.Lose(role); err != nil {
			failures = append(failures, fmt.Errorf("wipe %s: %w", role, err))
		}
		w.options.Logger.Warn("state of a role wiped", "role", role, "owner", owner, "down_ms", down.Milliseconds())
	}
	wait(ctx, down)
	for _, role := range start {
		if err := w.options.Host.Start(role, cause); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// permit asks for a permit and waits for it.
func (w *Wiper) permit(ctx context.Context) error {
	if err := w.options.Permits.Ask(w.options.Serial()); err != nil {
		return err
	}
	for end := time.Now().Add(permitTimeout); ; wait(ctx, permitPause) {
		err := w.options.Permits.Granted(time.Now())
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			w.options.Permits.Release()
			return err
		}
	}
}

// wait waits, or less if the context ends.
func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
