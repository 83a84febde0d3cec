// Package processtest puts real processes through ordeals: it builds synodd and synod, starts a cluster as child
// processes with their own ports and folders, kills and halts them under load, and judges what their clients saw.
//
//	cluster := processtest.NewCluster(t, processtest.Options{})   // five daemons, with a leader
//	load := cluster.StartLoad(processtest.LoadOptions{Clients: 64})
//	cluster.Kill(cluster.Leader())                                // SIGKILL; also Halt, Continue, Terminate, Start
//	history := load.Stop()                                        // of all clients, by one clock
//	cluster.ReadAll(history)                                      // what every replica holds now
//	err := history.Check()                                        // lost, twice, out of order, not linearizable
//
// It is for tests only, and needs Linux. `go test -short` runs the shortest set; SYNOD_SOAK=1 the full counts.
// A failed test keeps the folder of its cluster and prints the last lines of every daemon.
package processtest
