// Package session is the bookkeeping on the asking side of an update: what a
// client and a gateway must remember so that every update runs at most once and
// no update without an answer is ever called "not executed".
//
// The executing side is core/kv. Between the two lie these rules:
//
//   - A session is opened through the log. Its ID is the place of that Open:
//     (slot, index in the batch). Nobody can invent one, and no two Opens share one.
//   - An update carries (ID, sequence, low). low is the first sequence whose
//     result the client does not know: everything below it may be forgotten.
//   - When a session has expired, every update that was ever sent in it and has
//     no result is unknown, for ever: it is never sent again in another session.
//     Only what was never sent may move to the new one.
//
// Three things to use:
//
//   - ID, Token, Status, Result: the words that kv, the gateway, the wire and the
//     clients share.
//   - Sequencer: one session of one client; gives out sequences, keeps low, and
//     says what became of each update.
//   - Waiters: the gateway's table of requests that wait for their applied entry,
//     with retry and deadline.
//
// Everything here is pure: time is a number of milliseconds that the caller gives
// in, there are no goroutines and no locks. A value is used by one goroutine at a
// time.
package session
