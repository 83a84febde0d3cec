package processtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"synod/protocol"
)

// TestAStormOfBrokenLinks breaks links at random, each direction for itself, several ways at once, and mends them by
// their time: whatever can be heard by whom, histories stay linearizable.
func TestAStormOfBrokenLinks(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv(seedEnvironment); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("replay with %s=%d", seedEnvironment, seed)
	random := rand.New(rand.NewPCG(seed, 1))
	c := NewCluster(t, Options{})
	load := c.StartLoad(LoadOptions{Clients: 20, Impatient: 5, Timeout: 4 * time.Second})
	load.AwaitWrites(200)
	broken := 0
	for begin := time.Now(); time.Since(begin) < pick(3*time.Second, 5*time.Second, time.Minute); {
		for range 2 + random.IntN(6) {
			id := c.Config.ReplicaIDs()[random.IntN(replicas)]
			broken += len(c.Break(id, drawBreak(random, c.others(id))))
		}
		load.Run(time.Duration(100+random.IntN(400)) * time.Millisecond)
	}
	end := load.Now()
	h := mended(t, c, load, 0)
	t.Logf("%d faults of links; longest time without an update %v", broken, h.LongestGap(0, end).Round(time.Millisecond))
}

// drawBreak draws an order to break links to one or two of these replicas for a while.
func drawBreak(random *rand.Rand, others []string) protocol.LinkControl {
	random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	m := protocol.LinkControl{
		Peers: others[:1+random.IntN(2)], ForMillis: int64(100 + random.IntN(1500)),
		Direction: []string{protocol.DirectionOut, protocol.DirectionIn, protocol.DirectionBoth}[random.IntN(3)],
	}
	switch random.IntN(4) {
	case 0, 1:
		m.Cut = true
	case 2:
		m.LossPermille = 100 + random.IntN(800)
	case 3:
		m.DelayMicros, m.JitterMicros = int64(random.IntN(100_000)), int64(1+random.IntN(100_000))
	}
	return m
}
