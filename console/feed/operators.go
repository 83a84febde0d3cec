package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"synod/console/command"
	"synod/protocol"
	"synod/protocol/client"
)

// statusInterval is asked of a replica whose status is read once: the first one comes at once.
const statusInterval = 500 * time.Millisecond

// Operators asks replicas about themselves and breaks them on purpose. Every order has a connection of its own: an
// answer is then never older than its question, and there is nothing to repair when a replica goes away. Safe for
// concurrent use.
type Operators struct {
	endpoints []client.Endpoint
	owner     string
	logger    *slog.Logger
}

// NewOperators makes an Operators for these endpoints. The owner is named in the replicas' logs.
func NewOperators(endpoints []client.Endpoint, owner string, logger *slog.Logger) *Operators {
	return &Operators{endpoints: endpoints, owner: owner, logger: logger}
}

// Status asks a replica for its state.
func (o *Operators) Status(ctx context.Context, replica string) (command.Status, error) {
	var status *protocol.Status
	err := o.with(ctx, replica, func(operator *client.Operator) error {
		subscription, err := operator.Status(statusInterval)
		if err == nil {
			status, err = subscription.Next(ctx)
		}
		return err
	})
	if err != nil {
		return command.Status{}, err
	}
	return command.Status{Status: *status}, nil
}

// Role does something to one role of a replica, or to all three.
func (o *Operators) Role(ctx context.Context, order command.RoleOrder) ([]uint64, error) {
	control := protocol.RoleControl{
		Action: string(order.Action), Role: order.Role, ForMillis: order.For.Milliseconds(), Owner: o.owner,
	}
	if control.Role == "" {
		control.Role = allRoles
	}
	var done *protocol.Done
	err := o.with(ctx, order.Replica, func(operator *client.Operator) (err error) {
		done, err = operator.Role(ctx, control)
		return err
	})
	if err != nil {
		return nil, err
	}
	return done.Faults, nil
}

// Link breaks links of a replica.
func (o *Operators) Link(ctx context.Context, order command.LinkOrder) ([]uint64, error) {
	control := protocol.LinkControl{
		Peers: order.Peers, Direction: order.Direction, Cut: order.Cut, DelayMicros: order.Delay.Microseconds(),
		JitterMicros: order.Jitter.Microseconds(), LossPermille: order.LossPermille, ForMillis: order.For.Milliseconds(),
		Owner: o.owner,
	}
	var done *protocol.Done
	err := o.with(ctx, order.Replica, func(operator *client.Operator) (err error) {
		done, err = operator.Link(ctx, control)
		return err
	})
	if err != nil {
		return nil, err
	}
	return done.Faults, nil
}

// Clear ends some faults of a replica.
func (o *Operators) Clear(ctx context.Context, replica string, faults []uint64) error {
	return o.with(ctx, replica, func(operator *client.Operator) error {
		_, err := operator.Clear(ctx, protocol.FaultClear{IDs: faults, Owner: o.owner})
		return err
	})
}

// Slots asks what a replica has seen of slots.
func (o *Operators) Slots(ctx context.Context, replica string, query protocol.SlotsQuery) (*protocol.Slots, error) {
	return question(ctx, o, replica, func(operator *client.Operator) (*protocol.Slots, error) {
		return operator.Slots(ctx, query)
	})
}

// Ballots asks a replica for the newest changes of leadership that it has seen.
func (o *Operators) Ballots(ctx context.Context, replica string, newest int) (*protocol.Ballots, error) {
	return question(ctx, o, replica, func(operator *client.Operator) (*protocol.Ballots, error) {
		return operator.Ballots(ctx, protocol.BallotsQuery{Max: newest})
	})
}

// Digest asks what a replica's state hashes to.
func (o *Operators) Digest(ctx context.Context, replica string) (*protocol.Digest, error) {
	return question(ctx, o, replica, func(operator *client.Operator) (*protocol.Digest, error) {
		return operator.Digest(ctx)
	})
}

