package chunkclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// TestRanges reads random ranges, and ranges at every border, and compares them; a chunk is read only
// if the range touches it.
func TestRanges(t *testing.T) {
	node := &clienttest.Node{}
	c := newClient(t, chunkclient.Options{StripeBytes: 128 * kib}, node)
	const size = 5*128*kib + 70*kib
	data := randomBytes(1, size)
	b := put(t, c, 1, data)
	type span struct{ offset, length int64 }
	ranges := []span{{0, 0}, {size, 0}, {0, size}, {0, 1}, {size - 1, 1}, {128*kib - 1, 2}, {64 * kib, 64 * kib}, {64*kib - 1, 64*kib + 2}}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		offset := rnd.Int64N(size)
		ranges = append(ranges, span{offset, rnd.Int64N(size - offset + 1)})
	}
	for _, r := range ranges {
		_, before, _ := node.Calls()
		got, err := read(c, b, r.offset, r.length)
		if err != nil || !bytes.Equal(got, data[r.offset:r.offset+r.length]) {
			t.Fatalf("seed %d: range %d+%d: %d bytes, %v", seed, r.offset, r.length, len(got), err)
		}
		want := 0
		if r.length > 0 {
			want = int((r.offset+r.length-1)/(128*kib) - r.offset/(128*kib) + 1)
		}
		if _, after, _ := node.Calls(); after-before != want {
			t.Fatalf("seed %d: range %d+%d took %d gets, want %d", seed, r.offset, r.length, after-before, want)
		}
	}
	for _, r := range []span{{-1, 1}, {0, -1}, {size, 1}, {1, size}, {size + 1, 0}, {1, 1<<63 - 1}} {
		if _, err := c.OpenBlob(context.Background(), b, r.offset, r.length); !errors.Is(err, object.InvalidArgument) {
			t.Errorf("range %d+%d gave %v", r.offset, r.length, err)
		}
	}
}

// TestBadBytes breaks one chunk in every way a node may: the error says what it is, and
// not one byte of the bad block was written before it.
func TestBadBytes(t *testing.T) {
	const size = 3 * mib
	bad := object.ChunkID{Blob: blobID(1), Stripe: 1}
	change := func(f func(*chunkwire.Blocks)) func(n *clienttest.Node) {
		return func(n *clienttest.Node) {
			n.AfterGet = func(g chunkwire.Get, b *chunkwire.Blocks) {
				if g.ID == bad {
					f(b)
				}
			}
		}
	}
	fail := func(err error) func(n *clienttest.Node) {
		return func(n *clienttest.Node) {
			n.BeforeGet = func(_ context.Context, g chunkwire.Get) error {
				if g.ID == bad {
					return err
				}
				return nil
			}
		}
	}
	for _, row := range []struct {
		name   string
		damage func(n *clienttest.Node)
		want   object.Kind
	}{
		{"missing", func(n *clienttest.Node) { n.Drop(bad) }, object.LostBytes},
		{"bit in the first block", func(n *clienttest.Node) { n.Damage(bad, 0) }, object.Corrupt},
		{"bit in the last block", func(n *clienttest.Node) { n.Damage(bad, mib-1) }, object.Corrupt},
		{"node says corrupt", fail(&object.Error{Kind: object.Corrupt}), object.Corrupt},
		{"node says range outside", fail(&object.Error{Kind: object.InvalidArgument}), object.Corrupt},
		{"node is away", fail(&object.Error{Kind: object.Unavailable}), object.Unavailable},
		{"error without a kind", fail(io.ErrClosedPipe), object.Unavailable},
		{"wrong length of chunk", change(func(b *chunkwire.Blocks) { b.ChunkBytes-- }), object.Corrupt},
		{"wrong offset", change(func(b *chunkwire.Blocks) { b.Offset = 1 }), object.Corrupt},
		{"other block", change(func(b *chunkwire.Blocks) { b.Offset = object.BlockBytes }), object.Corrupt},
		{"negative offset", change(func(b *chunkwire.Blocks) { b.Offset = -object.BlockBytes }), object.Corrupt},
		{"too short", change(func(b *chunkwire.Blocks) { b.Data = b.Data[:len(b.Data)-object.BlockBytes] }), object.Corrupt},
		{"too long", change(func(b *chunkwire.Blocks) { b.Data = append(b.Data, make([]byte, object.BlockBytes)...) }), object.Corrupt},
		{"no data", change(func(b *chunkwire.Blocks) { b.Data = nil }), object.Corrupt},
		{"a checksum missing", change(func(b *chunkwire.Blocks) { b.Sums = b.Sums[1:] }), object.Corrupt},
		{"a checksum wrong", change(func(b *chunkwire.Blocks) { b.Sums[3]++ }), object.Corrupt},
	} {
		t.Run(row.name, func(t *testing.T) {
			node := &clienttest.Node{}
			c := newClient(t, chunkclient.Options{}, node)
			data := randomBytes(1, size)
			b := put(t, c, 1, data)
			row.damage(node)
			got, err := read(c, b, 0, size)
			if !errors.Is(err, row.want) || errors.Is(err, object.NoSuchKey) {
				t.Errorf("reading gave %v, want %v", err, row.want)
			}
			if !bytes.Equal(got, data[:mib]) {
				t.Errorf("%d bytes were written, want exactly those of the good stripe before", len(got))
			}
			if got, err := read(c, b, 2*mib+100, 100); err != nil || !bytes.Equal(got, data[2*mib+100:2*mib+200]) {
				t.Errorf("a range of a good stripe: %v", err)
			}
		})
	}
}

