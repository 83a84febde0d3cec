package workload

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

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
				request := Request{Kind: verdict.Delete, Key: []byte(keys[at]), Target: "auto", Client: int(at)}
				if e.options.Store.Do(ctx, request).Outcome == verdict.Done {
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
