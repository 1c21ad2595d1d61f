package chunkclient_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// TestRoundTrip writes blobs of sizes around every border in several ways, and checks the
// blob, its hashes, and its bytes when read back.
func TestRoundTrip(t *testing.T) {
	ways := []struct {
		name  string
		write func(w *chunkclient.Writer, data []byte) error
	}{
		{"one write", func(w *chunkclient.Writer, data []byte) error {
			_, err := w.Write(data)
			return err
		}},
		{"odd writes", func(w *chunkclient.Writer, data []byte) error {
			for len(data) > 0 {
				n, err := w.Write(data[:min(len(data), 60_001)])
				if err != nil {
					return err
				}
				data = data[n:]
			}
			return nil
		}},
		{"read from", func(w *chunkclient.Writer, data []byte) error {
			_, err := w.ReadFrom(bytes.NewReader(data))
			return err
		}},
		{"read from, data with EOF", func(w *chunkclient.Writer, data []byte) error {
			_, err := w.ReadFrom(iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(data))))
			return err
		}},
	}
	for _, size := range []int{0, 1, 4 * kib, 64*kib - 1, 64 * kib, 64*kib + 1, mib - 1, mib, mib + 1, 6*mib + 17} {
		data := randomBytes(uint64(size), size)
		for _, way := range ways {
			for _, known := range []bool{true, false} {
				t.Run(fmt.Sprintf("%d bytes/%s/known=%v", size, way.name, known), func(t *testing.T) {
					roundTrip(t, data, known, way.write)
				})
			}
		}
	}
}

func roundTrip(t *testing.T, data []byte, known bool, write func(*chunkclient.Writer, []byte) error) {
	node := &clienttest.Node{}
	c := newClient(t, chunkclient.Options{}, node)
	h1, h2 := md5.New(), sha256.New()
	o := chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: -1, Hashes: []io.Writer{h1, h2}}
	if known {
		o.SizeBytes = int64(len(data))
	}
	w, err := c.Create(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(w, data); err != nil {
		t.Fatal(err)
	}
	b, err := w.Finish(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := object.Blob{ID: blobID(1), Group: group, SizeBytes: int64(len(data)), StripeBytes: mib, Copies: 1}
	if b != want {
		t.Errorf("blob is %+v, want %+v", b, want)
	}
	if got := int64(len(node.Chunks())); got != b.Stripes() {
		t.Errorf("%d chunks stored, want %d", got, b.Stripes())
	}
	if sum := md5.Sum(data); !bytes.Equal(h1.Sum(nil), sum[:]) {
		t.Error("the first hash is wrong")
	}
	if sum := sha256.Sum256(data); !bytes.Equal(h2.Sum(nil), sum[:]) {
		t.Error("the second hash is wrong")
	}
	if got, err := read(c, b, 0, b.SizeBytes); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read back %d bytes, equal %v, %v", len(got), bytes.Equal(got, data), err)
	}
	if err := w.Abort(context.Background()); err != nil || int64(len(node.Chunks())) != b.Stripes() {
		t.Errorf("an Abort after Finish: %v, %d chunks are left", err, len(node.Chunks()))
	}
}

// TestSmallBlobTakesLittleMemory checks that a blob of known size takes a buffer of its size.
func TestSmallBlobTakesLittleMemory(t *testing.T) {
	c := newClient(t, chunkclient.Options{}, &clienttest.Node{})
	w, err := c.Create(context.Background(), chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: 10 * kib})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 5*kib)); err != nil {
		t.Fatal(err)
	}
	if got := c.Stats().MemoryBytes; got != 16*kib {
		t.Errorf("10 KiB hold %d bytes of memory", got)
	}
	if err := w.Abort(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestMoreThanAnnounced(t *testing.T) {
	for _, size := range []int{0, 10 * kib, mib, mib + 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			node := &clienttest.Node{}
			c := newClient(t, chunkclient.Options{}, node)
			w, err := c.Create(context.Background(), chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: int64(size)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.ReadFrom(bytes.NewReader(make([]byte, size+1))); !errors.Is(err, chunkclient.ErrTooLong) {
				t.Errorf("ReadFrom gave %v", err)
			}
			if err := w.Abort(context.Background()); err != nil || len(node.Chunks()) != 0 {
				t.Errorf("Abort: %v, %d chunks left", err, len(node.Chunks()))
			}
		})
	}
}

