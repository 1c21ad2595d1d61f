package segment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// failNth fails the n-th call of a file system, and says what it was.
type failNth struct {
	n     int64
	calls atomic.Int64
	hit   atomic.Pointer[string]
}

func (f *failNth) String() string { return fmt.Sprintf("call %d", f.n) }

func (f *failNth) MaybeError(op errorfs.Op) error {
	if f.calls.Add(1)-1 != f.n {
		return nil
	}
	what := fmt.Sprintf("kind %d of %s", op.Kind, op.Path)
	f.hit.Store(&what)
	return errorfs.ErrInjected
}

// quiet reports calls whose failure costs nothing and need not be seen: closing what
// is durable or was only read, and what the index does for itself beside flushing.
func quiet(what string) bool {
	kinds := []errorfs.OpKind{errorfs.OpFileClose}
	if strings.Contains(what, "index") || strings.Contains(what, "OPTIONS") {
		kinds = append(kinds, errorfs.OpRemove, errorfs.OpStat, errorfs.OpOpen, errorfs.OpFileRead, errorfs.OpFileReadAt,
			errorfs.OpFilePreallocate, errorfs.OpFileSyncTo)
	}
	for _, kind := range kinds {
		if strings.HasPrefix(what, fmt.Sprintf("kind %d of ", kind)) {
			return true
		}
	}
	return false
}

// Each call of the file system fails once, one after the other. Every failure comes
// out somewhere, and what was acknowledged is there when the folder is opened again
// after a crash.
func TestEveryCallFails(t *testing.T) {
	step := int64(1)
	if testing.Short() || slow {
		step = 7
	}
	for n := int64(0); ; n += step {
		fs := vfs.NewCrashableMem()
		inj := &failNth{n: n}
		m := newModel()
		surfaced := workUnderFault(t, errorfs.Wrap(fs, inj), m)
		hit := inj.hit.Load()
		if hit == nil {
			if surfaced != nil {
				t.Errorf("without a fault: %v", surfaced)
			}
			if n < 100 {
				t.Errorf("the work made only %d calls", n)
			}
			return
		}
		if surfaced == nil && !quiet(*hit) {
			t.Errorf("call %d, %s: its failure did not come out", n, *hit)
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(n), 1))})
		for name, left := range map[string]*vfs.MemFS{"crash": crashed, "restart": fs} {
			s, err := segment.Open(testOptions(left))
			if err != nil {
				t.Fatalf("call %d, %s, after %s: open: %v", n, *hit, name, err)
			}
			if _, err := check(t.Context(), s, m, m); err != nil {
				t.Errorf("call %d, %s, after %s: %v", n, *hit, name, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("call %d, %s, after %s: close: %v", n, *hit, name, err)
			}
		}
	}
}

// workUnderFault does a bit of everything and returns the first error, be it of a call
// or in the log.
func workUnderFault(t *testing.T, fs vfs.FS, m *model) (first error) {
	note := func(err error) bool {
		if first == nil {
			first = err
		}
		return err == nil
	}
	core, logs := observer.New(zap.WarnLevel)
	defer func() {
		if entries := logs.All(); len(entries) > 0 {
			note(errors.New(entries[0].Message))
		}
	}()
	for round := range uint64(2) {
		o := testOptions(fs)
		o.Log = zap.New(core)
		s, err := segment.Open(o)
		if !note(err) {
			continue
		}
		for i := range uint64(6) {
			id, size := nodetest.ID(1, round*100+i, 0, 0), 70_000+int(i)
			m.set(id, putSent, size)
			if note(s.Put(t.Context(), nodetest.PutOf(id, size))) {
				m.set(id, putAcked, size)
			}
			if e := m.copyOf(id); e.state == putAcked {
				note(nodetest.Check(t.Context(), s, nodetest.PutOf(id, size)))
			}
			if e := m.copyOf(id); i%3 > 0 && e.state == putAcked {
				m.set(id, deleteSent, size)
				if note(s.Delete(t.Context(), []object.ChunkID{id})) {
					m.set(id, deleteAcked, size)
				}
			}
		}
		if position := round*100 + 3; note(s.Fence(t.Context(), 1, position)) {
			m.fences[1] = position
		}
		_, err = s.Stat(t.Context())
		note(err)
		note(s.Close())
	}
	return first
}

