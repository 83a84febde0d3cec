package command

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// expect checks the results of the data command before.
func (e *Executor) expect(_ context.Context, f *frame, c *call) bool {
	want, err := e.grammar.expectation(c)
	if err != nil {
		panic("command: unchecked expectation: " + err.Error())
	}
	if len(f.last) == 0 {
		return e.judge(f, c, "there is no answer before it to check")
	}
	for i := range f.last {
		if have := unmet(want, &f.last[i]); have != "" {
			if len(f.last) > 1 {
				have = f.last[i].Replica + ": " + have
			}
			return e.judge(f, c, have)
		}
	}
	if want.kind == "error" {
		e.excuse(f)
	}
	return e.judge(f, c, "")
}

// excuse takes failures that were expected out of the verdict.
func (e *Executor) excuse(f *frame) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for i := range f.last {
		if f.last[i].Failed() && !f.excused { // a second `expect error` must not excuse them again
			e.summary.Excused++
		}
	}
	f.excused, f.failed = true, false
}

// unmet says what is different from what is wanted; "" if nothing is.
func unmet(want condition, result *Result) string {
	reply := &result.Reply
	met := false
	have := "have " + result.Status
	switch want.kind {
	case "ok":
		met = result.Status == StatusOK
	case "missing":
		met = result.Status == StatusMissing
	case "value":
		isValue := result.Status == StatusOK && result.Request.Operation == Get
		if met = isValue && want.pattern == nil && string(reply.Value) == want.text; want.pattern != nil {
			met = isValue && want.pattern.Match(reply.Value)
		}
		if isValue {
			have = "have " + cut(Quote(string(reply.Value)))
		}
	case "error":
		met = result.Failed() && (want.text == "any" || result.Status == want.text)
	case "from":
		met = !result.Failed() && reply.Replica == want.text
		have += " from " + orDash(reply.Replica)
	case "within":
		met = reply.Latency <= want.within
		have += " after " + milliseconds(reply.Latency)
	case "revision":
		met = !result.Failed() && reply.Revision == want.number
		have = fmt.Sprintf("have revision %d", reply.Revision)
	}
	if met {
		return ""
	}
	return have
}

// judge counts an expectation and notes it if it is not met. It returns false if that ends the run.
func (e *Executor) judge(f *frame, c *call, have string) bool {
	e.mutex.Lock()
	if have == "" {
		e.summary.Met++
		e.mutex.Unlock()
		return true
	}
	e.summary.Unmet++
	e.mutex.Unlock()
	e.note(c.at, Failed, "%s: NOT met, %s", written(c), have)
	f.failed = true
	return !f.stop
}

// written is a check as its line says it: a text that was quoted stays quoted.
func written(c *call) string {
	words := []string{c.verb.Name}
	for _, v := range c.args {
		if v.quoted {
			words = append(words, cut(Quote(v.text)))
		} else {
			words = append(words, Visible(v.text))
		}
	}
	if alive, ok := c.options["alive"]; ok {
		words = append(words, "alive="+alive.text)
	}
	return strings.Join(words, " ")
}

// wait looks at the replicas again and again until the condition holds.
func (e *Executor) wait(ctx context.Context, f *frame, c *call) bool {
	want, err := e.grammar.waiting(c)
	if err != nil {
		panic("command: unchecked condition: " + err.Error())
	}
	limit := waitTimeoutDefault
	if _, ok := c.options["timeout"]; ok {
		limit = f.limit(c)
	}
	begun := time.Now()
	result := Result{Command: written(c), Verb: c.verb.Name, Status: StatusOK}
	for {
		left := limit - time.Since(begun)
		found, missing := holds(want, e.look(ctx, min(max(left, pollPause), pollTimeout)))
		result.Replica = found
		if missing == "" {
			break
		}
		if time.Since(begun)+pollPause > limit {
			result.Status = string(Timeout)
			result.Reply.Failure, result.Reply.Err = Timeout, fmt.Errorf("%s after %v", missing, limit)
			f.failed = true
			break
		}
		if !e.sleep(ctx, pollPause) {
			return false
		}
	}
	result.Reply.Latency = time.Since(begun)
	e.record(c, result)
	return true
}

