package keys_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

var (
	space   = keys.NewSpace([]byte("st"))
	pending = keys.Pending{Era: 3, Row: 7}
	commit  = kv.Versionstamp{0, 0, 1, 2, 3, 4, 5, 6, 0, 9}
	// stamp is what pending becomes by commit.
	stamp  = object.Stamp{Era: 3, Commit: commit, Row: 7}
	upload = object.Stamp{Era: 2, Commit: kv.Versionstamp{0, 0, 0, 0, 0, 0, 0xff, 0, 0, 1}, Row: 1}
	at     = time.UnixMilli(1_700_000_000_123).UTC()

	md5  = object.ETag("d41d8cd98f00b204e9800998ecf8427e")
	sum  = &object.Checksum{Algorithm: object.CRC32C, Value: []byte{1, 2, 3, 4}}
	meta = object.Metadata{
		Headers: object.Headers{
			ContentType: "text/plain", CacheControl: "no-cache", ContentDisposition: "inline", ContentEncoding: "gzip",
			ContentLanguage: "de", Expires: "never", WebsiteRedirect: "/b",
		},
		User:         map[string]string{"b": "2", "a": "1", "latin": "\xe9"},
		Tags:         map[string]string{"project": "x"},
		StorageClass: "STANDARD_IA",
	}
	blob = object.Blob{
		ID: object.BlobID{Session: 0x0102030405060708, Sequence: 258}, Group: 1, SizeBytes: 5 << 30, StripeBytes: 1 << 20, Copies: 3,
	}
	version = object.Version{
		Key: "a/ü", Stamp: stamp, Kind: object.Kept, SizeBytes: 5 << 30, ETag: md5, LastModified: at, Metadata: meta,
		Checksum: sum, Content: object.Content{Blob: &blob},
	}
	listed = keys.ListOf(&version)
	whole  = object.Version{
		Key: "m", Stamp: stamp, Kind: object.NullVersion, SizeBytes: 11 << 20, ETag: md5 + "-3", LastModified: at,
		Checksum: &object.Checksum{Algorithm: object.SHA256, Composite: true, Value: []byte{9}, Parts: 3},
		Content: object.Content{Manifest: &object.Manifest{Upload: upload, Parts: []object.ManifestPart{
			{Number: 1, SizeBytes: 5 << 20}, {Number: 2, SizeBytes: 5 << 20}, {Number: 9, SizeBytes: 1 << 20},
		}}},
	}
	part = object.Part{
		Number: 300, SizeBytes: 5 << 20, ETag: md5, LastModified: at, Checksum: sum, Content: object.Content{Blob: &blob},
	}
	begun = object.Upload{ID: upload, Key: "a/ü", Initiated: at, Metadata: meta, Algorithm: object.CRC32C, Composite: true}
	done  = keys.Upload{Upload: begun, Completed: &object.Version{
		Key: "a/ü", Stamp: stamp, Kind: object.NullVersion, SizeBytes: 7, ETag: md5 + "-1", LastModified: at, Checksum: sum,
	}}
)

// example is one row: its key and value, what they are parsed and decoded to,
// and what the database makes of the operands, where the row has some.
type example struct {
	name   string
	layout string // its name in the registry
	key    []byte
	value  []byte

	// parsed is what Parse must give for the key, and decoded what Decode must give for the
	// value; both may be nil where there is nothing to parse.
	parse   func(key []byte) (any, error)
	parsed  any
	decode  func(value []byte) (any, error)
	decoded any

	keyOperand, valueOperand []byte
}

func must[T any](t T, err error) T {
	if err != nil {
		panic(err)
	}
	return t
}

// pair makes one value of two or three.
type pair [3]any

func decoder[T any](f func([]byte) (T, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) { return f(b) }
}

func parser2[A, B any](f func([]byte) (A, B, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) {
		x, y, err := f(b)
		return pair{x, y}, err
	}
}