// TestRangeChecksItsBlocksOnly: damage in one block of a stripe does not keep the others from being read, and
// a range of one byte is verified too.
func TestRangeChecksItsBlocksOnly(t *testing.T) {
	node := &clienttest.Node{}
	c := newClient(t, chunkclient.Options{}, node)
	data := randomBytes(1, mib)
	b := put(t, c, 1, data)
	node.Damage(object.ChunkID{Blob: b.ID}, 5*object.BlockBytes+77)
	if _, err := read(c, b, 5*object.BlockBytes, 1); !errors.Is(err, object.Corrupt) {
		t.Errorf("a byte of the damaged block: %v", err)
	}
	if got, err := read(c, b, 6*object.BlockBytes, 10); err != nil || !bytes.Equal(got, data[6*object.BlockBytes:][:10]) {
		t.Errorf("bytes of the next block: %v", err)
	}
}

// TestReadsOtherCopy loses or damages chunks on some slots: the bytes come from the others, and
// with none left the error says the least bad thing known.
func TestReadsOtherCopy(t *testing.T) {
	away := func(context.Context, chunkwire.Get) error { return &object.Error{Kind: object.Unavailable} }
	first := func(slot uint16) object.ChunkID { return object.ChunkID{Blob: blobID(1), Slot: slot} }
	for _, row := range []struct {
		name   string
		damage func(a, b *clienttest.Node)
		want   error
	}{
		{"first missing", func(a, _ *clienttest.Node) { a.Drop(first(0)) }, nil},
		{"first damaged", func(a, _ *clienttest.Node) { a.Damage(first(0), 9) }, nil},
		{"first away", func(a, _ *clienttest.Node) { a.BeforeGet = away }, nil},
		{"second missing", func(_, b *clienttest.Node) { b.Drop(first(1)) }, nil},
		{"both missing", func(a, b *clienttest.Node) { a.Drop(first(0)); b.Drop(first(1)) }, object.LostBytes},
		{"missing and damaged", func(a, b *clienttest.Node) { a.Drop(first(0)); b.Damage(first(1), 9) }, object.Corrupt},
		{"away and missing", func(a, b *clienttest.Node) { a.BeforeGet = away; b.Drop(first(1)) }, object.Unavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			nodes := []*clienttest.Node{{}, {}}
			c := newClient(t, chunkclient.Options{}, nodes...)
			data := randomBytes(1, 2*mib)
			b := put(t, c, 1, data)
			row.damage(nodes[0], nodes[1])
			got, err := read(c, b, 0, b.SizeBytes)
			if !errors.Is(err, row.want) {
				t.Fatalf("reading gave %v, want %v", err, row.want)
			}
			if row.want == nil && !bytes.Equal(got, data) {
				t.Error("wrong bytes")
			}
		})
	}
}

// gatedWriter lets one write through per token.
type gatedWriter struct {
	gate  chan struct{}
	bytes int64
}

func (g *gatedWriter) Write(p []byte) (int, error) {
	<-g.gate
	g.bytes += int64(len(p))
	return len(p), nil
}

