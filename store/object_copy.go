package store

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// CopyObject copies without moving bytes.
type CopyObject struct {
	Source    object.BucketName
	SourceKey object.Key
	SourceID  string     // version id, "" for the current one
	SourceIf  Conditions // mismatch: PreconditionFailed
	Bucket    object.BucketName
	Key       object.Key
	// Replace uses Metadata (all but its Tags) instead of the source's. Storage class and website
	// redirect are Metadata's in any case: they are the copy's own (S3's "CopyObject").
	Replace bool
	// Restates says that the request names a storage class or a website redirect, which makes a copy
	// onto itself a change.
	Restates bool
	// ReplaceTags uses Metadata.Tags instead of the source's.
	ReplaceTags bool
	Metadata    object.Metadata
	If          Conditions // as in PutObject
}

// CopyObject copies up to object.PutMaxBytes; a larger source is InvalidRequest. A copy of the current version onto itself
// without Replace or Restates is InvalidRequest. source is the version that was copied. The copy keeps ETag and
// checksum, also those of a multipart object. NoSuchBucket, NoSuchKey, NoSuchVersion, PreconditionFailed; for
// a delete marker as source InvalidRequest if it was named by id, else NoSuchKey.
func (s *Store) CopyObject(ctx context.Context, c CopyObject) (made Put, source object.Version, err error) {
	const op = "store.CopyObject"
	condition, err := c.validate(op)
	if err != nil {
		return Put{}, object.Version{}, err
	}
	now := s.now()
	err = commit(ctx, func(ctx context.Context) (err error) {
		made, source, err = s.layer.CopyObject(ctx, fdblayer.CopyObject{
			Source: c.Source, SourceKey: c.SourceKey, SourceID: c.SourceID,
			Bucket: c.Bucket, If: condition,
			Make: func(source *object.Version) (object.Version, error) {
				v, err := c.copyOf(op, source)
				v.LastModified = now
				return v, err
			},
		})
		return err
	})
	return made, source, notNow(op, err)
}

func (c CopyObject) validate(op string) (fdblayer.Condition, error) {
	if err := validateNames(c.Source, c.SourceKey); err != nil {
		return nil, err
	}
	if err := validateNames(c.Bucket, c.Key); err != nil {
		return nil, err
	}
	if err := validateVersionID(op, c.SourceID); err != nil {
		return nil, err
	}
	if err := validateMetadata(op, c.Metadata); err != nil {
		return nil, err
	}
	if c.Source == c.Bucket && c.SourceKey == c.Key && c.SourceID == "" && !c.Replace && !c.Restates {
		return nil, &object.Error{
			Op: op, Kind: object.InvalidRequest, Ref: object.Ref{Bucket: c.Bucket, Key: c.Key},
			Message: "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
		}
	}
	return c.If.forWrite(op, object.Ref{Bucket: c.Bucket, Key: c.Key})
}

// copyOf builds the copy. It is pure.
func (c CopyObject) copyOf(op string, source *object.Version) (object.Version, error) {
	ref := object.Ref{Bucket: c.Source, Key: c.SourceKey, Version: source.ID()}
	switch {
	case source.Kind.IsMarker() && c.SourceID != "":
		return object.Version{}, &object.Error{
			Op: op, Kind: object.InvalidRequest, Ref: ref,
			Message: "The source of a copy request may not specifically refer to a delete marker by version id.",
		}
	case !source.Kind.HasContent():
		return object.Version{}, &object.Error{Op: op, Kind: object.NoSuchKey, Ref: ref}
	case c.SourceIf.checkRead(source) != 0:
		// S3's "CopyObject": also what a GET answers with 304 is 412 here.
		return object.Version{}, &object.Error{Op: op, Kind: object.PreconditionFailed, Ref: ref}
	case source.SizeBytes > object.PutMaxBytes:
		return object.Version{}, &object.Error{
			Op: op, Kind: object.InvalidRequest, Ref: ref,
			Message: "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
		}
	}
	v := object.Version{
		Key: c.Key, SizeBytes: source.SizeBytes, ETag: source.ETag, Checksum: source.Checksum, Metadata: source.Metadata,
	}
	v.Metadata.StorageClass = c.Metadata.StorageClass
	v.Metadata.Headers.WebsiteRedirect = c.Metadata.Headers.WebsiteRedirect
	if c.Replace {
		v.Metadata = c.Metadata
		v.Metadata.Tags = source.Metadata.Tags
	}
	if c.ReplaceTags {
		v.Metadata.Tags = c.Metadata.Tags
	}
	return v, nil
}
