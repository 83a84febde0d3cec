package workload

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of a profile.
const (
	ClientsMax    = 10_000
	KeysMax       = 1_000_000
	ValueBytesMax = 1 << 20
	RateMax       = 10_000_000
	TimeMax       = 24 * time.Hour
)

// Distribution says how often which key is used.
type Distribution string

// The distributions.
const (
	Uniform Distribution = "uniform"
	Zipf    Distribution = "zipf" // exponent 0.99: few keys get most
)

// Profile says what the clients do.
type Profile struct {
	Name         string
	Put, Get     int // of 100 operations
	Delete       int
	Keys         int
	Distribution Distribution
	ValueBytes   int // at least what names the value
	Clients      int
	Rate         float64       // operations a second of all clients; 0: each sends when its last has ended
	Target       string        // auto, random, leader or a replica
	Time         time.Duration // 0: until it is stopped
	Timeout      time.Duration // of one operation; 0: 2 s
	Seed         uint64
	Judge        bool // record and judge every answer
	Keep         bool // leave the keys at the end
}

// Profiles are those that have a name, the default first.
func Profiles() []Profile {
	base := Profile{
		Name: "mixed", Put: 48, Get: 51, Delete: 1, Keys: 10_000, Distribution: Zipf, ValueBytes: 128, Clients: 64,
		Target: "auto", Time: time.Minute, Timeout: 2 * time.Second, Judge: true,
	}
	named := func(name string, change func(*Profile)) Profile {
		p := base
		p.Name = name
		change(&p)
		return p
	}
	return []Profile{
		base,
		named("read-heavy", func(p *Profile) { p.Put, p.Get, p.Delete = 5, 94, 1 }),
		named("write-heavy", func(p *Profile) { p.Put, p.Get, p.Delete = 90, 9, 1 }),
		named("contended", func(p *Profile) { p.Keys, p.Distribution, p.Clients = 8, Uniform, 16 }),
		named("large", func(p *Profile) { p.Put, p.Get, p.Delete, p.ValueBytes, p.Clients = 50, 50, 0, 16<<10, 16 }),
		named("gentle", func(p *Profile) { p.Rate, p.Clients, p.Keys = 200, 8, 1000 }),
	}
}

// Named finds a profile.
func Named(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("unknown profile %q, have %s", name, strings.Join(names, ", "))
}

// Check reports the first value out of its limits.
func (p *Profile) Check() error {
	if p.Put < 0 || p.Get < 0 || p.Delete < 0 || p.Put+p.Get+p.Delete != 100 {
		return fmt.Errorf("put=%d get=%d del=%d must add up to 100", p.Put, p.Get, p.Delete)
	}
	between := func(name string, value, low, high int) error {
		if value < low || value > high {
			return fmt.Errorf("%s=%d must be from %d to %d", name, value, low, high)
		}
		return nil
	}
	switch {
	case !slices.Contains([]Distribution{Uniform, Zipf}, p.Distribution):
		return fmt.Errorf("dist=%s must be uniform or zipf", p.Distribution)
	case !(p.Rate >= 0 && p.Rate <= RateMax): // nor what is no number
		return fmt.Errorf("rate=%g must be from 0 to %d operations a second", p.Rate, RateMax)
	case p.Time < 0 || p.Time > TimeMax:
		return fmt.Errorf("time=%v must be from 0 to %v", p.Time, TimeMax)
	case p.Timeout < 0 || p.Timeout > time.Hour:
		return fmt.Errorf("timeout=%v must be from 0 to %v", p.Timeout, time.Hour)
	}
	for _, err := range []error{
		between("keys", p.Keys, 1, KeysMax), between("size", p.ValueBytes, 0, ValueBytesMax),
		between("clients", p.Clients, 1, ClientsMax),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// kind draws what a client does next from a number below 100.
func (p *Profile) kind(draw int) kindIndex {
	switch {
	case draw < p.Put:
		return putIndex
	case draw < p.Put+p.Get:
		return getIndex
	default:
		return deleteIndex
	}
}
