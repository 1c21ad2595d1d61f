package kvfault_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/fdblayer/kv/kvtest"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
)

func open(t *testing.T, fs vfs.FS, o kvfault.Options) *kvfault.DB {
	t.Helper()
	inner, err := pebblekv.Open(pebblekv.Options{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	db := kvfault.New(inner, o)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestConformance: with faults off the wrapper is an engine like any other.
func TestConformance(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kvtest.Harness {
		fs := vfs.NewMem()
		db := open(t, fs, kvfault.Options{})
		return kvtest.Harness{DB: db, Reopen: func(t *testing.T) kv.Database {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, fs, kvfault.Options{})
			return db
		}}
	})
}

// TestConformanceSlow: slow reads and jumping versions are no faults that the
// suite may notice.
func TestConformanceSlow(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kvtest.Harness {
		return kvtest.Harness{DB: open(t, vfs.NewMem(), kvfault.Options{
			Seed:    rand.Uint64(),
			Commit:  kvfault.Rates{kvfault.Jump: 0.3},
			Read:    kvfault.Rates{kvfault.Slow: 0.3},
			SlowMax: 100 * time.Microsecond,
		})}
	})
}

func get(t *testing.T, db kv.Database, key string) string {
	t.Helper()
	tx := db.Begin(kv.TxOptions{})
	defer tx.Cancel()
	value, err := tx.Get([]byte(key)).Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// TestScript makes every fault of a commit happen once: the kind of error, and
// whether the write is there at once and after late commits were tried.
func TestScript(t *testing.T) {
	rows := []struct {
		fault       kvfault.Fault
		kind        kv.ErrorKind
		now, landed bool
	}{
		{kvfault.None, 0, true, true},
		{kvfault.Jump, 0, true, true},
		{kvfault.Conflict, kv.Conflict, false, false},
		{kvfault.TooOld, kv.TooOld, false, false},
		{kvfault.Busy, kv.Busy, false, false},
		{kvfault.Fatal, kv.Fatal, false, false},
		{kvfault.SettledCommitted, kv.UnknownSettled, true, true},
		{kvfault.SettledAbsent, kv.UnknownSettled, false, false},
		{kvfault.Landed, kv.MayStillLand, true, true},
		{kvfault.Lost, kv.MayStillLand, false, false},
		{kvfault.Late, kv.MayStillLand, false, true},
	}
	for _, r := range rows {
		t.Run(r.fault.String(), func(t *testing.T) {
			db := open(t, vfs.NewMem(), kvfault.Options{})
			db.OnCommit(3, r.fault)
			for i := 1; i <= 4; i++ {
				tx := db.Begin(kv.TxOptions{})
				tx.Set(fmt.Appendf(nil, "k%d", i), []byte("1"))
				_, err := tx.Commit(t.Context())
				tx.Cancel()
				want := kv.ErrorKind(0)
				if i == 3 {
					want = r.kind
				}
				if kv.KindOf(err) != want || (err == nil) != (want == 0) {
					t.Fatalf("commit %d: got %v, want %v", i, err, want)
				}
				if i == 3 && r.fault != kvfault.Late && (get(t, db.Unwrap(), "k3") == "1") != r.now {
					t.Fatalf("the write is there: %v, want %v", !r.now, r.now)
				}
			}
			db.Land()
			if got := get(t, db, "k3") == "1"; got != r.landed {
				t.Fatalf("the write is there at last: %v, want %v", got, r.landed)
			}
			if get(t, db, "k4") != "1" || db.Count(r.fault) == 0 {
				t.Fatal("the next commit did not take effect, or the fault was not counted")
			}
		})
	}
}

// TestScriptRead does the same for reads.
func TestScriptRead(t *testing.T) {
	db := open(t, vfs.NewMem(), kvfault.Options{SlowMax: time.Hour})
	read := func(ctx context.Context) error {
		tx := db.Begin(kv.TxOptions{})
		defer tx.Cancel()
		_, err := tx.Snapshot().Get([]byte("k")).Get(ctx)
		return err
	}
	for f, kind := range map[kvfault.Fault]kv.ErrorKind{kvfault.TooOld: kv.TooOld, kvfault.Busy: kv.Busy, kvfault.Fatal: kv.Fatal} {
		db.OnRead(2, f)
		for i, want := range []kv.ErrorKind{0, kind, 0} {
			if err := read(t.Context()); kv.KindOf(err) != want || (err == nil) != (want == 0) {
				t.Fatalf("%v, read %d: got %v, want %v", f, i, err, want)
			}
		}
	}
	db.OnRead(1, kvfault.Slow)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := read(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
}

// TestFence: a commit that lands late is kept out by a write conflict with what it
// declared to have read, committed since.
func TestFence(t *testing.T) {
	for range 20 { // at the next operation, and in the background
		db := open(t, vfs.NewMem(), kvfault.Options{Seed: rand.Uint64()})
		e := &evidence{db: db}
		tx := db.Begin(kv.TxOptions{})
		e.Mark(tx)
		tx.Set([]byte("k"), []byte("1"))
		db.OnCommit(1, kvfault.Late)
		_, err := tx.Commit(t.Context())
		if kv.KindOf(err) != kv.MayStillLand {
			t.Fatal(err)
		}
		_, landed, err := e.Settle(t.Context(), err)
		if err != nil {
			t.Fatal(err)
		}
		db.Land()
		if got := get(t, db, "k") == "1"; got != landed {
			t.Fatalf("settled as landed: %v, but later the write is there: %v", landed, got)
		}
	}
}

// evidence is DESIGN §8 in small: a key for each attempt, declared and written.
type evidence struct {
	db  kv.Database
	key []byte
}

var attempts atomic.Uint64

func (e *evidence) Mark(tx kv.Tx) {
	e.key = binary.BigEndian.AppendUint64([]byte("F/"), attempts.Add(1))
	tx.AddReadConflict(e.one())
	stamp := make([]byte, len(kv.Versionstamp{})+4)
	tx.Atomic(kv.SetVersionstampedValue, e.key, stamp)
}

func (e *evidence) one() kv.Range {
	return kv.Range{Begin: e.key, End: append(bytes.Clone(e.key), 0)}
}

func (e *evidence) Settle(ctx context.Context, cause error) (kv.Commit, bool, error) {
	if errors.Is(cause, kv.MayStillLand) {
		for {
			_, err := kv.Run(ctx, e.db, kv.RunOptions{}, func(tx kv.Tx) error { tx.AddWriteConflict(e.one()); return nil })
			if err == nil {
				break
			}
			if !kv.KindOf(err).Unknown() { // a fence may be repeated
				return kv.Commit{}, false, err
			}
		}
	}
	var c kv.Commit
	_, err := kv.Run(ctx, e.db, kv.RunOptions{}, func(tx kv.Tx) error {
		c = kv.Commit{}
		value, err := tx.Get(e.key).Get(ctx)
		if len(value) == len(c.Stamp) {
			c = kv.Commit{Version: kv.Version(binary.BigEndian.Uint64(value)), Stamp: kv.Versionstamp(value)}
		}
		return err
	})
	return c, c.Version != 0, err
}

// TestExactlyOnce runs counters under a storm of faults. Every Run that succeeds
// must have counted once, with the stamp it returned; none may have failed.
func TestExactlyOnce(t *testing.T) {
	seed := rand.Uint64()
	db := open(t, vfs.NewMem(), kvfault.Storm(seed))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	const workers, rounds = 4, 100
	results := make(chan error, workers)
	for w := range workers {
		go func() {
			results <- func() error {
				key := fmt.Appendf(nil, "private%d", w)
				for i := range rounds {
					blind := i%2 == 0
					_, err := kv.Run(t.Context(), db, kv.RunOptions{AttemptsMax: 1000, Evidence: &evidence{db: db}}, func(tx kv.Tx) error {
						tx.Atomic(kv.Add, []byte("all"), []byte{1, 0, 0, 0})
						if blind {
							tx.Atomic(kv.Add, key, []byte{1, 0, 0, 0})
							return nil
						}
						value, err := tx.Get(key).Get(t.Context())
						if err != nil {
							return fmt.Errorf("wrapped: %w", err)
						}
						tx.Set(key, binary.LittleEndian.AppendUint32(nil, 1+binary.LittleEndian.Uint32(value)))
						return nil
					})
					if err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range workers {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	db.Land()
	count := func(key string) uint32 { return binary.LittleEndian.Uint32([]byte(get(t, db.Unwrap(), key))) }
	if got := count("all"); got != workers*rounds {
		t.Fatalf("counted %d, want %d", got, workers*rounds)
	}
	for w := range workers {
		if got := count(fmt.Sprint("private", w)); got != rounds {
			t.Fatalf("worker %d counted %d, want %d", w, got, rounds)
		}
	}
	for _, f := range []kvfault.Fault{kvfault.Late, kvfault.Landed, kvfault.Lost, kvfault.SettledCommitted, kvfault.SettledAbsent} {
		if db.Count(f) == 0 {
			t.Errorf("%v never happened", f)
		}
	}
}
