package feed

import (
	"context"
	"hash/crc32"
	"strings"
	"sync"

	"synod/console/state"
	"synod/protocol"
	"synod/protocol/client"
)

const (
	// pageBytesMax bounds the values that are read to know how long they are; behind them only keys are read.
	pageBytesMax = 1 << 20
	// searchedMax bounds the keys that a filter looks at for one page.
	searchedMax = 10_000
	// levelKeysMax bounds the keys that are counted below one prefix, all its parts together.
	levelKeysMax = 2 * state.KeyCountMax
	// compareRounds is how often copies are read until all replicas agree: what is just being written settles.
	compareRounds = 3
)

// reading gives the options for a mode. Who names a replica wants to know about that one.
func reading(mode state.KeyMode, more ...client.CallOption) []client.CallOption {
	if mode.Stale == "" {
		return more
	}
	return append(more, client.Stale(), client.At(mode.Stale), client.Retrying(client.Never))
}

// failed notes an error; what was known stays.
func (k *Keys) failed(source state.KeySource, err error) state.KeySource {
	kind, _, text := Describe(err)
	source.Err, source.Kind, source.At = text.Error(), string(kind), k.now()
	return source
}

func (k *Keys) answered(replica string, applied uint64) state.KeySource {
	return state.KeySource{Known: true, Replica: replica, Applied: applied, At: k.now()}
}

// page reads one page of the list.
func (k *Keys) page(ctx context.Context, want state.KeyPageWant, before *state.KeyPage) state.KeyPage {
	page := state.KeyPage{Want: want}
	want.Rows = min(max(want.Rows, 1), state.KeyRowsMax)
	var err error
	if want.Filter == "" {
		err = k.rows(ctx, want, &page)
	} else {
		err = k.search(ctx, want, &page)
	}
	if err != nil {
		if before.Want == page.Want {
			page = *before
		}
		page.KeySource = k.failed(page.KeySource, err)
		return page
	}
	page.KeySource = k.answered(page.Replica, page.Applied)
	return page
}

// rows reads with values, to know how long they are, and goes on without them where they are large.
func (k *Keys) rows(ctx context.Context, want state.KeyPageWant, page *state.KeyPage) error {
	after, bytes := want.After, 0
	for values := true; ; values = false {
		left := want.Rows + 1 - len(page.Rows)
		options := reading(want.Mode, client.After([]byte(after)), client.Limit(left))
		if !values {
			options = append(options, client.KeysOnly())
		}
		large := false
		for entry, err := range k.client.Scan(ctx, []byte(want.Prefix), options...) {
			if err != nil {
				return err
			}
			page.Replica, page.Applied = entry.Replica, entry.Applied
			if len(page.Rows) == want.Rows {
				page.More = true
				return nil
			}
			row := state.KeyRow{Key: string(entry.Key), Bytes: -1, Revision: entry.Revision}
			if values {
				row.Bytes = len(entry.Value)
			}
			page.Rows = append(page.Rows, row)
			after = row.Key
			if bytes += len(entry.Value); bytes > pageBytesMax {
				large = true
				break
			}
		}
		if !large {
			return nil
		}
	}
}

// search reads keys until enough of them match.
func (k *Keys) search(ctx context.Context, want state.KeyPageWant, page *state.KeyPage) error {
	filter, err := state.LogFilter{}.Search(want.Filter)
	if err != nil {
		return &client.Error{Code: protocol.CodeDenied, Operation: "filter", Text: err.Error()}
	}
	options := reading(want.Mode, client.After([]byte(want.After)), client.Limit(searchedMax+1), client.KeysOnly())
	for entry, err := range k.client.Scan(ctx, []byte(want.Prefix), options...) {
		if err != nil {
			return err
		}
		page.Replica, page.Applied = entry.Replica, entry.Applied
		if page.Searched == searchedMax {
			page.More = true
			return nil
		}
		page.Searched++
		if !filter.Matches(string(entry.Key)) {
			continue
		}
		if len(page.Rows) == want.Rows {
			page.More = true
			return nil
		}
		page.Rows = append(page.Rows, state.KeyRow{Key: string(entry.Key), Bytes: -1, Revision: entry.Revision})
	}
	return nil
}

