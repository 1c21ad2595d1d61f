package chunkclient_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"testing"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/clienttest"
)

var benchSizes = []int{kib, 64 * kib, mib, 16 * mib, 64 * mib}

// BenchmarkWrite writes blobs to a node that discards them: the cost of the client itself, with and
// without the MD5 that every upload needs.
func BenchmarkWrite(b *testing.B) {
	for _, md5Too := range []bool{false, true} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("md5=%v/%dKiB", md5Too, size/kib), func(b *testing.B) {
				c := newClient(b, chunkclient.Options{}, &clienttest.Node{Discard: true})
				data := randomBytes(1, size)
				ctx := context.Background()
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					o := chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: int64(size)}
					if md5Too {
						o.Hashes = []io.Writer{md5.New()}
					}
					w, err := c.Create(ctx, o)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := w.ReadFrom(bytes.NewReader(data)); err != nil {
						b.Fatal(err)
					}
					if _, err := w.Finish(ctx); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRead reads blobs of a node in memory.
func BenchmarkRead(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("%dKiB", size/kib), func(b *testing.B) {
			c := newClient(b, chunkclient.Options{}, &clienttest.Node{})
			blob := put(b, c, 1, randomBytes(1, size))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				r, err := c.OpenBlob(context.Background(), blob, 0, blob.SizeBytes)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
