package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"synod/daemon/monitor"
	"synod/protocol"
	"synod/protocol/client"
)

// cutOut is the order to cut what a replica sends to these.
func cutOut(peers ...string) protocol.LinkControl {
	return protocol.LinkControl{Peers: peers, Direction: protocol.DirectionOut, Cut: true, Owner: "op"}
}

func TestLinksAreBrokenAndMendedByAnOperator(t *testing.T) {
	c := newCluster(t, 3)
	o, ctx := c.operator(0), context.Background()
	done := must[*protocol.Done](t)(o.Link(ctx, protocol.LinkControl{
		Direction: protocol.DirectionBoth, LossPermille: 100, DelayMicros: 1500, JitterMicros: 500, ForMillis: 60_000,
		Owner: "op",
	}))
	want := "delay r1<>r2 1.5ms jitter 500µs loss 10%, delay r1<>r3 1.5ms jitter 500µs loss 10%"
	if done.Text != want || len(done.Faults) != 2 {
		t.Errorf("done %+v, want %q", done, want)
	}
	named := must[*protocol.Done](t)(o.Link(ctx, cutOut("r3", "r3")))
	faults := c.running[0].daemon.Status().Faults
	if len(faults) != 3 || len(named.Faults) != 1 || faults[2].ID != named.Faults[0] {
		t.Fatalf("%v of %+v", named, faults)
	}
	if f := faults[0]; f.Kind != "delay" || f.Peer != "r2" || f.Direction != "both" || f.DelayMicros != 1500 ||
		f.JitterMicros != 500 || f.LossPermille != 100 || f.Role != "" || f.Until.Sub(f.Since) != time.Minute ||
		!strings.HasPrefix(f.Owner, "op@127.0.0.1:") || done.Text != f.Fault+", "+faults[1].Fault {
		t.Errorf("listed as %+v", f)
	}
	ended := must[*protocol.Done](t)(o.Clear(ctx, protocol.FaultClear{IDs: append(named.Faults, 4711), Owner: "op"}))
	if ended.Text != "ended at r1: fault 3" || len(c.running[0].daemon.Status().Faults) != 2 {
		t.Errorf("%q, left %+v", ended.Text, c.running[0].daemon.Status().Faults)
	}
	again := must[*protocol.Done](t)(o.Clear(ctx, protocol.FaultClear{IDs: named.Faults, Owner: "op"}))
	if again.Text != "nothing to end at r1" {
		t.Errorf("what has ended ended again: %q", again.Text)
	}
	if _, err := o.Role(ctx, protocol.RoleControl{Action: protocol.ActionPause, Role: "all", Owner: "op"}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Chaos(ctx, protocol.ChaosControl{On: true, Owner: "op"}); err != nil {
		t.Fatal(err)
	}
	all := must[*protocol.Done](t)(o.Clear(ctx, protocol.FaultClear{All: true, Owner: "op"}))
	s := c.running[0].daemon.Status()
	if !strings.HasSuffix(all.Text, "fault 1, fault 2, fault 4, fault 5, fault 6, chaos") || len(s.Faults) != 0 || s.Chaos {
		t.Errorf("%q, left %+v, chaos %v", all.Text, s.Faults, s.Chaos)
	}
	put := must[client.Info](t)(c.client().Put(ctx, []byte("k"), []byte("v"), client.At("r1")))
	if put.Replica != "r1" {
		t.Errorf("put at %s", put.Replica)
	}
}

func TestARoleControlGivesTheIDsOfItsFaults(t *testing.T) {
	c := newCluster(t, 3)
	d := c.running[1].daemon
	order := protocol.RoleControl{Action: protocol.ActionCrash, Role: "all", Owner: "op"}
	done, refusal := d.Role(order)
	if refusal != nil || len(done.Faults) != 3 {
		t.Fatalf("%+v, %v", done, refusal)
	}
	for i, f := range d.Status().Faults {
		if f.ID != done.Faults[i] || f.Kind != "crash" || f.Fault != "crash "+f.Role || f.Peer != "" {
			t.Errorf("listed as %+v", f)
		}
	}
	if _, refusal := d.Clear(protocol.FaultClear{IDs: done.Faults[1:2], Owner: "op"}); refusal != nil {
		t.Error(refusal)
	}
	if s := d.Status(); len(s.Faults) != 2 || s.Roles[1].State == "down" || s.Roles[0].State != "down" {
		t.Errorf("one of three ended: faults %+v, roles %+v", s.Faults, s.Roles)
	}
	order.Action = protocol.ActionHeal
	if done, refusal = d.Role(order); refusal != nil || len(done.Faults) != 0 || len(d.Status().Faults) != 0 {
		t.Errorf("healed: %+v, %v, left %+v", done, refusal, d.Status().Faults)
	}
}

func TestOrdersAboutLinksThatAreRefused(t *testing.T) {
	c := newCluster(t, 3)
	o, ctx := c.operator(1), context.Background()
	wantRefused := func(what string, err error, code protocol.Code, words ...string) {
		t.Helper()
		var failure *client.Error
		if !errors.As(err, &failure) || failure.Code != code {
			t.Errorf("%s: %v, want %s", what, err, code)
			return
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not say %q", what, err, word)
			}
		}
	}
	_, err := o.Link(ctx, cutOut("r1", "r9"))
	wantRefused("an unknown replica", err, protocol.CodeCorrupt, `"r9"`, "the others of r2 are r1, r3")
	_, err = o.Link(ctx, cutOut("r2"))
	wantRefused("itself", err, protocol.CodeCorrupt, "r2 has no link to itself")
	long := cutOut("r1")
	long.ForMillis = (c.config.Faults.TTL + time.Second).Milliseconds()
	_, err = o.Link(ctx, long)
	wantRefused("too long", err, protocol.CodeCorrupt, "out of range", c.config.Faults.TTL.String())
	_, err = o.Clear(ctx, protocol.FaultClear{Owner: "op"})
	wantRefused("nothing named", err, protocol.CodeCorrupt, "give ids, or all")
	for range 256 / 2 {
		if _, err := o.Link(ctx, cutOut()); err != nil {
			t.Fatal(err)
		}
	}
	_, err = o.Link(ctx, cutOut("r1"))
	wantRefused("too many", err, protocol.CodeOverloaded, "256", "end some")
	if left := len(c.running[1].daemon.Status().Faults); left != 256 {
		t.Errorf("%d faults", left)
	}
	// The frame is checked here, too: other programs than ours may send it.
	if _, refusal := c.running[1].daemon.Link(protocol.LinkControl{Direction: "forth"}); refusal == nil {
		t.Error("an order without sense was taken")
	}
	if _, err := o.Clear(ctx, protocol.FaultClear{All: true, Owner: "op"}); err != nil {
		t.Error(err)
	}
	if _, err := o.Link(ctx, cutOut("r1")); err != nil {
		t.Errorf("after the end of all: %v", err)
	}
}

func TestLinksBreakOnlyWhereFaultsAreAllowed(t *testing.T) {
	c := newCluster(t, 3)
	s := c.running[0].settings
	forbidden := *c.config
	forbidden.Faults.Enabled = false
	s.config, s.ring = &forbidden, monitor.NewRing(ringLinesMax)
	d := newDaemon(s)
	defer d.gateway.Close()
	if _, refusal := d.Link(cutOut("r2")); refusal == nil || refusal.Code != protocol.CodeDenied ||
		!strings.Contains(refusal.Text, "enabled = true") {
		t.Errorf("with faults off: %v", refusal)
	}
	if done, refusal := d.Clear(protocol.FaultClear{All: true}); refusal != nil || done.Text != "nothing to end at r1" {
		t.Errorf("with faults off nothing is to end: %+v, %v", done, refusal)
	}
}
