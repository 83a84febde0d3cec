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
	return statusOf(status), nil
}

// Role does something to one role of a replica, or to all three.
func (o *Operators) Role(ctx context.Context, order command.RoleOrder) error {
	control := protocol.RoleControl{
		Action: string(order.Action), Role: order.Role, ForMillis: order.For.Milliseconds(), Owner: o.owner,
	}
	if control.Role == "" {
		control.Role = allRoles
	}
	return o.with(ctx, order.Replica, func(operator *client.Operator) error {
		_, err := operator.Role(ctx, control)
		return err
	})
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

// Heal ends all injected faults of a replica, the random ones first, or they would make new ones.
func (o *Operators) Heal(ctx context.Context, replica string) error {
	return o.with(ctx, replica, func(operator *client.Operator) error {
		_, err := operator.Chaos(ctx, protocol.ChaosControl{Owner: o.owner})
		if err != nil {
			return err
		}
		_, err = operator.Role(ctx, protocol.RoleControl{Action: protocol.ActionHeal, Role: allRoles, Owner: o.owner})
		if errors.Is(err, client.ErrConflict) {
			return nil // nothing was broken
		}
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

func statusOf(s *protocol.Status) command.Status {
	status := command.Status{
		Replica: s.Replica, Leader: s.Leader, Ballot: s.Ballot, Chosen: s.Chosen, Applied: s.Applied, Chaos: s.Chaos,
		Uptime: time.Duration(s.UptimeMS) * time.Millisecond, Version: s.Version,
	}
	for _, role := range s.Roles {
		status.Roles = append(status.Roles, command.RoleStatus{
			Role: role.Role, State: role.State, Restarts: role.Restarts, Cause: role.Cause,
		})
	}
	for _, fault := range s.Faults {
		text := fmt.Sprintf("%s, by %s", fault.Fault, fault.Owner)
		if !fault.Until.IsZero() {
			text += ", until " + fault.Until.Local().Format(time.TimeOnly)
		}
		status.Faults = append(status.Faults, text)
	}
	return status
}
