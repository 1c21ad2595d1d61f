package chunkclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

const (
	kib   = 1 << 10
	mib   = 1 << 20
	group = object.GroupID(7)
)

// newClient is newClientOf nodes in memory.
func newClient(t testing.TB, o chunkclient.Options, nodes ...*clienttest.Node) *chunkclient.Client {
	t.Helper()
	slots := make([]chunkclient.Node, len(nodes))
	for i, n := range nodes {
		slots[i] = n
	}
	return newClientOf(t, o, slots...)
}

// newClientOf makes a client over the nodes as one group, and checks at the test's end that
// every goroutine ended and every buffer came back.
func newClientOf(t testing.TB, o chunkclient.Options, slots ...chunkclient.Node) *chunkclient.Client {
	t.Helper()
	o.Groups = chunkclient.FixedGroups{group: slots}
	c, err := chunkclient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("goroutines are left: %v", err)
		}
		if got := c.Stats().MemoryBytes; got != 0 {
			t.Errorf("%d bytes of memory are still held", got)
		}
	})
	return c
}

func blobID(sequence uint64) object.BlobID { return object.BlobID{Session: 0xabc, Sequence: sequence} }

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b) // never fails
	return b
}

// put writes data as blob number sequence.
func put(t testing.TB, c *chunkclient.Client, sequence uint64, data []byte) object.Blob {
	t.Helper()
	ctx := context.Background()
	w, err := c.Create(ctx, chunkclient.WriteBlob{ID: blobID(sequence), Group: group, SizeBytes: int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadFrom(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	b, err := w.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read reads a range, closing the reader.
func read(c *chunkclient.Client, b object.Blob, offset, length int64) ([]byte, error) {
	r, err := c.OpenBlob(context.Background(), b, offset, length)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = r.WriteTo(&out)
	return out.Bytes(), errors.Join(err, r.Close())
}

func TestOptions(t *testing.T) {
	groups := chunkclient.FixedGroups{}
	for _, row := range []struct {
		name string
		o    chunkclient.Options
		ok   bool
	}{
		{"defaults", chunkclient.Options{Groups: groups}, true},
		{"small stripes", chunkclient.Options{Groups: groups, StripeBytes: 64 * kib}, true},
		{"no groups", chunkclient.Options{}, false},
		{"stripe of odd blocks", chunkclient.Options{Groups: groups, StripeBytes: 65 * kib}, false},
		{"stripe above a chunk", chunkclient.Options{Groups: groups, StripeBytes: 2 * mib}, false},
		{"too little memory", chunkclient.Options{Groups: groups, MemoryBytes: mib}, false},
		{"negative stripes in flight", chunkclient.Options{Groups: groups, StripesInFlight: -1}, false},
		{"negative read-ahead", chunkclient.Options{Groups: groups, ReadAhead: -1}, false},
		{"negative time-out", chunkclient.Options{Groups: groups, AbortTimeout: -1}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := chunkclient.New(row.o); (err == nil) != row.ok {
				t.Errorf("New gave %v", err)
			}
		})
	}
}

func TestUnknownGroup(t *testing.T) {
	c := newClient(t, chunkclient.Options{}, &clienttest.Node{})
	ctx := context.Background()
	other := object.Blob{ID: blobID(1), Group: group + 1, SizeBytes: 10, StripeBytes: mib, Copies: 1}
	if _, err := c.Create(ctx, chunkclient.WriteBlob{ID: other.ID, Group: other.Group}); !errors.Is(err, object.Unavailable) {
		t.Errorf("Create gave %v", err)
	}
	if _, err := read(c, other, 0, 10); !errors.Is(err, object.Unavailable) {
		t.Errorf("reading gave %v", err)
	}
	if err := c.Delete(ctx, other); !errors.Is(err, object.Unavailable) {
		t.Errorf("Delete gave %v", err)
	}
}

// TestDelete deletes many blobs at once: all of their chunks go from every node, those of other blobs stay,
// and the calls are as few as chunkwire.DeleteMax allows.
func TestDelete(t *testing.T) {
	nodes := []*clienttest.Node{{}, {}}
	c := newClient(t, chunkclient.Options{StripeBytes: 64 * kib}, nodes...)
	const stripes = 3
	data := randomBytes(1, stripes*64*kib)
	blobs := make([]object.Blob, 400)
	for i := range blobs {
		blobs[i] = put(t, c, uint64(i), data)
	}
	kept := put(t, c, 1000, data)
	if err := c.Delete(context.Background(), blobs...); err != nil {
		t.Fatal(err)
	}
	for i, n := range nodes {
		if got := len(n.Chunks()); got != stripes {
			t.Errorf("node %d has %d chunks, want the %d that were kept", i, got, stripes)
		}
		wantCalls := (len(blobs)*stripes + chunkwire.DeleteMax - 1) / chunkwire.DeleteMax
		if _, _, got := n.Calls(); got != wantCalls {
			t.Errorf("node %d was called %d times to delete, want %d", i, got, wantCalls)
		}
	}
	if got, err := read(c, kept, 0, kept.SizeBytes); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the blob that was kept: %v", err)
	}
	if err := c.Delete(context.Background(), blobs...); err != nil {
		t.Errorf("deleting again gave %v", err)
	}
}

// TestDeleteFailure lets one of two nodes fail: the other is asked all the same.
func TestDeleteFailure(t *testing.T) {
	down := &clienttest.Node{BeforeDelete: func(context.Context, []object.ChunkID) error { return io.ErrClosedPipe }}
	up := &clienttest.Node{}
	c := newClient(t, chunkclient.Options{}, down, up)
	b := put(t, c, 1, randomBytes(1, 2*mib))
	if err := c.Delete(context.Background(), b); !errors.Is(err, object.Unavailable) || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Delete gave %v", err)
	}
	if len(up.Chunks()) != 0 || len(down.Chunks()) != 2 {
		t.Errorf("chunks left: %d on the healthy node, %d on the other", len(up.Chunks()), len(down.Chunks()))
	}
}
