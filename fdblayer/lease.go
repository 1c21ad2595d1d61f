package fdblayer

import (
	"sync/atomic"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// LocalGroup is the only group of a store in one process.
const LocalGroup object.GroupID = 1

// BlobLease is a blob id whose upload is under way: while it lives, the
// session's low-water mark stays below it.
type BlobLease struct {
	session  *session
	sequence uint64
	group    object.GroupID
	given    atomic.Bool
	ended    atomic.Bool
}

// NewBlob reserves the next blob id of the live session. Unavailable without one.
func (l *Layer) NewBlob() (*BlobLease, error) {
	s, err := l.liveSession()
	if err != nil {
		return nil, &object.Error{Op: "fdblayer.NewBlob", Kind: object.Unavailable, Err: err}
	}
	return &BlobLease{session: s, sequence: s.beginUpload(), group: LocalGroup}, nil
}

// ID is the reserved id.
func (b *BlobLease) ID() object.BlobID {
	return object.BlobID{Session: b.session.id, Sequence: b.sequence}
}

// Group is where the blob is to be written.
func (b *BlobLease) Group() object.GroupID { return b.group }

// Abandon ends a lease that no commit has been given. The caller deletes its
// chunks. After a commit was given the lease it does nothing: that call ends it, when the
// outcome is settled.
func (b *BlobLease) Abandon() {
	if !b.given.Load() {
		b.end()
	}
}

// give is called by what commits the blob.
func (b *BlobLease) give() { b.given.Store(true) }

// end says that the blob is committed, or never will be.
func (b *BlobLease) end() {
	if !b.ended.Swap(true) {
		b.session.endUpload(b.sequence)
	}
}

// groupRange is the pinned range of a group's row.
func (l *Layer) groupRange(g object.GroupID) kv.Range {
	if g == LocalGroup {
		return l.localGroupRange
	}
	return keys.Only(l.keys.Group(g))
}
