package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"synod/core/config"
	"synod/core/paxos"
	"synod/daemon/identity"
)

const (
	// askPause is the pause between two rounds of questions to the other replicas.
	askPause = time.Second
	// tellPause is the pause between two lines about the wait for them.
	tellPause = 10 * time.Second
)

// lostIdentity decides what an empty folder means. If the others know the cluster,
// the disk of this replica is lost: it gets its identity back from them, and its
// acceptor then recovers its memory from theirs. If nobody knows a cluster, none was
// ever begun as far as can be seen from here, and none is given: the error.
func lostIdentity(c *config.Config, r config.Replica, dir string, none error, tell io.Writer) (identity.Identity, error) {
	others := slices.DeleteFunc(slices.Clone(c.Replicas), func(o config.Replica) bool { return o.ID == r.ID })
	var told time.Time
	for {
		cluster, knowing := clusterKnown(askNeighbours(others))
		if knowing == 0 {
			return identity.Identity{}, none
		}
		if err := onlyLock(dir); err != nil {
			return identity.Identity{}, fail(exitDamaged, err)
		}
		if knowing >= c.Majority() {
			return beginLost(c, r, dir, cluster)
		}
		if time.Since(told) >= tellPause {
			told = time.Now()
			_, err := fmt.Fprintf(tell, "no identity in %q: this replica has lost its disk or was never begun; %d other "+
				"replicas know cluster %s, %d are needed to come back into it; waiting for them\n",
				dir, knowing, cluster, c.Majority())
			if err != nil {
				return identity.Identity{}, fail(exitFailure, err)
			}
		}
		time.Sleep(askPause)
	}
}

// clusterKnown counts who of the neighbours knows the cluster that most of them know.
func clusterKnown(found []neighbour) (cluster string, knowing int) {
	counts := map[string]int{}
	for _, n := range found {
		if n.hello == nil || n.hello.Replica != n.replica.ID || len(n.hello.Replicas) != len(found)+1 {
			continue
		}
		id := n.hello.Cluster
		if counts[id]++; counts[id] > knowing {
			cluster, knowing = id, counts[id]
		}
	}
	return cluster, knowing
}

// onlyLock is an error if a folder without identity holds anything else: state whose
// owner nobody knows is never used, and never removed.
func onlyLock(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the data directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() != identity.LockName {
			return fmt.Errorf("no identity in %q, but %s is there: restore identity.toml from a backup of this replica, "+
				"or move the folder away and start again: the replica then recovers from the others", dir, e.Name())
		}
	}
	return nil
}

// beginLost makes the identity anew. Its incarnation is that of a first life, but
// there is no log: the acceptor asks the others for a number that was never used.
func beginLost(c *config.Config, r config.Replica, dir, cluster string) (identity.Identity, error) {
	id := identity.Identity{
		Replica: paxos.ReplicaID(r.Number), Incarnation: 1, Replicas: len(c.Replicas), Created: time.Now(),
	}
	var err error
	if id.Cluster, err = identity.ParseCluster(cluster); err != nil {
		return id, fail(exitFailure, err)
	}
	if err := identity.Begin(dir); err != nil && !errors.Is(err, identity.ErrExists) {
		return id, fail(exitFailure, err)
	}
	return id, fail(exitFailure, identity.Write(dir, id))
}
