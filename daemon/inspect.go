package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"synod/core/config"
	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/wal"
	"synod/daemon/identity"
	"synod/daemon/store"
)

// commandsShownMax bounds the commands of a value that are printed one by one.
const commandsShownMax = 20

func inspectCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use: "inspect", Short: "Look into the files of a replica that does not run; nothing is changed",
		Args: cobra.NoArgs,
	}
	c.AddCommand(&cobra.Command{
		Use: "wal", Short: "Check the acceptor's log: what it holds, or why it is refused, with file, offset and remedy",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return inspectLog(f, 0, cmd.OutOrStdout()) },
	}, &cobra.Command{
		Use: "slot N", Short: "Show every trace of one slot in the acceptor's log and the applied state",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			slot, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || slot == 0 {
				return fail(exitUsage, fmt.Errorf("slot %q: give a number from 1 on", args[0]))
			}
			return inspectLog(f, paxos.Slot(slot), cmd.OutOrStdout())
		},
	})
	return c
}

// offline is one replica's folder, held for as long as nobody else may use it.
type offline struct {
	config   *config.Config
	dir      string
	identity identity.Identity
	lock     *identity.Lock
}

// openOffline locks a replica's folder and reads who it is.
func openOffline(c *config.Config, id string) (*offline, error) {
	r, ok := c.Replica(id)
	if !ok {
		return nil, fail(exitUsage, unknownReplica(id, c))
	}
	o := &offline{config: c, dir: c.ReplicaDir(r.ID)}
	var err error
	if o.identity, err = identity.Read(o.dir); err != nil {
		return nil, fail(codeOf(err), err)
	}
	if o.lock, err = identity.TakeLock(o.dir); err != nil {
		return nil, fail(codeOf(err), err)
	}
	return o, nil
}

func (o *offline) close() { _ = o.lock.Release() } // the end of the process would do it too

// log reads the acceptor's log.
func (o *offline) log(visit func(wal.Position, paxos.Record) error) (*wal.Inspection, error) {
	s := settings{config: o.config, dir: o.dir}
	return wal.Inspect(s.acceptorOptions(o.identity).Log, func(at wal.Position, payload []byte) error {
		record, err := paxos.DecodeRecord(payload)
		if err != nil {
			return fmt.Errorf("record at %v: %w", at, err)
		}
		return visit(at, record)
	})
}

// applied reads up to where the applied state is complete.
func (o *offline) applied() (kv.Mark, error) {
	return store.Applied(store.Options{Dir: filepath.Join(o.dir, identity.StoreDir)})
}

// memory is what an acceptor's log says, all in all.
type memory struct {
	born     bool
	life     paxos.Incarnation
	vector   paxos.Vector
	promised paxos.Ballot
	floor    paxos.Slot
	votes    map[paxos.Slot]paxos.Entry
	highest  paxos.Slot
}

// add takes one record.
func (m *memory) add(r paxos.Record) {
	raise := func(b paxos.Ballot) {
		if m.promised.Less(b) {
			m.promised = b
		}
	}
	switch r.Kind {
	case paxos.RecordBorn:
		m.born, m.life, m.vector = true, r.Incarnation, r.Vector
	case paxos.RecordVector:
		m.vector = r.Vector
	case paxos.RecordPromised:
		raise(r.Ballot)
	case paxos.RecordFloor:
		m.floor = max(m.floor, r.Slot)
	case paxos.RecordVoted:
		raise(r.Ballot)
		if m.votes == nil {
			m.votes = map[paxos.Slot]paxos.Entry{}
		}
		value := append(paxos.Value(nil), r.Value...)
		m.votes[r.Slot] = paxos.Entry{Slot: r.Slot, Ballot: r.Ballot, Value: value}
		m.highest = max(m.highest, r.Slot)
	}
}

// inspectLog prints what a replica's log holds, all in all or about one slot.
func inspectLog(f *flags, slot paxos.Slot, out io.Writer) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	if f.replica == "" {
		return fail(exitUsage, fmt.Errorf("whose files? give --replica with one of %v", c.ReplicaIDs()))
	}
	o, err := openOffline(c, f.replica)
	if err != nil {
		return err
	}
	defer o.close()
	p := &printer{out: out}
	var m memory
	found, err := o.log(func(at wal.Position, r paxos.Record) error {
		if slot != 0 {
			p.trace(slot, at, &r)
		}
		if r.Kind == paxos.RecordVoted {
			r.Value = nil
		}
		m.add(r)
		return nil
	})
	if err != nil {
		return fail(exitFailure, err)
	}
	if slot == 0 {
		p.segments(found)
	}
	p.memory(o, &m)
	switch mark, err := o.applied(); {
	case err != nil:
		p.line("applied state: %v", err)
	case slot != 0 && uint64(slot) <= mark.Slot:
		p.line("applied state: complete through slot %d, slot %d is in it", mark.Slot, slot)
	default:
		p.line("applied state: complete through slot %d, hash %016x", mark.Slot, mark.Hash)
	}
	p.verdict(found, &m)
	if found.Refusal != nil {
		p.err = errors.Join(p.err, fail(exitDamaged, errors.New("the log is refused; why stands above")))
	}
	return p.err
}

