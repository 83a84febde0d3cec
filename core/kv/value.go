package kv

import (
	"encoding/binary"
	"fmt"
)

// wallBytes is the length of the proposer's wall time before the commands.
const wallBytes = 8

// AppendBatchHeader begins a value: the proposer's wall time in milliseconds.
func AppendBatchHeader(dst []byte, wallMillis int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(wallMillis))
}

// AppendBatchCommand adds one command to a value.
func AppendBatchCommand(dst, command []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(command)))
	return append(dst, command...)
}

// Commands yields the commands of a value one by one, as parts of it:
//
//	for commands := ReadCommands(value); commands.Next(); {
//		use(commands.Command())
//	}
//
// It is a value of its own instead of an iterator function because damage must
// come out as an error, never as an early end.
type Commands struct {
	wall    uint64
	rest    []byte
	command []byte
	index   uint32
	err     error
}

// ReadCommands reads the head of a value. The empty value, the no-op, has no
// commands and wall time 0.
func ReadCommands(value []byte) Commands {
	if len(value) == 0 {
		return Commands{}
	}
	if len(value) < wallBytes {
		return Commands{err: fmt.Errorf("%w: value of %d bytes", ErrMalformed, len(value))}
	}
	return Commands{wall: binary.BigEndian.Uint64(value), rest: value[wallBytes:]}
}

// Next goes to the next command, or ends.
func (c *Commands) Next() bool {
	if c.err != nil || len(c.rest) == 0 {
		c.command = nil
		return false
	}
	if c.command != nil {
		c.index++
	}
	d := decoder{rest: c.rest}
	command := d.bytes(d.uvarint())
	if d.failed {
		c.err = fmt.Errorf("%w: command %d ends outside of its value", ErrMalformed, c.index)
		c.command = nil
		return false
	}
	c.command, c.rest = command, d.rest
	return true
}

// Command is the current command; Index counts from 0.
func (c *Commands) Command() []byte { return c.command }

// Index is the current command's place in its value, from 0.
func (c *Commands) Index() uint32 { return c.index }

// WallMillis is the proposer's wall time.
func (c *Commands) WallMillis() uint64 { return c.wall }

// Err is why Next ended early, if it did.
func (c *Commands) Err() error { return c.err }
