package kv_test

import (
	"errors"
	"fmt"

	"synod/core/kv"
	"synod/core/kv/memstore"
	"synod/core/session"
)

// The checks here say nil for the product and an error for the planted bug named
// beside each. They give errors, not failures, so that a test can ask for one.

func planted() map[string]func(kv.Options) error {
	return map[string]func(kv.Options) error{
		"M26": checkOneBatch,
		"M42": checkTrimmed,
		"M43": checkOutOfOrder,
		"M44": checkOpensOfOneSlot,
		"M48": checkSameEviction,
	}
}

// run applies one slot for each list of commands and gives all results.
func run(m *kv.Machine, slots ...[][]byte) ([]session.Result, error) {
	var entries []kv.Entry
	for i, commands := range slots {
		value := kv.AppendBatchHeader(nil, 1)
		for _, c := range commands {
			value = kv.AppendBatchCommand(value, c)
		}
		entries = append(entries, kv.Entry{Slot: m.Applied() + uint64(i) + 1, Value: value})
	}
	return m.ApplyBatch(entries, nil)
}

// checkOneBatch: wherever a crash cuts, data, sessions and applied slot are of the
// same moment.
func checkOneBatch(options kv.Options) error {
	build := func() (*memstore.Store, error) {
		store := memstore.New(0)
		m, err := kv.New(store, options)
		if err == nil {
			_, err = run(m, [][]byte{open(1)})
		}
		if err == nil {
			_, err = run(m, [][]byte{put(session.ID{Slot: 1}, 1, 1, "a", "1")})
		}
		return store, err
	}
	for keep := 0; ; keep++ {
		store, err := build()
		if err != nil {
			return err
		}
		if keep > store.Pending() {
			return nil
		}
		store.Crash(keep)
		m, err := kv.New(store, options)
		if err != nil {
			return fmt.Errorf("crash that keeps %d batches: %w", keep, err)
		}
		_, _, found, err := m.Get([]byte("a"), nil)
		if err != nil || found != (m.Applied() == 2) {
			return fmt.Errorf("crash that keeps %d batches: applied %d, row found %v, error %v", keep, m.Applied(), found, err)
		}
	}
}

func checkTrimmed(options kv.Options) error {
	m, err := kv.New(memstore.New(0), options)
	if err != nil {
		return err
	}
	id := session.ID{Slot: 1}
	first := put(id, 1, 1, "a", "1")
	results, err := run(m, [][]byte{open(1)}, [][]byte{first}, [][]byte{put(id, 2, 2, "a", "2")}, [][]byte{first})
	if err != nil {
		return err
	}
	if last := results[3]; last.Status != session.Stale || m.Revision() != 2 {
		return fmt.Errorf("an acknowledged update again: %+v", last)
	}
	return nil
}

func checkOutOfOrder(options kv.Options) error {
	m, err := kv.New(memstore.New(0), options)
	if err != nil {
		return err
	}
	id := session.ID{Slot: 1}
	if _, err = run(m, [][]byte{open(1), put(id, 2, 1, "b", "2"), put(id, 1, 1, "a", "1")}); err != nil {
		return err
	}
	if _, _, found, err := m.Get([]byte("a"), nil); !found || err != nil {
		return fmt.Errorf("an update that came late was not executed (error %v)", err)
	}
	return nil
}

func checkOpensOfOneSlot(options kv.Options) error {
	m, err := kv.New(memstore.New(0), options)
	if err != nil {
		return err
	}
	results, err := run(m, [][]byte{open(1), open(2)})
	if err != nil {
		return err
	}
	if results[0].Session == results[1].Session {
		return errors.New("two clients have the same session")
	}
	return nil
}

func checkSameEviction(options kv.Options) error {
	options.SessionsMax, options.SessionGuardSlots = 3, 1
	var chains [2][]session.Result
	for replica := range chains {
		options.Replica = replica
		m, err := kv.New(memstore.New(0), options)
		if err != nil {
			return err
		}
		slots := [][][]byte{{open(1)}, {open(2)}, {open(3)}, {put(session.ID{Slot: 1}, 1, 1, "a", "1")}}
		if chains[replica], err = run(m, slots...); err != nil {
			return err
		}
	}
	if chains[0][3] != chains[1][3] {
		return fmt.Errorf("replica 0 says %+v, replica 1 %+v", chains[0][3], chains[1][3])
	}
	return nil
}
