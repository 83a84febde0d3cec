package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"synod/protocol"
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

	down     map[string]bool                   // replica: connections are refused
	silent   map[string]bool                   // replica: no answer comes
	poor     map[string]bool                   // replica: no quorum
	roles    map[string]string                 // "r3.acceptor": state
	chaos    map[string]bool                   // replica
	orders   []string                          // what the operator was asked
	odd      map[string]string                 // replica: value that it gives instead of the right one
	faults   map[string][]protocol.FaultStatus // replica
	last     uint64                            // id of a fault
	younger  map[string]int64                  // replica: milliseconds by which its process is
	broken   bool                              // r2 says that it has diverged
	stubborn map[string]bool                   // replica: takes no faults of links
	ballots  protocol.Ballots
	digests  map[string]protocol.Digest // replica
	lines    protocol.LogLines
}

func newFake() *fakeCluster {
	return &fakeCluster{
		rows: map[string]Pair{}, pending: map[string]Request{}, down: map[string]bool{}, silent: map[string]bool{},
		poor: map[string]bool{}, roles: map[string]string{}, chaos: map[string]bool{}, odd: map[string]string{},
		faults: map[string][]protocol.FaultStatus{}, younger: map[string]int64{},
		stubborn: map[string]bool{}, digests: map[string]protocol.Digest{}, lines: fakeLines(),
		ballots: protocol.Ballots{Events: []protocol.BallotEvent{
			{
				At: time.Date(2026, 11, 22, 12, 32, 10, 0, time.UTC), What: "leading", Ballot: "12.r2", Owner: "r2",
				Reason: "r1 missed 3 heartbeats", PhaseMicros: 1900, PromisedBy: []string{"r1", "r2", "r3"}, OpenSlots: 3,
			},
		}},
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
	status := Status{Diverged: c.broken && replica == "r2", Status: protocol.Status{
		Replica: replica, Leader: "r2", Ballot: "12.r2", Chosen: c.slot, Applied: c.slot, Chaos: c.chaos[replica],
		Faults: slices.Clone(c.faults[replica]), UptimeMS: 90_000 - c.younger[replica], Version: "v0",
		LogSequence: 3,
	}}
	for _, role := range roleNames {
		state := c.roles[replica+"."+role]
		if state == "" {
			state = "normal"
		}
		status.Roles = append(status.Roles, protocol.RoleStatus{Role: role, State: state})
	}
	return status, nil
}

func (c *fakeCluster) Role(_ context.Context, order RoleOrder) ([]uint64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	text := fmt.Sprintf("%s %s %s %v", order.Action, order.Replica, order.Role, order.For)
	c.orders = append(c.orders, text)
	state := map[RoleAction]string{
		CrashRole: "down", RestartRole: "normal", PauseRole: "paused", ResumeRole: "normal", WipeRole: "recovering",
	}[order.Action]
	for name, without := range c.roles {
		if order.Action == WipeRole && without == "recovering" {
			why := fmt.Errorf("no permit to lose the state of this replica: %s is without its state", name[:2])
			return nil, &FailureError{Failure: Conflict, Err: why}
		}
	}
	for _, role := range roleNames {
		if order.Role == "" || order.Role == role {
			c.roles[order.Replica+"."+role] = state
		}
	}
	if order.Action != CrashRole && order.Action != PauseRole {
		c.faults[order.Replica] = slices.DeleteFunc(c.faults[order.Replica], func(f protocol.FaultStatus) bool {
			return f.Peer == "" && (order.Role == "" || f.Role == order.Role)
		})
		return nil, nil
	}
	return c.fault(order.Replica, protocol.FaultStatus{
		Fault: fmt.Sprintf("%s %s", order.Action, order.Role), Kind: string(order.Action), Role: order.Role,
	}), nil
}

// fault notes a fault; the mutex is held.
func (c *fakeCluster) fault(replica string, fault protocol.FaultStatus) []uint64 {
	c.last++
	fault.ID, fault.Owner, fault.Since = c.last, "ada", time.Now()
	c.faults[replica] = append(c.faults[replica], fault)
	return []uint64{c.last}
}

func (c *fakeCluster) Link(_ context.Context, order LinkOrder) ([]uint64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.orders = append(c.orders, fmt.Sprintf("link %s %s %v cut=%v %v+%v %d %v", order.Replica, order.Direction, order.Peers,
		order.Cut, order.Delay, order.Jitter, order.LossPermille, order.For))
	if c.stubborn[order.Replica] {
		return nil, &FailureError{Failure: Denied, Err: errors.New("faults are not enabled here")}
	}
	kind := "loss"
	switch {
	case order.Cut:
		kind = "cut"
	case order.Delay > 0:
		kind = "delay"
	}
	var ids []uint64
	for _, peer := range order.Peers {
		ids = append(ids, c.fault(order.Replica, protocol.FaultStatus{
			Fault: fmt.Sprintf("%s %s %s", kind, order.Direction, peer), Kind: kind, Peer: peer, Direction: order.Direction,
			DelayMicros: order.Delay.Microseconds(), LossPermille: order.LossPermille,
		})...)
	}
	return ids, nil
}

func (c *fakeCluster) Clear(_ context.Context, replica string, faults []uint64) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.orders = append(c.orders, fmt.Sprintf("clear %s %v", replica, faults))
	c.faults[replica] = slices.DeleteFunc(c.faults[replica], func(f protocol.FaultStatus) bool {
		if ended := slices.Contains(faults, f.ID); !ended {
			return false
		}
		for _, role := range roleNames {
			if f.Peer == "" && (f.Role == "" || f.Role == role) {
				delete(c.roles, replica+"."+role)
			}
		}
		return true
	})
	return nil
}

