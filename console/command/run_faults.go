package command

import (
	"context"
	"errors"
	"time"

	"synod/console/quorum"
	"synod/core/config"
)

// Danger describes a command that must be confirmed.
type Danger struct {
	Command string // as written
	Effect  string // what it would do, to follow the command or "it": "means that …"
	Type    string // what a person must type; empty: a yes is enough
}

var (
	errReadOnly = errors.New("this console is read-only")
	errNotOurs  = errors.New("only the program that has started the replicas can do this: use it under `synod up`")
)

// writable refuses what changes the cluster where this may only look.
func (e *Executor) writable() error {
	if e.settings.ReadOnly {
		return errReadOnly
	}
	return nil
}

func (e *Executor) roleOrder(ctx context.Context, f *frame, c *call) bool {
	target, err := e.grammar.roles(c.arg(0))
	if err != nil {
		panic("command: unchecked roles: " + err.Error())
	}
	order := RoleOrder{
		Replica: target.Replica, Role: target.Role, Action: RoleAction(c.verb.Name), For: duration(c.option("for", "")),
	}
	if target.Replica == targetLeader {
		if target.Replica, err = e.leading(ctx); err != nil {
			e.refuse(f, c, err)
			return true
		}
	}
	harms := order.Action == CrashRole || order.Action == PauseRole
	if err = e.writable(); harms && err == nil {
		stop := func(now quorum.Cluster) quorum.Cluster { return now.Stop(target.Replica, target.Role) }
		err = e.confirm(ctx, f, c, stop, order.Action == PauseRole)
	}
	if err != nil {
		e.refuse(f, c, err)
		return true
	}
	replicas := []string{target.Replica}
	if target.Replica == quorum.Everyone {
		replicas = e.known()
	}
	var done injection
	for _, replica := range replicas {
		order.Replica = replica
		var ids []uint64
		do := func(ctx context.Context) (err error) {
			ids, err = e.ports.Operator.Role(ctx, order)
			return err
		}
		result := e.order(ctx, f, c, step{replica, do})
		if harms {
			done.add(replica, ids)
			result.Faults = (&injection{faults: refs(replica, ids)}).names()
		}
		e.record(c, result)
	}
	e.remember(c, done)
	return true
}

// wipePermitMax is how long a replica may wait for the permit of the others.
const wipePermitMax = 5 * time.Second

// wipe makes a replica lose state. That is never mild: nothing brings it back.
func (e *Executor) wipe(ctx context.Context, f *frame, c *call) bool {
	target, err := e.grammar.roles(c.arg(0))
	if err != nil {
		panic("command: unchecked roles: " + err.Error())
	}
	order := RoleOrder{Replica: target.Replica, Role: target.Role, Action: WipeRole, For: duration(c.option("for", ""))}
	err = e.writable()
	if err == nil && order.Replica == targetLeader {
		order.Replica, err = e.leading(ctx)
	}
	if err == nil {
		means := "means that state is lost, which no undo brings back" // one server: more is not known
		if len(e.grammar.replicas) > 0 {
			means = "means that " + quorum.Loss(e.quorumNow(ctx), order.Replica, order.Role).Sentence
		}
		err = e.severe(ctx, f, Danger{Command: shown(c), Effect: means, Type: e.settings.ClusterName})
	}
	if err != nil {
		e.refuse(f, c, err)
		return true
	}
	do := func(ctx context.Context) error {
		_, err := e.ports.Operator.Role(ctx, order)
		return err
	}
	patient := *f // the answer comes when the role has been started again
	patient.timeout = f.timeout + order.For + wipePermitMax
	result := e.order(ctx, &patient, c, step{order.Replica, do})
	f.failed = patient.failed
	e.record(c, result)
	return true
}

func refs(replica string, ids []uint64) []faultRef {
	var i injection
	i.add(replica, ids)
	return i.faults
}

// leading gives the replica that leads now, for commands that take it as their target. A majority must name it, or the
// command might break one that has lost its lead without knowing it.
func (e *Executor) leading(ctx context.Context) (string, error) {
	answers := e.look(ctx, pollTimeout)
	leader, votes := leaderOf(answers)
	if votes <= len(answers)/2 {
		return "", errors.New("no majority of the replicas names a leader now: `wait leader` first, or name a replica, such as r3")
	}
	return leader, nil
}

// foundVariables are those that a run finds out: who leads, and the first replica that answers and does not lead.
var foundVariables = []string{targetLeader, "follower"}