// holds checks a condition about the cluster. It gives what is still missing, "" if nothing is, and the replica that
// the condition is about, if it is about one.
func holds(want condition, answers []look) (replica, missing string) {
	switch want.kind {
	case "leader":
		leader, votes := leaderOf(answers)
		if votes < len(answers)/2+1 {
			return "", fmt.Sprintf("no leader named by a majority, at most by %d of %d", votes, len(answers))
		}
		if want.text != "" && (leader == want.text) != (want.operator == "=") {
			return leader, "the leader is " + leader
		}
		return leader, ""
	case "faults":
		return "", manyFaults(want, answers)
	case "converged":
		return "", apart(answers)
	case "alive":
		alive := 0
		for i := range answers {
			if answers[i].alive() {
				alive++
			}
		}
		if uint64(alive) < want.number || want.operator == "=" && uint64(alive) != want.number {
			return "", fmt.Sprintf("%d of %d replicas are alive", alive, len(answers))
		}
		return "", ""
	}
	highest := uint64(0)
	for _, answer := range answers {
		if answer.err == nil {
			highest = max(highest, answer.status.Chosen)
		}
	}
	if highest < want.number {
		return "", fmt.Sprintf("slot %d is the highest chosen one", highest)
	}
	return "", ""
}

// manyFaults compares the number of injected faults that last.
func manyFaults(want condition, answers []look) string {
	faults := 0
	for i := range answers {
		faults += len(answers[i].status.Faults)
		if answers[i].status.Chaos {
			faults++
		}
	}
	if uint64(faults) < want.number || want.operator == "=" && uint64(faults) != want.number {
		return fmt.Sprintf("faults that last: %d", faults)
	}
	return ""
}

// apart says in what the replicas are not the same; "" if they all answer and have applied all that any has chosen.
func apart(answers []look) string {
	highest := uint64(0)
	for _, answer := range answers {
		if answer.err != nil {
			return fmt.Sprintf("%s does not answer: %v", answer.replica, answer.err)
		}
		highest = max(highest, answer.status.Chosen, answer.status.Applied)
	}
	for _, answer := range answers {
		if answer.status.Applied < highest {
			return fmt.Sprintf("%s has applied up to slot %d of %d", answer.replica, answer.status.Applied, highest)
		}
	}
	return ""
}

// assert checks the cluster once.
func (e *Executor) assert(ctx context.Context, f *frame, c *call) bool {
	want, err := e.grammar.assertion(c)
	if err != nil {
		panic("command: unchecked assertion: " + err.Error())
	}
	switch want.kind {
	case "linearizable":
		return e.judge(f, c, e.explained(ctx))
	case "same":
		return e.judge(f, c, e.differing(ctx, f, c, want.text))
	}
	_, missing := holds(want, e.look(ctx, f.limit(c)))
	return e.judge(f, c, Visible(missing))
}

// differing reads a key at every replica and says which one answers differently; "" if none does.
func (e *Executor) differing(ctx context.Context, f *frame, c *call, key string) string {
	ctx, cancel := context.WithTimeout(ctx, f.limit(c))
	defer cancel()
	if len(e.grammar.replicas) == 0 {
		return "the replicas are not known"
	}
	request := Request{Operation: Get, Key: []byte(key)}
	replies := e.sendAll(ctx, c, request)
	answer := func(reply Reply) string {
		switch status := statusOf(request, reply); status {
		case StatusOK:
			return cut(Quote(string(reply.Value)))
		default:
			return status
		}
	}
	for i, reply := range replies {
		name := e.grammar.replicas[i]
		if reply.Failure != "" {
			return fmt.Sprintf("%s: %s", name, reply.Failure)
		}
		if reply.Found != replies[0].Found || string(reply.Value) != string(replies[0].Value) {
			return fmt.Sprintf("%s has %s and %s has %s", e.grammar.replicas[0], answer(replies[0]), name, answer(reply))
		}
	}
	return ""
}
