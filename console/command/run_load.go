package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	verdicts "synod/console/verdict"
	"synod/console/workload"
)

// LoadPort runs the built-in load, one at a time. [workload.Loader] is one.
type LoadPort interface {
	Start(profile workload.Profile) error
	Apply(profile workload.Profile) error
	Stop(ctx context.Context) (workload.Progress, error)
	Wait(ctx context.Context, told func(workload.Progress)) (workload.Progress, error)
	Progress() (workload.Progress, bool)
	Save() (files []string, err error)
}

var (
	errNoLoad       = errors.New("this program has no load to run")
	errReadOnlyLoad = errors.New("this console is read-only: only a load with get=100 put=0 del=0 may run")
)

// loadEndMax bounds the wait for the end of a load that was told to stop: its last answers, the judge, the deleting.
const loadEndMax = 2 * time.Minute

// checkTime is how long `check` runs a load of its own.
const checkTime = 10 * time.Second

// profileOf makes the profile of a command: the named one, with the options over it.
func profileOf(c *call, name string) (workload.Profile, error) {
	if name == "" {
		name = workload.Profiles()[0].Name
	}
	profile, err := workload.Named(name)
	if err != nil {
		return profile, err
	}
	return changed(profile, c)
}

// changed puts the options of a command over a profile. They were checked one by one.
func changed(p workload.Profile, c *call) (workload.Profile, error) {
	numbers := map[string]*int{
		"clients": &p.Clients, "put": &p.Put, "get": &p.Get, "del": &p.Delete, "keys": &p.Keys, "size": &p.ValueBytes,
	}
	for name, at := range numbers { // each name once, so their order does not matter
		if v, ok := c.options[name]; ok {
			number, err := strconv.Atoi(v.text)
			if err != nil {
				return p, fmt.Errorf("%s=%s is no number", name, v.text)
			}
			*at = number
		}
	}
	if _, ok := c.options["get"]; !ok {
		p.Get = 100 - p.Put - p.Delete // what is not said is read
	}
	for name, at := range map[string]*time.Duration{"time": &p.Time, "timeout": &p.Timeout} {
		if v, ok := c.options[name]; ok {
			duration, err := parseDuration(v.text)
			if err != nil {
				return p, err
			}
			*at = duration
		}
	}
	if v, ok := c.options["rate"]; ok {
		rate, err := strconv.ParseFloat(v.text, 64)
		if err != nil {
			return p, fmt.Errorf("rate=%s is no number", v.text)
		}
		p.Rate = rate
	}
	if v, ok := c.options["seed"]; ok {
		seed, err := strconv.ParseUint(v.text, 10, 64)
		if err != nil {
			return p, fmt.Errorf("seed=%s is no number", v.text)
		}
		p.Seed = seed
	}
	p.Distribution = workload.Distribution(c.option("dist", string(p.Distribution)))
	p.Target = c.option("target", p.Target)
	p.Judge = c.option("verify", "on") == "on"
	p.Keep = c.option("keep", "no") == "yes"
	return p, nil
}

// load runs `load ACTION`.
func (e *Executor) load(ctx context.Context, f *frame, c *call) bool {
	if e.ports.Load == nil {
		return e.loadFailed(f, c, errNoLoad)
	}
	switch action := c.arg(0); action {
	case "start", "run":
		return e.loadStart(ctx, f, c, action == "run")
	case "apply":
		return e.loadApply(f, c)
	case "stop":
		ctx, cancel := context.WithTimeout(ctx, loadEndMax)
		defer cancel()
		progress, err := e.ports.Load.Stop(ctx)
		if err != nil {
			return e.loadFailed(f, c, err)
		}
		return e.loadReport(f, c, &progress)
	case "save":
		files, err := e.ports.Load.Save()
		if err != nil {
			return e.loadFailed(f, c, err)
		}
		e.report(c, nil, [][]string{{"written: " + strings.Join(files, ", ")}})
		return true
	default:
		progress, ok := e.ports.Load.Progress()
		if !ok {
			return e.loadFailed(f, c, workload.ErrNone)
		}
		return e.loadReport(f, c, &progress)
	}
}

