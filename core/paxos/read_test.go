package paxos

import (
	"testing"
)

func readOf(ids ...uint64) Envelope { return from(1, RoleGateway, &Read{ids}) }

func answer(r ReplicaID, round ReadRound, highest Slot) Envelope {
	return from(r, RoleAcceptor, &ReadAnswer{round, highest})
}

// readLearner is a learner of r1, with reads under way.
func readLearner(t *testing.T, applied Slot, ids ...uint64) (*Learner, ReadRound) {
	t.Helper()
	l := newTestLearner(LearnerOptions{Applied: applied})
	out := step(l, readOf(ids...))
	queries := sentOf[*ReadQuery](out)
	if len(queries) != 1 || len(out.Prompt) != 1 || out.Prompt[0].To != (Address{Everyone, RoleAcceptor}) {
		t.Fatalf("a read asks with %+v", out)
	}
	return l, queries[0].Round
}

// TestReadNeedsAMajority (dies of M27): a majority of distinct acceptors.
func TestReadNeedsAMajority(t *testing.T) {
	l, round := readLearner(t, 0, 1, 2)
	if out := step(l, answer(2, round, 0), answer(2, round, 0)); len(out.Reads) > 0 {
		t.Fatalf("one acceptor, twice, releases %+v", out.Reads)
	}
	out := step(l, answer(3, round, 0))
	if len(out.Reads) != 2 || out.Reads[0].ID != 1 || out.Reads[1].ID != 2 {
		t.Fatalf("a majority releases %+v", out.Reads)
	}
	if out := step(l, answer(1, round, 9)); len(out.Reads) > 0 {
		t.Errorf("the third answer releases %+v", out.Reads)
	}
}

// TestReadCountsOnlyItsRound (dies of M28): an answer to an older round, of this
// life or of another, says nothing about what was acknowledged since.
func TestReadCountsOnlyItsRound(t *testing.T) {
	l, first := readLearner(t, 0, 1)
	step(l, answer(2, first, 0), answer(3, first, 0))
	second := sentOf[*ReadQuery](step(l, readOf(2)))[0].Round
	if first == second {
		t.Fatalf("two rounds are both %+v", first)
	}
	other := ReadRound{second.Run + 1, second.Counter}
	out := step(l, answer(1, first, 0), answer(2, first, 0), answer(1, other, 0), answer(3, other, 0))
	if len(out.Reads) > 0 {
		t.Fatalf("answers to other rounds release %+v", out.Reads)
	}
	if out := step(l, answer(1, second, 0), answer(2, second, 0)); len(out.Reads) != 1 || out.Reads[0].ID != 2 {
		t.Errorf("answers to this round release %+v", out.Reads)
	}
}

// TestReadDoesNotJoinAnOldRound (dies of M29): the acceptors may have answered
// before the read came. It takes the next round, with all that waits.
func TestReadDoesNotJoinAnOldRound(t *testing.T) {
	l, first := readLearner(t, 0, 1)
	if out := step(l, readOf(2), readOf(3)); len(sentOf[*ReadQuery](out)) > 0 {
		t.Fatal("a second round begins beside the first")
	}
	out := step(l, answer(2, first, 0), answer(3, first, 0))
	if len(out.Reads) != 1 || out.Reads[0].ID != 1 {
		t.Fatalf("the first round releases %+v, want read 1 alone", out.Reads)
	}
	queries := sentOf[*ReadQuery](out)
	if len(queries) != 1 {
		t.Fatalf("%d rounds begin for two reads", len(queries))
	}
	out = step(l, answer(2, queries[0].Round, 0), answer(1, queries[0].Round, 0))
	if len(out.Reads) != 2 || out.Reads[0].ID != 2 || out.Reads[1].ID != 3 {
		t.Errorf("the second round releases %+v, want reads 2 and 3", out.Reads)
	}
}

// TestReadWaitsForItsSlot (dies of M32): until the highest answer is applied.
func TestReadWaitsForItsSlot(t *testing.T) {
	l, round := readLearner(t, 0, 1)
	if out := step(l, answer(2, round, 2), answer(3, round, 1)); len(out.Reads) > 0 {
		t.Fatalf("nothing is applied, yet %+v is released", out.Reads)
	}
	out := step(l, accept(ballot1, 1, "a"), accepted(1, ballot1, 1, 2), accepted(2, ballot1, 1, 2))
	if len(out.Chosen) != 1 || len(out.Reads) > 0 {
		t.Fatalf("with slot 1 of 2 applied %+v is released", out.Reads)
	}
	out = step(l, accept(ballot1, 2, "b"))
	if len(out.Reads) != 1 || out.Reads[0] != (ReadDone{1, 2}) {
		t.Errorf("with slot 2 applied %+v is released", out.Reads)
	}
}

// TestReadHasItsSlotClosed: a vote of a dead leader at one acceptor must not keep
// the reads of an idle cluster waiting.
func TestReadHasItsSlotClosed(t *testing.T) {
	l, round := readLearner(t, 0, 1)
	step(l, answer(2, round, 4), answer(3, round, 0))
	var found []*Close
	for range 2 * gapTicks {
		found = append(found, sentOf[*Close](ticks(l, 1))...)
	}
	if len(found) == 0 || found[0].First != 1 || found[0].Last != 4 || found[0].Stuck {
		t.Errorf("asks to close %+v, want slots 1 to 4", found)
	}
}

// TestReadAsksAgain: only those who have not answered, and under the same round.
func TestReadAsksAgain(t *testing.T) {
	l, round := readLearner(t, 0, 1)
	step(l, answer(2, round, 0))
	out := ticks(l, l.options.ResendTicks)
	if len(out.Prompt) != 2 || out.Prompt[0].To.Replica != 1 || out.Prompt[1].To.Replica != 3 {
		t.Fatalf("asks again with %+v", out.Prompt)
	}
	for _, m := range sentOf[*ReadQuery](out) {
		if m.Round != round {
			t.Errorf("asks again under %+v, the round is %+v", m.Round, round)
		}
	}
}

// TestReadsAreBounded: what finds no place is dropped; its asker has a deadline.
func TestReadsAreBounded(t *testing.T) {
	l, _ := readLearner(t, 0, 1)
	step(l, readOf(make([]uint64, readsWaitingMax)...))
	step(l, readOf(7))
	if got := len(l.reads.waiting); got != readsWaitingMax {
		t.Errorf("%d reads wait, at most %d may", got, readsWaitingMax)
	}
	stranger := readOf(8)
	stranger.From.Replica = 2
	other := newTestLearner(LearnerOptions{})
	if out := step(other, stranger); len(out.Prompt) > 0 {
		t.Error("another replica's read is taken")
	}
}
