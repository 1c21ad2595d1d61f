//go:build fdb

package fdbkv_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/fdbkv"
)

// restartEnv is a shell command that kills the cluster's processes and starts them again.
const restartEnv = "STAMPEDE_TEST_FDB_RESTART"

func restart(t testing.TB) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", os.Getenv(restartEnv)).CombinedOutput(); err != nil {
		t.Fatalf("restart the cluster: %v\n%s", err, out)
	}
}

// counter is a row that is incremented by one transaction at a time. What it was before an attempt is the
// evidence of the attempt: nobody else writes it.
type counter struct {
	db     *fdbkv.DB
	key    []byte
	before uint64
}

func (c *counter) Mark(kv.Tx) {}

// Settle fences the attempt by a commit that conflicts with it, and reads what became of it.
func (c *counter) Settle(ctx context.Context, _ error) (kv.Commit, bool, error) {
	var now uint64
	commit, err := kv.Run(ctx, c.db, kv.RunOptions{AttemptsMax: 1000}, func(tx kv.Tx) (err error) {
		tx.AddWriteConflict(kv.Range{Begin: c.key, End: append(c.key[:len(c.key):len(c.key)], 0)})
		now, err = c.read(ctx, tx)
		return err
	})
	return commit, now != c.before, err
}

func (c *counter) read(ctx context.Context, tx kv.Tx) (uint64, error) {
	value, err := tx.Get(c.key).Get(ctx)
	if err != nil || value == nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

func (c *counter) increment(ctx context.Context) error {
	o := kv.RunOptions{Evidence: c, AttemptsMax: 1000, SettleTimeout: time.Minute}
	_, err := kv.Run(ctx, c.db, o, func(tx kv.Tx) (err error) {
		if c.before, err = c.read(ctx, tx); err != nil {
			return err
		}
		tx.Set(c.key, binary.BigEndian.AppendUint64(nil, c.before+1))
		return nil
	})
	return err
}

// TestRestarts increments counters while the cluster is killed and started again: nothing acknowledged is
// lost, nothing is applied twice, and everything goes on by itself.
func TestRestarts(t *testing.T) {
	if os.Getenv(restartEnv) == "" {
		t.Skipf("%s is not set", restartEnv)
	}
	db, prefix := cluster(t)
	const clients, restarts = 16, 3
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var done [clients]uint64
	for i := range clients {
		c := &counter{db: db, key: key(prefix, fmt.Sprintf("counter%02d", i))}
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := c.increment(ctx); err != nil {
					t.Errorf("counter %d after %d: %v", i, done[i], err)
					return
				}
				done[i]++
			}
		})
	}
	for range restarts {
		if err := (&counter{db: db, key: key(prefix, "pace")}).increment(ctx); err != nil { // it has recovered
			t.Fatal(err)
		}
		restart(t)
	}
	if err := (&counter{db: db, key: key(prefix, "pace")}).increment(ctx); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	tx := db.Begin(kv.TxOptions{})
	defer tx.Cancel()
	for i := range clients {
		c := &counter{db: db, key: key(prefix, fmt.Sprintf("counter%02d", i))}
		if got, err := c.read(ctx, tx); err != nil || got != done[i] {
			t.Errorf("counter %d is %d (%v), acknowledged %d", i, got, err, done[i])
		}
	}
	t.Logf("increments: %v", done)
}
