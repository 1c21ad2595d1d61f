package keys

import (
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/keys/recordpb"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

func (s Space) blobKey(id object.BlobID) []byte {
	k := tuple.AppendUint(s.key(BlobRefRow, 0), uint64(id.Session))
	return tuple.AppendUint(k, id.Sequence)
}

// BlobRef is the key of a reference to a blob. ref is the stamp of the version
// row, or of the write of the part, that uses the blob.
func (s Space) BlobRef(id object.BlobID, ref object.Stamp) []byte {
	return appendStamp(s.blobKey(id), ref)
}

// BlobRefOperand is that of a reference by a row of this commit.
func (s Space) BlobRefOperand(id object.BlobID, p Pending) []byte {
	return appendPending(s.blobKey(id), p)
}

// BlobRefs is the range of all references to a blob.
func (s Space) BlobRefs(id object.BlobID) kv.Range { return under(s.blobKey(id)) }

// SessionBlobRefs is the range of the references to a session's blobs with
// sequences from first on, up to last excluded, in the order of the sequences.
func (s Space) SessionBlobRefs(sid object.SessionID, first, last uint64) kv.Range {
	return kv.Range{
		Begin: s.blobKey(object.BlobID{Session: sid, Sequence: first}),
		End:   s.blobKey(object.BlobID{Session: sid, Sequence: last}),
	}
}

// ParseBlobRef is the inverse of BlobRef.
func (s Space) ParseBlobRef(key []byte) (object.BlobID, object.Stamp, error) {
	d, err := s.parse(BlobRefRow, key)
	if err != nil {
		return object.BlobID{}, object.Stamp{}, err
	}
	sid, _ := d.Uint()
	sequence, _ := d.Uint()
	ref := takeStamp(&d)
	return object.BlobID{Session: object.SessionID(sid), Sequence: sequence}, ref, parsed(&d)
}

// EncodeBlobRef makes the value of a reference: where the blob is.
func EncodeBlobRef(b object.Blob) []byte { return encode(blobRecord(&b)) }

// DecodeBlobRef is the inverse of EncodeBlobRef.
func DecodeBlobRef(value []byte) (object.Blob, error) {
	const op = "decode blob reference"
	var r recordpb.Blob
	if err := decode(op, value, &r); err != nil {
		return object.Blob{}, err
	}
	b, err := blobFrom(op, &r)
	if err != nil {
		return object.Blob{}, err
	}
	return *b, nil
}

func (s Space) manifestKey(upload object.Stamp) []byte {
	return appendStamp(s.key(ManifestRefRow, 0), upload)
}

// ManifestRef is the key of a reference to a completed upload. ref is the stamp of
// the version row that uses it.
func (s Space) ManifestRef(upload, ref object.Stamp) []byte {
	return appendStamp(s.manifestKey(upload), ref)
}

// ManifestRefOperand is that of a reference by a version of this commit.
func (s Space) ManifestRefOperand(upload object.Stamp, p Pending) []byte {
	return appendPending(s.manifestKey(upload), p)
}

// ManifestRefs is the range of all references to a completed upload.
func (s Space) ManifestRefs(upload object.Stamp) kv.Range { return under(s.manifestKey(upload)) }

// ParseManifestRef is the inverse of ManifestRef.
func (s Space) ParseManifestRef(key []byte) (upload, ref object.Stamp, err error) {
	d, err := s.parse(ManifestRefRow, key)
	if err != nil {
		return upload, ref, err
	}
	upload, ref = takeStamp(&d), takeStamp(&d)
	return upload, ref, parsed(&d)
}

// Queue is a queue of background work; its tag stands in the keys of its entries.
type Queue string

// The queues.
const (
	// Events are what the reaper has to look at.
	Events Queue = "E"
	// Trashes are blobs and manifests whose last user is gone.
	Trashes Queue = "T"
	// Tombstones are completed uploads whose U row is to be cleared a day later.
	Tombstones Queue = "U"
)

// Shards is the number of shards of each queue.
const Shards = 16

// ShardOfKey is the shard for events of a key.
func ShardOfKey(b object.BucketID, k object.Key) int {
	return (CounterSlice(k) + int(b%Shards)) % Shards
}

// ShardOfBlob is the shard for a blob's trash.
func ShardOfBlob(id object.BlobID) int { return int((uint64(id.Session) + id.Sequence) % Shards) }

// ShardOfUpload is the shard for an upload's trash and tombstone.
func ShardOfUpload(upload object.Stamp) int {
	sum := int(upload.Row)
	for _, b := range upload.Commit {
		sum += int(b)
	}
	return sum % Shards
}

func (s Space) queueKey(shard int, q Queue) []byte {
	return tuple.AppendString(tuple.AppendUint(s.key(QueueRow, 0), uint64(shard)), string(q))
}

// QueueEntry is the key of an entry of a queue.
func (s Space) QueueEntry(shard int, q Queue, stamp object.Stamp) []byte {
	return appendStamp(s.queueKey(shard, q), stamp)
}

// QueueEntryOperand is that of an entry of this commit.
func (s Space) QueueEntryOperand(shard int, q Queue, p Pending) []byte {
	return appendPending(s.queueKey(shard, q), p)
}

// QueueEntries is the range of a queue's shard behind an entry, oldest first; the
// zero stamp is before all.
func (s Space) QueueEntries(shard int, q Queue, after object.Stamp) kv.Range {
	r := under(s.queueKey(shard, q))
	if after.IsZero() {
		return r
	}
	return From(r, behind(s.QueueEntry(shard, q, after)))
}

// ParseQueueEntry is the inverse of QueueEntry.
func (s Space) ParseQueueEntry(key []byte) (shard int, q Queue, stamp object.Stamp, err error) {
	d, err := s.parse(QueueRow, key)
	if err != nil {
		return 0, "", stamp, err
	}
	shard = int(takeBounded(&d, Shards-1))
	tag, _ := d.String()
	stamp = takeStamp(&d)
	if err = parsed(&d); err != nil {
		return 0, "", stamp, err
	}
	switch q = Queue(tag); q {
	case Events, Trashes, Tombstones:
		return shard, q, stamp, nil
	}
	return 0, "", stamp, corrupt("parse key", fmt.Errorf("queue %q", tag))
}

// Event is what the reaper has to look at.
type Event struct {
	Bucket object.BucketID
	Key    object.Key
	// Upload is set for a completed upload: its parts with the numbers Parts, which are
	// not of the manifest, are to be released.
	Upload object.Stamp
	Parts  []int
}

// EncodeEvent makes the value of an event.
func EncodeEvent(e Event) []byte {
	r := &recordpb.Event{Bucket: uint64(e.Bucket), Key: []byte(e.Key), Upload: stampBytes(e.Upload)}
	for _, n := range e.Parts {
		r.Parts = append(r.Parts, uint32(n))
	}
	return encode(r)
}

// DecodeEvent is the inverse of EncodeEvent.
func DecodeEvent(value []byte) (Event, error) {
	const op = "decode event"
	var r recordpb.Event
	if err := decode(op, value, &r); err != nil {
		return Event{}, err
	}
	upload, err := stampFrom(op, r.Upload)
	e := Event{Bucket: object.BucketID(r.Bucket), Key: object.Key(r.Key), Upload: upload}
	for _, n := range r.Parts {
		if n == 0 || n > object.PartsMax {
			return Event{}, corrupt(op, fmt.Errorf("part %d", n))
		}
		e.Parts = append(e.Parts, int(n))
	}
	return e, err
}

// Trash is a blob, or a completed or aborted upload with its parts, whose last user is gone:
// exactly one is set.
type Trash struct {
	Blob   *object.Blob
	Upload object.Stamp
}

// EncodeTrash makes the value of an entry of the trash.
func EncodeTrash(t Trash) []byte {
	return encode(&recordpb.Trash{Blob: blobRecord(t.Blob), Upload: stampBytes(t.Upload)})
}

// DecodeTrash is the inverse of EncodeTrash.
func DecodeTrash(value []byte) (Trash, error) {
	const op = "decode trash"
	var r recordpb.Trash
	if err := decode(op, value, &r); err != nil {
		return Trash{}, err
	}
	blob, err := blobFrom(op, r.Blob)
	if err != nil {
		return Trash{}, err
	}
	upload, err := stampFrom(op, r.Upload)
	if err != nil {
		return Trash{}, err
	}
	if (blob == nil) == upload.IsZero() {
		return Trash{}, corrupt(op, fmt.Errorf("neither or both of blob and upload"))
	}
	return Trash{Blob: blob, Upload: upload}, nil
}
