package processtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"synod/protocol"
	"synod/protocol/client"
)

// changed is the number of leaders that a replica has come to follow so far, itself included.
func changed(c *Cluster, id string) int {
	text := c.Output(id)
	return strings.Count(text, "msg=following") + strings.Count(text, "msg=leading")
}

// changesMax is how often the leader may change while a fault lasts that is no reason for a change. A starved machine
// may be one; a cluster that cannot settle changes more than once a second.
const changesMax = 2

// steady wants the leader that a majority has heard all the time to lead still.
func steady(t *testing.T, c *Cluster, leader string, before int) {
	t.Helper()
	now, changes := c.Leader(), changed(c, leader)-before
	if now != leader || changes > 0 {
		t.Logf("%s leads after %s, which a majority could hear all the time: %d changes", now, leader, changes)
	}
	if changes > changesMax {
		t.Errorf("the lead is unsteady: %d changes", changes)
	}
}

// putAt makes one update at one replica, without asking others.
func putAt(c *Cluster, id string, limit time.Duration) (client.Info, error) {
	own := c.Client(id)
	defer func() { _ = own.Close() }() // Close only ends goroutines
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return own.Put(ctx, []byte("at/"+id), []byte("x"), client.At(id))
}

// getAt makes one linearizable read at one replica.
func getAt(c *Cluster, id string, limit time.Duration) error {
	own := c.Client(id)
	defer func() { _ = own.Close() }() // Close only ends goroutines
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := own.Get(ctx, []byte("at/"+id), client.At(id))
	return err
}

// mended ends all faults, wants service at every replica, and judges the load.
func mended(t *testing.T, c *Cluster, load *Load, ownUpdates uint64) *History {
	t.Helper()
	c.Mend()
	for _, id := range c.Config.ReplicaIDs() {
		if left := c.Faults(id); len(left) > 0 {
			t.Errorf("%s still has %+v", id, left)
		}
		c.WaitCaughtUp(id, Patience)
	}
	ownUpdates += serves(t, c)
	h := load.Stop()
	h.Before += ownUpdates
	c.WaitEqual(Patience)
	judge(t, c, h)
	return h
}

func TestOneWayCuts(t *testing.T) {
	c := NewCluster(t, Options{})
	leader := c.Leader()
	deaf := c.others(leader)[0]
	load := c.StartLoad(LoadOptions{Clients: 15, Timeout: 4 * time.Second})
	load.AwaitWrites(200)
	before := changed(c, leader)
	// The leader's words do not reach one follower, whose words reach everybody.
	c.Break(leader, protocol.LinkControl{Peers: []string{deaf}, Direction: protocol.DirectionOut, Cut: true})
	begin := load.Now()
	if _, err := putAt(c, deaf, Patience); err != nil {
		t.Errorf("an update at %s, which does not hear the leader: %v", deaf, err)
	}
	if err := getAt(c, deaf, Patience); err != nil {
		t.Errorf("a read at %s, which does not hear the leader: %v", deaf, err)
	}
	load.Run(2 * time.Second)
	// And the other way: it hears the leader, which does not hear it.
	c.Mend()
	c.Break(deaf, protocol.LinkControl{Peers: []string{leader}, Direction: protocol.DirectionOut, Cut: true})
	if _, err := putAt(c, deaf, Patience); err != nil {
		t.Errorf("an update at %s, which the leader does not hear: %v", deaf, err)
	}
	if err := getAt(c, deaf, Patience); err != nil {
		t.Errorf("a read at %s, which the leader does not hear: %v", deaf, err)
	}
	load.Run(2 * time.Second)
	end := load.Now()
	steady(t, c, leader, before)
	h := mended(t, c, load, 2)
	t.Logf("longest time without an update while links were cut one way: %v",
		h.LongestGap(begin, end).Round(time.Millisecond))
}

// gapPartedMax is the longest time without an acknowledged update after the leader was cut off: as after its death, but
// no connection breaks, so that only silence tells. It is not a promise of the product, only far from for ever.
const gapPartedMax = 4 * time.Second

