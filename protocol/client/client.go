package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
	"synod/protocol"
)

// Client talks to a cluster. It is safe for concurrent use; one is enough for a
// process.
type Client struct {
	settings settings
	logger   *slog.Logger
	links    []*link
	sticky   atomic.Int32 // index of the link that calls go to
	lanes    lanes
	calls    callPool
	budget   budget
	cluster  clusterPin
	strays   atomic.Uint64

	ctx    context.Context // ends with Close; the owner of every goroutine
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// Info is what every successful call tells.
type Info struct {
	Replica string // that answered
	// Slot in which an update was executed.
	Slot uint64
	// Revision that an update gave to its key, or that a value has.
	Revision uint64
	// Applied is how far the replica was when it answered.
	Applied  uint64
	Latency  time.Duration // from the call to its return
	Attempts int
}

// Value is the answer to Get.
type Value struct {
	Info
	Found bool
	Value []byte // the caller's to keep
}

// Open makes a client of the replicas at these endpoints. It waits for none of
// them: connections are made when calls need them. It fails if there are no
// endpoints or more than a cluster can have, if an option names a replica that is not among them, or if ctx has
// ended.
func Open(ctx context.Context, endpoints []Endpoint, options ...Option) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	if len(endpoints) == 0 {
		return nil, errors.New("open client: no endpoints, give at least one replica's address")
	}
	if len(endpoints) > paxos.ReplicasMax {
		return nil, fmt.Errorf("open client: %d endpoints, a cluster has at most %d replicas",
			len(endpoints), paxos.ReplicasMax)
	}
	c := &Client{settings: newSettings(options)}
	c.logger = c.settings.logger
	c.cluster.id = c.settings.cluster
	if c.settings.connect == nil {
		c.settings.connect = c.settings.connectTCP(&c.cluster)
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.budget.tokens.Store(budgetMax)
	c.lanes.planted, c.lanes.open, c.lanes.run = c.settings.planted, c.openSession, c.run
	for _, endpoint := range endpoints {
		c.links = append(c.links, newLink(c, endpoint))
	}
	c.sticky.Store(int32(rand.IntN(len(c.links))))
	if name := c.settings.preferred; name != "" {
		at := c.find(name)
		if at < 0 {
			c.cancel()
			return nil, fmt.Errorf("open client: no endpoint of replica %q", name)
		}
		c.sticky.Store(int32(at))
	}
	return c, nil
}

func newSettings(options []Option) settings {
	s := settings{timeout: TimeoutDefault, logger: slog.New(slog.DiscardHandler), dial: dialTCP}
	for _, option := range options {
		option(&s)
	}
	return s
}

// run starts a goroutine that Close waits for; false if the client is closed.
func (c *Client) run(body func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.group.Go(func() { body(c.ctx) })
	return true
}

// Close ends all connections and returns when every goroutine has ended. Calls
// under way fail with [ErrClosed]. It may be called again.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.group.Wait()
	return nil
}

// Strays counts answers that nobody asked for, twice or at all.
func (c *Client) Strays() uint64 { return c.strays.Load() }

// Get reads a key. A missing key is no error: Found says it. The key is not
// kept. Options: [At], [Retrying], [Stale].
func (c *Client) Get(ctx context.Context, key []byte, options ...CallOption) (Value, error) {
	call := c.begin("get", protocol.KindGet, options)
	defer c.calls.put(call)
	if err := c.sizes(call, key, nil); err != nil {
		return Value{}, err
	}
	call.key = key
	if err := c.do(ctx, call); err != nil {
		return Value{}, err
	}
	got := &call.answer.got
	value := Value{Info: call.info(), Found: got.Found, Value: got.Value}
	value.Revision, value.Applied = got.Revision, got.Applied
	return value, nil
}

// Put stores a value under a key. Key and value are not kept. Options: [At],
// [Retrying].
func (c *Client) Put(ctx context.Context, key, value []byte, options ...CallOption) (Info, error) {
	// PUT 1/8 The update gets session and sequence and leaves with what waits. Next: the gateway registers its waiter.
	if value == nil {
		value = []byte{} // nil stands for a delete
	}
	return c.update(ctx, "put", key, value, options)
}

// Delete removes a key. To delete a missing key is no error and counts as an
// update. Options: [At], [Retrying].
func (c *Client) Delete(ctx context.Context, key []byte, options ...CallOption) (Info, error) {
	return c.update(ctx, "delete", key, nil, options)
}

func (c *Client) update(ctx context.Context, name string, key, value []byte, options []CallOption) (Info, error) {
	call := c.begin(name, protocol.KindUpdate, options)
	defer c.calls.put(call)
	if err := c.sizes(call, key, value); err != nil {
		return Info{}, err
	}
	call.key, call.value = key, value
	return c.finish(ctx, call)
}

func (c *Client) begin(name string, request protocol.Kind, options []CallOption) *call {
	call := c.calls.get()
	call.operation, call.request, call.started = name, request, time.Now()
	call.set.retry = c.settings.retry
	for _, option := range options {
		option(&call.set)
	}
	return call
}

func (c *Client) sizes(call *call, key, value []byte) error {
	err := kv.CheckSizes(key, value)
	if err == nil {
		return nil
	}
	code := protocol.CodeDenied
	if errors.Is(err, kv.ErrTooLarge) {
		code = protocol.CodeTooLarge
	}
	return &Error{Code: code, Operation: call.operation, Text: err.Error(), cause: err}
}

// openSession asks the cluster for a session, for a [lanes].
func (c *Client) openSession(ctx context.Context, token session.Token) (session.ID, error) {
	call := c.begin("open session", protocol.KindOpenSession, nil)
	defer c.calls.put(call)
	call.token = token
	call.set.retry = Safe // the token makes it so
	if err := c.do(ctx, call); err != nil {
		return session.ID{}, err
	}
	return call.answer.opened, nil
}

func (c *call) info() Info {
	replica := c.replica
	if replica == "" {
		replica = c.link.name()
	}
	return Info{Replica: replica, Latency: time.Since(c.started), Attempts: c.attempts}
}

// find gives the index of a replica's link, -1 if there is none.
func (c *Client) find(name string) int {
	for i, l := range c.links {
		if l.endpoint.Replica == name {
			return i
		}
	}
	return -1
}

func (c *Client) reportLate(l *link, left *gone, a *answer) {
	if c.settings.late == nil {
		return
	}
	late := Late{
		Replica: l.endpoint.Replica, Operation: left.operation, Outcome: Done,
		Session: left.ticket.Session, Sequence: left.ticket.Sequence,
	}
	if a.refusal != nil {
		late.Code, late.Outcome = a.refusal.Code, NotSent
		if a.refusal.MayHaveRun() {
			late.Outcome = Unknown
		}
	}
	c.settings.late(late)
}

// budget bounds retries to a fifth of the calls, and a reserve for bad times,
// so that clients do not drown a cluster that is already slow.
type budget struct{ tokens atomic.Int64 }

const (
	budgetMax     = 500 // in fifths of a retry
	budgetPerCall = 1
	budgetRetry   = 5
)

func (b *budget) called() {
	if b.tokens.Load() < budgetMax {
		b.tokens.Add(budgetPerCall)
	}
}

func (b *budget) spend() bool {
	if b.tokens.Add(-budgetRetry) >= 0 {
		return true
	}
	b.tokens.Add(budgetRetry)
	return false
}
