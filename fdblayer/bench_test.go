package fdblayer

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
	"github.com/stampede-store/stampede/object"
)

// engines are what the benchmarks run on.
var engines = []struct {
	name string
	open func(b *testing.B) *pebblekv.DB
}{
	{"memory", func(b *testing.B) *pebblekv.DB {
		return inMemory(b)
	}},
	{"disk", func(b *testing.B) *pebblekv.DB {
		return openEmbedded(b, pebblekv.Options{Dir: b.TempDir()})
	}},
}

// openEmbedded opens the embedded engine: benchmarks report its own counts, and in time that passes at once nothing else works.
func openEmbedded(b testing.TB, o pebblekv.Options) *pebblekv.DB {
	b.Helper()
	db, err := pebblekv.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

// inMemory is the embedded engine without a disk.
func inMemory(t testing.TB) *pebblekv.DB {
	t.Helper()
	return openEmbedded(t, pebblekv.Options{Dir: "db", FS: vfs.NewMem(), MemTableBytes: 4 << 20, CacheBytes: 8 << 20})
}

// benchLayer opens a layer with a real clock and heartbeat, and a bucket.
func benchLayer(b *testing.B, db kv.Database, change ...func(*Options)) *Layer {
	b.Helper()
	o := Options{DB: db, SoleProcess: true}
	for _, f := range change {
		f(&o)
	}
	l, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(b.Context()); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
	})
	if _, err := l.CreateBucket(b.Context(), object.Bucket{Name: "bench"}); err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkPutObject puts objects of 1 KiB, whose bytes are in the version row, each to a key of its own.
func BenchmarkPutObject(b *testing.B) {
	content := strings.Repeat("x", 1<<10)
	for _, engine := range engines {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/clients=%d", engine.name, clients), func(b *testing.B) {
				db := engine.open(b)
				l := benchLayer(b, db)
				before := db.Metrics()
				benchPuts(b, l, clients, content)
				after := db.Metrics()
				if syncs := after.Syncs - before.Syncs; syncs > 0 {
					b.ReportMetric(float64(after.Commits-before.Commits)/float64(syncs), "commits/sync")
				}
			})
		}
	}
}

// BenchmarkOpenVersion opens current versions of 1 KiB and lets them go.
func BenchmarkOpenVersion(b *testing.B) {
	const objects = 1000
	content := strings.Repeat("x", 1<<10)
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			l := benchLayer(b, newEngine(b))
			for n := range objects {
				if _, err := l.PutObject(b.Context(), PutObject{
					Bucket: "bench", Version: version(object.Key(fmt.Sprint(n)), content),
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			inParallel(b, clients, func(n int64) error {
				r, err := l.OpenVersion(b.Context(), "bench", object.Key(fmt.Sprint(n%objects)), "")
				if err == nil {
					r.Close()
				}
				return err
			})
		})
	}
}

// inParallel shares b.N calls among clients.
func inParallel(b *testing.B, clients int, f func(n int64) error) {
	b.Helper()
	var next atomic.Int64
	done := make(chan error, clients)
	for range clients {
		go func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := f(n); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

// benchPuts times b.N puts of new keys.
func benchPuts(b *testing.B, l *Layer, clients int, content string) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	inParallel(b, clients, func(n int64) error {
		_, err := l.PutObject(b.Context(), PutObject{
			Bucket: "bench", Version: version(object.Key(fmt.Sprintf("key-%08d", n)), content),
		})
		return err
	})
	b.StopTimer()
}
