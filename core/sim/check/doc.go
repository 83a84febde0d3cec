// Package check holds the watchers of a simulated cluster: one per promise that
// the product makes. A watcher only watches. It sees the tap, which is every
// message that leaves or reaches an agent, every entry that a learner applies and
// every call of a client, and says which promise broke, where and how.
//
// Use it through [Panel]: New builds one with all watchers, Watch shows it one
// event, Finish asks for what can be judged only at the end.
//
//	agreement     S1   one value per slot; one value per (ballot, slot); learners
//	                   take only what a majority voted for
//	claims        S1   what is said about chosen slots is true when it is said
//	proposal      S2   Accept(b, s, v) only if no other value was chosen below b
//	promise       S3   an acceptor that sent a promise keeps it, in every life
//	vote          S4   an acceptor that sent a vote keeps it, in every life
//	prefix        S5   all learners apply one sequence and reach equal states
//	durability    S6   what was acknowledged is in every replica at the end
//	once          S7   every update executes at most once, and its answer is true
//	silence       S9   an acceptor that refuses neither promises nor votes
//	order         S10a answers agree with the log's order and with real time
//	linearizable  S10b the clients' histories, judged without looking inside
//	liveness      L    a healed majority serves; nothing stays pending; few leaders
//
// The watchers share a [Ledger], the simulator's own idea of what is chosen. It
// is derived from the acceptors' votes alone, so that it depends on no learner.
package check