func TestAnIsolatedLeaderIsReplaced(t *testing.T) {
	c := NewCluster(t, Options{})
	old := c.Leader()
	load := c.StartLoad(LoadOptions{Clients: 15, Pinned: 6, PinnedAt: old, Timeout: 4 * time.Second})
	load.AwaitWrites(200)
	cut := load.Now()
	behind := len(c.Output(old))
	c.Part([]string{old}, c.others(old))
	c.WaitOutput(old, behind, "msg=resigned")
	leader := c.Leader()
	if leader == old {
		t.Errorf("%s leads although nobody hears it", old)
	}
	load.AwaitWrites(200)
	_, err := putAt(c, old, time.Second)
	refused(t, old, "update", err)
	refused(t, old, "read", getAt(c, old, time.Second))
	if s, err := c.Status(old); err != nil || s.Leader == old || !connected(s) {
		t.Errorf("the isolated replica says %+v, %v", s, err)
	}
	end := load.Now()
	c.unknown++ // putAt's
	h := mended(t, c, load, 0)
	gap := h.LongestGap(cut, end)
	t.Logf("%s was isolated, %s leads; longest time without an update %v", old, leader, gap.Round(time.Millisecond))
	if gap > gapPartedMax {
		t.Errorf("no update for %v", gap)
	}
}

// connected reports whether a replica's links are all up.
func connected(s *protocol.Status) bool {
	for _, p := range s.Peers {
		if !p.Connected || p.RTTMicros == 0 {
			return false
		}
	}
	return len(s.Peers) == replicas-1
}

// refused wants the error of a replica that hears no majority.
func refused(t *testing.T, id, what string, err error) {
	t.Helper()
	var failure *client.Error
	if !errors.As(err, &failure) ||
		!slices.Contains([]protocol.Code{protocol.CodeNoQuorum, protocol.CodeTimeout}, failure.Code) {
		t.Errorf("%s at %s, which hears no majority: %v", what, id, err)
		return
	}
	t.Logf("%s at %s, which hears no majority: %v", what, id, err)
}

func TestAMinorityRefusesAndTheMajorityServes(t *testing.T) {
	c := NewCluster(t, Options{})
	leader := c.Leader()
	minority := []string{leader, c.others(leader)[0]}
	majority := c.others(minority...)
	load := c.StartLoad(LoadOptions{Clients: 15, Impatient: 5, Timeout: 4 * time.Second})
	load.AwaitWrites(200)
	cut := load.Now()
	c.Part(minority, majority)
	load.AwaitWrites(200)
	served := load.Now()
	for _, id := range majority {
		if _, err := putAt(c, id, Patience); err != nil {
			t.Errorf("an update at %s of the majority: %v", id, err)
		}
		if err := getAt(c, id, Patience); err != nil {
			t.Errorf("a read at %s of the majority: %v", id, err)
		}
	}
	for _, id := range minority {
		_, err := putAt(c, id, time.Second)
		refused(t, id, "update", err)
		refused(t, id, "read", getAt(c, id, time.Second))
	}
	if now := c.Leader(); slices.Contains(minority, now) {
		t.Errorf("%s of the minority leads", now)
	}
	c.unknown += len(minority)
	h := mended(t, c, load, uint64(len(majority)))
	if gap := h.LongestGap(cut, served); gap > gapPartedMax {
		t.Errorf("no update for %v", gap)
	} else {
		t.Logf("longest time without an update %v", gap.Round(time.Millisecond))
	}
}

func TestLossyLinksAndASlowOne(t *testing.T) {
	c := NewCluster(t, Options{})
	load := c.StartLoad(LoadOptions{Clients: 15, Timeout: 5 * time.Second})
	load.AwaitWrites(200)
	lossy := load.Now()
	c.BreakAll(protocol.LinkControl{LossPermille: 300})
	load.Run(pick(2*time.Second, 3*time.Second, 30*time.Second))
	load.AwaitWrites(100)
	whole := load.Now()
	c.Mend()
	leader := c.Leader()
	slow := c.others(leader)[0]
	before := changed(c, leader)
	began := load.Now()
	c.Break(leader, protocol.LinkControl{
		Peers: []string{slow}, Direction: protocol.DirectionBoth, DelayMicros: 50_000, JitterMicros: 10_000,
	})
	load.Run(pick(time.Second, 2*time.Second, 10*time.Second))
	if _, err := putAt(c, slow, Patience); err != nil {
		t.Errorf("an update behind the slow link: %v", err)
	}
	ended := load.Now()
	steady(t, c, leader, before)
	h := mended(t, c, load, 1)
	t.Logf("longest time without an update: %v with a loss of 30 %%, %v with one slow link",
		h.LongestGap(lossy, whole).Round(time.Millisecond), h.LongestGap(began, ended).Round(time.Millisecond))
}

