// Package verdict tells, while a load runs, whether the store keeps its promise: is there one order of all operations,
// agreeing with the clock, that explains every answer (Herlihy and Wing, "Linearizability", 1990)?
//
//	recorder := verdict.NewRecorder(options)          // one for all clients: one clock orders everything
//	ticket, state := recorder.Begin(client, call)     // before the request leaves
//	recorder.End(ticket, answer)                      // after its answer came, or did not
//	recorder.Verdict()                                // OK so far, OK, VIOLATION or UNDECIDED, at any time
//
// Each key is judged by itself, which is exact: linearizability is local. A key's history is cut into windows where none
// of its operations is under way. The state at a cut is known exactly, because every update of the store carries a
// revision that grows and every read tells the one it saw: the update with the highest revision is the last. So windows
// are judged one by one, by porcupine, and forgotten: the verdict on all windows is that on the whole history.
//
// Updates without an answer stay open for ever. A put of unknown outcome counts from the moment that some read sees its
// value, which nobody else writes; one that nobody sees changes no answer. A delete of unknown outcome cannot be seen by
// its value, so its key is used no more, and its last window is judged with and without it.
//
// Nothing is dropped: a recorder that falls behind says by how much, and above a limit tells the load to slow down.
package verdict
