package store

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRowCacheNeverLies holds the cache against a map: it may know nothing of a
// key, but never something wrong, and it knows the row written last.
func TestRowCacheNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newRowCache(rapid.IntRange(0, 64).Draw(t, "size") * 256)
		large := len(c.shards[0].ring) / rowShareMax
		model := map[string]string{}
		for step := range rapid.IntRange(1, 400).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "key"))
			kept := true
			if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
				c.remove([]byte(key))
				delete(model, key)
				kept = rowHeadBytes+len(key) <= large
			} else {
				value := fmt.Sprint(step, strings.Repeat("v", rapid.IntRange(0, 40).Draw(t, "length")))
				c.set([]byte(key), []byte(value))
				model[key] = value
				kept = rowHeadBytes+len(key)+len(value) <= large
			}
			if _, known, _ := c.get([]byte(key), nil); known != kept {
				t.Fatalf("row just written: known %v, want %v", known, kept)
			}
			for key := range 61 {
				value, known, found := c.get(fmt.Append(nil, key), nil)
				want, exists := model[fmt.Sprint(key)]
				if known && (found != exists || string(value) != want) {
					t.Fatalf("key %d: found %v %q, want %v %q", key, found, value, exists, want)
				}
			}
		}
	})
}

func TestRowCacheAllocatesNothing(t *testing.T) {
	c := newRowCache(1 << 20)
	key, value := []byte("dkey0000"), make([]byte, 256)
	write := func() {
		key[len(key)-1]++
		key[len(key)-2] += key[len(key)-1] & 1
		c.set(key, value)
	}
	for range 100_000 {
		write()
	}
	if allocations := testing.AllocsPerRun(1000, write); allocations > 0 {
		t.Errorf("%v allocations for a row", allocations)
	}
}
