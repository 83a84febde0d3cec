// Package protocol is the wire of Synod: what replicas, clients and operators
// say to each other, byte by byte.
//
// From the socket upwards: a [Preface] and its [Welcome] are exchanged once and
// decide whether the two sides talk at all; a [Session] then carries a few
// long-lived streams over that one connection; a stream carries frames, read by
// a [Reader] and written in batches by an [Outbox]; the body of a frame is a
// message. Messages between replicas are coded by [AppendEnvelope] and
// [DecodeEnvelope], those of clients by the methods of [Update], [Get], [Scan]
// and their answers, those of operators by [AppendJSON] and [DecodeJSON].
//
// Nothing that arrives can make a decoder panic or allocate more than a small
// multiple of what arrived. Every limit stands in limits.go, every error code
// in errors.go, every kind of frame in kind.go. README.md has the byte tables
// and the rules for change; testdata has one frame of every kind in hex.
package protocol
