package main

import (
	"context"
	"flag"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"synod/daemon/monitor"
	"synod/protocol"
	"synod/protocol/client"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// metric is one metric as a strict reader sees it.
type metric struct {
	kind    string
	samples map[string]float64 // by suffix and labels
	order   []string
}

// metricLabels are the names that labels may have: nothing that clients send.
func metricLabels() []string {
	return []string{
		"direction", "go_version", "kind", "le", "op", "peer", "position", "queue", "reason", "replica", "result",
		"role", "type", "version",
	}
}

// parseMetrics reads an exposition line by line, and fails at whatever is not as the
// format wants it.
func parseMetrics(t *testing.T, text string) map[string]*metric {
	t.Helper()
	help := regexp.MustCompile(`^# HELP ([a-z_]+) [A-Z].*\.$`)
	kind := regexp.MustCompile(`^# TYPE ([a-z_]+) (counter|gauge|histogram)$`)
	sample := regexp.MustCompile(`^([a-z_]+?)(_bucket|_sum|_count)?(\{[^}]*\})? ([0-9.e+-]+)$`)
	all := map[string]*metric{}
	var name string // of the metric begun last
	var begun bool  // its type is known
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := help.FindStringSubmatch(line); m != nil {
			if name, begun = m[1], false; all[name] != nil {
				t.Errorf("metric %s comes twice", name)
			}
			continue
		}
		if m := kind.FindStringSubmatch(line); m != nil {
			if m[1] != name || begun {
				t.Errorf("a type out of place: %s", line)
			}
			begun, all[name] = true, &metric{kind: m[2], samples: map[string]float64{}}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || !begun {
			t.Fatalf("no line of the format: %q", line)
		}
		if k := all[name]; k.kind == "histogram" && (m[1] != name || m[2] == "") || k.kind != "histogram" && m[1]+m[2] != name {
			t.Errorf("a sample of another metric under %s: %s", name, line)
		}
		value, err := strconv.ParseFloat(m[4], 64)
		if _, again := all[name].samples[m[2]+m[3]]; err != nil || again {
			t.Errorf("%q: %v, or a second time", line, err)
		}
		all[name].samples[m[2]+m[3]] = value
		all[name].order = append(all[name].order, m[2]+m[3])
	}
	return all
}

// checkMetric looks at names, labels and, of a histogram, buckets.
func checkMetric(t *testing.T, name string, m *metric) {
	t.Helper()
	if !strings.HasPrefix(name, "synod_") || (m.kind == "counter") != strings.HasSuffix(name, "_total") {
		t.Errorf("%s is a %s: names begin with synod_, and those of counters end with _total", name, m.kind)
	}
	label := regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	last, series := -1.0, ""
	for _, key := range m.order {
		value := m.samples[key]
		for _, pair := range label.FindAllStringSubmatch(key, -1) {
			if !slices.Contains(metricLabels(), pair[1]) {
				t.Errorf("%s has the label %s, which is not one of %v", name, pair[1], metricLabels())
			}
		}
		if value < 0 {
			t.Errorf("%s%s is %v", name, key, value)
		}
		if !strings.HasPrefix(key, "_bucket") {
			continue
		}
		own := regexp.MustCompile(`,?le="[^"]*"`).ReplaceAllString(strings.TrimPrefix(key, "_bucket"), "")
		if own != series {
			last, series = -1, own
		}
		if value < last {
			t.Errorf("%s%s: %v after %v", name, key, value, last)
		}
		last = value
		count := "_count" + strings.Replace(own, "{}", "", 1)
		if strings.Contains(key, `le="+Inf"`) && value != m.samples[count] {
			t.Errorf("%s%s is %v, %s is %v", name, key, value, count, m.samples[count])
		}
	}
}

func scrape(t *testing.T, d *daemon) string {
	t.Helper()
	answer := httptest.NewRecorder()
	d.metrics(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if got := answer.Header().Get("Content-Type"); got != monitor.ContentType {
		t.Errorf("content type %q", got)
	}
	return answer.Body.String()
}

// TestMetrics: what Prometheus reads is well-formed, its names are those of the
// golden list, and it tells what the status tells.
func TestMetrics(t *testing.T) {
	c := newCluster(t, 3)
	ctx := context.Background()
	d := c.running[0].daemon
	before := parseMetrics(t, scrape(t, d))
	writer := c.client(client.WithReplica("r1"))
	must[client.Info](t)(writer.Put(ctx, []byte("a-secret-key"), []byte("a-secret-value")))
	must[client.Value](t)(writer.Get(ctx, []byte("a-secret-key")))
	await(t, "round trip", func() bool { return d.Status().Peers[0].RTTMicros > 0 && d.Status().Peers[1].RTTMicros > 0 })
	text := scrape(t, d)
	if strings.Contains(text, "secret") {
		t.Error("metrics tell keys or values")
	}
	after := parseMetrics(t, text)
	for name, m := range after {
		checkMetric(t, name, m)
		for key, value := range before[name].samples {
			if m.kind != "gauge" && m.samples[key] < value {
				t.Errorf("%s%s fell from %v to %v", name, key, value, m.samples[key])
			}
		}
	}
	for key, want := range map[string]float64{
		`synod_request_duration_seconds _count{op="put",result="ok"}`: 1,
		`synod_request_duration_seconds _count{op="get",result="ok"}`: 1,
		`synod_request_failures_total {op="put"}`:                     0,
		`synod_role_up {role="acceptor"}`:                             1,
		`synod_peer_connected {peer="r2"}`:                            1,
		`synod_has_leader `:                                           1,
	} {
		name, labels, _ := strings.Cut(key, " ")
		if got, there := after[name].samples[labels]; !there || got != want {
			t.Errorf("%s is %v (%v), want %v", key, got, there, want)
		}
	}
	if status := d.Status(); after["synod_slot"].samples[`{position="applied"}`] > float64(status.Applied) ||
		after["synod_fsync_duration_seconds"].samples["_count"] == 0 {
		t.Errorf("slots and syncs are %v and %v, the status says %+v", after["synod_slot"].samples,
			after["synod_fsync_duration_seconds"].samples["_count"], status)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if short := strings.TrimPrefix(name, "synod_"); !regexp.MustCompile("`" + short + "[`{]").Match(readme) {
			t.Errorf("README.md does not name the metric %s", short)
		}
		list.WriteString(name + " " + after[name].kind + "\n")
	}
	const golden = "testdata/metrics.txt"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(list.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || string(want) != list.String() {
		t.Errorf("the metrics are\n%s\nthe golden list says (%v)\n%s", list.String(), err, want)
	}
}

func TestReadyTellsWhyNot(t *testing.T) {
	c := newCluster(t, 3)
	must[client.Info](t)(c.client().Put(context.Background(), []byte("k"), []byte("v"), client.At("r1")))
	d := c.running[0].daemon
	ask := func(handler http.HandlerFunc) (int, string) {
		answer := httptest.NewRecorder()
		handler(answer, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		return answer.Code, answer.Body.String()
	}
	await(t, "readiness", func() bool { code, _ := ask(d.ready); return code == http.StatusOK })
	pause := protocol.RoleControl{Action: protocol.ActionPause, Role: "learner", Owner: "test"}
	must[*protocol.Done](t)(c.operator(0).Role(context.Background(), pause))
	if code, text := ask(d.ready); code != http.StatusServiceUnavailable || text != "learner is paused\n" {
		t.Errorf("with a paused learner: %d %q", code, text)
	}
	if code, text := ask(d.alive); code != http.StatusOK || text != "alive\n" {
		t.Errorf("a living process: %d %q", code, text)
	}
}
