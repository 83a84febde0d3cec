package fault

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
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
	// ErrMany: more faults of links than a controller keeps.
	ErrMany = errors.New("too many faults of links at once: end some of them")
)

// linksMax bounds the faults of links of one replica.
const linksMax = 256

// Host is what a controller breaks and heals.
type Host interface {
	Crash(role paxos.Roles, cause string) error
	Start(role paxos.Roles, cause string) error
	Pause(role paxos.Roles, cause string) error
	Resume(role paxos.Roles, cause string) error
}

// Kind of a fault.
type Kind string

const (
	// Crash drops the memory of a role and flushes nothing.
	Crash Kind = "crash"
	// Pause stops a role taking messages and ticks.
	Pause Kind = "pause"
	// Cut lets no message pass a link.
	Cut Kind = "cut"
	// Delay holds the messages of a link back.
	Delay Kind = "delay"
	// Loss drops some of the messages of a link.
	Loss Kind = "loss"
)

// Fault is one that is active.
type Fault struct {
	ID    uint64 // the controller counts them, from 1
	Kind  Kind
	Role  paxos.Roles // of a Crash or Pause
	Link  Link        // of the other kinds
	Owner string      // who asked: an operator's name and address, or "chaos"
	Since time.Time
	Until time.Time // when it heals by itself
}

// Text words the fault for people, such as "crash acceptor" or "cut r1<>r3".
func (f *Fault) Text(self paxos.ReplicaID) string {
	if f.Role != 0 {
		return string(f.Kind) + " " + f.Role.String()
	}
	return f.Link.text(self)
}

// Options of a controller.
type Options struct {
	Self    paxos.ReplicaID
	Enabled bool
	// TTL is the longest life of a fault, and its life when none is asked for.
	TTL time.Duration
	// Links is what the controller tells of the links; nil if nobody asks.
	Links  *Table
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
	active map[uint64]*active // by id
	last   uint64             // id of the newest one
	closed bool
	chaos  *chaos // nil when off
}

type active struct {
	Fault
	timer *time.Timer
	cause *cause // of a fault of a link, else nil
}

// New makes a controller without faults.
func New(options Options) *Controller {
	if options.Links == nil {
		options.Links = NewTable()
	}
	return &Controller{options: options, active: map[uint64]*active{}}
}

// Inject breaks a role for a time, 0 meaning the time to live of [faults], and
// gives the id of the fault. A crash replaces a pause; nothing replaces a crash.
func (c *Controller) Inject(fault Fault, life time.Duration) (uint64, error) {
	life, err := c.life(life)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, ErrDisabled
	}
	act := c.options.Host.Crash
	if fault.Kind == Pause {
		act = c.options.Host.Pause
	}
	if err := act(fault.Role, fmt.Sprintf("%s by %s", fault.Kind, fault.Owner)); err != nil {
		return 0, err
	}
	if before := c.ofLocked(fault.Role); before != nil {
		c.dropLocked(before, "another fault by "+fault.Owner+" takes its place")
	}
	return c.addLocked(&active{Fault: fault}, life), nil
}

// Break breaks links for a time, 0 meaning the time to live of [faults], and gives
// an id for each. It does all or nothing. What was broken before stays so.
func (c *Controller) Break(links []Link, owner string, life time.Duration) ([]uint64, error) {
	life, err := c.life(life)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrDisabled
	}
	if have := len(c.causesLocked()); have+len(links) > linksMax {
		return nil, fmt.Errorf("%w: %d and %d more, the limit is %d", ErrMany, have, len(links), linksMax)
	}
	ids := make([]uint64, 0, len(links))
	for _, link := range links {
		ids = append(ids, c.addLocked(&active{
			Fault: Fault{Kind: link.kind(), Link: link, Owner: owner},
			cause: &cause{link: link, seed: rand.Uint64()},
		}, life))
	}
	c.options.Links.publish(c.causesLocked())
	return ids, nil
}

// life checks the time that a fault is wanted for.
func (c *Controller) life(wanted time.Duration) (time.Duration, error) {
	switch {
	case !c.options.Enabled:
		return 0, ErrDisabled
	case wanted == 0:
		return c.options.TTL, nil
	case wanted < 0 || wanted > c.options.TTL:
		return 0, fmt.Errorf("%w: %v, it is above 0 and at most %v (ttl in [faults])", ErrTime, wanted, c.options.TTL)
	}
	return wanted, nil
}

// addLocked puts a fault that is in force on the list.
func (c *Controller) addLocked(a *active, life time.Duration) uint64 {
	c.last++
	a.ID, a.Since = c.last, time.Now()
	a.Until = a.Since.Add(life)
	a.timer = time.AfterFunc(life, func() { c.expire(a) })
	c.active[a.ID] = a
	arguments := append(c.describe(a), "life_ms", life.Milliseconds())
	if a.cause != nil {
		arguments = append(arguments, "seed", a.cause.seed)
	}
	c.options.Logger.Warn("fault injected", arguments...)
	return a.ID
}

// describe gives the attributes of a fault's log lines.
func (c *Controller) describe(a *active) []any {
	arguments := []any{"id", a.ID, "fault", a.Text(c.options.Self), "owner", a.Owner}
	if a.Role != 0 {
		return append(arguments, "role", a.Role)
	}
	return append(arguments, "peer", a.Link.Peer, "direction", a.Link.Direction)
}

