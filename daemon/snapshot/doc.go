// Package snapshot carries copies of the applied state between replicas: a Server
// gives them, a Fetcher takes them.
//
// A learner that nobody can tell an old slot any more, because all acceptors have
// cut it, wants a snapshot. The Fetcher of its replica asks another one for a copy,
// chunk by chunk, at most so many bytes a second, on the connection for bulk; what
// arrives goes to a Receiver (daemon/store). A connection that breaks costs nothing
// but time: the Fetcher asks for the same chunk again. When the copy is whole,
// checked and durable, the learner is told, and installs it when it likes.
//
// The Server makes a copy when the first ask comes, shares it among all who ask,
// and lets go of it when nobody has asked for a while. Asking is idempotent, and a
// Server keeps nothing of its askers.
package snapshot
