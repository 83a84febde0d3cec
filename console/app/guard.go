package app

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Guard starts the goroutines of the screen. A panic in one of them is kept, and the screen is told to end, so that the
// terminal is given back before anything is printed. Safe for concurrent use.
type Guard struct {
	mutex  sync.Mutex
	end    func() // tells the screen to end; nil before OnPanic
	failed error
}

// OnPanic sets what is called after a panic, at once if there has been one. It must not wait for the goroutine.
func (g *Guard) OnPanic(end func()) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.end = end
	if g.failed != nil {
		end()
	}
}

// Go starts a goroutine. Its owner ends it.
func (g *Guard) Go(body func()) {
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				g.fail(fmt.Errorf("internal fault: %v\n%s", cause, debug.Stack()))
			}
		}()
		body()
	}()
}

func (g *Guard) fail(err error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.failed != nil {
		return
	}
	g.failed = err
	if g.end != nil {
		g.end()
	}
}

// Err gives the first panic, nil if there was none.
func (g *Guard) Err() error {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.failed
}
