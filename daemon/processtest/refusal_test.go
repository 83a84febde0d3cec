package processtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"synod/daemon/identity"
	"synod/protocol/client"
)

// victim is the replica that the tests of this file damage.
const victim = "r5"

// Exit codes of synodd.
const (
	exitUsage   = 2
	exitDamaged = 3
	exitInUse   = 4
)

// wantRefusal runs a daemon that must end at once, and wants exit code and words.
func wantRefusal(t *testing.T, c *Cluster, code int, words []string, arguments ...string) {
	t.Helper()
	got, output := c.Run("synodd", arguments...)
	if got != code || !hasAll(output, words) {
		t.Errorf("synodd %s: exit code %d, want %d and %q:\n%s", strings.Join(arguments, " "), got, code, words, output)
	}
	if lines := strings.Count(strings.TrimSpace(output), "\n") + 1; lines > 3 {
		t.Errorf("synodd %s: %d lines for one refusal:\n%s", strings.Join(arguments, " "), lines, output)
	}
}

// atVictim are the arguments of the victim's daemon.
func atVictim(c *Cluster) []string { return []string{"--config", c.ConfigFile, "--replica", victim} }

func TestADaemonThatCannotStartSaysWhy(t *testing.T) {
	c := NewCluster(t, Options{})
	r5, _ := c.Config.Replica(victim)
	wantRefusal(t, c, exitInUse, []string{
		"data directory", filepath.Join("data", victim), fmt.Sprintf("in use by pid %d", c.PID(victim)), "stop that process",
	}, atVictim(c)...)
	if code := c.Terminate(victim); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	for _, address := range []string{r5.Client, r5.Peer} {
		taken, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, c, exitInUse, []string{address, "in use by another process", "change the address"}, atVictim(c)...)
		_ = taken.Close() // nothing was accepted
	}
	wrong := filepath.Join(c.Folder, "wrong.toml")
	text := replaced(t, c.ConfigFile, "segment =", "segmnt =")
	write(t, wrong, text)
	wantRefusal(t, c, exitUsage, []string{"wrong.toml:20:1", `"segmnt" in [storage]`, `did you mean "segment"?`},
		"--config", wrong, "--replica", victim)

	identity := filepath.Join(c.Config.ReplicaDir(victim), "identity.toml")
	undo := moved(t, identity)
	wantRefusal(t, c, exitDamaged, []string{"no identity", filepath.Join("data", victim), "is there", "move the folder away"},
		atVictim(c)...)
	undo()
	wantRefusal(t, c, exitUsage, []string{"exists already", "nothing was changed"}, "init", "--config", c.ConfigFile)

	original := replaced(t, identity, "", "")
	write(t, identity, "cluster = 5\n")
	wantRefusal(t, c, exitDamaged, []string{"identity is damaged", "identity.toml", "backup"}, atVictim(c)...)
	write(t, identity, replaced(t, filepath.Join(c.Config.ReplicaDir("r1"), "identity.toml"), "", ""))
	wantRefusal(t, c, exitDamaged, []string{"belongs to r1, not to r5"}, atVictim(c)...)
	write(t, identity, original)
	serveTogether(t, c, "r1")
	c.Start(victim)
	c.WaitCaughtUp(victim, Patience)
	serveTogether(t, c, victim)
}

// damage is one way to lose what an acceptor has promised.
type damage struct {
	name  string
	words []string
	do    func(t *testing.T, dir string, c *Cluster)
}

