package processtest

import (
	"context"
	"slices"

	"synod/protocol"
	"synod/protocol/client"
)

// Break breaks links of a replica and gives the ids of the faults.
func (c *Cluster) Break(id string, m protocol.LinkControl) []uint64 {
	c.t.Helper()
	m.Owner = "ordeal"
	var done *protocol.Done
	err := c.Operate(id, func(ctx context.Context, o *client.Operator) (err error) {
		done, err = o.Link(ctx, m)
		return err
	})
	if err != nil {
		c.t.Fatalf("break links of %s: %v", id, err)
	}
	return done.Faults
}

// BreakAll breaks all links of all replicas.
func (c *Cluster) BreakAll(m protocol.LinkControl) {
	c.t.Helper()
	m.Direction = protocol.DirectionOut // the way in is the way out of another one
	for _, id := range c.Config.ReplicaIDs() {
		c.Break(id, m)
	}
}

// Part lets no message pass between two sets of replicas. Both ends of every link are cut, as both would notice that a
// cable is: nothing that one end has sent before can arrive.
func (c *Cluster) Part(side, other []string) {
	c.t.Helper()
	for _, id := range side {
		c.Break(id, protocol.LinkControl{Peers: other, Direction: protocol.DirectionBoth, Cut: true})
	}
	for _, id := range other {
		c.Break(id, protocol.LinkControl{Peers: side, Direction: protocol.DirectionBoth, Cut: true})
	}
}

// Chain cuts all links but those between neighbours in this order.
func (c *Cluster) Chain(order []string) {
	c.t.Helper()
	for i, id := range order {
		var strangers []string
		for j, other := range order {
			if j < i-1 || j > i+1 {
				strangers = append(strangers, other)
			}
		}
		c.Break(id, protocol.LinkControl{Peers: strangers, Direction: protocol.DirectionBoth, Cut: true})
	}
}

// Mend ends all faults of all replicas that run.
func (c *Cluster) Mend() {
	c.t.Helper()
	for _, id := range c.Running() {
		err := c.Operate(id, func(ctx context.Context, o *client.Operator) error {
			_, err := o.Clear(ctx, protocol.FaultClear{All: true, Owner: "ordeal"})
			return err
		})
		if err != nil {
			c.t.Fatalf("mend %s: %v", id, err)
		}
	}
}

// Faults lists the faults of a replica.
func (c *Cluster) Faults(id string) []protocol.FaultStatus {
	c.t.Helper()
	s, err := c.Status(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.Faults
}

// others lists all replicas but these.
func (c *Cluster) others(ids ...string) []string {
	return slices.DeleteFunc(c.Config.ReplicaIDs(), func(id string) bool { return slices.Contains(ids, id) })
}
