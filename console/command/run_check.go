package command

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"synod/console/workload"
)

// threshold is one condition of `check`.
type threshold struct {
	what  string // throughput, errors, p50, p99, p999, max
	limit float64
	text  string // as it was written
}

// milliseconds of the latency thresholds; operations a second of the throughput; percent of the errors.
var thresholdPattern = regexp.MustCompile(`^(throughput|errors|p50|p99|p999|max)(>=|<=)(.+)$`)

// thresholds reads the words of `check`: a profile, perhaps, and conditions.
func thresholds(c *call) (profile string, all []threshold, err error) {
	for i, v := range c.args {
		if !v.known {
			continue
		}
		parts := thresholdPattern.FindStringSubmatch(v.text)
		if parts == nil {
			if _, err := workload.Named(v.text); err == nil && i == 0 {
				profile = v.text
				continue
			}
			return "", nil, &Problem{At: v.at, Text: fmt.Sprintf("%s is neither a profile (%s) nor a condition such as "+
				"throughput>=1000, p99<=20ms or errors<=1%%", Quote(v.text), strings.Join(profileNames(), ", "))}
		}
		t := threshold{what: parts[1], text: v.text}
		if wants := map[bool]string{true: ">=", false: "<="}[t.what == "throughput"]; parts[2] != wants {
			return "", nil, &Problem{At: v.at, Text: fmt.Sprintf("%s is compared with %s", t.what, wants)}
		}
		if t.limit, err = thresholdLimit(t.what, parts[3]); err != nil {
			return "", nil, &Problem{At: v.at, Text: err.Error()}
		}
		all = append(all, t)
	}
	return profile, all, nil
}

func thresholdLimit(what, text string) (float64, error) {
	switch what {
	case "throughput":
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || !(number >= 0) { // which NaN is not, either
			return 0, fmt.Errorf("%s is no number of operations a second", Quote(text))
		}
		return number, nil
	case "errors":
		number, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || !(number >= 0 && number <= 100) {
			return 0, fmt.Errorf("%s is no part of a hundred, write errors<=1%%", Quote(text))
		}
		return number, nil
	default:
		duration, err := parseDuration(text)
		return float64(duration) / float64(time.Millisecond), err
	}
}

// check judges a load by thresholds.
func (e *Executor) check(ctx context.Context, f *frame, c *call) bool {
	name, all, err := thresholds(c)
	if err != nil {
		panic("command: unchecked threshold: " + err.Error())
	}
	if e.ports.Load == nil {
		return e.loadFailed(f, c, errNoLoad)
	}
	progress, ok := e.ports.Load.Progress()
	if !ok || name != "" || len(c.options) > 0 {
		if progress, err = e.checkRun(ctx, c, name); err != nil {
			return e.loadFailed(f, c, err)
		}
	}
	if len(all) == 0 {
		all = []threshold{{what: "errors", limit: 1, text: "errors<=1%"}}
	}
	var rows [][]string
	failed := ""
	for _, t := range all {
		have, met := t.judge(&progress)
		word := "PASS"
		if !met {
			word, failed = "FAIL", strings.TrimSpace(failed+" "+t.text)
		}
		rows = append(rows, []string{word, t.text, have})
	}
	e.report(c, []string{"CHECK", "WANTED", "HAVE"}, rows)
	e.report(c, nil, histogramRows(&progress))
	if progress.Recorded && !e.judgeHistory(f, c, &progress.Verdict) {
		return false
	}
	if failed == "" {
		return e.judge(f, c, "")
	}
	return e.judge(f, c, failed+"; cause: "+e.cause(ctx, &progress))
}