func damages() []damage {
	missing := []string{"log is damaged", ".segment", "refuses to vote"}
	return []damage{
		{"a wrong byte in the middle", []string{"log is damaged", ".segment", "offset", "expected", "refuses to vote"}, flip},
		{"a missing segment", missing, func(t *testing.T, dir string, _ *Cluster) {
			remove(t, filepath.Join(dir, segments(t, dir)[1]))
		}},
		{"the newest segment missing", missing, func(t *testing.T, dir string, _ *Cluster) {
			names := segments(t, dir)
			remove(t, filepath.Join(dir, names[len(names)-1]))
		}},
		{"a log of another replica", []string{"log belongs to somebody else", "replica 1", "replica 5"}, func(
			t *testing.T, dir string, c *Cluster,
		) {
			removeAll(t, dir)
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(c.Config.ReplicaDir("r1"), "acceptor"))); err != nil {
				t.Fatal(err)
			}
		}},
		{"a lost log", []string{"log does not exist", "acceptor"}, func(t *testing.T, dir string, _ *Cluster) {
			removeAll(t, dir)
		}},
		{"a sync that once failed", []string{"log is poisoned"}, func(t *testing.T, dir string, _ *Cluster) {
			write(t, filepath.Join(dir, "POISONED"), "log is poisoned: sync failed\n")
		}},
		{"a stranger's file", []string{"foreign file", "notes.txt", "move it away"}, func(
			t *testing.T, dir string, _ *Cluster,
		) {
			write(t, filepath.Join(dir, "notes.txt"), "hello")
		}},
	}
}

// TestAnAcceptorThatLostItsMemorySaysWhyAndRecovers: whatever makes the log of an acceptor incomplete, it says so, votes
// for nobody, and begins a new life with what the others tell it, while the load goes on.
func TestAnAcceptorThatLostItsMemorySaysWhyAndRecovers(t *testing.T) {
	const filled = 5 // so that each log has a middle
	c := NewCluster(t, Options{})
	folder := c.Config.ReplicaDir(victim)
	load := c.StartLoad(LoadOptions{Clients: 8, Pause: 2 * time.Millisecond})
	for i, d := range damages() {
		fill(t, c, filled)
		load.AwaitWrites(50)
		if code := c.Terminate(victim); code != 0 {
			t.Errorf("%s: exit code %d after SIGTERM", d.name, code)
		}
		before, err := identity.Read(folder)
		if err != nil {
			t.Fatal(err)
		}
		d.do(t, identity.AcceptorDir(folder, before.Incarnation), c)
		behind := len(c.Output(victim))
		begin := time.Now()
		c.Start(victim)
		c.WaitOutput(victim, behind, append([]string{"acceptor does not vote yet"}, d.words...)...)
		life := c.WaitNormal(victim, Patience)
		t.Logf("%s: normal again after %v, in life %d", d.name, time.Since(begin).Round(time.Millisecond), life)
		if life != uint64(i+2) {
			t.Errorf("%s: the acceptor is in its life %d, want %d", d.name, life, i+2)
		}
		c.WaitCaughtUp(victim, Patience)
		serveTogether(t, c, victim)
	}
	h := load.Stop()
	h.Before += uint64(len(damages()) * (filled + 1)) // updates of fill and of serveTogether
	c.WaitEqual(Patience)
	judge(t, c, h)
}

func TestACopyOfAReplicaIsKeptOut(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{})
	load := c.StartLoad(LoadOptions{Clients: 8, Pause: 2 * time.Millisecond})
	load.AwaitWrites(100)
	// The same replica on other ports, from a copy of its folder, as a restored machine might be.
	copied := filepath.Join(c.Folder, "copied")
	if err := os.CopyFS(filepath.Join(copied, "r1"), os.DirFS(c.Config.ReplicaDir("r1"))); err != nil {
		t.Fatal(err)
	}
	ports, guard, err := reservePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = guard.Close() }() // nothing was accepted
	r1, _ := c.Config.Replica("r1")
	text := replaced(t, c.ConfigFile, c.Config.Storage.Dir, copied)
	text = strings.Replace(text, r1.Client, loopback(ports[0]), 1)
	text = strings.Replace(text, r1.Peer, loopback(ports[1]), 1)
	text = strings.Replace(text, c.Config.Log.Dir, copied, 1)
	file := filepath.Join(c.Folder, "copied.toml")
	write(t, file, text)
	c.start("copy", "--config", file, "--replica", "r1")
	c.WaitOutput("copy", 0, "link refused by the other replica", "another process runs as r1", "stop one of them")
	c.WaitOutput("r2", 0, "link refused here", "peer=r1", "another process runs as r1")
	load.AwaitWrites(200)
	c.Kill("copy")
	h := load.Stop()
	c.WaitEqual(Patience)
	judge(t, c, h)
}

