package panel

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"synod/console/command"
	"synod/console/state"
	"synod/console/theme"
	"synod/protocol"
)

// Rates is the pane with the answered requests of every second, and the marks of what happened.
func Rates(c *state.Console, t *theme.Theme, size Size, focused bool) string {
	h := &c.History
	width, height := size.Width, size.Height
	if framed(width, height) {
		width, height = width-frameCells, height-frameCells
	}
	graph := chart{theme: t, format: short, style: t.Graph}
	columns := graph.columns(width)
	seconds := h.Last(columns)
	graph.values = series(seconds, func(s *state.Second) float64 { return float64(s.Answered) })
	graph.marks = historyMarks(h, columns)
	frame := pane{
		title: fmt.Sprintf("Requests answered per second, %d s", max(columns, 1)), width: size.Width, height: size.Height,
		focused: focused,
	}
	if failed := failures(seconds); failed > 0 {
		frame.note = styled(t.Bad, grouped(failed)+" failed")
	}
	if height < 7 {
		return frame.draw(t, graph.draw(width, height))
	}
	legend := styled(t.Quiet, " F fault   L leader change   "+t.Spark.None+" not watched   e exports")
	return frame.draw(t, append(graph.draw(width, height-1), legend))
}

func failures(seconds []state.Second) uint64 {
	failed := uint64(0)
	for i := range seconds {
		failed += seconds[i].Failed
	}
	return failed
}

// Latencies is the pane with the durations by operation, of the last ten seconds.
func Latencies(c *state.Console, t *theme.Theme, size Size, focused bool) string {
	frame := pane{
		title: "Latency, last 10 s (ms)", note: styled(t.Quiet, "at the replicas"), width: size.Width, height: size.Height,
		focused: focused,
	}
	width, rows := size.Width, size.Height
	if framed(width, rows) {
		width, rows = width-frameCells, rows-frameCells
	}
	all := c.History.Latencies()
	lines := []string{styled(t.Quiet, latencyRow("op", "count", "p50", "p90", "p99", "p99.9", "max", "errors"))}
	if !slices.ContainsFunc(all, func(l state.Latency) bool { return l.Count+l.Failed > 0 }) {
		lines = append(lines, styled(t.Quiet, "  nothing was asked"))
	}
	for i := range all {
		if l := &all[i]; l.Count+l.Failed > 0 {
			lines = append(lines, latencyLine(l, t))
		}
	}
	total := c.History.Latency()
	if room := rows - len(lines) - 1; room > 1 && total.Count > 0 {
		lines = append(lines, "")
		lines = append(lines, histogram(&total, t, width, room)...)
	}
	return frame.draw(t, lines)
}

func latencyRow(operation, count, p50, p90, p99, p999, longest, failed string) string {
	return " " + fit(operation, 5) + right(count, 8) + right(p50, 7) + right(p90, 7) + right(p99, 7) + right(p999, 7) +
		right(longest, 7) + right(failed, 7)
}

func latencyLine(l *state.Latency, t *theme.Theme) string {
	ms := func(q float64) string { return millis(l.Quantile(q)) }
	failed := grouped(l.Failed)
	if l.Failed > 0 {
		failed = styled(t.Bad, failed)
	}
	return latencyRow(command.Visible(l.Operation), grouped(l.Count), ms(0.5), ms(0.9), ms(0.99), ms(0.999), ms(1), failed)
}

// millis writes microseconds as milliseconds in at most six letters.
func millis(us float64) string {
	switch {
	case us <= 0:
		return "—"
	case us >= 999_500:
		return fmt.Sprintf("%.0f", us/1000)
	case us >= 99_950:
		return fmt.Sprintf("%.0f", us/1000)
	case us >= 9_995:
		return fmt.Sprintf("%.1f", us/1000)
	}
	return fmt.Sprintf("%.2f", us/1000)
}

// histogram is a bar for each range of durations, in rows that are left; ranges are doubled until they fit.
func histogram(l *state.Latency, t *theme.Theme, width, rows int) []string {
	first, last := -1, 0
	for i, count := range l.Buckets {
		if count > 0 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	const quarter = 4 // buckets in which a duration doubles
	first -= first % quarter
	step := quarter
	for (last-first)/step+1 > rows {
		step += quarter
	}
	var counts []uint64
	for from := first; from <= last; from += step {
		sum := uint64(0)
		for _, count := range l.Buckets[from:min(from+step, len(l.Buckets))] {
			sum += count
		}
		counts = append(counts, sum)
	}
	most := slices.Max(counts)
	var lines []string
	for i, count := range counts {
		end := protocol.LatencyBucket(min(first+(i+1)*step, protocol.LatencyBuckets) - 1)
		share := fmt.Sprintf("%5.1f %%", 100*float64(count)/float64(l.Count))
		label := right("≤ "+strings.TrimSpace(millis(end)), 8) + " "
		room := width - ansi.StringWidth(label) - len(share) - 2
		lines = append(lines, styled(t.Quiet, label)+styled(t.Graph, bar(t, float64(count)/float64(most), room))+" "+share)
	}
	return lines
}

// HistoryCSV writes every second as a row: RFC 4180 with a header line, times in UTC, durations in microseconds.
func HistoryCSV(h *state.History) []byte {
	var b bytes.Buffer
	b.WriteString("time,watched,answered,failed,chosen,p50_us,p99_us,leader,up,faults\r\n")
	for i := range h.Seconds {
		s := &h.Seconds[i]
		fmt.Fprintf(&b, "%s,%t,%d,%d,%d,%d,%d,%s,%d,%d\r\n", s.At.UTC().Format("2006-01-02T15:04:05.000Z"), s.Known,
			s.Answered, s.Failed, s.Chosen, s.P50, s.P99, command.Plain(s.Leader), s.Up, s.Faults)
	}
	return b.Bytes()
}
