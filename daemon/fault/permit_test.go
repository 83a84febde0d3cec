package fault

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// world is some replicas that lose their state with permits, processes that restart, and a network that loses and
// delays what they say.
type world struct {
	random  *rand.Rand
	max     int
	permits []*Permits
	lost    []bool
	durable []uint64
	now     time.Time
	posted  []posted
	run     uint64
	wipes   int
}

type posted struct {
	from, to paxos.ReplicaID
	c        protocol.Condition
}

func newWorld(seed uint64, replicas, most int) *world {
	w := &world{
		random: rand.New(rand.NewPCG(seed, 3)), max: most, lost: make([]bool, replicas), durable: make([]uint64, replicas),
		permits: make([]*Permits, replicas), now: time.Unix(1e9, 0),
	}
	for i := range replicas {
		w.boot(i)
	}
	return w
}

func (w *world) boot(i int) {
	w.run++
	w.permits[i] = NewPermits(PermitOptions{
		Self: paxos.ReplicaID(i + 1), Replicas: len(w.permits), MaxLost: w.max, Run: w.run,
	})
	// What was under way from it is gone with its connections.
	w.posted = slices.DeleteFunc(w.posted, func(p posted) bool { return int(p.from) == i+1 || int(p.to) == i+1 })
}

func (w *world) say(i int) {
	c := w.permits[i].Condition(Own{Whole: !w.lost[i], Durable: w.durable[i]})
	for to := range w.permits {
		if to != i && w.random.IntN(10) > 0 {
			w.posted = append(w.posted, posted{paxos.ReplicaID(i + 1), paxos.ReplicaID(to + 1), c})
		}
	}
}

func (w *world) step(t *testing.T, seed uint64) {
	w.now = w.now.Add(time.Duration(w.random.IntN(20)) * time.Millisecond)
	i := w.random.IntN(len(w.permits))
	switch draw := w.random.IntN(1000); {
	case draw < 300:
		w.say(i)
	case draw < 960:
		if len(w.posted) > 0 {
			at := w.random.IntN(min(len(w.posted), 100)) // out of order
			p := w.posted[at]
			w.posted = slices.Delete(w.posted, at, at+1)
			w.permits[p.to-1].Heard(p.from, p.c, w.now)
		}
	case draw < 970:
		for i := range w.permits { // several at once: the grants decide
			if w.random.IntN(2) == 0 && w.permits[i].Ask(w.random.Uint64()|1) == nil {
				w.say(i)
			}
		}
	case draw < 973:
		if w.permits[i].Release(); w.random.IntN(2) == 0 {
			w.boot(i) // and it forgets what it has granted
		}
	case draw < 998:
		w.lost[i], w.durable[i] = false, slices.Max(w.durable)+1 // it has recovered
	case draw < 999:
		w.boot(i)
	}
	for i := range w.permits {
		if w.permits[i].Granted(w.now) == nil && !w.lost[i] {
			w.permits[i].Lost()
			w.lost[i] = true
			w.wipes++
		}
	}
	missing := 0
	for _, lost := range w.lost {
		if lost {
			missing++
		}
	}
	if missing > w.max {
		t.Fatalf("seed %d: %d replicas are without their state, %d may be", seed, missing, w.max)
	}
}

// Whatever is lost, late or restarted: never are more replicas without their state than may be. Replay a failure by its
// seed.
func TestPermitsNeverCostTooMuch(t *testing.T) {
	for _, size := range []struct{ replicas, most int }{{5, 1}, {5, 2}, {3, 1}, {7, 2}} {
		wipes := 0
		for seed := range uint64(12) {
			w := newWorld(seed, size.replicas, size.most)
			for range 4000 {
				w.step(t, seed)
			}
			wipes += w.wipes
		}
		t.Logf("%d replicas, at most %d without state: %d wipes", size.replicas, size.most, wipes)
		if wipes < 5 {
			t.Errorf("only %d wipes: the test does not test what it says", wipes)
		}
	}
}

// Without others who grant there is no permit, and the reason is told.
func TestNoPermit(t *testing.T) {
	w := newWorld(1, 5, 1)
	p := w.permits[0]
	p.Condition(Own{Whole: true})
	if err := p.Ask(7); !errors.Is(err, ErrPermit) {
		t.Errorf("others were never seen: %v", err)
	}
	for range 3 {
		for i := range w.permits {
			w.say(i)
		}
		for _, m := range w.posted {
			w.permits[m.to-1].Heard(m.from, m.c, w.now)
		}
		w.posted = nil
	}
	if err := p.Ask(7); err != nil {
		t.Fatal(err)
	}
	if err := p.Granted(w.now); !errors.Is(err, ErrPermit) {
		t.Errorf("nobody has been asked: %v", err)
	}
	p.Release()
	none := NewPermits(PermitOptions{Self: 1, Replicas: 5})
	if err := none.Ask(7); !errors.Is(err, ErrPermit) {
		t.Errorf("max_lost is 0: %v", err)
	}
	alone := NewPermits(PermitOptions{Self: 1, Replicas: 1, MaxLost: 1})
	if err := alone.Ask(7); !errors.Is(err, ErrPermit) {
		t.Errorf("a cluster of one: %v", err)
	}
}

// A wiper without a permit leaves everything as it is; with one it crashes, loses and starts.
func TestWiper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newHost()
		var lost []paxos.Roles
		options := WiperOptions{
			Enabled: true, Host: host, Permits: NewPermits(PermitOptions{Self: 1, Replicas: 3, MaxLost: 1, Run: 1}),
			Serial: func() uint64 { return 7 }, Logger: slog.New(slog.DiscardHandler),
			Lose: func(role paxos.Roles) error {
				if !host.down[role] {
					t.Errorf("%s loses its state while it runs", role)
				}
				lost = append(lost, role)
				return nil
			},
		}
		w := NewWiper(options)
		roles := []paxos.Roles{paxos.RoleAcceptor, paxos.RoleLearner}
		if err := w.Wipe(context.Background(), roles, "test", 0); !errors.Is(err, ErrPermit) || len(lost) > 0 {
			t.Errorf("without a permit: %v, lost %v", err, lost)
		}
		sequence := uint64(0)
		say := func(grant uint64) {
			sequence++
			options.Permits.Condition(Own{Whole: true})
			for _, r := range []paxos.ReplicaID{2, 3} {
				options.Permits.Heard(r, protocol.Condition{
					Run: uint64(r), Sequence: sequence, Whole: true, Grants: []uint64{grant, 0, 0},
				}, time.Now())
			}
		}
		say(0)
		if err := w.Wipe(context.Background(), roles, "test", 0); !errors.Is(err, ErrPermit) || len(lost) > 0 {
			t.Errorf("nobody grants: %v, lost %v", err, lost)
		}
		go func() {
			time.Sleep(time.Second)
			say(7)
		}()
		if err := w.Wipe(context.Background(), roles, "test", time.Minute); err != nil || !slices.Equal(lost, roles) {
			t.Errorf("with a permit: %v, lost %v", err, lost)
		}
		if crashes, starts := host.seen(); crashes != 2 || starts != 2 {
			t.Errorf("%d crashes, %d starts", crashes, starts)
		}
		if !options.Permits.Held() {
			t.Error("the permit is given back although nothing has recovered yet")
		}
		options.Enabled = false
		if err := NewWiper(options).Wipe(context.Background(), roles, "test", 0); !errors.Is(err, ErrDisabled) {
			t.Errorf("faults are off: %v", err)
		}
	})
}