func (e *Executor) loadFailed(f *frame, c *call, err error) bool {
	e.refuse(f, c, err)
	return !f.stop
}

func (e *Executor) loadStart(ctx context.Context, f *frame, c *call, wait bool) bool {
	profile, err := profileOf(c, c.arg(1))
	if err == nil && e.settings.ReadOnly && profile.Put+profile.Delete > 0 {
		err = errReadOnlyLoad
	}
	if err == nil {
		err = e.ports.Load.Start(profile)
	}
	if err != nil {
		return e.loadFailed(f, c, err)
	}
	e.note(c.at, Info, "load %s: %d clients, %d/%d/%d %% put/get/del, %d keys %s, %d bytes, %s", profile.Name,
		profile.Clients, profile.Put, profile.Get, profile.Delete, profile.Keys, profile.Distribution, profile.ValueBytes,
		lasting(profile.Time))
	if !wait {
		return true
	}
	progress, err := e.waitLoad(ctx, func(p workload.Progress) {
		e.note(c.at, Info, "load: %.0f s  %s", p.Elapsed.Seconds(), loadLine(&p))
	})
	if err != nil {
		progress, _ = e.stopLoad()
	}
	return e.loadReport(f, c, &progress)
}

func lasting(time time.Duration) string {
	if time == 0 {
		return "until load stop"
	}
	return "for " + time.String()
}

// waitLoad waits for the end of the load as [LoadPort] does, or for Stop: a load is not a command to wait for then.
func (e *Executor) waitLoad(ctx context.Context, told func(workload.Progress)) (workload.Progress, error) {
	ctx, cancel := e.untilStop(ctx)
	defer cancel()
	return e.ports.Load.Wait(ctx, told)
}

// untilStop gives a context that also ends with Stop. Its cancel must be called.
func (e *Executor) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-e.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// stopLoad ends the load whatever has become of the command's own context.
func (e *Executor) stopLoad() (workload.Progress, error) {
	ctx, cancel := context.WithTimeout(context.Background(), loadEndMax)
	defer cancel()
	return e.ports.Load.Stop(ctx)
}

func (e *Executor) loadApply(f *frame, c *call) bool {
	progress, ok := e.ports.Load.Progress()
	if !ok {
		return e.loadFailed(f, c, workload.ErrNone)
	}
	profile, err := changed(progress.Profile, c)
	if err == nil && e.settings.ReadOnly && profile.Put+profile.Delete > 0 {
		err = errReadOnlyLoad
	}
	if err == nil {
		err = e.ports.Load.Apply(profile)
	}
	if err != nil {
		return e.loadFailed(f, c, err)
	}
	return true
}

// loadLine is how a load goes, on one line.
func loadLine(p *workload.Progress) string {
	text := ""
	if n := len(p.Seconds); n > 0 {
		last := p.Seconds[n-1]
		text = fmt.Sprintf("%d/s  p50 %s  p99 %s  ", last.OK, milliseconds(last.P50), milliseconds(last.P99))
	}
	total := p.Total()
	text += fmt.Sprintf("%d ok, %d failed, %d unknown", total.OK, total.Failed, total.Unknown)
	if p.Recorded {
		text += "  " + string(p.Verdict.Word)
	}
	return text
}