func (e *Executor) checkRun(ctx context.Context, c *call, name string) (workload.Progress, error) {
	profile, err := profileOf(c, name)
	if err != nil {
		return workload.Progress{}, err
	}
	if _, ok := c.options["time"]; !ok || profile.Time == 0 {
		profile.Time = checkTime
	}
	if err := profile.Check(); err != nil {
		return workload.Progress{}, err
	}
	if e.settings.ReadOnly && profile.Put+profile.Delete > 0 {
		return workload.Progress{}, errReadOnlyLoad
	}
	if err := e.ports.Load.Start(profile); err != nil {
		return workload.Progress{}, err
	}
	progress, err := e.waitLoad(ctx, func(p workload.Progress) {
		e.note(c.at, Info, "check: %.0f of %.0f s  %s", p.Elapsed.Seconds(), p.Profile.Time.Seconds(), loadLine(&p))
	})
	if err != nil {
		return e.stopLoad()
	}
	return progress, nil
}

// judge compares a threshold with what a load has had. Where nothing was answered nothing was quick, and where nothing
// ended nothing went well.
func (t *threshold) judge(p *workload.Progress) (have string, met bool) {
	var worst [4]time.Duration // p50, p99, p999, max of the slowest kind of operation
	for _, o := range p.Operations {
		for i, took := range []time.Duration{o.P50, o.P99, o.P999, o.Max} {
			worst[i] = max(worst[i], took)
		}
	}
	at, total := map[string]int{"p50": 0, "p99": 1, "p999": 2, "max": 3}, p.Total()
	switch t.what {
	case "throughput":
		return fmt.Sprintf("%.0f/s", p.Rate()), p.Rate() >= t.limit
	case "errors":
		percent := 100 * p.ErrorRatio()
		if total.OK+total.Failed+total.Unknown == 0 {
			return "nothing ended", false
		}
		return fmt.Sprintf("%.2f%%", percent), percent <= t.limit
	default:
		took := worst[at[t.what]]
		if total.OK == 0 {
			return "nothing was answered", false
		}
		return milliseconds(took), float64(took)/float64(time.Millisecond) <= t.limit
	}
}

// histogramBar is the width of the longest bar.
const histogramBar = 40

// histogramRows draws how long the answered operations took.
func histogramRows(p *workload.Progress) (rows [][]string) {
	most, first, last := 0, -1, -1
	for i, count := range p.Buckets {
		most = max(most, count)
		if count > 0 {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return [][]string{{"nothing was answered"}}
	}
	for i := first; i <= last; i++ {
		bar := strings.Repeat("#", (p.Buckets[i]*histogramBar+most-1)/most)
		bound := "<= " + milliseconds(workload.BucketBound(i))
		if i == len(p.Buckets)-1 {
			bound = "more"
		}
		rows = append(rows, []string{bound, strconv.Itoa(p.Buckets[i]), bar})
	}
	return rows
}

// cause says what made a load slow, as far as the replicas tell it.
func (e *Executor) cause(ctx context.Context, p *workload.Progress) string {
	total := p.Total()
	if lost := total.Failed + total.Unknown; lost > 0 && p.ErrorRatio() > 0.01 {
		worst, count := "", 0
		for kind, n := range p.Failures {
			if n > count || n == count && kind < worst {
				worst, count = kind, n
			}
		}
		return fmt.Sprintf("the cluster failed %d requests, most with %s", lost, worst)
	}
	var slow time.Duration
	for _, o := range p.Operations {
		slow = max(slow, o.P99)
	}
	var disk, network time.Duration
	for _, l := range e.look(ctx, pollTimeout) {
		if l.err != nil {
			continue
		}
		disk = max(disk, time.Duration(l.status.SyncMicros.P99)*time.Microsecond)
		for _, peer := range l.status.Peers {
			network = max(network, time.Duration(peer.RTTMicros)*time.Microsecond)
		}
	}
	switch {
	case 2*disk > slow:
		return fmt.Sprintf("disk: a sync takes %s (p99) of %s", milliseconds(disk), milliseconds(slow))
	case 2*network > slow:
		return fmt.Sprintf("network: a round trip between replicas takes %s of %s", milliseconds(network), milliseconds(slow))
	default:
		return fmt.Sprintf("unknown, perhaps the processors: disk %s, network %s, answers %s (p99)", milliseconds(disk),
			milliseconds(network), milliseconds(slow))
	}
}
