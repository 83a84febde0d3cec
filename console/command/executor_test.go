package command

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
)

// play runs a script against a fake cluster in virtual time and gives everything that was written.
func play(t *testing.T, fake *fakeCluster, settings Settings, script string) (string, Summary) {
	t.Helper()
	grammar := NewGrammar(fiveReplicas)
	statements, err := NewParser(grammar, nil).Script("test.synod", []byte(script))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var summary Summary
	synctest.Test(t, func(t *testing.T) {
		text := NewText(&out, &out)
		e := NewExecutor(grammar, Ports{Cluster: fake, Operator: fake, Processes: fake, Output: text}, settings)
		e.Run(context.Background(), statements)
		summary = e.Finish()
	})
	return out.String(), summary
}

func TestDemoHolds(t *testing.T) {
	out, summary := play(t, newFake(), Settings{ClusterName: "demo", Yes: true}, string(Demo()))
	if summary.ExitCode() != ExitOK || summary.Elapsed.Seconds() > 20 {
		t.Errorf("exit code %d after %v\n%s", summary.ExitCode(), summary.Elapsed, out)
	}
	for _, verb := range []string{"put ", "get ", "del "} {
		if strings.Count(out, "  "+verb) < 5 {
			t.Errorf("fewer than five of %s\n%s", verb, out)
		}
	}
	if testing.Verbose() {
		t.Log("\n" + out)
	}
}
