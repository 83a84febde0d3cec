package state

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"synod/protocol"
)

// LedgerRowsMax bounds the slots that are looked at together: what a replica tells in one answer.
const LedgerRowsMax = protocol.SlotsMax

// LedgerWant says which slots are looked at. The zero value asks for nothing.
type LedgerWant struct {
	Seen bool   // the ledger is on the screen
	To   uint64 // the newest slot of the window; 0 is the newest there is
	Rows int    // slots of the window, up to LedgerRowsMax
	Slot uint64 // one more slot, to be explained; 0 for none
}

// Ledger is what the replicas have told about slots and ballots, as it came. What a replica told last stays when it
// tells no more.
type Ledger struct {
	Version  uint64 // another one, other content
	Replicas []LedgerReplica
}

// LedgerReplica is what one replica has told.
type LedgerReplica struct {
	ID             string
	Oldest, Newest uint64 // slots of which it keeps anything
	Window         []protocol.SlotTrace
	One            *protocol.SlotTrace // the slot that is explained; nil if it knows nothing of it
	At             time.Time           // of the answer about slots; zero without one
	Ballots        []protocol.BallotEvent
	BallotsAt      time.Time
}

// trace finds what the replica has told about a slot; nil without anything.
func (r *LedgerReplica) trace(slot uint64) *protocol.SlotTrace {
	if r.One != nil && r.One.Slot == slot {
		return r.One
	}
	low, high := 0, len(r.Window)
	for low < high {
		middle := (low + high) / 2
		if r.Window[middle].Slot < slot {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(r.Window) && r.Window[low].Slot == slot {
		return &r.Window[low]
	}
	return nil
}

// Newest is the highest slot that any replica has told anything about.
func (l *Ledger) Newest() uint64 {
	newest := uint64(0)
	for i := range l.Replicas {
		newest = max(newest, l.Replicas[i].Newest)
	}
	return newest
}

// Oldest is the lowest slot of which any replica keeps anything; 0 if none does.
func (l *Ledger) Oldest() uint64 {
	oldest := uint64(0)
	for i := range l.Replicas {
		if o := l.Replicas[i].Oldest; o > 0 && (oldest == 0 || o < oldest) {
			oldest = o
		}
	}
	return oldest
}

// compareBallots orders ballots as people see them, "12.r4": by round, then by owner. What is none is the lowest.
func compareBallots(a, b string) int {
	roundA, ownerA := splitBallot(a)
	roundB, ownerB := splitBallot(b)
	return cmp.Or(cmp.Compare(roundA, roundB), cmp.Compare(len(ownerA), len(ownerB)), strings.Compare(ownerA, ownerB))
}

func splitBallot(ballot string) (round uint64, owner string) {
	text, owner, _ := strings.Cut(ballot, ".")
	round, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, ""
	}
	return round, owner
}

// BallotOwner gives the replica that a ballot belongs to, "" for none.
func BallotOwner(ballot string) string {
	_, owner := splitBallot(ballot)
	return owner
}