func parser3[A, B, C any](f func([]byte) (A, B, C, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) {
		x, y, z, err := f(b)
		return pair{x, y, z}, err
	}
}

func examples() []example {
	return append(append(configExamples(), objectExamples()...), sessionExamples()...)
}

func configExamples() []example {
	bucket := keys.Bucket{
		Bucket: object.Bucket{
			ID: 300, Name: "pictures", Created: at, Region: "us-east-1", Owner: "root", Versioning: object.VersioningSuspended,
		},
		EverVersioned: true,
	}
	m := keys.Meta{Number: 1, Text: "c", Names: []string{"x", "y"}}
	return []example{
		{
			name: "meta", layout: "meta", key: space.Meta(keys.MetaFormat), value: keys.EncodeMeta(m),
			decode: decoder(keys.DecodeMeta), decoded: m,
		},
		{
			name: "config log", layout: "config log", key: space.Log(stamp), keyOperand: space.LogOperand(pending),
			value: keys.EncodeChange([][]byte{space.Relative(space.Bucket(300))}),
			parse: decoder(space.ParseLog), parsed: stamp,
			decode: decoder(keys.DecodeChange), decoded: [][]byte{space.Relative(space.Bucket(300))},
		},
		{
			name: "bucket name", layout: "bucket name", key: space.BucketName("pictures"), value: keys.EncodeBucketName(300),
			parse: decoder(space.ParseBucketName), parsed: object.BucketName("pictures"),
			decode: decoder(keys.DecodeBucketName), decoded: object.BucketID(300),
		},
		{
			name: "bucket", layout: "bucket", key: space.Bucket(300), value: keys.EncodeBucket(bucket),
			parse: parser2(space.ParseBucket), parsed: pair{object.BucketID(300), ""},
			decode:  func(v []byte) (any, error) { return keys.DecodeBucket(300, v) },
			decoded: bucket,
		},
		{
			name: "bucket document", layout: "bucket document", key: space.Document(300, "cors"),
			value: must(keys.EncodeDocument([]byte("<x/>"))),
			parse: parser2(space.ParseBucket), parsed: pair{object.BucketID(300), "cors"},
			decode: decoder(keys.DecodeDocument), decoded: []byte("<x/>"),
		},
		{name: "guard", layout: "identities' guard", key: space.Guard(), value: keys.EncodeEmpty()},
		{
			name: "node", layout: "node", key: space.Node(5),
			value: keys.EncodeNode(keys.Node{Address: "n5:7000", Labels: map[string]string{"zone": "a", "rack": "1"}, CapacityBytes: 1 << 40}),
			parse: decoder(space.ParseNode), parsed: object.NodeID(5), decode: decoder(keys.DecodeNode),
			decoded: keys.Node{Address: "n5:7000", Labels: map[string]string{"zone": "a", "rack": "1"}, CapacityBytes: 1 << 40},
		},
		{
			name: "group", layout: "group", key: space.Group(1 << 20), value: keys.EncodeGroup(keys.Group{Nodes: []object.NodeID{5, 1, 300}, Copies: 3}),
			parse: decoder(space.ParseGroup), parsed: object.GroupID(1 << 20), decode: decoder(keys.DecodeGroup),
			decoded: keys.Group{Nodes: []object.NodeID{5, 1, 300}, Copies: 3},
		},
		{
			name: "lease", layout: "lease", key: space.Lease("reaper"), value: keys.EncodeLease(keys.Lease{Session: 9, Epoch: 2}),
			parse: decoder(space.ParseLease), parsed: "reaper", decode: decoder(keys.DecodeLease), decoded: keys.Lease{Session: 9, Epoch: 2},
		},
		{
			name: "hold", layout: "hold", key: space.Hold(), value: keys.EncodeHold(keys.Hold{OldestRead: 77, Era: 3, Reason: "backup"}),
			decode: decoder(keys.DecodeHold), decoded: keys.Hold{OldestRead: 77, Era: 3, Reason: "backup"},
		},
	}
}

