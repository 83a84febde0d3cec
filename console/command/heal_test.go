package command

import (
	"context"
	"io"
	"slices"
	"testing"
)

// TestUndoLeavesTheFaultsOfANewProcessAlone: ids count from one in each process, so what has the id of our fault may be
// somebody else's.
func TestUndoLeavesTheFaultsOfANewProcessAlone(t *testing.T) {
	for _, young := range []bool{false, true} {
		grammar := NewGrammar(fiveReplicas)
		fake := newFake()
		e := NewExecutor(grammar, Ports{
			Cluster: fake, Operator: fake, Output: NewText(io.Discard, io.Discard), Log: NewLog(io.Discard),
		}, Settings{Yes: true})
		run := func(text string) {
			statements, err := NewParser(grammar, nil).Script("t", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			e.Run(context.Background(), statements)
		}
		run("pause r3.acceptor\nsleep 5ms\n")
		if young {
			fake.younger["r3"] = 90_000
		}
		run("undo\n")
		if ended := slices.Contains(fake.orders, "clear r3 [1]"); ended == young {
			t.Errorf("the process is another one: %v, orders %q", young, fake.orders)
		}
	}
}
