package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"synod/daemon/host"
)

// admin is the small port for health checks, metrics and profiles.
type admin struct {
	server *http.Server
	done   chan struct{}
}

// adminTimeout bounds a request to it; profiles take longer than health checks.
const adminTimeout = 2 * time.Minute

// openAdmin serves health, metrics, and profiles if wanted, at the address; an empty one
// means no.
func (d *daemon) openAdmin(address string, profile bool) error {
	if address == "" {
		if profile {
			return fail(exitUsage, errors.New("--pprof needs an http address of the replica in the configuration"))
		}
		return nil
	}
	if profile && !loopback(address) {
		return fail(exitUsage, fmt.Errorf("profiles are served on loopback only, %s is not", address))
	}
	listener, err := listen(address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", d.alive)
	mux.HandleFunc("GET /readyz", d.ready)
	mux.HandleFunc("GET /metrics", d.metrics)
	if profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	a := &admin{done: make(chan struct{}), server: &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: adminTimeout, MaxHeaderBytes: 16 << 10,
	}}
	d.admin = a
	go func() {
		defer close(a.done)
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			d.logger.Error("http port failed", "address", address, "error", err)
		}
	}()
	return nil
}

// closeAdmin ends the port.
func (d *daemon) closeAdmin() {
	if d.admin == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := d.admin.server.Shutdown(ctx); err != nil {
		_ = d.admin.server.Close() // a profile was being taken
	}
	<-d.admin.done
}

// alive answers as long as the process does.
func (d *daemon) alive(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintln(w, "alive")
}

// ready answers 200 when all roles are up and a leader is known.
func (d *daemon) ready(w http.ResponseWriter, _ *http.Request) {
	why := ""
	for _, r := range d.host.Status() {
		switch {
		case r.State != host.StateUp:
			why = fmt.Sprintf("%s is %s", r.Kind, r.State)
		case r.Agent.Reason != "":
			why = fmt.Sprintf("%s: %s", r.Kind, r.Agent.Reason)
		}
	}
	if why == "" && d.Leader() == 0 {
		why = "no leader is known"
	}
	if why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}
