package store

import (
	"context"
	"io"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// PutObject is one upload of an object.
type PutObject struct {
	Bucket object.BucketName
	Key    object.Key
	// Body is read to its end. Its errors are returned as they are.
	Body io.Reader
	// SizeBytes is the length that Body must have, -1 if unknown. Another length is IncompleteBody.
	SizeBytes int64
	Metadata  object.Metadata
	Digests   Digests
	If        Conditions // only IfMatch (one tag) and IfNoneMatch "*", as S3
}

// PutObject stores an object. When it returns nil, it is durable and visible
// everywhere. NoSuchBucket, EntityTooLarge, IncompleteBody, BadDigest, InvalidDigest, MetadataTooLarge, InvalidTag,
// PreconditionFailed, NoSuchKey (IfMatch without an object), ConditionalConflict, NotImplemented (other conditions), Full.
func (s *Store) PutObject(ctx context.Context, p PutObject) (Put, error) {
	const op = "store.PutObject"
	if err := validateNames(p.Bucket, p.Key); err != nil {
		return Put{}, err
	}
	if err := validateMetadata(op, p.Metadata); err != nil {
		return Put{}, err
	}
	condition, err := p.If.forWrite(op, object.Ref{Bucket: p.Bucket, Key: p.Key})
	if err != nil {
		return Put{}, err
	}
	b := body{op: op, reader: p.Body, sizeBytes: p.SizeBytes, digests: p.Digests}
	if err := b.validate(); err != nil {
		return Put{}, err
	}
	if b.inlineMaxBytes, err = s.inlineMaxBytes(ctx, p.Bucket, p.SizeBytes); err != nil {
		return Put{}, err
	}
	r, err := s.receive(ctx, b)
	if err != nil {
		return Put{}, err
	}
	var made Put
	err = s.commitReceived(ctx, op, r, func(ctx context.Context) (err error) {
		made, err = s.layer.PutObject(ctx, fdblayer.PutObject{
			Bucket: p.Bucket,
			Version: object.Version{
				Key: p.Key, SizeBytes: r.sizeBytes, ETag: r.etag, LastModified: s.now(),
				Metadata: p.Metadata, Checksum: r.checksum, Content: r.content,
			},
			Lease: r.lease,
			If:    condition,
		})
		return err
	})
	return made, err
}

// inlineMaxBytes is the longest object that is kept in its row. What is short enough for every bucket
// needs no look at it: the commit will tell if it is gone. Before anything longer is
// received, the bucket must be there.
func (s *Store) inlineMaxBytes(ctx context.Context, name object.BucketName, sizeBytes int64) (int64, error) {
	if sizeBytes >= 0 && sizeBytes <= object.InlineVersionedMaxBytes {
		return object.InlineVersionedMaxBytes, nil
	}
	b, _, err := s.layer.GetBucket(ctx, name)
	if err != nil {
		return 0, err
	}
	if b.Versioning == object.VersioningEnabled {
		return object.InlineVersionedMaxBytes, nil
	}
	return object.InlineMaxBytes, nil
}
