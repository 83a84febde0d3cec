package command

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Limits of the history that a run keeps for `assert linearizable`.
const (
	historyRequestsMax = 20_000
	historyValueMax    = 64 // bytes of a value; of longer ones a hash is kept
	historyTimeMax     = 10 * time.Second
)

// history keeps what the requests of a run have asked and learned, to judge whether one order explains it all. It knows
// nothing of what others write to the same keys.
type history struct {
	begun time.Time

	mutex      sync.Mutex // guards what follows
	operations []porcupine.Operation
	unknown    map[string]int // request id of an update without an answer: its place
	full       bool
}

// asked and learned are the two halves of an operation, for porcupine.
type asked struct {
	key    string
	update bool
	exists bool // after a put; not after a del
	value  string
}

type learned struct {
	found bool
	value string
}

// register is a key of which nothing is known before the first answer.
type register struct {
	known, exists bool
	value         string
}

func short(value []byte) string {
	if len(value) <= historyValueMax {
		return string(value)
	}
	return fmt.Sprintf("%x", sha256.Sum256(value))
}

// record keeps a request with its end. What was not executed, and what no single key explains, is left out.
func (h *history) record(request Request, reply Reply, begun time.Time) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	call, end := begun.Sub(h.begun).Nanoseconds(), time.Since(h.begun).Nanoseconds()
	if request.Operation == Retry {
		if at, pending := h.unknown[request.RequestID]; pending && reply.Failure == "" {
			h.operations[at].Return = end // executed once, at some time until now
			delete(h.unknown, request.RequestID)
		}
		return
	}
	update := request.Operation == Put || request.Operation == Delete
	open := update && reply.Failure != "" && reply.Outcome == Unknown
	if !update && request.Operation != Get || request.Stale || reply.Failure != "" && !open {
		return
	}
	if len(h.operations) >= historyRequestsMax {
		h.full = true
		return
	}
	if open {
		end = math.MaxInt64
		if h.unknown == nil {
			h.unknown = map[string]int{}
		}
		h.unknown[reply.RequestID] = len(h.operations)
	}
	h.operations = append(h.operations, porcupine.Operation{
		Call: call, Return: end,
		Input: asked{
			key: string(request.Key), update: update, exists: request.Operation == Put, value: short(request.Value),
		},
		Output: learned{found: reply.Found, value: short(reply.Value)},
	})
}

// judge looks for an order; it says what is wrong, "" if nothing is, and whether that breaks the promise.
func (h *history) judge() (problem string, violation bool) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.full {
		return fmt.Sprintf("undecided: more than %d requests are not kept", historyRequestsMax), false
	}
	byKey := map[string][]porcupine.Operation{}
	for i, operation := range h.operations {
		operation.ClientId = i // each may overlap with every other
		key := operation.Input.(asked).key
		byKey[key] = append(byKey[key], operation)
	}
	var undecided, broken []string
	for key, operations := range byKey { // the lists are shown by their number and one name
		switch porcupine.CheckOperationsTimeout(registerModel(), operations, historyTimeMax) {
		case porcupine.Illegal:
			broken = append(broken, key)
		case porcupine.Unknown:
			undecided = append(undecided, key)
		}
	}
	if len(broken) > 0 {
		return fmt.Sprintf("VIOLATION: no order explains what was read of %s (if nobody else writes it)", firstOf(broken)), true
	}
	if len(undecided) > 0 {
		return fmt.Sprintf("undecided within %v: %s", historyTimeMax, firstOf(undecided)), false
	}
	return "", false
}

func (h *history) empty() bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return len(h.operations) == 0 && !h.full
}

// firstOf names the first key in the order of bytes and counts the rest.
func firstOf(keys []string) string {
	first := keys[0]
	for _, key := range keys {
		first = min(first, key)
	}
	text := "key " + cut(Quote(first))
	if len(keys) > 1 {
		text += " and " + plural(len(keys)-1, "other key")
	}
	return text
}

// registerModel is one key.
func registerModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return register{} },
		Step: func(state, input, output any) (bool, any) {
			now, in, out := state.(register), input.(asked), output.(learned)
			switch {
			case in.update && in.exists:
				return true, register{known: true, exists: true, value: in.value}
			case in.update:
				return true, register{known: true}
			case !now.known:
				return true, register{known: true, exists: out.found, value: out.value}
			}
			return now.exists == out.found && (!out.found || now.value == out.value), now
		},
	}
}

// explained judges the requests of this run, and the load if one has run; "" if all is well.
func (e *Executor) explained(ctx context.Context) string {
	var problems []string
	if e.history.empty() {
		return e.linearizable(ctx)
	}
	problem, violation := e.history.judge()
	if violation {
		e.mutex.Lock()
		e.summary.Diverged = true
		e.mutex.Unlock()
	}
	if problem != "" {
		problems = append(problems, problem)
	}
	if e.ports.Load != nil {
		if _, ran := e.ports.Load.Progress(); ran {
			if problem := e.linearizable(ctx); problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return strings.Join(problems, "; ")
}
