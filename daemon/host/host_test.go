package host

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"synod/core/agent"
	"synod/core/paxos"
)

const self paxos.ReplicaID = 2

// fakeAgent tells what it was given and puts out what it is told to.
type fakeAgent struct {
	mu        sync.Mutex
	kinds     []paxos.Kind
	ticks     int
	deliver   int
	answer    []paxos.Envelope // put out once, with the next Deliver
	prompt    []paxos.Envelope
	fail      error
	nonsense  bool
	hold      chan struct{} // Deliver waits for it, if set
	closed    bool
	abandoned bool
}

func (f *fakeAgent) Deliver(in agent.Input, prompt func([]paxos.Envelope)) ([]paxos.Envelope, error) {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nonsense {
		panic("two values for one slot")
	}
	for _, e := range in.Envelopes {
		f.kinds = append(f.kinds, e.Message.Kind())
	}
	f.ticks += in.Ticks
	f.deliver++
	prompt(f.prompt)
	answer := f.answer
	f.answer, f.prompt = nil, nil
	return answer, f.fail
}

func (f *fakeAgent) Events() []paxos.Event { return nil }
func (f *fakeAgent) Status() agent.Status  { return agent.Status{} }
func (f *fakeAgent) Close() error          { f.closed = true; return nil }
func (f *fakeAgent) Abandon()              { f.abandoned = true }

func (f *fakeAgent) got() (kinds []paxos.Kind, ticks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]paxos.Kind(nil), f.kinds...), f.ticks
}

type fakeRemote struct {
	mu   sync.Mutex
	sent []paxos.Envelope
}

func (r *fakeRemote) Send(envelopes []paxos.Envelope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range envelopes {
		if e.To.Replica != self {
			r.sent = append(r.sent, e)
		}
	}
}

func (r *fakeRemote) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent)
}

// world is a host with fakes around it.
type world struct {
	host     *Host
	remote   *fakeRemote
	agents   [3]*fakeAgent // the latest of proposer, acceptor, learner
	opened   [3]int
	failures []Failure
	watch    func(paxos.Roles, *Delivery)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{remote: &fakeRemote{}}
	open := func(i int) func() (Agent, error) {
		return func() (Agent, error) {
			w.agents[i] = &fakeAgent{}
			w.opened[i]++
			return w.agents[i], nil
		}
	}
	w.host = New(Options{
		Self: self, Tick: 10 * time.Millisecond, Mailbox: Limits{MessagesMax: 4, BytesMax: 1 << 20},
		Proposer: open(0), Acceptor: open(1), Learner: open(2), Remote: w.remote,
		Fatal: func(f Failure) { w.failures = append(w.failures, f) },
		Delivered: func(kind paxos.Roles, d *Delivery) {
			if len(d.Envelopes) > 0 && w.watch != nil {
				w.watch(kind, d)
			}
		},
	})
	if err := w.host.Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.host.Close() })
	return w
}

func to(replica paxos.ReplicaID, roles paxos.Roles, message paxos.Message) paxos.Envelope {
	return paxos.Envelope{To: paxos.Address{Replica: replica, Roles: roles}, Message: message}
}

func TestOneMessageReachesEachNamedRoleHereAndTheOthersElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.agents[0].answer = []paxos.Envelope{
			to(paxos.Everyone, paxos.RoleAcceptor|paxos.RoleLearner, &paxos.Accept{Slot: 1}),
			to(3, paxos.RoleProposer, &paxos.Forward{}),
			to(self, paxos.RoleLearner, &paxos.Heartbeat{}),
		}
		if err := w.host.Submit(to(self, paxos.RoleProposer, &paxos.Propose{})); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		acceptor, _ := w.agents[1].got()
		learner, _ := w.agents[2].got()
		if len(acceptor) != 1 || acceptor[0] != paxos.KindAccept {
			t.Errorf("the acceptor here got %v, want the Accept", acceptor)
		}
		if len(learner) != 2 || learner[0] != paxos.KindAccept || learner[1] != paxos.KindHeartbeat {
			t.Errorf("the learner here got %v, want Accept and Heartbeat", learner)
		}
		if len(w.remote.sent) != 2 {
			t.Errorf("%d messages left, want the Accept to all and the Forward", len(w.remote.sent))
		}
	})
}

