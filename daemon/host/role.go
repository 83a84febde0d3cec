package host

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"synod/core/agent"
	"synod/core/paxos"
)

// State of a role, as people read it.
type State string

// The states that the host knows. Whether an acceptor that is up refuses to
// vote is in its agent's status.
const (
	StateDown   State = "down"
	StateUp     State = "up"
	StatePaused State = "paused"
)

// RoleStatus tells how a role is.
type RoleStatus struct {
	Kind     paxos.Roles
	State    State
	Since    time.Time
	Restarts int    // starts after the first
	Cause    string // of the last change of State
	Waiting  int    // messages in the mailbox
	Dropped  uint64 // messages that did not fit into it
	Agent    agent.Status
}

// role is one agent's place: the mailbox stays, agents come and go.
type role struct {
	host *Host
	kind paxos.Roles
	open func() (Agent, error)
	box  *mailbox
	// watched: Options.Delivered wants to see it.
	watched bool

	control sync.Mutex // held through a whole start, crash, pause, close
	running Agent
	done    chan struct{} // closed when the goroutine of running has ended

	mu     sync.Mutex // guards what people see
	seen   RoleStatus
	starts int
}

func newRole(h *Host, kind paxos.Roles, open func() (Agent, error)) *role {
	r := &role{host: h, kind: kind, open: open}
	r.watched = h.options.Delivered != nil && kind != paxos.RoleLearner
	r.box = newMailbox(h.options.Mailbox, r.watched)
	r.change(StateDown, "not started")
	return r
}

func (r *role) start(cause string) error {
	r.control.Lock()
	defer r.control.Unlock()
	if r.running != nil {
		return fmt.Errorf("start %s: it is up: %w", r.kind, ErrState)
	}
	opened, err := r.open()
	if err != nil {
		r.change(StateDown, err.Error())
		return fmt.Errorf("start %s: %w", r.kind, err)
	}
	r.running, r.done = opened, make(chan struct{})
	r.mu.Lock()
	r.starts++
	r.seen.Agent = opened.Status()
	r.mu.Unlock()
	r.box.accept()
	r.change(StateUp, cause)
	go r.run(opened, r.done)
	return nil
}

func (r *role) crash(cause string) error {
	r.control.Lock()
	defer r.control.Unlock()
	if r.running == nil {
		return fmt.Errorf("crash %s: it is down: %w", r.kind, ErrState)
	}
	r.stop().Abandon()
	r.change(StateDown, cause)
	return nil
}

func (r *role) pause(cause string, on bool) error {
	r.control.Lock()
	defer r.control.Unlock()
	from, to := StateUp, StatePaused
	if !on {
		from, to = StatePaused, StateUp
	}
	if state := r.status().State; state != from {
		return fmt.Errorf("%s is %s, not %s: %w", r.kind, state, from, ErrState)
	}
	r.box.pause(on)
	r.change(to, cause)
	return nil
}

func (r *role) close() error {
	r.control.Lock()
	defer r.control.Unlock()
	if r.running == nil {
		return nil
	}
	r.box.finish()
	<-r.done
	stopped := r.running
	r.running = nil
	err := stopped.Close()
	r.change(StateDown, "stopped")
	if err != nil {
		return fmt.Errorf("close %s: %w", r.kind, err)
	}
	return nil
}

// stop ends the goroutine of the running agent, whose owner is now the caller.
func (r *role) stop() Agent {
	r.box.shut()
	<-r.done
	stopped := r.running
	r.running = nil
	return stopped
}

// run is the loop of an agent: take all that waits, deliver it, send.
func (r *role) run(a Agent, done chan struct{}) {
	defer close(done)
	defer func() {
		if cause := recover(); cause != nil {
			r.host.options.Fatal(Failure{
				Role: r.kind, Err: fmt.Errorf("panic in %s: %v", r.kind, cause), Panic: true, Stack: string(debug.Stack()),
			})
		}
	}()
	prompt := r.host.route
	var work batch
	for {
		var ok bool
		if work, ok = r.box.take(work); !ok {
			return
		}
		in := agent.Input{Envelopes: work.envelopes, Ticks: work.ticks, WallMillis: time.Now().UnixMilli()}
		messages, err := a.Deliver(in, prompt)
		if err != nil {
			r.host.options.Fatal(Failure{Role: r.kind, Err: fmt.Errorf("%s: %w", r.kind, err)})
			return
		}
		r.send(&work, messages)
		r.report(a, work.ticks)
	}
}

// send routes what an agent put out, and then shows it to whoever watches: no
// message waits for that.
func (r *role) send(work *batch, messages []paxos.Envelope) {
	if !r.watched {
		r.host.route(messages)
		return
	}
	done := Delivery{Envelopes: work.envelopes, Arrivals: work.arrivals, Messages: messages, Done: time.Now()}
	r.host.route(messages)
	r.host.options.Delivered(r.kind, &done)
}

// report shows what changed. Copying the status once a tick is enough for
// people; events are told at once.
func (r *role) report(a Agent, ticks int) {
	events := a.Events()
	if len(events) > 0 && r.host.options.Observe != nil {
		r.host.options.Observe(r.kind, events)
	}
	if ticks == 0 && len(events) == 0 {
		return
	}
	status := a.Status()
	r.mu.Lock()
	r.seen.Agent = status
	r.mu.Unlock()
}

func (r *role) change(state State, cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.State, r.seen.Cause, r.seen.Since = state, cause, time.Now()
}

func (r *role) status() RoleStatus {
	waiting, dropped := r.box.load()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen
	s.Kind, s.Waiting, s.Dropped, s.Restarts = r.kind, waiting, dropped, max(r.starts-1, 0)
	return s
}
