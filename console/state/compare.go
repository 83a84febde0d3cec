package state

import "time"

// KeyCompare is one key as every replica has it.
type KeyCompare struct {
	Want   KeyCompareWant
	Copies []KeyCopy // in the order of the replicas
	Done   bool      // all have answered or will not
	At     time.Time
}

// KeyCopy is a key at one replica, read without asking the others.
type KeyCopy struct {
	Replica  string
	Answered bool
	Err      string // why it has not
	Applied  uint64 // slot up to which the replica is
	Found    bool
	Revision uint64
	Bytes    int
	CRC      uint32 // of the value
	Verdict  KeyVerdict
}

// KeyVerdict is what a copy says about a replica.
type KeyVerdict int

// The verdicts.
const (
	KeyNoAnswer KeyVerdict = iota
	KeySame
	KeyBehind   // it differs, but has applied less: that is allowed
	KeyDiverged // it differs where it must not
)

// String is the word on the screen.
func (v KeyVerdict) String() string {
	return [...]string{"no answer", "same", "BEHIND", "DIVERGENCE"}[v]
}

// equal tells whether two replicas have the same.
func (c *KeyCopy) equal(d *KeyCopy) bool {
	return c.Found == d.Found && c.Revision == d.Revision && c.Bytes == d.Bytes && c.CRC == d.CRC
}

// contradicts tells whether two copies cannot both come from one history: they differ after the same slots, or have two
// values for one revision, or the one that has applied more has the older change.
func (c *KeyCopy) contradicts(d *KeyCopy) bool {
	switch {
	case !c.Answered || !d.Answered || c.equal(d):
		return false
	case c.Applied == d.Applied:
		return true
	case c.Found && d.Found && c.Revision == d.Revision:
		return true
	case c.Found && d.Found:
		return (c.Applied < d.Applied) == (c.Revision > d.Revision)
	}
	return false
}

// JudgeCopies gives every copy its verdict. The measure is the copy of the replica that has applied most. Of two that
// contradict each other the one that fewer replicas agree with is marked, or both.
func JudgeCopies(copies []KeyCopy) {
	measure := -1
	for i := range copies {
		if copies[i].Answered && (measure < 0 || copies[i].Applied > copies[measure].Applied) {
			measure = i
		}
	}
	for i := range copies {
		c := &copies[i]
		switch {
		case !c.Answered:
			c.Verdict = KeyNoAnswer
		case c.equal(&copies[measure]):
			c.Verdict = KeySame
		default:
			c.Verdict = KeyBehind
		}
	}
	for i := range copies {
		for j := range copies {
			if copies[i].contradicts(&copies[j]) && support(copies, i) <= support(copies, j) {
				copies[i].Verdict = KeyDiverged
			}
		}
	}
}

// support counts the replicas that have the same as one of them.
func support(copies []KeyCopy, at int) int {
	count := 0
	for i := range copies {
		if copies[i].Answered && copies[i].equal(&copies[at]) {
			count++
		}
	}
	return count
}

// Settled tells whether all replicas that answered have the same, so that there is nothing to wait for.
func (k *KeyCompare) Settled() bool {
	for i := range k.Copies {
		if v := k.Copies[i].Verdict; v == KeyBehind {
			return false
		}
	}
	return true
}

// Diverged names the first replica that differs where it must not, "" if there is none.
func (k *KeyCompare) Diverged() string {
	for i := range k.Copies {
		if k.Copies[i].Verdict == KeyDiverged {
			return k.Copies[i].Replica
		}
	}
	return ""
}

// Diverged names a replica that was seen to differ from the others where it must not, "" if there is none.
func (c *Console) Diverged() string { return c.Keys.Compare.Diverged() }