// value reads the value of a key.
func (k *Keys) value(ctx context.Context, job *keyJob, before *state.KeyValue) state.KeyValue {
	value := state.KeyValue{Key: job.key, Mode: job.mode}
	got, err := k.client.Get(ctx, []byte(job.key), reading(job.mode)...)
	if err != nil {
		if before.Key == value.Key && before.Mode == value.Mode {
			value = *before
		}
		value.KeySource = k.failed(value.KeySource, err)
		return value
	}
	value.KeySource = k.answered(got.Info.Replica, got.Info.Applied)
	value.Found, value.Value, value.Revision = got.Found, got.Value, got.Info.Revision
	return value
}

// compare reads a key at all replicas at once, and again where they differ, until they agree or it was tried often
// enough: then they differ for another reason than that of a write that is on its way.
func (k *Keys) compare(ctx context.Context, want state.KeyCompareWant) func(*state.Keys) {
	result := state.KeyCompare{Want: want}
	for range compareRounds {
		result.Copies = k.copies(ctx, want.Key)
		state.JudgeCopies(result.Copies)
		if result.Settled() && result.Diverged() == "" {
			break
		}
	}
	result.Done, result.At = true, k.now()
	return func(keys *state.Keys) { keys.Compare = result }
}

func (k *Keys) copies(ctx context.Context, key string) []state.KeyCopy {
	ctx, stop := context.WithTimeout(ctx, copyTimeout)
	defer stop()
	copies := make([]state.KeyCopy, len(k.replicas))
	var asked sync.WaitGroup
	for i, replica := range k.replicas {
		asked.Add(1)
		k.run(func() {
			defer asked.Done()
			copies[i] = k.copyAt(ctx, replica, key)
		})
	}
	asked.Wait()
	return copies
}

func (k *Keys) copyAt(ctx context.Context, replica, key string) state.KeyCopy {
	got, err := k.client.Get(ctx, []byte(key), reading(state.KeyMode{Stale: replica})...)
	if err != nil {
		_, _, text := Describe(err)
		return state.KeyCopy{Replica: replica, Err: text.Error()}
	}
	return state.KeyCopy{
		Replica: replica, Answered: true, Applied: got.Info.Applied, Found: got.Found, Revision: got.Info.Revision,
		Bytes: len(got.Value), CRC: crc32.Checksum(got.Value, crc32.MakeTable(crc32.Castagnoli)),
	}
}

// level counts the keys below a prefix by their next part. Where one part has very many it jumps behind them.
func (k *Keys) level(ctx context.Context, job *keyJob, before state.KeyLevel) state.KeyLevel {
	level := state.KeyLevel{Mode: job.mode, Prefix: job.prefix}
	if err := k.count(ctx, &level); err != nil {
		if before.Mode == level.Mode && before.Known {
			level = before
		}
		level.Prefix = job.prefix
		level.KeySource = k.failed(level.KeySource, err)
		return level
	}
	level.KeySource = k.answered(level.Replica, level.Applied)
	return level
}

func (k *Keys) count(ctx context.Context, level *state.KeyLevel) error {
	after, counted := "", 0
	for {
		jump := ""
		options := reading(level.Mode, client.After([]byte(after)), client.KeysOnly())
		for entry, err := range k.client.Scan(ctx, []byte(level.Prefix), options...) {
			if err != nil {
				return err
			}
			level.Replica, level.Applied = entry.Replica, entry.Applied
			if counted == levelKeysMax {
				level.More = true
				return nil
			}
			counted++
			if full := counts(level, string(entry.Key)); full != "" {
				jump = full
				break
			}
		}
		switch {
		case jump == "":
			return nil
		case len(level.Children) >= state.KeyChildrenMax:
			level.More = true
			return nil
		}
		after = behind(jump)
	}
}

// counts adds a key to its part and gives that part if it has enough.
func counts(level *state.KeyLevel, key string) (full string) {
	below, ok := state.KeyBelow(level.Prefix, key)
	if !ok {
		level.Own++
		return ""
	}
	last := len(level.Children) - 1
	if last < 0 || level.Children[last].Prefix != below {
		level.Children = append(level.Children, state.KeyChild{Prefix: below})
		last++
	}
	child := &level.Children[last]
	if child.Count == state.KeyCountMax || len(level.Children) > state.KeyChildrenMax {
		child.More = true
		return below
	}
	child.Count++
	return ""
}

// behind is the last key there can be with a prefix.
func behind(prefix string) string {
	return prefix + strings.Repeat("\xff", max(protocol.KeyBytesMax-len(prefix), 0))
}
