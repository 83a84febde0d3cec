package quorum

import (
	"slices"

	"synod/protocol"
)

// LossPermilleCut is the loss from which a link counts as cut: what still passes carries no service.
const LossPermilleCut = 900

// idleStates are the states in which a role does not do its work. Any other word, such as "leading" or "normal", is
// that of a role that works.
var idleStates = []string{"", "down", "paused", "refusing", "recovering"}

// WorksIn tells whether a role in this state, in the words of a replica, does its work.
func WorksIn(state string) bool { return !slices.Contains(idleStates, state) }

// Of makes a Cluster of what the replicas say: their roles, and the links that injected faults cut. The statuses are in
// the order of the ids; one without a fresh status, nil, counts as down. The leader is who most of them name.
func Of(ids []string, statuses []*protocol.Status) Cluster {
	replicas := make([]Replica, len(ids))
	named := map[string]int{}
	for i, id := range ids {
		replicas[i] = Replica{ID: id}
		if statuses[i] == nil {
			continue
		}
		named[statuses[i].Leader]++
		for _, role := range statuses[i].Roles {
			if WorksIn(role.State) {
				replicas[i].set(role.Role, true)
			}
		}
	}
	leader := ""
	for _, id := range ids {
		if named[id] > named[leader] || leader == "" && named[id] > 0 {
			leader = id
		}
	}
	c := New(replicas, leader)
	for i, id := range ids {
		if statuses[i] == nil {
			continue
		}
		for _, fault := range statuses[i].Faults {
			if Silences(&fault) {
				c = c.CutAt(id, fault.Peer, fault.Direction)
			}
		}
	}
	return c
}

// Silences tells whether a fault of a link lets nothing through that matters.
func Silences(f *protocol.FaultStatus) bool {
	return f.Peer != "" && (f.Kind == "cut" || f.LossPermille >= LossPermilleCut)
}

// CutAt gives the cluster in which a replica drops what it sends to a peer, what it receives from it, or both, in the
// words of protocol.LinkControl.
func (c Cluster) CutAt(replica, peer, direction string) Cluster {
	if direction != protocol.DirectionIn {
		c = c.Cut(replica, peer)
	}
	if direction != protocol.DirectionOut {
		c = c.Cut(peer, replica)
	}
	return c
}
