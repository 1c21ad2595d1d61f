//go:build !fdb

package kvenv

import (
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

func openCluster(t testing.TB) kv.Database {
	t.Helper()
	t.Fatalf("%s=fdb needs a test binary built with -tags fdb", MetaEnv)
	return nil
}
