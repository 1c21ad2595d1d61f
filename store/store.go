package store

import (
	"context"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// Options are the choices of a Store. Layer and Chunks are required.
type Options struct {
	Layer  *fdblayer.Layer
	Chunks *chunkclient.Client
	Log    *zap.Logger
	Now    func() time.Time
}

// Store is safe for concurrent use.
type Store struct{}

// New makes a Store. It starts nothing.
func New(o Options) *Store { panic("being written") }

// Token, CreateBucket, GetBucket, DeleteBucket, ListBuckets, ListObjects, ListUploads, ListParts, AbortUpload, GetUpload:
// the same signatures as fdblayer.Layer, after validating names and limits.

// ---- objects ----

// Digests are what the client claims of a body. Each that is set is verified before anything becomes visible.
type Digests struct {
	MD5 []byte // 16 bytes of Content-MD5, nil: none. Mismatch: BadDigest
	// Algorithm is the additional checksum to compute and store, 0: none.
	Algorithm object.ChecksumAlgorithm
	// Value is its claimed raw value, nil if none was claimed up front. Mismatch: BadDigest.
	Value []byte
	// Trailer, if set, is asked for the claimed raw value after the body's end.
	Trailer func() ([]byte, error)
}

// Conditions of a request (RFC 9110 §13; S3 API reference). Zero: none.
type Conditions struct {
	// IfMatch and IfNoneMatch hold entity tags without quotes; "*" matches any.
	IfMatch, IfNoneMatch               []object.ETag
	IfModifiedSince, IfUnmodifiedSince time.Time
}

// PutObject is one upload of an object.
type PutObject struct {
	Bucket object.BucketName
	Key    object.Key
	// Body is read to its end. Its errors are returned as they are.
	Body io.Reader
	// SizeBytes is the length that Body must have, -1 if unknown. A shorter body is IncompleteBody.
	SizeBytes int64
	Metadata  object.Metadata
	Digests   Digests
	If        Conditions // only IfMatch (one tag) and IfNoneMatch "*", as S3
}

// Put is fdblayer's: the version made, and the token.
type Put = fdblayer.Put

// PutObject stores an object. When it returns nil, it is durable and visible everywhere.
func (s *Store) PutObject(ctx context.Context, p PutObject) (Put, error) { panic("being written") }

// Range is what a Range header asks for. Exactly as RFC 9110 §14.1.2: first-last, first- (Last -1), -suffix (First -1, Last = suffix length).
type Range struct {
	First, Last int64
}

// GetObject asks for an object.
type GetObject struct {
	Bucket    object.BucketName
	Key       object.Key
	VersionID string
	If        Conditions
	Range     *Range
	// PartNumber, if not 0, asks for one part of a multipart object (1 of any other).
	PartNumber int
}

// Object is an open object. Close it.
type Object struct {
	Version object.Version
	Token   object.Token
	// Offset and Length are the bytes that the body yields.
	Offset, Length int64
	// PartsCount is set for multipart objects asked for by part number.
	PartsCount int
}

// GetObject opens an object for reading. NoSuchKey (also for a delete marker, with Version's Stamp in Ref.Version),
// PreconditionFailed, NotModified, InvalidRange. With NotModified, PreconditionFailed and InvalidRange the *Object is returned too, without a body, for its headers.
func (s *Store) GetObject(ctx context.Context, g GetObject) (*Object, error) { panic("being written") }

// HeadObject is GetObject without opening the bytes.
func (s *Store) HeadObject(ctx context.Context, g GetObject) (*Object, error) { panic("being written") }

// WriteTo writes the bytes; every block is verified before a byte of it is written. Bytes that are found
// wrong or missing end it with Corrupt or LostBytes.
func (o *Object) WriteTo(w io.Writer) (int64, error) { panic("being written") }

// Close ends reading.
func (o *Object) Close() error { panic("being written") }

// CopyObject copies without moving bytes.
type CopyObject struct {
	Source    object.BucketName
	SourceKey object.Key
	SourceID  string
	SourceIf  Conditions // mismatch: PreconditionFailed
	Bucket    object.BucketName
	Key       object.Key
	// Replace uses Metadata instead of the source's.
	Replace  bool
	Metadata object.Metadata
	If       Conditions
}

// CopyObject copies up to object.PutMaxBytes. A copy onto itself without Replace is InvalidRequest.
// source is the version that was copied.
func (s *Store) CopyObject(ctx context.Context, c CopyObject) (made Put, source object.Version, err error) {
	panic("being written")
}

// DeleteObject is one deletion. Absent is success.
func (s *Store) DeleteObject(ctx context.Context, b object.BucketName, d fdblayer.DeleteObject) (fdblayer.Deleted, object.Token, error) {
	panic("being written")
}

// DeleteObjects deletes up to object.DeleteKeysMax. Double keys are deleted once and answered each.
func (s *Store) DeleteObjects(ctx context.Context, b object.BucketName, d []fdblayer.DeleteObject) ([]fdblayer.Deleted, object.Token, error) {
	panic("being written")
}

// ---- multipart ----

// CreateUpload begins an upload.
func (s *Store) CreateUpload(ctx context.Context, b object.BucketName, u object.Upload) (object.Upload, object.Token, error) {
	panic("being written")
}

// PutPart is one upload of a part.
type PutPart struct {
	Bucket    object.BucketName
	Key       object.Key
	Upload    object.Stamp
	Number    int
	Body      io.Reader
	SizeBytes int64
	Digests   Digests
}

// PutPart stores a part.
func (s *Store) PutPart(ctx context.Context, p PutPart) (object.Part, object.Token, error) {
	panic("being written")
}

// CompletePart is a part as the client lists it.
type CompletePart struct {
	Number   int
	ETag     object.ETag
	Checksum *object.Checksum // nil: not listed
}

// CompleteUpload lists the parts that make the object.
type CompleteUpload struct {
	Bucket object.BucketName
	Key    object.Key
	Upload object.Stamp
	Parts  []CompletePart
	// Checksum is the claimed checksum of the whole; nil: none. Mismatch: BadDigest.
	Checksum *object.Checksum
	// SizeBytes is the claimed size of the whole, -1: none.
	SizeBytes int64
	If        Conditions
}

// CompleteUpload: InvalidPart, InvalidPartOrder, EntityTooSmall, MalformedXML for an empty list, NoSuchUpload.
func (s *Store) CompleteUpload(ctx context.Context, c CompleteUpload) (Put, error) {
	panic("being written")
}
