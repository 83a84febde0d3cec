package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synod/core/paxos"
	"synod/protocol/client"
)

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l := open(t, "127.0.0.1:0")
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// initAt runs init of one replica, or of all if it has no name, on an empty disk and
// with a configuration in which r1 to r3 have these addresses for clients, as far as
// they are given, and else free ones.
func initAt(t *testing.T, replica, cluster string, clients ...string) (output, warning string, err error) {
	t.Helper()
	folder := t.TempDir()
	var text strings.Builder
	for len(clients) < 3 {
		clients = append(clients, freeAddress(t))
	}
	for i, address := range clients {
		fmt.Fprintf(&text, "[replicas.r%d]\nclient = %q\npeer = %q\n", i+1, address, freeAddress(t))
	}
	fmt.Fprintf(&text, "[storage]\ndir = %q\nsegment = \"2MiB\"\n", filepath.Join(folder, "data"))
	path := filepath.Join(folder, "config.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, warn bytes.Buffer
	err = initialise(&flags{config: path, replica: replica, cluster: cluster}, &out, &warn)
	if _, missing := os.Stat(filepath.Join(folder, "data")); err != nil && missing == nil {
		t.Errorf("init made folders and then refused: %v", err)
	}
	return out.String(), warn.String(), err
}

func wantInitRefused(t *testing.T, err error, words ...string) {
	t.Helper()
	if codeOfExit(err) != exitUsage {
		t.Fatalf("init ended with %v, want a refusal", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("no %q in the refusal: %v", w, err)
		}
	}
}

func TestInitRefusesAReplicaOfAClusterThatHasBegun(t *testing.T) {
	c := newCluster(t, 3)
	own, other := paxos.ClusterID{1}.String(), paxos.ClusterID{2}.String()
	addresses := []string{c.config.Replicas[0].Client, c.config.Replicas[1].Client, c.config.Replicas[2].Client}
	if _, err := c.client().Put(context.Background(), []byte("k"), []byte("v"), client.At("r1")); err != nil {
		t.Fatal(err)
	}
	_, _, err := initAt(t, "r3", own, addresses...)
	wantInitRefused(t, err, "cluster has begun", "nothing was changed")
	c.stop(2)
	_, _, err = initAt(t, "r3", own, addresses...)
	wantInitRefused(t, err, "cluster has begun: r1 has applied up to slot ", "without its memory must not vote",
		"start it without init", "recovers from the others", "before the first is started", "nothing was changed")
	for _, id := range []string{other, "new"} {
		_, _, err = initAt(t, "r3", id, addresses...)
		wantInitRefused(t, err, "r1 of another cluster runs, "+own)
	}
	_, _, err = initAt(t, "", "", addresses...)
	wantInitRefused(t, err, "r1 of another cluster runs, "+own)
	// A replica at an address that is not its own is noticed as well.
	_, _, err = initAt(t, "r1", other, freeAddress(t), freeAddress(t), addresses[0])
	wantInitRefused(t, err, "the address of r3", "r1 of another cluster")
}

func TestInitGoesOnBesideAReplicaThatKnowsNothingYet(t *testing.T) {
	c := newCluster(t, 3)
	for i := range c.running {
		c.stop(i)
	}
	// Begin anew and start one of three: it can neither vote nor promise.
	if err := os.RemoveAll(c.config.ReplicaDir("r1")); err != nil {
		t.Fatal(err)
	}
	if err := initialiseOne(c.config, c.config.Replicas[0], paxos.ClusterID{1}); err != nil {
		t.Fatal(err)
	}
	c.start(0, nil, nil)
	id, gone := paxos.ClusterID{1}.String(), freeAddress(t)
	output, warning, err := initAt(t, "r3", id, c.config.Replicas[0].Client, gone, freeAddress(t))
	if err != nil || !strings.Contains(output, id) {
		t.Errorf("init beside a replica that knows nothing: %q, %v", output, err)
	}
	if !strings.Contains(warning, "nobody answers for r2 ("+gone+")") {
		t.Errorf("who could not be asked is not told: %q", warning)
	}
	if _, _, err = initAt(t, "r1", id, c.config.Replicas[0].Client, gone); err == nil ||
		!strings.Contains(err.Error(), "runs already") {
		t.Errorf("init of a replica that runs: %v", err)
	}
}

func TestInitWarnsOfTheAbsentAndRefusesBesideTheSilent(t *testing.T) {
	id := paxos.ClusterID{1}.String()
	if _, warning, err := initAt(t, "r1", "new", freeAddress(t), freeAddress(t)); err != nil || warning != "" {
		t.Errorf("the first replica of a new cluster: warning %q, error %v", warning, err)
	}
	stranger := open(t, "127.0.0.1:0")
	defer func() { _ = stranger.Close() }()
	go func() { // a program of another kind: it hangs up
		for {
			conn, err := stranger.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	_, warning, err := initAt(t, "r1", id, freeAddress(t), stranger.Addr().String())
	if err != nil || !strings.Contains(warning, "r2") || strings.Contains(warning, "r1") {
		t.Errorf("beside a stranger: warning %q, error %v", warning, err)
	}
	halted, err := net.Listen("tcp", "127.0.0.1:0") // as a process that was stopped: the kernel takes connections
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = halted.Close() }()
	_, _, err = initAt(t, "r1", id, freeAddress(t), halted.Addr().String())
	wantInitRefused(t, err, halted.Addr().String(), "does not say who it is")
}
