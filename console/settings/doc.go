// Package settings reads what a person has chosen for the screen: console.toml, the environment and flags, in this
// order of precedence. Everything that is wrong is told at once, with its place and what to write instead.
//
//	theme   = "auto"      # auto dark light mono contrast
//	graphs  = "block"     # block braille ascii
//	border  = "rounded"   # rounded plain ascii
//	mouse   = true        # clicks and the wheel are ours; m gives them to the terminal
//	sticky  = false       # the prompt keeps the keys after Enter
//	history = true        # commands are kept for the next time
//	refresh = "100ms"     # between two looks at the replicas
//
//	[keys]                # what a key does is moved to another one
//	q = "Q"
//
// Each has its variable, such as SYNOD_CONSOLE_THEME=mono.
package settings
