package check

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"

	"synod/core/kv"
)

const (
	// overlapMax bounds how many operations of one key may overlap: the judge's
	// work grows exponentially with it.
	overlapMax = 24
	// judgeNanosMax is real time, but no verdict depends on it: running out of it
	// fails the run.
	judgeNanosMax = 20_000_000_000
)

// ErrUndecided: the judge ran out of time or of room. That is no pass.
var ErrUndecided = errors.New("cannot tell whether the history is linearizable")

// register is the state of one key, as the judge sees it.
type register struct {
	exists bool
	value  string
}

// Linearizable judges a history of puts, deletes and gets, key by key. executed
// tells which updates are in the log; it is asked only about those whose clients
// do not know, because an update that never happened would cost the judge most.
// Unknown updates that are in the log are taken to last for ever.
func Linearizable(history []*Operation, executed map[uint64]bool) error {
	byKey := map[string][]porcupine.Operation{}
	keys := []string{}
	for _, o := range history {
		end, use := interval(o, executed[o.ID])
		if !use {
			continue
		}
		if byKey[o.Key] == nil {
			keys = append(keys, o.Key)
		}
		byKey[o.Key] = append(byKey[o.Key], porcupine.Operation{
			ClientId: o.Client, Input: o, Call: int64(o.Invoked), Output: o, Return: end,
		})
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := judge(key, byKey[key]); err != nil {
			return err
		}
	}
	return nil
}

// interval is when the operation ended, and whether it counts at all.
func interval(o *Operation, executed bool) (int64, bool) {
	switch {
	case o.Outcome == Done:
		return int64(o.Returned), true
	case o.Op == Get || !executed:
		return 0, false
	}
	return math.MaxInt64, true
}

func judge(key string, history []porcupine.Operation) error {
	if n := overlap(history); n > overlapMax {
		return fmt.Errorf("%w: %d operations of key %q overlap, the judge takes %d", ErrUndecided, n, key, overlapMax)
	}
	model := porcupine.Model{Init: func() any { return register{} }, Step: step}
	switch porcupine.CheckOperationsTimeout(model, history, judgeNanosMax) {
	case porcupine.Illegal:
		return fmt.Errorf("the %d operations of key %q have no order that explains all answers", len(history), key)
	case porcupine.Unknown:
		return fmt.Errorf("%w: %d operations of key %q", ErrUndecided, len(history), key)
	}
	return nil
}

func step(before, input, _ any) (bool, any) {
	r, o := before.(register), input.(*Operation)
	switch o.Op {
	case kv.Put:
		return true, register{true, o.Value}
	case kv.Delete:
		return true, register{}
	}
	return o.Found == r.exists && o.Read == r.value, before
}

// overlap is the largest number of operations that are under way at one time.
func overlap(history []porcupine.Operation) int {
	type edge struct {
		at   int64
		step int
	}
	edges := make([]edge, 0, 2*len(history))
	for _, o := range history {
		edges = append(edges, edge{o.Call, 1}, edge{o.Return, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(b.step, a.step))
	})
	now, most := 0, 0
	for _, e := range edges {
		now += e.step
		most = max(most, now)
	}
	return most
}
