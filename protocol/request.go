package protocol

import (
	"encoding/binary"

	"synod/core/session"
)

// ReadMode says how fresh an answer must be.
type ReadMode uint8

// The modes of reading.
const (
	// Linearizable: the answer holds every update that was acknowledged to
	// anybody before the request was made.
	Linearizable ReadMode = 0
	// Stale: what this replica has applied, at once; the answer says up to where.
	Stale ReadMode = 1
)

func (m ReadMode) String() string {
	if m == Stale {
		return "stale"
	}
	return "linearizable"
}

// OpenSession asks for a client session. A retry carries the same token.
type OpenSession struct{ Token session.Token }

// Append appends the whole frame; the header's Kind is set here.
func (m *OpenSession) Append(dst []byte, header Frame) []byte {
	dst, at := BeginFrame(dst)
	header.Kind = KindOpenSession
	return EndFrame(append(dst, m.Token[:]...), at, header)
}

// DecodeOpenSession reads the body of a KindOpenSession frame.
func DecodeOpenSession(body []byte) (m OpenSession, err error) {
	d := decoder{rest: body}
	copy(m.Token[:], d.take(len(m.Token)))
	if m.Token == (session.Token{}) {
		d.fail("token of zeros")
	}
	return m, d.done(KindOpenSession)
}

// AppendUpdate appends a whole KindUpdate frame. Its body is the command as
// core/kv codes it (an update in a session, or the close of one), unchanged all
// the way from the client through the log to the state machine. The receiver
// checks it with kv.Check.
func AppendUpdate(dst []byte, header Frame, command []byte) []byte {
	dst, at := BeginFrame(dst)
	header.Kind = KindUpdate
	return EndFrame(append(dst, command...), at, header)
}

// OneShot is an update without a session of its own, for simple clients: the
// gateway executes it at most once in a session of its own, but nobody may
// repeat it, and a lost answer leaves its outcome unknown.
type OneShot struct {
	Delete     bool // put otherwise
	Key, Value []byte
}

// Append appends the whole frame; the header's Kind is set here.
func (m *OneShot) Append(dst []byte, header Frame) []byte {
	dst, at := BeginFrame(dst)
	dst = appendBytes(appendBool(dst, m.Delete), m.Key)
	dst = appendBytes(dst, m.Value)
	header.Kind = KindOneShot
	return EndFrame(dst, at, header)
}

// DecodeOneShot reads the body of a KindOneShot frame. Key and value are slices
// of it.
func DecodeOneShot(body []byte) (OneShot, error) {
	d := decoder{rest: body}
	m := OneShot{Delete: d.boolean(), Key: d.key(), Value: d.bytes(ValueBytesMax)}
	if m.Delete && len(m.Value) > 0 {
		d.fail("delete with a value")
	}
	return m, d.done(KindOneShot)
}

// Get asks for the value of a key.
type Get struct {
	Mode ReadMode
	Key  []byte
}

// Append appends the whole frame; the header's Kind is set here.
func (m *Get) Append(dst []byte, header Frame) []byte {
	dst, at := BeginFrame(dst)
	header.Kind = KindGet
	return EndFrame(appendBytes(append(dst, byte(m.Mode)), m.Key), at, header)
}

// DecodeGet reads the body of a KindGet frame. The key is a slice of it.
func DecodeGet(body []byte) (Get, error) {
	d := decoder{rest: body}
	m := Get{Mode: d.mode(), Key: d.key()}
	return m, d.done(KindGet)
}

// Scan asks for one page of keys in order.
type Scan struct {
	Mode ReadMode
	// Prefix that all keys have; may be empty.
	Prefix []byte
	// After is the last key of the page before; empty for the first page.
	After []byte
	// Entries and Bytes bound the page; 0 and what is above [ScanEntriesMax] or
	// [ScanBytesMax] mean that limit.
	Entries, Bytes uint32
	// Values false leaves the values out.
	Values bool
}

// Append appends the whole frame; the header's Kind is set here.
func (m *Scan) Append(dst []byte, header Frame) []byte {
	dst, at := BeginFrame(dst)
	dst = appendBytes(append(dst, byte(m.Mode)), m.Prefix)
	dst = appendBytes(dst, m.After)
	dst = binary.AppendUvarint(dst, uint64(m.Entries))
	dst = binary.AppendUvarint(dst, uint64(m.Bytes))
	header.Kind = KindScan
	return EndFrame(appendBool(dst, m.Values), at, header)
}

// DecodeScan reads the body of a KindScan frame. Prefix and After are slices of
// it; Entries and Bytes have their real values, 1 to the limit.
func DecodeScan(body []byte) (Scan, error) {
	d := decoder{rest: body}
	m := Scan{
		Mode: d.mode(), Prefix: d.bytes(KeyBytesMax), After: d.bytes(KeyBytesMax),
		Entries: d.uvarint32(), Bytes: d.uvarint32(), Values: d.boolean(),
	}
	if m.Entries == 0 || m.Entries > ScanEntriesMax {
		m.Entries = ScanEntriesMax
	}
	if m.Bytes == 0 || m.Bytes > ScanBytesMax {
		m.Bytes = ScanBytesMax
	}
	return m, d.done(KindScan)
}

// SessionOpened answers OpenSession.
type SessionOpened struct{ Session session.ID }

// Append appends the whole frame that answers the request.
func (m *SessionOpened) Append(dst []byte, request uint64) []byte {
	dst, at := BeginFrame(dst)
	dst = binary.AppendUvarint(dst, m.Session.Slot)
	dst = binary.AppendUvarint(dst, uint64(m.Session.Index))
	return EndFrame(dst, at, Frame{Kind: KindSessionOpened, Request: request})
}

