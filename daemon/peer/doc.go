// Package peer keeps the links to the other replicas.
//
// Of two replicas the one with the lower number dials. A link is one TCP
// connection with two streams: batches of consensus, and control (heartbeats,
// campaigns, pings), which never waits behind a batch. What a learner fetches
// goes over a connection of its own, dialled by whoever asks, on demand.
//
// Send never blocks: each stream has a bounded queue, and what does not fit is
// dropped and counted. A message to everyone is coded once. While a link is down
// nothing is kept for it: Paxos expects messages to get lost, and old ones are
// of no use.
//
// Links can be broken on purpose, as [fault.Table] says: messages of the roles and
// parts of snapshots are dropped or held back, on their way out before they are queued, on their way in
// before they are handed in, on all streams alike. Handshakes, pings and pongs pass:
// the connection lives and its round trip time is the link's, so that people still
// see the other replica, and nobody is told. A cut is silence, not a reset, which
// is the harder case: a closed connection is a hint that elections act on at once.
// What a cut finds in a queue or in the network still arrives; cut both ends where
// that matters. One goroutine lets go what is held back.
//
// A connection that is silent is given up by pings of our own; a lost one is told to Down at
// once and dialled again after a random pause. Strangers (another cluster,
// another replica, a second process with the same identity) are refused with a
// sentence, which both sides log once.
package peer
