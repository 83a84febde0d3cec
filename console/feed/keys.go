package feed

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"synod/console/state"
	"synod/protocol/client"
)

// Times of the reading for the screen.
const (
	keysTimeout  = 2 * time.Second  // of a page or a value
	levelTimeout = 5 * time.Second  // of the counting below a prefix, which takes several requests
	copyTimeout  = time.Second      // of one copy of a comparison
	keysEvery    = time.Second      // a page and a value are read again while slots are chosen
	keysIdle     = 10 * time.Second // and while none are
	levelEvery   = 10 * time.Second // so is a count
	levelSoon    = 2 * time.Second  // a count of few keys
	levelIdle    = 30 * time.Second
	levelFew     = 2000
)

// Keys reads the part of the store that is on the screen: one thing at a time, in the background, again and again while
// somebody looks, and not at all while nobody does. What is no longer wanted is given up. Safe for concurrent use.
type Keys struct {
	client   *client.Client
	replicas []string
	now      func() time.Time
	run      func(func())
	wake     chan struct{} // one element: the wish has changed
	done     sync.WaitGroup
	cancel   context.CancelFunc

	mutex   sync.Mutex // guards what follows
	want    state.KeysWant
	known   state.Keys
	running keyJob
	stop    context.CancelFunc // of the running job; nil without one
}

// keyJob is one thing to read.
type keyJob struct {
	kind    keyJobKind
	page    state.KeyPageWant
	mode    state.KeyMode // of a level or a value
	prefix  string        // of a level
	key     string        // of a value
	compare state.KeyCompareWant
}

type keyJobKind int

const (
	noKeyJob keyJobKind = iota
	pageJob
	valueJob
	compareJob
	levelJob
)

// StartKeys begins to wait for wishes. Its goroutines are started with run, so that the owner of the terminal hears of a
// panic. Close ends them.
func StartKeys(ctx context.Context, cluster *Cluster, replicas []string, run func(func())) *Keys {
	ctx, cancel := context.WithCancel(ctx)
	k := &Keys{
		client: cluster.client, replicas: replicas, now: time.Now, run: run, wake: make(chan struct{}, 1), cancel: cancel,
	}
	k.done.Add(1)
	run(func() {
		defer k.done.Done()
		k.serve(ctx)
	})
	return k
}

// Close gives up what is being read and waits for the goroutines.
func (k *Keys) Close() {
	k.cancel()
	k.done.Wait()
}

// Look gives what is known now, and says what is wanted from now on. It never waits for the network.
func (k *Keys) Look(want state.KeysWant) state.Keys {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.want = want
	if k.stop != nil && !wanted(&k.running, &want) {
		k.stop()
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
	return k.known
}

// wanted tells whether a job still serves a wish.
func wanted(job *keyJob, want *state.KeysWant) bool {
	if !want.Seen {
		return false
	}
	switch job.kind {
	case pageJob:
		return job.page == want.Page
	case valueJob:
		return job.key == want.Key && job.mode == want.Page.Mode
	case compareJob:
		return job.compare == want.Compare
	case levelJob:
		return job.mode == want.Page.Mode && slices.Contains(want.Levels, job.prefix)
	}
	return false
}

func (k *Keys) serve(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		for ctx.Err() == nil {
			job := k.begin()
			if job.kind == noKeyJob {
				break
			}
			k.do(ctx, &job)
		}
	}
}

// begin chooses what to read next.
func (k *Keys) begin() keyJob {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.forget()
	return next(&k.want, &k.known, k.now())
}

// next is what is wanted and not known, or else what is known for too long. What a person has just asked for comes first.
func next(want *state.KeysWant, known *state.Keys, now time.Time) keyJob {
	if !want.Seen {
		return keyJob{}
	}
	page := keyJob{kind: pageJob, page: want.Page}
	value := keyJob{kind: valueJob, key: want.Key, mode: want.Page.Mode}
	otherValue := known.Value.Key != want.Key || known.Value.Mode != want.Page.Mode
	switch {
	case known.Page.Want != want.Page:
		return page
	case want.Key != "" && otherValue:
		return value
	case want.Compare.Turn > 0 && known.Compare.Want != want.Compare:
		return keyJob{kind: compareJob, compare: want.Compare}
	}
	level := func(due func(state.KeyLevel) bool) (keyJob, bool) {
		for _, prefix := range want.Levels {
			if due(known.Levels[prefix]) {
				return keyJob{kind: levelJob, prefix: prefix, mode: want.Page.Mode}, true
			}
		}
		return keyJob{}, false
	}
	if job, ok := level(func(l state.KeyLevel) bool { return l.At.IsZero() || l.Mode != want.Page.Mode }); ok {
		return job
	}
	due := func(source *state.KeySource, every, idle time.Duration) bool {
		age := now.Sub(source.At)
		return age >= idle || age >= every && (source.Err != "" || source.Applied < want.Chosen)
	}
	switch {
	case due(&known.Page.KeySource, keysEvery, keysIdle):
		return page
	case want.Key != "" && due(&known.Value.KeySource, keysEvery, keysIdle):
		return value
	}
	job, _ := level(func(l state.KeyLevel) bool {
		if count, _ := l.Count(); count <= levelFew {
			return due(&l.KeySource, levelSoon, levelIdle)
		}
		return due(&l.KeySource, levelEvery, levelIdle)
	})
	return job
}

// forget drops levels that are no longer wanted. The caller holds the mutex.
func (k *Keys) forget() {
	if !k.want.Seen || len(k.known.Levels) <= state.KeyLevelsMax {
		return
	}
	kept := map[string]state.KeyLevel{}
	for prefix, level := range k.known.Levels {
		if slices.Contains(k.want.Levels, prefix) {
			kept[prefix] = level
		}
	}
	k.known.Levels = kept
}

// do reads one thing and keeps the answer, unless it was given up.
func (k *Keys) do(ctx context.Context, job *keyJob) {
	timeout := keysTimeout
	if job.kind == levelJob || job.kind == compareJob {
		timeout = levelTimeout
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	k.mutex.Lock()
	if !wanted(job, &k.want) {
		k.mutex.Unlock()
		return
	}
	k.running, k.stop = *job, stop
	known := k.known
	k.mutex.Unlock()
	change := k.read(ctx, job, &known)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.stop = nil
	if wanted(job, &k.want) {
		change(&k.known)
	}
}

// read gives the change that the answer makes to what is known.
func (k *Keys) read(ctx context.Context, job *keyJob, known *state.Keys) func(*state.Keys) {
	switch job.kind {
	case pageJob:
		page := k.page(ctx, job.page, &known.Page)
		return func(keys *state.Keys) { keys.Page = page }
	case valueJob:
		value := k.value(ctx, job, &known.Value)
		return func(keys *state.Keys) { keys.Value = value }
	case compareJob:
		return k.compare(ctx, job.compare)
	}
	level := k.level(ctx, job, known.Levels[job.prefix])
	return func(keys *state.Keys) {
		keys.Levels = maps.Clone(keys.Levels) // those who hold the old one read on
		if keys.Levels == nil {
			keys.Levels = map[string]state.KeyLevel{}
		}
		keys.Levels[job.prefix] = level
	}
}
