package paxos

import "testing"

// TestStuckIsSaidBesideAWaitingRead: a read that waits for a slot asks the leader
// all the time to close it. That must not keep the learner from saying that nobody
// can prove the slot to it: only then does the leader open the slot again.
func TestStuckIsSaidBesideAWaitingRead(t *testing.T) {
	l := newTestLearner(LearnerOptions{ResendTicks: 5})
	step(l, from(1, RoleGateway, &Read{IDs: []uint64{1}}))
	ticks(l, 1)
	for r := ReplicaID(1); r <= 2; r++ {
		answer := &ReadAnswer{Round: ReadRound{Run: 99, Counter: 1}, Highest: 3}
		step(l, from(r, RoleAcceptor, answer))
	}
	stuck, asked := 0, 0
	for _, m := range sentOf[*Close](ticks(l, 200)) {
		if m.Stuck {
			stuck++
		} else {
			asked++
		}
	}
	if asked == 0 {
		t.Error("the waiting read does not ask for its slot")
	}
	if stuck == 0 {
		t.Error("the learner never says that it is stuck")
	}
}
