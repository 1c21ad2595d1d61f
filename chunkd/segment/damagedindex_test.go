package segment_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
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
			for i := range uint64(2000) {
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
