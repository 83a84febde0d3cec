package panel

import (
	"fmt"
	"strconv"
	"time"
)

// grouped writes a number with commas: 48,213.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	text := ""
	for len(digits) > 3 {
		text = "," + digits[len(digits)-3:] + text
		digits = digits[:len(digits)-3]
	}
	return digits + text
}

// rate writes a number of things a second in few letters.
func rate(perSecond float64) string {
	switch {
	case perSecond >= 99_950:
		return fmt.Sprintf("%.0fk", perSecond/1000)
	case perSecond >= 1000:
		return fmt.Sprintf("%.1fk", perSecond/1000)
	}
	return fmt.Sprintf("%.0f", perSecond)
}

// span writes a duration in few letters: 0.1s, 22s, 3m12s, 3h12m, 4d03h.
func span(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case seconds < 86400:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%dd%02dh", seconds/86400, seconds/3600%24)
}

// micros writes microseconds as milliseconds, a dash for none.
func micros(us int64) string {
	if us <= 0 {
		return "—"
	}
	return fmt.Sprintf("%.2f", float64(us)/1000)
}
