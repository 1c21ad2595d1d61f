// Package clienttest has a chunk node in memory whose faults a test chooses.
package clienttest

import (
	"bytes"
	"context"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// Node is a chunkclient.Node in memory. Set its hooks before it is used. It is
// safe for concurrent use.
type Node struct {
	// BeforePut, BeforeGet and BeforeDelete run first in each call, without a lock; an
	// error is returned instead of the effect. They may block.
	BeforePut    func(ctx context.Context, p chunkwire.Put) error
	BeforeGet    func(ctx context.Context, g chunkwire.Get) error
	BeforeDelete func(ctx context.Context, ids []object.ChunkID) error
	// AfterGet may change an answer.
	AfterGet func(g chunkwire.Get, b *chunkwire.Blocks)
	// Discard keeps lengths and checksums only of what is put: for benchmarks of writing.
	Discard bool

	mu      sync.Mutex // guards what follows
	chunks  map[object.ChunkID]chunk
	fences  map[object.SessionID]uint64
	puts    int
	gets    int
	deletes int
}

type chunk struct {
	data []byte
	sums []uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func nodeError(op string, k object.Kind, id object.ChunkID) error {
	return &object.Error{Op: "clienttest." + op, Kind: k, Ref: object.Ref{Chunk: id.String()}}
}

// Put implements chunkclient.Node.
func (n *Node) Put(ctx context.Context, p chunkwire.Put) error {
	if n.BeforePut != nil {
		if err := n.BeforePut(ctx, p); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkSums(p); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.puts++
	if p.ID.Blob.Sequence < n.fences[p.ID.Blob.Session] {
		return nodeError("Put", object.Fenced, p.ID)
	}
	if old, ok := n.chunks[p.ID]; ok && !slices.Equal(old.sums, p.Sums) {
		return nodeError("Put", object.ChunkConflict, p.ID)
	}
	if n.chunks == nil {
		n.chunks = map[object.ChunkID]chunk{}
	}
	c := chunk{sums: slices.Clone(p.Sums)}
	if !n.Discard {
		c.data = bytes.Clone(p.Data)
	}
	n.chunks[p.ID] = c
	return nil
}

func checkSums(p chunkwire.Put) error {
	blocks := slices.Collect(slices.Chunk(p.Data, object.BlockBytes))
	if len(p.Data) == 0 || len(p.Data) > object.ChunkMaxBytes {
		return nodeError("Put", object.InvalidArgument, p.ID)
	}
	if len(p.Sums) != len(blocks) {
		return nodeError("Put", object.Corrupt, p.ID)
	}
	for i, b := range blocks {
		if crc32.Checksum(b, castagnoli) != p.Sums[i] {
			return nodeError("Put", object.Corrupt, p.ID)
		}
	}
	return nil
}

// Get implements chunkclient.Node.
func (n *Node) Get(ctx context.Context, g chunkwire.Get) (chunkwire.Blocks, error) {
	if n.BeforeGet != nil {
		if err := n.BeforeGet(ctx, g); err != nil {
			return chunkwire.Blocks{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return chunkwire.Blocks{}, err
	}
	n.mu.Lock()
	n.gets++
	c, ok := n.chunks[g.ID]
	n.mu.Unlock()
	if !ok {
		return chunkwire.Blocks{}, nodeError("Get", object.NoSuchChunk, g.ID)
	}
	if g.Offset < 0 || g.Length <= 0 || g.Offset > len(c.data) || g.Length > len(c.data)-g.Offset {
		return chunkwire.Blocks{}, nodeError("Get", object.InvalidArgument, g.ID)
	}
	first := g.Offset / object.BlockBytes
	last := (g.Offset + g.Length - 1) / object.BlockBytes
	b := chunkwire.Blocks{
		Offset:     first * object.BlockBytes,
		Data:       append(g.Buffer[:0], c.data[first*object.BlockBytes:min((last+1)*object.BlockBytes, len(c.data))]...),
		Sums:       slices.Clone(c.sums[first : last+1]),
		ChunkBytes: len(c.data),
	}
	if n.AfterGet != nil {
		n.AfterGet(g, &b)
	}
	return b, nil
}

// Delete implements chunkclient.Node.
func (n *Node) Delete(ctx context.Context, ids []object.ChunkID) error {
	if n.BeforeDelete != nil {
		if err := n.BeforeDelete(ctx, ids); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(ids) > chunkwire.DeleteMax {
		return nodeError("Delete", object.InvalidArgument, ids[0])
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deletes++
	for _, id := range ids {
		delete(n.chunks, id)
	}
	return nil
}

// Fence implements chunkclient.Node.
func (n *Node) Fence(ctx context.Context, s object.SessionID, position uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fences == nil {
		n.fences = map[object.SessionID]uint64{}
	}
	n.fences[s] = max(n.fences[s], position)
	return nil
}

// Inventory implements chunkclient.Node.
func (n *Node) Inventory(ctx context.Context, q chunkwire.Inventory) (chunkwire.InventoryPage, error) {
	if err := ctx.Err(); err != nil {
		return chunkwire.InventoryPage{}, err
	}
	var p chunkwire.InventoryPage
	for _, id := range n.Chunks() {
		if id.Blob.Session != q.Session || id.Blob.Sequence < q.From || id.Blob.Sequence >= q.To || id.Compare(q.After) <= 0 {
			continue
		}
		if len(p.Entries) == chunkwire.InventoryMax {
			p.More = true
			break
		}
		n.mu.Lock()
		p.Entries = append(p.Entries, chunkwire.Entry{ID: id, Bytes: len(n.chunks[id].data)})
		n.mu.Unlock()
	}
	return p, nil
}

// Stat implements chunkclient.Node.
func (n *Node) Stat(ctx context.Context) (chunkwire.Stat, error) {
	if err := ctx.Err(); err != nil {
		return chunkwire.Stat{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := chunkwire.Stat{Chunks: int64(len(n.chunks))}
	for _, c := range n.chunks {
		s.LiveBytes += int64(len(c.data))
	}
	s.DiskBytes, s.TotalBytes, s.FreeBytes = s.LiveBytes, statTotalBytes, statTotalBytes-s.LiveBytes
	return s, nil
}

// statTotalBytes is the size of the disk that the node makes believe it has.
const statTotalBytes = 1 << 40

// Chunks is what the node holds, in order of ids.
func (n *Node) Chunks() []object.ChunkID {
	n.mu.Lock()
	defer n.mu.Unlock()
	ids := make([]object.ChunkID, 0, len(n.chunks))
	for id := range n.chunks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, object.ChunkID.Compare)
	return ids
}

// Drop loses a chunk.
func (n *Node) Drop(id object.ChunkID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.chunks, id)
}

// Damage flips one bit of a chunk's byte at offset.
func (n *Node) Damage(id object.ChunkID, offset int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.chunks[id].data[offset] ^= 1
}

// Calls counts the calls that had an effect.
func (n *Node) Calls() (puts, gets, deletes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.puts, n.gets, n.deletes
}
