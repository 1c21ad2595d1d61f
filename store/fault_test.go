package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvfault"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// faulty is an engine whose faults can be switched: opening and closing a store is not what is tested here.
type faulty struct {
	kv.Database
	faults *kvfault.DB
	on     atomic.Bool
	// afterFault, if set, is called when a commit has met its fault.
	afterFault func()
}

func (f *faulty) Begin(o kv.TxOptions) kv.Tx {
	if f.on.Load() {
		return watchedTx{f.faults.Begin(o), f}
	}
	return f.Database.Begin(o)
}

type watchedTx struct {
	kv.Tx
	f *faulty
}

func (t watchedTx) Commit(ctx context.Context) (kv.Commit, error) {
	c, err := t.Tx.Commit(ctx)
	if err != nil && t.f.afterFault != nil {
		t.f.afterFault()
	}
	return c, err
}

// calm ends the faults; what may still land has landed when it returns.
func (f *faulty) calm() {
	f.on.Store(false)
	f.faults.Land()
}

// newFaultyHarness is a store on an engine with faults, which begin when they are switched on.
func newFaultyHarness(t *testing.T, o setup, faults kvfault.Options) (*harness, *faulty) {
	f := &faulty{}
	o.database = func(db kv.Database) kv.Database {
		f.Database, f.faults = db, kvfault.New(db, faults)
		return f
	}
	h := newHarnessOn(t, o)
	t.Cleanup(f.calm)
	return h, f
}

// TestRandomFaults is TestRandom on an engine that conflicts, stalls, and leaves outcomes unknown.
func TestRandomFaults(t *testing.T) {
	seeds := 2
	if testing.Short() {
		seeds = 1
	}
	for range seeds {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			runRandom(t, seed, func(o setup) (*harness, func()) {
				h, f := newFaultyHarness(t, o, kvfault.Storm(seed))
				f.on.Store(true)
				return h, f.calm
			})
		})
	}
}

// TestCommitFaults gives one commit each fault: the answer is true, an object that is said to be stored can be
// read, and of one that is not, nothing is left unless the engine itself broke.
func TestCommitFaults(t *testing.T) {
	for _, row := range []struct {
		fault  kvfault.Fault
		want   error
		leaves bool // chunks of the failed write
	}{
		{kvfault.None, nil, false},
		{kvfault.Conflict, nil, false},
		{kvfault.TooOld, nil, false},
		{kvfault.Busy, nil, false},
		{kvfault.SettledCommitted, nil, false},
		{kvfault.SettledAbsent, nil, false},
		{kvfault.Landed, nil, false},
		{kvfault.Lost, nil, false},
		{kvfault.Late, nil, false},
		{kvfault.Jump, nil, false},
		{kvfault.Fatal, object.Internal, true},
	} {
		for _, size := range []int{100, 2 * mib} {
			t.Run(fmt.Sprintf("%v/%d", row.fault, size), func(t *testing.T) {
				h, f := newFaultyHarness(t, setup{heartbeat: time.Hour}, kvfault.Options{})
				h.put(bucket, "k", []byte("old"))
				f.on.Store(true)
				f.faults.OnCommit(1, row.fault)
				data := randomBytes(1, size)
				_, err := h.PutObject(context.Background(), store.PutObject{Bucket: bucket, Key: "k", Body: bytes.NewReader(data), SizeBytes: int64(size)})
				f.calm()
				if !errors.Is(err, row.want) {
					t.Errorf("got %v, want %v", err, row.want)
				}
				if row.want == nil {
					h.want(bucket, "k", data)
				} else {
					h.want(bucket, "k", []byte("old"))
				}
				if f.faults.Count(row.fault) != 1 && row.fault != kvfault.None {
					t.Errorf("the fault happened %d times", f.faults.Count(row.fault))
				}
				want := 0
				if size > object.InlineMaxBytes && (row.want == nil || row.leaves) {
					want = 2
				}
				if got := len(h.node.Chunks()); got != want {
					t.Errorf("%d chunks are there, want %d", got, want)
				}
			})
		}
	}
}

// TestSettlingFails leaves an outcome unknown: behind the commit nothing can be read or written, so it can't be looked
// up. The chunks stay, because the version may exist.
func TestSettlingFails(t *testing.T) {
	for _, fault := range []kvfault.Fault{kvfault.SettledCommitted, kvfault.Landed, kvfault.Lost} {
		t.Run(fault.String(), func(t *testing.T) {
			h, f := newFaultyHarness(t, setup{heartbeat: time.Hour, unsettled: true}, kvfault.Options{})
			f.on.Store(true)
			data := randomBytes(1, 2*mib)
			f.faults.OnCommit(1, fault)
			f.afterFault = func() {
				for n := range 100 {
					f.faults.OnCommit(n+1, kvfault.Fatal)
					f.faults.OnRead(n+1, kvfault.Fatal)
				}
			}
			_, err := h.PutObject(context.Background(), store.PutObject{Bucket: bucket, Key: "k", Body: bytes.NewReader(data), SizeBytes: int64(len(data))})
			f.calm()
			if !errors.Is(err, object.OutcomeUnknown) {
				t.Errorf("got %v", err)
			}
			if got := len(h.node.Chunks()); got != 2 {
				t.Errorf("%d chunks are there, want 2", got)
			}
			if fault == kvfault.Lost {
				h.absent(bucket, "k")
			} else {
				h.want(bucket, "k", data)
			}
		})
	}
}
