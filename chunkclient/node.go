package chunkclient

import (
	"context"

	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
)

// Node is one chunk node, local or remote. It is safe for concurrent use. A method that
// returns because ctx ended may still take effect, except where said.
type Node interface {
	// Put stores a chunk; it is on stable storage when Put returns nil. The same
	// id and bytes again succeed; other bytes under a known id are
	// ChunkConflict; a sequence below the session's fence position is Fenced; no
	// space is Full. Data whose sums are wrong is Corrupt and not stored.
	Put(ctx context.Context, p chunkwire.Put) error
	// Get reads whole blocks that cover a range. An unknown id is NoSuchChunk,
	// bytes that can't be read are Corrupt or Unavailable, a range outside the chunk
	// is InvalidArgument.
	Get(ctx context.Context, g chunkwire.Get) (chunkwire.Blocks, error)
	// Delete removes up to chunkwire.DeleteMax chunks; unknown ids succeed. When it
	// returns nil none of them comes back, also after a crash.
	Delete(ctx context.Context, ids []object.ChunkID) error
	// Fence refuses from now on, also after a crash, every Put of the session
	// with a sequence below position. A position never goes back.
	Fence(ctx context.Context, session object.SessionID, position uint64) error
	// Inventory lists what the node holds of a session.
	Inventory(ctx context.Context, q chunkwire.Inventory) (chunkwire.InventoryPage, error)
	// Stat is the node's state, cheap enough to be asked every second.
	Stat(ctx context.Context) (chunkwire.Stat, error)
}
