package agent

import (
	"errors"
	"fmt"

	"synod/core/paxos"
	"synod/core/wal"
)

// AcceptorOptions say where an acceptor's log lies and what it may use.
type AcceptorOptions struct {
	Options
	Log    wal.Options
	Limits paxos.AcceptorOptions
	// AroundSync, if set, is called with every sync and must call it. Whoever
	// has a clock may measure it.
	AroundSync func(sync func() error) error
}

// CreateAcceptor makes the log of a new acceptor, durable when it returns. It
// is called once in the life of an identity, by init; [wal.ErrExists] if the
// log is there.
func CreateAcceptor(cfg paxos.Config, o AcceptorOptions) error {
	log, err := wal.Create(o.Log)
	if err != nil {
		return err
	}
	born := paxos.BirthRecord(cfg)
	if _, err := log.Append([][]byte{paxos.AppendRecord(nil, &born)}, nil); err != nil {
		return errors.Join(fmt.Errorf("record the birth of the acceptor: %w", err), log.Close())
	}
	if err := log.Sync(); err != nil {
		return errors.Join(fmt.Errorf("record the birth of the acceptor: %w", err), log.Close())
	}
	return log.Close()
}

// OpenAcceptor replays an acceptor's log. If the log cannot prove that it is
// complete (it is missing, damaged, poisoned, another's, or has no beginning)
// the agent refuses to promise, to vote and to answer reads, and says why in
// its answers and in its Status: an acceptor without its memory is no acceptor
// ("Paxos Made Simple", section 2.3, needs it to remember). Errors that say
// nothing about the state, such as a missing permission, are returned.
func OpenAcceptor(cfg paxos.Config, o AcceptorOptions) (*Agent, error) {
	store := &logStore{aroundSync: o.AroundSync}
	acceptor := paxos.NewAcceptor(cfg, o.Limits, store)
	log, err := wal.Open(o.Log, func(at wal.Position, payload []byte) error {
		record, err := paxos.DecodeRecord(payload)
		if err != nil {
			return fmt.Errorf("%w: %w", wal.ErrDamaged, err)
		}
		if record.Kind == paxos.RecordVoted {
			record.Value = append(paxos.Value(nil), record.Value...)
			*store.places.At(record.Slot) = at
		}
		acceptor.Restore(record)
		return nil
	})
	switch {
	case err == nil:
		store.log = log
	case stateLost(err):
		store.places = paxos.SlotTable[wal.Position]{}
		acceptor = paxos.NewAcceptor(cfg, o.Limits, store)
		acceptor.Refuse(err.Error())
	default:
		return nil, err
	}
	store.acceptor = acceptor
	a := &Agent{role: acceptor, kind: paxos.RoleAcceptor, options: o.Options, store: store}
	a.status = store.status
	return a, nil
}

// stateLost tells the errors after which the acceptor's memory must be taken
// for lost from those that only say that it could not be read now.
func stateLost(err error) bool {
	for _, lost := range []error{
		wal.ErrDamaged, wal.ErrPoisoned, wal.ErrNotExist, wal.ErrIdentity, wal.ErrForeign, wal.ErrNoSpace,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// logStore is an acceptor's log as the agent uses it: records go in, and
// values that left memory come out again.
type logStore struct {
	log      *wal.Log // nil while refusing
	acceptor *paxos.Acceptor
	// places says where the last vote of each slot is recorded.
	places     paxos.SlotTable[wal.Position]
	aroundSync func(func() error) error

	// Scratch of keep.
	buffer    []byte
	ends      []int
	payloads  [][]byte
	positions []wal.Position
}

// keep makes the records of an output durable. Chosen runs alone are not worth
// a sync: they can be found out again.
func (s *logStore) keep(out *paxos.Output) error {
	if len(out.Records) == 0 || s.log == nil {
		return nil
	}
	s.buffer, s.ends, s.payloads = s.buffer[:0], s.ends[:0], s.payloads[:0]
	binding := false
	for i := range out.Records {
		s.buffer = paxos.AppendRecord(s.buffer, &out.Records[i])
		s.ends = append(s.ends, len(s.buffer))
		binding = binding || out.Records[i].Kind != paxos.RecordRuns
	}
	begin := 0
	for _, end := range s.ends {
		s.payloads = append(s.payloads, s.buffer[begin:end])
		begin = end
	}
	positions, err := s.log.Append(s.payloads, s.positions[:0])
	s.positions = positions
	if err == nil && binding {
		err = s.sync()
	}
	if errors.Is(err, wal.ErrNoSpace) {
		// Nothing was written, so nothing of this batch may be said. What the
		// acceptor believes in memory is now ahead of its disk: it is silent
		// until it is started again from its log.
		s.acceptor.Refuse(err.Error())
		out.Messages = out.Messages[:0]
		out.Events = append(out.Events, paxos.Event{Kind: paxos.EventRefusing, Reason: err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	for i := range out.Records {
		if out.Records[i].Kind == paxos.RecordVoted {
			*s.places.At(out.Records[i].Slot) = positions[i]
		}
	}
	if cap(s.buffer) > scratchBytesMax {
		s.buffer = nil
	}
	return nil
}

// scratchBytesMax: a larger buffer is not kept between two batches.
const scratchBytesMax = 4 << 20

func (s *logStore) sync() error {
	if s.aroundSync != nil {
		return s.aroundSync(s.log.Sync)
	}
	return s.log.Sync()
}

// Load implements [paxos.Archive]. A vote that was durable and cannot be read
// back is lost memory, and nobody may go on as if it had never been: the panic
// ends the process, and the next start finds the damage.
func (s *logStore) Load(slot paxos.Slot) paxos.Value {
	at := s.places.Peek(slot)
	if at == nil || *at == (wal.Position{}) {
		panic(fmt.Sprintf("agent: no place is known for the vote of slot %d", slot))
	}
	payload, err := s.log.ReadAt(*at, nil)
	if err != nil {
		panic(fmt.Sprintf("agent: the vote of slot %d cannot be read back: %v", slot, err))
	}
	record, err := paxos.DecodeRecord(payload)
	if err != nil || record.Kind != paxos.RecordVoted || record.Slot != slot {
		panic(fmt.Sprintf("agent: the log holds something else than the vote of slot %d: %v", slot, err))
	}
	return record.Value
}

func (s *logStore) status(status *Status) {
	a := s.acceptor
	status.State, status.Reason = "normal", a.Refusing()
	if status.Reason != "" {
		status.State = "refusing"
	}
	status.Ballot, status.Voted, status.Chosen = a.Promised(), a.Highest(), a.ChosenThrough()
	if s.log != nil {
		status.Log = s.log.Stats()
	}
}

func (s *logStore) close() error {
	if s.log == nil {
		return nil
	}
	return s.log.Close()
}

func (s *logStore) abandon() {
	if s.log != nil {
		s.log.Abandon()
	}
}