func TestAFullDiskStopsOneAcceptorOnly(t *testing.T) {
	long(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk; the log and the store have tests of their own with injected errors")
	}
	c := NewCluster(t, Options{Unstarted: true})
	dir := c.Config.ReplicaDir(victim)
	original := dir + ".original"
	err := os.Rename(dir, original)
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("cannot mount a small disk: %v; the log and the store have tests of their own with injected errors", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.CopyFS(dir, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
	c.Start(c.Config.ReplicaIDs()...)
	c.WaitLeader(Patience)
	load := c.StartLoad(LoadOptions{Clients: 8, Pause: 2 * time.Millisecond})
	fill(t, c, 40)
	behindUpdates := uint64(40)
	t.Log(c.describe())
	line := c.WaitOutput(victim, 0, "level=ERROR", "acceptor refuses to vote", "no space")
	t.Log(strings.TrimSpace(line))
	load.AwaitWrites(200)
	for _, id := range c.Config.ReplicaIDs()[:4] {
		serveTogether(t, c, id)
		behindUpdates++
	}
	status, err := c.Status(victim)
	if err != nil {
		t.Fatalf("the replica with the full disk does not answer: %v", err)
	}
	if role := Role(status, "acceptor"); role.State != "refusing" || !strings.Contains(role.Cause, "no space") {
		t.Errorf("the acceptor with a full disk is %s because of %q", role.State, role.Cause)
	}
	// With space again it votes again, in the same life.
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=512m"); err != nil {
		t.Fatal(err)
	}
	if life := c.WaitNormal(victim, Patience); life != 1 {
		t.Errorf("with space again the acceptor is in its life %d", life)
	}
	c.WaitCaughtUp(victim, Patience)
	serveTogether(t, c, victim)
	h := load.Stop()
	h.Before += behindUpdates + 1
	c.WaitEqual(Patience)
	judge(t, c, h)
}

// serveTogether puts through one replica and gets through all that run.
func serveTogether(t *testing.T, c *Cluster, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	own := c.Client("")
	defer func() { _ = own.Close() }() // Close only ends goroutines
	info, err := own.Put(ctx, []byte("together"), []byte(id), client.At(id))
	if err != nil {
		t.Errorf("put at %s: %v", id, err)
		return
	}
	for _, other := range c.Running() {
		got, err := own.Get(ctx, []byte("together"), client.At(other))
		if err != nil || got.Revision != info.Revision {
			t.Errorf("get at %s after a put at %s: revision %d, want %d, %v", other, id, got.Revision, info.Revision, err)
		}
	}
}

// fill writes so many values of 900 KiB, so that logs have more segments than one.
func fill(t *testing.T, c *Cluster, values int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience)
	defer cancel()
	own := c.Client("r1")
	defer func() { _ = own.Close() }() // Close only ends goroutines
	for i := range values {
		if _, err := own.Put(ctx, fmt.Appendf(nil, "fill/%d", i), bytes.Repeat([]byte{byte(i)}, 900<<10)); err != nil {
			t.Fatal(err)
		}
	}
}

// segments lists the segments of an acceptor's log, the oldest first.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".segment") {
			names = append(names, entry.Name())
		}
	}
	if slices.Sort(names); len(names) < 3 {
		t.Fatalf("only %d segments: nothing is in the middle", len(names))
	}
	return names
}

// flip changes one byte in the written half of a segment in the middle.
func flip(t *testing.T, dir string, _ *Cluster) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, segments(t, dir)[1]), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // written below, or reported
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	one, at := make([]byte, 1), info.Size()/4
	if _, err := file.ReadAt(one, at); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 0x10
	if _, err := file.WriteAt(one, at); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// moved takes a file or folder away, and gives the way back.
func moved(t *testing.T, path string) (undo func()) {
	t.Helper()
	away := filepath.Join(filepath.Dir(filepath.Dir(path)), "away")
	if err := os.Rename(path, away); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(away, path); err != nil {
			t.Fatal(err)
		}
	}
}

// replaced gives the text of a file with the first from as to.
func replaced(t *testing.T, path, from, to string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(text), from, to, 1)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
