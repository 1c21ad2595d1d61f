package pebblekv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

// commit makes one blind commit of one row.
func commit(ctx context.Context, db kv.Database, key string, value []byte) (kv.Commit, error) {
	tx := db.Begin(kv.TxOptions{})
	defer tx.Cancel()
	tx.Set([]byte(key), value)
	return tx.Commit(ctx)
}

func get(t testing.TB, db kv.Database, key string) []byte {
	t.Helper()
	tx := db.Begin(kv.TxOptions{})
	defer tx.Cancel()
	value, err := tx.Get([]byte(key)).Get(t.Context())
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return value
}

// acknowledged is what commits were acknowledged, and the greatest version among them.
type acknowledged struct {
	mu      sync.Mutex
	rows    map[string]kv.Commit
	version kv.Version
}

func (a *acknowledged) add(key string, c kv.Commit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows[key] = c
	a.version = max(a.version, c.Version)
}

func (a *acknowledged) copy() (map[string]kv.Commit, kv.Version) {
	a.mu.Lock()
	defer a.mu.Unlock()
	rows := map[string]kv.Commit{}
	for k, c := range a.rows {
		rows[k] = c
	}
	return rows, a.version
}

// TestCrash takes crash clones of the file system while workers commit: with just what was
// synced, and with random remains of what was not. Each must open, hold every
// commit acknowledged before it, each whole, and go on with greater versions.
func TestCrash(t *testing.T) {
	seed := rand.Uint64()
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	for round := range 6 {
		db, err := pebblekv.Open(pebblekv.Options{Dir: "db", FS: fs, MemTableBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		acks := acknowledged{rows: map[string]kv.Commit{}}
		progress := make(chan struct{}, 1<<16)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					key := fmt.Sprintf("%d.%d.%d", round, w, i)
					tx := db.Begin(kv.TxOptions{})
					tx.Set([]byte("a/"+key), bytes.Repeat([]byte(key), 300))
					tx.Set([]byte("b/"+key), []byte(key))
					tx.Atomic(kv.Add, []byte("n"), []byte{1, 0, 0, 0})
					c, err := tx.Commit(ctx)
					if err == nil {
						acks.add(key, c)
						progress <- struct{}{}
					}
				}
			})
		}
		for range 50 + rng.IntN(1000) {
			<-progress
		}
		rows, version := acks.copy()
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50 * (round % 3), RNG: rng})
		cancel()
		wg.Wait()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		fs = clone
		checkCrashed(t, clone, rows, version)
	}
}

func checkCrashed(t *testing.T, fs vfs.FS, rows map[string]kv.Commit, version kv.Version) {
	t.Helper()
	db, err := pebblekv.Open(pebblekv.Options{Dir: "db", FS: fs})
	if err != nil {
		t.Fatalf("open after a crash: %v", err)
	}
	defer db.Close()
	for key := range rows {
		if got := get(t, db, "b/"+key); string(got) != key {
			t.Fatalf("acknowledged %q: got %q", key, got)
		}
	}
	tx := db.Begin(kv.TxOptions{})
	defer tx.Cancel()
	a, err := tx.GetRange(kv.Range{Begin: []byte("a/"), End: []byte("a0")}, kv.RangeOptions{}).Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := tx.GetRange(kv.Range{Begin: []byte("b/"), End: []byte("b0")}, kv.RangeOptions{}).Get(t.Context())
	if err != nil || len(a.Rows) != len(b.Rows) {
		t.Fatalf("%d first rows and %d second rows: a transaction was torn (%v)", len(a.Rows), len(b.Rows), err)
	}
	n := get(t, db, "n")
	if got := int(n[0]) | int(n[1])<<8 | int(n[2])<<16; got != len(a.Rows) {
		t.Fatalf("counted %d, %d transactions there", got, len(a.Rows))
	}
	v, err := tx.ReadVersion().Get(t.Context())
	if err != nil || v.Version <= version {
		t.Fatalf("read version %d after a crash, %d was assigned before (%v)", v.Version, version, err)
	}
	c, err := commit(t.Context(), db, "after", nil)
	if err != nil || c.Version <= v.Version {
		t.Fatalf("got %v, %v; want a version above %d", c, err, v.Version)
	}
}

