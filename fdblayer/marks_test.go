package fdblayer

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// TestMarks runs random uploads, readers, attempts and beats, and compares every beat with
// what a plain list of all that is under way says.
func TestMarks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var m marks
		version := kv.Version(100)
		m.init(version)
		uploads, attempts := map[uint64]bool{}, map[uint64]bool{}
		readers := map[int]kv.Version{}
		var sequence, attempt uint64
		floor, reader := version, 0
		var last beatMarks
		for step := range 300 {
			switch rng.IntN(8) {
			case 0:
				if got := m.beginUpload(); got != sequence+1 {
					t.Fatalf("seed %d step %d: upload %d, want %d", seed, step, got, sequence+1)
				}
				sequence++
				uploads[sequence] = true
			case 1:
				if s, ok := pick(rng, uploads); ok {
					m.endUpload(s)
					delete(uploads, s)
				}
			case 2:
				at := version - kv.Version(rng.IntN(20))
				ok := m.beginRead(at)
				if want := at >= floor; ok != want {
					t.Fatalf("seed %d step %d: reading at %d with floor %d: %v", seed, step, at, floor, ok)
				}
				if ok {
					reader++
					readers[reader] = at
				}
			case 3:
				if r, ok := pick(rng, readers); ok {
					m.endRead(readers[r])
					delete(readers, r)
				}
			case 4:
				attempt++
				if got := m.beginAttempt(); got != attempt {
					t.Fatalf("seed %d step %d: attempt %d, want %d", seed, step, got, attempt)
				}
				attempts[attempt] = true
			case 5:
				if n, ok := pick(rng, attempts); ok {
					m.endAttempt(n)
					delete(attempts, n)
				}
			case 6:
				version += kv.Version(rng.IntN(10))
			case 7:
				got := m.take(version)
				want := beatMarks{
					lowWater: smallest(slices.Collect(maps.Keys(uploads)), sequence+1), oldestRead: smallest(slices.Collect(maps.Values(readers)), version),
					evidenceEnd: smallest(slices.Collect(maps.Keys(attempts)), attempt+1),
				}
				if got != want {
					t.Fatalf("seed %d step %d: beat %+v, want %+v", seed, step, got, want)
				}
				if got.lowWater < last.lowWater || got.oldestRead < last.oldestRead || got.evidenceEnd < last.evidenceEnd {
					t.Fatalf("seed %d step %d: beat %+v goes back from %+v", seed, step, got, last)
				}
				last, floor = got, want.oldestRead
			}
		}
	}
}

func pick[K comparable, V any](rng *rand.Rand, from map[K]V) (k K, ok bool) {
	n := 0
	for candidate := range from {
		if n++; rng.IntN(n) == 0 {
			k, ok = candidate, true
		}
	}
	return k, ok
}

func smallest[T uint64 | kv.Version](of []T, otherwise T) T {
	for _, v := range of {
		otherwise = min(otherwise, v)
	}
	return otherwise
}

// TestMarksConcurrent has readers and beats at the same time: no reader that was let in may be below a mark
// that was taken while it was reading.
func TestMarksConcurrent(t *testing.T) {
	t.Parallel()
	var m marks
	m.init(1)
	var version struct {
		sync.Mutex
		v kv.Version
	}
	next := func() kv.Version {
		version.Lock()
		defer version.Unlock()
		version.v++
		return version.v
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				at := next()
				if !m.beginRead(at) {
					continue
				}
				if b := m.take(next()); b.oldestRead > at {
					t.Errorf("a beat says %d while %d is read", b.oldestRead, at)
				}
				m.endRead(at)
			}
		})
	}
	wg.Wait()
}

// TestMarksClose: after close no attempt begins, and the channel is closed when the last one's outcome is known.
func TestMarksClose(t *testing.T) {
	t.Parallel()
	var m marks
	m.init(1)
	a, b := m.beginAttempt(), m.beginAttempt()
	settled := m.close()
	if n := m.beginAttempt(); n != 0 {
		t.Errorf("attempt %d began after close", n)
	}
	m.endAttempt(b)
	select {
	case <-settled:
		t.Error("settled while an outcome is not known")
	default:
	}
	m.endAttempt(a)
	<-settled
	<-m.close()
}
