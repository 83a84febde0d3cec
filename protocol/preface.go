package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"time"

	"synod/core/paxos"
)

// Versions of this protocol that this code speaks.
const (
	VersionLow  = 1
	VersionHigh = 1
)

// magic begins everything that Synod sends on a new connection.
const magic = "SYND"

// Connection is the kind of a connection. Each kind has its own TCP connection,
// so that nothing small waits behind something large.
type Connection uint8

// The kinds of connections.
const (
	PeerConsensus Connection = 1
	PeerBulk      Connection = 2
	Client        Connection = 3
	Operator      Connection = 4
)

func (c Connection) String() string {
	names := [...]string{"", "peer-consensus", "peer-bulk", "client", "operator"}
	if c == 0 || int(c) >= len(names) {
		return fmt.Sprintf("connection(%d)", uint8(c))
	}
	return names[c]
}

// Peer reports whether the connection is one between replicas.
func (c Connection) Peer() bool { return c == PeerConsensus || c == PeerBulk }

// Preface is what the dialler says first, before anything else is allowed.
type Preface struct {
	// Low and High are the range of versions that the dialler speaks.
	Low, High  uint16
	Connection Connection
	// Replica is the dialling replica; 0 for clients and operators.
	Replica paxos.ReplicaID
	// To is the replica that the dialler means to reach; 0 if any will do.
	To paxos.ReplicaID
	// Cluster is zero if the dialler, a client or operator, takes any.
	Cluster paxos.ClusterID
	// Incarnation of the dialling replica.
	Incarnation paxos.Incarnation
	// Run is random and new for every start of the dialler, so that a second
	// process with the same identity is noticed.
	Run uint64
	// Features are bits of what the dialler can do; none are defined yet.
	Features uint64
}

// Welcome answers a preface: it accepts, with a version and limits, or refuses.
type Welcome struct {
	// Refusal is nil if the dialler is welcome; else the connection is closed.
	Refusal     *Error
	Version     uint16
	Replica     paxos.ReplicaID
	Cluster     paxos.ClusterID
	Incarnation paxos.Incarnation
	Run         uint64
	Features    uint64
	// Limits of the answering side, in bytes and requests per connection.
	FrameBytesMax, ValueBytesMax, RequestsMax uint32
}

// Errors of prefaces. A connection that fails with one is closed.
var (
	// ErrNotSynod: the other side speaks something else.
	ErrNotSynod = errors.New("no preface of Synod")
	// ErrPreface: the preface or its answer is damaged.
	ErrPreface = errors.New("malformed preface")
)

// Lengths in bytes: the magic and the length field; and a whole preface of
// version 1 with its checksum. The length field counts what follows it.
const (
	prefaceHeadBytes = len(magic) + 2
	prefaceBodyBytes = 2 + 2 + 1 + 1 + 1 + 16 + 8 + 8 + 8
	welcomeBodyBytes = 2 + 2 + 1 + 1 + 16 + 8 + 8 + 8 + 4 + 4 + 4 + 1
)

// Append appends the coded preface.
func (p *Preface) Append(dst []byte) []byte {
	at := len(dst)
	dst = append(append(dst, magic...), 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, p.Low)
	dst = binary.BigEndian.AppendUint16(dst, p.High)
	dst = append(dst, byte(p.Connection), byte(p.Replica), byte(p.To))
	dst = append(dst, p.Cluster[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Incarnation))
	dst = binary.BigEndian.AppendUint64(dst, p.Run)
	dst = binary.BigEndian.AppendUint64(dst, p.Features)
	return seal(dst, at)
}

