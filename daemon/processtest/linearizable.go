package processtest

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// judgeTimeout bounds the judge's work on one key. To run out of it is a failure, not a pass.
const judgeTimeout = 20 * time.Second

// register is one key, as the judge sees it. Revisions grow, so they are a part of it: few orders are left to try.
type register struct {
	exists   bool
	value    string
	revision uint64
}

// checkLinearizable lets porcupine judge every key.
func (h *History) checkLinearizable() error {
	var p problems
	for key, operations := range h.byKey() {
		known, deletes := resolve(operations)
		verdict := decide(known)
		if verdict == porcupine.Illegal && len(deletes) > 0 {
			// Perhaps a delete of unknown outcome explains it.
			verdict = decide(append(known, deletes...))
		}
		switch verdict {
		case porcupine.Illegal:
			p.add("not linearizable: the %d operations of key %s have no order that explains all answers:\n%s",
				len(operations), key, list(operations))
		case porcupine.Unknown:
			p.add("undecided: the judge cannot tell in %v whether the %d operations of key %s are linearizable",
				judgeTimeout, len(operations), key)
		}
	}
	return p.err()
}

// resolve makes the judge's operations. What is not known of an update is taken from the reads that saw its value: it
// was executed before the first of them ended, and they tell its revision. A put that nobody saw changes no answer, and
// is left out, as is what was never sent, and reads without an answer. What remains are deletes of unknown outcome.
func resolve(operations []*Operation) (known, deletes []porcupine.Operation) {
	seen := map[string]*Operation{} // by value: the read that ended first
	for _, o := range operations {
		if o.Kind == Get && o.Outcome == Done && o.Found && (seen[o.Value] == nil || o.Return < seen[o.Value].Return) {
			seen[o.Value] = o
		}
	}
	for _, o := range operations {
		asked := porcupine.Operation{ClientId: max(o.Client, 0), Input: *o, Call: int64(o.Call), Return: int64(o.Return)}
		switch {
		case o.Outcome == Done:
			known = append(known, asked)
		case o.Outcome == NotSent || o.Kind == Get:
		case o.Kind == Delete:
			asked.Return = math.MaxInt64
			deletes = append(deletes, asked)
		default:
			if read := seen[o.Value]; read != nil {
				executed := *o
				executed.Revision = read.Revision
				asked.Input, asked.Return = executed, int64(read.Return)
				known = append(known, asked)
			}
		}
	}
	return known, deletes
}

func decide(history []porcupine.Operation) porcupine.CheckResult {
	model := porcupine.Model{Init: func() any { return register{} }, Step: step}
	return porcupine.CheckOperationsTimeout(model, history, judgeTimeout)
}

// step says whether an operation may come next, and what it leaves. An update without revision is one of unknown
// outcome.
func step(before, input, _ any) (bool, any) {
	r, o := before.(register), input.(Operation)
	switch {
	case o.Kind == Get:
		return r.exists == o.Found && (!o.Found || r.value == o.Value && r.revision == o.Revision), before
	case o.Revision == 0:
		return true, register{revision: r.revision}
	default:
		return o.Revision > r.revision, register{o.Kind == Put, o.Value, o.Revision}
	}
}

// listMax bounds the operations that are listed.
const listMax = 60

func list(operations []*Operation) (text string) {
	for i, o := range operations {
		if i == listMax {
			return text + fmt.Sprintf("  … and %d more\n", len(operations)-listMax)
		}
		text += fmt.Sprintf("  %v\n", o)
	}
	return text
}
