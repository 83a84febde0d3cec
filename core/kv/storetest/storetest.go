// Package storetest checks that an implementation of kv.Store keeps the promises
// of that interface. Every implementation calls Run in a test:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t storetest.T) storetest.Instance { return newInstance(t) })
//	}
package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"synod/core/kv"
)

// T is what a check needs of *testing.T and *rapid.T.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Instance is one store under test, over all its crashes.
type Instance interface {
	// Store is the open store.
	Store() kv.Store
	// Reopen ends the store cleanly and opens it again.
	Reopen(t T)
	// Crash loses what is not durable, or by a choice of the instance a part of it
	// from the end, and opens the store again. choice is from 0 to 99.
	Crash(t T, choice int)
	// Copy is a copy of the state after the last Apply.
	Copy(t T) kv.Copy
	// Install replaces the store's state by a copy's and opens the store again, or
	// says why it cannot; then the store is open and as it was.
	Install(t T, c kv.Copy) error
	// End frees everything.
	End(t T)
}

// Run checks a store; create makes an empty one.
func Run(t *testing.T, create func(t T) Instance) {
	for _, check := range []struct {
		name string
		run  func(t T, instance Instance)
	}{
		{"an empty store has nothing", checkEmpty},
		{"a later write of a batch wins", checkBatchOrder},
		{"get appends", checkGetAppends},
		{"nothing of the batch is kept", checkBatchReuse},
		{"rows ascend within their bounds", checkAscend},
		{"a snapshot does not change", checkSnapshot},
		{"a clean end loses nothing", checkReopen},
		{"large batches are as good as small ones", checkLarge},
		{"a flush makes durable", checkFlush},
	} {
		t.Run(check.name, func(t *testing.T) {
			instance := create(t)
			defer instance.End(t)
			check.run(t, instance)
		})
	}
	for _, check := range []struct {
		name string
		run  func(t T, from, to Instance)
	}{
		{"a copy does not change and replaces a state", checkCopy},
		{"a damaged copy is refused", checkDamagedCopy},
		{"a copy that is not ahead is refused", checkOldCopy},
	} {
		t.Run(check.name, func(t *testing.T) {
			from, to := create(t), create(t)
			defer from.End(t)
			defer to.End(t)
			check.run(t, from, to)
		})
	}
	t.Run("crashes keep a prefix of the batches", rapid.MakeCheck(func(t *rapid.T) {
		instance := create(t)
		defer instance.End(t)
		checkCrashes(t, instance)
	}))
}

func checkEmpty(t T, instance Instance) {
	store := instance.Store()
	if _, found, err := store.Get([]byte("d"), nil); found || err != nil {
		t.Fatalf("get: found %v, error %v", found, err)
	}
	if slot, err := store.Durable(); slot != 0 || err != nil {
		t.Fatalf("durable slot %d, error %v", slot, err)
	}
	expectRows(t, store, nil)
	must(t, store.Flush())
	instance.Crash(t, 0)
	expectRows(t, instance.Store(), nil)
}

func checkBatchOrder(t T, instance Instance) {
	var b kv.Batch
	b.Set([]byte("da"), []byte("1"))
	b.Set([]byte("da"), []byte("2"))
	b.Set([]byte("db"), []byte("1"))
	b.Delete([]byte("db"))
	b.Delete([]byte("dc"))
	b.Set([]byte("dc"), []byte("3"))
	b.Set([]byte("de"), nil)
	b.Delete([]byte("never there"))
	must(t, instance.Store().Apply(&b))
	want := []kv.Write{row("da", "2"), row("dc", "3"), row("de", "")}
	expectRows(t, instance.Store(), want)
	b.Reset()
	must(t, instance.Store().Apply(&b))
	b.Delete([]byte("da"))
	must(t, instance.Store().Apply(&b))
	expectRows(t, instance.Store(), want[1:])
	must(t, instance.Store().Flush())
	expectRows(t, instance.Store(), want[1:])
}

func checkGetAppends(t T, instance Instance) {
	var b kv.Batch
	b.Set([]byte("dk"), []byte("value"))
	b.Set([]byte("mk"), []byte("meta"))
	must(t, instance.Store().Apply(&b))
	for _, want := range []struct{ key, value string }{{"dk", "my value"}, {"mk", "my meta"}, {"dn", "my "}} {
		value, _, err := instance.Store().Get([]byte(want.key), []byte("my "))
		must(t, err)
		if string(value) != want.value {
			t.Fatalf("get %s appended to %q: %q", want.key, "my ", value)
		}
	}
}

func checkBatchReuse(t T, instance Instance) {
	var b kv.Batch
	b.Set([]byte("da"), []byte("first"))
	must(t, instance.Store().Apply(&b))
	b.Reset()
	b.Set([]byte("xx"), []byte("other"))
	expectRows(t, instance.Store(), []kv.Write{row("da", "first")})
}

