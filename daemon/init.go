package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"synod/core/agent"
	"synod/core/config"
	"synod/core/paxos"
	"synod/daemon/identity"
)

// initialise makes the folders of one replica or of all. It checks all before it
// makes the first, so that a refusal leaves nothing behind. Warnings go to warn.
func initialise(f *flags, out, warn io.Writer) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	cluster, err := clusterFor(f)
	if err != nil {
		return fail(exitUsage, err)
	}
	replicas := c.Replicas
	if f.replica != "" {
		one, ok := c.Replica(f.replica)
		if !ok {
			return fail(exitUsage, unknownReplica(f.replica, c))
		}
		replicas = []config.Replica{one}
	}
	for _, r := range replicas {
		dir := c.ReplicaDir(r.ID)
		if _, err := os.Lstat(dir); err == nil {
			return fail(exitUsage, fmt.Errorf("data directory %q %w, nothing was changed: "+
				"start the replica, or remove it only if its cluster is not needed any more", dir, identity.ErrExists))
		}
	}
	warning, err := checkNeighbours(c, replicas, cluster)
	if err != nil {
		return fail(exitUsage, err)
	}
	if warning != "" {
		_, _ = fmt.Fprintf(warn, "warning: %s\n", warning) // nothing is better told elsewhere
	}
	for _, r := range replicas {
		if err := initialiseOne(c, r, cluster.id); err != nil {
			return fail(exitFailure, fmt.Errorf("begin %s: %w", r.ID, err))
		}
	}
	for _, r := range replicas {
		if _, err := fmt.Fprintf(out, "%s begins in %s\n", r.ID, c.ReplicaDir(r.ID)); err != nil {
			return fail(exitFailure, err)
		}
	}
	_, err = fmt.Fprintf(out, "cluster id %s\n", cluster.id)
	return fail(exitFailure, err)
}

// clusterChoice is the cluster that init begins or continues.
type clusterChoice struct {
	id    paxos.ClusterID
	drawn bool // just now: nobody can know it yet
}

func clusterFor(f *flags) (clusterChoice, error) {
	switch {
	case f.replica != "" && f.cluster == "":
		return clusterChoice{}, errors.New("one replica alone needs the id of its cluster: " +
			"give --cluster-id ID as the other replicas have it, or --cluster-id new for the first one")
	case f.cluster != "" && f.cluster != "new":
		id, err := identity.ParseCluster(f.cluster)
		return clusterChoice{id: id}, err
	}
	choice := clusterChoice{drawn: true}
	if _, err := rand.Read(choice.id[:]); err != nil {
		return choice, fmt.Errorf("draw a cluster id: %w", err)
	}
	return choice, nil
}

// initialiseOne makes one folder. The identity comes last: a folder without it
// was never begun.
func initialiseOne(c *config.Config, r config.Replica, cluster paxos.ClusterID) error {
	s := settings{config: c, dir: c.ReplicaDir(r.ID), identity: identity.Identity{
		Cluster: cluster, Replica: paxos.ReplicaID(r.Number), Incarnation: 1, Replicas: len(c.Replicas), Created: time.Now(),
	}}
	if err := identity.Begin(s.dir); err != nil {
		return err
	}
	self := paxos.Config{
		Cluster: cluster, Self: s.identity.Replica, Replicas: s.identity.Replicas, Incarnation: s.identity.Incarnation,
	}
	if err := agent.CreateAcceptor(self, s.acceptorOptions(s.identity)); err != nil {
		return fmt.Errorf("make the acceptor's log: %w", err)
	}
	return identity.Write(s.dir, s.identity)
}

func unknownReplica(id string, c *config.Config) error {
	hint := ""
	if near := config.Nearest(id, c.ReplicaIDs()); near != "" {
		hint = fmt.Sprintf(", did you mean %q?", near)
	}
	return fmt.Errorf("replica %q is not in the configuration, which has %v%s", id, c.ReplicaIDs(), hint)
}
