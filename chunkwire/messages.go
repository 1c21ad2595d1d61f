package chunkwire

import "github.com/stampede-store/stampede/object"

// Limits of one message.
const (
	// DeleteMax bounds the ids of one Delete.
	DeleteMax = 1024
	// InventoryMax bounds the entries of one page of an inventory.
	InventoryMax = 4096
)

// Put stores one chunk.
type Put struct {
	ID object.ChunkID
	// Data is the chunk, 1 to object.ChunkMaxBytes bytes. It stays the caller's and
	// must not change until Put returns.
	Data []byte
	// Sums is the CRC-32C (Castagnoli) of each block of object.BlockBytes of Data.
	// The node checks them before it acknowledges.
	Sums []uint32
}

// Get reads a range of a chunk.
type Get struct {
	ID object.ChunkID
	// Offset and Length are the range wanted, in bytes of the chunk. The answer
	// is widened to whole blocks. Length 0 is refused.
	Offset, Length int
	// Buffer is where the data goes if its capacity is enough.
	Buffer []byte
}

// Blocks is a run of whole blocks of a chunk. The node does not check them on the
// way: whoever uses the bytes must.
type Blocks struct {
	// Offset is where Data begins in the chunk, a multiple of object.BlockBytes.
	Offset int
	Data   []byte
	Sums   []uint32
	// ChunkBytes is the length of the whole chunk.
	ChunkBytes int
}

// Inventory asks for the chunks that a node holds of one session.
type Inventory struct {
	Session object.SessionID
	// From and To bound the sequences: From included, To excluded.
	From, To uint64
	// After continues a listing behind this id; the zero value begins it.
	After object.ChunkID
}

// Entry is one chunk of an inventory.
type Entry struct {
	ID    object.ChunkID
	Bytes int
}

// InventoryPage is one page: at most InventoryMax entries, ascending by id.
type InventoryPage struct {
	Entries []Entry
	More    bool
}

// Stat is a node's state.
type Stat struct {
	Node       object.NodeID
	Chunks     int64
	LiveBytes  int64 // of chunks that are not deleted
	DiskBytes  int64 // taken by segments on disk
	FreeBytes  int64 // left on the file system
	TotalBytes int64 // of the file system
	// Failed is set after a failed write or sync: the node only reads then.
	Failed bool
	// Full is set while puts are refused for lack of space.
	Full bool
	// Quarantined counts records that were found corrupt.
	Quarantined int64
}

// FenceAll as a fence position refuses every put of a session.
const FenceAll = ^uint64(0)
