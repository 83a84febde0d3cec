package memstore

import (
	"bytes"

	"github.com/cespare/xxhash/v2"
)

// node is a row and the root of a treap: keys in order from left to right,
// priorities falling downwards. The priority is a hash of the key, so that the
// same rows always make the same tree. Nodes are never changed: a change makes
// new nodes from the row up to the root.
type node struct {
	key, value  []byte
	priority    uint64
	left, right *node
}

func newNode(key, value []byte) *node {
	return &node{key: key, value: value, priority: xxhash.Sum64(key)}
}

func find(root *node, key []byte) ([]byte, bool) {
	for root != nil {
		switch order := bytes.Compare(key, root.key); {
		case order < 0:
			root = root.left
		case order > 0:
			root = root.right
		default:
			return root.value, true
		}
	}
	return nil, false
}

// insert gives the treap with row, which belongs to it from then on.
func insert(root, row *node) *node {
	if root == nil {
		return row
	}
	order := bytes.Compare(row.key, root.key)
	if order == 0 {
		row.left, row.right = root.left, root.right
		return row
	}
	if row.priority > root.priority {
		row.left, row.right = split(root, row.key)
		return row
	}
	changed := *root
	if order < 0 {
		changed.left = insert(root.left, row)
	} else {
		changed.right = insert(root.right, row)
	}
	return &changed
}

// split gives the rows below key and those from key on.
func split(root *node, key []byte) (below, from *node) {
	if root == nil {
		return nil, nil
	}
	changed := *root
	if bytes.Compare(root.key, key) < 0 {
		changed.right, from = split(root.right, key)
		return &changed, from
	}
	below, changed.left = split(root.left, key)
	return below, &changed
}

func remove(root *node, key []byte) *node {
	if root == nil {
		return nil
	}
	changed := *root
	switch order := bytes.Compare(key, root.key); {
	case order < 0:
		changed.left = remove(root.left, key)
	case order > 0:
		changed.right = remove(root.right, key)
	default:
		return join(root.left, root.right)
	}
	return &changed
}

// join makes one treap of two, all of whose keys are in order.
func join(left, right *node) *node {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case left.priority > right.priority:
		changed := *left
		changed.right = join(left.right, right)
		return &changed
	default:
		changed := *right
		changed.left = join(left, right.left)
		return &changed
	}
}

// ascend visits lower <= key < upper in order until visit returns false, and
// reports whether it never did.
func ascend(root *node, lower, upper []byte, visit func(key, value []byte) bool) bool {
	if root == nil {
		return true
	}
	aboveLower := bytes.Compare(root.key, lower) >= 0
	belowUpper := bytes.Compare(root.key, upper) < 0
	if aboveLower && !ascend(root.left, lower, upper, visit) {
		return false
	}
	if aboveLower && belowUpper && !visit(root.key, root.value) {
		return false
	}
	return !belowUpper || ascend(root.right, lower, upper, visit)
}
