// Package clienttest is a cluster in memory for tests of whatever uses a
// client: replicas that answer the wire protocol out of one shared state
// machine, without sockets, disks or Paxos, and that misbehave on demand.
//
//	cluster := clienttest.New(5)
//	defer cluster.Close()
//	c, err := client.Open(ctx, cluster.Endpoints(), client.WithConnector(cluster.Connect))
//
// Every update takes a slot of its own and runs through the real core/kv, with
// real sessions. It works under a fake clock.
package clienttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/paxos"
	"synod/core/session"
	"synod/protocol"
	"synod/protocol/client"
)

// Cluster is a set of replicas over one state machine. It is safe for
// concurrent use.
type Cluster struct {
	replicas []*Replica
	group    sync.WaitGroup

	mu      sync.Mutex
	machine *kv.Machine
	slot    uint64
	value   []byte
	results []session.Result
	// applies counts the updates that were executed, repetitions left out.
	applies int
}

// New starts a cluster of so many replicas, r1 and up.
func New(replicas int) *Cluster { return NewWith(replicas, kv.Options{}) }

// NewWith starts a cluster whose state machine has these options.
func NewWith(replicas int, options kv.Options) *Cluster {
	machine, err := kv.New(memstore.New(0), options)
	if err != nil {
		panic(fmt.Sprintf("clienttest: %v", err)) // an empty store in memory cannot fail
	}
	c := &Cluster{machine: machine}
	for i := range replicas {
		c.replicas = append(c.replicas, &Replica{cluster: c, number: paxos.ReplicaID(i + 1)})
	}
	return c
}

// Endpoints are those of all replicas. The addresses lead nowhere: give
// [Cluster.Connect] to the client.
func (c *Cluster) Endpoints() []client.Endpoint {
	endpoints := make([]client.Endpoint, len(c.replicas))
	for i, r := range c.replicas {
		endpoints[i] = client.Endpoint{Replica: r.number.String(), Address: "memory:" + r.number.String()}
	}
	return endpoints
}

// Replica gives a replica by its name; it panics if there is none.
func (c *Cluster) Replica(name string) *Replica {
	for _, r := range c.replicas {
		if r.number.String() == name {
			return r
		}
	}
	panic("clienttest: no replica " + name)
}

// Applies counts the updates that were executed, each once.
func (c *Cluster) Applies() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applies
}

// Advance lets so many empty slots pass, so that idle sessions can be evicted.
func (c *Cluster) Advance(slots int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range slots {
		c.slot++
		if _, err := c.machine.ApplyBatch([]kv.Entry{{Slot: c.slot}}, nil); err != nil {
			panic(fmt.Sprintf("clienttest: %v", err))
		}
	}
}

// Close ends all sessions and waits for their goroutines.
func (c *Cluster) Close() {
	for _, r := range c.replicas {
		r.Stop()
	}
	c.group.Wait()
}

var errDown = errors.New("connection refused")

// Connect is a [client.Connector].
func (c *Cluster) Connect(
	ctx context.Context, endpoint client.Endpoint, kind protocol.Connection,
) (*protocol.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := c.Replica(endpoint.Replica)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dials++
	if r.down {
		return nil, fmt.Errorf("connect %s: %w", endpoint.Address, errDown)
	}
	near, far := protocol.SessionPair(protocol.SessionOptions{Connection: kind})
	r.sessions = append(r.sessions, far)
	c.group.Go(func() { r.serve(far) })
	return near, nil
}

// apply runs one command in a slot of its own.
func (c *Cluster) apply(command []byte) (session.Result, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slot++
	c.value = kv.AppendBatchCommand(kv.AppendBatchHeader(c.value[:0], int64(c.slot)), command)
	var err error
	c.results, err = c.machine.ApplyBatch([]kv.Entry{{Slot: c.slot, Value: c.value}}, c.results[:0])
	if err != nil || len(c.results) != 1 {
		panic(fmt.Sprintf("clienttest: %d results, %v", len(c.results), err))
	}
	result := c.results[0]
	if result.Status == session.OK && !result.Repeated && result.Sequence > 0 {
		c.applies++
	}
	return result, c.slot
}

// view opens a consistent state.
func (c *Cluster) view() (*kv.View, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, err := c.machine.View()
	if err != nil {
		panic(fmt.Sprintf("clienttest: %v", err))
	}
	return v, c.slot
}
