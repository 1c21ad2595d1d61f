package segment

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/stampede-store/stampede/object"
)

// Limits of the format and of one store.
const (
	// SegmentMinBytes and SegmentMaxBytes bound Options.SegmentBytes. A segment
	// holds at least one record of the largest size; offsets are 32 bits.
	SegmentMinBytes = 2 << 20
	SegmentMaxBytes = 1 << 30

	// ReplayMaxBytes bounds what Open reads of the segments when the index is
	// there: the index is never further behind than this.
	ReplayMaxBytes = 64 << 20
	// batchMaxBytes bounds what is written between two syncs; a batch is begun only
	// while the index is at most ReplayMaxBytes - batchMaxBytes behind.
	batchMaxBytes = 16 << 20
	// checkpointBytes is how much is appended before the index is flushed.
	checkpointBytes = 24 << 20

	// bufferMaxBytes bounds the writer's buffer for small records.
	bufferMaxBytes = 1 << 20
	// directMinBytes is the size from which data is written from the caller's
	// own buffer instead of being copied: a system call costs about as much as
	// copying this many bytes.
	directMinBytes = 32 << 10

	// punchMinBytes is the smallest chunk that gets its blocks back by a hole;
	// below it compaction does. The file system's blocks at both ends stay.
	punchMinBytes = 64 << 10
	// punchQueueMax bounds the holes that wait. More are left to compaction.
	punchQueueMax = 16 << 10
	// punchBlockBytes is what holes are aligned to.
	punchBlockBytes = 4 << 10

	// copyMaxBytes and copyMaxRecords bound what compaction has queued at once.
	copyMaxBytes   = 2 << 20
	copyMaxRecords = 256

	// filesMax bounds the segment files kept open for reading.
	filesMax = 512

	// relocationsMax bounds how often one Get follows a chunk that is moved
	// under it. Once is rare already.
	relocationsMax = 8
)

// Errors of Open, for errors.Is.
var (
	// ErrLocked: another store, here or in another process, has the folder open.
	ErrLocked = errors.New("the folder is in use by another process")
	// ErrForeign: the folder belongs to another node or another cluster.
	ErrForeign = errors.New("the folder belongs to another node")
)

// errClosed is the cause of errors after Close.
var errClosed = errors.New("the store is closed")

// Options are the choices of a Store. Only Dir is required.
type Options struct {
	// Dir is the store's folder. It is made if it is absent; its parent must exist
	// or be makeable.
	Dir string
	// FS is the file system; nil: vfs.Default.
	FS vfs.FS
	// Log gets what an operator must know; nil: nothing is logged.
	Log *zap.Logger
	// Node is the node's id. A folder made under another id is refused with
	// ErrForeign. 0 takes the folder as it is.
	Node object.NodeID
	// Cluster is the cluster's id. A folder that knows another one is refused with
	// ErrForeign; a folder that knows none adopts it. Empty: not checked.
	Cluster string
	// SegmentBytes is where a segment ends and the next begins. Default 256 MiB.
	SegmentBytes int64
	// QueueBytes bounds the puts that wait or are being written; Put blocks
	// beyond it. Default 32 MiB, at least 4 MiB.
	QueueBytes int64
	// MinFreeBytes is the reserve: below it puts are refused with object.Full, so
	// that deletes and the index have room. Default 256 MiB; negative: none.
	MinFreeBytes int64
	// IndexCacheBytes is the memory for index blocks. Default 32 MiB.
	IndexCacheBytes int64
	// CompactionBytesPerSecond bounds the copying of compaction. Default
	// 32 MiB/s; negative: unbounded.
	CompactionBytesPerSecond int64
}

func (o Options) withDefaults() Options {
	setDefault := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	setDefault(&o.SegmentBytes, 256<<20)
	setDefault(&o.QueueBytes, 32<<20)
	setDefault(&o.MinFreeBytes, 256<<20)
	setDefault(&o.IndexCacheBytes, 32<<20)
	setDefault(&o.CompactionBytesPerSecond, 32<<20)
	return o
}

func (o Options) validate() error {
	switch {
	case o.Dir == "":
		return errors.New("no folder is given")
	case o.SegmentBytes < SegmentMinBytes || o.SegmentBytes > SegmentMaxBytes:
		return fmt.Errorf("segment size %d is not between %d and %d", o.SegmentBytes, SegmentMinBytes, SegmentMaxBytes)
	case o.QueueBytes < 4<<20:
		return fmt.Errorf("queue of %d bytes is below 4 MiB", o.QueueBytes)
	}
	return nil
}
