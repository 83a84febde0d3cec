package workload

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"synod/console/verdict"
)

// clean deletes all keys of the run.
func (e *Engine) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	e.mutex.Lock()
	var keys []string
	for number, used := range e.used {
		if !used {
			continue
		}
		for generation := range e.retired[number] + 1 {
			keys = append(keys, e.nameOf(number, generation))
		}
	}
	e.mutex.Unlock()
	var workers sync.WaitGroup
	var next, deleted atomic.Int64
	for range cleanWorkers {
		workers.Add(1)
		e.options.Go(func() {
			defer workers.Done()
			for at := next.Add(1) - 1; at < int64(len(keys)) && ctx.Err() == nil; at = next.Add(1) - 1 {
				if e.delete(ctx, keys[at], int(at)) {
					deleted.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if left := len(keys) - int(deleted.Load()); left > 0 {
		return fmt.Errorf("%d of %d keys below %s were not deleted", left, len(keys), e.options.Prefix)
	}
	return nil
}

// cleanPause is the time between two tries to delete a key: a leader may be missing for a while.
const cleanPause = 100 * time.Millisecond

// delete tries until it is done or ctx ends.
func (e *Engine) delete(ctx context.Context, key string, client int) bool {
	for {
		answer := e.options.Store.Do(ctx, Request{Kind: verdict.Delete, Key: []byte(key), Target: "auto", Client: client})
		if answer.Outcome == verdict.Done {
			return true
		}
		timer := time.NewTimer(cleanPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}
