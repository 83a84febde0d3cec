package fault

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"synod/core/paxos"
)

// Errors of the controller.
var (
	// ErrDisabled: the configuration does not allow faults.
	ErrDisabled = errors.New("faults are off here, set enabled = true in [faults] to allow them")
	// ErrNone: there is no fault to end.
	ErrNone = errors.New("the role has no fault")
	// ErrTime: the wanted time is too long or not positive.
	ErrTime = errors.New("time of a fault out of range")
)

// Host is what a controller breaks and heals.
type Host interface {
	Crash(role paxos.Roles, cause string) error
	Start(role paxos.Roles, cause string) error
	Pause(role paxos.Roles, cause string) error
	Resume(role paxos.Roles, cause string) error
}

// Kind of a fault.
type Kind string

// The faults of a role.
const (
	Crash Kind = "crash" // drops its memory, flushes nothing
	Pause Kind = "pause" // stops taking messages and ticks
)

// Fault is one that is active.
type Fault struct {
	Role  paxos.Roles
	Kind  Kind
	Owner string // who asked: an operator's address, or "chaos"
	Since time.Time
	Until time.Time // when it heals by itself
}

// Options of a controller.
type Options struct {
	Enabled bool
	// TTL is the longest life of a fault, and its life when none is asked for.
	TTL    time.Duration
	Host   Host
	Logger *slog.Logger
	// Wiper makes roles lose their state, for schedules that ask for it.
	Wiper *Wiper
}

// Controller owns all faults of a replica. Any goroutine may use it, but not a
// role's own.
type Controller struct {
	options Options

	mu     sync.Mutex
	active map[paxos.Roles]*active
	closed bool
	chaos  *chaos // nil when off
}

type active struct {
	Fault
	timer *time.Timer
}

// New makes a controller without faults.
func New(options Options) *Controller {
	return &Controller{options: options, active: map[paxos.Roles]*active{}}
}

// Inject breaks a role for a time, 0 meaning the time to live of [faults]. A
// crash replaces a pause; nothing replaces a crash.
func (c *Controller) Inject(fault Fault, life time.Duration) error {
	if !c.options.Enabled {
		return ErrDisabled
	}
	if life == 0 {
		life = c.options.TTL
	}
	if life < 0 || life > c.options.TTL {
		return fmt.Errorf("%w: %v, it is above 0 and at most %v (ttl in [faults])", ErrTime, life, c.options.TTL)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrDisabled
	}
	return c.injectLocked(fault, life)
}

func (c *Controller) injectLocked(fault Fault, life time.Duration) error {
	act := c.options.Host.Crash
	if fault.Kind == Pause {
		act = c.options.Host.Pause
	}
	if err := act(fault.Role, fmt.Sprintf("%s by %s", fault.Kind, fault.Owner)); err != nil {
		return err
	}
	c.dropLocked(fault.Role)
	fault.Since = time.Now()
	fault.Until = fault.Since.Add(life)
	a := &active{Fault: fault}
	a.timer = time.AfterFunc(life, func() { c.expire(a) })
	c.active[fault.Role] = a
	c.options.Logger.Warn("fault injected", "role", fault.Role, "fault", fault.Kind, "owner", fault.Owner,
		"life_ms", life.Milliseconds())
	return nil
}

// expire heals a fault whose time is over.
func (c *Controller) expire(a *active) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active[a.Role] != a {
		return // healed by somebody else, meanwhile
	}
	if err := c.healLocked(a, "its time was over"); err != nil {
		c.options.Logger.Error("fault does not heal, it is tried again", "role", a.Role, "fault", a.Kind,
			"pause_ms", healAgain.Milliseconds(), "error", err)
		a.Until = time.Now().Add(healAgain)
		a.timer = time.AfterFunc(healAgain, func() { c.expire(a) })
		c.active[a.Role] = a
	}
}

// healAgain is the pause after which a role that did not start, for want of space
// or of file descriptors, is started once more: it was down only for its fault.
const healAgain = time.Second

// Resume ends the pause of a role.
func (c *Controller) Resume(role paxos.Roles, owner string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.active[role]
	if a == nil || a.Kind != Pause {
		return fmt.Errorf("resume %s: it is not paused: %w", role, ErrNone)
	}
	return c.healLocked(a, "by "+owner)
}

// Heal ends the fault of a role: a crashed role starts, a paused one goes on.
func (c *Controller) Heal(role paxos.Roles, owner string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.active[role]
	if a == nil {
		return fmt.Errorf("heal %s: %w", role, ErrNone)
	}
	return c.healLocked(a, "by "+owner)
}

func (c *Controller) healLocked(a *active, why string) error {
	act := c.options.Host.Start
	if a.Kind == Pause {
		act = c.options.Host.Resume
	}
	c.dropLocked(a.Role)
	if err := act(a.Role, "healed "+why); err != nil {
		return err
	}
	c.options.Logger.Info("fault healed", "role", a.Role, "fault", a.Kind, "owner", a.Owner, "why", why,
		"lasted_ms", time.Since(a.Since).Milliseconds())
	return nil
}

func (c *Controller) dropLocked(role paxos.Roles) {
	if a := c.active[role]; a != nil {
		a.timer.Stop()
		delete(c.active, role)
	}
}

// Restart heals the role if it has a fault, and else crashes and starts it.
func (c *Controller) Restart(role paxos.Roles, owner string) error {
	if !c.options.Enabled {
		return ErrDisabled
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.active[role]; a != nil && a.Kind == Crash {
		return c.healLocked(a, "by "+owner)
	}
	c.dropLocked(role)
	cause := "restart by " + owner
	crashed := c.options.Host.Crash(role, cause)
	c.options.Logger.Warn("role restarts", "role", role, "owner", owner)
	// A role that could not be started the last time is down without a fault.
	if err := c.options.Host.Start(role, cause); err != nil {
		return errors.Join(crashed, err)
	}
	return nil
}

// Active lists the faults: those of proposer, acceptor, learner, in this order.
func (c *Controller) Active() []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Fault
	for role := paxos.RoleProposer; role <= paxos.RoleLearner; role <<= 1 {
		if a := c.active[role]; a != nil {
			all = append(all, a.Fault)
		}
	}
	return all
}

// Close ends the schedule and all timers. It heals nothing: the process ends.
func (c *Controller) Close() {
	c.stopChaos()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for role := range c.active {
		c.dropLocked(role)
	}
}
