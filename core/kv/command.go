package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"

	"synod/core/session"
)

// Limits of what a client may store. They are checked at the edge, by Check,
// never when a chosen command is applied: a later version may change them.
const (
	KeyBytesMax   = 4 << 10
	ValueBytesMax = 1 << 20
)

// Op is a command's operation. The numbers are part of the log's format.
type Op uint8

// The operations of this version.
const (
	Put    Op = 1
	Delete Op = 2
	Open   Op = 3
	Close  Op = 4
)

// String is the operation as a word.
func (op Op) String() string {
	switch op {
	case Put:
		return "put"
	case Delete:
		return "delete"
	case Open:
		return "open"
	case Close:
		return "close"
	}
	return fmt.Sprintf("operation(%d)", uint8(op))
}

var (
	// ErrMalformed: bytes that are no command, or no value. In the log it is fatal.
	ErrMalformed = errors.New("malformed command")
	// ErrUnknownOperation: an operation of a later version. In the log it is fatal.
	ErrUnknownOperation = errors.New("unknown operation")
	// ErrTooLarge: a key or a value above its limit.
	ErrTooLarge = errors.New("too large")
	// ErrEmptyKey: a key without a byte.
	ErrEmptyKey = errors.New("empty key")
)

// Update says in which session an update runs and as what.
type Update struct {
	Session session.ID
	// Sequence numbers the updates of a session from 1.
	Sequence uint64
	// Low is the first sequence whose result the client does not know:
	// 1 <= Low <= Sequence.
	Low uint64
}

// Check reports an Update that no client may send, as ErrMalformed.
func (u Update) Check() error {
	if u.Session.Slot == 0 || u.Low == 0 || u.Low > u.Sequence || u.Sequence > sequenceMax {
		return fmt.Errorf("%w: session %v, sequence %d, low %d: low is from 1 to the sequence",
			ErrMalformed, u.Session, u.Sequence, u.Low)
	}
	return nil
}

// Command is a decoded command. Key and Value are parts of the decoded bytes.
type Command struct {
	Op Op
	// Update is that of a put or delete; a close has only its Session.
	Update Update
	// Token is an open's.
	Token session.Token
	Key   []byte
	Value []byte
}

// Digest is 64 bits that tell commands of the same session and sequence apart.
// It leaves out low, so that a client may repeat a command with a higher one.
func (c *Command) Digest() uint64 {
	var head [9]byte
	head[0] = byte(c.Op)
	binary.LittleEndian.PutUint64(head[1:], uint64(len(c.Key)))
	var hash xxhash.Digest
	hash.Reset()
	_, _ = hash.Write(head[:])
	_, _ = hash.Write(c.Key)
	_, _ = hash.Write(c.Value)
	return hash.Sum64()
}

// AppendPut appends a put of value under key to dst. It panics at an Update that
// does not pass its Check; sizes are not its business, see CheckSizes.
func AppendPut(dst []byte, update Update, key, value []byte) []byte {
	dst = appendUpdate(dst, Put, update, key)
	return append(dst, value...)
}

// AppendDelete appends a delete of key to dst. It panics like AppendPut.
func AppendDelete(dst []byte, update Update, key []byte) []byte {
	return appendUpdate(dst, Delete, update, key)
}

// AppendOpen appends the open of a session to dst. A zero token panics: it is the
// mark of everything that is not an open.
func AppendOpen(dst []byte, token session.Token) []byte {
	if token == (session.Token{}) {
		panic("kv: open without a token")
	}
	dst = append(dst, byte(Open))
	return append(dst, token[:]...)
}

// AppendClose appends the close of a session to dst.
func AppendClose(dst []byte, id session.ID) []byte {
	return appendSession(append(dst, byte(Close)), id)
}

// Append appends a decoded command to dst.
func (c *Command) Append(dst []byte) []byte {
	switch c.Op {
	case Put:
		return AppendPut(dst, c.Update, c.Key, c.Value)
	case Delete:
		return AppendDelete(dst, c.Update, c.Key)
	case Open:
		return AppendOpen(dst, c.Token)
	case Close:
		return AppendClose(dst, c.Update.Session)
	}
	panic(fmt.Sprintf("kv: append of %v", c.Op))
}

