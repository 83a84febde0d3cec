// Package up starts the replicas of a cluster on this machine as real child processes, kills and restarts them, and
// takes care that none of them stays behind.
//
//	plan, err := up.Prepare(up.Options{…})   // folder, ports, configuration file; nothing runs yet
//	cluster, err := up.Launch(ctx, plan)     // `synodd init` if the cluster is new, then a process per replica
//	err = cluster.WaitLeader(ctx, ask)       // returns early if a child ends
//	…                                        // cluster.Kill("r3"), cluster.Start("r3")
//	err = cluster.Stop()                     // SIGTERM, after ten seconds SIGKILL
//
// The children have process groups of their own, so that ctrl-C at the terminal reaches only the parent, which then
// stops them in order. If the parent dies without a chance to do so (kill -9), the kernel kills them (Linux).
package up
