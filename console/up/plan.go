package up

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"synod/core/config"
)

// Options say which cluster is started and where.
type Options struct {
	ConfigFile  string   // "": the five replicas of [LocalConfig]
	Environ     []string // as from os.Environ
	Data        string   // folder of the replicas' state; "": a new temporary one
	Logs        string   // folder of the logs; "": as configured, or in the data folder if ports are not as configured
	Daemon      string   // path of synodd; "": beside this program, then in PATH
	PortsFrom   int      // > 0: replica N serves clients at this port + N and peers at this port + 10 + N
	RandomPorts bool     // ports that are free now
}

// Plan is a cluster that could be launched.
type Plan struct {
	Config     *config.Config // with the folders and ports in force
	ConfigFile string         // generated; children and other terminals use it
	Data       string         // absolute
	Temporary  bool           // Data was made for this run
	Begun      bool           // something was started, so the data may tell what went wrong
	Daemon     string
	environ    []string
	guard      net.Listener // holds the ports that RandomPorts drew; nil without them
}

const configName = "config.toml"

// Prepare settles folders, ports and programs and writes the configuration file into the data folder. Its errors name
// the remedy.
func Prepare(options Options) (*Plan, error) {
	daemon, err := findDaemon(options.Daemon)
	if err != nil {
		return nil, err
	}
	base, err := load(options, nil)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Daemon: daemon, environ: childEnviron(options.Environ)}
	if err := plan.makeData(options); err != nil {
		return nil, err
	}
	flags, err := plan.overrides(base, options)
	if err == nil {
		plan.Config, err = load(options, flags)
	}
	if err == nil {
		err = plan.writeConfig()
	}
	if err != nil {
		return nil, errors.Join(err, plan.Discard())
	}
	return plan, nil
}

// Discard gives up what the plan holds, and removes the data folder if it was made for this run.
func (p *Plan) Discard() error {
	p.release()
	if !p.Temporary {
		return nil
	}
	if err := os.RemoveAll(p.Data); err != nil {
		return fmt.Errorf("remove the temporary folder: %w", err)
	}
	return nil
}

func (p *Plan) makeData(options Options) error {
	var err error
	if options.Data == "" {
		p.Temporary = true
		if p.Data, err = os.MkdirTemp("", "synod-up-"); err != nil {
			return fmt.Errorf("make a temporary folder for the replicas (or give one with --data DIR): %w", err)
		}
		return nil
	}
	if p.Data, err = filepath.Abs(options.Data); err == nil {
		err = os.MkdirAll(p.Data, 0o700)
	}
	if err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	return nil
}

// overrides gives the settings that differ from the configuration file.
func (p *Plan) overrides(base *config.Config, options Options) (map[string]string, error) {
	flags := map[string]string{"storage.dir": p.Data}
	logs := options.Logs
	switch {
	case options.PortsFrom > 0 && options.RandomPorts:
		return nil, errors.New("give either --ports-from or --random-ports, not both")
	case options.PortsFrom > 0:
		for _, replica := range base.Replicas {
			flags["replicas."+replica.ID+".client"] = loopback(options.PortsFrom + replica.Number)
			flags["replicas."+replica.ID+".peer"] = loopback(options.PortsFrom + portsOfPeers + replica.Number)
		}
	case options.RandomPorts:
		ports, guard, err := reservePorts(2 * len(base.Replicas))
		if err != nil {
			return nil, err
		}
		p.guard = guard
		for i, replica := range base.Replicas {
			flags["replicas."+replica.ID+".client"] = loopback(ports[2*i])
			flags["replicas."+replica.ID+".peer"] = loopback(ports[2*i+1])
		}
	}
	if logs == "" {
		logs = base.Log.Dir
		if len(flags) > 1 {
			logs = filepath.Join(p.Data, "logs")
		}
	}
	var err error
	if flags["log.dir"], err = filepath.Abs(logs); err != nil {
		return nil, fmt.Errorf("find the log folder: %w", err)
	}
	return flags, nil
}

// portsOfPeers is the distance from a replica's port for clients to that for peers with PortsFrom.
const portsOfPeers = 10

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// load reads the configuration with the given settings over it.
func load(options Options, flags map[string]string) (*config.Config, error) {
	if options.ConfigFile != "" {
		return config.Load(options.ConfigFile, options.Environ, flags)
	}
	return config.Parse(config.Source{
		Name: "built-in configuration", Text: []byte(LocalConfig()), Environ: options.Environ, Flags: flags,
	})
}

// LocalConfig is the configuration that is used where there is no file: five replicas on this machine that may be
// broken on purpose.
func LocalConfig() string {
	var b strings.Builder
	b.WriteString("[cluster]\nname = \"demo\"\n[faults]\nenabled = true\n")
	for n := 1; n <= 5; n++ {
		fmt.Fprintf(&b, "[replicas.r%d]\nclient = %q\npeer = %q\n", n, loopback(7100+n), loopback(7200+n))
	}
	return b.String()
}

