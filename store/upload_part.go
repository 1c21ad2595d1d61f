package store

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

// PutPart is one upload of a part.
type PutPart struct {
	Bucket object.BucketName
	Key    object.Key
	Upload object.Stamp
	// Number is 1 to object.PartsMax.
	Number int
	// Body and SizeBytes are as in PutObject.
	Body      io.Reader
	SizeBytes int64
	// Digests: without an algorithm that of the upload is computed; one that differs from it is
	// InvalidRequest.
	Digests Digests
}

// PutPart stores a part; one with the same number is replaced. NoSuchUpload, InvalidArgument for the number,
// EntityTooLarge, IncompleteBody, BadDigest, InvalidDigest, InvalidRequest, Full.
func (s *Store) PutPart(ctx context.Context, p PutPart) (object.Part, object.Token, error) {
	const op = "store.PutPart"
	b, err := s.partBody(ctx, op, p)
	if err != nil {
		return object.Part{}, object.Token{}, err
	}
	r, err := s.receive(ctx, b)
	if err != nil {
		return object.Part{}, object.Token{}, err
	}
	part := object.Part{
		Number: p.Number, SizeBytes: r.sizeBytes, ETag: r.etag, LastModified: s.now(),
		Checksum: r.checksum, Content: r.content,
	}
	var token object.Token
	err = s.commitReceived(ctx, op, r, func(ctx context.Context) (err error) {
		token, err = s.layer.PutPart(ctx, p.Bucket, p.Key, p.Upload, part, r.lease)
		return err
	})
	if err != nil {
		return object.Part{}, object.Token{}, err
	}
	return part, token, nil
}

// partBody validates p against its upload, before a byte is read.
func (s *Store) partBody(ctx context.Context, op string, p PutPart) (body, error) {
	if err := validateNames(p.Bucket, p.Key); err != nil {
		return body{}, err
	}
	if p.Number < 1 || p.Number > object.PartsMax {
		return body{}, &object.Error{
			Op: op, Kind: object.InvalidArgument, Ref: object.Ref{Argument: "partNumber", Value: fmt.Sprint(p.Number)},
			Message: "Part number must be an integer between 1 and 10000, inclusive",
		}
	}
	b := body{op: op, reader: p.Body, sizeBytes: p.SizeBytes, digests: p.Digests, inlineMaxBytes: object.InlineMaxBytes}
	if err := b.validate(); err != nil {
		return body{}, err
	}
	u, _, err := s.layer.GetUpload(ctx, p.Bucket, p.Key, p.Upload)
	if err != nil {
		return body{}, err
	}
	switch {
	case b.digests.Algorithm == 0:
		b.digests.Algorithm = u.Algorithm
	case u.Algorithm != 0 && u.Algorithm != b.digests.Algorithm:
		return body{}, checksumTypeMismatch(op, u.Algorithm, b.digests.Algorithm)
	}
	return b, nil
}

func checksumTypeMismatch(op string, want, got object.ChecksumAlgorithm) error {
	name := func(a object.ChecksumAlgorithm) string {
		if a == 0 {
			return "null"
		}
		return strings.ToLower(checksum.Name(a))
	}
	return &object.Error{
		Op: op, Kind: object.InvalidRequest,
		Message: fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", name(want), name(got)),
	}
}