// ofLocked is the fault of a role, nil if it has none.
func (c *Controller) ofLocked(role paxos.Roles) *active {
	for _, a := range c.active {
		if a.Role == role {
			return a
		}
	}
	return nil
}

// causesLocked lists the faults of links by their id.
func (c *Controller) causesLocked() []*cause {
	var all []*cause
	for _, id := range slices.Sorted(maps.Keys(c.active)) {
		if a := c.active[id]; a.cause != nil {
			all = append(all, a.cause)
		}
	}
	return all
}

// expire heals a fault whose time is over.
func (c *Controller) expire(a *active) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active[a.ID] != a {
		return // healed by somebody else, meanwhile
	}
	if err := c.healLocked(a, "its time was over"); err != nil {
		c.options.Logger.Error("fault does not heal, it is tried again", append(c.describe(a),
			"pause_ms", healAgain.Milliseconds(), "error", err)...)
		a.Until = time.Now().Add(healAgain)
		a.timer = time.AfterFunc(healAgain, func() { c.expire(a) })
		c.active[a.ID] = a
	}
}

// healAgain is the pause after which a role that did not start, for want of space
// or of file descriptors, is started once more: it was down only for its fault.
const healAgain = time.Second

// Resume ends the pause of a role.
func (c *Controller) Resume(role paxos.Roles, owner string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.ofLocked(role)
	if a == nil || a.Kind != Pause {
		return fmt.Errorf("resume %s: it is not paused: %w", role, ErrNone)
	}
	return c.healLocked(a, "by "+owner)
}

// Heal ends the fault of a role: a crashed role starts, a paused one goes on.
func (c *Controller) Heal(role paxos.Roles, owner string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.ofLocked(role)
	if a == nil {
		return fmt.Errorf("heal %s: %w", role, ErrNone)
	}
	return c.healLocked(a, "by "+owner)
}

// Clear ends the faults with these ids and gives those that it has ended. What has
// ended already is left out. A role that does not start is an error; the other
// faults end all the same.
func (c *Controller) Clear(ids []uint64, owner string) (ended []uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clearLocked(ids, owner)
}

// ClearAll ends all faults and the random schedule.
func (c *Controller) ClearAll(owner string) (ended []uint64, err error) {
	if c.stopChaos() {
		c.options.Logger.Info("chaos off", "owner", owner)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clearLocked(slices.Sorted(maps.Keys(c.active)), owner)
}

func (c *Controller) clearLocked(ids []uint64, owner string) (ended []uint64, err error) {
	for _, id := range ids {
		a := c.active[id]
		if a == nil {
			continue
		}
		if failure := c.healLocked(a, "by "+owner); failure != nil {
			err = errors.Join(err, fmt.Errorf("end %s: %w", a.Text(c.options.Self), failure))
			continue
		}
		ended = append(ended, id)
	}
	return ended, err
}

// healLocked ends a fault. A role that does not come back has no fault any more; it
// is down for the reason that the error gives.
func (c *Controller) healLocked(a *active, why string) error {
	if a.cause != nil {
		c.dropLocked(a, why)
		c.options.Links.publish(c.causesLocked())
		return nil
	}
	a.timer.Stop()
	delete(c.active, a.ID)
	act := c.options.Host.Start
	if a.Kind == Pause {
		act = c.options.Host.Resume
	}
	if err := act(a.Role, "healed "+why); err != nil {
		return err
	}
	c.dropLocked(a, why)
	return nil
}

// dropLocked takes a fault from the list and tells it.
func (c *Controller) dropLocked(a *active, why string) {
	a.timer.Stop()
	delete(c.active, a.ID)
	arguments := append(c.describe(a), "why", why, "lasted_ms", time.Since(a.Since).Milliseconds())
	if a.cause != nil {
		arguments = append(arguments, "lost", a.cause.lost.Load(), "late", a.cause.late.Load())
	}
	c.options.Logger.Info("fault healed", arguments...)
}

// Restart heals the role if it has a fault, and else crashes and starts it.
func (c *Controller) Restart(role paxos.Roles, owner string) error {
	if !c.options.Enabled {
		return ErrDisabled
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cause := "restart by " + owner
	if a := c.ofLocked(role); a != nil {
		if a.Kind == Crash {
			return c.healLocked(a, "by "+owner)
		}
		c.dropLocked(a, cause)
	}
	crashed := c.options.Host.Crash(role, cause)
	c.options.Logger.Warn("role restarts", "role", role, "owner", owner)
	// A role that could not be started the last time is down without a fault.
	if err := c.options.Host.Start(role, cause); err != nil {
		return errors.Join(crashed, err)
	}
	return nil
}

// Active lists the faults, the oldest first.
func (c *Controller) Active() []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Fault
	for _, a := range c.active {
		all = append(all, a.Fault)
	}
	slices.SortFunc(all, func(a, b Fault) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Close ends the schedule and all timers. It heals no role and no link: the process
// ends.
func (c *Controller) Close() {
	c.stopChaos()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, a := range c.active {
		a.timer.Stop()
	}
	clear(c.active)
}
