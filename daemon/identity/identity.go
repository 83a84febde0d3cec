// Package identity keeps who a replica is: the file identity.toml in its folder,
// written once by init, and the lock that keeps a second process out.
//
// The cluster's ID stands here and not in the configuration, so that a folder of
// another cluster, or an empty disk, is never taken for the own one.
package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"golang.org/x/sys/unix"

	"synod/core/paxos"
)

// Names in a replica's folder.
const (
	fileName     = "identity.toml"
	acceptorName = "acceptor" // the acceptor's log, and so begin those of its later lives
	// LockName is the file that the process holds, StoreDir the applied state.
	LockName = "LOCK"
	StoreDir = "store"
)

var (
	// ErrNone: the folder has no identity; init has not been run, or the disk is
	// lost.
	ErrNone = errors.New("no identity")
	// ErrDamaged: the identity cannot be read as one.
	ErrDamaged = errors.New("identity is damaged")
	// ErrLocked: another process uses the folder.
	ErrLocked = errors.New("locked by another process")
	// ErrExists: there is something where init wants to begin.
	ErrExists = errors.New("exists already")
)

// Identity is who a replica is, for the whole life of its data.
type Identity struct {
	Cluster     paxos.ClusterID
	Replica     paxos.ReplicaID
	Incarnation paxos.Incarnation
	// Replicas is the size of the cluster. It decides what a majority is, so a
	// configuration with another number is an error.
	Replicas int
	Created  time.Time
}

// file is the identity as it stands in the file.
type file struct {
	Cluster     string    `toml:"cluster"`
	Replica     string    `toml:"replica"`
	Incarnation uint64    `toml:"incarnation"`
	Replicas    int       `toml:"replicas"`
	Created     time.Time `toml:"created"`
}

const head = "# Who this replica is. Written by `synodd init`.\n" +
	"# A changed or copied file breaks the cluster's promises.\n"

// AcceptorDir is where the acceptor's log of a life lies: each life has a folder of
// its own, so that no log of an older one is ever opened.
func AcceptorDir(dir string, life paxos.Incarnation) string {
	if life == 1 {
		return filepath.Join(dir, acceptorName)
	}
	return filepath.Join(dir, fmt.Sprintf("%s-%d", acceptorName, life))
}

// KeepLastAcceptor removes the logs of all lives before the given one, but for the
// latest that there is: it may tell what went wrong.
func KeepLastAcceptor(dir string, life paxos.Incarnation) error {
	names, err := filepath.Glob(filepath.Join(dir, acceptorName+"*"))
	if err != nil {
		return fmt.Errorf("list older logs: %w", err)
	}
	last := ""
	var lastLife paxos.Incarnation
	var old []string
	for _, name := range names {
		of := paxos.Incarnation(1)
		if base := filepath.Base(name); base != acceptorName {
			if _, err := fmt.Sscanf(base, acceptorName+"-%d", &of); err != nil || AcceptorDir(dir, of) != name {
				continue // not ours
			}
		}
		if of >= life {
			continue
		}
		old = append(old, name)
		if of >= lastLife {
			last, lastLife = name, of
		}
	}
	for _, name := range old {
		if name != last {
			err = errors.Join(err, os.RemoveAll(name))
		}
	}
	return err
}

// ParseCluster reads a cluster's ID from 32 hexadecimal digits.
func ParseCluster(text string) (paxos.ClusterID, error) {
	var id paxos.ClusterID
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("cluster id %q: give %d hexadecimal digits, as `synodd init` printed them", text, 2*len(id))
	}
	copy(id[:], raw)
	if id == (paxos.ClusterID{}) {
		return id, fmt.Errorf("cluster id %q: zero is no id", text)
	}
	return id, nil
}

// Read reads the identity from a replica's folder. Errors are ErrNone and
// ErrDamaged, with what to do, and those of the file system.
func Read(dir string) (Identity, error) {
	path := filepath.Join(dir, fileName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, fmt.Errorf("%w in %q: if no replica of this cluster has ever run, run `synodd init`; "+
			"if this one has run before, its folder is lost or elsewhere: do not run init, but start it while a majority "+
			"of the others runs; it comes back by itself",
			ErrNone, dir)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	damaged := func(what any) error {
		return fmt.Errorf("%w: %s: %v; restore the file from a backup of this replica", ErrDamaged, path, what)
	}
	var f file
	if _, err := toml.Decode(string(text), &f); err != nil {
		return Identity{}, damaged(err)
	}
	id := Identity{Incarnation: paxos.Incarnation(f.Incarnation), Replicas: f.Replicas, Created: f.Created}
	if id.Cluster, err = ParseCluster(f.Cluster); err != nil {
		return Identity{}, damaged(err)
	}
	for r := paxos.ReplicaID(1); r <= paxos.ReplicasMax; r++ {
		if r.String() == f.Replica {
			id.Replica = r
		}
	}
	if id.Replica == 0 || id.Incarnation == 0 || id.Replicas < int(id.Replica) || id.Replicas > paxos.ReplicasMax {
		return Identity{}, damaged(fmt.Sprintf("replica %q of %d, incarnation %d", f.Replica, f.Replicas, f.Incarnation))
	}
	return id, nil
}

// Begin makes a replica's folder, which must not exist yet.
func Begin(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("data directory %q %w: remove it only if you are sure that its cluster is not needed any more",
			dir, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	return syncDir(filepath.Dir(dir))
}

// Write writes the identity into a folder, whole or not at all, and durably.
func Write(dir string, id Identity) error {
	var text bytes.Buffer
	text.WriteString(head)
	err := toml.NewEncoder(&text).Encode(file{
		Cluster: id.Cluster.String(), Replica: id.Replica.String(), Incarnation: uint64(id.Incarnation),
		Replicas: id.Replicas, Created: id.Created.UTC().Truncate(time.Second),
	})
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	path := filepath.Join(dir, fileName)
	if err := writeSynced(path+".tmp", text.Bytes()); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return syncDir(dir)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %q: %w", dir, err)
	}
	return nil
}

// Lock is held by the one process that uses a folder. The kernel releases it
// when the process dies, however it does.
type Lock struct{ file *os.File }

// TakeLock locks a folder. ErrLocked names the process that has it.
func TakeLock(dir string) (*Lock, error) {
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		held, _ := os.ReadFile(path)
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			pid := strings.TrimSpace(string(held))
			return nil, fmt.Errorf("data directory %q is in use by pid %s: stop that process first: %w", dir, pid, ErrLocked)
		}
		return nil, fmt.Errorf("lock %q: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	return &Lock{f}, nil
}

// Release gives the folder free.
func (l *Lock) Release() error { return l.file.Close() }
