package chunkclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// fetch is one read of a range of one stripe.
type fetch struct {
	nodes      []Node // one per copy
	id         object.ChunkID
	chunkBytes int // length of the whole stripe
	from, to   int // wanted bytes of the stripe

	buffer *buffer
	data   []byte        // the wanted bytes, verified
	err    error         // why there are none
	done   chan struct{} // closed when run has ended; nil if nobody waits
}

// blocks is the range widened to whole blocks.
func (f *fetch) blocks() (from, to int) {
	return f.from / object.BlockBytes * object.BlockBytes,
		min((f.to+object.BlockBytes-1)/object.BlockBytes*object.BlockBytes, f.chunkBytes)
}

// bufferBytes is the memory that the answer needs.
func (f *fetch) bufferBytes() int {
	from, to := f.blocks()
	return to - from
}

// memoryBytes is what f counts against the read-ahead bound. Inline bytes are
// in memory already.
func (f *fetch) memoryBytes() int64 {
	if f.nodes == nil {
		return 0
	}
	return classBytes(classOf(f.bufferBytes()))
}

// run reads the range from the first copy that has it and verifies it.
func (f *fetch) run(ctx context.Context) {
	for slot, n := range f.nodes {
		data, err := f.runCopy(ctx, slot, n)
		if err == nil {
			f.data, f.err = data, nil
			return
		}
		if ctx.Err() != nil {
			f.err = ctx.Err()
			return
		}
		if f.err == nil || severity(err) > severity(f.err) {
			f.err = err
		}
	}
}

// severity orders the failures of copies by what is known of the whole: a
// copy that can't be reached may be good; one that is corrupt may be saved in part;
// only when all are missing are the bytes lost.
func severity(err error) int {
	switch {
	case errors.Is(err, object.LostBytes):
		return 0
	case errors.Is(err, object.Corrupt):
		return 1
	}
	return 2
}

func (f *fetch) runCopy(ctx context.Context, slot int, n Node) ([]byte, error) {
	id := f.id
	id.Slot = uint16(slot)
	b, err := n.Get(ctx, chunkwire.Get{ID: id, Offset: f.from, Length: f.to - f.from, Buffer: f.buffer.bytes[:0]})
	if err != nil {
		return nil, readError(id, err)
	}
	if err := f.verify(b); err != nil {
		return nil, &object.Error{Op: "chunkclient.Read", Kind: object.Corrupt, Ref: object.Ref{Chunk: id.String()}, Err: err}
	}
	return b.Data[f.from-b.Offset : f.to-b.Offset], nil
}

// verify checks that b covers the range with blocks whose checksums are good.
func (f *fetch) verify(b chunkwire.Blocks) error {
	end := b.Offset + len(b.Data)
	switch {
	case b.ChunkBytes != f.chunkBytes:
		return fmt.Errorf("chunk has %d bytes instead of %d", b.ChunkBytes, f.chunkBytes)
	case b.Offset < 0 || b.Offset%object.BlockBytes != 0 || end%object.BlockBytes != 0 && end != f.chunkBytes:
		return fmt.Errorf("answer %d to %d is not of whole blocks", b.Offset, end)
	case b.Offset > f.from || end < f.to || end > f.chunkBytes:
		return fmt.Errorf("answer %d to %d does not cover %d to %d", b.Offset, end, f.from, f.to)
	case len(b.Sums) != blocksOf(len(b.Data)):
		return fmt.Errorf("answer of %d bytes has %d block checksums", len(b.Data), len(b.Sums))
	}
	first := (f.from - b.Offset) / object.BlockBytes
	last := (f.to - b.Offset - 1) / object.BlockBytes
	for i := first; i <= last; i++ {
		block := b.Data[i*object.BlockBytes : min((i+1)*object.BlockBytes, len(b.Data))]
		if got := blockSum(block); got != b.Sums[i] {
			return fmt.Errorf("block %d has checksum %08x instead of %08x", b.Offset/object.BlockBytes+i, got, b.Sums[i])
		}
	}
	return nil
}

// readError says of a node's error what it means for the bytes: a chunk that
// metadata names must be there, and be as long as metadata says.
func readError(id object.ChunkID, err error) error {
	switch {
	case errors.Is(err, object.NoSuchChunk):
		return &object.Error{Op: "chunkclient.Read", Kind: object.LostBytes, Ref: object.Ref{Chunk: id.String()}, Err: err}
	case errors.Is(err, object.InvalidArgument):
		return &object.Error{Op: "chunkclient.Read", Kind: object.Corrupt, Ref: object.Ref{Chunk: id.String()}, Err: err}
	}
	return wrap("chunkclient.Read", id, err)
}

// release gives the buffer back.
func (f *fetch) release() {
	f.data = nil
	if f.buffer != nil {
		f.buffer.release()
		f.buffer = nil
	}
}