func TestWhatWaitsIsDeliveredAtOnceAndTheRestIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hold := make(chan struct{})
		w.agents[1].hold = hold
		accept := to(self, paxos.RoleAcceptor, &paxos.Accept{})
		w.host.Receive([]paxos.Envelope{accept})
		synctest.Wait() // the acceptor is in Deliver and waits
		w.host.Receive([]paxos.Envelope{accept, accept, accept, accept, accept, accept})
		status := w.host.Status()[1]
		if status.Waiting != 4 || status.Dropped != 2 {
			t.Errorf("%d wait and %d were dropped, want 4 and 2", status.Waiting, status.Dropped)
		}
		if err := w.host.Submit(accept); !errors.Is(err, ErrFull) {
			t.Errorf("a full mailbox answered %v", err)
		}
		close(hold)
		synctest.Wait()
		kinds, _ := w.agents[1].got()
		if len(kinds) != 5 || w.agents[1].deliver != 2 {
			t.Errorf("%d messages in %d Delivers, want 5 in 2", len(kinds), w.agents[1].deliver)
		}
	})
}

// TestDeliveriesAreShown: with the time of arrival of each message, not that of the
// Deliver that took it, and only when what came out has left.
func TestDeliveriesAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var seen []Delivery
		w.watch = func(kind paxos.Roles, d *Delivery) {
			if kind != paxos.RoleAcceptor {
				t.Errorf("a delivery of %s is shown, which got nothing", kind)
			}
			seen = append(seen, Delivery{
				Envelopes: slices.Clone(d.Envelopes), Arrivals: slices.Clone(d.Arrivals),
				Messages: slices.Clone(d.Messages), Done: d.Done,
			})
			if w.remote.count() < len(d.Messages) {
				t.Error("a delivery is shown before its messages left")
			}
		}
		begin := time.Now()
		hold := make(chan struct{})
		w.agents[1].hold = hold
		accept := to(self, paxos.RoleAcceptor|paxos.RoleLearner, &paxos.Accept{})
		w.host.Receive([]paxos.Envelope{accept})
		synctest.Wait() // the acceptor is in Deliver and waits
		time.Sleep(time.Millisecond)
		w.host.Receive([]paxos.Envelope{accept, accept})
		time.Sleep(time.Millisecond)
		w.host.Receive([]paxos.Envelope{accept})
		time.Sleep(time.Millisecond)
		w.agents[1].answer = []paxos.Envelope{to(3, paxos.RoleProposer, &paxos.Accepted{})}
		close(hold)
		synctest.Wait()
		w.host.Close()
		if len(seen) != 2 || len(seen[0].Envelopes) != 1 || len(seen[1].Envelopes) != 3 || len(seen[0].Messages) != 1 {
			t.Fatalf("%d deliveries: %+v", len(seen), seen)
		}
		want := []Arrival{{0, begin.Add(time.Millisecond)}, {2, begin.Add(2 * time.Millisecond)}}
		if !slices.Equal(seen[1].Arrivals, want) || seen[1].Done != begin.Add(3*time.Millisecond) {
			t.Errorf("arrivals are %v, want %v; done at %v", seen[1].Arrivals, want, seen[1].Done.Sub(begin))
		}
	})
}

func TestMissedTicksAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		time.Sleep(105 * time.Millisecond)
		synctest.Wait()
		if _, ticks := w.agents[0].got(); ticks != 10 {
			t.Errorf("%d ticks in 105 ms, want 10", ticks)
		}
		if err := w.host.Pause(paxos.RoleProposer, "test"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := w.host.Resume(paxos.RoleProposer, "test"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, ticks := w.agents[0].got(); ticks != 10+ticksMax {
			t.Errorf("%d ticks after a pause of a minute, want %d", ticks, 10+ticksMax)
		}
	})
}

func TestCrashedRoleIsDownUntilStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.agents[1]
		if err := w.host.Crash(paxos.RoleAcceptor, "by the test"); err != nil {
			t.Fatal(err)
		}
		if !first.abandoned || first.closed {
			t.Error("a crash must abandon the agent and not close it")
		}
		if err := w.host.Submit(to(self, paxos.RoleAcceptor, &paxos.Prepare{})); !errors.Is(err, ErrDown) {
			t.Errorf("a role that is down answered %v", err)
		}
		if err := w.host.Crash(paxos.RoleAcceptor, "again"); !errors.Is(err, ErrState) {
			t.Errorf("the second crash answered %v", err)
		}
		if err := w.host.Start(paxos.RoleAcceptor, "by the test"); err != nil {
			t.Fatal(err)
		}
		w.host.Receive([]paxos.Envelope{to(paxos.Everyone, paxos.RoleAcceptor, &paxos.Prepare{})})
		synctest.Wait()
		if kinds, _ := w.agents[1].got(); len(kinds) != 1 || w.opened[1] != 2 {
			t.Errorf("the new acceptor got %v after %d opens", kinds, w.opened[1])
		}
		status := w.host.Status()[1]
		if status.State != StateUp || status.Restarts != 1 || status.Cause != "by the test" {
			t.Errorf("status %+v", status)
		}
	})
}

