package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is what was built: the commit, if the build knows it, and the bug that is
// planted in it, if somebody has.
func version() string { return built() + plantedMark() }

func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	if revision == "" {
		return info.Main.Version
	}
	return revision + dirty
}

func versionLine() string { return fmt.Sprintf("synodd %s, %s", version(), runtime.Version()) }
