package feed

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"synod/console/state"
	"synod/protocol"
	"synod/protocol/client"
)

// Times of a Watch.
const (
	watchInterval = 100 * time.Millisecond // of a status; the screen is drawn as often
	retryMin      = 100 * time.Millisecond // before a replica is dialled again; doubles
	retryMax      = time.Second            // a replica that is back is seen soon, by people who wait for it
)

// Follower uses the one connection to a replica while it lasts: it subscribes or asks, and keeps what comes. Follow
// returns when ctx or the connection has ended; any error ends the connection, which is then made anew. It is called
// from one goroutine for each replica and connection.
type Follower interface {
	Follow(ctx context.Context, replica string, operator *client.Operator) error
}

// Watch keeps a connection to every replica and what each said last. Snapshot never waits for the network.
type Watch struct {
	logger *slog.Logger
	cancel context.CancelFunc
	done   sync.WaitGroup

	run       func(func())
	followers []Follower

	mutex        sync.Mutex
	observations []state.Observation
}

// StartWatch begins to watch. Its goroutines are started with run, so that the owner of the terminal hears of a panic.
// The followers share the connections.
func StartWatch(
	ctx context.Context, endpoints []client.Endpoint, logger *slog.Logger, run func(func()), followers ...Follower,
) *Watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &Watch{logger: logger, cancel: cancel, run: run, followers: followers}
	for _, endpoint := range endpoints {
		w.observations = append(w.observations, state.Observation{ID: endpoint.Replica, Address: endpoint.Address})
	}
	for i, endpoint := range endpoints {
		w.done.Add(1)
		run(func() {
			defer w.done.Done()
			w.follow(ctx, i, endpoint)
		})
	}
	return w
}

// Close ends all connections and waits for the goroutines.
func (w *Watch) Close() {
	w.cancel()
	w.done.Wait()
}

// Snapshot copies what is known now, in the order of the endpoints. The statuses are shared and are not changed.
func (w *Watch) Snapshot() []state.Observation {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.observations)
}

func (w *Watch) change(at int, change func(*state.Observation)) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	change(&w.observations[at])
}

// follow connects to one replica again and again until the watch ends.
func (w *Watch) follow(ctx context.Context, at int, endpoint client.Endpoint) {
	pause := retryMin
	for ctx.Err() == nil {
		heard, err := w.listen(ctx, at, endpoint)
		if ctx.Err() != nil {
			return
		}
		if heard {
			pause = retryMin
		}
		rest := pause/2 + rand.N(pause/2)
		pause = min(2*pause, retryMax)
		w.change(at, func(o *state.Observation) {
			o.Connected, o.Err, o.RetryAt = false, sentence(err), time.Now().Add(rest)
			o.Attempts++
			if heard {
				o.Attempts = 1
			}
			if o.Attempts == 1 {
				w.logger.Warn("replica lost", "replica", endpoint.Replica, "err", o.Err)
			}
		})
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func sentence(err error) string {
	_, _, text := Describe(err)
	return text.Error()
}

// listen takes statuses until the connection ends, and tells whether any came.
func (w *Watch) listen(ctx context.Context, at int, endpoint client.Endpoint) (heard bool, err error) {
	operator, err := client.OpenOperator(ctx, endpoint, client.WithLogger(w.logger))
	if err != nil {
		return false, err
	}
	defer func() { _ = operator.Close() }() // it reports nothing
	hello, err := operator.Hello(ctx, protocol.Hello{Program: "synod"})
	if err != nil {
		return false, err
	}
	w.change(at, func(o *state.Observation) { o.FaultsOff = !hello.Faults })
	subscription, err := operator.Status(watchInterval)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel(nil)
	for _, follower := range w.followers {
		following.Add(1)
		w.run(func() {
			defer following.Done()
			err := follower.Follow(ctx, endpoint.Replica, operator)
			if err != nil && ctx.Err() == nil {
				w.logger.Warn("the connection to a replica is made anew", "replica", endpoint.Replica, "err", err)
			}
			if err != nil {
				cancel(err) // the first one is why the connection ended
			}
		})
	}
	for {
		status, err := subscription.Next(ctx)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		if err != nil {
			return heard, err
		}
		heard = true
		w.note(at, status)
	}
}

func (w *Watch) note(at int, status *protocol.Status) {
	w.change(at, func(o *state.Observation) {
		o.Connected, o.Known, o.Status, o.At, o.Err, o.Attempts = true, true, *status, time.Now(), "", 0
		if o.ID == "" {
			o.ID = status.Replica
		}
	})
}
