package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

var (
	benchSizes   = []int{4 * kib, 64 * kib, mib, 16 * mib}
	benchClients = []int{1, 32}
)

// benchmark runs f by several clients at once, by size.
func benchmark(b *testing.B, prepare func(h *harness, data []byte), f func(h *harness, data []byte, n int64) error) {
	for _, size := range benchSizes {
		for _, clients := range benchClients {
			b.Run(fmt.Sprintf("%dKiB/clients=%d", size/kib, clients), func(b *testing.B) {
				dir := b.TempDir() // on the real disk
				h := newHarnessOn(b, setup{fs: vfs.Default, dir: dir, node: openSegments(b, vfs.Default, dir)})
				data := randomBytes(1, size)
				prepare(h, data)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				work := make(chan int64)
				var failed atomic.Pointer[error]
				done := make(chan struct{})
				for range clients {
					go func() {
						defer func() { done <- struct{}{} }()
						for n := range work {
							if err := f(h, data, n); err != nil {
								failed.Store(&err)
							}
						}
					}()
				}
				n := int64(0)
				for b.Loop() {
					work <- n
					n++
				}
				close(work)
				for range clients {
					<-done
				}
				if err := failed.Load(); err != nil {
					b.Fatal(*err)
				}
			})
		}
	}
}

// BenchmarkPut overwrites some keys.
func BenchmarkPut(b *testing.B) {
	benchmark(b, func(*harness, []byte) {}, func(h *harness, data []byte, n int64) error {
		_, err := h.PutObject(context.Background(), store.PutObject{
			Bucket: bucket, Key: object.Key(fmt.Sprint(n % 1000)), Body: bytes.NewReader(data), SizeBytes: int64(len(data)),
		})
		return err
	})
}

// BenchmarkGet reads one object.
func BenchmarkGet(b *testing.B) {
	benchmark(b, func(h *harness, data []byte) { h.put(bucket, "k", data) }, func(h *harness, _ []byte, _ int64) error {
		o, err := h.GetObject(context.Background(), store.GetObject{Bucket: bucket, Key: "k"})
		if err != nil {
			return err
		}
		defer o.Close()
		_, err = o.WriteTo(io.Discard)
		return err
	})
}
