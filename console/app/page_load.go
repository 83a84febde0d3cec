package app

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"synod/console/panel"
	"synod/console/state"
	"synod/console/theme"
	"synod/console/workload"
)

// loadPage is the screen of the built-in workload.
type loadPage struct {
	panes
	profile workload.Profile
	field   int
	back    int  // seconds that the charts are behind
	used    bool // the form was touched since the start
	running bool
	known   bool
}

func newLoadPage() *loadPage { return &loadPage{profile: workload.Profiles()[0]} }

func (p *loadPage) title() (long, short string) { return "Load", "Load" }

func (p *loadPage) paneNames() []string {
	return []string{"workload", "charts", "operations", "verdict"}
}

func (p *loadPage) bindings() []binding {
	change := func(by int) func(*Model) tea.Cmd {
		return func(*Model) tea.Cmd { p.change(by); p.used = true; return nil }
	}
	move := func(by int) func(*Model) tea.Cmd {
		return func(*Model) tea.Cmd {
			p.field, p.used = min(max(p.field+by, 0), len(loadFields)-1), true
			return nil
		}
	}
	return []binding{
		{"Enter", "start, or stop the load that runs", []string{"enter"}, p.startOrStop},
		{"↑ ↓", "field, of the form", []string{"up", "k"}, move(-1)},
		{"", "", []string{"down", "j"}, move(1)},
		{"← →", "change, the chosen field", []string{"left", "h"}, change(-1)},
		{"", "", []string{"right", "l"}, change(1)},
		{"a", "apply, the form to the running load", []string{"a"}, p.apply},
		{"v", "write history, and the picture of a violation", []string{"v"}, func(m *Model) tea.Cmd { return m.command("load save") }},
		{"< >", "older, newer, in the charts", []string{"<", ","}, func(*Model) tea.Cmd { p.walk(10); return nil }},
		{"", "", []string{">", "."}, func(*Model) tea.Cmd { p.walk(-10); return nil }},
	}
}

func (p *loadPage) want() state.Want { return state.Want{} }

func (p *loadPage) observe(c *state.Console) {
	p.running, p.known = c.Load.Known && c.Load.Progress.Running, c.Load.Known
}

func (p *loadPage) draw(c *state.Console, t *theme.Theme, size panel.Size) string {
	view := panel.LoadView{Field: p.field, Used: p.used, Back: p.back, Pane: p.at, Alone: p.alone}
	for _, field := range loadFields {
		view.Fields = append(view.Fields, panel.LoadField{Name: field.name, Value: field.show(&p.profile)})
	}
	return panel.Load(c, t, size, view)
}

func (p *loadPage) click(m *Model, event tea.MouseMsg) tea.Cmd {
	switch event.Button {
	case tea.MouseButtonWheelUp:
		p.walk(10)
	case tea.MouseButtonWheelDown:
		p.walk(-10)
	}
	return nil
}

func (p *loadPage) walk(seconds int) { p.back = min(max(p.back+seconds, 0), workload.SecondsMax) }

// startOrStop runs the command that the form stands for.
func (p *loadPage) startOrStop(m *Model) tea.Cmd {
	if p.running {
		return m.command("load stop")
	}
	p.used = false
	return m.command(strings.TrimSpace("load start " + p.profile.Name + " " + p.options(false)))
}

// apply changes the running load.
func (p *loadPage) apply(m *Model) tea.Cmd {
	if !p.running {
		return m.say("no load runs: Enter starts the one on the form")
	}
	return m.command("load apply " + p.options(true))
}

