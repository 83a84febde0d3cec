package fault

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"synod/core/paxos"
)

// chaosOwner is the owner of the schedule's faults.
const chaosOwner = "chaos"

// Schedule says how often roles fail at random and for how long.
type Schedule struct {
	Seed  uint64
	Roles []RoleSchedule
}

// RoleSchedule is the part of one role.
type RoleSchedule struct {
	Role    paxos.Roles
	Every   time.Duration // mean of the exponentially distributed time from one failure to the next
	DownMin time.Duration // the role stays down for a time drawn evenly
	DownMax time.Duration // from DownMin to DownMax
	// Wipe is the share of the failures in which the role loses its state, too, if
	// the other replicas permit it.
	Wipe float64
}

// chaos is a running schedule: a goroutine for each role.
type chaos struct {
	stop chan struct{}
	done sync.WaitGroup
}

// StartChaos replaces the running schedule, if any, by a new one.
func (c *Controller) StartChaos(schedule Schedule, owner string) error {
	if !c.options.Enabled {
		return ErrDisabled
	}
	c.stopChaos()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrDisabled
	}
	running := &chaos{stop: make(chan struct{})}
	for _, part := range schedule.Roles {
		// Draws of one role do not depend on what happens to the others.
		random := rand.New(rand.NewPCG(schedule.Seed, uint64(part.Role)))
		running.done.Go(func() { c.fail(part, random, running.stop) })
	}
	c.chaos = running
	c.options.Logger.Warn("chaos on", "owner", owner, "seed", schedule.Seed)
	return nil
}

// StopChaos ends the schedule and heals its faults. It reports whether one ran.
func (c *Controller) StopChaos(owner string) bool {
	if !c.stopChaos() {
		return false
	}
	c.options.Logger.Info("chaos off", "owner", owner)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.active {
		if a.Owner != chaosOwner {
			continue
		}
		if err := c.healLocked(a, "by "+owner); err != nil {
			c.options.Logger.Error("fault does not heal", append(c.describe(a), "error", err)...)
		}
	}
	return true
}

// Chaos reports whether a schedule runs.
func (c *Controller) Chaos() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chaos != nil
}

func (c *Controller) stopChaos() bool {
	c.mu.Lock()
	running := c.chaos
	c.chaos = nil
	c.mu.Unlock()
	if running == nil {
		return false
	}
	close(running.stop)
	running.done.Wait()
	return true
}

// fail crashes a role again and again; the fault's own time brings it back.
func (c *Controller) fail(part RoleSchedule, random *rand.Rand, stop chan struct{}) {
	for {
		pause := time.Duration(random.ExpFloat64() * float64(part.Every))
		down := part.DownMin + time.Duration(random.Int64N(int64(part.DownMax-part.DownMin)+1))
		wipe := random.Float64() < part.Wipe
		if !sleep(pause, stop) {
			return
		}
		if wipe && c.wipe(part.Role, min(down, c.options.TTL), stop) {
			continue
		}
		fault := Fault{Role: part.Role, Kind: Crash, Owner: chaosOwner}
		if _, err := c.Inject(fault, min(down, c.options.TTL)); err != nil {
			// An operator holds the role down: the draw is skipped.
			c.options.Logger.Debug("chaos leaves a role alone", "role", part.Role, "error", err)
			continue
		}
		if !sleep(down, stop) {
			return
		}
	}
}

// wipe makes a role lose its state and reports whether it did.
func (c *Controller) wipe(role paxos.Roles, down time.Duration, stop chan struct{}) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := c.options.Wiper.Wipe(ctx, []paxos.Roles{role}, chaosOwner, down)
	if errors.Is(err, ErrPermit) {
		c.options.Logger.Info("chaos crashes a role with its state", "role", role, "reason", err)
		return false
	}
	if err != nil {
		c.options.Logger.Error("a wipe failed", "role", role, "error", err)
	}
	return true
}

// sleep waits, and reports false when stopped meanwhile.
func sleep(d time.Duration, stop chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-stop:
		return false
	case <-timer.C:
		return true
	}
}
