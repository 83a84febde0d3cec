package client

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"synod/protocol"
)

// Entry is one key of a scan.
type Entry struct {
	Key, Value []byte // the caller's to keep
	Revision   uint64
	// Applied is the slot at which the replica read the page of this entry.
	Applied uint64
	Replica string
}

// Scan yields the keys that begin with prefix, in order, with their values. It
// reads page by page: each page is one consistent state, two pages may be of
// different ones. The context's deadline is for the whole scan; without one
// every page gets the default. An error is yielded last. Options: [At],
// [Retrying], [Stale], [After], [Limit], [KeysOnly].
func (c *Client) Scan(ctx context.Context, prefix []byte, options ...CallOption) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var after []byte
		for left, first := 0, true; ; first = false {
			call := c.begin("scan", protocol.KindScan, options)
			if first {
				after, left = call.set.after, call.set.limit
			}
			if left < 0 || max(len(prefix), len(after)) > protocol.KeyBytesMax {
				c.calls.put(call)
				yield(Entry{}, &Error{
					Code: protocol.CodeTooLarge, Operation: "scan",
					Text: fmt.Sprintf("prefix and start of at most %d bytes, a limit from 0 up", protocol.KeyBytesMax),
				})
				return
			}
			call.scan = protocol.Scan{
				Mode: call.set.mode, Prefix: prefix, After: after, Values: !call.set.keyOnly,
				Entries: uint32(min(left, protocol.ScanEntriesMax)),
			}
			err := c.do(ctx, call)
			page, replica := call.answer.scanned, call.link.name()
			if err == nil {
				err = inOrder(&page, prefix, after)
			}
			c.calls.put(call)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for i := range page.Entries {
				e := &page.Entries[i]
				if !yield(Entry{
					Key: e.Key, Value: e.Value, Revision: e.Revision, Applied: page.Applied, Replica: replica,
				}, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if !page.More {
				return
			}
			left = max(left, 0)
			after = page.Entries[len(page.Entries)-1].Key
		}
	}
}

func (l *link) name() string {
	if l == nil {
		return ""
	}
	return l.endpoint.Replica
}

// inOrder refuses a page with which a scan would not come to its end.
func inOrder(page *protocol.Scanned, prefix, after []byte) error {
	for i := range page.Entries {
		key := page.Entries[i].Key
		if bytes.Compare(key, after) <= 0 || !bytes.HasPrefix(key, prefix) {
			return &Error{
				Code: protocol.CodeCorrupt, Operation: "scan", Outcome: Unknown,
				Text: fmt.Sprintf("the replica answered key %q after %q", key, after),
			}
		}
		after = key
	}
	return nil
}
