package agent

import (
	"errors"
	"fmt"
	"slices"

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
	// Renew is what lets an acceptor that has lost its state recover it; without it
	// such an acceptor refuses for ever. It makes the incarnation, which is higher
	// than any before, durable as that of this replica, outside of the log, and
	// returns where the log of that life is to be: a directory without a log. From
	// then on OpenAcceptor is called with these options only, so that the log of an
	// older life is never opened again. Limits.Run is needed, too.
	Renew func(paxos.Incarnation) (wal.Options, error)
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
// complete (it is missing, damaged, poisoned, another's, or has no end of a
// beginning) the acceptor's state is lost: it neither promises nor votes nor
// answers reads, says why in its answers and in its Status, and gets its state
// back from the others if there is a way ([AcceptorOptions.Renew]): an acceptor
// without its memory is no acceptor ("Paxos Made Simple", section 2.3, needs it to
// remember). Errors that say nothing about the state, such as a missing
// permission, are returned; with a full disk it refuses until it is started again
// with space.
//
// An acceptor that has cut its log waits, refusing, until the own learner's agent
// has told it that the store holds what was cut.
func OpenAcceptor(cfg paxos.Config, o AcceptorOptions) (*Agent, error) {
	if o.Renew == nil {
		o.Limits.Run = [16]byte{}
	}
	store := &logStore{aroundSync: o.AroundSync, renewed: o.Renew, options: o.Log}
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
	case err == nil && acceptor.Born():
		store.log = log
		store.places.Cut(acceptor.Floor())
	case err == nil:
		if err := log.Close(); err != nil {
			return nil, err
		}
		err = errUnborn
		fallthrough
	case stateLost(err):
		store.places = paxos.SlotTable[wal.Position]{}
		acceptor = paxos.NewAcceptor(cfg, o.Limits, store)
		acceptor.Lose(err.Error())
	case errors.Is(err, wal.ErrNoSpace): // nothing is lost, but nothing can be promised either
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

// errUnborn: the log ends before the acceptor was complete, in the middle of its
// creation or of a recovery.
var errUnborn = errors.New("the log has no beginning: its acceptor was not complete when it ended")

// stateLost tells the errors after which the acceptor's memory must be taken
// for lost from those that only say that it could not be read now.
func stateLost(err error) bool {
	for _, lost := range []error{
		wal.ErrDamaged, wal.ErrPoisoned, wal.ErrNotExist, wal.ErrIdentity, wal.ErrForeign,
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
	log      *wal.Log // nil while the state is lost
	options  wal.Options
	acceptor *paxos.Acceptor
	// places says where the last vote of each slot is recorded.
	places     paxos.SlotTable[wal.Position]
	aroundSync func(func() error) error
	renewed    func(paxos.Incarnation) (wal.Options, error)

	// Scratch of keep.
	buffer    []byte
	ends      []int
	payloads  [][]byte
	positions []wal.Position
}

// keep makes the records of an output durable. Chosen runs alone are not worth
// a sync: they can be found out again.
func (s *logStore) keep(out *paxos.Output) error {
	if out.Renew != 0 {
		if err := s.renew(out.Renew); err != nil {
			return err
		}
	}
	err := s.record(out)
	if errors.Is(err, wal.ErrNoSpace) {
		// Nothing was written, so nothing of this batch may be said. What the
		// acceptor believes in memory is now ahead of its disk: it is silent
		// until it is started again from its log.
		s.acceptor.Refuse(err.Error())
		out.Messages = out.Messages[:0]
		out.Events = append(out.Events, paxos.Event{Kind: paxos.EventRefusing, Reason: err.Error()})
		return nil
	}
	return err
}

// renew begins a new life: the log of the old one is never used again.
func (s *logStore) renew(life paxos.Incarnation) error {
	s.abandon()
	s.log, s.places = nil, paxos.SlotTable[wal.Position]{}
	options, err := s.renewed(life)
	if err != nil {
		return fmt.Errorf("begin incarnation %d: %w", life, err)
	}
	s.options = options
	return nil
}

// record appends the records of an output and syncs.
func (s *logStore) record(out *paxos.Output) error {
	if out.Fresh {
		log, err := wal.Create(s.options)
		if err != nil {
			return fmt.Errorf("begin the log of a new life: %w", err)
		}
		s.log = log
	}
	if len(out.Records) == 0 {
		return nil
	}
	if s.log == nil {
		panic("agent: an acceptor without a log wants something kept")
	}
	oldest := s.cut(out)
	for first := 0; first < len(out.Records); {
		count, err := s.appendSome(out.Records[first:])
		if err != nil {
			return err
		}
		first += count
	}
	binding := func(r paxos.Record) bool { return r.Kind != paxos.RecordRuns }
	if slices.ContainsFunc(out.Records, binding) {
		if err := s.sync(); err != nil {
			return err
		}
	}
	if oldest != 0 {
		s.log.Release(min(oldest, s.log.Stats().End.Segment))
	}
	return nil
}

// batchBytes is what one batch of the log takes, unless a single record is larger.
// Only what a recovery brings is ever more.
const batchBytes = 64 << 20

// appendSome appends as many records as fit into a batch.
func (s *logStore) appendSome(records []paxos.Record) (int, error) {
	s.buffer, s.ends, s.payloads = s.buffer[:0], s.ends[:0], s.payloads[:0]
	for i := range records {
		s.buffer = paxos.AppendRecord(s.buffer, &records[i])
		s.ends = append(s.ends, len(s.buffer))
		if len(s.buffer) >= batchBytes {
			break
		}
	}
	begin := 0
	for _, end := range s.ends {
		s.payloads = append(s.payloads, s.buffer[begin:end])
		begin = end
	}
	positions, err := s.log.Append(s.payloads, s.positions[:0])
	s.positions = positions
	if err != nil {
		return 0, err
	}
	for i := range positions {
		if records[i].Kind == paxos.RecordVoted && records[i].Slot > s.acceptor.Floor() {
			*s.places.At(records[i].Slot) = positions[i]
		}
	}
	if cap(s.buffer) > scratchBytesMax {
		s.buffer = nil
	}
	return len(s.ends), nil
}

// scratchBytesMax: a larger buffer is not kept between two batches.
const scratchBytesMax = 4 << 20

// cut prepares the log for a new floor. It gives the first segment that is still
// needed, 0 if nothing changes. What else the older ones hold and the acceptor may
// not forget is recorded again, in this batch, behind everything.
func (s *logStore) cut(out *paxos.Output) (oldest uint64) {
	raised := func(r paxos.Record) bool { return r.Kind == paxos.RecordFloor }
	if !slices.ContainsFunc(out.Records, raised) {
		return 0
	}
	floor := s.acceptor.Floor()
	s.places.Cut(floor)
	if out.Fresh {
		return 0
	}
	oldest = s.log.Stats().End.Segment
	for slot := floor + 1; slot <= s.acceptor.Highest(); slot++ {
		if at := s.places.Peek(slot); at != nil && at.Segment != 0 {
			oldest = min(oldest, at.Segment)
		}
	}
	if oldest <= s.log.Oldest() {
		return 0
	}
	out.Records = append(out.Records, s.acceptor.Essence()...)
	return oldest
}

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
	switch {
	case a.Recovering():
		status.State = "recovering"
	case status.Reason != "":
		status.State = "refusing"
	}
	status.Incarnation, status.Floor = a.Incarnation(), a.Floor()
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
