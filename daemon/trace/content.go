package trace

import (
	"fmt"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/protocol"
)

// keyBytesMax is how much of a key is kept.
const keyBytesMax = protocol.TraceKeyBytesMax

// content is what a value holds, in so many words. The zero content is that of a
// value nobody has seen.
type content struct {
	seen     bool
	op       kv.Op // of the first command; 0 if there is none
	keyBytes uint8 // of key
	commands uint32
	bytes    uint32
	update   kv.Update // of the first command
	key      [keyBytesMax]byte
}

// look notes what a value holds; it reads the first command, and counts the rest.
func (c *content) look(v paxos.Value) {
	*c = content{seen: true, bytes: uint32(len(v))}
	for i, command := range v.Commands() {
		c.commands++
		if i > 0 {
			continue
		}
		first, err := kv.Decode(command)
		if err != nil {
			continue // of a later version; the state machine will say so
		}
		c.op, c.update = first.Op, first.Update
		c.keyBytes = uint8(copy(c.key[:], first.Key))
	}
}

// show writes a content into the answer to an operator.
func (c *content) show(t *protocol.SlotTrace) {
	if !c.seen {
		return
	}
	t.Commands, t.Bytes = int(c.commands), int(c.bytes)
	t.Key = append([]byte(nil), c.key[:c.keyBytes]...)
	if !c.update.Session.IsZero() {
		t.Request = fmt.Sprintf("%s.%d", c.update.Session, c.update.Sequence)
	}
	switch {
	case c.commands == 0:
		t.Operation = "noop"
	case c.commands > 1:
		t.Operation = "batch"
	default:
		t.Operation = operationName(c.op)
	}
}

// operationName is the word for an operation that clients and screens use.
func operationName(op kv.Op) string {
	switch op {
	case kv.Put:
		return "put"
	case kv.Delete:
		return "del"
	case kv.Open:
		return "open"
	case kv.Close:
		return "close"
	}
	return "unknown"
}
