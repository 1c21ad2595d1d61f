//go:build fdb

package fdbkv_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/fdbkv"
)

var cancelledRequests = flag.Int("cancelled", 20_000, "requests of TestCancelledRequests")

// unreachable opens a cluster whose coordinator nobody is: everything asked of it waits for ever.
func unreachable(t testing.TB) *fdbkv.DB {
	t.Helper()
	needsClient(t)
	file := filepath.Join(t.TempDir(), "fdb.cluster")
	if err := os.WriteFile(file, []byte("nobody:here@127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, file)
}

func key(prefix []byte, k string) []byte { return append(bytes.Clone(prefix), k...) }

func between(prefix []byte, begin, end string) kv.Range {
	return kv.Range{Begin: key(prefix, begin), End: key(prefix, end)}
}

// A request of each kind, and what it must return when ctx ends.
var requests = []struct {
	name string
	run  func(ctx context.Context, tx kv.Tx, prefix []byte) error
	want kv.ErrorKind // 0: ctx's error as it is
}{
	{"get", func(ctx context.Context, tx kv.Tx, prefix []byte) error {
		_, err := tx.Get(key(prefix, "a")).Get(ctx)
		return err
	}, 0},
	{"snapshot range", func(ctx context.Context, tx kv.Tx, prefix []byte) error {
		_, err := tx.Snapshot().GetRange(between(prefix, "a", "b"), kv.RangeOptions{}).Get(ctx)
		return err
	}, 0},
	{"range with limit", func(ctx context.Context, tx kv.Tx, prefix []byte) error {
		_, err := tx.GetRange(between(prefix, "a", "b"), kv.RangeOptions{Limit: 3, Reverse: true}).Get(ctx)
		return err
	}, 0},
	{"read version", func(ctx context.Context, tx kv.Tx, prefix []byte) error {
		_, err := tx.ReadVersion().Get(ctx)
		return err
	}, 0},
	{"many reads, one awaited", func(ctx context.Context, tx kv.Tx, prefix []byte) error {
		for i := range 10 {
			tx.Get(key(prefix, string(rune(i))))
		}
		_, err := tx.Get(key(prefix, "a")).Get(ctx)
		return err
	}, 0},
	{"commit", func(ctx context.Context, tx kv.Tx, prefix []byte) error {
		tx.Set(key(prefix, "cancelled"), bytes.Repeat([]byte("v"), 1000))
		_, err := tx.Commit(ctx)
		return err
	}, kv.MayStillLand},
	{"commit of reads", func(ctx context.Context, tx kv.Tx, prefix []byte) error {
		tx.Get(key(prefix, "a"))
		_, err := tx.Commit(ctx)
		return err
	}, 0},
}

func checkCancelled(name string, err error, want kv.ErrorKind) error {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) || kv.KindOf(err) != want {
		return fmt.Errorf("%s: got %v (kind %d), want the context's error, kind %d", name, err, kv.KindOf(err), want)
	}
	return nil
}

// TestCancelled: a wait ends when its context does, and with it all that its transaction waits for.
func TestCancelled(t *testing.T) {
	db := unreachable(t)
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			tx := db.Begin(kv.TxOptions{})
			defer tx.Cancel()
			result := make(chan error, 1)
			go func() { result <- r.run(ctx, tx, nil) }()
			select {
			case err := <-result:
				t.Fatalf("did not wait: %v", err)
			case <-time.After(20 * time.Millisecond): // so that it does wait, most of the time
			}
			cancel()
			if err := checkCancelled(r.name, <-result, r.want); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("by another's context", func(t *testing.T) {
		tx := db.Begin(kv.TxOptions{})
		defer tx.Cancel()
		read, other := tx.Get([]byte("a")), tx.Get([]byte("b"))
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 2)
		go func() { _, err := read.Get(t.Context()); result <- err }()
		go func() { _, err := other.Get(ctx); result <- err }()
		cancel()
		for range 2 {
			err := <-result
			if !errors.Is(err, context.Canceled) && kv.KindOf(err) != kv.Fatal {
				t.Errorf("got %v", err)
			}
		}
		tx.Set([]byte("a"), nil)
		if _, err := tx.Commit(t.Context()); kv.KindOf(err) != kv.Fatal {
			t.Errorf("commit: got %v, want fatal: nothing was sent", err)
		}
	})
	t.Run("by Cancel", func(t *testing.T) {
		tx := db.Begin(kv.TxOptions{})
		page := tx.GetRange(kv.Range{Begin: []byte("a"), End: []byte("b")}, kv.RangeOptions{})
		result := make(chan error, 1)
		go func() { _, err := page.Get(t.Context()); result <- err }()
		tx.Cancel()
		if err := <-result; kv.KindOf(err) != kv.Fatal {
			t.Errorf("got %v", err)
		}
	})
}

