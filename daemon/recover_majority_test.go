package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"synod/daemon/identity"
	"synod/protocol/client"
)

// configFile writes the cluster's configuration for a command, with another folder of state.
func (c *cluster) configFile(dir string) string {
	c.t.Helper()
	var text strings.Builder
	for _, r := range c.config.Replicas {
		fmt.Fprintf(&text, "[replicas.%s]\nclient = %q\npeer = %q\n", r.ID, r.Client, r.Peer)
	}
	fmt.Fprintf(&text, "[storage]\ndir = %q\nsegment = \"2MiB\"\nkeep = \"1MiB\"\n", dir)
	path := filepath.Join(c.t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// loseMajority stops all, takes two of three replicas their state, looks whether the cluster says so and takes nothing,
// and stops all again.
func (c *cluster) loseMajority() {
	c.t.Helper()
	for i := range 3 {
		c.stop(i)
	}
	for _, id := range []string{"r2", "r3"} {
		lose(c.t, filepath.Join(c.config.ReplicaDir(id), "acceptor"))
		lose(c.t, filepath.Join(c.config.ReplicaDir(id), identity.StoreDir))
	}
	for i := range 3 {
		c.start(i, nil, nil)
	}
	c.until(1, "the reason", func(d *daemon) bool {
		s := d.Status()
		return s.Roles[1].State == "recovering" && strings.Contains(s.Roles[1].Cause, "synodd recover")
	})
	short, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	writer, err := client.Open(short, client.Endpoints(c.config), client.WithTimeout(time.Second))
	if err == nil {
		_, err = writer.Put(short, []byte("k"), []byte("v"), client.Retrying(client.Never))
		_ = writer.Close() // it only ends goroutines
	}
	if err == nil {
		c.t.Error("a majority without memory has taken a put")
	}
	for i := range 3 {
		c.stop(i)
	}
}

// When a majority has lost its memory the cluster stops and says so; what is left becomes a new cluster, by a plan that
// is shown first, and the old replicas are kept out of it.
func TestMajorityLost(t *testing.T) {
	c := newForgetfulCluster(t, 3)
	ctx := context.Background()
	must[client.Info](t)(c.client().Put(ctx, []byte("first"), []byte("value")))
	c.fill(4)
	must[client.Info](t)(c.client().Put(ctx, []byte("last"), []byte("word")))
	c.until(0, "the last update", func(d *daemon) bool { return d.Status().Applied == d.Status().Chosen })
	c.loseMajority()
	old, err := identity.Read(c.config.ReplicaDir("r1"))
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "rescued")
	f := &flags{config: c.configFile(c.config.Storage.Dir)}
	var plan bytes.Buffer
	if err := recoverCluster(f, out, "", &plan); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"log does not exist", "plan: the applied state of r1", "may be lost", "dry run"} {
		if !strings.Contains(plan.String(), words) {
			t.Errorf("the plan does not say %q:\n%s", words, plan.String())
		}
	}
	if err := recoverCluster(f, out, strings.Repeat("5a", 16), &plan); codeOfExit(err) != exitUsage {
		t.Errorf("another cluster's id: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Fatal("something was made without consent")
	}
	if err := recoverCluster(f, out, old.Cluster.String(), &plan); err != nil {
		t.Fatal(err)
	}
	if err := recoverCluster(f, out, old.Cluster.String(), &plan); codeOfExit(err) != exitUsage {
		t.Errorf("a folder that exists: %v", err)
	}
	c.config.Storage.Dir = out
	for i := range 3 {
		c.start(i, nil, nil)
	}
	for i := range 3 {
		c.untilNormal(i)
		own := c.client(client.WithReplica(c.config.Replicas[i].ID))
		for key, want := range map[string]string{"first": "value", "last": "word"} {
			if got := must[client.Value](t)(own.Get(ctx, []byte(key))); string(got.Value) != want {
				t.Errorf("r%d of the new cluster has %q under %q", i+1, got.Value, key)
			}
		}
	}
	c.expectServing(2, 0, "k", "v")
	if now := c.running[0].daemon.self.Cluster; now == old.Cluster {
		t.Error("the new cluster has the id of the old one")
	}
	audit, err := os.ReadFile(filepath.Join(out, "r2", auditName))
	if err != nil || !strings.Contains(string(audit), old.Cluster.String()) {
		t.Errorf("the audit record is %q, %v", audit, err)
	}
}
