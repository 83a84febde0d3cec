package feed

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"synod/console/state"
	"synod/protocol"
	"synod/protocol/client"
	"synod/protocol/client/clienttest"
)

// stored starts a cluster of three with these keys, each with its name as the value, and what reads it.
func stored(t *testing.T, keys ...string) (*clienttest.Cluster, *Keys) {
	t.Helper()
	cluster := clienttest.New(3)
	ctx, stop := context.WithCancel(context.Background())
	endpoints, err := cluster.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	feed, err := OpenCluster(ctx, endpoints, discard())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := feed.client.Put(ctx, []byte(key), []byte("value of "+key)); err != nil {
			t.Fatal(err)
		}
	}
	reader := StartKeys(ctx, feed, []string{"r1", "r2", "r3"}, func(f func()) { go f() })
	t.Cleanup(func() {
		reader.Close()
		_ = feed.Close()
		stop()
		cluster.Close()
	})
	return cluster, reader
}

// until looks with a wish until the condition holds.
func until(t *testing.T, k *Keys, want state.KeysWant, what string, condition func(*state.Keys) bool) state.Keys {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		known := k.Look(want)
		if condition(&known) {
			return known
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s; known is %+v", what, known)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func names(rows []state.KeyRow) string {
	var list []string
	for _, row := range rows {
		list = append(list, fmt.Sprintf("%s:%d", row.Key, row.Bytes))
	}
	return strings.Join(list, " ")
}

func pageOf(prefix, after, filter string, rows int) state.KeysWant {
	return state.KeysWant{Seen: true, Page: state.KeyPageWant{Prefix: prefix, After: after, Filter: filter, Rows: rows}}
}

func TestKeysReadPages(t *testing.T) {
	_, k := stored(t, "a", "u/1", "u/2", "u/3", "v")
	for _, row := range []struct {
		want state.KeysWant
		rows string
		more bool
	}{
		{pageOf("", "", "", 2), "a:10 u/1:12", true},
		{pageOf("", "u/1", "", 2), "u/2:12 u/3:12", true},
		{pageOf("", "u/3", "", 2), "v:10", false},
		{pageOf("u/", "", "", 3), "u/1:12 u/2:12 u/3:12", false},
		{pageOf("", "", "[13]", 9), "u/1:-1 u/3:-1", false},
		{pageOf("", "", "!u", 9), "a:-1 v:-1", false},
		{pageOf("x", "", "", 9), "", false},
	} {
		known := until(t, k, row.want, "the page", func(keys *state.Keys) bool {
			return keys.Page.Want == row.want.Page && keys.Page.Known
		})
		if got := names(known.Page.Rows); got != row.rows || known.Page.More != row.more {
			t.Errorf("%+v: %s, more %t; want %s, %t", row.want.Page, got, known.Page.More, row.rows, row.more)
		}
	}
}

func TestKeysFollowChanges(t *testing.T) {
	_, k := stored(t, "a")
	want := pageOf("", "", "", 9)
	want.Key = "b"
	until(t, k, want, "no value", func(keys *state.Keys) bool { return keys.Value.Known && !keys.Value.Found })
	if _, err := k.client.Put(t.Context(), []byte("b"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	want.Chosen = 1 << 40
	until(t, k, want, "the new key and its value", func(keys *state.Keys) bool {
		return len(keys.Page.Rows) == 2 && string(keys.Value.Value) == "new" && keys.Value.Revision > 0
	})
}

func TestKeysCountBelowPrefixes(t *testing.T) {
	var keys []string
	for i := range 7 {
		keys = append(keys, fmt.Sprintf("u/%d/x", i%3), fmt.Sprintf("u/%d/y%d", i%3, i))
	}
	_, k := stored(t, append(keys, "lone", "v/1")...)
	want := pageOf("", "", "", 1)
	want.Levels = []string{"", "u/"}
	known := until(t, k, want, "both levels", func(keys *state.Keys) bool { return len(keys.Levels) == 2 })
	var got []string
	for _, row := range known.Tree(map[string]bool{"u/": true}) {
		got = append(got, fmt.Sprintf("%d%s=%d", row.Depth, row.Name, row.Count))
	}
	if text := strings.Join(got, " "); text != "0(all)=12 1u/=10 20/=4 21/=3 22/=3 1v/=1" {
		t.Errorf("the tree is %s", text)
	}
}

// TestLevelsJumpOverLargeParts: a part with more keys than are counted does not hide those behind it.
func TestLevelsJumpOverLargeParts(t *testing.T) {
	level := state.KeyLevel{}
	jumps := 0
	for i := range state.KeyCountMax + 5 {
		if full := counts(&level, fmt.Sprintf("big/%d", i)); full != "" {
			jumps++
		}
	}
	if count, more := level.Count(); count != state.KeyCountMax || !more || jumps != 5 {
		t.Errorf("%d keys, more %t, %d jumps", count, more, jumps)
	}
	if last := behind("big/"); len(last) != protocol.KeyBytesMax || last <= "big/zzz" || last >= "big0" {
		t.Error("not behind all keys of the prefix")
	}
}

func TestKeysCompareCopies(t *testing.T) {
	cluster, k := stored(t, "a")
	cluster.Replica("r2").Stop()
	want := pageOf("", "", "", 1)
	want.Compare = state.KeyCompareWant{Key: "a", Turn: 1}
	known := until(t, k, want, "the comparison", func(keys *state.Keys) bool { return keys.Compare.Done })
	var got []string
	for _, c := range known.Compare.Copies {
		got = append(got, c.Replica+" "+c.Verdict.String())
	}
	if text := strings.Join(got, ", "); text != "r1 same, r2 no answer, r3 same" {
		t.Errorf("compared: %s", text)
	}
	if known.Compare.Copies[1].Err == "" || known.Compare.Copies[0].Bytes != 10 {
		t.Errorf("copies %+v", known.Compare.Copies)
	}
}

// TestKeysTellErrorsAndKeepWhatIsKnown: a failure is told with its kind, and the old rows stay.
func TestKeysTellErrorsAndKeepWhatIsKnown(t *testing.T) {
	cluster, k := stored(t, "a")
	want := pageOf("", "", "", 9)
	want.Page.Mode.Stale, want.Chosen = "r2", 1<<40
	until(t, k, want, "the page", func(keys *state.Keys) bool { return len(keys.Page.Rows) == 1 })
	cluster.Replica("r2").Refuse(protocol.CodeUnavailable, "the learner of this replica is down")
	known := until(t, k, want, "the failure", func(keys *state.Keys) bool { return keys.Page.Err != "" })
	if known.Page.Kind != "unavailable" || len(known.Page.Rows) != 1 || !known.Page.Known {
		t.Errorf("page %+v", known.Page)
	}
	cluster.Replica("r2").TreatAll(clienttest.Answer)
	until(t, k, want, "the recovery", func(keys *state.Keys) bool { return keys.Page.Err == "" })
}

// TestKeysGiveUpWhatIsNoLongerWanted: a replica that does not answer holds up neither a look nor the next wish.
func TestKeysGiveUpWhatIsNoLongerWanted(t *testing.T) {
	cluster, k := stored(t, "a")
	cluster.Replica("r1").TreatAll(clienttest.Swallow)
	stuck := pageOf("", "", "", 9)
	stuck.Page.Mode.Stale = "r1"
	asked := cluster.Replica("r1").Requests()
	until(t, k, stuck, "the question", func(*state.Keys) bool { return cluster.Replica("r1").Requests() > asked })
	other := pageOf("", "", "", 9)
	other.Page.Mode.Stale = "r2"
	until(t, k, other, "the other page", func(keys *state.Keys) bool { return keys.Page.Want == other.Page && keys.Page.Known })
	before := cluster.Replica("r2").Requests()
	k.Look(state.KeysWant{})
	until(t, k, state.KeysWant{}, "rest", func(*state.Keys) bool {
		k.mutex.Lock()
		defer k.mutex.Unlock()
		return k.stop == nil
	})
	if n := cluster.Replica("r2").Requests(); n > before+1 {
		t.Errorf("%d requests while nobody looks", n-before)
	}
}

// TestPagesWithLargeValuesAreBounded: the lengths of large values are not read one after the other.
func TestPagesWithLargeValuesAreBounded(t *testing.T) {
	_, k := stored(t)
	large := bytes.Repeat([]byte("x"), 700<<10)
	for i := range 6 {
		if _, err := k.client.Put(t.Context(), fmt.Appendf(nil, "k%d", i), large, client.Retrying(client.Safe)); err != nil {
			t.Fatal(err)
		}
	}
	want := pageOf("", "", "", 9)
	known := until(t, k, want, "the page", func(keys *state.Keys) bool { return keys.Page.Known })
	if got := names(known.Page.Rows); got != "k0:716800 k1:716800 k2:-1 k3:-1 k4:-1 k5:-1" {
		t.Errorf("rows %s", got)
	}
}

// TestWhatToReadNext: first what a person waits for, then what has become old, and nothing while no slot is chosen.
func TestWhatToReadNext(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	source := func(age time.Duration, applied uint64) state.KeySource {
		return state.KeySource{Known: true, At: now.Add(-age), Applied: applied}
	}
	want := pageOf("u/", "", "", 9)
	want.Levels, want.Key, want.Chosen = []string{""}, "u/1", 50
	known := state.Keys{
		Page: state.KeyPage{Want: want.Page, KeySource: source(0, 50)}, Value: state.KeyValue{Key: "u/1", KeySource: source(0, 50)},
		Levels: map[string]state.KeyLevel{"": {KeySource: source(0, 50)}},
	}
	for _, row := range []struct {
		what   string
		change func(want *state.KeysWant, known *state.Keys)
		kind   keyJobKind
	}{
		{"all is known", func(*state.KeysWant, *state.Keys) {}, noKeyJob},
		{"nobody looks", func(w *state.KeysWant, _ *state.Keys) { *w = state.KeysWant{} }, noKeyJob},
		{"another page", func(w *state.KeysWant, _ *state.Keys) { w.Page.After = "u/9" }, pageJob},
		{"another key", func(w *state.KeysWant, _ *state.Keys) { w.Key = "u/2" }, valueJob},
		{"no key", func(w *state.KeysWant, _ *state.Keys) { w.Key = "" }, noKeyJob},
		{"a comparison", func(w *state.KeysWant, _ *state.Keys) { w.Compare.Turn = 1 }, compareJob},
		{"another level", func(w *state.KeysWant, _ *state.Keys) { w.Levels = []string{"", "u/"} }, levelJob},
		{"an old page", func(_ *state.KeysWant, k *state.Keys) { k.Page.KeySource = source(keysEvery, 49) }, pageJob},
		{"a quiet cluster", func(_ *state.KeysWant, k *state.Keys) { k.Page.KeySource = source(keysEvery, 50) }, noKeyJob},
		{"very old", func(_ *state.KeysWant, k *state.Keys) { k.Page.KeySource = source(keysIdle, 50) }, pageJob},
		{"an old value", func(_ *state.KeysWant, k *state.Keys) { k.Value.KeySource = source(keysEvery, 49) }, valueJob},
		{"old counts", func(_ *state.KeysWant, k *state.Keys) {
			k.Levels = map[string]state.KeyLevel{"": {KeySource: source(levelSoon, 49)}}
		}, levelJob},
		{"old counts of many keys", func(_ *state.KeysWant, k *state.Keys) {
			k.Levels = map[string]state.KeyLevel{"": {Own: levelFew + 1, KeySource: source(levelSoon, 49)}}
		}, noKeyJob},
	} {
		changedWant, changedKnown := want, known
		row.change(&changedWant, &changedKnown)
		if job := next(&changedWant, &changedKnown, now); job.kind != row.kind {
			t.Errorf("%s: job %d, want %d", row.what, job.kind, row.kind)
		}
	}
}
