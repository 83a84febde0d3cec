package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"synod/console/quorum"
	"synod/protocol"
)

// lane is a link to be broken: from one replica to another, or both ways.
type lane struct {
	from, to string
	both     bool
}

// links runs cut, delay and drop.
func (e *Executor) links(ctx context.Context, f *frame, c *call) bool {
	names, err := e.replaced(ctx, []string{c.arg(0), c.arg(1)})
	if err == nil && names[0] == names[1] {
		err = fmt.Errorf("a link has two ends, and both are %s", names[0])
	}
	if err != nil {
		e.refuse(f, c, err)
		return true
	}
	order := LinkOrder{Cut: c.verb.Name == "cut"}
	switch c.verb.Name {
	case "delay":
		order.Delay, order.Jitter = duration(c.arg(2)), duration(c.option("jitter", "0s"))
	case "drop":
		if order.LossPermille, err = parsePercent(c.arg(2)); err != nil {
			panic("command: unchecked share: " + err.Error())
		}
	}
	oneWay := c.option("oneway", "no") == "yes"
	e.breakLinks(ctx, f, c, []lane{{from: names[0], to: names[1], both: !oneWay}}, order)
	return true
}

// duration reads one that was checked; "" is none.
func duration(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := parseDuration(text)
	if err != nil {
		panic("command: unchecked duration: " + err.Error())
	}
	return d
}

// replaced puts the name of who leads in the place of "leader".
func (e *Executor) replaced(ctx context.Context, names []string) ([]string, error) {
	if !slices.Contains(names, targetLeader) {
		return names, nil
	}
	leader, err := e.leading(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.Clone(names)
	for i, name := range names {
		if name == targetLeader {
			names[i] = leader
		}
	}
	return names, nil
}

func (e *Executor) isolate(ctx context.Context, f *frame, c *call) bool {
	return e.separate(ctx, f, c, [][]string{{c.arg(0)}})
}

func (e *Executor) partition(ctx context.Context, f *frame, c *call) bool {
	groups, err := e.grammar.groups(joined(c))
	if err != nil {
		panic("command: unchecked groups: " + err.Error())
	}
	return e.separate(ctx, f, c, groups)
}

// joined gives all arguments with spaces between them.
func joined(c *call) string {
	words := make([]string, len(c.args))
	for i, v := range c.args {
		words[i] = v.text
	}
	return strings.Join(words, " ")
}

// separate cuts all links between groups; replicas in no group are one more.
func (e *Executor) separate(ctx context.Context, f *frame, c *call, groups [][]string) bool {
	if len(e.grammar.replicas) == 0 {
		e.refuse(f, c, errors.New("the replicas are not known: give the configuration of the cluster with --config"))
		return true
	}
	seen := map[string]bool{}
	for i := range groups {
		named, err := e.replaced(ctx, groups[i])
		if err != nil {
			e.refuse(f, c, err)
			return true
		}
		groups[i] = named
		for _, name := range named {
			if seen[name] {
				e.refuse(f, c, fmt.Errorf("%s leads now, so it is in two groups", name))
				return true
			}
			seen[name] = true
		}
	}
	rest := slices.DeleteFunc(slices.Clone(e.grammar.replicas), func(name string) bool { return seen[name] })
	if len(rest) > 0 {
		groups = append(groups, rest)
	}
	e.breakLinks(ctx, f, c, between(groups), LinkOrder{Cut: true})
	return true
}

// between lists the links between groups. The end in the smaller group comes first: it will hold the fault, so that
// there are few.
func between(groups [][]string) []lane {
	groups = slices.Clone(groups)
	slices.SortStableFunc(groups, func(a, b []string) int { return len(a) - len(b) })
	var lanes []lane
	for i, small := range groups {
		for _, from := range small {
			for _, large := range groups[i+1:] {
				for _, to := range large {
					lanes = append(lanes, lane{from, to, true})
				}
			}
		}
	}
	return lanes
}

// breakLinks asks whether it may, and gives the orders: all of them are done, or none.
func (e *Executor) breakLinks(ctx context.Context, f *frame, c *call, lanes []lane, order LinkOrder) {
	order.For = duration(c.option("for", ""))
	silent := order.Cut || order.LossPermille >= quorum.LossPermilleCut
	after := func(now quorum.Cluster) quorum.Cluster {
		for _, l := range lanes {
			if silent {
				now = now.Cut(l.from, l.to)
			}
			if silent && l.both {
				now = now.Cut(l.to, l.from)
			}
		}
		return now
	}
	if err := e.confirm(ctx, f, c, after, !silent); err != nil {
		e.refuse(f, c, err)
		return
	}
	orders := linkOrders(lanes, order, e.answering(ctx))
	var results []Result
	var done injection
	failed := false
	for _, one := range orders {
		result := e.order(ctx, f, c, step{one.Replica, func(ctx context.Context) error {
			ids, err := e.ports.Operator.Link(ctx, one)
			done.add(one.Replica, ids)
			return err
		}})
		failed = failed || result.Failed()
		results = append(results, result)
	}
	if failed {
		e.takeBack(ctx, f, c, done)
		for _, result := range results {
			if result.Failed() {
				e.record(c, result)
			}
		}
		return
	}
	whole := Result{Command: shown(c), Verb: c.verb.Name, Status: StatusOK, Faults: done.names()}
	for _, result := range results {
		whole.Reply.Latency += result.Reply.Latency
	}
	if len(orders) == 1 {
		whole.Replica = orders[0].Replica
	}
	e.remember(c, done)
	e.record(c, whole)
}

// takeBack ends what a command has done before it failed.
func (e *Executor) takeBack(ctx context.Context, f *frame, c *call, done injection) {
	if len(done.faults) == 0 {
		return
	}
	text := "it could not be done everywhere, so what was done is taken back"
	if err := e.clear(ctx, f, done.faults); err != nil {
		text = "it was done in part, and taking that back failed, `heal` ends it: " + Visible(err.Error())
	}
	e.note(c.at, Warning, "%s: %s", shown(c), text)
}

// answering tells which replicas answer now.
func (e *Executor) answering(ctx context.Context) map[string]bool {
	answering := map[string]bool{}
	for _, answer := range e.look(ctx, pollTimeout) {
		answering[answer.replica] = answer.err == nil
	}
	return answering
}

// linkOrders makes one order for each replica and direction. A link is broken at its first end, or at the other one if
// that does not answer.
func linkOrders(lanes []lane, order LinkOrder, answering map[string]bool) []LinkOrder {
	var orders []LinkOrder
	for _, l := range lanes {
		holder, peer, direction := l.from, l.to, protocol.DirectionOut
		if !answering[l.from] && answering[l.to] {
			holder, peer, direction = l.to, l.from, protocol.DirectionIn
		}
		if l.both {
			direction = protocol.DirectionBoth
		}
		at := slices.IndexFunc(orders, func(o LinkOrder) bool { return o.Replica == holder && o.Direction == direction })
		if at < 0 {
			one := order
			one.Replica, one.Direction, one.Peers = holder, direction, nil
			at = len(orders)
			orders = append(orders, one)
		}
		orders[at].Peers = append(orders[at].Peers, peer)
	}
	return orders
}
