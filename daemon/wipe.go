package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"synod/core/paxos"
	"synod/daemon/fault"
	"synod/daemon/host"
	"synod/daemon/identity"
	"synod/protocol"
)

// conditionEvery is the pause between two words to the others about how whole this
// replica is.
const conditionEvery = 100 * time.Millisecond

// wipes makes roles of this replica lose their state on purpose, with the permits of
// the others. Nothing of it runs unless faults are allowed.
type wipes struct {
	daemon  *daemon
	permits *fault.Permits
	wiper   *fault.Wiper
	ctx     context.Context
	cancel  context.CancelFunc
	telling sync.WaitGroup
}

func newWipes(d *daemon) *wipes {
	w := &wipes{daemon: d, permits: fault.NewPermits(fault.PermitOptions{
		Self: d.self.Self, Replicas: d.self.Replicas, MaxLost: d.config.Faults.MaxLost, Run: d.run,
	})}
	w.wiper = fault.NewWiper(fault.WiperOptions{
		Enabled: d.config.Faults.Enabled, Host: d.host, Permits: w.permits, Serial: random, Lose: w.lose, Logger: d.logger,
	})
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// start tells the others again and again how whole this replica is.
func (w *wipes) start() {
	if !w.daemon.config.Faults.Enabled {
		return
	}
	w.telling.Go(func() {
		ticker := time.NewTicker(conditionEvery)
		defer ticker.Stop()
		for {
			held := w.permits.Held()
			w.daemon.links.Tell(w.permits.Condition(w.own()))
			if held && !w.permits.Held() {
				w.daemon.logger.Info("the permit to be without state is given back")
			}
			select {
			case <-w.ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

// end breaks off a wipe under way; its roles are started before end returns.
func (w *wipes) end() {
	w.cancel()
	w.telling.Wait()
}

// own is how whole this replica is.
func (w *wipes) own() fault.Own {
	roles := w.daemon.host.Status()
	acceptor, learner := &roles[1], &roles[2]
	return fault.Own{
		Whole:   acceptor.State == host.StateUp && acceptor.Agent.State == "normal" && learner.State == host.StateUp,
		Durable: w.daemon.flushed(),
	}
}

// heard takes the word of another replica.
func (w *wipes) heard(from paxos.ReplicaID, c protocol.Condition) {
	w.permits.Heard(from, c, time.Now())
}

// lose removes the state of a role that is down.
func (w *wipes) lose(role paxos.Roles) error {
	d := w.daemon
	switch role {
	case paxos.RoleAcceptor:
		return os.RemoveAll(identity.AcceptorDir(d.dir, d.life.present().Incarnation))
	case paxos.RoleLearner:
		dir := filepath.Join(d.dir, identity.StoreDir)
		return errors.Join(os.RemoveAll(dir), os.RemoveAll(dir+".next"), os.RemoveAll(dir+".old"))
	}
	return nil
}

// wipe serves an operator: the state of one role, or of all.
func (w *wipes) wipe(m protocol.RoleControl) (protocol.Done, *protocol.Error) {
	roles := rolesNamed(m.Role)
	if m.Role == "all" {
		roles = []paxos.Roles{paxos.RoleAcceptor, paxos.RoleLearner}
	}
	d := w.daemon
	if roles[0] == paxos.RoleProposer {
		return protocol.Done{}, d.refuse(protocol.CodeConflict, errors.New("a proposer has no state to lose: crash it"))
	}
	err := w.wiper.Wipe(w.ctx, roles, m.Owner, time.Duration(m.ForMillis)*time.Millisecond)
	switch {
	case errors.Is(err, fault.ErrDisabled):
		return protocol.Done{}, d.refuse(protocol.CodeDenied, err)
	case err != nil:
		return protocol.Done{}, d.refuse(protocol.CodeConflict, err)
	}
	return protocol.Done{Text: fmt.Sprintf("wiped %s of %s", m.Role, d.self.Self)}, nil
}