// After a failed sync nothing is written any more; reads go on.
func TestFailedSync(t *testing.T) {
	fs := vfs.NewCrashableMem()
	var broken atomic.Bool
	s := mustOpenFaulty(t, testOptions(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".seg") && broken.Load() {
			return syscall.EIO
		}
		return nil
	}))))
	first, second := nodetest.PutOf(nodetest.ID(1, 1, 0, 0), 5000), nodetest.PutOf(nodetest.ID(1, 2, 0, 0), 5000)
	if err := s.Put(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := s.Put(t.Context(), second); !errors.Is(err, object.Unavailable) || !errors.Is(err, syscall.EIO) {
		t.Errorf("put: %v", err)
	}
	broken.Store(false)
	for name, err := range map[string]error{
		"put again": s.Put(t.Context(), second),
		"old put":   s.Put(t.Context(), first),
		"delete":    s.Delete(t.Context(), []object.ChunkID{first.ID}),
		"fence":     s.Fence(t.Context(), 1, 5),
	} {
		if !errors.Is(err, object.Unavailable) {
			t.Errorf("%s on a failed disk: %v", name, err)
		}
	}
	if err := nodetest.Check(t.Context(), s, first); err != nil {
		t.Errorf("get on a failed disk: %v", err)
	}
	if st, err := s.Stat(t.Context()); err != nil || !st.Failed {
		t.Errorf("stat: %+v, %v", st, err)
	}
}

// mustOpenFaulty is mustOpen for a store whose Close may fail.
func mustOpenFaulty(t *testing.T, o segment.Options) *segment.Store {
	t.Helper()
	s, err := segment.Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// smallDisk is a file system on which segments can grow to a limit. Writes
// beyond it write a part and end with ENOSPC, as an operating system's do.
type smallDisk struct {
	vfs.FS
	left atomic.Int64
}

type smallFile struct {
	vfs.File
	disk *smallDisk
}

func (d *smallDisk) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".seg") {
		return f, err
	}
	return smallFile{f, d}, nil
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.wrap(name, f, err)
}

func (d *smallDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, o...)
	return d.wrap(name, f, err)
}

func (f smallFile) WriteAt(b []byte, off int64) (int, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	grow := off + int64(len(b)) - info.Size()
	if grow <= 0 {
		return f.File.WriteAt(b, off)
	}
	if left := f.disk.left.Add(-grow); left < 0 {
		f.disk.left.Add(grow)
		n, err := f.File.WriteAt(b[:max(len(b)-int(grow-max(0, f.disk.left.Load())), 0)], off)
		return n, errors.Join(err, syscall.ENOSPC)
	}
	return f.File.WriteAt(b, off)
}

