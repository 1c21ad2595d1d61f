package segment_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// refuse makes puts of chunks fail for lack of space, with their whole records in the file
// but for the last one's padding.
func refuse(t *testing.T, s *segment.Store, fs *smallDisk, size int) chunkwire.Put {
	t.Helper()
	p := nodetest.PutOf(nodetest.ID(1, 2, 0, 0), size)
	fs.left.Store(int64(64 + 4*((size+object.BlockBytes-1)/object.BlockBytes) + size))
	if err := s.Put(t.Context(), p); !errors.Is(err, object.Full) {
		t.Fatalf("put: %v", err)
	}
	return p
}

// What a refused put left behind never counts once its delete was acknowledged, also
// if the log goes on in another segment.
func TestRemainsInOldSegment(t *testing.T) {
	for _, keepIndex := range []bool{true, false} {
		t.Run(fmt.Sprintf("index=%v", keepIndex), func(t *testing.T) {
			disk := vfs.NewCrashableMem()
			fs := &smallDisk{FS: disk}
			fs.left.Store(1 << 30)
			o := testOptions(fs)
			s := mustOpenFaulty(t, o)
			for i := range uint64(3) {
				if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 100+i, 0, 0), 600_000)); err != nil {
					t.Fatal(err)
				}
			}
			refused := refuse(t, s, fs, 40_000)
			fs.left.Store(1 << 30)
			late := nodetest.PutOf(nodetest.ID(1, 3, 0, 0), object.ChunkMaxBytes) // does not fit
			if err := s.Put(t.Context(), late); err != nil {
				t.Fatal(err)
			}
			if m := s.Metrics(); m.Segments != 2 {
				t.Fatalf("%d segments", m.Segments)
			}
			if err := s.Delete(t.Context(), []object.ChunkID{refused.ID}); err != nil {
				t.Fatal(err)
			}
			crashed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
			if !keepIndex {
				if err := crashed.RemoveAll("node/index"); err != nil {
					t.Fatal(err)
				}
			}
			again := mustOpen(t, testOptions(crashed))
			if err := nodetest.Check(t.Context(), again, refused); !errors.Is(err, object.NoSuchChunk) {
				t.Errorf("the deleted chunk: %v", err)
			}
			if err := nodetest.Check(t.Context(), again, late); err != nil {
				t.Errorf("the late chunk: %v", err)
			}
		})
	}
}

// holdFS calls hold before each sync of a segment.
type holdFS struct {
	vfs.FS
	hold func()
}

type holdFile struct {
	vfs.File
	fs *holdFS
}

func (f holdFile) Sync() error     { f.fs.hold(); return f.File.Sync() }
func (f holdFile) SyncData() error { f.fs.hold(); return f.File.SyncData() }

func (h *holdFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := h.FS.Create(name, c)
	if err != nil || !strings.HasSuffix(name, ".seg") {
		return f, err
	}
	return holdFile{f, h}, nil
}

// Of a refused batch a mark makes void also the records behind the first one, and an
// index that is complete up to the mark does not forget that.
func TestRemainsBehindMark(t *testing.T) {
	for !remainsBehindMark(t) { // until the two chunks were one batch
	}
}

func remainsBehindMark(t *testing.T) (oneBatch bool) {
	disk := vfs.NewMem()
	small := &smallDisk{FS: disk}
	small.left.Store(1 << 30)
	arrived, passed := make(chan struct{}, 100), make(chan struct{})
	fs := &holdFS{FS: small, hold: func() { arrived <- struct{}{}; <-passed }}
	s := mustOpenFaulty(t, testOptions(fs))
	results := make(chan error, 3)
	put := func(sequence uint64, size int) {
		go func() { results <- s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, sequence, 0, 0), size)) }()
	}
	put(1, 10)
	<-arrived
	put(2, 40_000)
	put(3, 40_000)
	for s.Metrics().QueuedBytes < 80_000 { // both are about to wait for the writer
		runtime.Gosched()
	}
	const record = (64 + 4 + 40_000 + 63) / 64 * 64
	small.left.Store(record + 64 + 4 + 40_000) // all but the last padding
	close(passed)
	full := 0
	for range 3 {
		if err := <-results; errors.Is(err, object.Full) {
			full++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	small.left.Store(1 << 30)
	gone := []object.ChunkID{nodetest.ID(1, 2, 0, 0), nodetest.ID(1, 3, 0, 0)}
	if err := s.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, testOptions(disk))
	for _, id := range gone {
		if err := nodetest.Check(t.Context(), s, nodetest.PutOf(id, 40_000)); !errors.Is(err, object.NoSuchChunk) {
			t.Errorf("deleted chunk %v: %v", id, err)
		}
	}
	return full == 2 || t.Failed()
}

