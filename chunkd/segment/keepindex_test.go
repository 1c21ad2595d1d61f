package segment_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/object"
)

// A store that stops before its index was ever flushed still has a usable one: nothing
// is built anew, whatever a crash left of what was not synced.
func TestCrashKeepsIndex(t *testing.T) {
	for _, row := range []struct {
		name string
		mib  int
	}{{"empty", 0}, {"before the first checkpoint", 3}, {"after some", 110}} {
		t.Run(row.name, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			o := testOptions(fs)
			o.Dir = "data/deep/node"
			o.SegmentBytes = 32 << 20
			s := mustOpen(t, o)
			var wg sync.WaitGroup
			for w := range uint64(2) {
				wg.Go(func() {
					p := nodetest.PutOf(nodetest.ID(w+1, 0, 0, 0), object.ChunkMaxBytes)
					for i := range uint64(row.mib) {
						if i%2 == w {
							p.ID.Blob.Sequence = i
							if err := s.Put(t.Context(), p); err != nil {
								t.Errorf("put: %v", err)
							}
						}
					}
				})
			}
			wg.Wait()
			for _, percent := range []int{0, 30, 100} {
				o := logged(t, o)
				o.FS = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(percent), 1))})
				again := mustOpen(t, o)
				m, st := again.Metrics(), mustStat(t, again)
				if m.Rebuilds != 0 || m.ReplayedBytes > segment.ReplayMaxBytes || st.Chunks != int64(row.mib) {
					t.Errorf("%d %%: %d rebuilds, %d MiB replayed, %d chunks", percent, m.Rebuilds, m.ReplayedBytes>>20, st.Chunks)
				}
			}
		})
	}
}