// fill commits rows of 64 KiB until one fails, so that logs and tables
// change; it gives up after 64 MiB.
func fill(t *testing.T, db kv.Database) (rows []string, err error) {
	t.Helper()
	for i := range 1024 {
		key := fmt.Sprintf("fill%04d", i)
		if _, err := commit(t.Context(), db, key, make([]byte, 64<<10)); err != nil {
			return rows, err
		}
		rows = append(rows, key)
	}
	t.Fatal("nothing failed")
	return nil, nil
}

// TestWriteFailure makes each kind of write fail once, for good or with the disk full. The process
// must live on, the engine must take no commit any more and keep reading what was acknowledged, and a
// restart must find it again.
func TestWriteFailure(t *testing.T) {
	isLog := func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".log") }
	isManifest := func(op errorfs.Op) bool { return strings.Contains(op.Path, "MANIFEST") }
	rows := []struct {
		name  string
		cause error
		match func(op errorfs.Op) bool
	}{
		{"log sync", syscall.EIO, func(op errorfs.Op) bool {
			return isLog(op) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
		}},
		{"log write", syscall.EIO, func(op errorfs.Op) bool { return isLog(op) && op.Kind == errorfs.OpFileWrite }},
		{"log write, full", syscall.ENOSPC, func(op errorfs.Op) bool { return isLog(op) && op.Kind == errorfs.OpFileWrite }},
		{"new log, full", syscall.ENOSPC, func(op errorfs.Op) bool {
			return isLog(op) && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
		}},
		{"manifest write, full", syscall.ENOSPC, func(op errorfs.Op) bool { return isManifest(op) && op.Kind == errorfs.OpFileWrite }},
		{"manifest sync", syscall.EIO, func(op errorfs.Op) bool {
			return isManifest(op) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
		}},
		{"every write, full", syscall.ENOSPC, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite
		}},
	}
	for _, r := range rows {
		for _, once := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/once=%v", r.name, once), func(t *testing.T) {
				mem := vfs.NewCrashableMem()
				var on atomic.Bool
				fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
					if !on.Load() || !r.match(op) {
						return nil
					}
					if once {
						on.Store(false)
					}
					return r.cause
				}))
				db, err := pebblekv.Open(pebblekv.Options{Dir: "db", FS: fs, MemTableBytes: 1 << 20})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := commit(t.Context(), db, "before", []byte("1")); err != nil {
					t.Fatal(err)
				}
				on.Store(true)
				rows, err := fill(t, db)
				if k := kv.KindOf(err); k != kv.MayStillLand && k != kv.Fatal && k != kv.Busy {
					t.Fatalf("got %v, want MayStillLand, Fatal or Busy", err)
				}
				if full := errors.Is(err, kv.ErrFull); full != (r.cause == syscall.ENOSPC) {
					t.Fatalf("got %v, full %v", err, full)
				}
				// The next commit is refused for good; a table that could not be written comes first perhaps.
				for err = error(kv.Busy); kv.KindOf(err) == kv.Busy || kv.KindOf(err) == kv.MayStillLand; {
					_, err = commit(t.Context(), db, "after", []byte("1"))
				}
				if kv.KindOf(err) != kv.Fatal || errors.Is(err, kv.ErrFull) != (r.cause == syscall.ENOSPC) {
					t.Fatalf("later: got %v, want Fatal", err)
				}
				if !db.Metrics().Failed {
					t.Fatal("the metrics say nothing of it")
				}
				check := func(db kv.Database) {
					t.Helper()
					for _, key := range append([]string{"before"}, rows...) {
						if get(t, db, key) == nil {
							t.Fatalf("%q is gone", key)
						}
					}
					if get(t, db, "after") != nil {
						t.Fatal("a refused commit is there")
					}
				}
				check(db)
				on.Store(false)
				_ = db.Close() // must return; it may report the failure again
				check(open(t, pebblekv.Options{Dir: "db", FS: mem}))
				check(open(t, pebblekv.Options{Dir: "db", FS: mem.CrashClone(vfs.CrashCloneCfg{})}))
			})
		}
	}
}

// TestFullTables fills the disk for tables alone, as when the log's space is
// preallocated: commits are refused with ErrFull, reading goes on, and when there is space
// again everything goes on without a restart.
func TestFullTables(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && strings.HasSuffix(op.Path, ".sst") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite) {
			return syscall.ENOSPC
		}
		return nil
	}))
	db := open(t, pebblekv.Options{Dir: "db", FS: fs, MemTableBytes: 8 << 20})
	full.Store(true)
	rows, err := fill(t, db)
	if kv.KindOf(err) != kv.Busy || !errors.Is(err, kv.ErrFull) {
		t.Fatalf("got %v, want Busy, ErrFull", err)
	}
	for _, key := range rows {
		if get(t, db, key) == nil {
			t.Fatalf("%q is gone", key)
		}
	}
	full.Store(false)
	for err = error(kv.Busy); err != nil; {
		if _, err = commit(t.Context(), db, "after", nil); err != nil && kv.KindOf(err) != kv.Busy {
			t.Fatalf("with space again: %v", err)
		}
	}
}

