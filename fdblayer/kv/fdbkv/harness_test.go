//go:build fdb

package fdbkv_test

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/fdbkv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvtest"
)

// buggify has the client inject faults into itself.
var buggify = os.Getenv("STAMPEDE_TEST_BUGGIFY") != ""

// clusterEnv names the cluster file, as for FoundationDB's own tools.
const clusterEnv = "FDB_CLUSTER_FILE"

// stubEnv is set where this package is linked to a library that only has the symbols.
const stubEnv = "STAMPEDE_FDB_STUB"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(clusterEnv) == "" {
		bar := strings.Repeat("!", 78)
		fmt.Fprintf(os.Stderr, "%s\n!! NOT TESTED ON FOUNDATIONDB: %s is not set.\n!! Tests that need a cluster are skipped (docs/foundationdb.md).\n%s\n", bar, clusterEnv, bar)
	}
	os.Exit(m.Run())
}

// needsClient skips a test that needs the real client library.
func needsClient(t testing.TB) {
	t.Helper()
	if os.Getenv(stubEnv) != "" {
		t.Skip("the client library is a stub")
	}
}

func options(file string) fdbkv.Options {
	return fdbkv.Options{ClusterFile: file, Network: fdbkv.Network{Buggify: buggify}}
}

// open opens a database that the test closes.
func open(t testing.TB, file string) *fdbkv.DB {
	t.Helper()
	db, err := fdbkv.Open(options(file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// cluster opens the cluster of the environment, and returns it with a prefix of the test's own, which
// is cleared at the end.
func cluster(t testing.TB) (*fdbkv.DB, []byte) {
	t.Helper()
	file := os.Getenv(clusterEnv)
	if file == "" {
		t.Skipf("NOT TESTED ON FOUNDATIONDB: %s is not set", clusterEnv)
	}
	db := open(t, file)
	sweep := open(t, file) // the test may close the other one
	prefix := []byte("stampede-test/kv/" + rand.Text() + "/")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		clear := func(tx kv.Tx) error {
			tx.ClearRange(kv.Range{Begin: prefix, End: append(prefix[:len(prefix)-1:len(prefix)-1], '/'+1)})
			return nil
		}
		if _, err := kv.Run(ctx, sweep, kv.RunOptions{}, clear); err != nil {
			t.Errorf("clear the rows of the test: %v", err)
		}
	})
	return db, prefix
}

// TestConformance runs the suite that defines a kv.Database, on a real cluster.
func TestConformance(t *testing.T) {
	if buggify {
		t.Skip("the suite asserts what happens without faults; those of fdblayer and store run with them")
	}
	kvtest.Run(t, func(t *testing.T) kvtest.Harness {
		db, prefix := cluster(t)
		h := kvtest.Harness{DB: db, Prefix: prefix, Age: func(t *testing.T, d time.Duration) {
			time.Sleep(d) // a version's age is the cluster's to tell
		}}
		if os.Getenv(restartEnv) != "" {
			h.Reopen = func(t *testing.T) kv.Database {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				restart(t)
				db = open(t, os.Getenv(clusterEnv))
				return db
			}
		}
		return h
	})
}