// Append appends the coded answer.
func (w *Welcome) Append(dst []byte) []byte {
	at := len(dst)
	dst = append(append(dst, magic...), 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, w.Version)
	refusal := w.Refusal
	if refusal == nil {
		refusal = &Error{}
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(refusal.Code))
	dst = append(dst, byte(refusal.Retry), byte(w.Replica))
	dst = append(dst, w.Cluster[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(w.Incarnation))
	dst = binary.BigEndian.AppendUint64(dst, w.Run)
	dst = binary.BigEndian.AppendUint64(dst, w.Features)
	dst = binary.BigEndian.AppendUint32(dst, w.FrameBytesMax)
	dst = binary.BigEndian.AppendUint32(dst, w.ValueBytesMax)
	dst = binary.BigEndian.AppendUint32(dst, w.RequestsMax)
	return seal(appendBytes(dst, sentence(refusal.Text)), at)
}

// seal fills in the length and appends the checksum.
func seal(dst []byte, at int) []byte {
	length := len(dst) - at - prefaceHeadBytes + crc32.Size
	binary.BigEndian.PutUint16(dst[at+len(magic):], uint16(length))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// DecodePreface reads a whole coded preface.
func DecodePreface(raw []byte) (Preface, error) {
	d, err := unseal(raw, prefaceBodyBytes)
	if err != nil {
		return Preface{}, err
	}
	p := Preface{
		Low: d.u16(), High: d.u16(), Connection: Connection(d.u8()), Replica: d.replica(), To: d.replica(),
	}
	copy(p.Cluster[:], d.take(len(p.Cluster)))
	p.Incarnation, p.Run, p.Features = paxos.Incarnation(d.u64()), d.u64(), d.u64()
	if p.Low == 0 || p.Low > p.High {
		d.fail("versions %d to %d", p.Low, p.High)
	}
	if d.err != nil {
		return Preface{}, fmt.Errorf("%w: %w", ErrPreface, d.err)
	}
	return p, nil
}

// DecodeWelcome reads a whole coded answer.
func DecodeWelcome(raw []byte) (Welcome, error) {
	d, err := unseal(raw, welcomeBodyBytes)
	if err != nil {
		return Welcome{}, err
	}
	w := Welcome{Version: d.u16()}
	refusal := Error{Code: Code(d.u16()), Retry: Retry(d.u8())}
	w.Replica = d.replica()
	copy(w.Cluster[:], d.take(len(w.Cluster)))
	w.Incarnation, w.Run, w.Features = paxos.Incarnation(d.u64()), d.u64(), d.u64()
	w.FrameBytesMax, w.ValueBytesMax, w.RequestsMax = d.u32(), d.u32(), d.u32()
	refusal.Text = strings.ToValidUTF8(string(d.bytes(SentenceBytesMax)), "?")
	if d.err != nil {
		return Welcome{}, fmt.Errorf("%w: answer: %w", ErrPreface, d.err)
	}
	if refusal.Code != 0 {
		refusal.Replica = w.Replica
		w.Refusal = &refusal
	}
	return w, nil
}

// unseal checks magic, length and checksum and gives the fields.
func unseal(raw []byte, bytesMin int) (*decoder, error) {
	length, err := prefaceLength(raw)
	if err != nil {
		return nil, err
	}
	if length != len(raw)-prefaceHeadBytes || length < bytesMin+crc32.Size {
		return nil, fmt.Errorf("%w: length %d, %d bytes arrived", ErrPreface, length, len(raw))
	}
	body := raw[:len(raw)-crc32.Size]
	if binary.BigEndian.Uint32(raw[len(body):]) != crc32.Checksum(body, castagnoli) {
		return nil, fmt.Errorf("%w: wrong checksum, length %d", ErrPreface, length)
	}
	return &decoder{rest: body[prefaceHeadBytes:]}, nil
}

func prefaceLength(head []byte) (int, error) {
	if len(head) < prefaceHeadBytes {
		return 0, fmt.Errorf("%w: %d bytes arrived", ErrPreface, len(head))
	}
	if string(head[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: it begins with %q, length %d or more", ErrNotSynod, head[:len(magic)], len(head))
	}
	length := int(binary.BigEndian.Uint16(head[len(magic):]))
	if length > PrefaceBytesMax {
		return 0, fmt.Errorf("%w: length %d, limit %d", ErrPreface, length, PrefaceBytesMax)
	}
	return length, nil
}

// readPreface reads one preface or answer and not a byte more.
func readPreface(conn io.Reader) ([]byte, error) {
	raw := make([]byte, prefaceHeadBytes, 128)
	if n, err := io.ReadFull(conn, raw); err != nil {
		return nil, fmt.Errorf("%w: %d bytes arrived: %w", ErrPreface, n, err)
	}
	length, err := prefaceLength(raw)
	if err != nil {
		return nil, err
	}
	raw = append(raw, make([]byte, length)...)
	if n, err := io.ReadFull(conn, raw[prefaceHeadBytes:]); err != nil {
		return nil, fmt.Errorf("%w: length %d, %d bytes arrived: %w", ErrPreface, length, prefaceHeadBytes+n, err)
	}
	return raw, nil
}

// Greet is the dialler's side of the exchange: it sends the preface and waits
// for the answer, both within [HandshakeTimeout]. A refusal is returned as
// error, an [*Error], together with the answer that held it.
func Greet(conn net.Conn, p Preface) (Welcome, error) {
	if err := conn.SetDeadline(time.Now().Add(HandshakeTimeout)); err != nil {
		return Welcome{}, fmt.Errorf("set the deadline of the handshake: %w", err)
	}
	if _, err := conn.Write(p.Append(nil)); err != nil {
		return Welcome{}, fmt.Errorf("send the preface: %w", err)
	}
	raw, err := readPreface(conn)
	if err != nil {
		return Welcome{}, fmt.Errorf("wait for the answer to the preface: %w", err)
	}
	w, err := DecodeWelcome(raw)
	if err != nil {
		return Welcome{}, err
	}
	if w.Refusal != nil {
		return w, w.Refusal
	}
	if w.Version < p.Low || w.Version > p.High {
		return w, Refuse(CodeVersion, w.Replica,
			fmt.Sprintf("it chose version %d, this side speaks %d to %d", w.Version, p.Low, p.High))
	}
	return w, conn.SetDeadline(time.Time{})
}

// ReceivePreface is the first half of the listener's side. The caller checks
// what it got (see [Preface.Refusal]) and calls [AnswerPreface], all within the
// same [HandshakeTimeout], which starts here.
func ReceivePreface(conn net.Conn) (Preface, error) {
	if err := conn.SetDeadline(time.Now().Add(HandshakeTimeout)); err != nil {
		return Preface{}, fmt.Errorf("set the deadline of the handshake: %w", err)
	}
	raw, err := readPreface(conn)
	if err != nil {
		return Preface{}, err
	}
	return DecodePreface(raw)
}

// AnswerPreface is the second half. After a refusal the caller closes the
// connection.
func AnswerPreface(conn net.Conn, w Welcome) error {
	if _, err := conn.Write(w.Append(nil)); err != nil {
		return fmt.Errorf("answer the preface: %w", err)
	}
	if w.Refusal != nil {
		return nil // the other side hangs up as soon as it has read it
	}
	return conn.SetDeadline(time.Time{})
}

// Version picks the highest version that both sides speak, 0 if there is none.
func (p *Preface) Version() uint16 {
	if high := min(p.High, VersionHigh); high >= max(p.Low, VersionLow) {
		return high
	}
	return 0
}

// Identity is what a listening replica is.
type Identity struct {
	Cluster     paxos.ClusterID
	Replica     paxos.ReplicaID
	Incarnation paxos.Incarnation
	Run         uint64
	Replicas    int // size of the cluster
}

// Refusal checks a preface against the identity of the listener and gives the
// reason to refuse it, nil if there is none. What only the listener can know,
// such as its limits, is not checked here.
func (p *Preface) Refusal(self Identity) *Error {
	refuse := func(code Code, format string, args ...any) *Error {
		return Refuse(code, self.Replica, fmt.Sprintf(format, args...))
	}
	switch {
	case p.Version() == 0:
		return refuse(CodeVersion, "this replica speaks versions %d to %d, the caller %d to %d: update the older one",
			VersionLow, VersionHigh, p.Low, p.High)
	case p.Connection < PeerConsensus || p.Connection > Operator:
		return refuse(CodeVersion, "%s is no kind of connection that this replica knows", p.Connection)
	case p.To != 0 && p.To != self.Replica:
		return refuse(CodeDenied, "this is %s, not %s: check the addresses in the configuration", self.Replica, p.To)
	case p.Cluster != self.Cluster && (p.Connection.Peer() || p.Cluster != paxos.ClusterID{}):
		return refuse(CodeDenied, "this replica is of cluster %s, the caller of %s: check addresses and data folders",
			self.Cluster, p.Cluster)
	case p.Connection.Peer() && (p.Replica == 0 || int(p.Replica) > self.Replicas):
		return refuse(CodeDenied, "the caller says it is %s, this cluster has r1 to r%d", p.Replica, self.Replicas)
	case p.Connection.Peer() && p.Replica == self.Replica:
		return refuse(CodeDenied, "the caller says it is %s, which is this replica: check its --replica", p.Replica)
	case !p.Connection.Peer() && p.Replica != 0:
		return refuse(CodeDenied, "a %s connection states no replica", p.Connection)
	}
	return nil
}

// Accepting makes the answer that lets a preface in.
func (p *Preface) Accepting(self Identity) Welcome {
	w := Welcome{
		Version: p.Version(), Replica: self.Replica, Cluster: self.Cluster, Incarnation: self.Incarnation,
		Run: self.Run, FrameBytesMax: ClientFrameBytesMax, ValueBytesMax: ValueBytesMax,
		RequestsMax: RequestsPerConnectionMax,
	}
	if p.Connection.Peer() {
		w.FrameBytesMax, w.RequestsMax = PeerFrameBytesMax, 0
	}
	return w
}

// Refusing makes the answer that turns a preface away. It tells who refuses,
// but not which cluster this is to a caller who named another.
func Refusing(self Identity, refusal *Error) Welcome {
	return Welcome{Refusal: refusal, Replica: self.Replica}
}