// TestFinishWaits blocks the node: Finish must not return before every chunk is stored, and no more
// stripes than allowed may be in memory meanwhile.
func TestFinishWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		node := &clienttest.Node{BeforePut: func(context.Context, chunkwire.Put) error { <-gate; return nil }}
		c := newClient(t, chunkclient.Options{StripesInFlight: 3}, node)
		w, err := c.Create(context.Background(), chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: -1, Hashes: []io.Writer{md5.New()}})
		if err != nil {
			t.Fatal(err)
		}
		var finished atomic.Bool
		go func() {
			if _, err := w.Write(make([]byte, 10*mib)); err != nil {
				t.Error(err)
			}
			if _, err := w.Finish(context.Background()); err != nil {
				t.Error(err)
			}
			finished.Store(true)
		}()
		for stored := range 10 {
			synctest.Wait()
			if finished.Load() {
				t.Fatalf("Finish returned with %d of 10 stripes stored", stored)
			}
			if got, want := c.Stats().MemoryBytes, int64(min(3, 10-stored))*mib; got != want {
				t.Fatalf("%d bytes in memory with %d stripes stored, want %d", got, stored, want)
			}
			gate <- struct{}{}
		}
		synctest.Wait()
		if !finished.Load() {
			t.Error("Finish did not return")
		}
	})
}

// TestPutFails lets the put of one stripe fail: the kind comes out of the writer, and
// Abort leaves nothing.
func TestPutFails(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		want object.Kind
	}{
		{"full", &object.Error{Kind: object.Full}, object.Full},
		{"fenced", &object.Error{Kind: object.Fenced}, object.Fenced},
		{"conflict", &object.Error{Kind: object.ChunkConflict}, object.ChunkConflict},
		{"unavailable", &object.Error{Kind: object.Unavailable}, object.Unavailable},
		{"without a kind", io.ErrClosedPipe, object.Unavailable},
	} {
		for _, bad := range []uint32{0, 3, 7} {
			t.Run(fmt.Sprintf("%s/stripe %d", row.name, bad), func(t *testing.T) {
				node := &clienttest.Node{BeforePut: func(_ context.Context, p chunkwire.Put) error {
					if p.ID.Stripe == bad {
						return row.err
					}
					return nil
				}}
				c := newClient(t, chunkclient.Options{}, node)
				w, err := c.Create(context.Background(), chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: 8 * mib, Hashes: []io.Writer{md5.New()}})
				if err != nil {
					t.Fatal(err)
				}
				_, err = w.ReadFrom(bytes.NewReader(make([]byte, 8*mib)))
				if err == nil {
					_, err = w.Finish(context.Background())
				}
				if !errors.Is(err, row.want) || !errors.Is(err, row.err) {
					t.Errorf("the writer gave %v", err)
				}
				if _, err := w.Write([]byte{1}); err == nil {
					t.Error("a failed writer takes more")
				}
				if err := w.Abort(context.Background()); err != nil || len(node.Chunks()) != 0 {
					t.Errorf("Abort: %v, %d chunks left", err, len(node.Chunks()))
				}
			})
		}
	}
}

// TestAbortAfterCancel ends the request's context while chunks are being stored: the writer stops waiting,
// and Abort waits for those chunks, so that its deletion gets them all.
func TestAbortAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &clienttest.Node{BeforePut: func(ctx context.Context, _ chunkwire.Put) error {
			time.Sleep(time.Second) // of the bubble's clock
			return ctx.Err()
		}}
		c := newClient(t, chunkclient.Options{}, node)
		ctx, cancel := context.WithCancel(context.Background())
		w, err := c.Create(ctx, chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second/2, cancel)
		if _, err := w.Write(make([]byte, 9*mib)); !errors.Is(err, context.Canceled) {
			t.Errorf("Write gave %v", err)
		}
		if _, err := w.Finish(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Finish gave %v", err)
		}
		if err := w.Abort(ctx); err != nil {
			t.Errorf("Abort gave %v", err)
		}
		if puts, _, _ := node.Calls(); puts == 0 || len(node.Chunks()) != 0 {
			t.Errorf("%d chunks were stored and %d are left", puts, len(node.Chunks()))
		}
	})
}

