package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"synod/core/config"
	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/wal"
	"synod/daemon/identity"
)

// auditName is the file in each new folder that tells where it came from.
const auditName = "recovered.txt"

func recoverCommand(f *flags) *cobra.Command {
	var out, accept string
	c := &cobra.Command{
		Use: "recover --out DIR", Short: "Begin a new cluster from what is left when a majority has lost its memory",
		Long: "Only for the case that a majority of the acceptors has lost its memory for good: then nobody can tell any more\n" +
			"what was acknowledged. Stop all replicas, bring the folders that are left into storage.dir on one machine, and run\n" +
			"this. It prints a plan and changes nothing. With --i-accept-data-loss ID, where ID is that of the old cluster, it\n" +
			"makes folders of a new cluster with a new id in DIR: the old replicas can never talk to the new ones. The old folders\n" +
			"are not touched. What one replica alone has lost, it gets back by itself: start it instead.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return fail(exitUsage, errors.New("where to? give --out with a folder that does not exist yet"))
			}
			return recoverCluster(f, out, accept, cmd.OutOrStdout())
		},
	}
	c.Flags().StringVar(&out, "out", "", "`folder` for the new cluster's replicas; it must not exist")
	c.Flags().StringVar(&accept, "i-accept-data-loss", "", "`id` of the old cluster; without it nothing is done")
	return c
}

// remains are what is left of one replica.
type remains struct {
	*offline
	memory  memory
	applied kv.Mark
	// notes say what is wrong with it.
	notes []string
}

// salvage is the plan of a recovery.
type salvage struct {
	cluster paxos.ClusterID
	left    []*remains
	missing []string // replicas of which nothing is left
	base    *remains // whose applied state is taken
	tail    []paxos.Entry
	beyond  []paxos.Slot // slots behind the first hole, which are given up
	round   uint64       // highest round of any ballot
}

func recoverCluster(f *flags, out, accept string, to io.Writer) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(out); err == nil {
		return fail(exitUsage, fmt.Errorf("folder %q exists already: give one that does not", out))
	}
	s, err := collect(c)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return err
	}
	var audit strings.Builder
	p := &printer{out: io.MultiWriter(to, &audit)}
	s.print(p)
	switch {
	case p.err != nil:
		return p.err
	case accept == "":
		p.line("this was a dry run, nothing was changed; to do it: --i-accept-data-loss %s", s.cluster)
		return p.err
	case accept != s.cluster.String():
		return fail(exitUsage, fmt.Errorf("--i-accept-data-loss %s: the cluster here is %s; nothing was changed",
			accept, s.cluster))
	}
	fresh, err := s.build(c, out, audit.String())
	if err != nil {
		return fail(exitFailure, err)
	}
	p.line("the new cluster %s is in %s: set dir in [storage] to it and start its replicas, each on its machine", fresh, out)
	return p.err
}

// collect reads all folders that are there.
func collect(c *config.Config) (*salvage, error) {
	s := &salvage{}
	for _, r := range c.Replicas {
		o, err := openOffline(c, r.ID)
		switch {
		case errors.Is(err, identity.ErrNone):
			s.missing = append(s.missing, r.ID)
			continue
		case err != nil:
			return s, err // in use, or not readable as an identity
		}
		left := &remains{offline: o}
		s.left = append(s.left, left)
		if s.cluster == (paxos.ClusterID{}) {
			s.cluster = o.identity.Cluster
		}
		if o.identity.Cluster != s.cluster {
			return s, fail(exitDamaged, fmt.Errorf("%s is of cluster %s, others here are of %s: keep those of one cluster",
				o.dir, o.identity.Cluster, s.cluster))
		}
		left.read()
	}
	if len(s.left) == 0 {
		return s, fail(exitUsage, fmt.Errorf("no replica's folder is in %q", c.Storage.Dir))
	}
	s.plan()
	return s, nil
}

func (s *salvage) close() {
	for _, left := range s.left {
		left.close()
	}
}

// read takes in a replica's log, as far as it can be read, and its applied state.
func (r *remains) read() {
	found, err := r.log(func(_ wal.Position, record paxos.Record) error {
		r.memory.add(record)
		return nil
	})
	if err != nil {
		r.notes = append(r.notes, err.Error())
	} else if found.Refusal != nil {
		r.notes = append(r.notes, found.Refusal.Error())
	}
	if r.applied, err = r.offline.applied(); err != nil {
		r.notes = append(r.notes, err.Error())
	}
}

// plan decides: the state of the replica that has applied most, and then, for each
// next slot, the entry of the highest ballot that anybody holds, to the first hole.
func (s *salvage) plan() {
	var highest paxos.Slot
	for _, r := range s.left {
		if s.base == nil || r.applied.Slot > s.base.applied.Slot {
			s.base = r
		}
		highest = max(highest, r.memory.highest)
		s.round = max(s.round, r.memory.promised.Round)
	}
	whole := true
	for slot := paxos.Slot(s.base.applied.Slot) + 1; slot <= highest; slot++ {
		var best paxos.Entry
		for _, r := range s.left {
			if e, ok := r.memory.votes[slot]; ok && best.Ballot.Less(e.Ballot) {
				best = e
			}
		}
		switch {
		case best.Slot == 0:
			whole = false
		case whole:
			s.tail = append(s.tail, best)
		default:
			s.beyond = append(s.beyond, slot)
		}
	}
}

