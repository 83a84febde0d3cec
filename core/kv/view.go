package kv

import (
	"bytes"
	"fmt"
)

// Row is one key with its value and the revision of its last change.
type Row struct {
	Key, Value []byte
	Revision   uint64
}

// Get appends the value under key to dst. Another goroutine may call it during an
// ApplyBatch; it sees at least what the last one that returned has done.
func (m *Machine) Get(key, dst []byte) (value []byte, revision uint64, found bool, err error) {
	return get(m.store, key, dst)
}

// getter is what a Store and a Snapshot have in common.
type getter interface {
	Get(key, dst []byte) (value []byte, found bool, err error)
}

func get(from getter, key, dst []byte) (value []byte, revision uint64, found bool, err error) {
	start := len(dst)
	row, found, err := from.Get(appendDataKey(make([]byte, 0, 1+len(key)), key), dst)
	if err != nil || !found {
		return dst, 0, false, wrapGet(key, err)
	}
	value, revision, err = decodeData(row[start:])
	if err != nil {
		return dst, 0, false, wrapGet(key, err)
	}
	// The value moves over its revision, to stand right behind what dst had.
	return append(row[:start], value...), revision, true, nil
}

func wrapGet(key []byte, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("get %.40q: %w", key, err)
}

// View is one consistent state of the map. It must be closed; until then it keeps
// old rows alive in the store. Other goroutines may open and use Views during an
// ApplyBatch; one View is used by one goroutine.
type View struct {
	snapshot Snapshot
	applied  uint64
}

// View opens a view of the state after the last ApplyBatch that returned, or a
// later one.
func (m *Machine) View() (*View, error) {
	v := &View{snapshot: m.store.Snapshot()}
	row, found, err := v.snapshot.Get(AppliedKey(), nil)
	if err == nil && found {
		v.applied, err = AppliedSlot(row)
	}
	if err != nil {
		_ = v.snapshot.Close()
		return nil, fmt.Errorf("open view: %w", err)
	}
	return v, nil
}

// Applied is the slot up to which the view holds everything.
func (v *View) Applied() uint64 { return v.applied }

// Get appends the value under key to dst.
func (v *View) Get(key, dst []byte) (value []byte, revision uint64, found bool, err error) {
	return get(v.snapshot, key, dst)
}

// Close ends the view. Nothing of it may be used afterwards.
func (v *View) Close() error { return v.snapshot.Close() }

// Range asks for a page of rows in the order of their keys.
type Range struct {
	// Prefix selects the keys that begin with it; empty selects all.
	Prefix []byte
	// After leaves out keys up to and with it: the last key of the page before.
	After []byte
	// RowsMax and BytesMax (keys and values together) end the page; both are
	// needed. One row comes even if it is larger.
	RowsMax  int
	BytesMax int
}

// Page is the answer to a Range. Its rows are the caller's.
type Page struct {
	Rows []Row
	// More: the page ended at a limit. The next one begins After its last key.
	More bool
}

// Scan gives a page of rows.
func (v *View) Scan(r Range) (Page, error) {
	if r.RowsMax <= 0 || r.BytesMax <= 0 {
		return Page{}, fmt.Errorf("scan %.40q: limits of %d rows and %d bytes leave nothing", r.Prefix, r.RowsMax, r.BytesMax)
	}
	lower := appendDataKey(nil, r.Prefix)
	upper := prefixEnd(lower)
	if r.After != nil {
		// The key right behind After is After with one zero byte.
		if after := append(appendDataKey(nil, r.After), 0); bytes.Compare(after, lower) > 0 {
			lower = after
		}
	}
	var page Page
	var damage error
	size := 0
	err := v.snapshot.Ascend(lower, upper, func(key, row []byte) bool {
		value, revision, err := decodeData(row)
		if err != nil {
			damage = err
			return false
		}
		size += len(key) - 1 + len(value)
		if len(page.Rows) > 0 && (len(page.Rows) == r.RowsMax || size > r.BytesMax) {
			page.More = true
			return false
		}
		page.Rows = append(page.Rows, Row{
			Key: bytes.Clone(key[1:]), Value: append([]byte{}, value...), Revision: revision,
		})
		return true
	})
	if damage != nil {
		err = damage
	}
	if err != nil {
		return Page{}, fmt.Errorf("scan %.40q: %w", r.Prefix, err)
	}
	return page, nil
}

// prefixEnd is the first key behind all that begin with prefix. A prefix here
// begins with the data space's letter, so there always is one.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	end[len(end)-1]++
	return end
}
