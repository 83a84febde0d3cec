package command

import (
	"context"
	"fmt"

	"synod/console/quorum"
)

// quorumNow is what the cluster can do, by the word of the replicas.
func (e *Executor) quorumNow(ctx context.Context) quorum.Cluster {
	return quorum.Of(statusesOf(e.look(ctx, pollTimeout)))
}

// confirm computes what a command would do to the cluster, and asks for what that needs: nothing if it is mild, a yes
// if it is moderate, the cluster's name if updates would stop. Reversible is for what loses nothing.
func (e *Executor) confirm(
	ctx context.Context, f *frame, c *call, change func(quorum.Cluster) quorum.Cluster, reversible bool,
) error {
	if err := e.writable(); err != nil {
		return err
	}
	if len(e.grammar.replicas) == 0 { // one server: what it means to the others is not known
		return e.moderate(ctx, f, Danger{Command: shown(c), Effect: "breaks something on purpose"})
	}
	now := e.quorumNow(ctx)
	effect := quorum.Compare(now, change(now), reversible)
	danger := Danger{Command: shown(c), Effect: "means that " + effect.Sentence}
	switch effect.Grade {
	case quorum.Severe:
		danger.Type = e.settings.ClusterName
		return e.severe(ctx, f, danger)
	case quorum.Moderate:
		return e.moderate(ctx, f, danger)
	}
	return nil
}

// named tells whether the script or the flags give the cluster's name: that allows everything.
func (e *Executor) named(f *frame) bool {
	return e.settings.ClusterName != "" && f.confirm == e.settings.ClusterName
}

func (e *Executor) severe(ctx context.Context, f *frame, danger Danger) error {
	if e.named(f) || e.ports.Ask != nil && danger.Type != "" && e.ports.Ask(ctx, danger) {
		return nil
	}
	name := danger.Type
	if name == "" {
		name = "NAME"
	}
	return fmt.Errorf("it %s; to do it all the same give --confirm=%s, in a file: set confirm=%s", danger.Effect, name, name)
}

func (e *Executor) moderate(ctx context.Context, f *frame, danger Danger) error {
	if e.settings.Yes || f.yes || e.named(f) || e.ports.Ask != nil && e.ports.Ask(ctx, danger) {
		return nil
	}
	return fmt.Errorf("it %s; give --yes to do it without being asked", danger.Effect)
}
