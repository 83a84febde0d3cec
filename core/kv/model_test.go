package kv_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/session"
)

// failer is what checks need of *testing.T and *rapid.T.
type failer interface {
	Fatalf(format string, args ...any)
}

// replicas are machines that get the same log in other portions and with other
// crashes.
type replicas struct {
	t        failer
	options  kv.Options
	machines []*kv.Machine
	stores   []*memstore.Store
	log      []kv.Entry
	// results of each slot, as the first replica that applied it gave them.
	results map[uint64][]session.Result
	// executed says which place executed an update: what must happen at most once.
	executed map[session.Key]session.Result
}

func newReplicas(t failer, count int, options kv.Options) *replicas {
	r := &replicas{
		t: t, options: options,
		results: map[uint64][]session.Result{}, executed: map[session.Key]session.Result{},
	}
	for i := range count {
		r.stores = append(r.stores, memstore.New(0))
		r.machines = append(r.machines, nil)
		r.load(i)
	}
	return r
}

func (r *replicas) load(i int) {
	options := r.options
	options.Replica = i
	machine, err := kv.New(r.stores[i], options)
	if err != nil {
		r.t.Fatalf("replica %d: %v", i, err)
	}
	r.machines[i] = machine
}

// apply gives replica i the next count slots, at most.
func (r *replicas) apply(i, count int) {
	m := r.machines[i]
	entries := r.log[m.Applied():]
	entries = entries[:min(count, len(entries))]
	results, err := m.ApplyBatch(entries, nil)
	if err != nil {
		r.t.Fatalf("replica %d: %v", i, err)
	}
	for _, entry := range entries {
		commands := kv.ReadCommands(entry.Value)
		var own []session.Result
		for commands.Next() {
			own = append(own, results[0])
			results = results[1:]
		}
		if known, ok := r.results[entry.Slot]; !ok {
			r.results[entry.Slot] = own
			for _, result := range own {
				r.once(entry.Slot, result)
			}
		} else if !reflect.DeepEqual(known, own) {
			r.t.Fatalf("slot %d: replica %d gives %+v, another gave %+v", entry.Slot, i, own, known)
		}
	}
}

// once: an update executes at most once, and every later copy that is told "ok"
// is told the first result.
func (r *replicas) once(slot uint64, result session.Result) {
	if result.Status != session.OK || result.Revision == 0 {
		return
	}
	first, known := r.executed[result.Key()]
	switch {
	case !known && result.Repeated:
		r.t.Fatalf("slot %d: %+v was never executed", slot, result)
	case !known:
		r.executed[result.Key()] = result
	case !result.Repeated:
		r.t.Fatalf("slot %d: %+v executed again, first %+v", slot, result, first)
	default:
		first.Repeated = true
		if first != result {
			r.t.Fatalf("slot %d: %+v, first %+v", slot, result, first)
		}
	}
}

// expectSame brings all replicas to the end of the log and compares their stores,
// row by row.
func (r *replicas) expectSame() {
	var first []string
	for i, store := range r.stores {
		r.apply(i, len(r.log))
		var rows []string
		snapshot := store.Snapshot()
		_ = snapshot.Ascend(nil, []byte{0xff}, func(key, value []byte) bool {
			rows = append(rows, fmt.Sprintf("%q %x", key, value))
			return true
		})
		if i == 0 {
			first = rows
		} else if !slices.Equal(first, rows) {
			r.t.Fatalf("replica %d has\n%s\nreplica 0 has\n%s", i, strings.Join(rows, "\n"), strings.Join(first, "\n"))
		}
	}
}

// add makes the next slot.
func (r *replicas) add(wall int64, commands ...[]byte) {
	value := kv.AppendBatchHeader(nil, wall)
	for _, c := range commands {
		value = kv.AppendBatchCommand(value, c)
	}
	r.log = append(r.log, kv.Entry{Slot: uint64(len(r.log) + 1), Value: value})
}