// TestBackpressure stops the consumer: the reader fetches its read-ahead and no more.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &clienttest.Node{}
		c := newClient(t, chunkclient.Options{ReadAhead: 3}, node)
		b := put(t, c, 1, make([]byte, 10*mib))
		r, err := c.OpenBlob(context.Background(), b, 0, b.SizeBytes)
		if err != nil {
			t.Fatal(err)
		}
		w := &gatedWriter{gate: make(chan struct{})}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if n, err := r.WriteTo(w); n != b.SizeBytes || err != nil {
				t.Errorf("WriteTo gave %d, %v", n, err)
			}
		}()
		for written := range 10 {
			synctest.Wait()
			if _, gets, _ := node.Calls(); gets != min(written+3, 10) {
				t.Fatalf("%d gets with %d stripes written", gets, written)
			}
			if got, want := c.Stats().MemoryBytes, int64(min(3, 10-written))*mib; got != want {
				t.Fatalf("%d bytes held with %d stripes written, want %d", got, written, want)
			}
			w.gate <- struct{}{}
		}
		<-done
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestReadEnds ends reads early in every way; newClient checks that nothing is left of them.
func TestReadEnds(t *testing.T) {
	blockUntilDone := func(ctx context.Context, g chunkwire.Get) error {
		if g.ID.Stripe == 0 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	full := errors.New("the client is gone")
	for _, row := range []struct {
		name string
		end  func(r *chunkclient.Reader, cancel func()) error
		want error
	}{
		{"closed before", func(r *chunkclient.Reader, _ func()) error { return r.Close() }, nil},
		{"closed twice", func(r *chunkclient.Reader, _ func()) error { return errors.Join(r.Close(), r.Close()) }, nil},
		{"cancelled", func(r *chunkclient.Reader, cancel func()) error {
			_, err := r.WriteTo(writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
			return err
		}, context.Canceled},
		{"writer fails", func(r *chunkclient.Reader, _ func()) error {
			_, err := r.WriteTo(writerFunc(func([]byte) (int, error) { return 0, full }))
			return err
		}, full},
		{"writer is short", func(r *chunkclient.Reader, _ func()) error {
			_, err := r.WriteTo(writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil }))
			return err
		}, io.ErrShortWrite},
	} {
		t.Run(row.name, func(t *testing.T) {
			node := &clienttest.Node{BeforeGet: blockUntilDone}
			c := newClient(t, chunkclient.Options{}, node)
			b := put(t, c, 1, make([]byte, 8*mib))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, err := c.OpenBlob(ctx, b, 0, b.SizeBytes)
			if err != nil {
				t.Fatal(err)
			}
			if err := row.end(r, cancel); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if _, err := r.WriteTo(io.Discard); err == nil {
				t.Error("an ended reader goes on")
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// pieces is a Source that counts how far it was asked.
type pieces struct {
	list  []chunkclient.Piece
	given int
	err   error // behind the last, instead of io.EOF
}

func (p *pieces) Next(context.Context) (chunkclient.Piece, error) {
	if p.given == len(p.list) {
		if p.err != nil {
			return chunkclient.Piece{}, p.err
		}
		return chunkclient.Piece{}, io.EOF
	}
	p.given++
	return p.list[p.given-1], nil
}

// TestPieces reads small blobs, inline bytes and empty pieces as one stream, ahead over their borders.
func TestPieces(t *testing.T) {
	node := &clienttest.Node{}
	c := newClient(t, chunkclient.Options{}, node)
	var src pieces
	var want []byte
	for i := range 40 {
		data := randomBytes(uint64(i), 1+i*5000)
		switch i % 4 {
		case 0:
			src.list = append(src.list, chunkclient.Piece{Inline: data})
			want = append(want, data...)
		case 1:
			src.list = append(src.list, chunkclient.Piece{Inline: []byte{}}, chunkclient.Piece{})
		default:
			b := put(t, c, uint64(i), data)
			from := b.SizeBytes / 3
			src.list = append(src.list, chunkclient.Piece{Blob: b, Offset: from, Length: b.SizeBytes - from})
			want = append(want, data[from:]...)
		}
	}
	// The first fetch waits for the second: they must run side by side.
	together := make(chan struct{})
	var started atomic.Int32
	node.BeforeGet = func(context.Context, chunkwire.Get) error {
		if started.Add(1) == 2 {
			close(together)
		}
		<-together
		return nil
	}
	r := c.Open(context.Background(), &src)
	defer r.Close()
	var out bytes.Buffer
	if n, err := r.WriteTo(&out); err != nil || n != int64(len(want)) || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got %d bytes of %d, %v", n, len(want), err)
	}
}

func TestSourceFails(t *testing.T) {
	c := newClient(t, chunkclient.Options{}, &clienttest.Node{})
	b := put(t, c, 1, []byte("some bytes"))
	gone := errors.New("the source is gone")
	for _, row := range []struct {
		name string
		src  pieces
		want error
	}{
		{"error of the source", pieces{list: []chunkclient.Piece{{Blob: b, Length: b.SizeBytes}}, err: gone}, gone},
		{"range outside", pieces{list: []chunkclient.Piece{{Blob: b, Length: b.SizeBytes}, {Blob: b, Length: b.SizeBytes + 1}}}, object.InvalidArgument},
		{"bad stripes", pieces{list: []chunkclient.Piece{{Blob: b, Length: b.SizeBytes}, {Blob: object.Blob{SizeBytes: 9, StripeBytes: 7}, Length: 9}}}, object.Corrupt},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := c.Open(context.Background(), &row.src)
			defer r.Close()
			var out bytes.Buffer
			_, err := r.WriteTo(&out)
			if !errors.Is(err, row.want) || out.String() != "some bytes" {
				t.Errorf("got %q, %v", out.String(), err)
			}
		})
	}
}
