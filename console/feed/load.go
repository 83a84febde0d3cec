package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"synod/console/verdict"
	"synod/console/workload"
	"synod/protocol/client"
)

// loadConnections are the connections that the clients of a load share, as many for each replica.
const loadConnections = 10

// loadStore sends the operations of a load. Safe for concurrent use.
type loadStore struct {
	clients  []*client.Client
	replicas []string
	leader   leaderMemory
}

// OpenLoad makes the connections of a load, which know nothing of those of the prompt. Answers that come too late are
// the judge's matter alone, and are not logged. The operators tell who leads.
func OpenLoad(
	ctx context.Context, endpoints []client.Endpoint, operators *Operators,
) (workload.Store, io.Closer, error) {
	s := &loadStore{leader: leaderMemory{ask: operators.Leader}}
	for number := range loadConnections {
		endpoint := endpoints[number%len(endpoints)]
		options := []client.Option{client.WithLogger(slog.New(slog.DiscardHandler))}
		if endpoint.Replica != "" {
			options = append(options, client.WithReplica(endpoint.Replica))
		}
		opened, err := client.Open(ctx, endpoints, options...)
		if err != nil {
			return nil, nil, errors.Join(err, s.Close())
		}
		s.clients = append(s.clients, opened)
	}
	for _, endpoint := range endpoints {
		if endpoint.Replica != "" {
			s.replicas = append(s.replicas, endpoint.Replica)
		}
	}
	return s, s, nil
}

// Close ends all connections.
func (s *loadStore) Close() error {
	var failures []error
	for _, c := range s.clients {
		failures = append(failures, c.Close())
	}
	return errors.Join(failures...)
}

// Do sends one operation and waits for its end.
func (s *loadStore) Do(ctx context.Context, r workload.Request) verdict.Answer {
	c := s.clients[r.Client%len(s.clients)]
	options, err := s.target(ctx, r)
	if err != nil {
		return verdict.Answer{Outcome: verdict.NotSent, Failure: "unavailable"}
	}
	var answer verdict.Answer
	switch r.Kind {
	case verdict.Get:
		var value client.Value
		if value, err = c.Get(ctx, r.Key, options...); err == nil {
			answer.Found, answer.Value, answer.Replica = value.Found, string(value.Value), value.Replica
			if value.Found {
				answer.Revision = value.Revision
			}
		}
	case verdict.Put:
		var info client.Info
		info, err = c.Put(ctx, r.Key, r.Value, options...)
		answer.Revision, answer.Replica = info.Revision, info.Replica
	default:
		var info client.Info
		info, err = c.Delete(ctx, r.Key, options...)
		answer.Revision, answer.Replica = info.Revision, info.Replica
	}
	answer.Outcome = verdict.Done
	if err != nil {
		answer = failed(err)
	}
	return answer
}

func failed(err error) verdict.Answer {
	var e *client.Error
	if !errors.As(err, &e) {
		return verdict.Answer{Outcome: verdict.Unknown, Failure: "timeout"}
	}
	answer := verdict.Answer{Outcome: verdict.Unknown, Failure: e.Code.String(), Replica: e.Replica}
	if e.Outcome == client.NotSent {
		answer.Outcome = verdict.NotSent
	}
	return answer
}

// leaderMemory asks who leads now and then.
type leaderMemory struct {
	ask func(context.Context) string

	mutex  sync.Mutex // held while asking: the others wait for the same answer
	leader string
	asked  time.Time
}

// leaderAge is for how long an answer is believed.
const leaderAge = 200 * time.Millisecond

func (m *leaderMemory) name(ctx context.Context) string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if time.Since(m.asked) > leaderAge {
		m.leader, m.asked = m.ask(ctx), time.Now()
	}
	return m.leader
}

// target says where an operation goes. A named replica gets one attempt, so that its failures are seen.
func (s *loadStore) target(ctx context.Context, r workload.Request) ([]client.CallOption, error) {
	replica := r.Target
	switch r.Target {
	case "", "auto":
		return nil, nil
	case "random":
		if len(s.replicas) == 0 {
			return nil, nil
		}
		// Clients differ and so do their keys: that is random enough, and needs no source.
		replica = s.replicas[(r.Client+len(r.Key)+int(r.Key[len(r.Key)-1]))%len(s.replicas)]
	case "leader":
		if replica = s.leader.name(ctx); replica == "" {
			return nil, fmt.Errorf("nobody leads")
		}
	}
	return []client.CallOption{client.At(replica), client.Retrying(client.Never)}, nil
}
