package keys

import (
	"fmt"

	"github.com/stampede-store/stampede/fdblayer/keys/recordpb"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
	"github.com/stampede-store/stampede/object"
)

// MetaName names an m row.
type MetaName string

// The m rows.
const (
	// MetaFormat is the format of the whole store (a number).
	MetaFormat MetaName = "format"
	// MetaFeatures are the features that are switched on (names).
	MetaFeatures MetaName = "features"
	// MetaCluster is the cluster's id (text).
	MetaCluster MetaName = "cluster"
	// MetaEra is the era (a number).
	MetaEra MetaName = "era"
	// MetaNextBucket is the id of the next bucket (a number).
	MetaNextBucket MetaName = "next-bucket"
)

// StoreFormat is the format that this program writes.
const StoreFormat = 1

// Meta is the value of an m row: the field that its name asks for.
type Meta struct {
	Number uint64
	Text   string
	Names  []string
}

// Meta is the key of an m row.
func (s Space) Meta(n MetaName) []byte {
	return tuple.AppendString(s.key(MetaRow, 0), string(n))
}

// EncodeMeta makes the value of an m row.
func EncodeMeta(m Meta) []byte {
	r := &recordpb.Meta{Number: m.Number, Text: []byte(m.Text)}
	for _, n := range m.Names {
		r.Names = append(r.Names, []byte(n))
	}
	return encode(r)
}

// DecodeMeta is the inverse of EncodeMeta.
func DecodeMeta(value []byte) (Meta, error) {
	var r recordpb.Meta
	if err := decode("decode meta", value, &r); err != nil {
		return Meta{}, err
	}
	m := Meta{Number: r.Number, Text: string(r.Text)}
	for _, n := range r.Names {
		m.Names = append(m.Names, string(n))
	}
	return m, nil
}

// Log is the key of an entry of the config log.
func (s Space) Log(stamp object.Stamp) []byte { return appendStamp(s.key(LogRow, 0), stamp) }

// LogOperand is that of the entry of this commit.
func (s Space) LogOperand(p Pending) []byte { return appendPending(s.key(LogRow, 0), p) }

// Logs is the config log, oldest entry first.
func (s Space) Logs() kv.Range { return under(s.key(LogRow, 0)) }

// LogsFrom is the config log from an entry on, that entry included.
func (s Space) LogsFrom(stamp object.Stamp) kv.Range {
	return kv.Range{Begin: s.Log(stamp), End: s.Logs().End}
}

// ParseLog is the inverse of Log.
func (s Space) ParseLog(key []byte) (object.Stamp, error) {
	d, err := s.parse(LogRow, key)
	if err != nil {
		return object.Stamp{}, err
	}
	stamp := takeStamp(&d)
	return stamp, parsed(&d)
}

// EncodeChange makes the value of an entry of the config log: the keys of the
// pinned rows that the commit touches, as Relative gives them.
func EncodeChange(rows [][]byte) []byte { return encode(&recordpb.Change{Rows: rows}) }

// DecodeChange is the inverse of EncodeChange.
func DecodeChange(value []byte) ([][]byte, error) {
	var r recordpb.Change
	err := decode("decode change", value, &r)
	return r.Rows, err
}

// BucketName is the key of a bucket's name.
func (s Space) BucketName(n object.BucketName) []byte {
	return tuple.AppendString(s.key(BucketNameRow, len(n)), string(n))
}

// BucketNames is the range of the names that begin with prefix and sort behind after.
func (s Space) BucketNames(prefix, after string) kv.Range {
	r := open(tuple.AppendString(s.key(BucketNameRow, len(prefix)), prefix))
	if after == "" {
		return r
	}
	return From(r, behind(s.BucketName(object.BucketName(after))))
}

// ParseBucketName is the inverse of BucketName.
func (s Space) ParseBucketName(key []byte) (object.BucketName, error) {
	d, err := s.parse(BucketNameRow, key)
	if err != nil {
		return "", err
	}
	n, _ := d.String()
	return object.BucketName(n), parsed(&d)
}

// EncodeBucketName makes the value of a bucket's name.
func EncodeBucketName(id object.BucketID) []byte {
	return encode(&recordpb.BucketName{Id: uint64(id)})
}

// DecodeBucketName is the inverse of EncodeBucketName.
func DecodeBucketName(value []byte) (object.BucketID, error) {
	var r recordpb.BucketName
	err := decode("decode bucket name", value, &r)
	return object.BucketID(r.Id), err
}

// Bucket is a bucket's record.
type Bucket struct {
	object.Bucket
	// EverVersioned stays true once the bucket has kept versions: then a purge
	// may have something behind it that counts.
	EverVersioned bool
}

// Bucket is the key of a bucket.
func (s Space) Bucket(id object.BucketID) []byte {
	return tuple.AppendUint(s.key(BucketRow, 0), uint64(id))
}

// EncodeBucket makes the value of a bucket; its id is in the key.
func EncodeBucket(b Bucket) []byte {
	return encode(&recordpb.Bucket{
		Name: []byte(b.Name), Created: millis(b.Created), Region: []byte(b.Region), Owner: []byte(b.Owner),
		Versioning: uint32(b.Versioning), EverVersioned: b.EverVersioned,
	})
}

// DecodeBucket is the inverse of EncodeBucket.
func DecodeBucket(id object.BucketID, value []byte) (Bucket, error) {
	const op = "decode bucket"
	var r recordpb.Bucket
	if err := decode(op, value, &r); err != nil {
		return Bucket{}, err
	}
	if r.Versioning > uint32(object.VersioningSuspended) {
		return Bucket{}, corrupt(op, fmt.Errorf("versioning %d", r.Versioning))
	}
	return Bucket{
		Bucket: object.Bucket{
			ID: id, Name: object.BucketName(r.Name), Created: timeOf(r.Created), Region: string(r.Region),
			Owner: string(r.Owner), Versioning: object.Versioning(r.Versioning),
		},
		EverVersioned: r.EverVersioned,
	}, nil
}

// Document is the key of a configuration document of a bucket.
func (s Space) Document(id object.BucketID, name string) []byte {
	return tuple.AppendString(s.Bucket(id), name)
}

// Documents is the range of a bucket's documents, without the bucket itself.
func (s Space) Documents(id object.BucketID) kv.Range { return under(s.Bucket(id)) }

// ParseBucket takes the key of a bucket (document "") or of one of its documents apart.
func (s Space) ParseBucket(key []byte) (id object.BucketID, document string, err error) {
	d, err := s.parse(BucketRow, key)
	if err != nil {
		return 0, "", err
	}
	id = takeBucket(&d)
	if d.More() {
		document, _ = d.String()
		if document == "" && d.Err() == nil {
			return 0, "", corrupt("parse key", fmt.Errorf("a document without name"))
		}
	}
	return id, document, parsed(&d)
}

// EncodeDocument makes the value of a document. MetadataTooLarge.
func EncodeDocument(content []byte) ([]byte, error) {
	return bounded("encode document", encode(&recordpb.Document{Content: content}))
}

// DecodeDocument is the inverse of EncodeDocument.
func DecodeDocument(value []byte) ([]byte, error) {
	var r recordpb.Document
	err := decode("decode document", value, &r)
	return r.Content, err
}

// Guard is the key of the identities' guard row.
func (s Space) Guard() []byte { return s.key(GuardRow, 0) }

// EncodeEmpty makes the value of a row whose key says all: the guard row, and
// the references of manifests.
func EncodeEmpty() []byte { return encode(&recordpb.Empty{}) }
