// Package app is the screen as one Bubble Tea model.
//
//	Update     routes: one line per message; it reads no clock, no network, no file (core/tidy looks)
//	page       one of the six screens: what a person has chosen on it, and its keys; page.go says what a page may be
//	View       header, tabs, the page, hint, prompt, keys; boxes over them
//	Desk       between the screen and the executor: takes commands, keeps what they show, passes questions on
//	Guard      starts goroutines so that a panic in one of them gives the terminal back first
//
// The screen never waits: ten times a second a command of Bubble Tea copies a snapshot of what the watchers and the
// desk hold, and that copy becomes the model's state. A key goes to the first of these that is open: dialogue, help,
// prompt, filter, a field of the page; else it is one of the page's keys or of those of every page. A new screen is a
// type with the methods of page, a line in pages.go, and a panel that draws it.
package app
