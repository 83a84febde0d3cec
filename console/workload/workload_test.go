package workload

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"synod/console/verdict"
)

// store is a map that may lie or fail.
type store struct {
	mutex    sync.Mutex
	values   map[string]string
	made     map[string]uint64 // revisions
	stale    map[string]string // what was there before
	was      map[string]uint64
	revision uint64
	lies     atomic.Bool
	fails    atomic.Bool
	open     atomic.Int64
}

func newStore() *store {
	return &store{values: map[string]string{}, made: map[string]uint64{}, stale: map[string]string{}, was: map[string]uint64{}}
}

func (s *store) Do(_ context.Context, r Request) verdict.Answer {
	if s.fails.Load() && rand.IntN(4) == 0 {
		return verdict.Answer{Outcome: verdict.Unknown, Failure: "timeout"}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key := string(r.Key)
	switch r.Kind {
	case verdict.Get:
		if s.lies.Load() && s.was[key] > 0 {
			return verdict.Answer{Outcome: verdict.Done, Found: true, Value: s.stale[key], Revision: s.was[key]}
		}
		value, ok := s.values[key]
		if !ok {
			return verdict.Answer{Outcome: verdict.Done}
		}
		return verdict.Answer{Outcome: verdict.Done, Found: true, Value: value, Revision: s.made[key]}
	case verdict.Put:
		s.revision++
		s.stale[key], s.was[key] = s.values[key], s.made[key]
		s.values[key], s.made[key] = string(r.Value), s.revision
	default:
		s.revision++
		delete(s.values, key)
		delete(s.was, key)
	}
	return verdict.Answer{Outcome: verdict.Done, Revision: s.revision}
}

func (s *store) Close() error { s.open.Add(-1); return nil }

func (s *store) loader(folder string) *Loader {
	return NewLoader(context.Background(), func(context.Context, Profile) (Store, io.Closer, error) {
		s.open.Add(1)
		return s, s, nil
	}, folder, nil)
}

func small() Profile {
	p := Profiles()[0]
	p.Keys, p.Clients, p.Time = 50, 8, 0
	return p
}

// until polls the load: what it waits for comes sooner or later, and the test's own limit ends a wait for nothing.
func until(t *testing.T, l *Loader, reached func(Progress) bool) Progress {
	t.Helper()
	for {
		p, ok := l.Progress()
		if ok && reached(p) {
			return p
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the test's time is over")
		case <-time.After(time.Millisecond):
		}
	}
}

func total(p Progress) Operation { return p.Total() }

func TestHonestStoreIsOKAndLeftClean(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.values["user"] = "untouched"
	l := s.loader(t.TempDir())
	if err := l.Start(small()); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(small()); !errors.Is(err, ErrRunning) {
		t.Errorf("a second load: %v", err)
	}
	until(t, l, func(p Progress) bool { return total(p).OK > 5000 })
	p, err := l.Stop(t.Context())
	if err != nil || p.Verdict.Word != verdict.OK || p.Problem != "" || p.Phase != PhaseEnded {
		t.Errorf("%s, phase %s, problem %q, error %v", p.Verdict.String(), p.Phase, p.Problem, err)
	}
	if len(s.values) != 1 || s.open.Load() != 0 {
		t.Errorf("%d values and %d connections are left", len(s.values), s.open.Load())
	}
	for i, o := range p.Operations {
		if o.Sent == 0 || o.Sent != o.OK || o.P50 > o.P99 || o.P99 > o.Max {
			t.Errorf("operation %d: %+v", i, o)
		}
	}
	files, err := l.Save()
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, error %v", files, err)
	}
	if v, err := Verify(t.Context(), files[0]); err != nil || v.Word != verdict.OK || v.Checked == 0 {
		t.Errorf("from the file: %s, error %v", v.String(), err)
	}
}

func TestLyingStoreIsFound(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.lies.Store(true)
	l := s.loader(t.TempDir())
	if err := l.Start(small()); err != nil {
		t.Fatal(err)
	}
	p := until(t, l, func(p Progress) bool { return p.Verdict.Failing != nil })
	if p.Verdict.Word != verdict.Violation || len(p.Verdict.Failing.Shortest) > 4 {
		t.Errorf("%s\n%v", p.Verdict.String(), p.Verdict.Failing)
	}
	if _, err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := l.Save()
	if err != nil || len(files) != 2 {
		t.Fatalf("files %v, error %v", files, err)
	}
	if page, err := os.ReadFile(files[1]); err != nil || !strings.Contains(string(page), "<html") {
		t.Errorf("the picture: %v", err)
	}
	if v, err := Verify(t.Context(), files[0]); err != nil || v.Word != verdict.Violation {
		t.Errorf("from the file: %s, error %v", v.String(), err)
	}
}

