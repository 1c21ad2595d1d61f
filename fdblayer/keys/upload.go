package keys

import (
	"fmt"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys/recordpb"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

// Upload is the key of an upload row.
func (s Space) Upload(b object.BucketID, k object.Key, id object.Stamp) []byte {
	return appendStamp(s.objectKey(UploadRow, b, string(k)), id)
}

// UploadOperand is that of an upload of this commit.
func (s Space) UploadOperand(b object.BucketID, k object.Key, p Pending) []byte {
	return appendPending(s.objectKey(UploadRow, b, string(k)), p)
}

// Uploads is the range of the upload rows of the keys that begin with prefix, by key, then id.
func (s Space) Uploads(b object.BucketID, prefix string) kv.Range {
	return open(s.objectKey(UploadRow, b, prefix))
}

// UploadBehind is where the upload rows behind an upload begin; with a zero id,
// those behind all uploads of the key. after need not be a legal key.
func (s Space) UploadBehind(b object.BucketID, after string, id object.Stamp) []byte {
	k := s.objectKey(UploadRow, b, after)
	if id.IsZero() {
		return under(k).End
	}
	return behind(appendStamp(k, id))
}

// UploadBehindPrefix is where the upload rows behind all keys that begin with prefix begin.
func (s Space) UploadBehindPrefix(b object.BucketID, prefix string) []byte {
	return s.Uploads(b, prefix).End
}

// ParseUpload is the inverse of Upload.
func (s Space) ParseUpload(key []byte) (object.BucketID, object.Key, object.Stamp, error) {
	d, b, k, err := s.takeObjectKey(UploadRow, key)
	if err != nil {
		return 0, "", object.Stamp{}, err
	}
	id := takeStamp(&d)
	return b, k, id, parsed(&d)
}

// Upload is an upload's record: in progress, or completed.
type Upload struct {
	object.Upload
	// Completed is set when the upload has become a version: that version without its
	// content and metadata.
	Completed *object.Version
}

func (u *Upload) record() *recordpb.Upload {
	r := &recordpb.Upload{
		Initiated: millis(u.Initiated), Metadata: metadataRecord(&u.Metadata), Algorithm: uint32(u.Algorithm),
		Composite: u.Composite,
	}
	if v := u.Completed; v != nil {
		bare := object.Version{
			Kind: v.Kind, SizeBytes: v.SizeBytes, ETag: v.ETag, LastModified: v.LastModified, Checksum: v.Checksum,
		}
		r.Completed = versionRecord(&bare)
	}
	return r
}

// EncodeUpload makes the value of an upload row; key and id are in the row's
// key. MetadataTooLarge if it doesn't fit in one value.
func EncodeUpload(u *Upload) ([]byte, error) {
	var stamp object.Stamp
	if u.Completed != nil {
		stamp = u.Completed.Stamp
	}
	return bounded("encode upload", encodeStamped(stamp, u.record()))
}

// EncodeUploadOperand is that of an upload that a version of this commit completes.
func EncodeUploadOperand(u *Upload, p Pending) ([]byte, error) {
	return bounded("encode upload", encodePending(p, u.record()))
}

// DecodeUpload is the inverse of EncodeUpload.
func DecodeUpload(k object.Key, id object.Stamp, value []byte) (Upload, error) {
	const op = "decode upload"
	var r recordpb.Upload
	stamp, err := decodeStamped(op, value, &r)
	if err != nil {
		return Upload{}, err
	}
	if r.Algorithm > uint32(object.SHA256) {
		return Upload{}, corrupt(op, fmt.Errorf("checksum algorithm %d", r.Algorithm))
	}
	if stamp.IsZero() != (r.Completed == nil) {
		return Upload{}, corrupt(op, fmt.Errorf("stamp %v and completed version don't agree", stamp))
	}
	u := Upload{Upload: object.Upload{
		ID: id, Key: k, Initiated: timeOf(r.Initiated), Metadata: metadataFrom(r.Metadata),
		Algorithm: object.ChecksumAlgorithm(r.Algorithm), Composite: r.Composite,
	}}
	if r.Completed != nil {
		v, err := versionFrom(op, r.Completed)
		if err != nil {
			return Upload{}, err
		}
		v.Key, v.Stamp = k, stamp
		u.Completed = &v
	}
	return u, nil
}

// Part is the key of a part row.
func (s Space) Part(upload object.Stamp, number int) []byte {
	return tuple.AppendUint(appendStamp(s.key(PartRow, 0), upload), uint64(number))
}

// Parts is the range of an upload's part rows with numbers from first to last, both included.
func (s Space) Parts(upload object.Stamp, first, last int) kv.Range {
	return kv.Range{Begin: s.Part(upload, first), End: behind(s.Part(upload, last))}
}

// ParsePart is the inverse of Part.
func (s Space) ParsePart(key []byte) (upload object.Stamp, number int, err error) {
	d, err := s.parse(PartRow, key)
	if err != nil {
		return upload, 0, err
	}
	upload = takeStamp(&d)
	number = int(takeBounded(&d, object.PartsMax))
	return upload, number, parsed(&d)
}

// Part is a part's record.
type Part struct {
	object.Part
	// Ref is the stamp of the write, which names the part's reference to its blob.
	Ref object.Stamp
}

func partRecord(p *object.Part) *recordpb.Part {
	return &recordpb.Part{
		Size: p.SizeBytes, Etag: etagRecord(p.ETag), Modified: millis(p.LastModified),
		Checksum: checksumRecord(p.Checksum), Inline: p.Content.Inline, Blob: blobRecord(p.Content.Blob),
	}
}

// EncodePart makes the value of a part row; its number is in the row's key.
func EncodePart(p *Part) []byte { return encodeStamped(p.Ref, partRecord(&p.Part)) }

// EncodePartOperand is that of a part written in this commit.
func EncodePartOperand(part *object.Part, p Pending) []byte {
	return encodePending(p, partRecord(part))
}

// DecodePart is the inverse of EncodePart.
func DecodePart(number int, value []byte) (Part, error) {
	const op = "decode part"
	var r recordpb.Part
	ref, err := decodeStamped(op, value, &r)
	if err != nil {
		return Part{}, err
	}
	p := Part{Ref: ref, Part: object.Part{
		Number: number, SizeBytes: r.Size, ETag: etagFrom(r.Etag), LastModified: timeOf(r.Modified),
		Content: object.Content{Inline: r.Inline},
	}}
	if p.Checksum, err = checksumFrom(op, r.Checksum); err != nil {
		return Part{}, err
	}
	p.Content.Blob, err = blobFrom(op, r.Blob)
	return p, err
}

// Tombstone is an entry of the queue of completed uploads.
type Tombstone struct {
	Bucket    object.BucketID
	Key       object.Key
	Upload    object.Stamp
	Completed time.Time
}

// EncodeTombstone makes the value of an entry of Tombstones.
func EncodeTombstone(t Tombstone) []byte {
	return encode(&recordpb.Tombstone{
		Bucket: uint64(t.Bucket), Key: []byte(t.Key), Upload: stampBytes(t.Upload), Completed: millis(t.Completed),
	})
}

// DecodeTombstone is the inverse of EncodeTombstone.
func DecodeTombstone(value []byte) (Tombstone, error) {
	const op = "decode tombstone"
	var r recordpb.Tombstone
	if err := decode(op, value, &r); err != nil {
		return Tombstone{}, err
	}
	upload, err := stampFrom(op, r.Upload)
	return Tombstone{
		Bucket: object.BucketID(r.Bucket), Key: object.Key(r.Key), Upload: upload, Completed: timeOf(r.Completed),
	}, err
}
