package processtest

import (
	"testing"
	"time"
)

// gapMax is the longest time without an acknowledged update after the death of a leader: a promise of the product.
const gapMax = 1500 * time.Millisecond

// watchGap is how long updates are watched after a death.
const watchGap = 3 * time.Second

func TestTwoKilledUnderLoad(t *testing.T) {
	c := NewCluster(t, Options{})
	for round := range pick(1, 3, 10) {
		load := c.StartLoad(LoadOptions{Clients: 64, Impatient: 12})
		load.AwaitWrites(500)
		first, killed := c.Leader(), load.Now()
		c.Kill(first)
		load.Run(watchGap)
		end := load.Now()
		if next := c.Leader(); next == first {
			t.Errorf("%s leads, although it was killed", next)
		}
		second := c.Running()[round%4]
		secondKilled := load.Now()
		c.Kill(second)
		load.AwaitWrites(500)
		c.Start(first, second)
		load.AwaitWrites(500)
		secondEnd := load.Now()
		h := load.Stop()
		c.WaitEqual(Patience)
		gap := h.LongestGap(killed, end)
		t.Logf("round %d: leader %s killed, longest gap %v; then %s killed, longest gap %v", round+1, first,
			gap.Round(time.Millisecond), second, h.LongestGap(secondKilled, secondEnd).Round(time.Millisecond))
		if gap >= gapMax {
			t.Errorf("no update for %v after the death of the leader, allowed are %v", gap, gapMax)
		}
		judge(t, c, h)
	}
}