// TestALeaderThatOnlySomeCanHear: the replicas stand in a line and hear their neighbours only, the leader at its end.
// One in the middle must take over and keep the lead, though those at the other end never hear it.
func TestALeaderThatOnlySomeCanHear(t *testing.T) {
	c := NewCluster(t, Options{})
	old := c.Leader()
	line := append([]string{old}, c.others(old)...)
	load := c.StartLoad(LoadOptions{Clients: 15, Timeout: 4 * time.Second})
	load.AwaitWrites(200)
	cut := load.Now()
	c.Chain(line)
	load.AwaitWrites(200)
	served := load.Now()
	leader := c.Leader()
	if at := slices.Index(line, leader); at < 1 || at > 3 {
		t.Errorf("%s leads in the line %v, which hears no majority", leader, line)
	}
	before := changed(c, leader)
	load.Run(pick(2*time.Second, 3*time.Second, 20*time.Second))
	if _, err := putAt(c, leader, Patience); err != nil {
		t.Errorf("an update at the leader: %v", err)
	}
	steady(t, c, leader, before)
	ended := load.Now()
	h := mended(t, c, load, 1)
	gap := h.LongestGap(cut, served)
	t.Logf("in the line %v %s leads; longest time without an update %v, then %v", line, leader,
		gap.Round(time.Millisecond), h.LongestGap(served, ended).Round(time.Millisecond))
	if gap > 2*gapPartedMax {
		t.Errorf("no update for %v", gap)
	}
}

func TestFaultsOfLinksEndByTimeAndByID(t *testing.T) {
	c := NewCluster(t, Options{})
	leader := c.Leader()
	one, other := c.others(leader)[0], c.others(leader)[1]
	brief := c.Break(one, protocol.LinkControl{
		Peers: []string{leader, other}, Direction: protocol.DirectionBoth, Cut: true, ForMillis: 1500,
	})
	lasting := c.Break(one, protocol.LinkControl{
		Peers: []string{other}, Direction: protocol.DirectionIn, LossPermille: 250, DelayMicros: 1000,
	})
	listed := c.Faults(one)
	if len(brief) != 2 || len(lasting) != 1 || len(listed) != 3 {
		t.Fatalf("ids %v and %v, faults %+v", brief, lasting, listed)
	}
	if f := listed[2]; f.ID != lasting[0] || f.Kind != "delay" || f.Peer != other || f.Direction != protocol.DirectionIn ||
		f.LossPermille != 250 || f.DelayMicros != 1000 || !strings.HasPrefix(f.Owner, "ordeal@") ||
		f.Fault != "delay "+other+">"+one+" 1ms loss 25%" || f.Until.Sub(f.Since) != c.Config.Faults.TTL {
		t.Errorf("listed as %+v", f)
	}
	c.WaitOutput(one, 0, "fault injected", "cut "+one+"<>"+leader, "owner=ordeal@", "life_ms=1500", "seed=")
	c.WaitOutput(one, 0, "fault healed", "cut "+one+"<>"+leader, "its time was over")
	c.WaitOutput(one, 0, "fault healed", "cut "+one+"<>"+other, "its time was over")
	if listed = c.Faults(one); len(listed) != 1 || listed[0].ID != lasting[0] {
		t.Errorf("after the time of two: %+v", listed)
	}
	more := c.Break(one, protocol.LinkControl{Direction: protocol.DirectionOut, LossPermille: 10})
	ended := more[1]
	err := c.Operate(one, func(ctx context.Context, o *client.Operator) error {
		_, err := o.Clear(ctx, protocol.FaultClear{IDs: []uint64{ended, ended, 999}, Owner: "ordeal"})
		return err
	})
	listed = c.Faults(one)
	gone := !slices.ContainsFunc(listed, func(f protocol.FaultStatus) bool { return f.ID == ended })
	if err != nil || len(more) != replicas-1 || len(listed) != len(more) || !gone {
		t.Errorf("of %v number %d was ended, left are %+v, %v", more, ended, listed, err)
	}
	c.Mend()
	serves(t, c)
}
