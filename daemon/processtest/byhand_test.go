package processtest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"synod/protocol/client"
)

func TestOneServerAtATimeByHand(t *testing.T) {
	c := NewCluster(t, Options{Requests: "all"})
	at := func(id string, arguments ...string) (int, string) {
		host, port, err := net.SplitHostPort(c.Endpoint(id).Address)
		if err != nil {
			t.Fatal(err)
		}
		return c.Run("synod", append([]string{"--host", host, "--port", port, "--protocol", "tcp"}, arguments...)...)
	}
	ids := c.Config.ReplicaIDs()
	for i, id := range ids {
		key, value := "hand/"+id, "written at "+id
		if code, output := at(id, "put", key, value); code != 0 {
			t.Errorf("put at %s: exit code %d: %s", id, code, output)
		}
		reader := ids[(i+1)%len(ids)]
		if code, output := at(reader, "get", key); code != 0 || !strings.Contains(output, value) {
			t.Errorf("get at %s of what was %s: exit code %d: %s", reader, value, code, output)
		}
		c.WaitOutput(id, 0, "msg=put", "key="+key)
		c.WaitOutput(reader, 0, "msg=get", "key="+key)
	}
	if code, output := at("r1", "del", "hand/r2"); code != 0 {
		t.Errorf("del: exit code %d: %s", code, output)
	}
	if code, output := at("r5", "scan", "hand/"); code != 0 || strings.Contains(output, "hand/r2") ||
		!hasAll(output, []string{"hand/r1", "hand/r3", "hand/r4", "hand/r5"}) {
		t.Errorf("scan: exit code %d: %s", code, output)
	}
	if code, output := c.Run("synod", "--config", c.ConfigFile, "status"); code != 0 || !hasAll(output, ids) {
		t.Errorf("status: exit code %d: %s", code, output)
	}
}

func TestTheDemoLeavesNothingBehind(t *testing.T) {
	long(t)
	folder := t.TempDir()
	c := NewCluster(t, Options{Unstarted: true})
	command := exec.Command(Program("synod"), "up", "--demo", "--random-ports", "--logs", filepath.Join(folder, "logs"))
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	if err := c.launchIn(command, folder, "TMPDIR="+folder); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("synod up --demo: %v:\n%s", err, &output)
	}
	if left, err := filepath.Glob(filepath.Join(folder, "synod-up-*")); err != nil || len(left) > 0 {
		t.Errorf("folders left behind: %v, %v", left, err)
	}
	if left := processesWith(t, folder); len(left) > 0 {
		t.Errorf("processes left behind: %v", left)
	}
	for _, words := range []string{"put", "get", "del"} {
		if strings.Count(output.String(), words) < 5 {
			t.Errorf("the demo shows less than five of %s:\n%s", words, &output)
		}
	}
}

// processesWith lists the processes that name a path in their arguments.
func processesWith(t *testing.T, path string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		if strings.Contains(string(text), path) {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

func TestASecondSignalEndsADaemonAtOnce(t *testing.T) {
	long(t)
	c := NewCluster(t, Options{})
	c.Kill("r3", "r4", "r5")
	// Without a majority this update waits, and with it the stop.
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	own := c.Client("r1")
	var waiting sync.WaitGroup
	waiting.Go(func() {
		_, _ = own.Put(ctx, []byte("k"), []byte("v"), client.At("r1"), client.Retrying(client.Never)) // it must not matter
	})
	if !poll(Patience, func() bool {
		s, err := c.Status("r1")
		if err != nil {
			return false
		}
		for _, queue := range s.Queues {
			if queue.Queue == "requests" && queue.Length > 0 {
				return true
			}
		}
		return false
	}) {
		t.Error("the update does not wait")
	}
	c.Signal("r1", syscall.SIGTERM)
	c.WaitOutput("r1", 0, "msg=\"stopping", "a second signal ends it at once")
	c.Signal("r1", syscall.SIGINT)
	if code := c.Await("r1"); code != 128+int(syscall.SIGINT) {
		t.Errorf("exit code %d after a second signal", code)
	}
	cancel()
	waiting.Wait()
}