// options are those that differ from the profile's, or all that a running load takes.
func (p *loadPage) options(running bool) string {
	base, err := workload.Named(p.profile.Name)
	if err != nil {
		panic("app: " + err.Error()) // the form offers only profiles that exist
	}
	var words []string
	for _, field := range loadFields {
		if field.option == nil || running && field.fixed {
			continue
		}
		if word := field.option(&p.profile); running || word != field.option(&base) {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

func (p *loadPage) change(by int) {
	if field := loadFields[p.field]; field.change != nil {
		field.change(&p.profile, by)
	}
}

// unsaved says that a load runs.
func (p *loadPage) unsaved(c *state.Console) string {
	if c.Load.Known && c.Load.Progress.Running {
		return "a load is running: it is stopped, and its keys are deleted"
	}
	return ""
}

func (p *loadPage) selection(c *state.Console) string {
	switch v := &c.Load.Progress.Verdict; {
	case !c.Load.Known:
		return ""
	case v.Failing != nil:
		return v.Failing.String()
	default:
		return v.String()
	}
}

func (p *loadPage) formats() []string { return []string{"json", "csv"} }

// export makes the seconds of the run: JSON lines or CSV.
func (p *loadPage) export(c *state.Console, format string) []byte {
	var out strings.Builder
	if format == "csv" {
		w := csv.NewWriter(&out)
		// A builder takes everything.
		_ = w.Write([]string{"time", "ok", "failed", "unknown", "p50_ms", "p99_ms"})
		for _, s := range c.Load.Progress.Seconds {
			_ = w.Write([]string{
				s.At.UTC().Format(time.RFC3339), strconv.Itoa(s.OK), strconv.Itoa(s.Failed), strconv.Itoa(s.Unknown),
				exportMillis(s.P50), exportMillis(s.P99),
			})
		}
		w.Flush()
		return []byte(out.String())
	}
	for _, s := range c.Load.Progress.Seconds {
		line, err := json.Marshal(map[string]any{
			"time": s.At.UTC().Format(time.RFC3339), "ok": s.OK, "failed": s.Failed, "unknown": s.Unknown,
			"p50_ms": float64(s.P50) / float64(time.Millisecond), "p99_ms": float64(s.P99) / float64(time.Millisecond),
		})
		if err != nil {
			panic("app: numbers cannot fail to encode: " + err.Error())
		}
		out.Write(append(line, '\n'))
	}
	return []byte(out.String())
}

func exportMillis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// loadField is one line of the form.
type loadField struct {
	name   string
	fixed  bool // cannot be changed while the load runs
	show   func(*workload.Profile) string
	change func(*workload.Profile, int)
	option func(*workload.Profile) string // as `load` takes it; nil: the profile's name
}

// loadFields is the form, from top to bottom. Left and right take the next value of a few that make sense; any other is
// set with the command.
var loadFields = []loadField{
	{name: "profile", show: func(p *workload.Profile) string { return p.Name }, change: nextProfile, fixed: true},
	percentField("put", func(p *workload.Profile) *int { return &p.Put }),
	{name: "get", show: func(p *workload.Profile) string { return fmt.Sprintf("%d %%", p.Get) }},
	percentField("del", func(p *workload.Profile) *int { return &p.Delete }),
	stepField("keys", "", true, []int{8, 100, 1000, 10_000, 100_000, 1_000_000}, func(p *workload.Profile) *int { return &p.Keys }),
	{
		name: "dist", fixed: true, show: func(p *workload.Profile) string { return string(p.Distribution) },
		change: func(p *workload.Profile, _ int) {
			p.Distribution = map[workload.Distribution]workload.Distribution{
				workload.Uniform: workload.Zipf, workload.Zipf: workload.Uniform,
			}[p.Distribution]
		},
		option: func(p *workload.Profile) string { return "dist=" + string(p.Distribution) },
	},
	stepField("size", " B", false, []int{0, 16, 128, 256, 1024, 16 << 10, 256 << 10},
		func(p *workload.Profile) *int { return &p.ValueBytes }),
	stepField("clients", "", false, []int{1, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000},
		func(p *workload.Profile) *int { return &p.Clients }),
	{
		name: "rate", show: showRate, change: changeRate,
		option: func(p *workload.Profile) string { return fmt.Sprintf("rate=%.0f", p.Rate) },
	},
	{
		name: "target", show: func(p *workload.Profile) string { return "@" + p.Target }, change: changeTarget,
		option: func(p *workload.Profile) string { return "target=" + p.Target },
	},
	{
		name: "time", show: showTime, change: changeTime,
		option: func(p *workload.Profile) string { return "time=" + shortDuration(p.Time) },
	},
	{
		name: "judge", fixed: true, show: func(p *workload.Profile) string { return onOff(p.Judge) },
		change: func(p *workload.Profile, _ int) { p.Judge = !p.Judge },
		option: func(p *workload.Profile) string { return "verify=" + onOff(p.Judge) },
	},
}

func onOff(on bool) string { return map[bool]string{true: "on", false: "off"}[on] }

// next takes the value behind the present one, or before it, in a list in growing order.
func next[T int | float64 | time.Duration](values []T, now T, by int) T {
	at, found := slices.BinarySearch(values, now)
	if !found && by > 0 {
		at--
	}
	return values[min(max(at+by, 0), len(values)-1)]
}

func percentField(name string, of func(*workload.Profile) *int) loadField {
	return loadField{
		name: name, show: func(p *workload.Profile) string { return fmt.Sprintf("%d %%", *of(p)) },
		change: func(p *workload.Profile, by int) {
			// What is taken or given is that of get.
			by = max(min(by, p.Get), -*of(p))
			*of(p) += by
			p.Get -= by
		},
		option: func(p *workload.Profile) string { return fmt.Sprintf("%s=%d", name, *of(p)) },
	}
}

func stepField(name, unit string, fixed bool, steps []int, of func(*workload.Profile) *int) loadField {
	return loadField{
		name: name, fixed: fixed, show: func(p *workload.Profile) string { return strconv.Itoa(*of(p)) + unit },
		change: func(p *workload.Profile, by int) { *of(p) = next(steps, *of(p), by) },
		option: func(p *workload.Profile) string { return fmt.Sprintf("%s=%d", name, *of(p)) },
	}
}

func nextProfile(p *workload.Profile, by int) {
	all := workload.Profiles()
	at := slices.IndexFunc(all, func(other workload.Profile) bool { return other.Name == p.Name })
	*p = all[(at+by+len(all))%len(all)]
}

func showRate(p *workload.Profile) string {
	if p.Rate == 0 {
		return "closed loop"
	}
	return fmt.Sprintf("%.0f a second", p.Rate)
}

func changeRate(p *workload.Profile, by int) {
	p.Rate = next([]float64{0, 10, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000}, p.Rate, by)
}

func changeTarget(p *workload.Profile, by int) {
	all := []string{"auto", "random", "leader"}
	p.Target = all[(max(slices.Index(all, p.Target), 0)+by+len(all))%len(all)]
}

func showTime(p *workload.Profile) string {
	if p.Time == 0 {
		return "until stopped"
	}
	return shortDuration(p.Time)
}

func changeTime(p *workload.Profile, by int) {
	p.Time = next([]time.Duration{
		0, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 60 * time.Minute,
	}, p.Time, by)
}

// shortDuration writes a time as the commands take it.
func shortDuration(d time.Duration) string {
	if d%time.Minute == 0 && d > 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
