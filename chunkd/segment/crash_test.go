package segment_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// The states of a chunk in the model. They only go up.
const (
	putSent = iota + 1
	putAcked
	deleteSent
	deleteAcked
)

type modelChunk struct {
	state int
	bytes int
}

// model is what a store must hold, as its callers know it.
type model struct {
	mu     sync.Mutex
	chunks map[object.ChunkID]modelChunk
	fences map[object.SessionID]uint64 // acknowledged
}

func newModel() *model {
	return &model{chunks: map[object.ChunkID]modelChunk{}, fences: map[object.SessionID]uint64{}}
}

func (m *model) set(id object.ChunkID, state, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.chunks[id] = modelChunk{state, bytes}
}

func (m *model) copy() *model {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newModel()
	for id, e := range m.chunks {
		c.chunks[id] = e
	}
	for s, p := range m.fences {
		c.fences[s] = p
	}
	return c
}

// check compares a store with what was acknowledged before a moment and what had
// been sent by then. It returns what is really there.
func check(ctx context.Context, s *segment.Store, before, after *model) (*model, error) {
	is := newModel()
	is.fences = before.copy().fences
	for id, e := range after.chunks {
		err := nodetest.Check(ctx, s, nodetest.PutOf(id, e.bytes))
		there := err == nil
		if err != nil && !errors.Is(err, object.NoSuchChunk) {
			return nil, fmt.Errorf("chunk %v: %w", id, err)
		}
		was := before.chunks[id].state
		switch {
		case was == putAcked && e.state == putAcked && !there:
			return nil, fmt.Errorf("chunk %v was acknowledged and is lost", id)
		case was == deleteAcked && there:
			return nil, fmt.Errorf("chunk %v was deleted and is back", id)
		case there:
			is.chunks[id] = modelChunk{putAcked, e.bytes}
		default:
			is.chunks[id] = modelChunk{deleteAcked, e.bytes}
		}
	}
	for session, position := range before.fences {
		err := s.Put(ctx, nodetest.PutOf(nodetest.ID(uint64(session), position-1, 77, 0), 10))
		if !errors.Is(err, object.Fenced) {
			return nil, fmt.Errorf("put below the fence of %v at %d: %v", session, position, err)
		}
	}
	st, err := s.Stat(ctx)
	if err == nil && st.Quarantined != 0 {
		err = fmt.Errorf("%d records are taken for corrupt", st.Quarantined)
	}
	return is, err
}

// worker puts, deletes and fences at random until ctx ends. Its session is its own.
func (m *model) worker(ctx context.Context, s *segment.Store, session uint64, rng *rand.Rand) error {
	var have []object.ChunkID
	m.mu.Lock()
	next := uint64(1)
	for id, e := range m.chunks {
		if id.Blob.Session != object.SessionID(session) {
			continue
		}
		next = max(next, id.Blob.Sequence+1)
		if e.state == putAcked {
			have = append(have, id)
		}
	}
	m.mu.Unlock()
	for ; ctx.Err() == nil; next++ {
		id, size := nodetest.ID(session, next, 0, 0), 1+rng.IntN(6000)
		switch rng.IntN(10) {
		case 0:
			size = 1 + rng.IntN(300_000)
		case 1:
			if err := s.Fence(context.Background(), object.SessionID(session), next); err != nil {
				return fmt.Errorf("fence: %w", err)
			}
			m.mu.Lock()
			m.fences[object.SessionID(session)] = next
			m.mu.Unlock()
		}
		m.set(id, putSent, size)
		if err := s.Put(context.Background(), nodetest.PutOf(id, size)); err != nil {
			return fmt.Errorf("put: %w", err)
		}
		m.set(id, putAcked, size)
		have = append(have, id)
		if n := rng.IntN(8); n < 5 && len(have) > n {
			if err := m.deleteSome(s, &have, n, rng); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *model) deleteSome(s *segment.Store, have *[]object.ChunkID, n int, rng *rand.Rand) error {
	rng.Shuffle(len(*have), func(i, j int) { (*have)[i], (*have)[j] = (*have)[j], (*have)[i] })
	gone := (*have)[:n]
	*have = (*have)[n:]
	for _, id := range gone {
		m.set(id, deleteSent, m.copyOf(id).bytes)
	}
	if err := s.Delete(context.Background(), gone); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	for _, id := range gone {
		m.set(id, deleteAcked, m.copyOf(id).bytes)
	}
	return nil
}

func (m *model) copyOf(id object.ChunkID) modelChunk {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.chunks[id]
}

// crashSeeds is how many histories TestCrash goes through.
var crashSeeds = 24

// The machine stops at random moments; of what was not synced any part may have
// reached the disk. What was acknowledged is there afterwards, what was deleted stays
// away, all else is whole or absent, and nothing is taken for corrupt. Each generation
// goes on with what the one before left; sometimes the index is lost too.
func TestCrash(t *testing.T) {
	seeds := crashSeeds
	if testing.Short() || slow {
		seeds = 6
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			crashRun(t, rand.New(rand.NewPCG(seed, 11)))
		})
	}
}