// usageFS says how much space is left.
type usageFS struct {
	vfs.FS
	free atomic.Uint64
}

func (fs *usageFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: fs.free.Load(), TotalBytes: 1 << 30}, nil
}

// TestReserve refuses commits while too little is free, and takes them again.
func TestReserve(t *testing.T) {
	fs := &usageFS{FS: vfs.NewMem()}
	fs.free.Store(1 << 30)
	db := open(t, pebblekv.Options{Dir: "db", FS: fs})
	if _, err := commit(t.Context(), db, "a", nil); err != nil {
		t.Fatal(err)
	}
	fs.free.Store(1 << 20)
	var err error
	for err == nil { // a look at the disk is kept for a moment
		_, err = commit(t.Context(), db, "b", nil)
	}
	if kv.KindOf(err) != kv.Busy || !errors.Is(err, kv.ErrFull) {
		t.Fatalf("got %v, want Busy, ErrFull", err)
	}
	if _, err := kv.Run(t.Context(), db, kv.RunOptions{}, func(tx kv.Tx) error { tx.Set([]byte("b"), nil); return nil }); !errors.Is(err, kv.ErrFull) {
		t.Fatalf("Run: got %v, want ErrFull", err)
	}
	if get(t, db, "a") == nil {
		t.Fatal("reading does not go on")
	}
	fs.free.Store(1 << 30)
	for err != nil {
		if _, err = commit(t.Context(), db, "c", nil); err != nil && !errors.Is(err, kv.ErrFull) {
			t.Fatal(err)
		}
	}
}

// TestLocked opens a folder twice.
func TestLocked(t *testing.T) {
	for name, o := range map[string]pebblekv.Options{
		"memory": {Dir: "db", FS: vfs.NewMem()},
		"disk":   {Dir: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, o)
			if _, err := pebblekv.Open(o); !errors.Is(err, pebblekv.ErrLocked) {
				t.Fatalf("got %v, want ErrLocked", err)
			}
			if _, err := commit(t.Context(), db, "a", nil); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			open(t, o)
		})
	}
}