func objectExamples() []example {
	versionRow := func(name string, v object.Version) example {
		return example{
			name: name, layout: "version row", key: space.Version(300, v.Key, v.Stamp), value: must(keys.EncodeVersion(&v)),
			keyOperand: space.VersionOperand(300, v.Key, pending),
			parse:      parser3(space.ParseVersion), parsed: pair{object.BucketID(300), v.Key, v.Stamp},
			decode: func(b []byte) (any, error) { return keys.DecodeVersion(v.Key, v.Stamp, b) }, decoded: v,
		}
	}
	inline := object.Version{
		Key: "zero\x00\xff", Stamp: stamp, Kind: object.NullVersion, SizeBytes: 3, ETag: "not an MD5", LastModified: at,
		Content: object.Content{Inline: []byte("abc")},
	}
	trash := keys.Trash{Upload: upload}
	unlisted := keys.Event{Bucket: 300, Key: "a/ü", Upload: upload, Parts: []int{1, 2, 300, 10_000}}
	return []example{
		{
			name: "list row", layout: "list row", key: space.List(300, "a/ü"), value: keys.EncodeList(listed),
			valueOperand: keys.EncodeListOperand(listed, pending),
			parse:        parser2(space.ParseList), parsed: pair{object.BucketID(300), object.Key("a/ü")},
			decode: decoder(keys.DecodeList), decoded: listed,
		},
		versionRow("version row, blob", version),
		versionRow("version row, manifest", whole),
		versionRow("version row, inline", inline),
		versionRow("version row, purge", object.Version{Key: "p", Stamp: stamp, Kind: object.Purge, LastModified: at}),
		{
			name: "blob reference", layout: "blob reference", key: space.BlobRef(blob.ID, stamp), value: keys.EncodeBlobRef(blob),
			keyOperand: space.BlobRefOperand(blob.ID, pending),
			parse:      parser2(space.ParseBlobRef), parsed: pair{blob.ID, stamp}, decode: decoder(keys.DecodeBlobRef), decoded: blob,
		},
		{
			name: "upload", layout: "upload", key: space.Upload(300, "a/ü", upload), value: must(keys.EncodeUpload(&keys.Upload{Upload: begun})),
			parse: parser3(space.ParseUpload), parsed: pair{object.BucketID(300), object.Key("a/ü"), upload},
			decode:  func(b []byte) (any, error) { return keys.DecodeUpload("a/ü", upload, b) },
			decoded: keys.Upload{Upload: begun},
		},
		{
			name: "upload, of this commit", layout: "upload", key: space.Upload(300, "a/ü", stamp),
			keyOperand: space.UploadOperand(300, "a/ü", pending), value: must(keys.EncodeUpload(&keys.Upload{})),
			decode:  func(b []byte) (any, error) { return keys.DecodeUpload("", object.Stamp{}, b) },
			decoded: keys.Upload{},
		},
		{
			name: "upload, completed", layout: "upload", key: space.Upload(300, "a/ü", upload), value: must(keys.EncodeUpload(&done)),
			valueOperand: must(keys.EncodeUploadOperand(&done, pending)),
			decode:       func(b []byte) (any, error) { return keys.DecodeUpload("a/ü", upload, b) }, decoded: done,
		},
		{
			name: "part", layout: "part", key: space.Part(upload, 300), value: keys.EncodePart(&keys.Part{Part: part, Ref: stamp}),
			valueOperand: keys.EncodePartOperand(&part, pending),
			parse:        parser2(space.ParsePart), parsed: pair{upload, 300},
			decode:  func(b []byte) (any, error) { return keys.DecodePart(300, b) },
			decoded: keys.Part{Part: part, Ref: stamp},
		},
		{
			name: "manifest reference", layout: "manifest reference", key: space.ManifestRef(upload, stamp), value: keys.EncodeEmpty(),
			keyOperand: space.ManifestRefOperand(upload, pending),
			parse:      parser2(space.ParseManifestRef), parsed: pair{upload, stamp},
		},
		{
			name: "counter", layout: "counter", key: space.Counter(15, 300, keys.CountBytes), value: keys.EncodeCount(-2),
			parse: parser3(space.ParseCounter), parsed: pair{15, object.BucketID(300), keys.CountBytes},
			decode: decoder(keys.DecodeCount), decoded: int64(-2),
		},
		queueExample("event", 3, keys.Events, keys.EncodeEvent(keys.Event{Bucket: 300, Key: "a/ü"}), decoder(keys.DecodeEvent), keys.Event{Bucket: 300, Key: "a/ü"}),
		queueExample("event, completed upload", 3, keys.Events, keys.EncodeEvent(unlisted), decoder(keys.DecodeEvent), unlisted),
		queueExample("trash", 0, keys.Trashes, keys.EncodeTrash(keys.Trash{Blob: &blob}), decoder(keys.DecodeTrash), keys.Trash{Blob: &blob}),
		queueExample("trash, manifest", 15, keys.Trashes, keys.EncodeTrash(trash), decoder(keys.DecodeTrash), trash),
		queueExample("tombstone", 4, keys.Tombstones,
			keys.EncodeTombstone(keys.Tombstone{Bucket: 300, Key: "a/ü", Upload: upload, Completed: at}),
			decoder(keys.DecodeTombstone), keys.Tombstone{Bucket: 300, Key: "a/ü", Upload: upload, Completed: at}),
	}
}