func crashRun(t *testing.T, rng *rand.Rand) {
	fs := vfs.NewCrashableMem()
	m := newModel()
	for generation := range 4 {
		s := openForCrash(t, fs)
		before, after, crashed := m.runUntilCrash(t, s, fs, rng)
		if err := s.Close(); err != nil {
			t.Errorf("closing what had crashed: %v", err)
		}
		if rng.IntN(3) == 0 {
			if err := crashed.RemoveAll("node/index"); err != nil {
				t.Fatal(err)
			}
		}
		s, err := segment.Open(logged(t, testOptions(crashed)))
		if err != nil {
			t.Fatalf("generation %d: open after the crash: %v", generation, err)
		}
		if n := s.Metrics().Rebuilds; n != 0 {
			t.Errorf("generation %d: the index was built anew, though it is whole", generation)
		}
		is, err := check(t.Context(), s, before, after)
		if err != nil {
			t.Fatalf("generation %d: %v\n%s", generation, err, crashed)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		sameWithoutIndex(t, crashed, is)
		fs, m = crashed, is
	}
}

func openForCrash(t *testing.T, fs *vfs.MemFS) *segment.Store {
	t.Helper()
	s, err := segment.Open(testOptions(&punchFS{FS: fs}))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// runUntilCrash works on a store and stops the machine after a random number of
// acknowledgements.
func (m *model) runUntilCrash(t *testing.T, s *segment.Store, fs *vfs.MemFS, rng *rand.Rand) (before, after *model, crashed *vfs.MemFS) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range uint64(6) {
		r := rand.New(rand.NewPCG(rng.Uint64(), w))
		wg.Go(func() {
			if err := m.worker(ctx, s, w+1, r); err != nil {
				t.Errorf("worker: %v", err)
			}
		})
	}
	for want := s.Metrics().Batches + 5 + rng.Uint64N(60); s.Metrics().Batches < want && !t.Failed(); {
		// A call of the store is the event that is waited for.
		if _, err := s.Inventory(ctx, chunkwire.Inventory{Session: 1, To: 1 << 40}); err != nil {
			t.Fatal(err)
		}
	}
	before = m.copy()
	crashed = fs.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: []int{0, 10, 50, 90, 100}[rng.IntN(5)], RNG: rng,
	})
	after = m.copy()
	cancel()
	wg.Wait()
	return before, after, crashed
}

// sameWithoutIndex holds that the segments alone say the same as the index.
func sameWithoutIndex(t *testing.T, fs *vfs.MemFS, want *model) {
	t.Helper()
	other := vfs.NewMem()
	if _, err := vfs.Clone(fs, other, "node", "node"); err != nil {
		t.Fatal(err)
	}
	if err := other.RemoveAll("node/index"); err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(testOptions(other))
	if err != nil {
		t.Fatalf("open without index: %v", err)
	}
	if _, err := check(t.Context(), s, want, want); err != nil {
		t.Errorf("without index: %v", err)
	}
	if m := s.Metrics(); m.ReplayedRecords == 0 && len(want.chunks) > 0 {
		t.Errorf("nothing was replayed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// punchFS gives the files of a file system in memory the ability to make holes.
type punchFS struct{ vfs.FS }

type punchFile struct{ vfs.File }

func (f punchFile) PunchHole(offset, length int64) error {
	_, err := f.WriteAt(make([]byte, length), offset)
	return err
}

func (p *punchFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := p.FS.OpenReadWrite(name, c, o...)
	if err != nil {
		return nil, err
	}
	return punchFile{f}, nil
}
