package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"synod/console/quorum"
	"synod/protocol"
)

// look is the answer of one replica's operator port.
type look struct {
	replica string
	status  Status
	err     error
	took    time.Duration
}

// alive tells whether the replica answers and all its roles run.
func (l *look) alive() bool {
	if l.err != nil {
		return false
	}
	return !slices.ContainsFunc(l.status.Roles, func(role protocol.RoleStatus) bool { return !quorum.WorksIn(role.State) })
}

// votes tells whether the replica's acceptor takes part.
func (l *look) votes() bool {
	role := l.role("acceptor")
	return l.err == nil && role.Works()
}

// role finds a role; one that the replica does not mention has no state.
func (l *look) role(name string) RoleStatus {
	at := slices.IndexFunc(l.status.Roles, func(role protocol.RoleStatus) bool { return role.Role == name })
	if at < 0 {
		return RoleStatus{Role: name}
	}
	return RoleStatus(l.status.Roles[at])
}

// known lists the replicas. If their ids are not known, there is only the one server that we are connected to, and the
// ports take the empty id for it.
func (e *Executor) known() []string {
	if len(e.grammar.replicas) == 0 {
		return []string{""}
	}
	return e.grammar.replicas
}

var errNoOperator = errors.New("the replicas' operator port is not connected")

// look asks the given replicas, or all, for their state at once; the answers are in the order of the replicas.
func (e *Executor) look(ctx context.Context, timeout time.Duration, replicas ...string) []look {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if len(replicas) == 0 {
		replicas = e.known()
	}
	answers := make([]look, len(replicas))
	var asked sync.WaitGroup
	for i, replica := range replicas {
		answers[i] = look{replica: replica, err: errNoOperator}
		if e.ports.Operator == nil {
			continue
		}
		asked.Go(func() {
			begun := time.Now()
			status, err := e.ports.Operator.Status(ctx, replica)
			answers[i] = look{replica: replica, status: status, err: err, took: time.Since(begun)}
			if replica == "" && err == nil {
				answers[i].replica = status.Replica
			}
		})
	}
	asked.Wait()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for i := range answers {
		if answers[i].err == nil && answers[i].status.Diverged && !e.summary.Diverged {
			e.summary.Diverged = true
			text := answers[i].replica + " says that its state differs from that of the other replicas"
			e.ports.Output.Note(Note{Time: time.Now(), Level: Failed, Text: text})
		}
	}
	return answers
}

// leaderOf gives the leader that most replicas name, and how many do; of equals the first in the order of the replicas.
func leaderOf(answers []look) (leader string, votes int) {
	named := map[string]int{}
	for _, answer := range answers {
		if answer.err == nil && answer.status.Leader != "" {
			named[answer.status.Leader]++
		}
	}
	for _, answer := range answers {
		if named[answer.replica] > votes {
			leader, votes = answer.replica, named[answer.replica]
		}
	}
	return leader, votes
}

func (e *Executor) status(ctx context.Context, f *frame, c *call) bool {
	var only []string
	if name := c.arg(0); name != "" {
		only = []string{name}
	}
	var rows [][]string
	failed := 0
	answers := e.look(ctx, f.limit(c), only...)
	for _, answer := range answers {
		if answer.err != nil {
			failed++
			rows = append(rows, []string{answer.replica, "no answer: " + cut(Visible(answer.err.Error()))})
			continue
		}
		s := answer.status
		rows = append(rows, []string{
			answer.replica, roleWord(&answer, "proposer"), roleWord(&answer, "acceptor"), roleWord(&answer, "learner"),
			orDash(Visible(s.Leader)), orDash(Visible(s.Ballot)), number10(s.Chosen), number10(s.Applied),
			s.uptime(), remarks(s),
		})
	}
	e.report(c, []string{
		"replica", "proposer", "acceptor", "learner", "leader", "ballot", "#chosen", "#applied", "uptime", "remarks",
	}, rows)
	if word := standing(answers); len(only) == 0 && len(answers) > 1 && word != "" {
		e.report(c, nil, [][]string{{word}})
	}
	e.looked(f, failed, len(rows))
	return true
}

// standing says why a cluster serves nobody and what would help; "" if it serves.
func standing(answers []look) string {
	answering, voting := 0, 0
	for i := range answers {
		if answers[i].err == nil {
			answering++
		}
		if answers[i].votes() {
			voting++
		}
	}
	majority := len(answers)/2 + 1
	leader, votes := leaderOf(answers)
	switch {
	case answering == 0:
		return "no replica answers: start them, `synod up` does it on this machine, or name others with --config or --host"
	case voting < majority:
		return fmt.Sprintf("no majority: %d of %d acceptors work and %d must, so nothing is answered until more come back",
			voting, len(answers), majority)
	case leader == "" || votes < majority:
		return "no leader yet: `synod wait leader` waits for one"
	}
	return ""
}

func number10(n uint64) string { return strconv.FormatUint(n, 10) }

func roleWord(l *look, role string) string { return orDash(Visible(l.role(role).State)) }

func remarks(s Status) string {
	var words []string
	if s.Diverged {
		words = append(words, "STATE DIFFERS")
	}
	if s.Chaos {
		words = append(words, "chaos")
	}
	restarts := 0
	for _, role := range s.Roles {
		restarts += role.Restarts
	}
	if restarts > 0 {
		words = append(words, plural(restarts, "restart"))
	}
	if len(s.Faults) > 0 {
		words = append(words, plural(len(s.Faults), "fault"))
	}
	return strings.Join(words, ", ")
}

// looked counts a look: it fails only if nobody answered.
func (e *Executor) looked(f *frame, failed, asked int) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if failed == asked {
		e.summary.OtherFailed++
		f.failed = true
		return
	}
	e.summary.Other++
}

func (e *Executor) replicas(ctx context.Context, f *frame, c *call) bool {
	var rows [][]string
	failed := 0
	for _, answer := range e.look(ctx, f.limit(c)) {
		if answer.err != nil {
			failed++
			rows = append(rows, []string{answer.replica, "no answer", "", "", cut(Visible(answer.err.Error()))})
			continue
		}
		word := "up"
		if !answer.alive() {
			word = "up, roles down"
		}
		rows = append(rows, []string{
			answer.replica, word, milliseconds(answer.took), answer.status.uptime(),
			Visible(answer.status.Version),
		})
	}
	e.report(c, []string{"replica", "state", "answered in", "uptime", "version"}, rows)
	e.looked(f, failed, len(rows))
	return true
}

func (e *Executor) leader(ctx context.Context, f *frame, c *call) bool {
	answers := e.look(ctx, f.limit(c))
	leader, votes := leaderOf(answers)
	word := fmt.Sprintf("no leader: none of %d replicas names one", len(answers))
	if votes > 0 {
		word = fmt.Sprintf("%s (named by %d of %d replicas)", leader, votes, len(answers))
	}
	e.report(c, nil, [][]string{{word}})
	failed := 0
	if votes == 0 {
		failed = 1
	}
	e.looked(f, failed, 1)
	return true
}