// TestAbortOfHangingPut: Abort gives up after its time, and the memory comes back when the put does.
func TestAbortOfHangingPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		node := &clienttest.Node{BeforePut: func(context.Context, chunkwire.Put) error { <-gate; return nil }}
		c := newClient(t, chunkclient.Options{AbortTimeout: 3 * time.Second}, node)
		w, err := c.Create(context.Background(), chunkclient.WriteBlob{ID: blobID(1), Group: group, SizeBytes: -1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 2*mib)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := w.Abort(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Abort gave %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Abort took %v", took)
		}
		if got := c.Stats().MemoryBytes; got != 2*mib {
			t.Errorf("%d bytes are held while puts hang", got)
		}
		close(gate)
	})
}

// TestMemoryBound runs more uploads and reads than memory allows: the bound holds at every moment, and all end.
func TestMemoryBound(t *testing.T) {
	const bound, size, tasks = 6 * mib, 3*mib + 5, 12
	var c *chunkclient.Client
	var highest atomic.Int64
	sample := func() {
		now := c.Stats().MemoryBytes
		for old := highest.Load(); now > old && !highest.CompareAndSwap(old, now); old = highest.Load() {
		}
	}
	node := &clienttest.Node{
		BeforePut: func(context.Context, chunkwire.Put) error { sample(); return nil },
		BeforeGet: func(context.Context, chunkwire.Get) error { sample(); return nil },
	}
	c = newClient(t, chunkclient.Options{MemoryBytes: bound}, node)
	data := randomBytes(1, size)
	first := put(t, c, 0, data)
	var wg sync.WaitGroup
	for i := range tasks {
		wg.Go(func() { put(t, c, uint64(i+1), data) })
		wg.Go(func() {
			if got, err := read(c, first, 0, size); err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	if got := highest.Load(); got > bound || got < bound/2 {
		t.Errorf("at most %d bytes were in use, want nearly %d", got, bound)
	}
}

// TestMemoryWaitEnds: a writer that waits for memory stops when its context ends.
func TestMemoryWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, chunkclient.Options{MemoryBytes: 4 * mib}, &clienttest.Node{})
		ctx, cancel := context.WithCancel(context.Background())
		var writers []*chunkclient.Writer
		for i := range 5 {
			w, err := c.Create(ctx, chunkclient.WriteBlob{ID: blobID(uint64(i)), Group: group, SizeBytes: -1})
			if err != nil {
				t.Fatal(err)
			}
			writers = append(writers, w)
		}
		for _, w := range writers[:4] { // each holds a buffer that is partly filled
			if _, err := w.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		go func() { _, err = writers[4].Write([]byte("x")) }()
		synctest.Wait()
		if err != nil {
			t.Fatalf("the fifth writer did not wait: %v", err)
		}
		cancel()
		synctest.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the fifth writer got %v", err)
		}
		for _, w := range writers {
			if err := w.Abort(ctx); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestCopies writes to three slots at once: each has every stripe under its own slot number.
func TestCopies(t *testing.T) {
	nodes := []*clienttest.Node{{}, {}, {}}
	c := newClient(t, chunkclient.Options{}, nodes...)
	b := put(t, c, 1, randomBytes(1, 2*mib+1))
	if b.Copies != 3 {
		t.Errorf("blob has %d copies", b.Copies)
	}
	for slot, n := range nodes {
		ids := n.Chunks()
		if len(ids) != 3 {
			t.Fatalf("slot %d has %d chunks", slot, len(ids))
		}
		for i, id := range ids {
			if want := (object.ChunkID{Blob: b.ID, Stripe: uint32(i), Slot: uint16(slot)}); id != want {
				t.Errorf("slot %d has %v, want %v", slot, id, want)
			}
		}
	}
}
