package storetest

import (
	"fmt"
	"maps"

	"pgregory.net/rapid"

	"synod/core/kv"
	"synod/core/session"
)

// history is a map machine on the store under test, and what it must hold after
// each slot.
type history struct {
	instance Instance
	machine  *kv.Machine
	options  kv.Options
	// entries[i] is slot i+1; states[i] is what the map holds after slot i.
	entries []kv.Entry
	states  []map[string]string
	chains  []kv.Mark
	id      session.ID
	// next is the next sequence.
	next uint64
	// flushed is the slot that no crash may take back.
	flushed uint64
}

func newHistory(t T, instance Instance) *history {
	h := &history{instance: instance, states: []map[string]string{{}}, chains: []kv.Mark{{}}}
	h.load(t)
	h.put(t, kv.AppendOpen(nil, session.Token{1}), nil)
	h.id, h.next = session.ID{Slot: 1}, 1
	return h
}

func (h *history) load(t T) {
	t.Helper()
	machine, err := kv.New(h.instance.Store(), h.options)
	must(t, err)
	h.machine = machine
}

// put makes the next slot out of one command, without applying it.
func (h *history) put(t T, command []byte, change func(state map[string]string)) {
	t.Helper()
	must(t, kv.Check(command))
	value := kv.AppendBatchCommand(kv.AppendBatchHeader(nil, int64(1000+len(h.entries))), command)
	h.entries = append(h.entries, kv.Entry{Slot: uint64(len(h.entries) + 1), Value: value})
	state := maps.Clone(h.states[len(h.states)-1])
	if change != nil {
		change(state)
	}
	h.states = append(h.states, state)
}

func (h *history) update(t T, key, value string, remove bool) {
	t.Helper()
	update := kv.Update{Session: h.id, Sequence: h.next, Low: max(1, h.next-min(h.next, 3))}
	h.next++
	if remove {
		h.put(t, kv.AppendDelete(nil, update, []byte(key)), func(state map[string]string) { delete(state, key) })
		return
	}
	h.put(t, kv.AppendPut(nil, update, []byte(key), []byte(value)), func(state map[string]string) { state[key] = value })
}

// apply applies all slots made, as one batch.
func (h *history) apply(t T) {
	t.Helper()
	from := h.machine.Applied()
	results, err := h.machine.ApplyBatch(h.entries[from:], nil)
	must(t, err)
	for _, r := range results {
		if r.Status != session.OK || r.Repeated {
			t.Fatalf("result %+v", r)
		}
	}
	for len(h.chains) < len(h.states) {
		h.chains = append(h.chains, kv.Mark{})
	}
	applied := h.machine.Applied()
	if known := h.chains[applied]; known != (kv.Mark{}) && known != h.machine.Chain() {
		t.Fatalf("applied again up to slot %d: hash %v was %v", applied, h.machine.Chain(), known)
	}
	h.chains[applied] = h.machine.Chain()
	if applied != uint64(len(h.entries)) || h.machine.Revision() != max(applied, 1)-1 {
		t.Fatalf("applied %d, revision %d, made %d", applied, h.machine.Revision(), len(h.entries))
	}
}

// expect compares the store with what it must hold at the slot that it names.
func (h *history) expect(t T) {
	t.Helper()
	view, err := h.machine.View()
	must(t, err)
	if view.Applied() != h.machine.Applied() || view.Applied() < h.flushed {
		t.Fatalf("view at slot %d, applied %d, flushed %d", view.Applied(), h.machine.Applied(), h.flushed)
	}
	page, err := view.Scan(kv.Range{RowsMax: 1000, BytesMax: 1 << 20})
	must(t, err)
	must(t, view.Close())
	want := h.states[view.Applied()]
	if len(page.Rows) != len(want) || page.More {
		t.Fatalf("slot %d: %d rows, want %d", view.Applied(), len(page.Rows), len(want))
	}
	for _, row := range page.Rows {
		value, _, found, err := h.machine.Get(row.Key, nil)
		must(t, err)
		if string(row.Value) != want[string(row.Key)] || !found || string(value) != string(row.Value) {
			t.Fatalf("slot %d: %q is %.40q and %.40q, want %.40q",
				view.Applied(), row.Key, row.Value, value, want[string(row.Key)])
		}
	}
	durable, err := h.machine.Durable()
	must(t, err)
	if durable < h.flushed || durable > h.machine.Applied() {
		t.Fatalf("durable %d, flushed %d, applied %d", durable, h.flushed, h.machine.Applied())
	}
	h.flushed = durable
}

func checkFlush(t T, instance Instance) {
	h := newHistory(t, instance)
	for i := range 20 {
		h.update(t, fmt.Sprint("key", i%7), fmt.Sprint(i), i%5 == 4)
		h.apply(t)
	}
	must(t, instance.Store().Flush())
	h.flushed = h.machine.Applied()
	h.expect(t)
	instance.Crash(t, 0)
	h.load(t)
	h.expect(t)
	if h.machine.Applied() != 21 {
		t.Fatalf("flushed at slot 21, after a crash at %d", h.machine.Applied())
	}
}

// checkCrashes does what it likes and looks, after every crash, whether rows,
// sessions and applied slot are of one moment, and not an earlier one than was
// called durable.
func checkCrashes(t *rapid.T, instance Instance) {
	h := newHistory(t, instance)
	key := rapid.StringMatching(`[a-e]{1,2}`)
	t.Repeat(map[string]func(*rapid.T){
		"update": func(t *rapid.T) {
			for range rapid.IntRange(1, 5).Draw(t, "updates") {
				value := fmt.Sprintf("%d%0*d", len(h.entries), rapid.SampledFrom([]int{1, 300, 20_000}).Draw(t, "size"), 0)
				h.update(t, key.Draw(t, "key"), value, rapid.IntRange(0, 3).Draw(t, "kind") == 0)
			}
			h.apply(t)
		},
		"flush": func(t *rapid.T) {
			must(t, instance.Store().Flush())
			h.flushed = h.machine.Applied()
		},
		"crash": func(t *rapid.T) {
			instance.Crash(t, rapid.IntRange(0, 99).Draw(t, "choice"))
			h.load(t)
			h.expect(t)
			h.apply(t)
		},
		"reopen": func(t *rapid.T) {
			h.flushed = h.machine.Applied()
			instance.Reopen(t)
			h.load(t)
		},
		"": func(t *rapid.T) { h.expect(t) },
	})
}
