package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes.
type Size int64

// Span is a range of durations, both ends included: "500ms..3s" in text.
type Span struct {
	Min, Max time.Duration
}

// address is host:port; the type tells the table how to check the text.
type address string

// sizeUnits are the units a size may carry, largest first, so that printing finds the shortest exact form.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String gives the size with the largest unit that needs no fraction.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if int64(s)%unit.bytes == 0 && s != 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return "0B"
}

// String gives the span as it is written in a file.
func (s Span) String() string { return durationText(s.Min) + ".." + durationText(s.Max) }

// ParseSize reads a whole number of bytes with its unit: "64MiB", "256KiB", "512B".
func ParseSize(text string) (Size, error) {
	wrong := fmt.Errorf(`%q is no size, write a whole number with B, KiB, MiB or GiB, as in "64MiB"`, text)
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		number, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || number < 0 || number > (1<<62)/unit.bytes || digits[0] == '+' {
			return 0, wrong
		}
		return Size(number * unit.bytes), nil
	}
	return 0, wrong
}

// ParseDuration reads a duration with its unit: "5ms", "2s", "1m30s". Negative ones are refused.
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf(`%q is no duration, write a number with us, ms, s, m or h, as in "5ms"`, text)
	}
	return d, nil
}

// ParseSpan reads two durations with ".." between them, the smaller first; a single one stands for both ends.
func ParseSpan(text string) (Span, error) {
	low, high, two := strings.Cut(text, "..")
	if !two {
		high = low
	}
	from, err := ParseDuration(strings.TrimSpace(low))
	if err != nil {
		return Span{}, fmt.Errorf(`%q is no range of durations, write it as in "500ms..3s"`, text)
	}
	to, err := ParseDuration(strings.TrimSpace(high))
	if err != nil {
		return Span{}, fmt.Errorf(`%q is no range of durations, write it as in "500ms..3s"`, text)
	}
	if to < from {
		return Span{}, fmt.Errorf("%q ends before it begins, swap the two", text)
	}
	return Span{Min: from, Max: to}, nil
}

// checkAddress accepts host:port with a port from 1 to 65535 and a host that is an IP address or a name. Nothing is
// looked up: a name may only exist where the daemon runs.
func checkAddress(text string) error {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return fmt.Errorf(`address %q has no port, write it as in "127.0.0.1:7101"`, text)
	}
	host, port := text[:at], text[at+1:]
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || port[0] == '0' {
		return fmt.Errorf("address %q has a wrong port, it must be a number from 1 to 65535", text)
	}
	if bracketed, ok := strings.CutPrefix(host, "["); ok {
		inside, closed := strings.CutSuffix(bracketed, "]")
		if ip, err := netip.ParseAddr(inside); err != nil || !closed || !ip.Is6() {
			return fmt.Errorf(`address %q has a wrong IPv6 address in its brackets, write it as in "[::1]:7101"`, text)
		}
		return nil
	}
	return checkHost(text, host)
}

func checkHost(text, host string) error {
	switch {
	case host == "":
		return fmt.Errorf(`address %q has no host, write it as in "127.0.0.1:7101"`, text)
	case strings.Contains(host, ":"):
		return fmt.Errorf(`address %q: an IPv6 address stands in brackets, as in "[::1]:7101"`, text)
	case strings.Trim(host, "0123456789.") == "":
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("address %q has a wrong IPv4 address", text)
		}
		return nil
	case len(host) > 253:
		return fmt.Errorf("address %q has a host name of more than 253 characters", text)
	}
	for _, char := range []byte(host) {
		letter := char|0x20 >= 'a' && char|0x20 <= 'z'
		if !letter && (char < '0' || char > '9') && char != '-' && char != '.' && char != '_' {
			return fmt.Errorf("address %q has the character %q, which no host name has", text, rune(char))
		}
	}
	return nil
}

// durationText prints a duration without the zero parts that time.Duration appends ("10m", not "10m0s").
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// assign reads text into the value that target points to.
func assign(target any, text string) error {
	var err error
	switch value := target.(type) {
	case *string:
		*value = text
		if text == "" {
			err = errors.New("must not be empty")
		}
	case *address:
		*value = address(text)
		err = checkAddress(text)
	case *bool:
		if *value = text == "true"; !*value && text != "false" {
			err = fmt.Errorf("%q is neither true nor false", text)
		}
	case *int:
		if *value, err = strconv.Atoi(text); err != nil {
			err = fmt.Errorf("%q is no whole number", text)
		}
	case *uint64:
		if *value, err = strconv.ParseUint(text, 10, 64); err != nil {
			err = fmt.Errorf("%q is no whole number from 0 up", text)
		}
	case *float64:
		if *value, err = strconv.ParseFloat(text, 64); err != nil || *value != *value {
			err = fmt.Errorf("%q is no number", text)
		}
	case *time.Duration:
		*value, err = ParseDuration(text)
	case *Size:
		*value, err = ParseSize(text)
	case *Span:
		*value, err = ParseSpan(text)
	default:
		panic(fmt.Sprintf("config: no rule to read a %T", target))
	}
	return err
}

// show prints the value that target points to, as one would write it in a file (without quotes).
func show(target any) string {
	switch value := target.(type) {
	case *string:
		return *value
	case *address:
		return string(*value)
	case *time.Duration:
		return durationText(*value)
	case *bool:
		return strconv.FormatBool(*value)
	case *int:
		return strconv.Itoa(*value)
	case *uint64:
		return strconv.FormatUint(*value, 10)
	case *float64:
		return strconv.FormatFloat(*value, 'g', -1, 64)
	case *Size:
		return value.String()
	case *Span:
		return value.String()
	}
	panic(fmt.Sprintf("config: no rule to print a %T", target))
}

// order puts the value of target on a line with its bounds: first its lower and then its upper end.
func order(target any) (low, high float64) {
	switch value := target.(type) {
	case *time.Duration:
		return float64(*value), float64(*value)
	case *int:
		return float64(*value), float64(*value)
	case *float64:
		return *value, *value
	case *Size:
		return float64(*value), float64(*value)
	case *Span:
		return float64(value.Min), float64(value.Max)
	}
	panic(fmt.Sprintf("config: a %T has no order", target))
}

// fresh gives a new value of the type that target points to, to read a bound or a candidate into.
func fresh(target any) any {
	switch target.(type) {
	case *time.Duration:
		return new(time.Duration)
	case *int:
		return new(int)
	case *float64:
		return new(float64)
	case *Size:
		return new(Size)
	case *Span:
		return new(Span)
	}
	panic(fmt.Sprintf("config: a %T has no range", target))
}