// loadReport tells what became of a load. A violation counts as one of the promise.
func (e *Executor) loadReport(f *frame, c *call, p *workload.Progress) bool {
	columns := []string{"OP", "SENT", "OK", "FAILED", "UNKNOWN", "P50", "P90", "P99", "P99.9", "MAX"}
	var rows [][]string
	for _, o := range p.Operations {
		rows = append(rows, []string{
			string(o.Kind), strconv.Itoa(o.Sent), strconv.Itoa(o.OK), strconv.Itoa(o.Failed), strconv.Itoa(o.Unknown),
			milliseconds(o.P50), milliseconds(o.P90), milliseconds(o.P99), milliseconds(o.P999), milliseconds(o.Max),
		})
	}
	e.report(c, columns, rows)
	e.note(c.at, Info, "load %s, %s: %.1f s, %.0f answered a second", p.Profile.Name, p.Phase, p.Elapsed.Seconds(), p.Rate())
	for _, kind := range slices.Sorted(maps.Keys(p.Failures)) {
		e.note(c.at, Info, "failures: %d %s", p.Failures[kind], kind)
	}
	if p.Problem != "" {
		e.note(c.at, Warning, "load: %s", p.Problem)
	}
	if !p.Recorded {
		return true
	}
	return e.judgeHistory(f, c, &p.Verdict)
}

// judgeHistory tells a verdict.
func (e *Executor) judgeHistory(f *frame, c *call, v *verdicts.Verdict) bool {
	switch v.Word {
	case verdicts.Violation:
		e.mutex.Lock()
		e.summary.Diverged = true
		e.mutex.Unlock()
		f.failed = true
		e.note(c.at, Failed, "linearizability: %s", v.String())
		if v.Failing != nil {
			for line := range strings.Lines(v.Failing.String()) {
				e.note(c.at, Failed, "%s", Visible(strings.TrimRight(line, "\n")))
			}
		}
		return !f.stop
	case verdicts.Undecided:
		e.note(c.at, Failed, "linearizability: %s", v.String())
		f.failed = true
		return !f.stop
	default:
		e.note(c.at, Info, "linearizability: %s", v.String())
		return true
	}
}

// linearizable tells what is wrong with the verdict on the running or last load; "" if nothing is. What waits for the
// judge is waited for.
func (e *Executor) linearizable(ctx context.Context) string {
	if e.ports.Load == nil {
		return errNoLoad.Error()
	}
	for {
		p, ok := e.ports.Load.Progress()
		switch {
		case !ok:
			return workload.ErrNone.Error()
		case !p.Recorded:
			return "the load was not judged (verify=off)"
		case p.Verdict.Word == verdicts.Violation:
			e.mutex.Lock()
			e.summary.Diverged = true
			e.mutex.Unlock()
			text := "linearizability: " + p.Verdict.String()
			if p.Verdict.Failing != nil {
				text += "\n" + p.Verdict.Failing.String()
			}
			return text
		case p.Verdict.Word == verdicts.Undecided:
			return "linearizability: " + p.Verdict.String()
		case p.Verdict.Checked == 0 && p.Running:
			if !e.sleep(ctx, pollPause) {
				return "nothing was judged yet"
			}
			continue
		}
		return ""
	}
}

// verify judges a saved history.
func (e *Executor) verify(ctx context.Context, f *frame, c *call) bool {
	ctx, cancel := e.untilStop(ctx)
	defer cancel()
	v, err := workload.Verify(ctx, c.arg(0))
	if err != nil {
		return e.loadFailed(f, c, err)
	}
	if v.Word != verdicts.OK {
		return e.judgeHistory(f, c, &v)
	}
	e.report(c, nil, [][]string{{v.String()}})
	return true
}

// EndLoad stops a load that still runs at the end of a batch, and reports it.
func (e *Executor) EndLoad() {
	if e.ports.Load == nil {
		return
	}
	progress, ok := e.ports.Load.Progress()
	if !ok || progress.Phase == workload.PhaseEnded {
		return
	}
	progress, err := e.stopLoad()
	c := &call{verb: &Verb{Name: "load"}}
	if err != nil {
		e.loadFailed(e.main, c, err)
		return
	}
	e.note(c.at, Warning, "the load was stopped at the end of the batch")
	e.loadReport(e.main, c, &progress)
}