// checkReplicas lets a crowd of careless clients loose: they repeat, reorder and
// invent, from few sessions and keys, under small limits.
func checkReplicas(t *rapid.T, options kv.Options) {
	r := newReplicas(t, 3, options)
	wall := int64(1_000_000)
	sequence := rapid.Uint64Range(1, 12)
	command := rapid.Custom(func(t *rapid.T) []byte {
		id := session.ID{Slot: rapid.Uint64Range(1, 12).Draw(t, "session"), Index: rapid.Uint32Range(0, 2).Draw(t, "index")}
		u := kv.Update{Session: id, Sequence: sequence.Draw(t, "sequence")}
		u.Low = rapid.Uint64Range(1, u.Sequence).Draw(t, "low")
		key := []byte{'a' + byte(u.Sequence%3)}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0, 1:
			return kv.AppendOpen(nil, session.Token{rapid.Byte().Draw(t, "token"), 1})
		case 2:
			return kv.AppendDelete(nil, u, key)
		case 3:
			if rapid.IntRange(0, 5).Draw(t, "close") == 0 {
				return kv.AppendClose(nil, id)
			}
		}
		return kv.AppendPut(nil, u, key, fmt.Append(nil, u.Sequence))
	})
	t.Repeat(map[string]func(*rapid.T){
		"slot": func(t *rapid.T) {
			wall += rapid.Int64Range(-5_000, 15_000).Draw(t, "time")
			r.add(wall, rapid.SliceOfN(command, 1, 6).Draw(t, "commands")...)
		},
		"open": func(t *rapid.T) { r.add(wall, kv.AppendOpen(nil, session.Token{byte(len(r.log)), 2})) },
		"noop": func(*rapid.T) { r.log = append(r.log, kv.Entry{Slot: uint64(len(r.log) + 1)}) },
		"again": func(t *rapid.T) {
			if len(r.log) > 0 {
				old := rapid.SampledFrom(r.log).Draw(t, "slot")
				r.log = append(r.log, kv.Entry{Slot: uint64(len(r.log) + 1), Value: old.Value})
			}
		},
		"apply": func(t *rapid.T) {
			r.apply(rapid.IntRange(0, 2).Draw(t, "replica"), rapid.IntRange(1, 5).Draw(t, "slots"))
		},
		"crash": func(t *rapid.T) {
			i := rapid.IntRange(0, 2).Draw(t, "replica")
			r.stores[i].Crash(rapid.IntRange(0, r.stores[i].Pending()).Draw(t, "kept"))
			r.load(i)
		},
	})
	r.expectSame()
}

func TestReplicasAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkReplicas(t, small) })
}

// TestMapIsTheMapOfItsUpdates compares the rows with a plain Go map.
func TestMapIsTheMapOfItsUpdates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newReplicas(t, 1, kv.Options{})
		r.add(1, open(1))
		want := map[string]string{}
		id := session.ID{Slot: 1}
		for i := range uint64(rapid.IntRange(1, 60).Draw(t, "updates")) {
			key := fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key"))
			if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
				r.add(1, del(id, i+1, i+1, key))
				delete(want, key)
			} else {
				r.add(1, put(id, i+1, i+1, key, fmt.Sprint(i)))
				want[key] = fmt.Sprint(i)
			}
		}
		r.expectSame()
		view, err := r.machines[0].View()
		if err != nil {
			t.Fatalf("%v", err)
		}
		got := map[string]string{}
		request := kv.Range{RowsMax: 3, BytesMax: 1000}
		for more := true; more; {
			page, err := view.Scan(request)
			if err != nil {
				t.Fatalf("%v", err)
			}
			for _, row := range page.Rows {
				got[string(row.Key)] = string(row.Value)
				request.After = row.Key
			}
			more = page.More
		}
		if !maps.Equal(got, want) {
			t.Fatalf("map %v, want %v", got, want)
		}
	})
}
