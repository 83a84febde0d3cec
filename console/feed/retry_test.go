package feed

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"synod/console/command"
	"synod/core/kv"
	"synod/protocol/client/clienttest"
)

// script runs lines with an executor over a Cluster of these replicas, and gives its output.
func script(t *testing.T, cluster *clienttest.Cluster, steps ...any) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop() // cluster.Close waits for its listeners
	endpoints, err := cluster.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	feed, err := OpenCluster(t.Context(), endpoints, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	var out bytes.Buffer
	grammar := command.NewGrammar([]string{"r1", "r2", "r3"})
	executor := command.NewExecutor(grammar, command.Ports{
		Cluster: feed, Output: command.NewText(&out, &out), Log: discard(),
	}, command.Settings{})
	for _, step := range steps {
		switch step := step.(type) {
		case func():
			step()
		case string:
			statements, err := command.NewParser(grammar, nil).Script("t", []byte(step))
			if err != nil {
				t.Fatal(err)
			}
			executor.Run(t.Context(), statements)
		}
	}
	if summary := executor.Summary(); summary.Unmet > 0 {
		t.Errorf("an expectation failed:\n%s", out.String())
	}
	return out.String()
}

// TestRetry: an answer is lost, others write, and retry gives the result of the first and only execution.
func TestRetry(t *testing.T) {
	cluster := clienttest.New(3)
	defer cluster.Close()
	treat := func(replica string, treatment clienttest.Treatment) func() {
		return func() { cluster.Replica(replica).TreatAll(treatment) }
	}
	output := script(t, cluster,
		"retry\nput warm up @r1\nexpect ok\n",
		treat("r1", clienttest.Drop), "put color red @r1\nexpect error unavailable\n",
		treat("r2", clienttest.Drop), "retry @r2\nexpect error unavailable\n",
		treat("r1", clienttest.Answer), treat("r2", clienttest.Answer),
		"put color blue @r3\nexpect ok\nretry\nexpect ok\nretry @r3\nget color @r3\nexpect value blue\n",
		treat("r3", clienttest.Swallow), "del color @r3 timeout=200ms\nexpect error timeout\n",
		treat("r3", clienttest.Answer), "retry @r3\nexpect ok\nget color @r3\nexpect missing\n",
	)
	if n := cluster.Applies(); n != 4 {
		t.Errorf("%d updates executed, want 4:\n%s", n, output)
	}
	if n := strings.Count(output, "nothing to retry"); n != 2 {
		t.Errorf("%d of 2 retries without need were refused:\n%s", n, output)
	}
}

// TestRetryAfterExpiry: what the cluster has forgotten stays unknown, however often one asks.
func TestRetryAfterExpiry(t *testing.T) {
	cluster := clienttest.NewWith(3, kv.Options{SessionsMax: 1, SessionGuardSlots: 2})
	defer cluster.Close()
	one := cluster.Replica("r1")
	output := script(t, cluster,
		"put warm up @r1\nexpect ok\n",
		func() { one.TreatAll(clienttest.Swallow) }, "put color red @r1 timeout=200ms\nexpect error timeout\n",
		func() {
			one.TreatAll(clienttest.Answer)
			cluster.Advance(5)
			script(t, cluster, "put other session\nexpect ok\n")
		},
		strings.Repeat("retry @r2\nexpect error session_expired\nretry\nexpect error session_expired\n", 2),
	)
	if n := cluster.Applies(); n != 2 {
		t.Errorf("%d updates executed, want 2:\n%s", n, output)
	}
}