func (s *salvage) print(p *printer) {
	p.line("cluster %s", s.cluster)
	for _, r := range s.left {
		p.line("%s: applied through slot %d, hash %016x; promised %s, votes for %d slots above %d, the highest is %d",
			r.identity.Replica, r.applied.Slot, r.applied.Hash, r.memory.promised, len(r.memory.votes), r.memory.floor,
			max(r.memory.highest, r.memory.floor))
		for _, note := range r.notes {
			p.line("  %s", note)
		}
		for _, other := range s.left {
			if other.applied.Slot == r.applied.Slot && other.applied.Hash != r.applied.Hash {
				p.line("  its state differs from that of %s at the same slot: one of the two is wrong", other.identity.Replica)
			}
		}
	}
	if len(s.missing) > 0 {
		p.line("nothing is left of %s: what was acknowledged with their votes and reached nobody else's disk is lost",
			strings.Join(s.missing, ", "))
	}
	p.line("plan: the applied state of %s through slot %d", s.base.identity.Replica, s.base.applied.Slot)
	if n := len(s.tail); n > 0 {
		last := s.tail[n-1]
		p.line("then slots %d to %d as the logs have them, each from its highest ballot; some of them may never have been "+
			"acknowledged, and come alive; the last is %s", s.tail[0].Slot, last.Slot, describeValue(last.Value))
	}
	if n := len(s.beyond); n > 0 {
		p.line("given up: %d slots from %d to %d, because nobody has a slot before them; acknowledged updates may be among them",
			n, s.beyond[0], s.beyond[n-1])
	}
	p.line("every slot above %d may be lost", uint64(s.base.applied.Slot)+uint64(len(s.tail)))
}

// build makes the folders of the new cluster. The identities come last: a folder
// without one was never begun.
func (s *salvage) build(c *config.Config, out, audit string) (fresh paxos.ClusterID, err error) {
	if _, err := rand.Read(fresh[:]); err != nil {
		return fresh, fmt.Errorf("draw a cluster id: %w", err)
	}
	promised := paxos.Ballot{Round: s.round + 1, Replica: 1, Run: random()}
	for _, r := range c.Replicas {
		n := settings{config: c, dir: filepath.Join(out, r.ID), identity: identity.Identity{
			Cluster: fresh, Replica: paxos.ReplicaID(r.Number), Incarnation: 1, Replicas: len(c.Replicas), Created: time.Now(),
		}}
		if err := identity.Begin(n.dir); err != nil {
			return fresh, err
		}
		if s.base.applied.Slot > 0 {
			from := filepath.Join(s.base.dir, identity.StoreDir)
			if err := copyFolder(filepath.Join(n.dir, identity.StoreDir), from); err != nil {
				return fresh, fmt.Errorf("copy the applied state: %w", err)
			}
		}
		if err := s.writeLog(&n, promised); err != nil {
			return fresh, err
		}
		if err := os.WriteFile(filepath.Join(n.dir, auditName), []byte(audit), 0o600); err != nil {
			return fresh, err
		}
		if err := identity.Write(n.dir, n.identity); err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// writeLog makes an acceptor that holds the tail, has cut everything before, and has
// promised more than anybody ever led with.
func (s *salvage) writeLog(n *settings, promised paxos.Ballot) error {
	self := paxos.Config{
		Cluster: n.identity.Cluster, Self: n.identity.Replica, Replicas: n.identity.Replicas,
		Incarnation: n.identity.Incarnation,
	}
	records := []paxos.Record{{Kind: paxos.RecordPromised, Ballot: promised}}
	if s.base.applied.Slot > 0 {
		records = append(records, paxos.Record{Kind: paxos.RecordFloor, Slot: paxos.Slot(s.base.applied.Slot)})
	}
	for _, e := range s.tail {
		records = append(records, paxos.Record{Kind: paxos.RecordVoted, Ballot: e.Ballot, Slot: e.Slot, Value: e.Value})
	}
	records = append(records, paxos.BirthRecord(self)) // only now it is complete
	log, err := wal.Create(n.acceptorOptions(n.identity).Log)
	if err != nil {
		return err
	}
	for i := range records {
		if _, err := log.Append([][]byte{paxos.AppendRecord(nil, &records[i])}, nil); err != nil {
			return errors.Join(fmt.Errorf("write the acceptor's log: %w", err), log.Close())
		}
	}
	return log.Close()
}

// copyFolder copies files without folders among them, durably.
func copyFolder(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	entries, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := syncPath(filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return errors.Join(syncPath(to), syncPath(filepath.Dir(to)))
}

func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
