// Command synod is the client of a Synod cluster: the operator's screen, the command line, batch files, a local cluster
// for trying things out, and a load generator.
//
//	synod                         the screen, on a terminal; commands from standard input otherwise
//	synod put color red           one command
//	synod -f FILE                 a batch
//	synod up                      five replicas on this machine, and the screen
//	synod bench                   a closed loop of load
//
// This package reads flags, decides which of these is meant, and joins the parts; see README.md beside it for the map.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"synod/console/command"
	"synod/console/earlyterm"
)

func main() {
	earlyterm.Restore()
	os.Exit(run(context.Background(), os.Args[1:], world{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
	}))
}

// Exit codes beside those of package command.
const (
	exitInternal = 70
)

// run is the program with its world as arguments; it returns the exit code.
func run(ctx context.Context, args []string, w world) (code int) {
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(w.stderr, "synod: internal fault: %v\n%s", cause, debug.Stack())
			code = exitInternal
		}
	}()
	p := &program{world: w, out: &sink{file: w.stdout}}
	defer p.signals.close()
	provoke(p.getenv)
	root := p.root()
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		return p.complain(err)
	}
	if err := p.out.failure(); err != nil && p.code == command.ExitOK {
		return p.complain(&exitError{command.ExitFailed, err})
	}
	return p.code
}
