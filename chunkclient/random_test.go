package chunkclient_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/object"
)

// TestRandom runs random writes and reads against a model, several at a time, on nodes in memory and on
// real segments.
func TestRandom(t *testing.T) {
	for _, row := range []struct {
		name  string
		nodes func(t *testing.T) []chunkclient.Node
	}{
		{"memory", func(*testing.T) []chunkclient.Node {
			return []chunkclient.Node{&clienttest.Node{}, &clienttest.Node{}}
		}},
		{"segments", func(t *testing.T) []chunkclient.Node {
			s, err := segment.Open(segment.Options{Dir: "chunks", FS: vfs.NewMem(), SegmentBytes: 4 * mib, MinFreeBytes: -1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return []chunkclient.Node{s}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			runRandom(t, newClientOf(t, chunkclient.Options{StripeBytes: 64 * kib, MemoryBytes: 4 * mib}, row.nodes(t)...))
		})
	}
}

func runRandom(t *testing.T, c *chunkclient.Client) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for task := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(task)))
			for i := range rounds {
				data := randomBytes(rnd.Uint64(), rnd.IntN(700*kib))
				w, err := c.Create(context.Background(), chunkclient.WriteBlob{ID: blobID(uint64(task*1000 + i)), Group: group, SizeBytes: int64(len(data))})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = w.Write(data)
				b, ferr := w.Finish(context.Background())
				if err := errors.Join(err, ferr); err != nil {
					t.Errorf("task %d, round %d: %v", task, i, err)
					return
				}
				offset := rnd.Int64N(b.SizeBytes + 1)
				length := rnd.Int64N(b.SizeBytes - offset + 1)
				if got, err := read(c, b, offset, length); err != nil || !bytes.Equal(got, data[offset:offset+length]) {
					t.Errorf("task %d, round %d: range %d+%d of %d: %d bytes, %v", task, i, offset, length, b.SizeBytes, len(got), err)
				}
				if rnd.IntN(3) > 0 {
					continue
				}
				if err := c.Delete(context.Background(), b); err != nil {
					t.Errorf("task %d, round %d: delete: %v", task, i, err)
				}
				if _, err := read(c, b, 0, b.SizeBytes); b.SizeBytes > 0 && !errors.Is(err, object.LostBytes) {
					t.Errorf("task %d, round %d: reading what was deleted: %v", task, i, err)
				}
			}
		})
	}
	wg.Wait()
}
