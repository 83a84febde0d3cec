package processtest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"synod/protocol"
	"synod/protocol/client"
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

// TestTheVerdictCatchesReadsWithoutARound: a follower that hears late answers from its own store at once. Without the
// bug the same load on the same slow link is linearizable.
func TestTheVerdictCatchesReadsWithoutARound(t *testing.T) {
	for _, mutant := range []string{"M27b", ""} {
		name := mutant
		if name == "" {
			name = "none"
		}
		t.Run(name, func(t *testing.T) {
			c := NewCluster(t, Options{Mutant: mutant})
			leader := c.Leader()
			late := c.Config.ReplicaIDs()[0]
			if late == leader {
				late = c.Config.ReplicaIDs()[1]
			}
			s, err := c.Status(late)
			if err != nil || strings.Contains(s.Version, "mutant") != (mutant != "") {
				t.Errorf("with the bug %q the status says version %q, %v", mutant, s.Version, err)
			}
			delay := protocol.LinkControl{Direction: protocol.DirectionIn, DelayMicros: 20_000, Owner: "test"}
			if err := c.Operate(late, func(ctx context.Context, o *client.Operator) error {
				_, err := o.Link(ctx, delay)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			load := c.StartLoad(LoadOptions{Clients: 12})
			load.AwaitWrites(1000)
			h := load.Stop()
			if mutant == "" {
				judge(t, c, h)
				return
			}
			if h.checkLost() == nil || h.checkLinearizable() == nil {
				t.Errorf("reads without a round pass the verdict: %v", h)
			}
			if err := h.checkValues(); err != nil {
				t.Errorf("such reads are old, not wrong: %v", err)
			}
			c.WaitOutput(late, 0, "level=ERROR", "planted", mutant)
		})
	}
}

func TestAProductRefusesAPlantedBug(t *testing.T) {
	c := NewCluster(t, Options{Unstarted: true})
	c.more = []string{"SYNOD_MUTANT=M27b"}
	c.Start("r1")
	if code := c.Await("r1"); code != 2 || !strings.Contains(c.Output("r1"), "build it with -tags mutants") {
		t.Errorf("exit code %d: %s", code, c.Output("r1"))
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
