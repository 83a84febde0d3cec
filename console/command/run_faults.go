package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"synod/core/config"
)

// Danger describes a command that must be confirmed.
type Danger struct {
	Command string // as written
	Effect  string // a sentence: what it would do
	Type    string // what a person must type; empty: a yes is enough
}

func (e *Executor) roleOrder(ctx context.Context, f *frame, c *call) bool {
	target, err := e.grammar.roles(c.arg(0))
	if err != nil {
		panic("command: unchecked roles: " + err.Error())
	}
	order := RoleOrder{Replica: target.Replica, Role: target.Role, Action: RoleAction(c.verb.Name)}
	if text := c.option("for", ""); text != "" {
		if order.For, err = parseDuration(text); err != nil {
			panic("command: unchecked duration: " + err.Error())
		}
	}
	if target.Replica == targetLeader {
		if target.Replica, err = e.leading(ctx); err != nil {
			e.refuse(f, c, err)
			return true
		}
	}
	if order.Action == CrashRole || order.Action == PauseRole {
		if err := e.confirm(ctx, f, c, target); err != nil {
			e.refuse(f, c, err)
			return true
		}
	}
	replicas := []string{target.Replica}
	if target.Replica == "*" {
		replicas = e.known()
	}
	for _, replica := range replicas {
		order.Replica = replica
		do := func(ctx context.Context) error {
			_, err := e.ports.Operator.Role(ctx, order)
			return err
		}
		e.record(c, e.order(ctx, f, c, step{replica, do}))
	}
	return true
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

// confirm grades a command that stops roles and asks for what its grade needs: nothing for a pause that leaves a
// majority of acceptors, a yes for a crash, the cluster's name for what would stop writes.
func (e *Executor) confirm(ctx context.Context, f *frame, c *call, target RoleTarget) error {
	if e.settings.ReadOnly {
		return errors.New("this console is read-only")
	}
	before, after := e.acceptors(ctx, target)
	majority := len(e.grammar.replicas)/2 + 1
	if len(e.grammar.replicas) > 1 && after < before && after < majority {
		return e.severe(ctx, f, Danger{
			Command: shown(c), Type: e.settings.ClusterName,
			Effect: fmt.Sprintf("leaves %d of %d acceptors where %d are a majority, so writes would stop",
				after, len(e.grammar.replicas), majority),
		})
	}
	if c.verb.Name == string(PauseRole) {
		return nil
	}
	effect := "stops roles that are at work"
	if strings.HasPrefix(c.arg(0), targetLeader) {
		effect = "stops roles of " + target.Replica + ", which leads now"
	}
	return e.moderate(ctx, f, Danger{Command: shown(c), Effect: effect})
}

// acceptors counts those that vote now and those that would after the command.
func (e *Executor) acceptors(ctx context.Context, target RoleTarget) (before, after int) {
	for _, answer := range e.look(ctx, pollTimeout) {
		if !answer.votes() {
			continue
		}
		before++
		hit := (target.Replica == "*" || target.Replica == answer.replica) && (target.Role == "" || target.Role == "acceptor")
		if !hit {
			after++
		}
	}
	return before, after
}

// named tells whether the script or the flags give the cluster's name: that allows everything.
func (e *Executor) named(f *frame) bool {
	return e.settings.ClusterName != "" && f.confirm == e.settings.ClusterName
}

func (e *Executor) severe(ctx context.Context, f *frame, danger Danger) error {
	if e.named(f) || e.ports.Ask != nil && danger.Type != "" && e.ports.Ask(ctx, danger) {
		return nil
	}
	name := danger.Type
	if name == "" {
		name = "NAME"
	}
	return fmt.Errorf("it %s; to do it all the same give --confirm=%s, in a file: set confirm=%s", danger.Effect, name, name)
}

func (e *Executor) moderate(ctx context.Context, f *frame, danger Danger) error {
	if e.settings.Yes || e.named(f) || e.ports.Ask != nil && e.ports.Ask(ctx, danger) {
		return nil
	}
	return fmt.Errorf("it %s; give --yes to do it without being asked", danger.Effect)
}

func (e *Executor) process(ctx context.Context, f *frame, c *call) bool {
	replica := c.arg(0)
	if e.ports.Processes == nil {
		e.refuse(f, c, errors.New("only the program that has started the replicas can do this: use it under `synod up`"))
		return true
	}
	if replica == targetLeader {
		var err error
		if replica, err = e.leading(ctx); err != nil {
			e.refuse(f, c, err)
			return true
		}
	}
	do := e.ports.Processes.Start
	if c.verb.Name == "kill" {
		do = e.ports.Processes.Kill
		if err := e.confirm(ctx, f, c, RoleTarget{Replica: replica}); err != nil {
			e.refuse(f, c, err)
			return true
		}
	}
	one := func(ctx context.Context) error { return do(ctx, replica) }
	e.record(c, e.order(ctx, f, c, step{replica, one}))
	return true
}

func (e *Executor) chaos(ctx context.Context, f *frame, c *call) bool {
	order := ChaosOrder{On: c.arg(0) == "on", Role: c.option("role", "")}
	if text := c.option("every", ""); text != "" {
		every, err := parseDuration(text)
		if err != nil {
			panic("command: unchecked duration: " + err.Error())
		}
		order.Every = every
	}
	if text := c.option("down", ""); text != "" {
		down, err := config.ParseSpan(text)
		if err != nil {
			panic("command: unchecked span: " + err.Error())
		}
		order.DownMin, order.DownMax = down.Min, down.Max
	}
	if order.On {
		err := e.moderate(ctx, f, Danger{Command: shown(c), Effect: "lets roles of all replicas fail at random"})
		if e.settings.ReadOnly {
			err = errors.New("this console is read-only")
		}
		if err != nil {
			e.refuse(f, c, err)
			return true
		}
	}
	e.everywhere(ctx, f, c, func(ctx context.Context, replica string) error {
		own := order
		own.Replica = replica
		return e.ports.Operator.Chaos(ctx, own)
	})
	return true
}

func (e *Executor) heal(ctx context.Context, f *frame, c *call) bool {
	e.everywhere(ctx, f, c, func(ctx context.Context, replica string) error { return e.ports.Operator.Heal(ctx, replica) })
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
