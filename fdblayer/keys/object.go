package keys

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys/recordpb"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

// objectKey begins the key of a row that belongs to a key of a bucket.
func (s Space) objectKey(kind Kind, b object.BucketID, k string) []byte {
	key := tuple.AppendUint(s.key(kind, len(k)), uint64(b))
	return tuple.AppendBytes(key, []byte(k))
}

// takeObjectKey is the inverse of objectKey.
func (s Space) takeObjectKey(kind Kind, key []byte) (d tuple.Decoder, b object.BucketID, k object.Key, err error) {
	if d, err = s.parse(kind, key); err != nil {
		return d, 0, "", err
	}
	b = takeBucket(&d)
	name, _ := d.Bytes()
	return d, b, object.Key(name), nil
}

// List is the key of a list row.
func (s Space) List(b object.BucketID, k object.Key) []byte {
	return s.objectKey(ListRow, b, string(k))
}

// Lists is the range of the list rows of the keys that begin with prefix, in the order of the keys' bytes.
func (s Space) Lists(b object.BucketID, prefix string) kv.Range {
	return open(s.objectKey(ListRow, b, prefix))
}

// ListBehind is where the list rows behind a key begin; after need not be a legal key.
func (s Space) ListBehind(b object.BucketID, after string) []byte {
	return behind(s.objectKey(ListRow, b, after))
}

// ListBehindPrefix is where the list rows behind all keys that begin with prefix begin.
func (s Space) ListBehindPrefix(b object.BucketID, prefix string) []byte {
	return s.Lists(b, prefix).End
}

// ParseList is the inverse of List.
func (s Space) ParseList(key []byte) (object.BucketID, object.Key, error) {
	d, b, k, err := s.takeObjectKey(ListRow, key)
	if err != nil {
		return 0, "", err
	}
	return b, k, parsed(&d)
}

// Version is the key of a version row.
func (s Space) Version(b object.BucketID, k object.Key, stamp object.Stamp) []byte {
	return appendStamp(s.objectKey(VersionRow, b, string(k)), stamp)
}

// VersionOperand is that of a version of this commit.
func (s Space) VersionOperand(b object.BucketID, k object.Key, p Pending) []byte {
	return appendPending(s.objectKey(VersionRow, b, string(k)), p)
}

// Versions is the range of a key's version rows, oldest first: read it in reverse.
func (s Space) Versions(b object.BucketID, k object.Key) kv.Range {
	return under(s.objectKey(VersionRow, b, string(k)))
}

// VersionsFrom is the range of a key's version rows from one on, that included.
func (s Space) VersionsFrom(b object.BucketID, k object.Key, stamp object.Stamp) kv.Range {
	return kv.Range{Begin: s.Version(b, k, stamp), End: s.Versions(b, k).End}
}

// VersionsBefore is the range of a key's version rows older than one.
func (s Space) VersionsBefore(b object.BucketID, k object.Key, stamp object.Stamp) kv.Range {
	return kv.Range{Begin: s.Versions(b, k).Begin, End: s.Version(b, k, stamp)}
}

// BucketVersions is the range of all version rows of a bucket, by key, then stamp.
func (s Space) BucketVersions(b object.BucketID) kv.Range {
	return under(tuple.AppendUint(s.key(VersionRow, 0), uint64(b)))
}

// BucketLists is the range of all list rows of a bucket.
func (s Space) BucketLists(b object.BucketID) kv.Range {
	return under(tuple.AppendUint(s.key(ListRow, 0), uint64(b)))
}

// ParseVersion is the inverse of Version.
func (s Space) ParseVersion(key []byte) (object.BucketID, object.Key, object.Stamp, error) {
	d, b, k, err := s.takeObjectKey(VersionRow, key)
	if err != nil {
		return 0, "", object.Stamp{}, err
	}
	stamp := takeStamp(&d)
	return b, k, stamp, parsed(&d)
}

// List is what a list row says of a key's current version.
type List struct {
	Stamp        object.Stamp
	SizeBytes    int64
	ETag         object.ETag
	LastModified time.Time
	StorageClass string
	Checksum     object.ChecksumAlgorithm // 0: none
	Composite    bool
}

