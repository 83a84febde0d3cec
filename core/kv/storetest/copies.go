package storetest

import (
	"errors"
	"fmt"

	"synod/core/kv"
	"synod/core/session"
)

// lived is a history of so many slots, applied in batches of three.
func lived(t T, instance Instance, slots int) *history {
	t.Helper()
	h := newHistory(t, instance)
	h.live(t, slots)
	return h
}

func (h *history) live(t T, slots int) {
	t.Helper()
	for i := len(h.entries); i < slots; i++ {
		h.update(t, fmt.Sprint("key", i%17), fmt.Sprintf("%d %0*d", i, i%90, 0), i%5 == 4)
		if i%3 == 0 {
			h.apply(t)
		}
	}
	h.apply(t)
}

// install gives the history's store a copy of another's, which is ahead.
func (h *history) install(t T, c kv.Copy, ahead *history) {
	t.Helper()
	must(t, h.instance.Install(t, c))
	h.load(t)
	if got, want := h.machine.Chain(), (kv.Mark{Slot: c.Manifest().Slot, Hash: c.Manifest().Chain}); got != want {
		t.Fatalf("a store with a copy of %+v is at %+v", want, got)
	}
	h.entries, h.states, h.chains = ahead.entries, ahead.states, ahead.chains
	h.id, h.next, h.flushed = ahead.id, ahead.next, c.Manifest().Slot
}

func checkCopy(t T, from, to Instance) {
	source := lived(t, from, 60)
	c := from.Copy(t)
	if slot := c.Manifest().Slot; slot != 60 {
		t.Fatalf("a copy made at slot 60 is of slot %d", slot)
	}
	manifest := kv.AppendManifest(nil, c.Manifest())
	source.live(t, 90)
	must(t, from.Store().Flush())
	if string(manifest) != string(kv.AppendManifest(nil, c.Manifest())) {
		t.Fatalf("the manifest of a copy has changed")
	}
	target := lived(t, to, 7)
	target.install(t, c, source)
	must(t, c.Close())
	target.expect(t)
	// What was installed is durable at once, and the map goes on from there.
	to.Crash(t, 0)
	target.load(t)
	target.expect(t)
	if target.machine.Applied() != 60 {
		t.Fatalf("installed at slot 60, after a crash at %d", target.machine.Applied())
	}
	target.apply(t)
	target.expect(t)
	if target.machine.Chain() != source.machine.Chain() || target.machine.Sessions() != source.machine.Sessions() {
		t.Fatalf("the copy went on to %+v, the source to %+v", target.machine.Chain(), source.machine.Chain())
	}
	checkRepeated(t, target)
	to.Reopen(t)
	target.load(t)
	target.expect(t)
}

// checkRepeated sends an update again that was executed before the copy was made.
func checkRepeated(t T, h *history) {
	t.Helper()
	slot := h.machine.Applied() + 1
	results, err := h.machine.ApplyBatch([]kv.Entry{{Slot: slot, Value: h.entries[len(h.entries)-1].Value}}, nil)
	must(t, err)
	if len(results) != 1 || results[0].Status != session.OK || !results[0].Repeated {
		t.Fatalf("an update that was executed already: %+v", results)
	}
	h.entries = append(h.entries, h.entries[len(h.entries)-1])
	h.states = append(h.states, h.states[len(h.states)-1])
	h.chains = append(h.chains, h.machine.Chain())
}

// flipped is a copy with one bit changed.
type flipped struct {
	kv.Copy
	at int64
}

func (f flipped) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.Copy.ReadAt(p, offset)
	if f.at >= offset && f.at < offset+int64(n) {
		p[f.at-offset] ^= 1 << (f.at % 8)
	}
	return n, err
}

// flipsMax bounds how many bytes of a copy are changed, one at a time.
const flipsMax = 4000

func checkDamagedCopy(t T, from, to Instance) {
	source := lived(t, from, 30)
	target := lived(t, to, 7)
	c := from.Copy(t)
	total := c.Manifest().Bytes()
	for at := int64(0); at < total; at += 1 + total/flipsMax {
		if err := to.Install(t, flipped{c, at}); !errors.Is(err, kv.ErrCopy) {
			t.Fatalf("byte %d of %d changed: %v", at, total, err)
		}
	}
	manifest := kv.AppendManifest(nil, c.Manifest())
	for at := range manifest {
		manifest[at] ^= 0x10
		if _, err := kv.DecodeManifest(manifest); !errors.Is(err, kv.ErrCopy) {
			t.Fatalf("byte %d of the manifest changed: %v", at, err)
		}
		manifest[at] ^= 0x10
	}
	if _, err := kv.DecodeManifest(manifest); err != nil {
		t.Fatalf("the manifest: %v", err)
	}
	target.load(t)
	target.expect(t)
	target.install(t, c, source)
	target.expect(t)
	must(t, c.Close())
}

func checkOldCopy(t T, from, to Instance) {
	lived(t, from, 20)
	target := lived(t, to, 20)
	c := from.Copy(t)
	must(t, to.Store().Flush())
	if err := to.Install(t, c); !errors.Is(err, kv.ErrCopy) {
		t.Fatalf("a copy of the slot that is durable already: %v", err)
	}
	target.load(t)
	target.expect(t)
	must(t, c.Close())
}
