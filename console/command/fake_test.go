package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// fakeCluster is a store of five replicas in memory that always agree. A request takes 1 ms, or until its deadline if
// the replica is silent.
type fakeCluster struct {
	mutex    sync.Mutex
	rows     map[string]Pair
	slot     uint64
	revision uint64
	pending  map[string]Request // updates with unknown outcome, by id
	requests int
	inFlight int
	most     int // most requests in flight at once

	down   map[string]bool     // replica: connections are refused
	silent map[string]bool     // replica: no answer comes
	poor   map[string]bool     // replica: no quorum
	roles  map[string]string   // "r3.acceptor": state
	chaos  map[string]bool     // replica
	orders []string            // what the operator was asked
	odd    map[string]string   // replica: value that it gives instead of the right one
	faults map[string][]string // replica
	broken bool                // r2 says that it has diverged
}

func newFake() *fakeCluster {
	return &fakeCluster{
		rows: map[string]Pair{}, pending: map[string]Request{}, down: map[string]bool{}, silent: map[string]bool{},
		poor: map[string]bool{}, roles: map[string]string{}, chaos: map[string]bool{}, odd: map[string]string{},
		faults: map[string][]string{},
	}
}

var fiveReplicas = []string{"r1", "r2", "r3", "r4", "r5"}

func (c *fakeCluster) Do(ctx context.Context, request Request) Reply {
	c.mutex.Lock()
	c.requests++
	id := fmt.Sprintf("c7.%d", c.requests)
	c.inFlight++
	c.most = max(c.most, c.inFlight)
	c.mutex.Unlock()
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	<-timer.C
	c.mutex.Lock()
	c.inFlight--
	c.mutex.Unlock()
	at := request.Replica
	if at == "" {
		at = "r1"
	}
	reply := Reply{Replica: at, RequestID: id}
	switch {
	case c.down[at]:
		reply.Failure, reply.Outcome = Unreachable, NotSent
		reply.Err = errors.New("connect 127.0.0.1:7105: connection refused")
		return reply
	case c.silent[at]:
		<-ctx.Done()
		c.keep(id, request)
		reply.Failure, reply.Outcome, reply.Err = Timeout, Unknown, ctx.Err()
		return reply
	case c.poor[at]:
		c.keep(id, request)
		reply.Failure, reply.Outcome, reply.Err = NoQuorum, Unknown, errors.New("2 of 5 acceptors answered")
		return reply
	}
	return c.apply(request, reply)
}

func (c *fakeCluster) keep(id string, request Request) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.pending[id] = request
}

func (c *fakeCluster) apply(request Request, reply Reply) Reply {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if request.Operation == Retry {
		reply.RequestID = request.RequestID
		request = c.pending[request.RequestID]
	}
	switch key := string(request.Key); request.Operation {
	case Put:
		c.slot, c.revision = c.slot+1, c.revision+1
		c.rows[key] = Pair{Key: request.Key, Value: request.Value, Revision: c.revision}
		reply.Slot, reply.Revision = c.slot, c.revision
	case Delete:
		c.slot, c.revision = c.slot+1, c.revision+1
		delete(c.rows, key)
		reply.Slot, reply.Revision = c.slot, c.revision
	case Get:
		row, ok := c.rows[key]
		reply.Found, reply.Value, reply.Revision, reply.Applied = ok, row.Value, row.Revision, c.slot
		if text, odd := c.odd[reply.Replica]; odd {
			reply.Value = []byte(text)
		}
	case Scan:
		reply.Applied = c.slot
		for _, row := range c.rows {
			if bytes.HasPrefix(row.Key, request.Key) && bytes.Compare(row.Key, request.After) > 0 {
				reply.Pairs = append(reply.Pairs, row)
			}
		}
		slices.SortFunc(reply.Pairs, func(a, b Pair) int { return bytes.Compare(a.Key, b.Key) })
		if len(reply.Pairs) > request.Limit {
			reply.Pairs, reply.More = reply.Pairs[:request.Limit], true
		}
	}
	return reply
}

func (c *fakeCluster) Status(_ context.Context, replica string) (Status, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.down[replica] {
		return Status{}, errors.New("connection refused")
	}
	status := Status{
		Replica: replica, Leader: "r2", Ballot: "12.r2", Chosen: c.slot, Applied: c.slot, Chaos: c.chaos[replica],
		Faults: c.faults[replica], Uptime: 90 * time.Second, Version: "v0", Diverged: c.broken && replica == "r2",
	}
	for _, role := range roleNames {
		state := c.roles[replica+"."+role]
		if state == "" {
			state = "normal"
		}
		status.Roles = append(status.Roles, RoleStatus{Role: role, State: state})
	}
	return status, nil
}

func (c *fakeCluster) Role(_ context.Context, order RoleOrder) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	text := fmt.Sprintf("%s %s %s %v", order.Action, order.Replica, order.Role, order.For)
	c.orders = append(c.orders, text)
	state := map[RoleAction]string{
		CrashRole: "down", RestartRole: "normal", PauseRole: "paused", ResumeRole: "normal",
	}[order.Action]
	for _, role := range roleNames {
		if order.Role == "" || order.Role == role {
			c.roles[order.Replica+"."+role] = state
		}
	}
	return nil
}

func (c *fakeCluster) Chaos(_ context.Context, order ChaosOrder) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.chaos[order.Replica] = order.On
	c.orders = append(c.orders, fmt.Sprintf("chaos %s %v %s %v %v-%v", order.Replica, order.On, order.Role, order.Every,
		order.DownMin, order.DownMax))
	return nil
}

func (c *fakeCluster) Heal(_ context.Context, replica string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, role := range roleNames {
		delete(c.roles, replica+"."+role)
	}
	return nil
}

func (c *fakeCluster) Kill(_ context.Context, replica string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.down[replica] = true
	return nil
}

func (c *fakeCluster) Start(_ context.Context, replica string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.down[replica] = false
	return nil
}
