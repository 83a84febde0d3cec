// Package quorum computes what a cluster can still do when roles are down and links are cut, and what a further fault
// would change. It is pure: the screen, the questions before a dangerous command and the tests use the same function.
//
//	now := quorum.New(replicas, "r1").Cut("r1", "r3")
//	now.Verdict().Sentence() // "4 of 5 acceptors answer, 3 must: writes go on, 2 more replicas may fail"
//	quorum.Compare(now, now.Stop("r2", quorum.Acceptor), true).Grade // quorum.Mild
//
// It knows the protocol's needs and not its timing: a proposer can lead when it exchanges messages with a majority of
// working acceptors and of working proposers; a learner learns from the leader, from a majority of acceptors, or from
// another replica; updates go to the leader of now if it can go on, straight or through a replica that hears and reaches
// it.
package quorum

import "slices"

// The roles of a replica. AllRoles stands for the three of them.
const (
	Proposer = "proposer"
	Acceptor = "acceptor"
	Learner  = "learner"
	AllRoles = ""
)

// Everyone stands for every replica where one is named.
const Everyone = "*"

// Replica says which roles of a replica do their work: not down, not paused, not refusing.
type Replica struct {
	ID                          string
	Proposer, Acceptor, Learner bool
}

// works tells whether a role does its work.
func (r *Replica) works(role string) bool {
	switch role {
	case Proposer:
		return r.Proposer
	case Acceptor:
		return r.Acceptor
	case Learner:
		return r.Learner
	}
	return r.Proposer && r.Acceptor && r.Learner
}

func (r *Replica) set(role string, works bool) {
	if role == Proposer || role == AllRoles {
		r.Proposer = works
	}
	if role == Acceptor || role == AllRoles {
		r.Acceptor = works
	}
	if role == Learner || role == AllRoles {
		r.Learner = works
	}
}

// set of replicas: bit i is the replica at index i.
type set uint64

func (s set) has(i int) bool { return s>>i&1 != 0 }

// ReplicasMax bounds the replicas of a cluster: they are bits of a word, and subsets of them are tried.
const ReplicasMax = 16

// Cluster is the state of all roles and of all links. It is a value: methods give a changed copy. Replicas that it does
// not know are passed over.
type Cluster struct {
	replicas []Replica
	heard    []set // by receiver: from whom messages arrive
	leader   string
}

// New gives a cluster whose links all pass. The leader is the one that leads now, "" if none is known.
func New(replicas []Replica, leader string) Cluster {
	if len(replicas) > ReplicasMax {
		panic("quorum: more than ReplicasMax replicas")
	}
	c := Cluster{replicas: slices.Clone(replicas), heard: make([]set, len(replicas)), leader: leader}
	for i := range c.heard {
		c.heard[i] = 1<<len(replicas) - 1
	}
	return c
}

func (c Cluster) index(id string) int {
	return slices.IndexFunc(c.replicas, func(r Replica) bool { return r.ID == id })
}

func (c Cluster) clone() Cluster {
	c.replicas, c.heard = slices.Clone(c.replicas), slices.Clone(c.heard)
	return c
}

// Replicas lists the names, in the order of New.
func (c Cluster) Replicas() []string {
	names := make([]string, len(c.replicas))
	for i := range c.replicas {
		names[i] = c.replicas[i].ID
	}
	return names
}

// Works tells whether a role does its work; with AllRoles whether all three do.
func (c Cluster) Works(replica, role string) bool {
	i := c.index(replica)
	return i >= 0 && c.replicas[i].works(role)
}

// Passes tells whether what from sends reaches to. A replica always reaches itself.
func (c Cluster) Passes(from, to string) bool {
	i, j := c.index(from), c.index(to)
	return i >= 0 && j >= 0 && (i == j || c.heard[j].has(i))
}

// Stop gives the cluster without a role, of a replica or of Everyone.
func (c Cluster) Stop(replica, role string) Cluster { return c.with(replica, role, false) }

// Start gives the cluster with a role at work again.
func (c Cluster) Start(replica, role string) Cluster { return c.with(replica, role, true) }

func (c Cluster) with(replica, role string, works bool) Cluster {
	c = c.clone()
	for i := range c.replicas {
		if replica == Everyone || c.replicas[i].ID == replica {
			c.replicas[i].set(role, works)
		}
	}
	return c
}

// Cut gives the cluster in which nothing that from sends reaches to.
func (c Cluster) Cut(from, to string) Cluster {
	c = c.clone()
	if i, j := c.index(from), c.index(to); i >= 0 && j >= 0 && i != j {
		c.heard[j] &^= 1 << i
	}
	return c
}

// Join ends a Cut.
func (c Cluster) Join(from, to string) Cluster {
	c = c.clone()
	if i, j := c.index(from), c.index(to); i >= 0 && j >= 0 {
		c.heard[j] |= 1 << i
	}
	return c
}

// Isolate cuts a replica off from all others, both ways.
func (c Cluster) Isolate(replica string) Cluster { return c.Partition([][]string{{replica}}) }

// Partition cuts all links between the groups, both ways. Replicas that are in no group are one more group together.
func (c Cluster) Partition(groups [][]string) Cluster {
	c = c.clone()
	group := make([]int, len(c.replicas)) // 0: in none
	for number, names := range groups {
		for _, name := range names {
			if i := c.index(name); i >= 0 {
				group[i] = number + 1
			}
		}
	}
	for to := range c.heard {
		for from := range c.replicas {
			if group[from] != group[to] {
				c.heard[to] &^= 1 << from
			}
		}
	}
	return c
}