func appendUpdate(dst []byte, op Op, update Update, key []byte) []byte {
	if err := update.Check(); err != nil {
		panic(fmt.Sprintf("kv: %v: %v", op, err))
	}
	dst = appendSession(append(dst, byte(op)), update.Session)
	dst = binary.AppendUvarint(dst, update.Sequence)
	dst = binary.AppendUvarint(dst, update.Sequence-update.Low)
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	return append(dst, key...)
}

func appendSession(dst []byte, id session.ID) []byte {
	dst = binary.AppendUvarint(dst, id.Slot)
	return binary.AppendUvarint(dst, uint64(id.Index))
}

// sequenceMax keeps sequences clear of the values that mean something else.
const sequenceMax = math.MaxInt64

// Decode parses one command. It allocates nothing; Key and Value are parts of
// data. Errors are ErrMalformed or ErrUnknownOperation.
func Decode(data []byte) (Command, error) {
	if len(data) == 0 {
		return Command{}, fmt.Errorf("%w: no bytes", ErrMalformed)
	}
	c := Command{Op: Op(data[0])}
	d := decoder{rest: data[1:]}
	switch c.Op {
	case Put, Delete:
		d.update(&c)
		if c.Op == Put {
			c.Value, d.rest = d.rest, nil
		}
	case Open:
		if copy(c.Token[:], d.bytes(uint64(len(c.Token)))) == 0 || c.Token == (session.Token{}) {
			d.failed = true
		}
	case Close:
		c.Update.Session = d.session()
	default:
		return Command{}, fmt.Errorf("%w %d", ErrUnknownOperation, data[0])
	}
	if d.failed || len(d.rest) != 0 {
		return Command{}, fmt.Errorf("%w: %v of %d bytes", ErrMalformed, c.Op, len(data))
	}
	return c, nil
}

// decoder reads fields from the front of rest; after the first failure it gives
// zeros.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	value, used := binary.Uvarint(d.rest)
	if d.failed || used <= 0 {
		d.failed = true
		return 0
	}
	d.rest = d.rest[used:]
	return value
}

func (d *decoder) varint() int64 {
	value, used := binary.Varint(d.rest)
	if d.failed || used <= 0 {
		d.failed = true
		return 0
	}
	d.rest = d.rest[used:]
	return value
}

func (d *decoder) bytes(count uint64) []byte {
	if d.failed || count > uint64(len(d.rest)) {
		d.failed = true
		return nil
	}
	head := d.rest[:count:count]
	d.rest = d.rest[count:]
	return head
}

func (d *decoder) session() session.ID {
	slot, index := d.uvarint(), d.uvarint()
	if slot == 0 || index > math.MaxUint32 {
		d.failed = true
	}
	return session.ID{Slot: slot, Index: uint32(index)}
}

func (d *decoder) update(c *Command) {
	c.Update.Session = d.session()
	sequence, above := d.uvarint(), d.uvarint()
	if sequence > sequenceMax || above >= sequence {
		d.failed = true
	}
	c.Update.Sequence, c.Update.Low = sequence, sequence-above
	c.Key = d.bytes(d.uvarint())
}

// Check is what the edge asks before it lets a command into the log: that it is
// one, and that key and value are within their limits. Errors are ErrMalformed,
// ErrUnknownOperation, ErrEmptyKey and ErrTooLarge.
func Check(data []byte) error {
	c, err := Decode(data)
	if err != nil {
		return err
	}
	if c.Op != Put && c.Op != Delete {
		return nil
	}
	return CheckSizes(c.Key, c.Value)
}

// CheckSizes holds a key and a value against their limits. Errors are ErrEmptyKey
// and ErrTooLarge.
func CheckSizes(key, value []byte) error {
	switch {
	case len(key) == 0:
		return fmt.Errorf("%w: give a key of 1 to %d bytes", ErrEmptyKey, KeyBytesMax)
	case len(key) > KeyBytesMax:
		return fmt.Errorf("key of %d bytes: %w: the limit is %d", len(key), ErrTooLarge, KeyBytesMax)
	case len(value) > ValueBytesMax:
		return fmt.Errorf("value of %d bytes: %w: the limit is %d", len(value), ErrTooLarge, ValueBytesMax)
	}
	return nil
}