// ListOf is the list row of a version with content.
func ListOf(v *object.Version) List {
	l := List{
		Stamp: v.Stamp, SizeBytes: v.SizeBytes, ETag: v.ETag, LastModified: v.LastModified,
		StorageClass: v.Metadata.StorageClass,
	}
	if v.Checksum != nil {
		l.Checksum, l.Composite = v.Checksum.Algorithm, v.Checksum.Composite
	}
	return l
}

func (l List) record() *recordpb.List {
	return &recordpb.List{
		Size: l.SizeBytes, Etag: etagRecord(l.ETag), Modified: millis(l.LastModified), StorageClass: []byte(l.StorageClass),
		Checksum: uint32(l.Checksum), Composite: l.Composite,
	}
}

// EncodeList makes the value of a list row.
func EncodeList(l List) []byte { return encodeStamped(l.Stamp, l.record()) }

// EncodeListOperand is that of a list row whose version is of this commit.
func EncodeListOperand(l List, p Pending) []byte { return encodePending(p, l.record()) }

// DecodeList is the inverse of EncodeList.
func DecodeList(value []byte) (List, error) {
	const op = "decode list row"
	var r recordpb.List
	stamp, err := decodeStamped(op, value, &r)
	if err != nil {
		return List{}, err
	}
	if r.Checksum > uint32(object.SHA256) {
		return List{}, corrupt(op, fmt.Errorf("checksum algorithm %d", r.Checksum))
	}
	return List{
		Stamp: stamp, SizeBytes: r.Size, ETag: etagFrom(r.Etag), LastModified: timeOf(r.Modified),
		StorageClass: string(r.StorageClass), Checksum: object.ChecksumAlgorithm(r.Checksum), Composite: r.Composite,
	}, nil
}

// EncodeVersion makes the value of a version row; its key and stamp are in the
// row's key. MetadataTooLarge if it doesn't fit in one value.
func EncodeVersion(v *object.Version) ([]byte, error) {
	return bounded("encode version row", encode(versionRecord(v)))
}

// DecodeVersion is the inverse of EncodeVersion.
func DecodeVersion(k object.Key, stamp object.Stamp, value []byte) (object.Version, error) {
	const op = "decode version row"
	var r recordpb.Version
	if err := decode(op, value, &r); err != nil {
		return object.Version{}, err
	}
	v, err := versionFrom(op, &r)
	v.Key, v.Stamp = k, stamp
	return v, err
}

// Counter says what a counter counts, of one slice of a bucket's keys.
type Counter string

// The counters.
const (
	// CountVersions counts version rows, purges excepted.
	CountVersions Counter = "versions"
	// CountBytes adds their sizes.
	CountBytes Counter = "bytes"
)

// CounterSlices is the number of slices of a bucket's keys that are counted apart, so
// that no counter is written too often.
const CounterSlices = 16

// CounterSlice is the slice of a key. It never changes, for the sums to hold.
func CounterSlice(k object.Key) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k)) // never fails
	return int(h.Sum32() % CounterSlices)
}

// Counter is the key of a counter.
func (s Space) Counter(slice int, b object.BucketID, c Counter) []byte {
	k := tuple.AppendUint(s.key(CounterRow, 0), uint64(slice))
	return tuple.AppendString(tuple.AppendUint(k, uint64(b)), string(c))
}

// Counters is the range of a bucket's counters of one slice.
func (s Space) Counters(slice int, b object.BucketID) kv.Range {
	k := tuple.AppendUint(s.key(CounterRow, 0), uint64(slice))
	return under(tuple.AppendUint(k, uint64(b)))
}

// ParseCounter is the inverse of Counter.
func (s Space) ParseCounter(key []byte) (slice int, b object.BucketID, c Counter, err error) {
	d, err := s.parse(CounterRow, key)
	if err != nil {
		return 0, 0, "", err
	}
	slice = int(takeBounded(&d, CounterSlices-1))
	b = takeBucket(&d)
	text, _ := d.String()
	return slice, b, Counter(text), parsed(&d)
}

// EncodeCount makes a counter's value, and the operand of kv.Add for it.
func EncodeCount(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

// DecodeCount is the inverse of EncodeCount.
func DecodeCount(value []byte) (int64, error) {
	if len(value) != 8 {
		return 0, corrupt("decode count", fmt.Errorf("%d bytes", len(value)))
	}
	return int64(binary.LittleEndian.Uint64(value)), nil
}