func checkAscend(t T, instance Instance) {
	var b kv.Batch
	keys := []string{"d", "d\x00", "d\x00\x00", "da", "d\xff", "d\xff\xff", "s", "s1"}
	for _, i := range []int{5, 1, 7, 0, 3, 6, 2, 4} {
		b.Set([]byte(keys[i]), []byte(keys[i]))
	}
	must(t, instance.Store().Apply(&b))
	for from := range keys {
		for to := from; to < len(keys); to++ {
			got := ascend(t, instance.Store(), keys[from], keys[to])
			if len(got) != to-from || len(got) > 0 && string(got[0].Key) != keys[from] {
				t.Fatalf("from %q to %q: %v", keys[from], keys[to], text(got))
			}
		}
	}
	visits := 0
	snapshot := instance.Store().Snapshot()
	must(t, snapshot.Ascend(nil, []byte{0xff}, func(_, _ []byte) bool {
		visits++
		return visits < 3
	}))
	must(t, snapshot.Close())
	if visits != 3 {
		t.Fatalf("stopped after 3 rows, visited %d", visits)
	}
}

func checkSnapshot(t T, instance Instance) {
	var b kv.Batch
	b.Set([]byte("da"), []byte("1"))
	b.Set([]byte("db"), []byte("1"))
	must(t, instance.Store().Apply(&b))
	snapshot := instance.Store().Snapshot()
	b.Reset()
	b.Set([]byte("da"), []byte("2"))
	b.Delete([]byte("db"))
	must(t, instance.Store().Apply(&b))
	must(t, instance.Store().Flush())
	value, found, err := snapshot.Get([]byte("da"), nil)
	must(t, err)
	if !found || string(value) != "1" {
		t.Fatalf("snapshot has %q", value)
	}
	count := 0
	must(t, snapshot.Ascend(nil, []byte{0xff}, func(_, value []byte) bool {
		count++
		return string(value) == "1"
	}))
	must(t, snapshot.Close())
	if count != 2 {
		t.Fatalf("snapshot gave %d of 2 rows", count)
	}
	expectRows(t, instance.Store(), []kv.Write{row("da", "2")})
}

func checkReopen(t T, instance Instance) {
	var b kv.Batch
	b.Set([]byte("da"), []byte("1"))
	must(t, instance.Store().Apply(&b))
	instance.Reopen(t)
	expectRows(t, instance.Store(), []kv.Write{row("da", "1")})
	instance.Crash(t, 0)
	expectRows(t, instance.Store(), []kv.Write{row("da", "1")})
}

func checkLarge(t T, instance Instance) {
	var want []kv.Write
	var b kv.Batch
	for i := range 24 {
		value := bytes.Repeat([]byte{byte('a' + i)}, 1<<20)
		want = append(want, kv.Write{Key: fmt.Appendf(nil, "d%02d", i), Value: value})
		b.Set(want[i].Key, value)
	}
	must(t, instance.Store().Apply(&b))
	expectRows(t, instance.Store(), want)
	for _, write := range want {
		value, found, err := instance.Store().Get(write.Key, nil)
		must(t, err)
		if !found || !bytes.Equal(value, write.Value) {
			t.Fatalf("get %q: found %v, %d bytes", write.Key, found, len(value))
		}
	}
	instance.Reopen(t)
	expectRows(t, instance.Store(), want)
}

func expectRows(t T, store kv.Store, want []kv.Write) {
	t.Helper()
	same := func(a, b kv.Write) bool { return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) }
	if got := ascend(t, store, "", "\xff"); !slices.EqualFunc(got, want, same) {
		t.Fatalf("rows %.300s, want %.300s", text(got), text(want))
	}
	for _, write := range want {
		value, found, err := store.Get(write.Key, nil)
		must(t, err)
		if !found || !bytes.Equal(value, write.Value) {
			t.Fatalf("get %q: found %v, %.100q", write.Key, found, value)
		}
	}
}

func ascend(t T, store kv.Store, lower, upper string) (rows []kv.Write) {
	t.Helper()
	snapshot := store.Snapshot()
	must(t, snapshot.Ascend([]byte(lower), []byte(upper), func(key, value []byte) bool {
		rows = append(rows, kv.Write{Key: bytes.Clone(key), Value: bytes.Clone(value)})
		return true
	}))
	must(t, snapshot.Close())
	return rows
}

// text is rows in a form to read.
func text(rows []kv.Write) string {
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%q=%.20q ", row.Key, row.Value)
	}
	return b.String()
}

func row(key, value string) kv.Write { return kv.Write{Key: []byte(key), Value: []byte(value)} }

func must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}
