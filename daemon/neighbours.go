package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"synod/core/config"
	"synod/core/paxos"
	"synod/protocol"
	"synod/protocol/client"
)

// neighbourTimeout bounds what init waits for each address; all are asked at once.
const neighbourTimeout = 2 * time.Second

// neighbour is what init found at the address for clients of one replica.
type neighbour struct {
	replica config.Replica
	hello   *protocol.HelloAnswer
	status  *protocol.Status
	// err says why one of the two is missing.
	err error
	// there: somebody took the connection who is a replica or may be one.
	there bool
}

// askNeighbours asks all configured addresses who is there. A cluster that has
// begun must be noticed before an acceptor without memory is made for it.
func askNeighbours(replicas []config.Replica) []neighbour {
	found := make([]neighbour, len(replicas))
	var asking sync.WaitGroup
	for i, r := range replicas {
		asking.Go(func() { found[i] = askNeighbour(r) })
	}
	asking.Wait()
	return found
}

func askNeighbour(r config.Replica) neighbour {
	n := neighbour{replica: r}
	ctx, cancel := context.WithTimeout(context.Background(), neighbourTimeout)
	defer cancel()
	taken := false
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		taken = err == nil
		return conn, err
	}
	// Without a name the endpoint lets in whoever is there: a replica at the wrong
	// address must be seen too.
	o, err := client.OpenOperator(ctx, client.Endpoint{Address: r.Client}, client.WithDial(dial))
	if err != nil {
		// A refusal is an answer, and so is to take the connection and then be silent:
		// a process that is halted may have voted for a long time.
		var refusal *protocol.Error
		n.err, n.there = err, errors.As(err, &refusal) || taken && errors.Is(err, context.DeadlineExceeded)
		return n
	}
	defer func() { _ = o.Close() }()
	n.there = true
	if n.hello, n.err = o.Hello(ctx, protocol.Hello{Program: "synodd init", Version: version()}); n.err != nil {
		return n
	}
	statuses, err := o.Status(neighbourTimeout / 4)
	if err == nil {
		n.status, err = statuses.Next(ctx)
	}
	n.err = err
	return n
}

// checkNeighbours refuses to begin the replicas where one of them runs already, or
// where their cluster has begun without them. The warning names who could not be
// asked, "" if that does not matter.
func checkNeighbours(c *config.Config, begun []config.Replica, cluster clusterChoice) (warning string, err error) {
	var silent []string
	for _, n := range askNeighbours(c.Replicas) {
		mine := slices.ContainsFunc(begun, func(r config.Replica) bool { return r.ID == n.replica.ID })
		if !n.there {
			if !mine {
				silent = append(silent, fmt.Sprintf("%s (%s)", n.replica.ID, n.replica.Client))
			}
			continue
		}
		if reason := n.refusal(mine, cluster); reason != "" {
			return "", errors.New(reason + "; nothing was changed")
		}
	}
	if cluster.drawn || len(silent) == 0 {
		return "", nil // nobody can have voted under an id that is new
	}
	return fmt.Sprintf("nobody answers for %s: if one of them has run before, this cluster has begun "+
		"and what is made here must not be started; initialise all replicas before the first is started",
		strings.Join(silent, ", ")), nil
}

// refusal says why init must not go on, "" if this neighbour is no reason. Mine:
// it answers at the address of a replica that is to be begun.
func (n *neighbour) refusal(mine bool, cluster clusterChoice) string {
	at := fmt.Sprintf("at %s, the address of %s,", n.replica.Client, n.replica.ID)
	switch {
	case n.hello == nil:
		return fmt.Sprintf("%s somebody listens but does not say who it is (%v): "+
			"stop it or let it run on, then run init again", at, n.err)
	case cluster.drawn || n.hello.Cluster != cluster.id.String():
		return fmt.Sprintf("%s %s of another cluster runs, %s: stop it, or correct the addresses or --cluster-id",
			at, n.hello.Replica, n.hello.Cluster)
	case mine:
		return fmt.Sprintf("%s %s of this cluster runs already: it needs no init", at, n.hello.Replica)
	case n.status == nil:
		return fmt.Sprintf("%s %s of this cluster runs but does not say how far it is (%v): run init again",
			at, n.hello.Replica, n.err)
	case n.fresh():
		return ""
	}
	return fmt.Sprintf("this cluster has begun: %s has applied up to slot %d, voted up to slot %d and promised ballot "+
		"%s. An acceptor without its memory must not vote: what was chosen with its help could be lost. If this replica has "+
		"run before, start it without init: it recovers from the others. If it is new: all replicas must be "+
		"initialised before the first is started", n.hello.Replica, n.status.Applied, n.status.Voted,
		orNone(n.status.Ballot))
}

// fresh reports whether the neighbour has promised, voted and applied nothing yet,
// so that nobody can have forgotten anything that it relied on. An acceptor that is
// down or refuses to vote may have known more than it shows.
func (n *neighbour) fresh() bool {
	s := n.status
	for i := range s.Roles {
		if r := &s.Roles[i]; r.Role == paxos.RoleAcceptor.String() && r.State != "normal" {
			return false
		}
	}
	return s.Applied == 0 && s.Chosen == 0 && s.Voted == 0 && s.Ballot == ""
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