// DecodeSessionOpened reads the body of a KindSessionOpened frame.
func DecodeSessionOpened(body []byte) (SessionOpened, error) {
	d := decoder{rest: body}
	m := SessionOpened{Session: session.ID{Slot: d.uvarint(), Index: d.uvarint32()}}
	if m.Session.Slot == 0 {
		d.fail("session without a slot")
	}
	return m, d.done(KindSessionOpened)
}

// Updated answers Update and OneShot: the update is chosen and applied.
type Updated struct {
	// Slot in which the update was executed first.
	Slot uint64
	// Revision that the update gave to its key; 0 for the close of a session.
	Revision uint64
	// Applied is how far the answering replica was.
	Applied uint64
	// Repeated: the answer is the result of an earlier copy.
	Repeated bool
}

// Append appends the whole frame that answers the request.
func (m *Updated) Append(dst []byte, request uint64) []byte {
	dst, at := BeginFrame(dst)
	dst = binary.AppendUvarint(dst, m.Slot)
	dst = binary.AppendUvarint(dst, m.Revision)
	dst = binary.AppendUvarint(dst, m.Applied)
	return EndFrame(appendBool(dst, m.Repeated), at, Frame{Kind: KindUpdated, Request: request})
}

// DecodeUpdated reads the body of a KindUpdated frame.
func DecodeUpdated(body []byte) (Updated, error) {
	d := decoder{rest: body}
	m := Updated{Slot: d.uvarint(), Revision: d.uvarint(), Applied: d.uvarint(), Repeated: d.boolean()}
	return m, d.done(KindUpdated)
}

// Got answers Get. A missing key is an answer, not an error.
type Got struct {
	Found bool
	// Revision of the key's last change; 0 if it is missing.
	Revision uint64
	// Applied is the slot at which the replica answered.
	Applied uint64
	Value   []byte
}

// Append appends the whole frame that answers the request.
func (m *Got) Append(dst []byte, request uint64) []byte {
	dst, at := BeginFrame(dst)
	dst = binary.AppendUvarint(appendBool(dst, m.Found), m.Revision)
	dst = appendBytes(binary.AppendUvarint(dst, m.Applied), m.Value)
	return EndFrame(dst, at, Frame{Kind: KindGot, Request: request})
}

// DecodeGot reads the body of a KindGot frame. The value is a slice of it.
func DecodeGot(body []byte) (Got, error) {
	d := decoder{rest: body}
	m := Got{Found: d.boolean(), Revision: d.uvarint(), Applied: d.uvarint(), Value: d.bytes(ValueBytesMax)}
	return m, d.done(KindGot)
}

// ScanEntry is one key of a page.
type ScanEntry struct {
	Revision   uint64
	Key, Value []byte
}

// Scanned answers Scan with one page. Each page is one consistent state; two
// pages of a scan may be of different ones.
type Scanned struct {
	// Applied is the slot at which the replica answered.
	Applied uint64
	// More says that keys may follow; ask again with After = the last key here.
	More    bool
	Entries []ScanEntry
}

const scanEntryBytesMin = 1 + 1 + 1 + 1

// Append appends the whole frame that answers the request.
func (m *Scanned) Append(dst []byte, request uint64) []byte {
	dst, at := BeginFrame(dst)
	dst = appendBool(binary.AppendUvarint(dst, m.Applied), m.More)
	dst = binary.AppendUvarint(dst, uint64(len(m.Entries)))
	for i := range m.Entries {
		e := &m.Entries[i]
		dst = appendBytes(binary.AppendUvarint(dst, e.Revision), e.Key)
		dst = appendBytes(dst, e.Value)
	}
	return EndFrame(dst, at, Frame{Kind: KindScanned, Request: request})
}

// DecodeScanned reads the body of a KindScanned frame. Keys and values are
// slices of it.
func DecodeScanned(body []byte) (Scanned, error) {
	d := decoder{rest: body}
	m := Scanned{Applied: d.uvarint(), More: d.boolean()}
	if n := d.count(scanEntryBytesMin, ScanEntriesMax); n > 0 {
		m.Entries = make([]ScanEntry, n)
	}
	for i := range m.Entries {
		m.Entries[i] = ScanEntry{Revision: d.uvarint(), Key: d.key(), Value: d.bytes(ValueBytesMax)}
	}
	if m.More && len(m.Entries) == 0 {
		d.fail("an empty page with more to follow")
	}
	return m, d.done(KindScanned)
}

func (d *decoder) mode() ReadMode {
	m := ReadMode(d.u8())
	if m > Stale {
		d.fail("read mode %d is not known", m)
	}
	return m
}

// key reads a key, which has at least one byte.
func (d *decoder) key() []byte {
	key := d.bytes(KeyBytesMax)
	if len(key) == 0 {
		d.fail("empty key")
	}
	return key
}

// StatusError turns the outcome of an applied command into the error that
// answers its request; nil if it was executed.
func StatusError(s session.Status) *Error {
	switch s {
	case session.OK:
		return nil
	case session.Expired:
		return Refuse(CodeSessionExpired, 0, "the session is not known any more")
	case session.Conflict:
		return Refuse(CodeConflict, 0, "another command has this session and sequence")
	case session.Overloaded:
		// This copy was not executed, but another one still under way may be.
		return &Error{
			Code: CodeOverloaded, Retry: RetrySame,
			Text: "too many updates of the session without a result, or too many sessions",
		}
	case session.Stale:
		// Somebody else with this session acknowledged a result that the asker
		// never saw: its outcome stays unknown, and no repetition can help.
		return &Error{Code: CodeInternal, Retry: RetryNever, Text: "the result of this sequence was acknowledged already"}
	default:
		return Refuse(CodeInternal, 0, "outcome "+s.String())
	}
}
