package sim

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"synod/core/agent"
	"synod/core/paxos"
	"synod/core/sim/check"
	"synod/core/sim/disk"
)

// host runs one agent as the daemon does: a bounded mailbox, one step at a time
// for all that waits, and messages that leave when the disk is done.
type host struct {
	cluster *cluster
	replica *replica
	address paxos.Address

	agent   *agent.Agent // nil while it is down
	life    uint64       // counts starts and ends; a task of an older life is void
	mailbox []paxos.Envelope
	batch   []paxos.Envelope
	ticks   int
	waiting bool // a step is on the schedule
	busy    bool // the messages of the last step have not left yet
	paused  int  // how many faults pause it now
	leaving []paxos.Envelope
	step    uint64
	leads   bool     // a proposer's last word was that it leads
	records []string // of the last step, if somebody reads
}

// receive puts a message into the mailbox. A full mailbox drops it, as the daemon
// does: whoever sent it must be able to lose it.
func (h *host) receive(e *paxos.Envelope) {
	if h.agent == nil {
		return
	}
	if len(h.mailbox) >= h.cluster.options.MailboxMax {
		h.cluster.probe(probeMailboxFull)
		h.cluster.show(check.Event{Kind: check.Noted, Agent: h.address, Reason: "mailbox full"})
		return
	}
	h.mailbox = append(h.mailbox, *e)
	h.wake()
}

// wake puts the next step on the schedule, if there is something to do.
func (h *host) wake() {
	if h.agent == nil || h.waiting || h.busy || h.paused > 0 || len(h.mailbox) == 0 && h.ticks == 0 {
		return
	}
	h.waiting = true
	delay := check.Time(10)
	if !h.cluster.options.Scripted {
		delay = check.Time(1 + h.cluster.streams.host.IntN(20))
	}
	h.cluster.at(h.cluster.now+delay, task{kind: taskDeliver, host: h, life: h.life})
}

// deliver is one step of the agent.
func (h *host) deliver() {
	h.waiting = false
	if h.paused > 0 {
		return
	}
	c := h.cluster
	h.batch, h.mailbox = h.mailbox, h.batch[:0]
	input := agent.Input{Envelopes: h.batch, Ticks: h.ticks, WallMillis: h.replica.wallMillis()}
	h.ticks = 0
	for i := range h.batch {
		c.show(check.Event{Kind: check.Received, Agent: h.address, Envelope: &h.batch[i]})
	}
	c.steps++
	h.step = c.steps
	died, err := h.dare(func() error {
		messages, err := h.agent.Deliver(input, h.send)
		h.leaving = append(h.leaving[:0], messages...)
		return err
	})
	clear(h.batch)
	switch {
	case died:
		h.end(disk.Crash(1+c.streams.fault.IntN(4)), "died inside of a file operation")
		c.restartLater(h)
		return
	case err != nil:
		h.failed(err)
		return
	}
	h.tell()
	h.release()
}

// release lets the messages go now or when the disk is done.
func (h *host) release() {
	done := h.idleAt()
	if done > h.cluster.now {
		h.busy = true
		h.cluster.at(done, task{kind: taskRelease, host: h, life: h.life})
		return
	}
	h.leave()
}

// keepRecords describes what the step makes durable, for whoever reads the trace.
func (h *host) keepRecords(_ *agent.Input, out *paxos.Output) {
	if !h.cluster.isRead() {
		return
	}
	for i := range out.Records {
		h.records = append(h.records, "durable: "+describeRecord(&out.Records[i]))
	}
}

// leave ends the step: what the records made durable is said.
func (h *host) leave() {
	h.busy = false
	for _, record := range h.records {
		h.cluster.remark(check.Event{Kind: check.Noted, Agent: h.address, Reason: record})
	}
	h.records = h.records[:0]
	h.send(h.leaving)
	clear(h.leaving)
	h.wake()
}