// Deletes and fences are refused, not tried for ever, while a full disk has no space for the
// mark that must come first.
func TestNoSpaceForMark(t *testing.T) {
	fs := &smallDisk{FS: vfs.NewMem()}
	fs.left.Store(1 << 30)
	s := mustOpenFaulty(t, testOptions(fs))
	for i := range uint64(3) {
		if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 100+i, 0, 0), 600_000)); err != nil {
			t.Fatal(err)
		}
	}
	fs.left.Store(0)
	for _, size := range []int{40_000, object.ChunkMaxBytes, object.ChunkMaxBytes} {
		if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 2, 0, 0), size)); !errors.Is(err, object.Full) {
			t.Fatalf("put: %v", err)
		}
	}
	fs.left.Store(1 << 30)
	if err := s.Put(t.Context(), nodetest.PutOf(nodetest.ID(1, 2, 0, 0), object.ChunkMaxBytes)); err != nil {
		t.Fatalf("put when there is space again: %v", err)
	}
}

// Puts that are given up while a sync hangs hold no memory, although there is always
// room for the next.
func TestGivenUpPutsAreFreed(t *testing.T) {
	arrived, passed := make(chan struct{}, 100), make(chan struct{})
	defer close(passed)
	fs := &holdFS{FS: vfs.NewMem(), hold: func() { arrived <- struct{}{}; <-passed }}
	s := mustOpenFaulty(t, testOptions(fs))
	go func() { _ = s.Put(context.Background(), nodetest.PutOf(nodetest.ID(1, 0, 0, 0), 10)) }() // its outcome is another test's
	<-arrived
	var data []weak.Pointer[byte]
	for i := range uint64(100) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		p := nodetest.PutOf(nodetest.ID(1, 1+i, 0, 0), object.ChunkMaxBytes)
		data = append(data, weak.Make(&p.Data[0]))
		err := s.Put(ctx, p)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("put: %v", err)
		}
	}
	runtime.GC()
	held := 0
	for _, d := range data {
		if d.Value() != nil {
			held++
		}
	}
	if held > 1 { // the last one may still be on the stack
		t.Errorf("the data of %d of %d puts that were given up is still held", held, len(data))
	}
}

// A segment whose end is gone or zeros, though the next one proves that it had been
// synced, is counted as corrupt also when the index is built anew.
func TestLostEnd(t *testing.T) {
	for name, edit := range map[string]func(b []byte, keep int) []byte{
		"cut":            func(b []byte, keep int) []byte { return b[:keep] },
		"zeros":          func(b []byte, keep int) []byte { clear(b[keep:]); return b },
		"all zeros":      func(b []byte, _ int) []byte { clear(b[64:]); return b },
		"noise":          func(b []byte, keep int) []byte { copy(b[keep:], "noise"); return b },
		"zeros in parts": func(b []byte, keep int) []byte { clear(b[keep:]); b[keep+100_000] = 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			s := mustOpen(t, testOptions(fs))
			var puts []chunkwire.Put
			for i := range uint64(5) { // three in the first segment
				puts = append(puts, nodetest.PutOf(nodetest.ID(1, i, 0, 0), 600_000))
				if err := s.Put(t.Context(), puts[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			first := segmentFiles(t, fs)[0]
			b := []byte(readAll(t, fs, first))
			writeAll(t, fs, first, string(edit(b, 64+2*(len(b)-64)/3)))
			if err := fs.RemoveAll("node/index"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				s = mustOpen(t, testOptions(fs))
				if st := mustStat(t, s); st.Quarantined != 1 {
					t.Errorf("%d quarantined, want 1", st.Quarantined)
				}
				for _, p := range puts[3:] {
					if err := nodetest.Check(t.Context(), s, p); err != nil {
						t.Error(err)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