func TestLostAnswersStayOpen(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.fails.Store(true)
	l := s.loader("")
	if err := l.Start(small()); err != nil {
		t.Fatal(err)
	}
	until(t, l, func(p Progress) bool { return total(p).Unknown > 20 && total(p).OK > 100 })
	s.fails.Store(false)
	p, err := l.Stop(t.Context())
	if err != nil || p.Verdict.Word != verdict.OK || p.Verdict.Unknown == 0 || p.Failures["timeout"] == 0 {
		t.Errorf("%s, failures %v, error %v", p.Verdict.String(), p.Failures, err)
	}
	if _, err := l.Save(); err == nil {
		t.Error("a load without history saved one")
	}
}

func TestApplyChangesARunningLoad(t *testing.T) {
	t.Parallel()
	s := newStore()
	l := s.loader("")
	profile := small()
	if err := l.Apply(profile); !errors.Is(err, ErrNone) {
		t.Errorf("without a load: %v", err)
	}
	if err := l.Start(profile); err != nil {
		t.Fatal(err)
	}
	for _, clients := range []int{1, 30, 2, 40} {
		profile.Clients, profile.Put, profile.Get, profile.Delete = clients, 100, 0, 0
		if err := l.Apply(profile); err != nil {
			t.Fatal(err)
		}
		before, _ := l.Progress()
		until(t, l, func(p Progress) bool { return total(p).OK > total(before).OK+500 })
	}
	profile.Put = 101
	if err := l.Apply(profile); err == nil {
		t.Error("a mix of 101 % was taken")
	}
	p, err := l.Stop(t.Context())
	if err != nil || p.Verdict.Word != verdict.OK {
		t.Errorf("%s, error %v", p.Verdict.String(), err)
	}
	if err := l.Apply(small()); err == nil {
		t.Error("a load that has ended was changed")
	}
}

func TestTimeEndsALoad(t *testing.T) {
	t.Parallel()
	s := newStore()
	l := s.loader("")
	profile := small()
	profile.Time, profile.Rate, profile.Judge = time.Second, 500, false
	if err := l.Start(profile); err != nil {
		t.Fatal(err)
	}
	p, err := l.Wait(t.Context(), func(Progress) {})
	if err != nil || p.Running || p.Recorded || len(p.Seconds) == 0 {
		t.Errorf("%+v, error %v", p, err)
	}
	if total(p).OK > 5000 {
		t.Errorf("%d operations at 500 a second", total(p).OK)
	}
}

func TestProfilesAreChecked(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	for name, change := range map[string]func(*Profile){
		"put=":     func(p *Profile) { p.Put = -1 },
		"add up":   func(p *Profile) { p.Get++ },
		"keys=":    func(p *Profile) { p.Keys = 0 },
		"clients=": func(p *Profile) { p.Clients = ClientsMax + 1 },
		"size=":    func(p *Profile) { p.ValueBytes = -1 },
		"dist=":    func(p *Profile) { p.Distribution = "normal" },
		"rate=":    func(p *Profile) { p.Rate = -1 },
		"rate=NaN": func(p *Profile) { p.Rate = math.NaN() },
		"time=":    func(p *Profile) { p.Time = -1 },
		"timeout=": func(p *Profile) { p.Timeout = -1 },
	} {
		p := small()
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Named("none"); err == nil || !strings.Contains(err.Error(), "mixed") {
		t.Errorf("unknown profile: %v", err)
	}
}

func TestZipfPrefersFewKeys(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	counts := make([]int, 1000)
	p := newPicker(len(counts), Zipf)
	for range 100_000 {
		counts[p.pick(random)]++
	}
	if counts[0] < 5*counts[10] || counts[10] < counts[500] || counts[0] > 30_000 {
		t.Errorf("drawn %d, %d, %d times", counts[0], counts[10], counts[500])
	}
	for keys := 1; keys < 5; keys++ {
		if p := newPicker(keys, Zipf); p.pick(random) >= keys {
			t.Error("a key that does not exist")
		}
	}
}

func TestBucketsHoldTheirDurations(t *testing.T) {
	t.Parallel()
	for i := range Buckets - 1 {
		if bound := BucketBound(i); bucketOf(bound) != i || bucketOf(bound+1) != i+1 {
			t.Errorf("bucket %d: %v goes to %d, a little more to %d", i, bound, bucketOf(bound), bucketOf(bound+1))
		}
	}
	if bucketOf(0) != 0 || bucketOf(time.Hour) != Buckets-1 {
		t.Error("the ends")
	}
}

// BenchmarkClient is what the engine and the recorder cost for one operation.
func BenchmarkClient(b *testing.B) {
	s := newStore()
	l := s.loader("")
	p := small()
	p.Keys, p.Clients = 10_000, 64
	if err := l.Start(p); err != nil {
		b.Fatal(err)
	}
	for {
		now, _ := l.Progress()
		if total(now).OK >= b.N {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := l.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}