// idleAt is when the agent's disk has done everything that the agent asked for.
func (h *host) idleAt() check.Time {
	if h.address.Roles != paxos.RoleAcceptor {
		return h.cluster.now
	}
	return check.Time(h.replica.disk.IdleAt())
}

// send shows messages to the tap and gives them to the network.
func (h *host) send(messages []paxos.Envelope) {
	for i := range messages {
		e := &messages[i]
		h.cluster.show(check.Event{Kind: check.Sent, Agent: h.address, Step: h.step, Envelope: e})
		h.cluster.route(e)
	}
}

// tell shows what the role has to say to people.
func (h *host) tell() {
	for _, note := range h.agent.Events() {
		switch note.Kind {
		case paxos.EventLeading:
			h.leads = true
			h.cluster.faults.newLeader(h.replica)
		case paxos.EventResigned, paxos.EventFollowing:
			h.leads = false
		case paxos.EventLost:
			if !h.cluster.faults.lost.has(h.replica.id) && !h.replica.excused() {
				h.cluster.fail("start", "%s lost its state without a cause from outside: %s", h.address, note.Reason)
			}
		case paxos.EventNormal:
			h.replica.latest = max(h.replica.latest, note.Incarnation)
			if !slices.Contains(h.replica.wholeLives, note.Incarnation) {
				h.replica.wholeLives = append(h.replica.wholeLives, note.Incarnation)
			}
		}
		h.cluster.show(check.Event{Kind: check.Told, Agent: h.address, Note: &note})
		if note.Kind == paxos.EventFollowing || note.Kind == paxos.EventLeading {
			h.replica.gateway.leaderChanged()
		}
	}
}

// errPanicked: a role or its log panicked, and its process ends. After an injected
// error that is the right thing to do.
var errPanicked = errors.New("panic")

// dare runs a step that the disk may interrupt for ever.
func (h *host) dare(step func() error) (died bool, err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case disk.Died:
			died = true
		default:
			err = fmt.Errorf("%w: %v", errPanicked, cause)
			if !h.replica.excused() { // the stack is not the same in two runs
				err = fmt.Errorf("%w\n%s", err, debug.Stack())
			}
		}
	}()
	return false, step()
}

// failed ends an agent that cannot go on. Its process ends with it. That is right
// after an injected error, and a broken promise otherwise.
func (h *host) failed(err error) {
	if !h.replica.excused() {
		h.cluster.fail("start", "%s ended without a cause from outside: %v", h.address, err)
	}
	h.cluster.probe(probeSyncFailed)
	h.replica.crash(disk.Killed, "failed: "+err.Error())
	h.cluster.after(between(h.cluster.streams.fault, check.Millisecond, h.cluster.options.Faults.DownMax),
		h.replica.start)
}

// end is the death of the agent: its memory is gone, and of the disk what the way
// of its death takes.
func (h *host) end(way disk.Crash, reason string) {
	if h.agent == nil {
		return
	}
	at := h.cluster.now
	if reason == "died inside of a file operation" {
		at = h.idleAt() // everything before that operation has taken place
	}
	h.agent.Abandon()
	h.agent = nil
	h.life++
	h.mailbox, h.ticks, h.leads = h.mailbox[:0], 0, false
	h.waiting, h.busy = false, false
	clear(h.leaving)
	h.leaving, h.records = h.leaving[:0], h.records[:0]
	if h.address.Roles == paxos.RoleAcceptor {
		h.replica.disk.Crash(way, int64(at))
		reason += "; disk: " + way.String()
	}
	h.cluster.show(check.Event{Kind: check.Stopped, Agent: h.address, Reason: reason})
}

// begin is the start of a life with an agent that is ready at a time.
func (h *host) begin(a *agent.Agent) {
	h.agent = a
	h.life++
	if ready := h.idleAt(); ready > h.cluster.now {
		h.busy = true
		h.leaving = h.leaving[:0]
		h.cluster.at(ready, task{kind: taskRelease, host: h, life: h.life})
	}
}
