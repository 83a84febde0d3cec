// Package app is the screen as one Bubble Tea model.
//
//	Update   routes: one line per message; it reads no clock, no network, no file
//	View     composes panels for the size at hand
//	Desk     between the screen and the executor: takes commands, keeps what they show, passes questions on
//	Guard    starts goroutines so that a panic in one of them gives the terminal back first
//
// The screen never waits: ten times a second a command of Bubble Tea copies a snapshot of what the watchers and the
// desk hold, and that copy becomes the model's state.
package app
