package processtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// These tests break the promise on purpose, on real processes. A verdict that passes them is worth nothing.

func TestTheVerdictCatchesStaleReads(t *testing.T) {
	c := NewCluster(t, Options{})
	load := c.StartLoad(LoadOptions{Clients: 24, Stale: true})
	load.AwaitWrites(3000)
	h := load.Stop()
	c.ReadAll(h)
	for _, check := range []func() error{h.checkLost, h.checkLinearizable} {
		if check() == nil {
			t.Errorf("reads that may be stale pass the verdict: %v", h)
		}
	}
	if err := h.checkValues(); err != nil {
		t.Errorf("stale reads are old, not wrong: %v", err)
	}
}

func TestTheVerdictCatchesALostDisk(t *testing.T) {
	c := NewCluster(t, Options{Unstarted: true})
	data, backup := c.Config.Storage.Dir, filepath.Join(c.Folder, "backup")
	if err := os.CopyFS(backup, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	c.Start(c.Config.ReplicaIDs()...)
	c.WaitLeader(Patience)
	load := c.StartLoad(LoadOptions{Clients: 8})
	load.AwaitWrites(500)
	h := load.Stop()
	c.Kill(c.Config.ReplicaIDs()...)
	// All disks at once are as they were at the beginning: no protocol can help.
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup, data); err != nil {
		t.Fatal(err)
	}
	c.Start(c.Config.ReplicaIDs()...)
	c.WaitLeader(Patience)
	c.ReadAll(h)
	if err := h.checkLost(); err == nil || !strings.Contains(err.Error(), "lost or stale") {
		t.Errorf("the verdict on lost disks is %v", err)
	}
	if h.checkLinearizable() == nil {
		t.Error("the judge accepts lost disks")
	}
}
