package paxos

import (
	"os"
	"strconv"
	"testing"

	"synod/core/mutant"
)

// worlds returns how many worlds a test may try: few by default, as many as
// SYNOD_WORLDS says in a soak.
func worlds(t *testing.T, byDefault uint64) uint64 {
	t.Helper()
	text := os.Getenv("SYNOD_WORLDS")
	if text == "" {
		return byDefault
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SYNOD_WORLDS=%q is not a number", text)
	}
	return n
}

// stepsPerWorld is long enough for several campaigns, crashes and reads.
const stepsPerWorld = 500

// TestSafetyWithoutTime lets every message ever sent reach its receiver at any
// time, any number of times and in any order, with crashes in between. Whatever
// happens, at most one value is chosen for a slot.
func TestSafetyWithoutTime(t *testing.T) {
	first, last := uint64(1), worlds(t, 1500)
	if text := os.Getenv("SYNOD_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SYNOD_SEED=%q is not a number", text)
		}
		first, last = seed, seed
	}
	chosen, learned, reads, recovered, floors := 0, Slot(0), 0, 0, Slot(0)
	for seed := first; seed <= last; seed++ {
		w := newWorld(seed, mutant.Set{})
		if err := w.run(stepsPerWorld); err != nil {
			t.Fatalf("seed %d: %v\nreplay: SYNOD_SEED=%d go test ./core/paxos -run TestSafetyWithoutTime\n%s",
				seed, err, seed, story(seed, mutant.Set{}))
		}
		chosen += len(w.ghost.chosen)
		learned += w.ghost.seen
		reads += len(w.ghost.readAt)
		recovered += w.memory.recovered
		for _, a := range w.acceptors {
			floors += a.floor
		}
	}
	t.Logf("%d worlds: %d slots chosen, %d learned, %d reads, %d acceptors recovered, %d slots cut",
		last-first+1, chosen, learned, reads, recovered, floors)
	few := int(last-first) / 5
	if chosen < 2*few || learned < Slot(2*few) || recovered < few || floors < Slot(few) {
		t.Errorf("too little happened in %d worlds: the test tests nothing", last-first+1)
	}
}
