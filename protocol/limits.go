package protocol

import "time"

// Limits of sizes, in bytes. What is larger is refused before anything is
// allocated for it.
const (
	// KeyBytesMax is the longest key; the shortest has one byte.
	KeyBytesMax = 4 << 10
	// ValueBytesMax is the longest value; it may be empty.
	ValueBytesMax = 1 << 20
	// ClientFrameBytesMax bounds a whole frame on a client's or operator's stream.
	ClientFrameBytesMax = 2 << 20
	// PeerFrameBytesMax bounds a whole frame between replicas.
	PeerFrameBytesMax = 4 << 20
	// BulkChunkBytesMax bounds the payload of one chunk of a snapshot.
	BulkChunkBytesMax = 256 << 10
	// DatagramBytesMax bounds a datagram, so that no network has to cut it.
	DatagramBytesMax = 1200
	// SentenceBytesMax bounds a text for people: of an error or a refusal.
	SentenceBytesMax = 1 << 10
	// OperatorBytesMax bounds the JSON in an operator's frame.
	OperatorBytesMax = 256 << 10
	// PrefaceBytesMax bounds a preface and its answer, future fields included.
	PrefaceBytesMax = 2 << 10

	// ScanEntriesMax and ScanBytesMax bound one page of a scan: the number of
	// entries, and the sum of the lengths of their keys and values. One entry
	// always fits, however large.
	ScanEntriesMax = 1000
	ScanBytesMax   = 512 << 10
	// CommandsMax bounds the commands in one Forward.
	CommandsMax = 64 << 10
	// LogLinesMax bounds the lines in one frame of a log subscription.
	LogLinesMax = 200
)

// Limits of buffers and counts.
const (
	// WriteBytesMax is the most that is handed to a stream in one write: the
	// receiver sees nothing of a write before its last byte.
	WriteBytesMax = 64 << 10
	// ReadBytes is the size of a [Reader]'s buffer.
	ReadBytes = 64 << 10
	// CoalesceBytesMax bounds what waits for the socket; then writers block.
	CoalesceBytesMax = 256 << 10
	// OutboxBytesMax bounds what waits in an [Outbox] of a client or server.
	OutboxBytesMax = 8 << 20
	// StreamsMax bounds the streams of one session.
	StreamsMax = 16
	// ConnectionsMax bounds the client and operator connections of a replica,
	// ConnectionsPerHostMax those from one address.
	ConnectionsMax        = 4096
	ConnectionsPerHostMax = 1024
	// RequestsPerConnectionMax and RequestsMax bound requests without answer.
	RequestsPerConnectionMax = 4096
	RequestsMax              = 64 << 10
	// InFlightBytesPerConnectionMax and InFlightBytesMax bound their bodies.
	InFlightBytesPerConnectionMax = 16 << 20
	InFlightBytesMax              = 64 << 20
)

// Limits of time.
const (
	// HandshakeTimeout bounds the exchange of prefaces, both directions together.
	HandshakeTimeout = 5 * time.Second
	// FirstFrameTimeout bounds the wait for the first stream and its first frame.
	FirstFrameTimeout = 5 * time.Second
	// IdleTimeout ends a client connection that sends nothing, not even a ping.
	IdleTimeout = 5 * time.Minute
	// PingInterval is the pause between the pings of an idle client connection.
	PingInterval = 5 * time.Second
	// PongTimeout ends a client connection whose ping was not answered.
	PongTimeout = 10 * time.Second
	// WriteTimeout bounds one write to the socket between replicas,
	// BulkWriteTimeout one of bulk, client and operator connections.
	WriteTimeout     = 3 * time.Second
	BulkWriteTimeout = 10 * time.Second
	// StreamOpenTimeout and StreamCloseTimeout bound the life ends of a stream.
	StreamOpenTimeout  = 5 * time.Second
	StreamCloseTimeout = 10 * time.Second
)

// WindowBytes is the receive window of a stream, BulkWindowBytes that of a
// stream on a bulk connection. A stream that nobody reads costs twice that.
const (
	WindowBytes     = 256 << 10
	BulkWindowBytes = 1 << 20
)
