package processtest

import (
	"os"
	"strings"
	"testing"
)

// TestALostDiskIsNotBegunAnew: whoever lost the folder of a replica and runs init for it, with the right id, does not
// get a voter that has forgotten its votes.
func TestALostDiskIsNotBegunAnew(t *testing.T) {
	c := NewCluster(t, Options{})
	serveTogether(t, c, "r1")
	c.Kill(victim)
	lost := c.Config.ReplicaDir(victim)
	if err := os.RemoveAll(lost); err != nil {
		t.Fatal(err)
	}
	again := []string{"init", "--config", c.ConfigFile, "--replica", victim, "--cluster-id"}
	wantRefusal(t, c, exitUsage, []string{
		"this cluster has begun", "has applied up to slot", "must not vote", "start it without init", "nothing was changed",
	}, append(again, c.ClusterID)...)
	wantRefusal(t, c, exitUsage, []string{"of another cluster runs, " + c.ClusterID},
		append(again, strings.Repeat("5a", len(c.ClusterID)/2))...)
	c.Halt("r1") // who does not answer may have voted: the others are not even needed to refuse
	c.Kill("r2", "r3", "r4")
	wantRefusal(t, c, exitUsage, []string{"does not say who it is", c.Endpoint("r1").Address},
		append(again, c.ClusterID)...)
	c.Continue("r1")
	if _, err := os.Stat(lost); err == nil {
		t.Errorf("%s was made, although init refused", lost)
	}
	c.Kill("r1")
	wantRefusal(t, c, exitUsage, []string{"no identity", "do not run init"}, atVictim(c)...) // nobody knows of a cluster
}
