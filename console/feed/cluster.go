package feed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"synod/console/command"
	"synod/protocol"
	"synod/protocol/client"
)

// Cluster sends requests to the store. Safe for concurrent use.
type Cluster struct {
	client  *client.Client
	single  string // the only endpoint's address if its replica is not known by name
	names   map[string]bool
	process string // begins the ids of requests of this process
	count   atomic.Uint64
}

// OpenCluster makes a Cluster of the replicas at these endpoints; it connects when requests need it. One endpoint alone
// may have no name. The logger gets lost connections and late answers.
func OpenCluster(ctx context.Context, endpoints []client.Endpoint, logger *slog.Logger) (*Cluster, error) {
	late := func(l client.Late) {
		logger.Info("late reply", "op", l.Operation, "from", l.Replica, "outcome", l.Outcome.String())
	}
	library, err := client.Open(ctx, endpoints, client.WithLogger(logger), client.WithLate(late))
	if err != nil {
		return nil, err
	}
	c := &Cluster{client: library, names: map[string]bool{}, process: processName()}
	for _, endpoint := range endpoints {
		c.names[endpoint.Replica] = true
		if endpoint.Replica == "" {
			c.single = endpoint.Address
		}
	}
	return c, nil
}

// processName draws a short name, so that lines of several consoles in one log can be told apart.
func processName() string {
	var bytes [2]byte
	_, _ = rand.Read(bytes[:]) // it never fails
	return fmt.Sprintf("c%x", bytes)
}

// Close ends all connections.
func (c *Cluster) Close() error { return c.client.Close() }

// Do sends a request. A named replica gets one attempt, so that its failure is seen at once; without a name the client
// library asks others as long as there is time and it may.
func (c *Cluster) Do(ctx context.Context, request command.Request) command.Reply {
	reply := command.Reply{Replica: request.Replica, RequestID: fmt.Sprintf("%s.%d", c.process, c.count.Add(1))}
	if request.Replica != "" && !c.names[request.Replica] {
		return c.refused(reply, fmt.Errorf("no address of %s: give the configuration of the cluster with --config",
			request.Replica))
	}
	var options []client.CallOption
	if request.Replica != "" {
		options = append(options, client.At(request.Replica), client.Retrying(client.Never))
	}
	if request.Stale {
		options = append(options, client.Stale())
	}
	var err error
	switch request.Operation {
	case command.Get:
		err = c.get(ctx, request, options, &reply)
	case command.Put, command.Delete:
		err = c.update(ctx, request, options, &reply)
	case command.Scan:
		err = c.scan(ctx, request, options, &reply)
	case command.Retry:
		err = c.retry(ctx, request, options, &reply)
	default:
		panic("feed: unknown operation " + request.Operation)
	}
	c.fail(&reply, err)
	if reply.Replica == "" {
		reply.Replica = c.single
	}
	return reply
}

func (c *Cluster) refused(reply command.Reply, err error) command.Reply {
	reply.Failure, reply.Outcome, reply.Err = command.Unavailable, command.NotSent, err
	return reply
}

func (c *Cluster) get(ctx context.Context, r command.Request, options []client.CallOption, reply *command.Reply) error {
	value, err := c.client.Get(ctx, r.Key, options...)
	if err != nil {
		return err
	}
	reply.Found, reply.Value = value.Found, value.Value
	take(reply, value.Info)
	return nil
}

func (c *Cluster) update(
	ctx context.Context, r command.Request, options []client.CallOption, reply *command.Reply,
) error {
	var info client.Info
	var err error
	if r.Operation == command.Put {
		info, err = c.client.Put(ctx, r.Key, r.Value, options...)
	} else {
		info, err = c.client.Delete(ctx, r.Key, options...)
	}
	if err != nil {
		return err
	}
	take(reply, info)
	reply.Applied = 0 // of an update the slot says it all
	return nil
}

// retry asks for the outcome of an update, under the id that the update had.
func (c *Cluster) retry(
	ctx context.Context, r command.Request, options []client.CallOption, reply *command.Reply,
) error {
	reply.RequestID = r.RequestID
	info, err := c.client.Retry(ctx, r.Failed, options...)
	if err != nil {
		return err
	}
	take(reply, info)
	reply.Applied = 0
	return nil
}

// take copies what every answer tells.
func take(reply *command.Reply, info client.Info) {
	reply.Replica, reply.Slot, reply.Revision = info.Replica, info.Slot, info.Revision
	reply.Applied, reply.Latency = info.Applied, info.Latency
}

// scan asks for one pair more than wanted, to know whether there are more.
func (c *Cluster) scan(
	ctx context.Context, r command.Request, options []client.CallOption, reply *command.Reply,
) error {
	options = append(options, client.Limit(r.Limit+1))
	if len(r.After) > 0 {
		options = append(options, client.After(r.After))
	}
	if !r.Values {
		options = append(options, client.KeysOnly())
	}
	for entry, err := range c.client.Scan(ctx, r.Key, options...) {
		if err != nil {
			reply.Pairs = nil
			return err
		}
		reply.Replica, reply.Applied = entry.Replica, entry.Applied
		if len(reply.Pairs) == r.Limit {
			reply.More = true
			return nil
		}
		reply.Pairs = append(reply.Pairs, command.Pair{Key: entry.Key, Value: entry.Value, Revision: entry.Revision})
	}
	return nil
}

// fail describes the error of a request.
func (c *Cluster) fail(reply *command.Reply, err error) {
	if err == nil {
		return
	}
	reply.Failure, reply.Outcome, reply.Err = Describe(err)
	var failed *client.Error
	if errors.As(err, &failed) && failed.Replica != "" {
		reply.Replica = failed.Replica
	}
}

// Describe gives the kind of a client's error, what it says about the effect of the request, and a sentence that
// repeats neither the kind nor the replica.
func Describe(err error) (command.Failure, command.Outcome, error) {
	var failed *client.Error
	switch {
	case errors.As(err, &failed):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return command.Timeout, command.Unknown, err
	default:
		return command.Internal, command.Unknown, err
	}
	outcome, kind := command.Done, command.Failure(failed.Code.String())
	switch {
	case failed.Outcome == client.Unknown:
		outcome = command.Unknown
	case failed.RequestID == 0 || failed.Code == protocol.CodeUnreachable:
		outcome = command.NotSent
	}
	text := failed.Text
	if text == "" {
		text = string(kind)
	}
	return kind, outcome, &failure{text: text, err: err}
}

// failure shows a short text and keeps the whole error for errors.Is.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.err }
