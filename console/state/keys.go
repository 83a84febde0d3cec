package state

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Limits of what is read of the store for the screen.
const (
	KeySeparator   = "/"    // between the parts of a key
	KeyRowsMax     = 500    // of a page of the list
	KeyLevelsMax   = 32     // prefixes that are open in the tree at once
	KeyChildrenMax = 500    // of one prefix
	KeyCountMax    = 10_000 // up to here keys below a prefix are counted
)

// KeyMode says how keys are read: the zero value asks the cluster for what is true now, a replica's name asks that
// replica for what it has applied, whether or not it is behind.
type KeyMode struct {
	Stale string
}

// KeysWant says which part of the store is looked at. The zero value asks for nothing.
type KeysWant struct {
	Seen    bool   // the rest counts
	Chosen  uint64 // highest chosen slot that is known: what was read before it is old
	Page    KeyPageWant
	Levels  []string // prefixes of which the next parts are wanted
	Key     string   // of which the value is wanted; "" for none
	Compare KeyCompareWant
}

// KeyPageWant is a page of the list of keys.
type KeyPageWant struct {
	Mode   KeyMode
	Prefix string
	After  string // only keys behind this one
	Filter string // a search as in LogFilter
	Rows   int
}

// KeyCompareWant asks for a comparison of a key on all replicas. Each Turn is one comparison; 0 asks for none.
type KeyCompareWant struct {
	Key  string
	Turn int
}

// Keys is what was read of the store for the screen, the last answer to each question. Shared, not changed.
type Keys struct {
	Page    KeyPage
	Levels  map[string]KeyLevel
	Value   KeyValue
	Compare KeyCompare
}

// KeySource says where an answer comes from and how old it is.
type KeySource struct {
	Known   bool // there was an answer at all
	Replica string
	Applied uint64 // slot up to which it is
	At      time.Time
	Err     string // why the last attempt failed; what was known before stays
	Kind    string // of that error, in the words of the protocol
}

// KeyPage is a page of the list.
type KeyPage struct {
	KeySource
	Want     KeyPageWant
	Rows     []KeyRow
	More     bool // there are keys behind it
	Searched int  // keys that a filter has looked at; it ends at a limit even if nothing was found
}

// KeyRow is one key.
type KeyRow struct {
	Key      string
	Bytes    int // of its value; -1 if that was not asked for
	Revision uint64
}

// KeyLevel is the next parts of the keys below a prefix.
type KeyLevel struct {
	KeySource
	Mode     KeyMode
	Prefix   string
	Children []KeyChild // in order
	Own      int        // keys that have no further part
	More     bool       // not everything was looked at
}

// KeyChild is a prefix below another.
type KeyChild struct {
	Prefix string
	Count  int
	More   bool // there are more than that
}

// Count is the number of keys below the prefix of the level, as far as they were counted.
func (l *KeyLevel) Count() (count int, more bool) {
	count, more = l.Own, l.More
	for _, child := range l.Children {
		count, more = count+child.Count, more || child.More
	}
	return count, more
}

// Count is the number of keys below a prefix; false if it is not known.
func (k *Keys) Count(prefix string) (count int, more, known bool) {
	if level, ok := k.Levels[prefix]; ok && level.Known {
		count, more = level.Count()
		return count, more, true
	}
	level, ok := k.Levels[KeyParent(prefix)]
	at, found := slices.BinarySearchFunc(level.Children, prefix, func(c KeyChild, prefix string) int {
		return cmp.Compare(c.Prefix, prefix)
	})
	if !ok || !found {
		return 0, false, false
	}
	return level.Children[at].Count, level.Children[at].More, true
}

// KeyParent is the prefix above a prefix; "" is above all.
func KeyParent(prefix string) string {
	at := strings.LastIndex(strings.TrimSuffix(prefix, KeySeparator), KeySeparator)
	return prefix[:at+1]
}

// KeyBelow is the prefix right below another one in which a key is; false if there is none.
func KeyBelow(prefix, key string) (below string, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	at := strings.Index(rest, KeySeparator)
	if !ok || at < 0 {
		return "", false
	}
	return prefix + rest[:at+1], true
}

// KeyValue is the value of one key.
type KeyValue struct {
	KeySource
	Key      string
	Mode     KeyMode
	Found    bool
	Value    []byte
	Revision uint64
}

// Nearest gives the index of the row of a key, or of the next one, or of the last; -1 without rows.
func (p *KeyPage) Nearest(key string) int {
	at, _ := slices.BinarySearchFunc(p.Rows, key, func(r KeyRow, key string) int { return cmp.Compare(r.Key, key) })
	return min(at, len(p.Rows)-1)
}

// KeyTreeRow is one row of the tree of prefixes.
type KeyTreeRow struct {
	Prefix string
	Name   string // the last part
	Depth  int
	Open   bool
	Count  int
	More   bool // Count is not all
	Known  bool // Count is known
}

// Tree gives the rows of the tree in which some prefixes are open.
func (k *Keys) Tree(open map[string]bool) []KeyTreeRow {
	count, more, known := k.Count("")
	rows := []KeyTreeRow{{Name: "(all)", Open: true, Count: count, More: more, Known: known}}
	return append(rows, k.branch("", 1, open)...)
}

func (k *Keys) branch(prefix string, depth int, open map[string]bool) []KeyTreeRow {
	var rows []KeyTreeRow
	for _, child := range k.Levels[prefix].Children {
		row := KeyTreeRow{
			Prefix: child.Prefix, Name: strings.TrimPrefix(child.Prefix, prefix), Depth: depth, Open: open[child.Prefix],
			Count: child.Count, More: child.More, Known: true,
		}
		rows = append(rows, row)
		if row.Open {
			rows = append(rows, k.branch(child.Prefix, depth+1, open)...)
		}
	}
	return rows
}
