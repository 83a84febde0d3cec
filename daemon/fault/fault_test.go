package fault

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/paxos"
)

// fakeHost remembers the state of the roles and what was done to them.
type fakeHost struct {
	mu      sync.Mutex
	down    map[paxos.Roles]bool
	paused  map[paxos.Roles]bool
	crashes int
	starts  int
	broken  bool // no role starts
}

func newHost() *fakeHost {
	return &fakeHost{down: map[paxos.Roles]bool{}, paused: map[paxos.Roles]bool{}}
}

var (
	errState  = errors.New("wrong state")
	errBroken = errors.New("too many open files")
)

func (h *fakeHost) setBroken(broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = broken
}

// count adds to a counter.
func (h *fakeHost) count(counter *int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*counter++
}

// seen gives the counters.
func (h *fakeHost) seen() (crashes, starts int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.crashes, h.starts
}

func (h *fakeHost) set(states map[paxos.Roles]bool, role paxos.Roles, to bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if states[role] == to {
		return errState
	}
	states[role] = to
	return nil
}

func (h *fakeHost) Crash(role paxos.Roles, _ string) error {
	h.count(&h.crashes)
	return h.set(h.down, role, true)
}

func (h *fakeHost) Start(role paxos.Roles, _ string) error {
	h.count(&h.starts)
	h.mu.Lock()
	broken := h.broken
	h.mu.Unlock()
	if broken {
		return errBroken
	}
	return h.set(h.down, role, false)
}
func (h *fakeHost) Pause(role paxos.Roles, _ string) error  { return h.set(h.paused, role, true) }
func (h *fakeHost) Resume(role paxos.Roles, _ string) error { return h.set(h.paused, role, false) }

func newController(enabled bool) (*Controller, *fakeHost) {
	host := newHost()
	return New(Options{
		Enabled: enabled, TTL: time.Minute, Host: host, Logger: slog.New(slog.DiscardHandler),
	}), host
}

func crash(owner string) Fault {
	return Fault{Role: paxos.RoleAcceptor, Kind: Crash, Owner: owner}
}

func TestNothingHappensUnlessEnabled(t *testing.T) {
	c, host := newController(false)
	if _, err := c.Inject(crash("test"), 0); !errors.Is(err, ErrDisabled) {
		t.Errorf("Inject: %v", err)
	}
	if err := c.Restart(paxos.RoleAcceptor, "test"); !errors.Is(err, ErrDisabled) {
		t.Errorf("Restart: %v", err)
	}
	if err := c.StartChaos(Schedule{}, "test"); !errors.Is(err, ErrDisabled) {
		t.Errorf("StartChaos: %v", err)
	}
	if host.crashes != 0 {
		t.Error("a role was crashed")
	}
}

func TestAFaultHealsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, host := newController(true)
		if _, err := c.Inject(crash("test"), 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if list := c.Active(); len(list) != 1 || list[0].Owner != "test" {
			t.Errorf("active: %+v", list)
		}
		time.Sleep(1999 * time.Millisecond)
		if _, starts := host.seen(); starts != 0 {
			t.Error("healed too early")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if _, starts := host.seen(); starts != 1 || len(c.Active()) != 0 {
			t.Errorf("%d starts, active %+v", starts, c.Active())
		}
	})
}

func TestHealAndRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, host := newController(true)
		if err := c.Heal(paxos.RoleAcceptor, "test"); !errors.Is(err, ErrNone) {
			t.Errorf("Heal without a fault: %v", err)
		}
		pause := Fault{Role: paxos.RoleAcceptor, Kind: Pause, Owner: "test"}
		if _, err := c.Inject(pause, 0); err != nil {
			t.Fatal(err)
		}
		if err := c.Resume(paxos.RoleAcceptor, "test"); err != nil || host.paused[paxos.RoleAcceptor] {
			t.Errorf("Resume: %v, paused %v", err, host.paused)
		}
		if _, err := c.Inject(crash("test"), 0); err != nil {
			t.Fatal(err)
		}
		if err := c.Resume(paxos.RoleAcceptor, "test"); !errors.Is(err, ErrNone) {
			t.Errorf("Resume of a crashed role: %v", err)
		}
		if err := c.Heal(paxos.RoleAcceptor, "test"); err != nil || host.down[paxos.RoleAcceptor] {
			t.Errorf("Heal: %v, down %v", err, host.down)
		}
		host.crashes, host.starts = 0, 0
		if err := c.Restart(paxos.RoleAcceptor, "test"); err != nil || host.crashes != 1 || host.starts != 1 {
			t.Errorf("Restart: %v, %d crashes, %d starts", err, host.crashes, host.starts)
		}
		time.Sleep(time.Hour) // the pause's timer must be gone
		if host.starts != 1 {
			t.Error("a timer of a healed fault started the role")
		}
		if _, err := c.Inject(crash("test"), 2*time.Minute); !errors.Is(err, ErrTime) {
			t.Errorf("a fault above its time to live: %v", err)
		}
	})
}

func TestChaosCrashesAndHealsAndSpareWhatAnOperatorHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, host := newController(true)
		defer c.Close()
		schedule := Schedule{Seed: 42, Roles: []RoleSchedule{
			{Role: paxos.RoleAcceptor, Every: time.Second, DownMin: 100 * time.Millisecond, DownMax: 300 * time.Millisecond},
		}}
		if err := c.StartChaos(schedule, "test"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if host.crashes < 60 || host.crashes > 150 || host.crashes-host.starts > 1 {
			t.Errorf("%d crashes and %d starts in two minutes, want about 100", host.crashes, host.starts)
		}
		if !c.StopChaos("test") || c.Chaos() || c.StopChaos("test") {
			t.Error("chaos does not stop")
		}
		if len(c.Active()) != 0 || host.down[paxos.RoleAcceptor] {
			t.Error("a fault of the schedule outlived it")
		}
	})
}

// TestARoleThatDoesNotStartIsStartedAgain: by its fault's time as by an operator.
func TestARoleThatDoesNotStartIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, host := newController(true)
		host.setBroken(true)
		if _, err := c.Inject(crash("a"), time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		host.setBroken(false)
		time.Sleep(2 * healAgain)
		synctest.Wait()
		if host.down[paxos.RoleAcceptor] || len(c.Active()) != 0 {
			t.Errorf("down %v, faults %v", host.down, c.Active())
		}
		host.setBroken(true)
		if err := c.Restart(paxos.RoleAcceptor, "a"); !errors.Is(err, errBroken) {
			t.Errorf("a restart that fails: %v", err)
		}
		host.setBroken(false)
		if err := c.Restart(paxos.RoleAcceptor, "a"); err != nil || host.down[paxos.RoleAcceptor] {
			t.Errorf("a restart of a role that is down without a fault: %v", err)
		}
	})
}