// TestNewerFormat refuses a folder of a later release, and leaves it as it is.
func TestNewerFormat(t *testing.T) {
	o := pebblekv.Options{Dir: "db", FS: vfs.NewMem()}
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := pebble.Open("db", &pebble.Options{FS: o.FS, Logger: pebble.DefaultLogger, FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	if err := rows.Set([]byte("\xff/pebblekv/format"), []byte{0, 0, 0, 0, 0, 0, 0, 2}, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := pebblekv.Open(o); !errors.Is(err, pebblekv.ErrNewerFormat) {
			t.Fatalf("got %v, want ErrNewerFormat", err)
		}
	}
}

// gateFS holds up syncs of the log while its gate is closed.
type gateFS struct {
	vfs.FS
	arrived chan struct{}
	gate    chan struct{} // nil: open
	mu      sync.Mutex
}

func (fs *gateFS) shut() {
	fs.mu.Lock()
	fs.gate = make(chan struct{})
	fs.mu.Unlock()
}

func (fs *gateFS) open() {
	fs.mu.Lock()
	close(fs.gate)
	fs.gate = nil
	fs.mu.Unlock()
}

func (fs *gateFS) pass() {
	fs.mu.Lock()
	gate := fs.gate
	fs.mu.Unlock()
	if gate != nil {
		fs.arrived <- struct{}{}
		<-gate
	}
}

func (fs *gateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &gateFile{File: f, fs: fs}, nil
}

type gateFile struct {
	vfs.File
	fs *gateFS
}

func (f *gateFile) Sync() error     { f.fs.pass(); return f.File.Sync() }
func (f *gateFile) SyncData() error { f.fs.pass(); return f.File.SyncData() }

// TestCancelCommit ends contexts of commits while one is being synced: that one may
// still land (and does), one that waits behind it has not happened and never does.
// What is being synced is not handed out to readers.
func TestCancelCommit(t *testing.T) {
	fs := &gateFS{FS: vfs.NewMem(), arrived: make(chan struct{}, 16)}
	db := open(t, pebblekv.Options{Dir: "db", FS: fs})
	fs.shut()
	inFlight, cancelInFlight := context.WithCancel(t.Context())
	waiting, cancelWaiting := context.WithCancel(t.Context())
	results := make(chan error, 2)
	go func() {
		_, err := commit(inFlight, db, "in flight", []byte("1"))
		results <- err
	}()
	<-fs.arrived
	go func() {
		_, err := commit(waiting, db, "waiting", []byte("1"))
		results <- err
	}()
	cancelWaiting()
	if err := <-results; err != context.Canceled {
		t.Fatalf("waiting: got %v, want context.Canceled", err)
	}
	if get(t, db, "in flight") != nil {
		t.Fatal("a reader saw what is not durable yet")
	}
	cancelInFlight()
	if err := <-results; kv.KindOf(err) != kv.MayStillLand || !errors.Is(err, context.Canceled) {
		t.Fatalf("in flight: got %v, want MayStillLand", err)
	}
	fs.open()
	if _, err := commit(t.Context(), db, "next", nil); err != nil {
		t.Fatal(err)
	}
	if get(t, db, "in flight") == nil || get(t, db, "waiting") != nil {
		t.Fatal("the one in flight is not there, or the one that waited is")
	}
}

// TestClosed wants every use after Close to fail, and Close twice to be harmless.
func TestClosed(t *testing.T) {
	db := open(t, pebblekv.Options{Dir: "db", FS: vfs.NewMem()})
	old := db.Begin(kv.TxOptions{})
	if _, err := old.ReadVersion().Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	for name, tx := range map[string]kv.Tx{"from before": old, "new": db.Begin(kv.TxOptions{})} {
		if _, err := tx.Get([]byte("a")).Get(t.Context()); kv.KindOf(err) != kv.Fatal {
			t.Errorf("%s: read got %v, want Fatal", name, err)
		}
		tx.Set([]byte("a"), nil)
		if _, err := tx.Commit(t.Context()); kv.KindOf(err) != kv.Fatal {
			t.Errorf("%s: commit got %v, want Fatal", name, err)
		}
	}
	if _, err := db.EstimatedSizeBytes(t.Context(), kv.Range{Begin: []byte("a"), End: []byte("b")}); kv.KindOf(err) != kv.Fatal {
		t.Errorf("estimate: got %v, want Fatal", err)
	}
	db.Metrics()
}

// TestBatchPriority commits more at once, at both priorities, than the queue takes of background work: it
// waits its turn and all of it is done; one that waits too long has not happened.
func TestBatchPriority(t *testing.T) {
	fs := &gateFS{FS: vfs.NewMem(), arrived: make(chan struct{}, 1024)}
	db := open(t, pebblekv.Options{Dir: "db", FS: fs})
	put := func(ctx context.Context, p kv.Priority, key string) error {
		tx := db.Begin(kv.TxOptions{Priority: p})
		defer tx.Cancel()
		for i := range 5 {
			tx.Set(fmt.Appendf(nil, "%s.%d", key, i), make([]byte, kv.ValueMaxBytes))
		}
		_, err := tx.Commit(ctx)
		return err
	}
	fs.shut()
	const n = 16 // of half a megabyte each
	results := make(chan error, 2*n)
	for i := range n {
		go func() { results <- put(t.Context(), kv.Batch, fmt.Sprint("batch", i)) }()
	}
	<-fs.arrived
	ctx, cancel := context.WithCancel(t.Context())
	late := make(chan error, n)
	for i := range n {
		go func() { late <- put(ctx, kv.Batch, fmt.Sprint("late", i)) }()
	}
	cancel()
	for range n {
		if err := <-late; !errors.Is(err, context.Canceled) || kv.KindOf(err) != 0 && kv.KindOf(err) != kv.MayStillLand {
			t.Fatalf("given up while waiting: got %v", err)
		}
	}
	for i := range n {
		go func() { results <- put(t.Context(), kv.Default, fmt.Sprint("default", i)) }()
	}
	fs.open()
	for range 2 * n {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		for _, p := range []string{"batch", "default"} {
			if get(t, db, fmt.Sprintf("%s%d.4", p, i)) == nil {
				t.Fatalf("%s %d is not there", p, i)
			}
		}
	}
}
