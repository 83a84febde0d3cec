package tidy

import (
	"strings"
	"testing"
)

// rule judges sources. What it finds has to be mended, or listed as an exception.
type rule func([]*source) []finding

func rules() map[string]rule {
	return map[string]rule{
		"imports":           importRule,
		"file length":       fileLengthRule,
		"function length":   functionLengthRule,
		"banned imports":    bannedImportRule,
		"banned statements": bannedStatementRule,
		"variables":         variableRule,
		"init":              initRule,
		"package comments":  packageCommentRule,
		"words":             wordRule,
		"package names":     packageNameRule,
		"screen":            screenRule,
	}
}

// TestRules judges the whole tree.
func TestRules(t *testing.T) {
	all := tree(t)
	if len(all) < 100 {
		t.Fatalf("only %d sources were found: the rules judge nothing", len(all))
	}
	for name, rule := range rules() {
		t.Run(name, func(t *testing.T) {
			for _, f := range rule(all) {
				t.Error(f)
			}
		})
	}
}

// plant is a source that breaks one rule.
type plant struct {
	rule, path, text string
	want             string // part of the finding; empty if there must be none
}

func plants() []plant {
	long := "package p\n" + strings.Repeat("\n", fileLinesMax)
	function := "package p\nfunc f() {\n" + strings.Repeat("\tf()\n", functionLinesMax) + "}\n"
	return []plant{
		{"imports", "core/sim/x.go", `package sim; import _ "synod/protocol"`, "core decides and imports nothing above it"},
		{"imports", "core/kv/x.go", `package kv; import _ "synod/core/paxos"`, "kv does not know paxos"},
		{"imports", "core/paxos/x.go", `package paxos; import _ "synod/core/kv"`, "paxos imports only core/mutant"},
		{"imports", "core/paxos/x.go", `package paxos; import _ "github.com/cockroachdb/pebble/v2"`, "standard library"},
		{"imports", "protocol/x.go", `package protocol; import _ "synod/daemon/host"`, "protocol speaks"},
		{"imports", "protocol/x.go", `package protocol; import _ "synod/core/wal"`, "protocol speaks"},
		{"imports", "console/x.go", `package main; import _ "synod/core/paxos"`, "console shows"},
		{"imports", "console/x.go", `package main; import _ "synod/daemon/host"`, "console shows"},
		{"imports", "daemon/x.go", `package main; import _ "synod/console/state"`, "daemon does"},
		{"imports", "daemon/x.go", `package main; import _ "synod/protocol"`, ""},
		{"file length", "core/kv/x.go", long, "lines"},
		{"file length", "core/kv/x_test.go", long, ""},
		{"function length", "core/kv/x.go", function, "function f"},
		{"banned imports", "core/paxos/x.go", `package paxos; import _ "time"`, "no clocks"},
		{"banned imports", "core/kv/x.go", `package kv; import _ "math/rand/v2"`, "the seed comes from outside"},
		{"banned imports", "core/session/x.go", `package session; import _ "sync"`, "one goroutine"},
		{"banned imports", "core/sim/x.go", `package sim; import _ "net"`, "sockets"},
		{"banned imports", "core/kv/x_test.go", `package kv; import _ "time"`, ""},
		{"banned statements", "core/paxos/x.go", `package paxos; func f() { go f() }`, "go statement"},
		{"banned statements", "core/kv/x.go", `package kv; func f(c chan int) { }`, "channel"},
		{"banned statements", "core/agent/x.go", `package agent; func f() { select {} }`, "select"},
		{"banned statements", "core/wal/x.go", `package wal; func f() { go f() }`, ""},
		{"variables", "daemon/host/x.go", `package host; var count int`, "package-level variable count"},
		{"variables", "daemon/host/x.go", `package host; var names = map[int]string{}; func f() { names[1] = "a" }`, "changed"},
		{"variables", "daemon/host/x.go", `package host; var names = []string{}; func f() { names = nil }`, "changed"},
		{"variables", "daemon/host/x.go", `package host; var names = [...]string{"a"}; var _ = f; func f() {}`, ""},
		{"variables", "daemon/host/x.go", `package host; import "errors"; var ErrX = errors.New("x")`, ""},
		{"init", "daemon/host/x.go", `package host; func init() {}`, "init"},
		{"package comments", "core/kv/x.go", `package kv`, "no comment"},
		{"package comments", "core/kv/x.go", "// Package kx is wrong.\npackage kv", "begin with"},
		{"package comments", "core/kv/x.go", "// Package kv is enough.\npackage kv", ""},
		{"words", "core/kv/x.go", "package kv // TO" + "DO later", "TO" + "DO"},
		{"words", "core/kv/x.go", "package kv // see /wo" + "rk/main", "machine"},
		{"words", "core/kv/x.go", "package kv // the entry is comm" + "itted", "chosen"},
		{"package names", "core/util/x.go", "package util", "named by what it gives"},
		{"screen", "console/app/x.go", `package app; import _ "os"`, "no input or output"},
		{"screen", "console/panel/x.go", `package panel; import "time"; func f() { time.Now() }`, "its snapshot"},
		{"screen", "console/state/x.go", `package state; func f() { go f() }`, "the guard"},
		{"screen", "console/app/x.go", `package app; func f() { select {} }`, "waits for nothing"},
		{"screen", "console/feed/x.go", `package feed; import _ "os"`, ""},
	}
}

// TestRulesFire breaks each rule on purpose.
func TestRulesFire(t *testing.T) {
	fired := map[string]bool{}
	for _, p := range plants() {
		found := rules()[p.rule](planted(t, p.path, p.text))
		var texts []string
		for _, f := range found {
			if f.path == p.path {
				texts = append(texts, f.text)
			}
		}
		all := strings.Join(texts, "; ")
		switch {
		case p.want == "" && all != "":
			t.Errorf("%s: %q is found in %q", p.rule, all, p.text)
		case p.want != "" && !strings.Contains(all, p.want):
			t.Errorf("%s: %q is found, want %q, in %.80q", p.rule, all, p.want, p.text)
		case p.want != "":
			fired[p.rule] = true
		}
	}
	for name := range rules() {
		if !fired[name] {
			t.Errorf("no planted source makes the rule %q fire", name)
		}
	}
}
