package gateway

import "synod/protocol"

// ShownLimit is a limit with its name, for the log at start.
type ShownLimit struct {
	Name  string
	Value int64
}

// ShownLimits lists the limits that clients may run into.
func ShownLimits() []ShownLimit {
	l := Limits{}.withDefaults()
	return []ShownLimit{
		{"key_bytes", protocol.KeyBytesMax},
		{"value_bytes", protocol.ValueBytesMax},
		{"client_frame_bytes", protocol.ClientFrameBytesMax},
		{"peer_frame_bytes", protocol.PeerFrameBytesMax},
		{"connections", int64(l.Connections)},
		{"connections_per_host", int64(l.ConnectionsPerHost)},
		{"requests", int64(l.Requests)},
		{"requests_per_connection", int64(l.RequestsPerClient)},
		{"in_flight_bytes", int64(l.Bytes)},
		{"in_flight_bytes_per_connection", int64(l.BytesPerClient)},
		{"handshake_ms", protocol.HandshakeTimeout.Milliseconds()},
		{"idle_ms", l.Idle.Milliseconds()},
	}
}
