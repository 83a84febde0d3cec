// Package client is the Go client of Synod.
//
//	c, err := client.Open(ctx, client.Endpoints(configuration))
//	info, err := c.Put(ctx, []byte("color"), []byte("green"))
//	value, err := c.Get(ctx, []byte("color"))
//	for entry, err := range c.Scan(ctx, []byte("col")) { … }
//	err = c.Close()
//
// Every replica can serve every request. A client keeps to one of them, random
// or chosen by [WithReplica], over one connection that carries any number of
// concurrent calls, and moves on when that one does not answer. Nothing has to
// be tuned and there is no pool: use one Client from as many goroutines as you
// like.
//
// An update is executed at most once, however often it is sent: it carries a
// session and a sequence number, and a retry carries the same ones. The first
// update opens the session. So what may be retried is retried, at another
// replica, until the context ends; a context without a deadline gets two
// seconds. What is left are failures of type [*Error]. Its Outcome is the thing
// to look at: NotSent means that an update was not executed and will not be,
// Unknown that it may have been, or may yet be; [Client.Retry] then asks again.
//
// Reads are linearizable unless [Stale] is given.
//
// [Operator] is the other half: one replica's status, roles, faults and logs.
package client
