package segment_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient/nodetest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

var benchSizes = []struct {
	name  string
	bytes int
}{{"4KiB", 4 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}}

// benchOptions are the defaults on the real disk: the folder of STAMPEDE_BENCH_DIR,
// or the one for temporary files.
func benchOptions(b *testing.B) segment.Options {
	dir, err := os.MkdirTemp(os.Getenv("STAMPEDE_BENCH_DIR"), "segment-bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return segment.Options{Dir: dir, MinFreeBytes: -1}
}

// parallel runs work n times in a number of goroutines.
func parallel(b *testing.B, n, goroutines int, work func(i int64, rng *rand.Rand) error) {
	var next atomic.Int64
	done := make(chan error, goroutines)
	b.ResetTimer()
	b.StartTimer()
	for g := range goroutines {
		go func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := work(i, rng); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range goroutines {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
}

func BenchmarkPut(b *testing.B) {
	for _, size := range benchSizes {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/writers=%d", size.name, writers), func(b *testing.B) {
				s := mustOpen(b, benchOptions(b))
				p := nodetest.PutOf(nodetest.ID(1, 0, 0, 0), size.bytes)
				b.SetBytes(int64(size.bytes))
				parallel(b, b.N, writers, func(i int64, _ *rand.Rand) error {
					one := p
					one.ID.Blob.Sequence = uint64(i)
					return s.Put(b.Context(), one)
				})
				m := s.Metrics()
				b.ReportMetric(float64(m.Puts)/float64(m.Syncs), "chunks/sync")
			})
		}
	}
}

// BenchmarkRawAppend is what the disk gives at best to one writer that syncs after
// each append.
func BenchmarkRawAppend(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			f, err := vfs.Default.Create(benchOptions(b).Dir+"/raw", vfs.WriteCategoryUnspecified)
			if err != nil {
				b.Fatal(err)
			}
			data := nodetest.Data(nodetest.ID(1, 0, 0, 0), size.bytes)
			b.SetBytes(int64(size.bytes))
			for i := 0; b.Loop(); i++ {
				if _, err := f.WriteAt(data, int64(i*size.bytes)); err != nil {
					b.Fatal(err)
				}
				if err := f.SyncData(); err != nil {
					b.Fatal(err)
				}
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range benchSizes {
		for _, readers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/readers=%d", size.name, readers), func(b *testing.B) {
				s := mustOpen(b, benchOptions(b))
				count := int64(64<<20) / int64(size.bytes)
				p := nodetest.PutOf(nodetest.ID(1, 0, 0, 0), size.bytes)
				parallel(b, int(count), 64, func(i int64, _ *rand.Rand) error {
					one := p
					one.ID.Blob.Sequence = uint64(i)
					return s.Put(b.Context(), one)
				})
				buffers := make(chan []byte, readers)
				for range readers {
					buffers <- make([]byte, object.ChunkMaxBytes)
				}
				b.SetBytes(int64(size.bytes))
				b.ReportAllocs()
				parallel(b, b.N, readers, func(_ int64, rng *rand.Rand) error {
					buf := <-buffers
					_, err := s.Get(b.Context(), chunkwire.Get{
						ID: nodetest.ID(1, 1+rng.Uint64N(uint64(count)), 0, 0), Length: size.bytes, Buffer: buf,
					})
					buffers <- buf
					return err
				})
			})
		}
	}
}