func (c *fakeCluster) Slots(_ context.Context, replica string, query protocol.SlotsQuery) (*protocol.Slots, error) {
	if c.down[replica] {
		return nil, errors.New("connection refused")
	}
	return fakeSlots(replica, query), nil
}

func (c *fakeCluster) Ballots(_ context.Context, replica string, _ int) (*protocol.Ballots, error) {
	if c.down[replica] {
		return nil, errors.New("connection refused")
	}
	return &c.ballots, nil
}

func (c *fakeCluster) Digest(_ context.Context, replica string) (*protocol.Digest, error) {
	if c.down[replica] {
		return nil, errors.New("connection refused")
	}
	digest, known := c.digests[replica]
	if !known {
		digest = protocol.Digest{
			Applied: 64, Hash: "00000000000000aa", Marks: []protocol.DigestMark{{Slot: 32, Hash: "0000000000000011"}},
		}
	}
	return &digest, nil
}

func (c *fakeCluster) Logs(
	_ context.Context, replica string, _ protocol.LogSubscribe, take func(*protocol.LogLines) bool,
) error {
	if c.down[replica] {
		return errors.New("connection refused")
	}
	take(&c.lines)
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
	delete(c.faults, replica)
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

// fakeLines are those of every replica.
func fakeLines() protocol.LogLines {
	at := time.Date(2026, 11, 22, 12, 40, 3, 118_000_000, time.UTC)
	return protocol.LogLines{Lines: []protocol.LogLine{
		{Sequence: 1, Time: at, Level: "DEBUG", Text: "time=x level=DEBUG msg=promise"},
		{Sequence: 2, Time: at.Add(time.Millisecond), Level: "INFO", Text: "time=x level=INFO msg=heartbeat"},
		{Sequence: 3, Time: at.Add(2 * time.Millisecond), Level: "WARN", Text: "time=x level=WARN msg=\"slow \x1b[31m sync\""},
	}}
}

// fakeSlots gives what replicas have seen of slots 40 to 42: r3 and r5 have missed the last one.
func fakeSlots(replica string, query protocol.SlotsQuery) *protocol.Slots {
	at := func(micros int) time.Time {
		return time.Date(2026, 11, 22, 12, 40, 4, 352_000_000+micros*1000, time.UTC)
	}
	slots := &protocol.Slots{Oldest: 40, Newest: 42}
	for slot := uint64(40); slot <= 42; slot++ {
		if query.From != 0 && (slot < query.From || slot > query.To) {
			continue
		}
		trace := protocol.SlotTrace{Slot: slot, Ballot: "12.r2", Commands: 1, Bytes: 9, Operation: "put", Key: []byte("a\x1b")}
		base := int(slot-40) * 10_000
		if replica == "r2" {
			trace.Steps = append(trace.Steps, protocol.Step{At: at(base), What: protocol.StepProposed})
		}
		if slot == 42 && (replica == "r3" || replica == "r5" || replica == "r4") {
			continue
		}
		trace.Steps = append(trace.Steps, protocol.Step{At: at(base + 900), What: protocol.StepAccepted, TookMicros: 810})
		if slot != 42 {
			trace.Steps = append(trace.Steps, protocol.Step{At: at(base + 1100), What: protocol.StepChosen},
				protocol.Step{At: at(base + 1200), What: protocol.StepApplied})
		}
		slots.Slots = append(slots.Slots, trace)
	}
	return slots
}
