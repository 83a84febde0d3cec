package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"synod/protocol"
)

// faultRef names a fault: ids count for each process.
type faultRef struct {
	replica string
	id      uint64
}

// String gives the form that `heal` takes and `faults` lists.
func (r faultRef) String() string { return r.replica + "#" + strconv.FormatUint(r.id, 10) }

// injection is what one command of this session has broken.
type injection struct {
	command string
	faults  []faultRef
	killed  string // replica whose process was killed
	chaos   bool   // the random faults were switched on
	at      time.Time
}

func (i *injection) add(replica string, ids []uint64) {
	for _, id := range ids {
		i.faults = append(i.faults, faultRef{replica, id})
	}
}

func (i *injection) names() []string {
	names := make([]string, len(i.faults))
	for at, fault := range i.faults {
		names[at] = fault.String()
	}
	return names
}

// injectionsMax bounds what undo remembers.
const injectionsMax = 1000

// remember keeps what a command has broken, for undo.
func (e *Executor) remember(c *call, done injection) {
	if len(done.faults) == 0 && done.killed == "" && !done.chaos {
		return
	}
	done.command, done.at = shown(c), time.Now()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.injected = append(e.injected, done)
	if surplus := len(e.injected) - injectionsMax; surplus > 0 {
		e.injected = slices.Clone(e.injected[surplus:])
	}
}

// Broken tells how many commands of this session have broken something that nobody has ended here. Some of it may have
// ended by itself.
func (e *Executor) Broken() int {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return len(e.injected)
}

// lastInjection takes out the newest one behind a mark; false if there is none.
func (e *Executor) lastInjection(mark int) (injection, bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if len(e.injected) <= mark {
		return injection{}, false
	}
	last := e.injected[len(e.injected)-1]
	e.injected = e.injected[:len(e.injected)-1]
	return last, true
}

func (e *Executor) undo(ctx context.Context, f *frame, c *call) bool {
	if err := e.writable(); err != nil {
		e.refuse(f, c, err)
		return true
	}
	undone := e.undoBehind(ctx, f, c, 0, c.arg(0) == "all")
	if undone == 0 {
		e.report(c, nil, [][]string{{"nothing to undo: no fault of this session lasts"}})
	}
	return true
}

// undoBehind takes back the newest faults that last, down to a mark: one of them or all. It gives their number.
func (e *Executor) undoBehind(ctx context.Context, f *frame, c *call, mark int, all bool) (undone int) {
	for {
		last, ok := e.lastInjection(mark)
		if !ok {
			return undone
		}
		lasting := e.lasting(ctx, last)
		if len(lasting.faults) == 0 && lasting.killed == "" && !lasting.chaos {
			continue
		}
		undone++
		begun := time.Now()
		err := e.end(ctx, f, lasting)
		result := Result{
			Command: "undo " + last.command, Verb: "undo", Status: StatusOK, Faults: lasting.names(),
			Reply: Reply{Err: err, Latency: time.Since(begun)},
		}
		if err != nil {
			result.Reply.Failure = failureOf(err)
			result.Status = string(result.Reply.Failure)
			f.failed = true
		}
		e.record(c, result)
		if !all {
			return undone
		}
	}
}

// lasting gives the part of an injection that still lasts, as far as the replicas answer: what a process that is gone
// had broken in itself is gone too, and in a process that is younger than the injection its ids are those of others.
func (e *Executor) lasting(ctx context.Context, i injection) injection {
	lasting := injection{command: i.command}
	lasted := time.Since(i.at) // before the question: a process cannot seem too young
	for _, answer := range e.look(ctx, pollTimeout) {
		if answer.err != nil {
			if answer.replica == i.killed {
				lasting.killed = i.killed
			}
			continue
		}
		if time.Duration(answer.status.UptimeMS+1)*time.Millisecond < lasted {
			continue
		}
		lasting.chaos = lasting.chaos || i.chaos && answer.status.Chaos
		for _, fault := range answer.status.Faults {
			if ref := (faultRef{answer.replica, fault.ID}); slices.Contains(i.faults, ref) {
				lasting.faults = append(lasting.faults, ref)
			}
		}
	}
	return lasting
}

