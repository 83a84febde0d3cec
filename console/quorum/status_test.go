package quorum

import (
	"testing"

	"synod/protocol"
)

func status(leader string, faults ...protocol.FaultStatus) *protocol.Status {
	return &protocol.Status{Leader: leader, Faults: faults, Roles: []protocol.RoleStatus{
		{Role: Proposer, State: "following"}, {Role: Acceptor, State: "normal"}, {Role: Learner, State: "normal"},
	}}
}

func TestOfStatuses(t *testing.T) {
	ids := []string{"r1", "r2", "r3", "r4", "r5"}
	paused := status("r1")
	paused.Roles[1].State = "paused"
	c := Of(ids, []*protocol.Status{
		status("r1", protocol.FaultStatus{Kind: "cut", Peer: "r2", Direction: protocol.DirectionOut}),
		status("", protocol.FaultStatus{Kind: "delay", Peer: "r3", Direction: protocol.DirectionBoth, DelayMicros: 9}),
		status("r3", protocol.FaultStatus{Kind: "cut", Peer: "r4", Direction: protocol.DirectionIn},
			protocol.FaultStatus{Kind: "loss", Peer: "r1", Direction: protocol.DirectionBoth, LossPermille: 1000}),
		paused,
		nil,
	})
	cut := map[string]bool{"r1>r2": true, "r4>r3": true, "r3>r1": true, "r1>r3": true}
	for _, from := range ids {
		for _, to := range ids {
			if c.Passes(from, to) == cut[from+">"+to] {
				t.Errorf("%s>%s passes: %v", from, to, c.Passes(from, to))
			}
		}
	}
	if c.Works("r4", Acceptor) || !c.Works("r4", Proposer) || c.Works("r5", Learner) || !c.Works("r1", AllRoles) {
		t.Errorf("roles: %+v", c.replicas)
	}
	if c.leader != "r1" {
		t.Errorf("leader %q", c.leader)
	}
}
