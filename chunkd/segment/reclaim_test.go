package segment_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// await waits until a store's counts satisfy a condition. The test's deadline is the bound.
func await(t *testing.T, s *segment.Store, what string, done func(segment.Metrics, chunkwire.Stat) bool) {
	t.Helper()
	for {
		m, st := s.Metrics(), mustStat(t, s)
		if done(m, st) {
			return
		}
		if st.Failed || t.Context().Err() != nil {
			t.Fatalf("waiting for %s: %+v, %+v", what, m, st)
		}
		runtime.Gosched()
	}
}

// Chunks are put, deleted and read at the same time while segments are compacted and
// holes made: a reader gets the right bytes or NoSuchChunk, never others; at the end
// the space is back, also after a restart and without the index.
func TestReclaimUnderLoad(t *testing.T) {
	for _, row := range []struct {
		name string
		fs   func(*testing.T) (vfs.FS, string)
	}{
		{"memory", func(*testing.T) (vfs.FS, string) { return &punchFS{vfs.NewMem()}, "node" }},
		{"disk", func(t *testing.T) (vfs.FS, string) { return vfs.Default, t.TempDir() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			fs, dir := row.fs(t)
			o := testOptions(fs)
			o.Dir = dir
			s := mustOpen(t, o)
			kept := reclaimLoad(t, s)
			await(t, s, "space", func(m segment.Metrics, st chunkwire.Stat) bool {
				return m.Compactions > 0 && m.RemovedSegments > 0 && st.DiskBytes < 2*st.LiveBytes+2*o.SegmentBytes
			})
			for _, lost := range []string{"", "index"} {
				m, st := s.Metrics(), mustStat(t, s)
				if st.Chunks != int64(len(kept)) {
					t.Errorf("%d chunks, want %d", st.Chunks, len(kept))
				}
				t.Logf("%d puts, %d syncs, %d segments, %d compactions, %d removed, %d holes",
					m.Puts, m.Syncs, m.Segments, m.Compactions, m.RemovedSegments, m.Holes)
				for id, size := range kept {
					if err := nodetest.Check(t.Context(), s, nodetest.PutOf(id, size)); err != nil {
						t.Error(err)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if lost != "" {
					if err := fs.RemoveAll(fs.PathJoin(dir, lost)); err != nil {
						t.Fatal(err)
					}
				}
				s = mustOpen(t, o)
			}
			if st := mustStat(t, s); st.Chunks != int64(len(kept)) || st.Quarantined != 0 {
				t.Errorf("without index: %+v, want %d chunks", st, len(kept))
			}
		})
	}
}

// reclaimPuts is what each writer of reclaimLoad puts: some segments in all.
const reclaimPuts = 70

// reclaimLoad writes until segments were compacted, and returns what it left.
func reclaimLoad(t *testing.T, s *segment.Store) map[object.ChunkID]int {
	var mu sync.Mutex
	kept := map[object.ChunkID]int{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers, writers sync.WaitGroup
	for r := range uint64(2) {
		rng := rand.New(rand.NewPCG(3, r))
		readers.Go(func() {
			for ctx.Err() == nil {
				id := nodetest.ID(1+rng.Uint64N(4), rng.Uint64N(reclaimPuts), 0, 0)
				p := nodetest.PutOf(id, reclaimSize(id))
				if err := nodetest.Check(t.Context(), s, p); err != nil && !errors.Is(err, object.NoSuchChunk) {
					t.Errorf("reader: %v", err)
					return
				}
			}
		})
	}
	for w := range uint64(4) {
		rng := rand.New(rand.NewPCG(4, w))
		writers.Go(func() {
			for seq := range uint64(reclaimPuts) {
				id := nodetest.ID(w+1, seq, 0, 0)
				if err := s.Put(t.Context(), nodetest.PutOf(id, reclaimSize(id))); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				mu.Lock()
				kept[id] = reclaimSize(id)
				mu.Unlock()
				if seq < 8 || rng.IntN(8) == 0 {
					continue
				}
				old := nodetest.ID(w+1, seq-8, 0, 0)
				if err := s.Delete(t.Context(), []object.ChunkID{old}); err != nil {
					t.Errorf("delete: %v", err)
				}
				if err := nodetest.Check(t.Context(), s, nodetest.PutOf(old, reclaimSize(old))); !errors.Is(err, object.NoSuchChunk) {
					t.Errorf("get after delete: %v", err)
				}
				mu.Lock()
				delete(kept, old)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	return kept
}

func reclaimSize(id object.ChunkID) int {
	if id.Blob.Sequence%3 == 0 {
		return 150_000 + int(id.Blob.Sequence)
	}
	return 20_000 + int(id.Blob.Sequence)
}

// A large deleted chunk in a segment that lives on gives its blocks back at once.
func TestHoles(t *testing.T) {
	fs := &punchFS{vfs.NewMem()}
	s := mustOpen(t, testOptions(fs))
	var puts []chunkwire.Put
	for i, size := range []int{500_000, 60_000, 70_000, 900_000} {
		puts = append(puts, nodetest.PutOf(nodetest.ID(1, uint64(i), 0, 0), size))
		if err := s.Put(t.Context(), puts[i]); err != nil {
			t.Fatal(err)
		}
	}
	before := mustStat(t, s).DiskBytes
	if err := s.Delete(t.Context(), []object.ChunkID{puts[0].ID, puts[1].ID, puts[2].ID}); err != nil {
		t.Fatal(err)
	}
	await(t, s, "holes", func(m segment.Metrics, st chunkwire.Stat) bool {
		return m.Holes == 2 && st.DiskBytes < before-500_000 // not of the one of 60,000 bytes
	})
	if m := s.Metrics(); m.HoleBytes < 500_000+70_000-4*4096 || m.HoleBytes%4096 != 0 {
		t.Errorf("%d bytes in holes", m.HoleBytes)
	}
	if err := nodetest.Check(t.Context(), s, puts[3]); err != nil {
		t.Error(err)
	}
	zeros := 0
	for _, b := range []byte(readAll(t, fs, segmentFiles(t, fs)[0])) {
		if b == 0 {
			zeros++
		}
	}
	if zeros < 550_000 {
		t.Errorf("%d zeros in the file", zeros)
	}
}

// A delete outlives the compaction of its own segment for as long as the put that it
// ends is in another one, and no longer.
func TestDeleteOutlivesCompaction(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	s := mustOpen(t, o)
	put := func(seq uint64, size int) object.ChunkID {
		t.Helper()
		id := nodetest.ID(1, seq, 0, 0)
		if err := s.Put(t.Context(), nodetest.PutOf(id, size)); err != nil {
			t.Fatal(err)
		}
		return id
	}
	del := func(ids ...object.ChunkID) {
		t.Helper()
		if err := s.Delete(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	// Segment 1: stays alive. Segment 2 gets the delete of a chunk of it, and chunks
	// that die.
	victim := put(1, 1000)
	anchor := put(2, 1<<20)
	put(3, 1_000_000)
	var dying []object.ChunkID
	for seq := uint64(10); s.Metrics().Segments < 3; seq++ {
		if s.Metrics().Segments == 2 {
			del(victim)
		}
		dying = append(dying, put(seq, 400_000))
	}
	del(dying[:len(dying)-1]...)
	await(t, s, "compaction of segment 2", func(m segment.Metrics, _ chunkwire.Stat) bool { return m.RemovedSegments == 1 })
	reopenWithout := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := fs.RemoveAll("node/index"); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, o)
	}
	reopenWithout()
	if err := nodetest.Check(t.Context(), s, nodetest.PutOf(victim, 1000)); !errors.Is(err, object.NoSuchChunk) {
		t.Errorf("the deleted chunk: %v", err)
	}
	if err := nodetest.Check(t.Context(), s, nodetest.PutOf(anchor, 1<<20)); err != nil {
		t.Error(err)
	}
	// A put that comes late is not ended by the old delete, wherever that is now.
	put(1, 1000)
	reopenWithout()
	if err := nodetest.Check(t.Context(), s, nodetest.PutOf(victim, 1000)); err != nil {
		t.Errorf("the late put: %v", err)
	}
}

// Fences survive the compaction of their segments, and the loss of the index.
func TestFenceOutlivesCompaction(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	s := mustOpen(t, o)
	if err := s.Fence(t.Context(), 9, 100); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(0); s.Metrics().RemovedSegments < 2; seq++ {
		id := nodetest.ID(1, seq, 0, 0)
		if err := s.Put(t.Context(), nodetest.PutOf(id, 500_000)); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), []object.ChunkID{id}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(9, 99, 0, 0), 10)); !errors.Is(err, object.Fenced) {
			t.Errorf("put below the fence: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := fs.RemoveAll("node/index"); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, o)
	}
}

// However much the store holds, opening it after a crash goes through at most
// ReplayMaxBytes of it.
func TestReplayBound(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := testOptions(fs)
	o.SegmentBytes = 8 << 20
	s := mustOpen(t, o)
	const writers, each = 4, 25 // of 1 MiB: 100 MiB
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			p := nodetest.PutOf(nodetest.ID(w, 0, 0, 0), object.ChunkMaxBytes)
			for i := range uint64(each) {
				p.ID.Blob.Sequence = i
				if err := s.Put(t.Context(), p); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	o.FS = fs.CrashClone(vfs.CrashCloneCfg{})
	again := mustOpen(t, o)
	m := again.Metrics()
	if m.Rebuilds != 0 || m.ReplayedBytes > segment.ReplayMaxBytes {
		t.Errorf("%d bytes replayed, %d rebuilds", m.ReplayedBytes, m.Rebuilds)
	}
	if st := mustStat(t, again); st.Chunks != writers*each {
		t.Errorf("%d chunks, want %d", st.Chunks, writers*each)
	}
	t.Logf("%d MiB of %d replayed, %d checkpoints", m.ReplayedBytes>>20, s.Metrics().WrittenBytes>>20, s.Metrics().Checkpoints)
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	again = mustOpen(t, o)
	if m := again.Metrics(); m.ReplayedBytes != 0 {
		t.Errorf("%d bytes replayed after an orderly stop", m.ReplayedBytes)
	}
}