// A write that ends for lack of space refuses the puts in it and nothing else: deletes
// and reads go on, puts resume when there is space, and nothing of the refused
// puts is found later.
func TestNoSpace(t *testing.T) {
	disk := vfs.NewCrashableMem()
	fs := &smallDisk{FS: disk}
	fs.left.Store(1 << 30)
	s := mustOpenFaulty(t, testOptions(fs))
	var kept []chunkwire.Put
	for i := range uint64(3) {
		kept = append(kept, nodetest.PutOf(nodetest.ID(1, i, 0, 0), 50_000))
		if err := s.Put(t.Context(), kept[i]); err != nil {
			t.Fatal(err)
		}
	}
	fs.left.Store(60_000)
	refused := nodetest.PutOf(nodetest.ID(1, 10, 0, 0), 100_000)
	if err := s.Put(t.Context(), refused); !errors.Is(err, object.Full) {
		t.Fatalf("put without space: %v", err)
	}
	if st, err := s.Stat(t.Context()); err != nil || !st.Full || st.Failed {
		t.Errorf("stat: %+v, %v", st, err)
	}
	if err := nodetest.Check(t.Context(), s, refused); !errors.Is(err, object.NoSuchChunk) {
		t.Errorf("the refused chunk: %v", err)
	}
	// Deleting what was refused must hold, though there is nothing to delete.
	if err := s.Delete(t.Context(), []object.ChunkID{refused.ID, kept[0].ID}); err != nil {
		t.Errorf("delete without space: %v", err)
	}
	if err := s.Fence(t.Context(), 2, 5); err != nil {
		t.Errorf("fence without space: %v", err)
	}
	fs.left.Store(1 << 30)
	late := nodetest.PutOf(nodetest.ID(1, 20, 0, 0), 100_000)
	if err := s.Put(t.Context(), late); err != nil {
		t.Errorf("put when there is space again: %v", err)
	}
	if st, err := s.Stat(t.Context()); err != nil || st.Full {
		t.Errorf("stat: %+v, %v", st, err)
	}
	crashed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	if err := crashed.RemoveAll("node/index"); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, testOptions(crashed))
	for _, p := range []chunkwire.Put{kept[1], kept[2], late} {
		if err := nodetest.Check(t.Context(), again, p); err != nil {
			t.Error(err)
		}
	}
	for _, p := range []chunkwire.Put{kept[0], refused} {
		if err := nodetest.Check(t.Context(), again, p); !errors.Is(err, object.NoSuchChunk) {
			t.Errorf("chunk %v: %v", p.ID, err)
		}
	}
}

// A delete of what is not there is remembered as well, while the records of a refused
// put stand behind the end of the log.
func TestDeleteOfRefused(t *testing.T) {
	disk := vfs.NewCrashableMem()
	fs := &smallDisk{FS: disk}
	fs.left.Store(1 << 30)
	s := mustOpenFaulty(t, testOptions(fs))
	if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 1, 0, 0), 10)); err != nil {
		t.Fatal(err)
	}
	// The whole chunk fits, but not the padding behind it.
	refused := nodetest.PutOf(nodetest.ID(1, 2, 0, 0), 40_000)
	fs.left.Store(64 + 4 + 40_000)
	if err := s.Put(t.Context(), refused); !errors.Is(err, object.Full) {
		t.Fatalf("put: %v", err)
	}
	if err := s.Delete(t.Context(), []object.ChunkID{refused.ID}); err != nil {
		t.Fatalf("delete: %v", err)
	}
	crashed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	again := mustOpen(t, testOptions(crashed))
	if err := nodetest.Check(t.Context(), again, refused); !errors.Is(err, object.NoSuchChunk) {
		t.Errorf("the deleted chunk: %v", err)
	}
}

// Below the reserve puts are refused before anything is written.
func TestReserve(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	o.MinFreeBytes = 1 << 20
	usage := func(free uint64) { fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free, TotalBytes: 1 << 30}) }
	usage(10 << 20)
	s := mustOpen(t, o)
	first := nodetest.PutOf(nodetest.ID(1, 1, 0, 0), 5000)
	if err := s.Put(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	usage(1<<20 + 4000)
	if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 2, 0, 0), 5000)); !errors.Is(err, object.Full) {
		t.Errorf("put below the reserve: %v", err)
	}
	if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 3, 0, 0), 1000)); err != nil {
		t.Errorf("put above the reserve: %v", err)
	}
	if err := s.Put(t.Context(), first); err != nil {
		t.Errorf("put of what is there: %v", err)
	}
	usage(1000)
	if st, err := s.Stat(t.Context()); err != nil || !st.Full || st.FreeBytes != 1000 || st.TotalBytes != 1<<30 {
		t.Errorf("stat: %+v, %v", st, err)
	}
	if err := s.Delete(t.Context(), []object.ChunkID{first.ID}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if err := s.Fence(t.Context(), 1, 2); err != nil {
		t.Errorf("fence: %v", err)
	}
	usage(10 << 20)
	if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 2, 0, 0), 5000)); err != nil {
		t.Errorf("put when there is space again: %v", err)
	}
	if m := s.Metrics(); m.RefusedFull != 1 {
		t.Errorf("metrics count %d refused puts, want 1", m.RefusedFull)
	}
}
