package pebblekv_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvtest"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

// clock is a clock that tests move.
type clock struct{ now atomic.Int64 }

func (c *clock) read() time.Duration { return time.Duration(c.now.Load()) }

// open opens a database that the test closes; it must close without error.
func open(t testing.TB, o pebblekv.Options) *pebblekv.DB {
	t.Helper()
	db, err := pebblekv.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// TestConformance runs the suite that defines a kv.Database, in memory.
func TestConformance(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kvtest.Harness {
		var c clock
		o := pebblekv.Options{Dir: "db", FS: vfs.NewMem(), Clock: c.read}
		db := open(t, o)
		return kvtest.Harness{
			DB:     db,
			Prefix: []byte("t/"),
			Reopen: func(t *testing.T) kv.Database {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = open(t, o)
				return db
			},
			Age: func(_ *testing.T, d time.Duration) { c.now.Add(int64(d)) },
		}
	})
}

// TestConformanceOnDisk runs it without a prefix on the real file system.
func TestConformanceOnDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("the same suite runs in memory")
	}
	kvtest.Run(t, func(t *testing.T) kvtest.Harness {
		return kvtest.Harness{DB: open(t, pebblekv.Options{Dir: t.TempDir()})}
	})
}
