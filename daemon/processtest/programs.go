package processtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programsEnvironment names the folder of the built programs. Who sets it before the tests chooses what is tested.
const programsEnvironment = "SYNOD_TEST_PROGRAMS"

// BuildPrograms builds synodd and synod into a new folder and makes the clusters of this process use them. The returned
// function removes the folder. If the environment variable SYNOD_TEST_PROGRAMS names a folder already, that is used.
func BuildPrograms() (remove func() error, err error) {
	if os.Getenv(programsEnvironment) != "" {
		return func() error { return nil }, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "synod-programs-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the programs: %w", err)
	}
	remove = func() error { return os.RemoveAll(folder) }
	for name, source := range map[string]string{"synodd": "./daemon", "synod": "./console"} {
		build := exec.Command("go", "build", "-o", filepath.Join(folder, name), source)
		build.Dir = root
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("build %s: %w: %s", name, err, output), remove())
		}
	}
	return remove, os.Setenv(programsEnvironment, folder)
}

// buildPlanted builds a synodd that can have a planted bug, and gives its path. It is removed with the test.
func buildPlanted(t testing.TB) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "synodd")
	build := exec.Command("go", "build", "-tags", "mutants", "-o", path, "./daemon")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build synodd for mutants: %v: %s", err, output)
	}
	return path
}

// Program is the path of a built program, "synodd" or "synod".
func Program(name string) string { return filepath.Join(os.Getenv(programsEnvironment), name) }

// lookAtSources makes `go test` see that these tests depend on all sources. Otherwise it would take the result of a
// test of older programs for this one's.
func lookAtSources() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && entry.Name()[0] == '.':
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go" && filepath.Ext(path) != ".synod":
			return nil
		}
		_, err = os.Stat(path) // go test takes notice
		return err
	})
}

// moduleRoot is the folder of go.mod, above the working folder.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("find the module: no go.mod above the working folder")
		}
		folder = parent
	}
}
