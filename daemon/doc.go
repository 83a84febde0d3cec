// Command synodd is one replica of Synod: it runs a proposer, an acceptor and a
// learner, talks to the other replicas, and serves clients and operators.
//
//	synodd init --config config.toml             # once: folders and identities of all local replicas
//	synodd --config config.toml --replica r1     # one replica, until SIGTERM
//
// wire.go joins the parts and reads as the architecture; run.go is the life of
// the process; everything else is in the packages below. README.md says what was
// decided and why.
package main
