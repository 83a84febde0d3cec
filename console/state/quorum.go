package state

import (
	"strings"

	"synod/console/quorum"
	"synod/protocol"
)

// Quorum gives the roles and links of now, from which package quorum computes what the cluster can do: what the
// replicas say, without those that do not answer and without the links that have no connection.
func (c *Console) Quorum() quorum.Cluster {
	count := min(len(c.Replicas), quorum.ReplicasMax)
	ids, statuses := make([]string, count), make([]*protocol.Status, count)
	for i := range ids {
		o := &c.Replicas[i]
		ids[i] = o.ID
		if o.Fresh(c.Now) && !c.gone(o) {
			statuses[i] = &o.Status
		}
	}
	cluster := quorum.Of(ids, statuses)
	for _, row := range c.Links() {
		for i := range row {
			if l := &row[i]; l.From != "" && !l.Passes() {
				cluster = cluster.Cut(l.From, l.To)
			}
		}
	}
	return cluster
}

// Foresee computes what a command about faults would change; false for commands about which it can say nothing.
func (c *Console) Foresee(line string) (quorum.Effect, bool) {
	words := strings.Fields(strings.ReplaceAll(line, "|", " | "))
	if len(words) < 2 {
		return quorum.Effect{}, false
	}
	now := c.Quorum()
	verb, rest := words[0], words[1:]
	replica, role, _ := strings.Cut(rest[0], ".")
	if replica == "leader" {
		replica, _ = c.Leader()
	}
	after, reversible := now, true
	switch verb {
	case "crash", "kill":
		after, reversible = now.Stop(replica, role), false
	case "pause":
		after = now.Stop(replica, role)
	case "wipe":
		return quorum.Loss(now, replica, role), true
	case "restart", "resume":
		after = now.Start(replica, role)
	case "start":
		after = c.connected(now.Start(replica, role), replica)
	case "isolate":
		after, reversible = now.Isolate(replica), false
	case "cut":
		if len(rest) < 2 {
			return quorum.Effect{}, false
		}
		after, reversible = now.Cut(rest[0], rest[1]), false
		if !strings.Contains(line, "oneway=yes") {
			after = after.Cut(rest[1], rest[0])
		}
	case "partition":
		after, reversible = now.Partition(groups(rest)), false
	case "delay", "drop":
	default:
		return quorum.Effect{}, false
	}
	return quorum.Compare(now, after, reversible), true
}

// connected gives a cluster in which the links of a replica are there again that are down now, and not cut on purpose.
func (c *Console) connected(cluster quorum.Cluster, replica string) quorum.Cluster {
	for _, row := range c.Links() {
		for i := range row {
			if l := &row[i]; (l.From == replica || l.To == replica) && l.State == LinkDown && l.Faults == 0 {
				cluster = cluster.Join(l.From, l.To)
			}
		}
	}
	return cluster
}

// groups reads r1,r2 | r3,r4.
func groups(words []string) [][]string {
	all := [][]string{nil}
	for _, word := range words {
		switch {
		case word == "|":
			all = append(all, nil)
		case strings.Contains(word, "="):
		default:
			last := len(all) - 1
			all[last] = append(all[last], strings.FieldsFunc(word, func(r rune) bool { return r == ',' })...)
		}
	}
	return all
}
