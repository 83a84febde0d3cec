package host

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"synod/core/agent"
	"synod/core/paxos"
)

// Errors of [Host.Submit] and of the role controls.
var (
	// ErrDown says that the role is down; nothing was handed over.
	ErrDown = errors.New("the role is down at this replica, try another replica or restart the role")
	// ErrFull says that the role's mailbox is full; nothing was handed over.
	ErrFull = errors.New("the role's mailbox is full, try again later")
	// ErrRole says that no single role was named.
	ErrRole = errors.New("name one of proposer, acceptor, learner")
	// ErrState says that the role is not in a state that allows the action.
	ErrState = errors.New("not possible in the role's state")
)

// Agent is one role with its log, used by one goroutine; the agents of
// core/agent are such.
type Agent interface {
	Deliver(in agent.Input, prompt func([]paxos.Envelope)) ([]paxos.Envelope, error)
	Events() []paxos.Event
	Status() agent.Status
	Close() error
	Abandon()
}

// Remote takes what goes to other replicas: of the envelopes given, those whose
// To.Replica is not the own. Send never blocks. It may keep the messages but
// not the slice.
type Remote interface {
	Send(envelopes []paxos.Envelope)
}

// Limits of one mailbox.
type Limits struct {
	MessagesMax int
	BytesMax    int
}

// Failure is why the process must end.
type Failure struct {
	Role  paxos.Roles
	Err   error
	Panic bool   // our own nonsense, not the disk's
	Stack string // of a panic
}

// Options of a host.
type Options struct {
	Self     paxos.ReplicaID
	Tick     time.Duration
	Mailbox  Limits
	Proposer func() (Agent, error)
	Acceptor func() (Agent, error)
	Learner  func() (Agent, error)
	Remote   Remote
	// Observe gets the events of a role after each Deliver, on its goroutine. It
	// must be quick and must not call the host's role controls.
	Observe func(paxos.Roles, []paxos.Event)
	// Delivered, if set, sees what proposer and acceptor took in and put out, each on
	// its goroutine, when all of it is durable and has left. It must be quick and keep
	// nothing. What a learner does, its state machine sees.
	Delivered func(paxos.Roles, *Delivery)
	// Fatal ends the process; if it returns, the role stays as it is.
	Fatal func(Failure)
}

// Delivery is one Deliver of a role, seen afterwards.
type Delivery struct {
	Envelopes []paxos.Envelope // taken in
	Arrivals  []Arrival        // when they came into the mailbox
	Messages  []paxos.Envelope // put out, without those that left before the sync
	Done      time.Time        // when all was durable
}

// Arrival says when the envelopes from First on arrived, up to the next Arrival.
// What the own gateway hands in is not noted.
type Arrival struct {
	First int
	At    time.Time
}

// Host runs the three agents of a replica. All methods may be called by any
// goroutine, except that the agents' own callbacks must not control roles.
type Host struct {
	options Options
	roles   [3]*role // proposer, acceptor, learner

	stop    chan struct{}
	ticking sync.WaitGroup
}

// New makes a host with all roles down. It starts nothing.
func New(options Options) *Host {
	h := &Host{options: options, stop: make(chan struct{})}
	openers := [3]func() (Agent, error){options.Proposer, options.Acceptor, options.Learner}
	for i, open := range openers {
		h.roles[i] = newRole(h, paxos.RoleProposer<<i, open)
	}
	return h
}

// Run starts the clock and all roles: learner and acceptor first, so that the
// proposer finds somebody to talk to. On an error nothing runs any more.
func (h *Host) Run() error {
	for i := len(h.roles) - 1; i >= 0; i-- {
		if err := h.roles[i].start("started"); err != nil {
			h.Close()
			return err
		}
	}
	h.ticking.Go(h.tick)
	return nil
}

// tick is the clock of all roles. A ticker drops what nobody waits for, so a
// process that was stopped or starved does not see the lost time as silence.
func (h *Host) tick() {
	ticker := time.NewTicker(h.options.Tick)
	defer ticker.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-ticker.C:
			for _, r := range h.roles {
				r.box.tick()
			}
		}
	}
}

// Submit hands a message of the own gateway to a role of this replica. The
// error is [ErrDown] or [ErrFull]; then the role never sees the message.
func (h *Host) Submit(e paxos.Envelope) error {
	r, err := h.role(e.To.Roles)
	if err != nil {
		return err
	}
	return r.box.offer(&e)
}

// Receive hands in what came from other replicas. It does not keep the slice.
func (h *Host) Receive(envelopes []paxos.Envelope) { h.deliverHere(envelopes) }

// route sends what an agent put out: by pointer to the roles here, and the rest
// to the remote.
func (h *Host) route(envelopes []paxos.Envelope) {
	if len(envelopes) == 0 {
		return
	}
	h.options.Remote.Send(envelopes)
	h.deliverHere(envelopes)
}

func (h *Host) deliverHere(envelopes []paxos.Envelope) {
	var roles paxos.Roles
	for i := range envelopes {
		if to := envelopes[i].To; to.Replica == h.options.Self || to.Replica == paxos.Everyone {
			roles |= to.Roles
		}
	}
	for _, r := range h.roles {
		if roles&r.kind != 0 {
			r.box.put(envelopes, paxos.Address{Replica: h.options.Self, Roles: r.kind})
		}
	}
}

// Crash drops a role's memory and flushes nothing. The role stays down until
// Start. The cause is shown to people.
func (h *Host) Crash(kind paxos.Roles, cause string) error {
	r, err := h.role(kind)
	if err != nil {
		return err
	}
	return r.crash(cause)
}

// Start starts a role that is down, from what its disk holds.
func (h *Host) Start(kind paxos.Roles, cause string) error {
	r, err := h.role(kind)
	if err != nil {
		return err
	}
	return r.start(cause)
}

// Pause makes a role stop taking messages and ticks, as a stopped process does.
func (h *Host) Pause(kind paxos.Roles, cause string) error {
	r, err := h.role(kind)
	if err != nil {
		return err
	}
	return r.pause(cause, true)
}

// Resume lets a paused role go on.
func (h *Host) Resume(kind paxos.Roles, cause string) error {
	r, err := h.role(kind)
	if err != nil {
		return err
	}
	return r.pause(cause, false)
}

// Close stops the clock and closes all roles cleanly. Each role first takes what
// waits for it, and nobody is asked for anything after it was closed: the proposer
// comes first, and the acceptor after the learner, which tells it what was chosen.
// It returns all errors.
func (h *Host) Close() error {
	select {
	case <-h.stop:
	default:
		close(h.stop)
	}
	h.ticking.Wait()
	proposer, acceptor, learner := h.roles[0], h.roles[1], h.roles[2]
	var failures []error
	for _, r := range []*role{proposer, learner, acceptor} {
		failures = append(failures, r.close())
	}
	return errors.Join(failures...)
}

// Status gives the state of the three roles: proposer, acceptor, learner. It is
// at most one tick old.
func (h *Host) Status() [3]RoleStatus {
	var all [3]RoleStatus
	for i, r := range h.roles {
		all[i] = r.status()
	}
	return all
}

func (h *Host) role(kind paxos.Roles) (*role, error) {
	for _, r := range h.roles {
		if r.kind == kind {
			return r, nil
		}
	}
	return nil, fmt.Errorf("role %q: %w", kind, ErrRole)
}

// Working reports whether a role takes what it is given: it is neither down nor
// paused.
func (h *Host) Working(kind paxos.Roles) bool {
	r, err := h.role(kind)
	return err == nil && r.box.isWorking()
}
