// Package config turns config.toml into Go values: it parses, checks and explains, and does nothing else.
//
// [Load] reads a file; [Parse] does the same for text in memory. Both lay four sources over each other, the later one
// wins: the defaults, the file, the environment (SYNOD_STORAGE_DIR for storage.dir), the flags (dotted keys). Whatever
// is wrong is reported at once as [Problems], each with file, line, column and a hint:
//
//	config.toml:14:1: unknown key "fsync_intervall" in [storage], did you mean "fsync_interval"?
//
// [Config.Explain] lists every effective value with the place it came from.
//
// Every setting is one row of the table in settings.go: name, default, range, help, field. A new setting is a new row
// and a new field; parsing, range check, environment name, hints and explanation follow from the row.
//
// Paths (storage.dir, log.dir) are relative to the working directory of the process, as with other daemons, and not to
// the folder of the file: one file may then serve several clusters started from different folders.
//
// A Config is not changed after Parse; it may be read by any number of goroutines.
package config