// found gives the value of one of foundVariables.
func (e *Executor) found(ctx context.Context, name string) (string, error) {
	leader, err := e.leading(ctx)
	if err != nil || name == targetLeader {
		return leader, err
	}
	for _, answer := range e.look(ctx, pollTimeout) {
		if answer.err == nil && answer.replica != leader {
			return answer.replica, nil
		}
	}
	return "", errors.New("no replica but the leader answers")
}

// step is an operator's order to one replica.
type step struct {
	replica string
	do      func(context.Context) error
}

// order runs one operator's order in its own deadline and gives its end.
func (e *Executor) order(ctx context.Context, f *frame, c *call, step step) Result {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	begun := time.Now()
	err := errNoOperator
	if e.ports.Operator != nil || c.verb.Name == "kill" || c.verb.Name == "start" {
		err = step.do(ctx)
	}
	result := Result{Command: shown(c), Verb: c.verb.Name, Replica: step.replica, Status: StatusOK}
	result.Reply = Reply{Replica: step.replica, Err: err, Latency: time.Since(begun)}
	if err != nil {
		result.Reply.Failure = failureOf(err)
		result.Status = string(result.Reply.Failure)
		f.failed = true
	}
	return result
}

// failureOf gives the kind of an operator's error.
func failureOf(err error) Failure {
	var failure *FailureError
	switch {
	case errors.As(err, &failure):
		return failure.Failure
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Unavailable
}

// refuse records a command that was not done because it may not be.
func (e *Executor) refuse(f *frame, c *call, err error) {
	f.failed = true
	reply := Reply{Failure: Denied, Outcome: NotSent, Err: err}
	e.record(c, Result{Command: shown(c), Verb: c.verb.Name, Status: string(Denied), Reply: reply})
}

func (e *Executor) process(ctx context.Context, f *frame, c *call) bool {
	replica, err := c.arg(0), e.writable()
	if err == nil && e.ports.Processes == nil {
		err = errNotOurs
	}
	if err == nil && replica == targetLeader {
		replica, err = e.leading(ctx)
	}
	do := func(ctx context.Context) error { return e.ports.Processes.Start(ctx, replica) }
	kills := c.verb.Name == "kill"
	if kills {
		do = func(ctx context.Context) error { return e.ports.Processes.Kill(ctx, replica) }
		if err == nil {
			stop := func(now quorum.Cluster) quorum.Cluster { return now.Stop(replica, quorum.AllRoles) }
			err = e.confirm(ctx, f, c, stop, false)
		}
	}
	if err != nil {
		e.refuse(f, c, err)
		return true
	}
	result := e.order(ctx, f, c, step{replica, do})
	if kills && !result.Failed() {
		e.remember(c, injection{killed: replica})
	}
	e.record(c, result)
	return true
}

func (e *Executor) chaos(ctx context.Context, f *frame, c *call) bool {
	order := ChaosOrder{On: c.arg(0) == "on", Role: c.option("role", ""), Every: duration(c.option("every", ""))}
	if text := c.option("down", ""); text != "" {
		down, err := config.ParseSpan(text)
		if err != nil {
			panic("command: unchecked span: " + err.Error())
		}
		order.DownMin, order.DownMax = down.Min, down.Max
	}
	err := e.writable()
	if order.On && err == nil {
		err = e.moderate(ctx, f, Danger{
			Command: shown(c), Effect: "means that roles of all replicas fail at random, several at once, until `chaos off`",
		})
	}
	if err != nil {
		e.refuse(f, c, err)
		return true
	}
	if order.On {
		e.remember(c, injection{chaos: true})
	}
	e.everywhere(ctx, f, c, func(ctx context.Context, replica string) error {
		own := order
		own.Replica = replica
		return e.ports.Operator.Chaos(ctx, own)
	})
	return true
}

// everywhere gives an order to all replicas, one after the other. If all obey, that is one result; otherwise each
// replica has its own.
func (e *Executor) everywhere(ctx context.Context, f *frame, c *call, do func(context.Context, string) error) {
	var results []Result
	all := Result{Command: shown(c), Verb: c.verb.Name, Replica: targetAll, Status: StatusOK}
	failed := false
	for _, replica := range e.known() {
		one := func(ctx context.Context) error { return do(ctx, replica) }
		result := e.order(ctx, f, c, step{replica, one})
		results = append(results, result)
		failed = failed || result.Failed()
		all.Reply.Latency += result.Reply.Latency
	}
	if !failed {
		results = []Result{all}
	}
	for _, result := range results {
		e.record(c, result)
	}
}
