package identity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"synod/core/paxos"
)

func begin(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data", "r2")
	if err := Begin(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := begin(t)
	want := Identity{
		Cluster: paxos.ClusterID{1, 2, 3}, Replica: 2, Incarnation: 1, Replicas: 5,
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil || got != want {
		t.Errorf("read %+v, %v, want %+v", got, err, want)
	}
}

func TestAFolderIsBegunOnce(t *testing.T) {
	dir := begin(t)
	if err := Begin(dir); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second begin: %v", err)
	}
	if _, err := Read(dir); !errors.Is(err, ErrNone) {
		t.Errorf("a folder without identity: %v", err)
	}
}

func TestDamageIsNamed(t *testing.T) {
	dir := begin(t)
	good := `cluster = "000102030405060708090a0b0c0d0e0f"` + "\nreplica = \"r2\"\nincarnation = 1\nreplicas = 5\n"
	for name, text := range map[string]string{
		"empty": "", "syntax": "cluster = ", "cluster": strings.Replace(good, "0001", "00", 1),
		"replica": strings.Replace(good, "r2", "r9", 1), "incarnation": strings.Replace(good, "= 1", "= 0", 1),
		"size": strings.Replace(good, "= 5", "= 1", 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, "identity.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "identity.toml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheLockKeepsOthersOut(t *testing.T) {
	dir := begin(t)
	lock, err := TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TakeLock(dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "in use by pid") {
		t.Errorf("the second lock: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := TakeLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
}
