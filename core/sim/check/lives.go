package check

import "synod/core/paxos"

// life is one incarnation of an acceptor's memory.
type life struct {
	replica     paxos.ReplicaID
	incarnation paxos.Incarnation
}

// reply is what counts of a promise or a vote: who gave it, in which life, and
// which lives of the others it knew.
type reply struct {
	life
	vector paxos.Vector
}

// fits reports whether two replies may count together: none of the two acceptors
// knew, when it answered, of a later life of the other one than that which answers.
// This is written apart from the code under test.
func (r *reply) fits(o *reply) bool {
	return r.incarnation >= o.vector[r.replica-1] && o.incarnation >= r.vector[o.replica-1]
}

// replies are the different replies to one question.
type replies []reply

// add puts a reply in and reports whether it is new.
func (rs *replies) add(e *paxos.Envelope, vector *paxos.Vector) bool {
	one := reply{life{e.From.Replica, e.Incarnation}, *vector}
	for i := range *rs {
		if (*rs)[i] == one {
			return false
		}
	}
	*rs = append(*rs, one)
	return true
}

// quorum gives all acceptors that are in some quorum of the replies: so many of
// distinct acceptors, of which each two fit. It is empty if there is no quorum.
func (rs replies) quorum(need int) replicaSet {
	if len(rs) < need {
		return 0
	}
	return rs.choose(0, nil, need)
}

func (rs replies) choose(from int, chosen []int, need int) replicaSet {
	if len(chosen) == need {
		var set replicaSet
		for _, i := range chosen {
			set = set.with(rs[i].replica)
		}
		return set
	}
	var found replicaSet
	for i := from; i <= len(rs)-(need-len(chosen)); i++ {
		if rs.fitsAll(chosen, i) {
			found |= rs.choose(i+1, append(chosen[:len(chosen):len(chosen)], i), need)
		}
	}
	return found
}

func (rs replies) fitsAll(chosen []int, i int) bool {
	for _, j := range chosen {
		if rs[j].replica == rs[i].replica || !rs[j].fits(&rs[i]) {
			return false
		}
	}
	return true
}

// each visits the replicas of the set.
func (s replicaSet) each(visit func(paxos.ReplicaID)) {
	for r := paxos.ReplicaID(1); r <= paxos.ReplicasMax; r++ {
		if s&(1<<(r-1)) != 0 {
			visit(r)
		}
	}
}
