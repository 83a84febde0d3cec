// Package earlyterm keeps the terminal library from asking the terminal anything before main begins.
//
// Bubble Tea's first major version asks for the background colour in its package initialisation and waits up to five
// seconds for an answer; many terminals never give one, and keys typed meanwhile are eaten. It does not ask a terminal
// called "dumb". So this package, which is initialised earlier, says TERM=dumb, and main takes it back at once:
//
//	func main() {
//		earlyterm.Restore()
//		…
//	}
//
// The package must import nothing but os: Go initialises the first package by import path whose imports are all done,
// and as soon as os is done this one is ready, before os/exec and os/signal, on which Bubble Tea waits. A test in a
// pseudo-terminal that never answers judges whether it works.
package earlyterm

import "os"

// term and had are written once, by the initialisation, which is the point of this package.
var term, had = hide()

func hide() (string, bool) {
	value, ok := os.LookupEnv("TERM")
	// A failure leaves TERM as it was: the worst that follows is a slow start.
	_ = os.Setenv("TERM", "dumb")
	return value, ok
}

// Restore gives TERM its true value again. It is the first call of main.
func Restore() {
	if had {
		_ = os.Setenv("TERM", term)
		return
	}
	_ = os.Unsetenv("TERM")
}
