package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"synod/protocol"
	"synod/protocol/client"
)

// await looks until there is what is awaited.
func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !there(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in %v there was no %s", patience, what)
		}
	}
}

// steps gives those of a slot that say what, by replica.
func steps(s protocol.SlotTrace, what string) []string {
	var all []string
	for _, k := range s.Steps {
		if k.What == what && !slices.Contains(all, k.From) {
			all = append(all, k.From)
		}
	}
	slices.Sort(all)
	return all
}

// traceOf asks a replica for one slot.
func traceOf(t *testing.T, o *client.Operator, slot uint64) protocol.SlotTrace {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer := must[*protocol.Slots](t)(o.Slots(ctx, protocol.SlotsQuery{From: slot, To: slot}))
	if len(answer.Slots) != 1 {
		return protocol.SlotTrace{}
	}
	return answer.Slots[0]
}

func TestOperatorsSeeWhatBecameOfASlot(t *testing.T) {
	c := newCluster(t, 3)
	ctx := context.Background()
	info := must[client.Info](t)(c.client().Put(ctx, []byte("color"), []byte("red"), client.At("r1")))
	leader := c.leader()
	for i, r := range c.config.Replicas {
		o := c.operator(i)
		await(t, "applied slot at "+r.ID, func() bool { return len(steps(traceOf(t, o, info.Slot), "applied")) > 0 })
		trace := traceOf(t, o, info.Slot)
		if trace.Operation != "put" || string(trace.Key) != "color" || trace.Commands != 1 || trace.Request == "" {
			t.Errorf("%s tells of the value %+v", r.ID, trace)
		}
		if len(steps(trace, protocol.StepChosen)) != 1 {
			t.Errorf("%s applied what it never saw chosen: %+v", r.ID, trace)
		}
		if i == leader {
			await(t, "votes", func() bool { return len(steps(traceOf(t, o, info.Slot), protocol.StepVoted)) >= 2 })
			if trace.Steps[0].What != protocol.StepProposed {
				t.Errorf("the leader's first step is %+v", trace.Steps[0])
			}
		}
		status := c.running[i].daemon.Status()
		if status.SyncMicros.Max < status.SyncMicros.P50 || status.LogBytes == 0 {
			t.Errorf("%s: syncs %+v, log %d bytes", r.ID, status.SyncMicros, status.LogBytes)
		}
	}
	operations := c.running[0].daemon.Status().Operations
	if !slices.ContainsFunc(operations, func(o protocol.OperationStatus) bool {
		return o.Operation == "put" && o.SumMicros > 0 && len(o.Buckets) > 0
	}) {
		t.Errorf("r1 has answered a put and counts %+v", operations)
	}
}

// TestOperatorsSeeWhyASlotIsStuck: with two of three acceptors paused the leader
// tells whom it has asked in vain.
func TestOperatorsSeeWhyASlotIsStuck(t *testing.T) {
	c := newCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	info := must[client.Info](t)(c.client().Put(ctx, []byte("color"), []byte("red")))
	leader := c.leader()
	own := c.config.Replicas[leader].ID
	var paused []string
	for i, r := range c.config.Replicas {
		if i != leader {
			pause := protocol.RoleControl{Action: protocol.ActionPause, Role: "acceptor", Owner: "test"}
			must[*protocol.Done](t)(c.operator(i).Role(ctx, pause))
			paused = append(paused, r.ID)
		}
	}
	stuck := make(chan error, 1)
	writer := c.client(client.WithReplica(own))
	go func() {
		_, err := writer.Put(ctx, []byte("color"), []byte("green"))
		stuck <- err
	}()
	o := c.operator(leader)
	var trace protocol.SlotTrace
	await(t, "slot that was asked for again", func() bool {
		answer := must[*protocol.Slots](t)(o.Slots(ctx, protocol.SlotsQuery{From: info.Slot + 1, Max: 1}))
		if len(answer.Slots) == 1 {
			trace = answer.Slots[0]
		}
		return slices.Equal(steps(trace, protocol.StepAsked), paused)
	})
	voted := steps(trace, protocol.StepVoted)
	if !slices.Equal(voted, []string{own}) || len(steps(trace, protocol.StepChosen)) != 0 || trace.Operation == "" {
		t.Errorf("%s leads, %v are paused, and the stuck slot is told as %+v", own, paused, trace)
	}
	for i := range c.running {
		if i != leader {
			resume := protocol.RoleControl{Action: protocol.ActionResume, Role: "acceptor", Owner: "test"}
			must[*protocol.Done](t)(c.operator(i).Role(ctx, resume))
		}
	}
	if err := <-stuck; err != nil {
		t.Errorf("the put when the acceptors are back: %v", err)
	}
}

func TestOperatorsSeeWhyTheLeaderChanged(t *testing.T) {
	c := newCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	must[client.Info](t)(c.client().Put(ctx, []byte("k"), []byte("v")))
	first := c.leader()
	crash := protocol.RoleControl{Action: protocol.ActionCrash, Role: "proposer", Owner: "test"}
	must[*protocol.Done](t)(c.operator(first).Role(ctx, crash))
	await(t, "other leader", func() bool { return c.leader() != first })
	second := c.leader()
	events := must[*protocol.Ballots](t)(c.operator(second).Ballots(ctx, protocol.BallotsQuery{})).Events
	// On a busy machine it may have led before: the newest time counts.
	at := -1
	for i, e := range events {
		if e.What == "leading" && e.Owner == c.config.Replicas[second].ID && e.PhaseMicros > 0 {
			at = i
		}
	}
	if at < 0 || len(events[at].PromisedBy) < 2 {
		t.Fatalf("no leading with its phase 1 in %+v", events)
	}
	want := fmt.Sprintf("no heartbeat of %s for ", c.config.Replicas[first].ID)
	if reason := events[at].Reason; len(reason) < len(want) || reason[:len(want)] != want {
		t.Errorf("the reason is %q, want %q and a time", reason, want)
	}
}

func TestEqualReplicasHaveEqualDigests(t *testing.T) {
	c := newCluster(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	writer := c.client()
	for i := range 5 {
		must[client.Info](t)(writer.Put(ctx, []byte("k"), fmt.Appendf(nil, "%d", i)))
	}
	operators := []*client.Operator{c.operator(0), c.operator(1), c.operator(2)}
	var digests [3]*protocol.Digest
	await(t, "equal applied slot", func() bool {
		for i := range digests {
			digests[i] = must[*protocol.Digest](t)(operators[i].Digest(ctx))
		}
		return digests[0].Applied == digests[1].Applied && digests[1].Applied == digests[2].Applied
	})
	if d := digests[0]; d.Applied == 0 || len(d.Hash) != 16 || d.Hash != digests[1].Hash || d.Hash != digests[2].Hash {
		t.Errorf("the digests are %+v, %+v, %+v", digests[0], digests[1], digests[2])
	}
	crash := protocol.RoleControl{Action: protocol.ActionCrash, Role: "learner", Owner: "test"}
	must[*protocol.Done](t)(operators[1].Role(ctx, crash))
	if d, err := operators[1].Digest(ctx); err == nil {
		t.Errorf("without its learner r2 has the digest %+v", d)
	}
	restart := protocol.RoleControl{Action: protocol.ActionRestart, Role: "learner", Owner: "test"}
	must[*protocol.Done](t)(operators[1].Role(ctx, restart))
	await(t, "digest as before", func() bool {
		d := must[*protocol.Digest](t)(operators[1].Digest(ctx))
		return d.Applied == digests[0].Applied && d.Hash == digests[0].Hash
	})
}