// printer prints until the first error.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, err := fmt.Fprintf(p.out, format+"\n", args...)
		p.err = fail(exitFailure, err)
	}
}

func (p *printer) segments(found *wal.Inspection) {
	for i := range found.Segments {
		s := &found.Segments[i]
		state := "whole"
		switch {
		case s.Released:
			state = "released, not needed any more"
		case s.Err != nil:
			state = s.Err.Error()
		}
		p.line("%s: %d bytes, %d batches, %d records, ends at %d: %s", s.Path, s.Bytes, s.Batches, s.Records, s.End, state)
	}
	if found.Torn != (wal.Position{}) {
		p.line("an unfinished write at offset %d of segment %d is cut at the next start; nobody was told of it",
			found.Torn.Offset, found.Torn.Segment)
	}
}

func (p *printer) memory(o *offline, m *memory) {
	p.line("%s of cluster %s, incarnation %d; its log is of incarnation %d", o.identity.Replica, o.identity.Cluster,
		o.identity.Incarnation, m.life)
	p.line("promised ballot %s; votes for %d slots above the floor %d, the highest is %d; incarnations known: %v",
		m.promised, len(m.votes), m.floor, max(m.highest, m.floor), m.vector[:o.identity.Replicas])
}

// verdict says whether the acceptor would vote, and if not why and what to do.
func (p *printer) verdict(found *wal.Inspection, m *memory) {
	switch {
	case found.Refusal != nil:
		p.line("refused: %v", found.Refusal)
		if found.Marker != "" {
			p.line("the mark of the failed write says: %s", found.Marker)
		}
		p.line("what to do: start the replica; while a majority of the others has its memory, it recovers from them by itself. " +
			"If a majority has lost it: bring back the files of one of them, or see `synodd recover --help`")
	case !m.born:
		p.line("refused: the log is readable but its acceptor was never complete; start the replica, it recovers")
	default:
		p.line("the log is whole: the acceptor votes when the replica starts")
	}
}

// trace prints a record if it says anything about the slot.
func (p *printer) trace(slot paxos.Slot, at wal.Position, r *paxos.Record) {
	where := fmt.Sprintf("segment %d offset %d", at.Segment, at.Offset)
	switch r.Kind {
	case paxos.RecordVoted:
		if r.Slot == slot {
			p.line("%s: voted in ballot %s for %s", where, r.Ballot, describeValue(r.Value))
			p.commands(r.Value)
		}
	case paxos.RecordRuns:
		for _, run := range r.Runs {
			if run.First <= slot && slot <= run.Last {
				p.line("%s: chosen, as slots %d to %d, for entries of ballot %s or higher", where, run.First, run.Last, run.Ballot)
			}
		}
	case paxos.RecordFloor:
		if r.Slot >= slot {
			p.line("%s: cut away with all slots through %d, which the applied state held durably", where, r.Slot)
		}
	}
}

func describeValue(v paxos.Value) string {
	if len(v) == 0 {
		return "the no-op"
	}
	commands, count := kv.ReadCommands(v), 0
	for commands.Next() {
		count++
	}
	return fmt.Sprintf("%d commands, %d bytes, proposed at %s", count, len(v),
		time.UnixMilli(int64(commands.WallMillis())).UTC().Format(time.RFC3339Nano))
}

// commands prints the commands of a value; values by their length only.
func (p *printer) commands(v paxos.Value) {
	commands := kv.ReadCommands(v)
	for i := 0; commands.Next(); i++ {
		if i == commandsShownMax {
			p.line("  and more")
			return
		}
		c, err := kv.Decode(commands.Command())
		if err != nil {
			p.line("  command %d: %v", commands.Index(), err)
			continue
		}
		p.line("  command %d: operation %d key %.60q value of %d bytes, session %v sequence %d", commands.Index(), c.Op,
			c.Key, len(c.Value), c.Update.Session, c.Update.Sequence)
	}
	if err := commands.Err(); err != nil {
		p.line("  %v", err)
	}
}
