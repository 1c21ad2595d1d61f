package segment_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// An index whose tables are damaged is built anew, by the start that meets the damage, or by the
// next one after a read or write that did. No chunk is lost or denied meanwhile.
func TestDamagedTables(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(b []byte)
	}{
		{"everywhere", func(b []byte) {
			for i := 0; i < len(b); i += 100 {
				b[i] ^= 1
			}
		}},
		{"at the begin", func(b []byte) { b[10] ^= 1 }},
		{"in the first half", func(b []byte) {
			for i := 100; i < len(b)/2; i += 500 {
				b[i] ^= 1
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			fs := vfs.NewMem()
			o := testOptions(fs)
			s := mustOpen(t, o)
			var puts []chunkwire.Put
			for i := range uint64(1000) {
				puts = append(puts, nodetest.PutOf(nodetest.ID(i, i, 0, 0), 100))
				if i%2 == 0 {
					if err := s.Put(t.Context(), puts[i]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			names, err := fs.List("node/index")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if strings.HasSuffix(name, ".sst") {
					b := []byte(readAll(t, fs, "node/index/"+name))
					row.damage(b)
					writeAll(t, fs, "node/index/"+name, string(b))
				}
			}
			bad := 0
			for start := range 2 {
				s = mustOpenFaulty(t, o)
				bad = 0
				for i, p := range puts {
					err := nodetest.Check(t.Context(), s, p)
					switch {
					case i%2 == 0 && err == nil, i%2 == 1 && errors.Is(err, object.NoSuchChunk):
					case start == 0 && errors.Is(err, object.Unavailable):
						bad++
					default:
						t.Fatalf("start %d, chunk %d: %v", start, i, err)
					}
				}
				t.Logf("start %d: %d of %d unavailable, %d rebuilds", start, bad, len(puts), s.Metrics().Rebuilds)
				if err := s.Close(); err != nil && bad == 0 {
					t.Fatal(err)
				}
			}
		})
	}
}

// A disk without space for the index refuses what would leave it too far behind, in time; reading
// goes on, Close and Open return, and with space all goes on.
func TestNoSpaceForIndex(t *testing.T) {
	mem := vfs.NewMem()
	var full atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	}))
	o := testOptions(fs)
	o.SegmentBytes = 32 << 20
	p := nodetest.PutOf(nodetest.ID(1, 0, 0, 0), object.ChunkMaxBytes)
	puts := 0
	fill := func(s *segment.Store) {
		t.Helper()
		for err := error(nil); !errors.Is(err, object.Full); puts++ {
			p.ID.Blob.Sequence = uint64(puts)
			if err = s.Put(t.Context(), p); err != nil && !errors.Is(err, object.Full) || puts > 100 {
				t.Fatalf("put %d: %v", puts, err)
			}
		}
		puts--
	}
	s := mustOpenFaulty(t, o)
	full.Store(true)
	fill(s)
	if err := s.Delete(t.Context(), []object.ChunkID{nodetest.ID(1, 0, 0, 0)}); !errors.Is(err, object.Full) {
		t.Errorf("delete: %v", err)
	}
	if st := mustStat(t, s); !st.Full || st.Failed || st.Chunks != int64(puts) {
		t.Errorf("%d puts: %+v", puts, st)
	}
	if err := s.Close(); !errors.Is(err, object.Unavailable) {
		t.Errorf("close: %v", err)
	}
	s = mustOpenFaulty(t, o) // still full
	if st := mustStat(t, s); st.Chunks != int64(puts) {
		t.Errorf("opened on a full disk: %+v, want %d chunks", st, puts)
	}
	p.ID.Blob.Sequence = 0
	if err := nodetest.Check(t.Context(), s, p); err != nil {
		t.Errorf("opened on a full disk: %v", err)
	}
	fill(s)
	_ = s.Close() // fails as before
	full.Store(false)
	s = mustOpenFaulty(t, o)
	if m := s.Metrics(); m.Rebuilds != 0 || m.ReplayedBytes > segment.ReplayMaxBytes {
		t.Errorf("%d rebuilds, %d bytes replayed", m.Rebuilds, m.ReplayedBytes)
	}
	full.Store(true)
	fill(s)
	full.Store(false)
	for err := object.Full.Error(); err != ""; { // until the flush is tried again
		err = ""
		if e := s.Put(t.Context(), p); errors.Is(e, object.Full) {
			err = e.Error()
		} else if e != nil {
			t.Fatal(e)
		}
	}
	if st := mustStat(t, s); st.Chunks != int64(puts)+1 {
		t.Errorf("%d chunks, want %d", st.Chunks, puts+1)
	}
}