// TestClose: it ends what is under way, and nothing begins after it.
func TestClose(t *testing.T) {
	db := unreachable(t)
	reading, writing := db.Begin(kv.TxOptions{}), db.Begin(kv.TxOptions{})
	defer reading.Cancel()
	writing.Set([]byte("a"), nil)
	result := make(chan error, 2)
	read := reading.Get([]byte("a"))
	go func() { _, err := read.Get(t.Context()); result <- err }()
	go func() { _, err := writing.Commit(t.Context()); result <- err }()
	time.Sleep(10 * time.Millisecond) // so that they do wait, most of the time
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-result; err == nil {
			t.Error("went on after Close")
		}
	}
	late := db.Begin(kv.TxOptions{})
	defer late.Cancel()
	late.Set([]byte("a"), nil)
	if _, err := late.Get([]byte("a")).Get(t.Context()); kv.KindOf(err) != kv.Fatal {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := late.Commit(t.Context()); kv.KindOf(err) != kv.Fatal {
		t.Errorf("commit after Close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestOpenAgain: databases of one process share the client, so their options must agree.
func TestOpenAgain(t *testing.T) {
	db := unreachable(t)
	file := filepath.Join(t.TempDir(), "fdb.cluster")
	if err := os.WriteFile(file, []byte("nobody:here@127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := fdbkv.Open(fdbkv.Options{ClusterFile: file, Network: fdbkv.Network{TraceDir: t.TempDir(), Buggify: buggify}}); err == nil {
		t.Errorf("opened with other options of the client (%v)", other.Close())
	}
	again := open(t, file)
	same, err := fdbkv.Open(options(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := same.Close(); err != nil { // the other one stays open
		t.Fatal(err)
	}
	for _, db := range []*fdbkv.DB{db, again} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		tx := db.Begin(kv.TxOptions{})
		if _, err := tx.Get([]byte("a")).Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		tx.Cancel()
		cancel()
	}
}

// TestCancelledRequests: however many requests end before their answers come, neither goroutines nor
// memory grow. With -cancelled=1000000 it runs for some minutes.
func TestCancelledRequests(t *testing.T) {
	t.Run("cluster away", func(t *testing.T) {
		db := unreachable(t)
		for !isBusy(readOnce(t, db, 10*time.Millisecond)) { // until it is known to be away requests wait, and take memory
		}
		cancelMany(t, db, nil, math.MaxInt64) // one that was not handed out can't be known to be too old
		if !isBusy(readOnce(t, db, 10*time.Millisecond)) {
			t.Error("it is not known to be away any more")
		}
	})
	t.Run("cluster there", func(t *testing.T) {
		db, prefix := cluster(t)
		cancelMany(t, db, prefix, 0)
		if err := readOnce(t, db, time.Minute); err != nil {
			t.Errorf("a request that is not cancelled: %v", err)
		}
	})
}

// readOnce reads one key.
func readOnce(t testing.TB, db *fdbkv.DB, timeout time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	tx := db.Begin(kv.TxOptions{})
	defer tx.Cancel()
	_, err := tx.Get([]byte("a")).Get(ctx)
	return err
}

func isBusy(err error) bool { return kv.KindOf(err) == kv.Busy }

// cancelMany makes requests, a part of them at a given version, and ends their contexts.
func cancelMany(t *testing.T, db *fdbkv.DB, prefix []byte, at kv.Version) {
	const clients, growthMaxBytes = 64, 32 << 20
	goroutines := runtime.NumGoroutine()
	run := func(n int) (rssMax int64) {
		var next, highest atomic.Int64
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					if err := cancelOne(t.Context(), db.Begin(kv.TxOptions{ReadVersion: at * kv.Version(min(1, i%4))}), i, prefix); err != nil {
						t.Error(err)
						return
					}
					if i%1000 == 0 {
						highest.Store(max(highest.Load(), int64(rss(t)))) // about
					}
				}
			})
		}
		wg.Wait()
		return highest.Load()
	}
	n := *cancelledRequests
	warm := run(max(n/4, 5000))
	all := run(n)
	t.Logf("%d requests: %d MiB at most, %d MiB before", n, all>>20, warm>>20)
	if all > warm+growthMaxBytes && !raceEnabled {
		t.Errorf("memory grew from %d to %d bytes", warm, all)
	}
	// Some are left for a moment: the pulse of the database, and functions that end with contexts.
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines+2; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left, there were %d", runtime.NumGoroutine(), goroutines)
		}
	}
}

// cancelOne runs a request whose context ends before, while or after it begins to wait.
func cancelOne(ctx context.Context, tx kv.Tx, i int64, prefix []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer tx.Cancel()
	switch i % 3 {
	case 0:
		cancel()
	case 1:
		timer := time.AfterFunc(time.Duration(i%7)*100*time.Microsecond, cancel)
		defer timer.Stop()
	default:
		go cancel()
	}
	r := requests[i%int64(len(requests))]
	err := r.run(ctx, tx, prefix)
	switch k := kv.KindOf(err); {
	case err == nil || k == kv.Busy: // it was answered in time
		return nil
	case k == 0 && r.want != 0:
		return checkCancelled(r.name, err, 0) // it ended before the commit was sent
	default:
		return checkCancelled(r.name, err, r.want)
	}
}

// rss is the resident memory of the process in bytes.
func rss(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("the resident memory can't be measured here:", err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(text)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
