package gateway

import (
	"errors"
	"fmt"
	"log/slog"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/daemon/host"
	"synod/daemon/monitor"
	"synod/protocol"
)

// read is one get or scan on its way.
type read struct {
	request  uint64
	begun    int64 // microseconds of the gateway's clock
	deadline int64
	size     int
	logged   bool
	key      []byte         // of a get; memory of the batch
	scan     *protocol.Scan // nil for a get
}

// readBatch is all that came together from one connection; the learner knows it
// by one ID, and it is answered when the store is fresh enough for all of it.
type readBatch struct {
	conn  *conn
	reads []read
}

// lateRead is a read out of time.
type lateRead struct {
	batch *readBatch
	read  read
}

const (
	// scanWorkers serve scans, of which scansWaitingMax wait.
	scanWorkers     = 2
	scansWaitingMax = 64
)

func (c *conn) takeGet(batch *frames, f protocol.Frame) error {
	m, err := protocol.DecodeGet(f.Body)
	if err != nil {
		c.refuseUnbegun(f.Request, c.corrupt(err), monitor.OperationOther)
		return err
	}
	h, ok := c.enter(f, 0, monitor.OperationGet)
	if !ok {
		return nil
	}
	if h.logged {
		c.gateway.options.Requests.Line("get", slog.Uint64("req", h.request), slog.String("client", c.address),
			slog.String("key", shown(m.Key)), slog.String("mode", m.Mode.String()))
	}
	r := read{
		request: h.request, begun: h.begun, deadline: deadline(h.begun, f.Remaining), size: int(h.size),
		logged: h.logged, key: batch.keep(m.Key),
	}
	batch.add(m.Mode, r)
	return nil
}

func (c *conn) takeScan(batch *frames, f protocol.Frame) error {
	m, err := protocol.DecodeScan(f.Body)
	if err != nil {
		c.refuseUnbegun(f.Request, c.corrupt(err), monitor.OperationOther)
		return err
	}
	h, ok := c.enter(f, 0, monitor.OperationScan)
	if !ok {
		return nil
	}
	if h.logged {
		c.gateway.options.Requests.Line("scan", slog.Uint64("req", h.request), slog.String("client", c.address),
			slog.String("prefix", shown(m.Prefix)), slog.String("mode", m.Mode.String()))
	}
	m.Prefix, m.After = batch.keep(m.Prefix), batch.keep(m.After)
	r := read{
		request: h.request, begun: h.begun, deadline: deadline(h.begun, f.Remaining), size: int(h.size),
		logged: h.logged, scan: &m,
	}
	batch.add(m.Mode, r)
	return nil
}

func (b *frames) add(mode protocol.ReadMode, r read) {
	if mode == protocol.Stale {
		b.stale = append(b.stale, r)
	} else {
		b.reads = append(b.reads, r)
	}
}

// read hands reads to the learner, which joins them to its next round.
func (g *Gateway) read(c *conn, reads []read) {
	b := &readBatch{conn: c, reads: reads}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.readsNow+len(reads) > g.limits.Requests {
		b.failAll(g.overloaded("reads"))
		return
	}
	g.readID++
	message := &paxos.Read{IDs: []uint64{g.readID}}
	// Under the lock, so that no answer comes before the batch is known.
	switch err := g.options.Replica.Submit(g.envelope(paxos.RoleLearner, message)); {
	case errors.Is(err, host.ErrDown):
		b.failAll(protocol.Refuse(protocol.CodeUnavailable, g.options.Identity.Replica,
			"the learner of this replica is down"))
	case err != nil:
		b.failAll(g.overloaded("messages"))
	default:
		g.waiting[g.readID] = b
		g.readsNow += len(reads)
	}
}

func (g *Gateway) overloaded(what string) *protocol.Error {
	return protocol.Refuse(protocol.CodeOverloaded, g.options.Identity.Replica,
		fmt.Sprintf("too many %s wait at this replica, try again later", what))
}

func (b *readBatch) failAll(failure *protocol.Error) {
	for i := range b.reads {
		b.conn.failRead(&b.reads[i], failure)
	}
}

// failRead answers a read with an error.
func (c *conn) failRead(r *read, failure *protocol.Error) {
	counted := monitor.OperationGet
	if r.scan != nil {
		counted = monitor.OperationScan
	}
	c.refuse(r.request, failure, r.size, counted)
	if r.logged {
		c.line("answer", r.request, r.begun, slog.String("error", failure.Code.String()))
	}
	c.flush()
}

// Read answers reads for which the store is fresh enough now. It is the
// learner's: nothing is applied meanwhile, so all see the same state.
func (g *Gateway) Read(done []paxos.ReadDone) {
	now := g.micros()
	for _, d := range done {
		g.mu.Lock()
		b := g.waiting[d.ID]
		if b != nil {
			delete(g.waiting, d.ID)
			g.readsNow -= len(b.reads)
		}
		g.mu.Unlock()
		if b == nil {
			continue // all of it was out of time
		}
		machine := g.state.machine
		for i := range b.reads {
			b.conn.serveRead(machine, &b.reads[i], now)
		}
		g.touch(b.conn)
	}
	g.flushTouched()
}

