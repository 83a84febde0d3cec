package processtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"synod/protocol"
	"synod/protocol/client"
)

// LoadOptions say who asks for what. Zero values are the defaults.
type LoadOptions struct {
	Clients int           // each with connections of its own and one operation under way; default 16
	Timeout time.Duration // of every operation; default 5 s
	Pause   time.Duration // of a client between two operations; default none
	Seed    uint64        // of keys and kinds; default drawn
	// Impatient of the Clients make one attempt for each operation, so that many outcomes stay unknown.
	Impatient int
	// Stale makes all reads answer with what the replica has, which is wrong: for tests of the verdict.
	Stale bool
	// Pinned clients, beside the others, read only, and only at this replica, with one attempt of a short time.
	Pinned   int
	PinnedAt string
}

// A key is shared by few clients and used for a short time only: the judge's work grows quickly with the number of
// operations under way on a key, and with the length of a key's history.
const (
	clientsPerKey    = 6
	keysPerGroup     = 2
	operationsPerKey = 250
	valueBytes       = 100
)

// Load is clients at work.
type Load struct {
	cluster *Cluster
	options LoadOptions
	prefix  string
	begin   time.Time
	before  uint64
	stop    context.CancelFunc
	workers []*worker
	groups  []group
	writes  atomic.Int64 // acknowledged
	reads   atomic.Int64
	running sync.WaitGroup
}

// group is clients that share keys.
type group struct{ operations atomic.Int64 }

// worker is one client with what it saw.
type worker struct {
	load       *Load
	number     int
	group      *group
	groupName  int
	pinned     string
	client     *client.Client
	random     *rand.Rand
	operations []Operation
}

