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
// makes the first, so that a refusal leaves nothing behind.
func initialise(f *flags, out io.Writer) error {
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
	for _, r := range replicas {
		if err := initialiseOne(c, r, cluster); err != nil {
			return fail(exitFailure, fmt.Errorf("begin %s: %w", r.ID, err))
		}
	}
	for _, r := range replicas {
		if _, err := fmt.Fprintf(out, "%s begins in %s\n", r.ID, c.ReplicaDir(r.ID)); err != nil {
			return fail(exitFailure, err)
		}
	}
	_, err = fmt.Fprintf(out, "cluster id %s\n", cluster)
	return fail(exitFailure, err)
}

func clusterFor(f *flags) (paxos.ClusterID, error) {
	switch {
	case f.replica != "" && f.cluster == "":
		return paxos.ClusterID{}, errors.New("one replica alone needs the id of its cluster: " +
			"give --cluster-id ID as the other replicas have it, or --cluster-id new for the first one")
	case f.cluster != "" && f.cluster != "new":
		return identity.ParseCluster(f.cluster)
	}
	var id paxos.ClusterID
	if _, err := rand.Read(id[:]); err != nil {
		return id, fmt.Errorf("draw a cluster id: %w", err)
	}
	return id, nil
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
	if err := agent.CreateAcceptor(self, s.acceptorOptions()); err != nil {
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