// Logs hands out log lines of a replica until take has enough.
func (o *Operators) Logs(
	ctx context.Context, replica string, query protocol.LogSubscribe, take func(*protocol.LogLines) bool,
) error {
	return o.with(ctx, replica, func(operator *client.Operator) error {
		lines, err := operator.Logs(query.Level, query.From)
		for err == nil {
			var some *protocol.LogLines
			if some, err = lines.Next(ctx); err == nil && !take(some) {
				return nil
			}
		}
		return err
	})
}

// question asks for one thing on a connection of its own.
func question[A any](
	ctx context.Context, o *Operators, replica string, ask func(*client.Operator) (*A, error),
) (*A, error) {
	var answer *A
	err := o.with(ctx, replica, func(operator *client.Operator) (err error) {
		answer, err = ask(operator)
		return err
	})
	return answer, err
}

const allRoles = "all"

// roleNames are the roles of a replica.
var roleNames = [...]string{"proposer", "acceptor", "learner"}

// Chaos switches the random faults of a replica. Zeros mean what the replica is configured for.
func (o *Operators) Chaos(ctx context.Context, order command.ChaosOrder) error {
	control := protocol.ChaosControl{On: order.On, Owner: o.owner}
	if order.Role != "" || order.Every > 0 || order.DownMax > 0 {
		control.Roles = map[string]protocol.Failing{}
	}
	for _, role := range roleNames {
		if control.Roles != nil && (order.Role == "" || order.Role == role) {
			control.Roles[role] = protocol.Failing{
				EveryMillis:   order.Every.Milliseconds(),
				DownMinMillis: order.DownMin.Milliseconds(), DownMaxMillis: order.DownMax.Milliseconds(),
			}
		}
	}
	return o.with(ctx, order.Replica, func(operator *client.Operator) error {
		_, err := operator.Chaos(ctx, control)
		return err
	})
}

// Heal ends all injected faults of a replica, the random ones too.
func (o *Operators) Heal(ctx context.Context, replica string) error {
	return o.with(ctx, replica, func(operator *client.Operator) error {
		_, err := operator.Clear(ctx, protocol.FaultClear{All: true, Owner: o.owner})
		return err
	})
}

// Leader asks all replicas at once and gives the leader that most of them name, "" if fewer than a majority agree.
func (o *Operators) Leader(ctx context.Context) string {
	named := make(chan string, len(o.endpoints))
	for _, endpoint := range o.endpoints {
		go func() {
			status, err := o.Status(ctx, endpoint.Replica)
			if err != nil {
				status.Leader = ""
			}
			named <- status.Leader
		}()
	}
	votes := map[string]int{}
	leader := ""
	for range o.endpoints {
		name := <-named
		votes[name]++
		if name != "" && votes[name] > len(o.endpoints)/2 {
			leader = name
		}
	}
	return leader
}

// with runs do on a connection to the replica and gives its error the kind with which it is shown.
func (o *Operators) with(ctx context.Context, replica string, do func(*client.Operator) error) error {
	endpoint, err := o.endpoint(replica)
	if err != nil {
		return &command.FailureError{Failure: command.Unreachable, Err: err}
	}
	operator, err := client.OpenOperator(ctx, endpoint, client.WithLogger(o.logger))
	if err == nil {
		err = errors.Join(do(operator), operator.Close())
	}
	if err == nil {
		return nil
	}
	kind, _, sentence := Describe(err)
	return &command.FailureError{Failure: kind, Err: sentence}
}

func (o *Operators) endpoint(replica string) (client.Endpoint, error) {
	for _, endpoint := range o.endpoints {
		if endpoint.Replica == replica || len(o.endpoints) == 1 && replica == "" {
			return endpoint, nil
		}
	}
	return client.Endpoint{}, fmt.Errorf("no address of %s: give the configuration of the cluster with --config", replica)
}
