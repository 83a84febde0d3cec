package processtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// seedEnvironment replays a storm: the same seed does the same things to the same replicas. When they hit what, the
// machine decides.
const seedEnvironment = "SYNOD_STORM_SEED"

func TestAStormOfDeathsHaltsAndFailingRoles(t *testing.T) {
	long(t)
	seed := rand.Uint64()
	if text := os.Getenv(seedEnvironment); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("replay with %s=%d", seedEnvironment, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := NewCluster(t, Options{Faults: randomFaults})
	for range pick(1, 1, 12) {
		load := c.StartLoad(LoadOptions{Clients: 20, Impatient: 5, Timeout: 4 * time.Second})
		for begin := time.Now(); time.Since(begin) < 10*time.Second; {
			strike(c, load, random)
		}
		chaos(t, c, false)
		updates := serves(t, c)
		h := load.Stop()
		h.Before += updates // they were not the load's
		c.WaitEqual(Patience)
		judge(t, c, h)
		chaos(t, c, true)
	}
}

// strike does something to one or two replicas, lets it work, and ends it. All live and run afterwards.
func strike(c *Cluster, load *Load, random *rand.Rand) {
	ids := c.Config.ReplicaIDs()
	random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	victims := ids[:1+random.IntN(2)]
	lasting := time.Duration(random.IntN(1200)) * time.Millisecond
	switch random.IntN(4) {
	case 0, 1:
		c.Kill(victims...)
		load.Run(lasting)
		c.Start(victims...)
	case 2:
		for _, id := range victims {
			c.Halt(id)
		}
		load.Run(lasting)
		for _, id := range victims {
			c.Continue(id)
		}
	case 3:
		c.Kill(ids...)
		c.Start(ids...)
	}
	load.Run(time.Duration(random.IntN(600)) * time.Millisecond)
}
