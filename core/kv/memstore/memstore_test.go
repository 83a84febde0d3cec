package memstore_test

import (
	"testing"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/kv/storetest"
)

type instance struct{ store *memstore.Store }

func (i instance) Store() kv.Store { return i.store }

func (i instance) Reopen(t storetest.T) {
	if err := i.store.Flush(); err != nil {
		t.Fatalf("%v", err)
	}
	i.store.Crash(0)
}

func (i instance) Crash(_ storetest.T, choice int) {
	i.store.Crash(choice * (i.store.Pending() + 1) / 100)
}

func (i instance) Copy(t storetest.T) kv.Copy {
	c, err := i.store.Copy()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

func (i instance) Install(_ storetest.T, c kv.Copy) error { return i.store.Install(c) }

func (instance) End(storetest.T) {}

func TestStore(t *testing.T) {
	storetest.Run(t, func(storetest.T) storetest.Instance { return instance{memstore.New(5)} })
}

func TestCrashKeepsWhatIsAsked(t *testing.T) {
	store := memstore.New(3)
	var b kv.Batch
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		b.Reset()
		b.Set([]byte(key), nil)
		if err := store.Apply(&b); err != nil {
			t.Fatal(err)
		}
	}
	if store.Pending() != 3 {
		t.Fatalf("%d batches are pending, the limit is 3", store.Pending())
	}
	store.Crash(1)
	for key, want := range map[string]bool{"a": true, "b": true, "c": true, "d": false, "e": false} {
		if _, found, _ := store.Get([]byte(key), nil); found != want {
			t.Errorf("%s: found %v", key, found)
		}
	}
}
