//go:build !fdb

package kvenv

import (
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

func openPrefix(t testing.TB) (kv.Database, []byte) {
	t.Helper()
	t.Fatalf("%s=fdb needs a test binary built with -tags fdb", MetaEnv)
	return nil, nil
}
