package pebblekv_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

// durabilitySeeds is how many machines TestNothingReadIsLost stops.
const durabilitySeeds = 12

// TestNothingReadIsLost stops the machine at random moments, with any part of what was not
// synced, while some commit and others read: afterwards everything is there that was
// acknowledged or that any reader had seen, and nothing has a version as great as the new ones. The
// folder is new and deep, so that the names above it count, too.
func TestNothingReadIsLost(t *testing.T) {
	seeds := durabilitySeeds
	if testing.Short() {
		seeds = 4
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			o := pebblekv.Options{Dir: "data/deep/db", MemTableBytes: 1 << 20}
			fs := vfs.NewCrashableMem()
			for generation := range 2 {
				o.FS = fs
				fs = stopMachine(t, o, fs, byte(generation), rng)
			}
		})
	}
}

// seen is the greatest count of each row that a commit or a read has told, and the greatest version.
type seen struct {
	mu      sync.Mutex
	counts  map[string]uint64
	version kv.Version
}

func (s *seen) note(key string, count uint64, v kv.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[key] = max(s.counts[key], count)
	s.version = max(s.version, v)
}

const countedRows = 4

func countedRow(i int) string { return fmt.Sprintf("n%d", i) }

// stopMachine works on a database, takes a crash clone, and holds it against what was seen before.
func stopMachine(t *testing.T, o pebblekv.Options, fs *vfs.MemFS, generation byte, rng *rand.Rand) *vfs.MemFS {
	db, err := pebblekv.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	before := seen{counts: map[string]uint64{}}
	ctx, cancel := context.WithCancel(t.Context())
	progress := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for w := range countedRows {
		key, filler := countedRow(w), make([]byte, 1+rng.IntN(20_000))
		wg.Go(func() {
			for ctx.Err() == nil {
				var count uint64
				c, err := kv.Run(ctx, db, kv.RunOptions{}, func(tx kv.Tx) error {
					value, err := tx.Get([]byte(key)).Get(ctx)
					count = 1
					if len(value) == 8 {
						count += binary.BigEndian.Uint64(value)
					}
					tx.Set([]byte(key), binary.BigEndian.AppendUint64(nil, count))
					tx.Set(append([]byte{'f', generation}, key...), filler)
					return err
				})
				if err == nil {
					before.note(key, count, c.Version)
				}
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				tx := db.Begin(kv.TxOptions{})
				at, err := tx.ReadVersion().Get(ctx)
				value, getErr := tx.Get([]byte(key)).Get(ctx)
				tx.Cancel()
				if err != nil || getErr != nil {
					t.Errorf("read: %v, %v", err, getErr)
					return
				}
				if len(value) == 8 {
					before.note(key, binary.BigEndian.Uint64(value), at.Version)
				}
			}
		})
	}
	for range 1 + rng.IntN(100) {
		<-progress
	}
	before.mu.Lock()
	want, version := map[string]uint64{}, before.version
	for key, count := range before.counts {
		want[key] = count
	}
	before.mu.Unlock()
	crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	cancel()
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS = crashed
	db, err = pebblekv.Open(o)
	if err != nil {
		t.Fatalf("open after a crash: %v", err)
	}
	defer db.Close()
	for key, count := range want {
		if got := get(t, db, key); len(got) != 8 || binary.BigEndian.Uint64(got) < count {
			t.Errorf("%s: got %x, %d was seen", key, got, count)
		}
	}
	c, err := commit(t.Context(), db, "after", nil)
	if err != nil || c.Version <= version {
		t.Errorf("got version %d, %v; %d was seen", c.Version, err, version)
	}
	return crashed
}

// TestAbandonedCommitsAreFreed gives up large commits while a sync hangs: they hold no memory, although
// there is always room for the next.
func TestAbandonedCommitsAreFreed(t *testing.T) {
	fs := &gateFS{FS: vfs.NewMem(), arrived: make(chan struct{}, 16)}
	db := open(t, pebblekv.Options{Dir: "db", FS: fs})
	fs.shut()
	defer fs.open()
	go func() { _, _ = commit(context.Background(), db, "in flight", nil) }() // its outcome is another test's
	<-fs.arrived
	const n, rows = 64, 20
	for range n {
		tx := db.Begin(kv.TxOptions{})
		for i := range rows {
			tx.Set([]byte{byte(i)}, make([]byte, kv.ValueMaxBytes))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		_, err := tx.Commit(ctx)
		cancel()
		if err != context.DeadlineExceeded {
			t.Fatalf("got %v, want the context's error", err)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > n*rows*kv.ValueMaxBytes/2 {
		t.Errorf("%d MiB in use after %d MiB were given up", m.HeapAlloc>>20, n*rows*kv.ValueMaxBytes>>20)
	}
}
