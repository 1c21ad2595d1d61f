//go:build fdb

package kvenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
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

func openCluster(t testing.TB) kv.Database {
	t.Helper()
	db, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	below := WithPrefix(outlasting{db}, []byte("stampede-test/"+rand.Text()+"/"))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), clearTimeout)
		defer cancel()
		_, err := kv.Run(ctx, below, kv.RunOptions{}, func(tx kv.Tx) error {
			tx.ClearRange(kv.Range{Begin: nil, End: []byte{0xff, 0xff}})
			return nil
		})
		if err != nil && !kv.KindOf(err).Unknown() { // clearing once more would change nothing
			t.Errorf("clear the rows of the test: %v", err)
		}
	})
	return below
}
