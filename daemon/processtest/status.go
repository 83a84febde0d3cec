package processtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"synod/protocol"
	"synod/protocol/client"
)

// statusTimeout bounds one question for a status. A halted process never answers.
const statusTimeout = time.Second

// Status asks a replica for its status.
func (c *Cluster) Status(id string) (*protocol.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	operator, err := client.OpenOperator(ctx, c.Endpoint(id), client.WithTimeout(statusTimeout))
	if err != nil {
		return nil, err
	}
	defer func() { _ = operator.Close() }() // the answer is there, or its error
	statuses, err := operator.Status(50 * time.Millisecond)
	if err != nil {
		return nil, err
	}
	return statuses.Next(ctx)
}

// Operate opens an operator's connection for one command.
func (c *Cluster) Operate(id string, command func(context.Context, *client.Operator) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	operator, err := client.OpenOperator(ctx, c.Endpoint(id))
	if err != nil {
		return err
	}
	defer func() { _ = operator.Close() }() // the answer is there, or its error
	return command(ctx, operator)
}

// Role finds a role in a status: "proposer", "acceptor" or "learner".
func Role(s *protocol.Status, name string) protocol.RoleStatus {
	for _, role := range s.Roles {
		if role.Role == name {
			return role
		}
	}
	return protocol.RoleStatus{State: "none"}
}

// leader gives the replica that leads and that a majority takes for the leader; "" if there is none now.
func (c *Cluster) leader() string {
	followers, leading := map[string]int{}, map[string]bool{}
	for _, id := range c.Running() {
		if c.stat(id) == "T" {
			continue
		}
		s, err := c.Status(id)
		if err != nil {
			continue
		}
		followers[s.Leader]++
		if s.Leader == id && Role(s, "proposer").State == "leading" {
			leading[id] = true
		}
	}
	for id := range leading {
		if followers[id] >= c.Config.Majority() {
			return id
		}
	}
	return ""
}

// Leader waits for a leader and gives it.
func (c *Cluster) Leader() string {
	c.t.Helper()
	id, _ := c.WaitLeader(Patience)
	return id
}

// WaitLeader waits until a majority follows a leader, and gives it with the time that took.
func (c *Cluster) WaitLeader(limit time.Duration) (id string, took time.Duration) {
	c.t.Helper()
	begin := time.Now()
	if !poll(limit, func() bool { id = c.leader(); return id != "" }) {
		c.t.Fatalf("no leader after %v:\n%s", limit, c.describe())
	}
	return id, time.Since(begin)
}

// WaitEqual waits until all running replicas have applied the same, and gives the revision.
func (c *Cluster) WaitEqual(limit time.Duration) (revision uint64) {
	c.t.Helper()
	equal := func() bool {
		var applied uint64
		for i, id := range c.Running() {
			s, err := c.Status(id)
			if err != nil {
				return false
			}
			if i == 0 {
				applied, revision = s.Applied, s.Revision
			}
			if s.Applied != applied || s.Revision != revision || Role(s, "learner").State == "down" {
				return false
			}
		}
		return true
	}
	if !poll(limit, equal) {
		c.t.Fatalf("the replicas are not equal after %v:\n%s", limit, c.describe())
	}
	return revision
}

// WaitNormal waits until the acceptor of a replica votes, and gives its incarnation.
func (c *Cluster) WaitNormal(id string, limit time.Duration) (incarnation uint64) {
	c.t.Helper()
	normal := func() bool {
		s, err := c.Status(id)
		if err != nil {
			return false
		}
		incarnation = s.Incarnation
		return Role(s, "acceptor").State == "normal"
	}
	if !poll(limit, normal) {
		c.t.Fatalf("the acceptor of %s is not normal after %v:\n%s", id, limit, c.describe())
	}
	return incarnation
}

// describe tells how all replicas are, for people.
func (c *Cluster) describe() string {
	var text strings.Builder
	for _, id := range c.Config.ReplicaIDs() {
		if !c.alive(id) {
			fmt.Fprintf(&text, "%s: no process\n", id)
			continue
		}
		s, err := c.Status(id)
		if err != nil {
			fmt.Fprintf(&text, "%s: %v\n", id, err)
			continue
		}
		fmt.Fprintf(&text, "%s: leader %q ballot %s chosen %d applied %d revision %d", id, s.Leader, s.Ballot, s.Chosen,
			s.Applied, s.Revision)
		for _, role := range s.Roles {
			fmt.Fprintf(&text, ", %s %s (%s)", role.Role, role.State, role.Cause)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// WaitCaughtUp waits until a replica has applied all that the others knew to be chosen when it was asked for.
func (c *Cluster) WaitCaughtUp(id string, limit time.Duration) {
	c.t.Helper()
	var chosen uint64
	for _, other := range c.Running() {
		if s, err := c.Status(other); err == nil {
			chosen = max(chosen, s.Chosen)
		}
	}
	caughtUp := func() bool {
		s, err := c.Status(id)
		return err == nil && s.Applied >= chosen
	}
	if !poll(limit, caughtUp) {
		c.t.Fatalf("%s has not applied slot %d after %v:\n%s", id, chosen, limit, c.describe())
	}
}