// end ends everything of an injection.
func (e *Executor) end(ctx context.Context, f *frame, i injection) error {
	var failures []error
	if i.killed != "" {
		if e.ports.Processes == nil {
			return errNotOurs
		}
		limited, cancel := context.WithTimeout(ctx, f.timeout)
		failures = append(failures, e.ports.Processes.Start(limited, i.killed))
		cancel()
	}
	if i.chaos {
		for _, replica := range e.known() {
			limited, cancel := context.WithTimeout(ctx, f.timeout)
			failures = append(failures, e.ports.Operator.Chaos(limited, ChaosOrder{Replica: replica}))
			cancel()
		}
	}
	return errors.Join(append(failures, e.clear(ctx, f, i.faults))...)
}

// clear ends faults, with one order for each replica.
func (e *Executor) clear(ctx context.Context, f *frame, faults []faultRef) error {
	var failures []error
	for _, replica := range e.known() {
		var ids []uint64
		for _, fault := range faults {
			if fault.replica == replica {
				ids = append(ids, fault.id)
			}
		}
		if len(ids) == 0 {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, f.timeout)
		if err := e.ports.Operator.Clear(limited, replica, ids); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", replica, err))
		}
		cancel()
	}
	return errors.Join(failures...)
}

func (e *Executor) heal(ctx context.Context, f *frame, c *call) bool {
	what := c.arg(0)
	if err := e.writable(); err != nil {
		e.refuse(f, c, err)
		return true
	}
	if what == "" || what == "all" {
		e.everywhere(ctx, f, c, func(ctx context.Context, replica string) error { return e.ports.Operator.Heal(ctx, replica) })
		return true
	}
	names, err := e.replaced(ctx, strings.SplitN(what, ".", 2))
	if err != nil {
		e.refuse(f, c, err)
		return true
	}
	wanted := wantedFault(strings.Join(names, "."), c.arg(1))
	var faults []faultRef
	for _, answer := range e.look(ctx, f.timeout) {
		if answer.err != nil {
			continue
		}
		for i := range answer.status.Faults {
			if wanted(answer.replica, &answer.status.Faults[i]) {
				faults = append(faults, faultRef{answer.replica, answer.status.Faults[i].ID})
			}
		}
	}
	if len(faults) == 0 {
		e.report(c, nil, [][]string{{"nothing to heal: no such fault lasts; `faults` lists those that do"}})
		return true
	}
	healed := injection{faults: faults}
	result := e.order(ctx, f, c, step{"", func(ctx context.Context) error { return e.clear(ctx, f, faults) }})
	result.Faults = healed.names()
	e.record(c, result)
	return true
}

// wantedFault tells which faults `heal` means: those of a replica and of its links, of a role, of a link, or one.
func wantedFault(what, other string) func(replica string, fault *protocol.FaultStatus) bool {
	if replica, id, isID := strings.Cut(what, "#"); isID {
		return func(at string, fault *protocol.FaultStatus) bool {
			return at == replica && strconv.FormatUint(fault.ID, 10) == id
		}
	}
	replica, role, isRole := strings.Cut(what, ".")
	return func(at string, fault *protocol.FaultStatus) bool {
		switch {
		case other != "":
			return at == replica && fault.Peer == other || at == other && fault.Peer == replica
		case isRole:
			return (at == replica || replica == "*") && fault.Role == role
		}
		return at == replica || fault.Peer == replica
	}
}

func (e *Executor) faults(ctx context.Context, f *frame, c *call) bool {
	now := time.Now()
	var rows [][]string
	failed := 0
	answers := e.look(ctx, f.limit(c))
	for _, answer := range answers {
		if answer.err != nil {
			failed++
			rows = append(rows, []string{answer.replica, "no answer: " + cut(Visible(answer.err.Error()))})
			continue
		}
		if answer.status.Chaos {
			rows = append(rows, []string{answer.replica, "random faults are on"})
		}
		for _, fault := range answer.status.Faults {
			left := "-"
			if !fault.Until.IsZero() {
				left = age(max(fault.Until.Sub(now), 0))
			}
			rows = append(rows, []string{
				faultRef{answer.replica, fault.ID}.String(), Visible(fault.Fault), orDash(Visible(fault.Owner)),
				fault.Since.Format("15:04:05.000"), age(max(now.Sub(fault.Since), 0)), left,
			})
		}
	}
	if len(rows) == 0 {
		e.report(c, nil, [][]string{{"no faults"}})
	} else {
		e.report(c, []string{"id", "what", "by", "since", "age", "left"}, rows)
	}
	e.looked(f, failed, len(answers))
	return true
}
