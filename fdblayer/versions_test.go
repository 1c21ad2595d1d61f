package fdblayer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// versionSource is a database that only gives read versions: that of the moment in which it is asked, after a while.
type versionSource struct {
	kv.Database
	now       atomic.Int64 // grows with every commit
	open      atomic.Int64 // transactions not cancelled
	answering func() (time.Duration, error)
	asked     []kv.Priority
	mu        sync.Mutex // guards asked
}

type versionTx struct {
	kv.Tx
	s *versionSource
}

type versionAnswer struct {
	version kv.Version
	err     error
	ready   chan struct{}
}

func (s *versionSource) Begin(o kv.TxOptions) kv.Tx {
	s.open.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, o.Priority)
	return versionTx{s: s}
}

// priorities are those of the requests so far.
func (s *versionSource) priorities() []kv.Priority {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (tx versionTx) Cancel() { tx.s.open.Add(-1) }

func (tx versionTx) ReadVersion() kv.Future[kv.ReadVersion] {
	after, err := tx.s.answering()
	a := versionAnswer{version: kv.Version(tx.s.now.Load()), err: err, ready: make(chan struct{})}
	time.AfterFunc(after, func() { close(a.ready) })
	return a
}

func (a versionAnswer) Get(ctx context.Context) (kv.ReadVersion, error) {
	select {
	case <-a.ready:
		return kv.ReadVersion{Version: a.version}, a.err
	case <-ctx.Done():
		return kv.ReadVersion{}, ctx.Err()
	}
}

func newVersions(s *versionSource, p kv.Priority) *versions {
	return &versions{db: s, priority: p, metrics: &metrics{}}
}

// TestVersionsAreFresh lets many wait, come and give up at random while commits go on. Who gets a version gets one asked for
// after it came; nobody waits longer than for one request that it shares and one before; nothing stays open.
func TestVersionsAreFresh(t *testing.T) {
	t.Parallel()
	const roundTrip = 10 * time.Millisecond
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(seed, 0))
			random := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return rng.IntN(n)
			}
			failure := errors.New("a failure")
			s := &versionSource{answering: func() (time.Duration, error) {
				if random(10) == 0 {
					return time.Duration(random(int(roundTrip))), failure
				}
				return time.Duration(random(int(roundTrip))), nil
			}}
			v := newVersions(s, kv.Default)
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					for range 20 {
						time.Sleep(time.Duration(random(int(roundTrip))))
						ctx, end := context.WithTimeout(t.Context(), time.Duration(random(int(4*roundTrip))))
						came, began := s.now.Add(1), time.Now()
						at, err := v.get(ctx)
						switch {
						case err == nil && at.Version < kv.Version(came):
							t.Errorf("seed %d: came at %d, got %d", seed, came, at.Version)
						case time.Since(began) > 2*roundTrip:
							t.Errorf("seed %d: waited %v", seed, time.Since(began))
						case err != nil && !errors.Is(err, failure) && !errors.Is(err, context.DeadlineExceeded):
							t.Errorf("seed %d: %v", seed, err)
						}
						end()
					}
				})
			}
			wg.Wait()
			if v.underWay != 0 || v.next != nil || s.open.Load() != 0 {
				t.Errorf("seed %d: %d under way, next %v, %d open", seed, v.underWay, v.next, s.open.Load())
			}
			if sent, waited := v.metrics.versionRequests.Load(), v.metrics.versionWaiters.Load(); waited != 50*20 || sent >= waited/2 {
				t.Errorf("seed %d: %d requests for %d who waited", seed, sent, waited)
			}
		})
	}
}

// TestVersionsAreShared: the first are sent at once, who comes then shares the next one; of those that nobody waits for any
// more nothing is sent.
func TestVersionsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &versionSource{answering: func() (time.Duration, error) { return time.Second, nil }}
		v := newVersions(s, kv.Batch)
		var wg sync.WaitGroup
		get := func(ctx context.Context) {
			wg.Go(func() { _, _ = v.get(ctx) })
			synctest.Wait()
		}
		for range versionRequestsMax + 3 {
			get(t.Context())
		}
		if n := len(s.priorities()); n != versionRequestsMax {
			t.Fatalf("%d requests under way", n)
		}
		wg.Wait()
		if n := len(s.priorities()); n != versionRequestsMax+1 {
			t.Errorf("%d requests for all", n)
		}
		if slices.Contains(s.priorities(), kv.Default) {
			t.Errorf("priorities %v", s.priorities())
		}
		// Given up: those under way, and one that was not sent.
		ctx, end := context.WithCancel(t.Context())
		last, endLast := context.WithCancel(t.Context())
		for range versionRequestsMax {
			get(ctx)
		}
		get(last)
		endLast()
		synctest.Wait()
		end()
		wg.Wait()
		if n := len(s.priorities()); n != 2*versionRequestsMax+1 || s.open.Load() != 0 || v.underWay != 0 || v.next != nil {
			t.Errorf("%d requests, %d open, %d under way, next %v", n, s.open.Load(), v.underWay, v.next)
		}
		get(t.Context())
		wg.Wait()
		if n := len(s.priorities()); n != 2*versionRequestsMax+2 {
			t.Errorf("%d requests after all had given up", n)
		}
	})
}

// delayed is a database whose next answer with a read version is held back until gate is closed.
type delayed struct {
	kv.Database
	hold atomic.Bool
	held chan struct{} // closed when an answer is held back
	gate chan struct{}
}

type delayedTx struct {
	kv.Tx
	db *delayed
}

type delayedVersion struct {
	kv.Future[kv.ReadVersion]
	db *delayed
}

func (db *delayed) Begin(o kv.TxOptions) kv.Tx { return delayedTx{db.Database.Begin(o), db} }

func (tx delayedTx) ReadVersion() kv.Future[kv.ReadVersion] {
	f := tx.Tx.ReadVersion()
	if !tx.db.hold.Swap(false) {
		return f
	}
	close(tx.db.held)
	return delayedVersion{f, tx.db}
}

func (f delayedVersion) Get(ctx context.Context) (kv.ReadVersion, error) {
	<-f.db.gate
	return f.Future.Get(ctx)
}

// TestVersionBelowTheFloor: a reader whose version comes when a heartbeat has published a newer one as the oldest that this
// process reads does not use it, and reads at a later one.
func TestVersionBelowTheFloor(t *testing.T) {
	t.Parallel()
	db := &delayed{Database: newEngine(t), held: make(chan struct{}), gate: make(chan struct{})}
	l := newLayer(t, db)
	l.bucket("photos", object.Unversioned)
	l.put("photos", "cat", "1")
	var r *Reading
	var err error
	var reader sync.WaitGroup
	db.hold.Store(true)
	reader.Go(func() { r, err = l.OpenVersion(t.Context(), "photos", "cat", "") })
	<-db.held
	l.put("photos", "cat", "2")
	l.renewed()
	floor := l.heartbeat().OldestRead
	close(db.gate)
	reader.Wait()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.at < floor || string(r.Version.Content.Inline) != "2" {
		t.Errorf("reads %q at %d, the floor is %d", r.Version.Content.Inline, r.at, floor)
	}
	l.put("photos", "cat", "3")
	l.renewed()
	if published := l.heartbeat().OldestRead; published > r.at {
		t.Errorf("published %d, a reader is at %d", published, r.at)
	}
	if m := l.Metrics(); m.Retries == 0 {
		t.Errorf("%+v: the old version was used", m)
	}
}
