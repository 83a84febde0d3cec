package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// store is a cluster in memory whose requests fail on demand.
type store struct {
	mutex  sync.Mutex
	values map[string]string
	calls  atomic.Int64
	fail   func(call int64) error
	open   atomic.Int64
}

type connection struct{ store *store }

func newStore() *store {
	return &store{values: map[string]string{}, fail: func(int64) error { return nil }}
}

func (s *store) ports() Ports {
	return Ports{
		Dial: func(context.Context, int) (Client, error) {
			s.open.Add(1)
			return &connection{s}, nil
		},
		Kind: func(error) string { return "overloaded" },
	}
}

func (c *connection) Put(_ context.Context, key, value []byte) error {
	if err := c.store.fail(c.store.calls.Add(1)); err != nil {
		return err
	}
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	c.store.values[string(key)] = string(value)
	return nil
}

func (c *connection) Get(_ context.Context, key []byte) (bool, error) {
	if err := c.store.fail(c.store.calls.Add(1)); err != nil {
		return false, err
	}
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	_, ok := c.store.values[string(key)]
	return ok, nil
}

func (c *connection) Close() error {
	c.store.open.Add(-1)
	return nil
}

func small() Options {
	return Options{
		Clients: 4, Connections: 10, Mix: Mixed, ValueSize: 32, Keys: 100, Prepare: true,
		Warmup: time.Millisecond, Duration: 20 * time.Millisecond, Seed: 1,
	}
}

func TestRunWritesAllKeysAndMeasures(t *testing.T) {
	s := newStore()
	result, err := Run(t.Context(), small(), s.ports())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.values) != 100 {
		t.Errorf("%d keys written, want 100", len(s.values))
	}
	for key, value := range s.values {
		if len(key) != keyBytes || len(value) != 32 {
			t.Fatalf("key %q with a value of %d bytes", key, len(value))
		}
	}
	if result.Ops == 0 || result.OpsS == 0 || result.Errors != 0 || result.Missing != 0 {
		t.Errorf("result %+v", result)
	}
	if result.P50 > result.P99 || result.P99 > result.P999 || result.P999 > result.Max {
		t.Errorf("percentiles fall: %+v", result)
	}
	if result.Connections != 4 {
		t.Errorf("%d connections for 4 clients", result.Connections)
	}
	if open := s.open.Load(); open != 0 {
		t.Errorf("%d connections left open", open)
	}
}

func TestPreparationRepeatsWhatFailed(t *testing.T) {
	s := newStore()
	s.fail = func(call int64) error {
		if call%10 == 1 && call < 100 {
			return errors.New("no leader yet")
		}
		return nil
	}
	if _, err := Run(t.Context(), small(), s.ports()); err != nil {
		t.Fatal(err)
	}
	if len(s.values) != 100 {
		t.Errorf("%d keys written, want 100", len(s.values))
	}
}

func TestErrorsAreCountedByKind(t *testing.T) {
	s := newStore()
	s.fail = func(int64) error { return errors.New("too much") }
	options := small()
	options.Prepare = false
	result, err := Run(t.Context(), options, s.ports())
	if err != nil {
		t.Fatal(err)
	}
	if result.Errors == 0 || result.ErrorKinds["overloaded"] != result.Errors || result.Ops != 0 {
		t.Errorf("result %+v", result)
	}
	if !strings.Contains(result.String(), "too much") {
		t.Errorf("no word about the error in\n%s", result)
	}
}

func TestMissingKeysAreCounted(t *testing.T) {
	options := small()
	options.Prepare, options.Mix = false, Gets
	result, err := Run(t.Context(), options, newStore().ports())
	if err != nil {
		t.Fatal(err)
	}
	if result.Ops == 0 || result.Missing != result.Ops {
		t.Errorf("result %+v", result)
	}
}

func TestDialFailureEndsTheRun(t *testing.T) {
	s := newStore()
	ports := s.ports()
	dial := ports.Dial
	refused := errors.New("refused")
	ports.Dial = func(ctx context.Context, number int) (Client, error) {
		if number == 2 {
			return nil, refused
		}
		return dial(ctx, number)
	}
	if _, err := Run(t.Context(), small(), ports); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if open := s.open.Load(); open != 0 {
		t.Errorf("%d connections left open", open)
	}
}

func TestInterruptionKeepsWhatThereIs(t *testing.T) {
	s := newStore()
	ctx, cancel := context.WithCancel(t.Context())
	s.fail = func(call int64) error {
		if call == 5000 {
			cancel()
		}
		return nil
	}
	options := small()
	options.Prepare, options.Duration = false, time.Hour
	result, err := Run(ctx, options, s.ports())
	if err != nil || !result.Interrupted {
		t.Errorf("result %+v, error %v", result, err)
	}
}

func TestJSONIsOneLineWithTheAgreedFields(t *testing.T) {
	result, err := Run(t.Context(), small(), newStore().ports())
	if err != nil {
		t.Fatal(err)
	}
	text := result.JSON()
	if strings.Contains(text, "\n") {
		t.Errorf("several lines: %s", text)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ops_s", "errors", "p50_ms", "p99_ms", "p999_ms"} {
		if _, ok := fields[name].(float64); !ok {
			t.Errorf("no number %s in %s", name, text)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"clients":     func(o *Options) { o.Clients = 0 },
		"connections": func(o *Options) { o.Connections = ConnectionsMax + 1 },
		"mix":         func(o *Options) { o.Mix = "delete" },
		"value-size":  func(o *Options) { o.ValueSize = -1 },
		"keys":        func(o *Options) { o.Keys = 0 },
		"warmup":      func(o *Options) { o.Warmup = -1 },
		"duration":    func(o *Options) { o.Duration = 0 },
	} {
		options := small()
		change(&options)
		if err := options.Check(); err == nil || !strings.Contains(err.Error(), "--"+name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// BenchmarkWorker is the cost of the generator itself for one request.
func BenchmarkWorker(b *testing.B) {
	options := small()
	options.Clients, options.Prepare, options.Mix, options.Warmup = 1, false, Puts, 0
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(b.Context())
	defer cancel(nil)
	ports := Ports{Kind: func(err error) string { return fmt.Sprint(err) }}
	count := 0
	ports.Dial = func(context.Context, int) (Client, error) {
		return idle{func() {
			if count++; count == b.N {
				cancel(stop)
			}
		}}, nil
	}
	options.Duration = time.Hour
	b.ReportAllocs()
	if _, err := Run(ctx, options, ports); err != nil {
		b.Fatal(err)
	}
}

type idle struct{ count func() }

func (i idle) Put(context.Context, []byte, []byte) error { i.count(); return nil }
func (i idle) Get(context.Context, []byte) (bool, error) { i.count(); return true, nil }
func (i idle) Close() error                              { return nil }