func queueExample(name string, shard int, q keys.Queue, value []byte, decode func([]byte) (any, error), decoded any) example {
	layout := map[keys.Queue]string{keys.Events: "event", keys.Trashes: "trash", keys.Tombstones: "tombstone"}[q]
	return example{
		name: name, layout: layout, key: space.QueueEntry(shard, q, stamp), value: value,
		keyOperand: space.QueueEntryOperand(shard, q, pending),
		parse:      parser3(space.ParseQueueEntry), parsed: pair{shard, q, stamp}, decode: decode, decoded: decoded,
	}
}

func sessionExamples() []example {
	const sid = object.SessionID(0xfedcba9876543210)
	session := keys.Session{Opened: at, Host: "h", Release: "0.1.0", Features: []string{"f"}}
	beat := keys.Heartbeat{Count: 5, LowWater: 6, OldestRead: 1 << 40, Era: 3, Clock: at}
	fenced := keys.Fenced{At: at}
	return []example{
		{
			name: "session", layout: "session", key: space.Session(sid), value: keys.EncodeSession(session),
			parse: decoder(space.ParseSession), parsed: sid, decode: decoder(keys.DecodeSession), decoded: session,
		},
		{
			name: "heartbeat", layout: "heartbeat", key: space.Heartbeat(sid), value: keys.EncodeHeartbeat(beat),
			parse: decoder(space.ParseHeartbeat), parsed: sid, decode: decoder(keys.DecodeHeartbeat), decoded: beat,
		},
		{
			name: "evidence", layout: "evidence", key: space.Evidence(sid, 70_000), value: keys.EncodeEvidence(stamp),
			valueOperand: keys.EncodeEvidenceOperand(pending),
			parse:        parser2(space.ParseEvidence), parsed: pair{sid, uint64(70_000)},
			decode: decoder(keys.DecodeEvidence), decoded: stamp,
		},
		{
			name: "fenced session", layout: "fenced session", key: space.Fenced(sid), value: keys.EncodeFenced(fenced),
			parse: decoder(space.ParseFenced), parsed: sid, decode: decoder(keys.DecodeFenced), decoded: fenced,
		},
	}
}

// equal fails the test unless got is want.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %s, want %s", what, show(got), show(want))
	}
}

func show(x any) string { return fmt.Sprintf("%+v", x) }
