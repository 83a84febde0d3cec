//go:build provoked

package main

// provoke panics if the environment asks for it: the test of what happens then needs a cause.
func provoke(getenv func(string) string) {
	if getenv("SYNOD_PROVOKE") == "panic" {
		panic("provoked")
	}
}
