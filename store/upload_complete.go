package store

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

// CompletePart is a part as the client lists it.
type CompletePart struct {
	Number   int
	ETag     object.ETag      // without quotes
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
	// Composite is the claimed type of the upload's checksum; nil: none. Mismatch: InvalidRequest.
	Composite *bool
	// SizeBytes is the claimed size of the whole, -1: none. Mismatch: InvalidRequest.
	SizeBytes int64
	If        Conditions // as in PutObject
}

// CompleteUpload makes the object of the listed parts; the others are released. Repeated after success
// it returns the same version again. NoSuchUpload, MalformedXML for an empty or too long list, InvalidPartOrder, InvalidPart (absent,
// or another ETag or checksum), EntityTooSmall, EntityTooLarge, BadDigest, InvalidRequest; PreconditionFailed,
// NoSuchKey and ConditionalConflict of If.
func (s *Store) CompleteUpload(ctx context.Context, c CompleteUpload) (Put, error) {
	const op = "store.CompleteUpload"
	if err := validateNames(c.Bucket, c.Key); err != nil {
		return Put{}, err
	}
	numbers, err := c.numbers(op)
	if err != nil {
		return Put{}, err
	}
	condition, err := c.If.forWrite(op, object.Ref{Bucket: c.Bucket, Key: c.Key})
	if err != nil {
		return Put{}, err
	}
	now := s.now()
	var made Put
	err = commit(ctx, func(ctx context.Context) (err error) {
		made, err = s.layer.CompleteUpload(ctx, fdblayer.CompleteUpload{
			Bucket: c.Bucket, Key: c.Key, Upload: c.Upload, Numbers: numbers, If: condition,
			Make: func(u object.Upload, stored []object.Part) (object.Version, error) {
				return c.assemble(op, u, stored, now)
			},
		})
		return err
	})
	return made, notNow(op, err)
}

// numbers are the listed part numbers, which must ascend.
func (c CompleteUpload) numbers(op string) ([]int, error) {
	if len(c.Parts) == 0 || len(c.Parts) > object.PartsMax {
		return nil, c.failure(op, object.MalformedXML, 0)
	}
	numbers := make([]int, len(c.Parts))
	for i, p := range c.Parts {
		switch {
		case i > 0 && p.Number <= numbers[i-1]:
			return nil, c.failure(op, object.InvalidPartOrder, p.Number)
		case p.Number < 1 || p.Number > object.PartsMax:
			return nil, c.failure(op, object.InvalidPart, p.Number)
		}
		numbers[i] = p.Number
	}
	return numbers, nil
}

func (c CompleteUpload) failure(op string, k object.Kind, part int) *object.Error {
	return &object.Error{Op: op, Kind: k, Ref: object.Ref{Bucket: c.Bucket, Key: c.Key, Upload: c.Upload.String(), Part: part}}
}

// assemble checks the list against the stored parts and builds the version. It is pure.
func (c CompleteUpload) assemble(op string, u object.Upload, stored []object.Part, now time.Time) (object.Version, error) {
	parts, err := c.match(op, stored)
	if err != nil {
		return object.Version{}, err
	}
	sizeBytes := int64(0)
	for _, p := range parts {
		sizeBytes += p.SizeBytes
	}
	switch {
	case sizeBytes > object.ObjectMaxBytes:
		return object.Version{}, c.failure(op, object.EntityTooLarge, 0)
	case c.SizeBytes >= 0 && c.SizeBytes != sizeBytes:
		e := c.failure(op, object.InvalidRequest, 0)
		e.Message = "The provided 'x-amz-mp-object-size' header value does not match what was computed."
		return object.Version{}, e
	}
	etag, err := multipartETag(parts)
	if err != nil {
		return object.Version{}, err
	}
	sum, err := c.checksum(op, u, parts)
	if err != nil {
		return object.Version{}, err
	}
	return object.Version{
		Key: c.Key, SizeBytes: sizeBytes, ETag: etag, LastModified: now, Metadata: u.Metadata, Checksum: sum,
	}, nil
}

// match finds each listed part among the stored ones, and checks its claims and its size.
func (c CompleteUpload) match(op string, stored []object.Part) ([]object.Part, error) {
	byNumber := make(map[int]object.Part, len(stored))
	for _, p := range stored {
		byNumber[p.Number] = p
	}
	parts := make([]object.Part, len(c.Parts))
	for i, listed := range c.Parts {
		p, ok := byNumber[listed.Number]
		if !ok || p.ETag != listed.ETag || !sameChecksum(listed.Checksum, p.Checksum) {
			return nil, c.failure(op, object.InvalidPart, listed.Number)
		}
		parts[i] = p
	}
	for _, p := range parts[:len(parts)-1] {
		if p.SizeBytes < object.PartMinBytes {
			return nil, c.failure(op, object.EntityTooSmall, p.Number)
		}
	}
	return parts, nil
}

// sameChecksum compares what was listed, if anything, with what is stored.
func sameChecksum(listed, stored *object.Checksum) bool {
	return listed == nil ||
		stored != nil && listed.Algorithm == stored.Algorithm && bytes.Equal(listed.Value, stored.Value)
}

// multipartETag is the MD5 of the parts' MD5s, and their number.
func multipartETag(parts []object.Part) (object.ETag, error) {
	h := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(string(p.ETag))
		if err != nil || len(sum) != md5.Size {
			return "", &object.Error{
				Op: "store.CompleteUpload", Kind: object.Corrupt, Ref: object.Ref{Part: p.Number},
				Err: fmt.Errorf("a part has the ETag %q", p.ETag),
			}
		}
		_, _ = h.Write(sum) // hash.Hash: it never returns an error
	}
	return object.ETag(fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))), nil
}

// checksum derives the checksum of the whole, of the upload's algorithm and type, from those of its parts, and
// compares it with the one claimed.
func (c CompleteUpload) checksum(op string, u object.Upload, parts []object.Part) (*object.Checksum, error) {
	if c.Checksum != nil && c.Checksum.Algorithm != u.Algorithm {
		return nil, checksumTypeMismatch(op, u.Algorithm, c.Checksum.Algorithm)
	}
	if c.Composite != nil && *c.Composite != u.Composite {
		e := c.failure(op, object.InvalidRequest, 0)
		e.Message = "The upload was created with another checksum type. The complete request must use the same."
		return nil, e
	}
	if u.Algorithm == 0 {
		return nil, nil
	}
	pieces := make([]checksum.Piece, len(parts))
	for i, p := range parts {
		if p.Checksum == nil || p.Checksum.Algorithm != u.Algorithm {
			return nil, c.failure(op, object.InvalidPart, p.Number)
		}
		pieces[i] = checksum.Piece{Value: p.Checksum.Value, SizeBytes: p.SizeBytes}
	}
	sum := &object.Checksum{Algorithm: u.Algorithm, Composite: u.Composite}
	var err error
	if u.Composite {
		sum.Parts = len(parts)
		sum.Value, err = checksum.Composite(u.Algorithm, pieces)
	} else {
		sum.Value, err = checksum.FullObject(u.Algorithm, pieces)
	}
	if err != nil {
		return nil, err
	}
	if c.Checksum != nil && !bytes.Equal(c.Checksum.Value, sum.Value) {
		return nil, badChecksum(op, u.Algorithm)
	}
	return sum, nil
}
