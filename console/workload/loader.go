package workload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"synod/console/verdict"
)

// Loader runs one load at a time and keeps the last one. Safe for concurrent use.
type Loader struct {
	ctx    context.Context // of all loads
	open   func(ctx context.Context, profile Profile) (Store, io.Closer, error)
	folder string // of histories; "" keeps none
	start  func(func())

	mutex  sync.Mutex
	engine *Engine // the running one, or the last
}

// NewLoader makes a Loader. open makes the connections of a load, which are closed after it. Histories are kept in the
// folder, "" for none. Goroutines are started with start; nil: the plain way. The end of ctx ends any load.
func NewLoader(
	ctx context.Context, open func(ctx context.Context, profile Profile) (Store, io.Closer, error), folder string, start func(func()),
) *Loader {
	if start == nil {
		start = func(body func()) { go body() }
	}
	return &Loader{ctx: ctx, open: open, folder: folder, start: start}
}

// ErrRunning and ErrNone say that a load runs already, and that there was none.
var (
	ErrRunning = errors.New("a load is running: stop it first with `load stop`, or change it with `load apply`")
	ErrNone    = errors.New("no load was started: start one with `load start`")
)

// Start begins a load, which lives until its time is over or Stop.
func (l *Loader) Start(profile Profile) error {
	if err := profile.Check(); err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.engine != nil {
		select {
		case <-l.engine.Done():
		default:
			return ErrRunning
		}
	}
	store, connections, err := l.open(l.ctx, profile)
	if err != nil {
		return fmt.Errorf("connect the clients of the load: %w", err)
	}
	run := time.Now().UTC().Format("20060102-150405.000")
	options := Options{Store: store, Prefix: "load/" + run + "/", Go: l.start}
	file, err := l.history(profile, run)
	if err != nil {
		return errors.Join(err, connections.Close())
	}
	if file != nil {
		options.History, options.HistoryName = file, file.Name()
	}
	options.Close = func() error { return errors.Join(connections.Close(), closeFile(file)) }
	engine, err := Start(l.ctx, profile, options)
	if err != nil {
		return errors.Join(err, connections.Close(), closeFile(file))
	}
	l.engine = engine
	return nil
}

func (l *Loader) history(profile Profile, run string) (*os.File, error) {
	if l.folder == "" || !profile.Judge {
		return nil, nil
	}
	if err := os.MkdirAll(l.folder, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of histories: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(l.folder, "load-"+run+".jsonl"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make the history of the load: %w", err)
	}
	return file, nil
}

func closeFile(file *os.File) error {
	if file == nil {
		return nil
	}
	return file.Close()
}

func (l *Loader) last() (*Engine, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.engine == nil {
		return nil, ErrNone
	}
	return l.engine, nil
}

// Progress tells about the running load, or the last one; false if there was none.
func (l *Loader) Progress() (Progress, bool) {
	engine, err := l.last()
	if err != nil {
		return Progress{}, false
	}
	return engine.Progress(), true
}

// Apply changes the running load.
func (l *Loader) Apply(profile Profile) error {
	engine, err := l.last()
	if err != nil {
		return err
	}
	return engine.Apply(profile)
}

// Halt tells the running load to end, if there is one, and does not wait.
func (l *Loader) Halt() {
	if engine, err := l.last(); err == nil {
		engine.Halt()
	}
}

// Stop ends the load and waits until all is over, or ctx ends.
func (l *Loader) Stop(ctx context.Context) (Progress, error) {
	engine, err := l.last()
	if err != nil {
		return Progress{}, err
	}
	return engine.Stop(ctx), nil
}

// Wait waits until the load has ended by itself, or ctx ends. told, if not nil, hears once a second how it goes.
func (l *Loader) Wait(ctx context.Context, told func(Progress)) (Progress, error) {
	engine, err := l.last()
	if err != nil {
		return Progress{}, err
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-engine.Done():
			return engine.Progress(), nil
		case <-ctx.Done():
			return engine.Progress(), context.Cause(ctx)
		case <-ticker.C:
			if told != nil {
				told(engine.Progress())
			}
		}
	}
}

// Save writes what is known so far: the history, and the picture of a violation beside it. It gives the files' names.
func (l *Loader) Save() ([]string, error) {
	engine, err := l.last()
	if err != nil {
		return nil, err
	}
	p := engine.Progress()
	if p.History == "" {
		return nil, errors.New("this load keeps no history")
	}
	if p.Running {
		if err := engine.Save(); err != nil {
			return nil, err
		}
	}
	files := []string{p.History}
	if p.Verdict.Failing == nil {
		return files, nil
	}
	name := p.History[:len(p.History)-len(filepath.Ext(p.History))] + ".html"
	if err := picture(name, p.Verdict.Failing); err != nil {
		return files, err
	}
	return append(files, name), nil
}

func picture(name string, failing *verdict.Failing) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("make the picture of the failing history: %w", err)
	}
	out := bufio.NewWriter(file)
	return errors.Join(failing.Picture(out), out.Flush(), file.Close())
}

// Verify judges a history file that was saved before. It ends early with ctx.
func Verify(ctx context.Context, name string) (v verdict.Verdict, err error) {
	file, err := os.Open(name)
	if err != nil {
		return v, fmt.Errorf("open the history: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if v, err = verdict.Verify(ctx, file, verdict.JudgeTimeout); err != nil {
		return v, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}
