// Package kvenv gives tests their metadata engine by the environment: the embedded one in memory,
// or, with STAMPEDE_TEST_META=fdb, in a binary built with the tag fdb, the FoundationDB cluster that
// FDB_CLUSTER_FILE names, below a prefix of the test's own that is cleared when the test ends. So the same suites run over both:
//
//	STAMPEDE_TEST_META=fdb go test -tags fdb ./fdblayer/... ./store/...
//
// STAMPEDE_TEST_BUGGIFY=1 makes FoundationDB's client inject faults into itself. Only tests import this package.
//
// Concurrency: Open may be called by any goroutine of a test.
package kvenv

import (
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

const (
	// MetaEnv chooses the engine: "embedded", which is the default, or "fdb".
	MetaEnv = "STAMPEDE_TEST_META"
	// BuggifyEnv switches the faults of FoundationDB's client on when it is not empty.
	BuggifyEnv = "STAMPEDE_TEST_BUGGIFY"
	// ClusterEnv names the cluster file.
	ClusterEnv = "FDB_CLUSTER_FILE"
)

// OnFoundationDB reports whether tests run on a cluster.
func OnFoundationDB() bool { return os.Getenv(MetaEnv) == "fdb" }

// Open returns an engine that is empty. It is closed when the test ends, after
// all that the test opens on it. Closing it earlier does nothing on a cluster, which outlives every process.
func Open(t testing.TB) kv.Database {
	t.Helper()
	switch meta := os.Getenv(MetaEnv); meta {
	case "", "embedded":
		return openEmbedded(t)
	case "fdb":
		return openCluster(t)
	default:
		t.Fatalf("%s is %q, neither embedded nor fdb", MetaEnv, meta)
		return nil
	}
}

// Prefix returns a prefix of the test's own on the cluster, for processes that it starts. All rows below
// it are cleared when the test ends. It is an error when tests don't run on FoundationDB.
func Prefix(t testing.TB) []byte {
	t.Helper()
	_, prefix := openPrefix(t)
	return prefix
}

// openCluster opens the part of the cluster that is the test's own.
func openCluster(t testing.TB) kv.Database {
	t.Helper()
	db, prefix := openPrefix(t)
	return WithPrefix(db, prefix)
}

func openEmbedded(t testing.TB) kv.Database {
	t.Helper()
	db, err := pebblekv.Open(pebblekv.Options{Dir: "db", FS: vfs.NewMem(), MemTableBytes: 4 << 20, CacheBytes: 8 << 20, ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	return db
}