// StartLoad starts clients, spread over all replicas, that put, read and delete until Stop.
func (c *Cluster) StartLoad(o LoadOptions) *Load {
	c.t.Helper()
	if o.Clients == 0 {
		o.Clients = 16
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	c.t.Logf("load of %d clients, seed %d", o.Clients, o.Seed)
	l := &Load{cluster: c, options: o, prefix: fmt.Sprintf("load/%x/", rand.Uint32())}
	l.before = c.marker()
	l.groups = make([]group, (o.Clients+clientsPerKey-1)/clientsPerKey)
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.begin = cancel, time.Now()
	c.t.Cleanup(func() { cancel(); l.running.Wait() })
	ids := c.Config.ReplicaIDs()
	for n := range o.Clients + o.Pinned {
		w := &worker{load: l, number: n, groupName: n / clientsPerKey, random: rand.New(rand.NewPCG(o.Seed, uint64(n)))}
		prefer := ids[n%len(ids)]
		if n >= o.Clients {
			w.pinned, w.groupName = o.PinnedAt, (n-o.Clients)%len(l.groups)
			prefer = o.PinnedAt
		}
		w.group = &l.groups[w.groupName]
		retry := client.Safe
		if n < o.Impatient {
			retry = client.Never
		}
		w.client = c.Client(prefer, client.WithRetry(retry))
		l.workers = append(l.workers, w)
		l.running.Go(func() { w.run(ctx) })
	}
	return l
}

// marker makes one update and gives its revision.
func (c *Cluster) marker() uint64 {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	own := c.Client("")
	defer func() { _ = own.Close() }() // Close only ends goroutines
	info, err := own.Put(ctx, []byte("marker"), nil)
	if err != nil {
		c.t.Fatalf("an update of the quiet cluster: %v\n%s", err, c.describe())
	}
	return info.Revision
}

// Now is the time of the load's clock.
func (l *Load) Now() time.Duration { return time.Since(l.begin) }

// Writes counts the updates acknowledged so far.
func (l *Load) Writes() int64 { return l.writes.Load() }

// AwaitWrites waits for so many more acknowledged updates.
func (l *Load) AwaitWrites(more int64) {
	l.cluster.t.Helper()
	target := l.Writes() + more
	if !poll(Patience, func() bool { return l.Writes() >= target }) {
		l.cluster.t.Fatalf("only %d of %d updates more in %v:\n%s", l.Writes()-target+more, more, Patience,
			l.cluster.describe())
	}
}

// Run lets the load work for a time.
func (l *Load) Run(d time.Duration) { time.Sleep(d) }

// Stop lets every client end its operation and gives the history. It must be called on a cluster that can write.
func (l *Load) Stop() *History {
	l.cluster.t.Helper()
	l.stop()
	l.running.Wait()
	h := &History{
		Timeout: l.options.Timeout, Before: l.before, UnknownBefore: l.cluster.unknown, prefix: l.prefix,
	}
	for _, w := range l.workers {
		_ = w.client.Close() // Close only ends goroutines
		h.Operations = append(h.Operations, w.operations...)
	}
	h.After = l.cluster.marker()
	h.sort()
	l.cluster.unknown += h.Unknowns() // they may be executed under the next load
	return h
}

// run is the life of a client.
func (w *worker) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		o := w.draw(n)
		w.do(&o)
		w.operations = append(w.operations, o)
		switch {
		case o.Outcome != Done:
		case o.update():
			w.load.writes.Add(1)
		default:
			w.load.reads.Add(1)
		}
		pause := w.load.options.Pause
		if o.Outcome != Done {
			pause = max(pause, 2*time.Millisecond) // an error may come at once
		}
		if pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// draw chooses the next operation. Every value is written only once.
func (w *worker) draw(n int) Operation {
	o := Operation{Client: w.number, Kind: Get}
	turn := w.group.operations.Load()
	if w.pinned == "" {
		turn = w.group.operations.Add(1)
		switch draw := w.random.IntN(100); {
		case draw < 50:
			o.Kind = Put
		case draw < 55:
			o.Kind = Delete
		}
	}
	era := turn / (operationsPerKey * keysPerGroup)
	o.Key = fmt.Sprintf("%s%d/%d/%d", w.load.prefix, w.groupName, era, w.random.IntN(keysPerGroup))
	if o.Kind == Put {
		o.Value = fmt.Sprintf("%d.%d", w.number, n)
	}
	return o
}

// padding makes values longer without making them less different.
func padded(value string) []byte {
	return append([]byte(value+" "), make([]byte, valueBytes)...)
}

func unpadded(value []byte) string {
	for i, char := range value {
		if char == ' ' {
			return string(value[:i])
		}
	}
	return fmt.Sprintf("not one of ours: %q", value)
}

// do makes the call and notes what came of it.
func (w *worker) do(o *Operation) {
	timeout := w.load.options.Timeout
	var options []client.CallOption
	if w.pinned != "" {
		timeout = 200*time.Millisecond + rand.N(time.Second)
		options = []client.CallOption{client.At(w.pinned), client.Retrying(client.Never)}
	}
	// Not the load's context: its end lets operations end in their own time.
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if w.load.options.Stale && o.Kind == Get {
		options = append(options, client.Stale())
	}
	var info client.Info
	var err error
	o.Call = w.load.Now()
	switch o.Kind {
	case Put:
		info, err = w.client.Put(ctx, []byte(o.Key), padded(o.Value), options...)
	case Delete:
		info, err = w.client.Delete(ctx, []byte(o.Key), options...)
	default:
		var got client.Value
		got, err = w.client.Get(ctx, []byte(o.Key), options...)
		if info, o.Found = got.Info, got.Found; o.Found {
			o.Value = unpadded(got.Value)
		}
	}
	o.Return = w.load.Now()
	o.judge(info, err)
}

// judge notes the answer or the failure.
func (o *Operation) judge(info client.Info, err error) {
	o.Outcome, o.Replica, o.Slot, o.Revision = Done, info.Replica, info.Slot, info.Revision
	if err == nil {
		return
	}
	var failure *client.Error
	if !errors.As(err, &failure) {
		failure = &client.Error{
			Code: protocol.CodeInternal, Outcome: client.Unknown, Text: "no error of the client: " + err.Error(),
		}
	}
	o.Outcome, o.Replica, o.Code, o.Text = NotSent, failure.Replica, failure.Code, failure.Error()
	if failure.Outcome != client.NotSent {
		o.Outcome = Unknown
	}
}

// ReadAll reads all keys of a history at every running replica and adds that to the history.
func (c *Cluster) ReadAll(h *History) {
	c.t.Helper()
	var end time.Duration
	for i := range h.Operations {
		end = max(end, h.Operations[i].Return)
	}
	keys, reader := h.Keys(), -1
	for _, id := range c.Running() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		found := map[string]client.Entry{}
		own := c.Client(id)
		for e, err := range own.Scan(ctx, []byte(h.prefix), client.At(id)) {
			if err != nil {
				cancel()
				c.t.Fatalf("read all keys at %s: %v\n%s", id, err, c.describe())
			}
			found[string(e.Key)] = e
		}
		cancel()
		_ = own.Close() // Close only ends goroutines
		call := end + 1
		end += 2 // the cluster is quiet: only the order matters
		for _, key := range keys {
			o := Operation{Client: reader, Replica: id, Kind: Get, Key: key, Call: call, Return: end, Outcome: Done}
			if e, there := found[key]; there {
				o.Found, o.Value, o.Revision = true, unpadded(e.Value), e.Revision
			}
			h.Operations = append(h.Operations, o)
		}
		reader--
	}
	h.sort()
}
