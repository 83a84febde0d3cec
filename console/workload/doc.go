// Package workload is the load that runs inside the console: clients that put, get and delete keys of their own while a
// person breaks the cluster, and whose every answer is judged.
//
//	engine, err := workload.Start(ctx, profile, store)
//	engine.Progress()                  // rates, latencies, failures, the verdict; at any time
//	engine.Apply(changed)              // other clients, mix or rate, without a break
//	final := engine.Stop(ctx)          // waits for the last answers and for the judge
//
// Keys lie below a prefix of the run, so that nothing of the user's is touched, and are deleted at the end unless they
// are to be kept. Every value is written once only: it begins with the client and its count, and the judge knows it by
// that. To measure the utmost speed use `synod bench`, which neither records nor judges.
package workload