// writeConfig writes all settings that are not defaults, those of flags and environment included, so that the children
// and anybody else read the same.
func (p *Plan) writeConfig() error {
	var b strings.Builder
	b.WriteString("# Written by `synod up`, which writes it anew at every start.\n")
	for _, setting := range p.Config.Explain() {
		if setting.Origin != "default" {
			fmt.Fprintf(&b, "%s = %s\n", setting.Key, tomlValue(setting))
		}
	}
	p.ConfigFile = filepath.Join(p.Data, configName)
	if err := os.WriteFile(p.ConfigFile, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the configuration of the replicas: %w", err)
	}
	if _, err := config.Load(p.ConfigFile, nil, nil); err != nil {
		return fmt.Errorf("read back the configuration of the replicas: %w", err)
	}
	return nil
}

// tomlValue writes a setting as TOML: numbers, true and false bare, all else quoted. The name of a cluster is text even
// if it looks like a number; the other texts hold units or path separators.
func tomlValue(setting config.Setting) string {
	_, notNumber := strconv.ParseFloat(setting.Value, 64)
	bare := notNumber == nil || setting.Value == "true" || setting.Value == "false"
	if bare && setting.Key != "cluster.name" {
		return setting.Value
	}
	return tomlString(setting.Value)
}

// tomlString quotes a text for TOML, whose escapes are fewer than those of Go.
func tomlString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, char := range text {
		switch {
		case char == '"' || char == '\\':
			b.WriteByte('\\')
			b.WriteRune(char)
		case char < ' ' || char == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, char)
		default:
			b.WriteRune(char)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// childEnviron leaves out the settings: the generated file holds what they said, and flags have gone over them. A planted
// bug is none of them; replicas that were not built for one refuse to start with it.
func childEnviron(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		return strings.HasPrefix(entry, "SYNOD_") && !strings.HasPrefix(entry, "SYNOD_MUTANT=")
	})
}

const daemonName = "synodd"

func findDaemon(given string) (string, error) {
	if given != "" {
		if _, err := os.Stat(given); err != nil {
			return "", fmt.Errorf("find the replica's program (--synodd): %w", err)
		}
		return filepath.Abs(given)
	}
	if own, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(own); err == nil {
			own = real
		}
		beside := filepath.Join(filepath.Dir(own), daemonName)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	if found, err := exec.LookPath(daemonName); err == nil {
		return filepath.Abs(found)
	}
	return "", fmt.Errorf("%s is neither beside this program nor in PATH: build it with `make build`, or give "+
		"--synodd PATH", daemonName)
}

// Blocks of ports that RandomPorts draws from: below those that Linux gives to outgoing connections, of which one could
// otherwise take a replica's port before the replica does.
const (
	randomPortMin = 20000
	randomPortMax = 32000
	portsInBlock  = 20
	portTriesMax  = 2000
)

// reservePorts draws a block of ports of the loopback interface on which nobody listens now. It stays ours until guard
// is closed: guard listens on the first port of the block, and another `synod up` that draws the same block finds it
// taken, also while our replicas are not up yet or one of them is down.
func reservePorts(count int) (ports []int, guard net.Listener, err error) {
	if count >= portsInBlock {
		return nil, nil, fmt.Errorf("%d ports are more than the %d that --random-ports can reserve: give --ports-from", count,
			portsInBlock-1)
	}
	for range portTriesMax {
		first := randomPortMin + portsInBlock*rand.IntN((randomPortMax-randomPortMin)/portsInBlock)
		guard, err := net.Listen("tcp", loopback(first))
		if err != nil {
			continue
		}
		ports := make([]int, 0, count)
		for port := first + 1; port <= first+count && free(port); port++ {
			ports = append(ports, port)
		}
		if len(ports) == count {
			return ports, guard, nil
		}
		_ = guard.Close() // nothing was accepted
	}
	return nil, nil, fmt.Errorf("no %d free ports in a row from %d to %d: close programs that listen there, or give "+
		"--ports-from", count, randomPortMin, randomPortMax)
}

func free(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	return err == nil && listener.Close() == nil
}

// release gives up the reserved ports.
func (p *Plan) release() {
	if p.guard != nil {
		_ = p.guard.Close() // nothing was accepted
		p.guard = nil
	}
}

// checkPorts reports the addresses of the cluster on which somebody else listens.
func (p *Plan) checkPorts() error {
	var busy []error
	for _, replica := range p.Config.Replicas {
		for _, address := range []string{replica.Client, replica.Peer} {
			listener, err := net.Listen("tcp", address)
			if err == nil {
				err = listener.Close()
			}
			if err != nil {
				busy = append(busy, fmt.Errorf("address %s of %s cannot be used: %w", address, replica.ID, err))
			}
		}
	}
	if len(busy) == 0 {
		return nil
	}
	return fmt.Errorf("%w\nanother cluster may be running: `synod status` asks it, `ss -ltnp` shows which process "+
		"listens; or start this one with --random-ports", errors.Join(busy...))
}

// fresh tells whether no replica has a folder yet, and names those that have none.
func (p *Plan) fresh() (bool, error) {
	var missing []string
	for _, id := range p.Config.ReplicaIDs() {
		_, err := os.Stat(p.Config.ReplicaDir(id))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, id)
		case err != nil:
			return false, fmt.Errorf("look for the state of %s: %w", id, err)
		}
	}
	return len(missing) == len(p.Config.Replicas), nil
}