// TestANewLifeGetsNothingMeantForTheOld: what waited when a role crashed, and what
// came while it was down, is gone, as when a process dies.
func TestANewLifeGetsNothingMeantForTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.host.Pause(paxos.RoleAcceptor, "test"); err != nil {
			t.Fatal(err)
		}
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleAcceptor, &paxos.Prepare{})})
		time.Sleep(100 * time.Millisecond)
		if waiting := w.host.Status()[1].Waiting; waiting != 1 {
			t.Fatalf("%d messages wait, want 1", waiting)
		}
		if err := w.host.Crash(paxos.RoleAcceptor, "test"); err != nil {
			t.Fatal(err)
		}
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleAcceptor, &paxos.Accept{})})
		time.Sleep(100 * time.Millisecond)
		if err := w.host.Start(paxos.RoleAcceptor, "test"); err != nil {
			t.Fatal(err)
		}
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleAcceptor, &paxos.Fetch{})})
		synctest.Wait()
		if kinds, _ := w.agents[1].got(); len(kinds) != 1 || kinds[0] != paxos.KindFetch {
			t.Errorf("the new acceptor got %v", kinds)
		}
	})
}

func TestPausedRoleTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.host.Pause(paxos.RoleLearner, "test"); err != nil {
			t.Fatal(err)
		}
		if w.host.Working(paxos.RoleLearner) || !w.host.Working(paxos.RoleProposer) {
			t.Error("the paused learner works, or the proposer does not")
		}
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleLearner, &paxos.Heartbeat{})})
		time.Sleep(time.Second)
		if kinds, _ := w.agents[2].got(); len(kinds) != 0 {
			t.Errorf("a paused learner got %v", kinds)
		}
		if err := w.host.Crash(paxos.RoleLearner, "test"); err != nil {
			t.Errorf("crash of a paused role: %v", err)
		}
	})
}

func TestPanicAndFailedDeliverAreFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.agents[0].nonsense = true
		w.agents[1].fail = errors.New("sync log: input/output error")
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleProposer, &paxos.Propose{})})
		synctest.Wait()
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleAcceptor, &paxos.Accept{})})
		synctest.Wait()
		if len(w.failures) != 2 || !w.failures[0].Panic || w.failures[1].Panic {
			t.Fatalf("failures %+v", w.failures)
		}
		if !strings.Contains(w.failures[0].Err.Error(), "panic in proposer: two values for one slot") {
			t.Errorf("the line of the panic reads %q", w.failures[0].Err)
		}
	})
}

func TestCloseClosesAllRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.host.Close(); err != nil {
			t.Fatal(err)
		}
		for i, a := range w.agents {
			if !a.closed || a.abandoned {
				t.Errorf("role %d was not closed cleanly", i)
			}
		}
		if err := w.host.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}

// TestCloseLetsTheLearnerTellItsAcceptor: what the learner finds out from its last
// messages still reaches the acceptor, whose log is the only one.
func TestCloseLetsTheLearnerTellItsAcceptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hold := make(chan struct{})
		learner := w.agents[2]
		learner.hold = hold
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleLearner, &paxos.Heartbeat{})})
		synctest.Wait() // the learner is in Deliver and waits
		learner.answer = []paxos.Envelope{to(self, paxos.RoleAcceptor, &paxos.ChosenRuns{})}
		w.host.Receive([]paxos.Envelope{to(self, paxos.RoleLearner, &paxos.Accepted{})})
		go func() { close(hold) }()
		if err := w.host.Close(); err != nil {
			t.Fatal(err)
		}
		if kinds, _ := learner.got(); len(kinds) != 2 {
			t.Errorf("the learner got %v, want also what waited when the end came", kinds)
		}
		if kinds, _ := w.agents[1].got(); len(kinds) != 1 || kinds[0] != paxos.KindChosenRuns {
			t.Errorf("the acceptor got %v, want the learner's last word", kinds)
		}
	})
}
