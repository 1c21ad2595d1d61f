//go:build fdb

package kvenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/fdbkv"
)

// clearTimeout bounds the clearing of a test's rows.
const clearTimeout = time.Minute

// shared is the one handle of the process: opening one for each test would connect each time.
var shared = sync.OnceValues(func() (*fdbkv.DB, error) {
	file := os.Getenv(ClusterEnv)
	if file == "" {
		return nil, fmt.Errorf("%s=fdb needs %s", MetaEnv, ClusterEnv)
	}
	return fdbkv.Open(fdbkv.Options{ClusterFile: file, Network: fdbkv.Network{Buggify: os.Getenv(BuggifyEnv) != ""}})
})

// outlasting is a database that its users can't close.
type outlasting struct{ *fdbkv.DB }

func (outlasting) Close() error { return nil }

// openPrefix returns the cluster and a prefix of the test's own, and clears that at the end.
func openPrefix(t testing.TB) (kv.Database, []byte) {
	t.Helper()
	db, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	prefix := []byte("stampede-test/" + rand.Text() + "/")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), clearTimeout)
		defer cancel()
		_, err := kv.Run(ctx, db, kv.RunOptions{}, func(tx kv.Tx) error {
			tx.ClearRange(kv.Range{Begin: prefix, End: append(slices.Clip(prefix), 0xff, 0xff)})
			return nil
		})
		if err != nil && !kv.KindOf(err).Unknown() { // clearing once more would change nothing
			t.Errorf("clear the rows of the test: %v", err)
		}
	})
	return outlasting{db}, prefix
}
