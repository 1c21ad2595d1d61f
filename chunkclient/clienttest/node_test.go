package clienttest_test

import (
	"testing"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkclient/nodetest"
)

// TestNode: the node in memory behaves as a real one.
func TestNode(t *testing.T) {
	nodetest.Run(t, nodetest.Harness{Open: func(*testing.T) chunkclient.Node { return &clienttest.Node{} }})
}