// readNow serves a stale read, at once and from what is here.
func (g *Gateway) readNow(c *conn, r *read) {
	g.state.mu.RLock()
	defer g.state.mu.RUnlock()
	if g.state.machine == nil {
		c.failRead(r, g.ready())
		return
	}
	c.serveRead(g.state.machine, r, g.micros())
}

// serveRead answers a get at once; a scan goes to the workers, with the state as
// it is now. The caller keeps the state machine from being closed.
func (c *conn) serveRead(machine *kv.Machine, r *read, now int64) {
	g := c.gateway
	if r.scan != nil {
		g.startScan(c, machine, *r)
		return
	}
	view, err := g.get(machine, r.key)
	if err != nil {
		c.failRead(r, protocol.Refuse(protocol.CodeInternal, g.options.Identity.Replica, err.Error()))
		return
	}
	g.reads.Add(1)
	g.answered(monitor.OperationGet, r.begun, now)
	c.mu.Lock()
	c.answers = view.Append(c.answers, r.request)
	c.endLocked(r.size)
	c.mu.Unlock()
	if r.logged {
		c.line("answer", r.request, r.begun, slog.Bool("found", view.Found),
			slog.Uint64("revision", view.Revision), slog.Int("value_bytes", len(view.Value)))
	}
}

func (g *Gateway) get(machine *kv.Machine, key []byte) (protocol.Got, error) {
	applied := g.state.applied.Load()
	value, revision, found, err := machine.Get(key, nil)
	return protocol.Got{Found: found, Revision: revision, Applied: applied, Value: value}, err
}

// lateReadsLocked takes out what is out of time.
func (g *Gateway) lateReadsLocked(now int64) []lateRead {
	var late []lateRead
	for id, b := range g.waiting {
		kept := b.reads[:0]
		for i := range b.reads {
			if b.reads[i].deadline > now {
				kept = append(kept, b.reads[i])
			} else {
				late = append(late, lateRead{b, b.reads[i]})
			}
		}
		g.readsNow -= len(b.reads) - len(kept)
		b.reads = kept
		if len(kept) == 0 {
			delete(g.waiting, id)
		}
	}
	return late
}

// takeAllReads takes out everything that waits for the learner.
func (g *Gateway) takeAllReads() []*readBatch {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*readBatch, 0, len(g.waiting))
	for id, b := range g.waiting {
		all = append(all, b)
		delete(g.waiting, id)
	}
	g.readsNow = 0
	return all
}

// scanJob is a scan with the state that it reads.
type scanJob struct {
	conn *conn
	read read
	view *kv.View
}

// startScan gives a scan to the workers. The view holds the state machine's
// store open until the scan has ended.
func (g *Gateway) startScan(c *conn, machine *kv.Machine, r read) {
	view, err := machine.View()
	if err != nil {
		c.failRead(&r, protocol.Refuse(protocol.CodeInternal, g.options.Identity.Replica, err.Error()))
		return
	}
	g.state.views.Add(1)
	if failure := g.queueScan(scanJob{c, r, view}); failure != nil {
		g.endView(view)
		c.failRead(&r, failure)
	}
}

// queueScan hands a scan to the workers, or says why not. The learner outlives
// the workers when the daemon stops.
func (g *Gateway) queueScan(job scanJob) *protocol.Error {
	g.scansMu.Lock()
	defer g.scansMu.Unlock()
	if g.scansEnded {
		return g.ready()
	}
	select {
	case g.scans <- job:
		return nil
	default:
		return g.overloaded("scans")
	}
}

func (g *Gateway) endView(view *kv.View) {
	if err := view.Close(); err != nil {
		g.options.Logger.Error("view does not close", "error", err)
	}
	g.state.views.Done()
}

// runScans is a scan worker.
func (g *Gateway) runScans() {
	for job := range g.scans {
		g.scan(job)
		job.conn.flush()
	}
}

func (g *Gateway) scan(job scanJob) {
	defer g.endView(job.view)
	m := job.read.scan
	page, err := job.view.Scan(kv.Range{
		Prefix: m.Prefix, After: m.After, RowsMax: int(m.Entries), BytesMax: int(m.Bytes),
	})
	if err != nil {
		job.conn.failRead(&job.read, protocol.Refuse(protocol.CodeInternal, g.options.Identity.Replica, err.Error()))
		return
	}
	answer := protocol.Scanned{Applied: job.view.Applied(), More: page.More}
	for _, row := range page.Rows {
		entry := protocol.ScanEntry{Revision: row.Revision, Key: row.Key}
		if m.Values {
			entry.Value = row.Value
		}
		answer.Entries = append(answer.Entries, entry)
	}
	g.reads.Add(1)
	g.answered(monitor.OperationScan, job.read.begun, g.micros())
	c := job.conn
	c.mu.Lock()
	c.answers = answer.Append(c.answers, job.read.request)
	c.endLocked(job.read.size)
	c.mu.Unlock()
	if job.read.logged {
		c.line("answer", job.read.request, job.read.begun, slog.Int("entries", len(answer.Entries)),
			slog.Bool("more", page.More))
	}
}
