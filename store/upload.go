package store

import (
	"context"
	"strings"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
)

// CompositeByDefault says whether the checksum of a whole multipart object is composite when
// the client names the algorithm and not the type (S3 User Guide, "Checking object
// integrity", the table of checksum types: CRC64NVME is always of the full object).
func CompositeByDefault(a object.ChecksumAlgorithm) bool {
	return a != 0 && a != object.CRC64NVME
}

// CreateUpload begins an upload; u.ID and, if not set, u.Initiated are decided here. NoSuchBucket,
// InvalidRequest for a type of checksum that S3 doesn't have for its algorithm.
func (s *Store) CreateUpload(ctx context.Context, b object.BucketName, u object.Upload) (object.Upload, object.Token, error) {
	const op = "store.CreateUpload"
	if err := validateNames(b, u.Key); err != nil {
		return object.Upload{}, object.Token{}, err
	}
	if err := validateMetadata(op, u.Metadata); err != nil {
		return object.Upload{}, object.Token{}, err
	}
	if err := validateChecksumType(op, u.Algorithm, u.Composite); err != nil {
		return object.Upload{}, object.Token{}, err
	}
	if u.Initiated.IsZero() {
		u.Initiated = s.now()
	}
	var made object.Upload
	token, err := s.commitToken(ctx, op, func(ctx context.Context) (token object.Token, err error) {
		made, token, err = s.layer.CreateUpload(ctx, b, u)
		return token, err
	})
	return made, token, err
}

func validateChecksumType(op string, a object.ChecksumAlgorithm, composite bool) error {
	bad := func(message string) error {
		return &object.Error{Op: op, Kind: object.InvalidRequest, Message: message}
	}
	switch {
	case a == 0 && composite:
		return bad("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case a != 0 && checksum.SizeBytes(a) == 0:
		return bad("Checksum algorithm provided is unsupported.")
	case a == object.CRC64NVME && composite:
		return bad("The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.")
	case (a == object.SHA1 || a == object.SHA256) && !composite:
		return bad("The FULL_OBJECT checksum type cannot be used with the " + strings.ToLower(checksum.Name(a)) + " checksum algorithm.")
	}
	return nil
}

// GetUpload finds an upload in progress. NoSuchUpload.
func (s *Store) GetUpload(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp) (object.Upload, object.Token, error) {
	if err := validateNames(b, k); err != nil {
		return object.Upload{}, object.Token{}, err
	}
	return s.layer.GetUpload(ctx, b, k, id)
}

// AbortUpload ends an upload and releases its parts. NoSuchUpload.
func (s *Store) AbortUpload(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp) (object.Token, error) {
	if err := validateNames(b, k); err != nil {
		return object.Token{}, err
	}
	return s.commitToken(ctx, "store.AbortUpload", func(ctx context.Context) (object.Token, error) {
		return s.layer.AbortUpload(ctx, b, k, id)
	})
}

// ListParts lists parts with numbers above after. NoSuchUpload.
func (s *Store) ListParts(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp, after, limit int) (fdblayer.PartPage, error) {
	const op = "store.ListParts"
	if err := validateNames(b, k); err != nil {
		return fdblayer.PartPage{}, err
	}
	if after < 0 {
		return fdblayer.PartPage{}, &object.Error{Op: op, Kind: object.InvalidArgument, Ref: object.Ref{Argument: "part-number-marker"}}
	}
	limit, err := pageLimit(op, "max-parts", limit)
	if err != nil {
		return fdblayer.PartPage{}, err
	}
	return s.layer.ListParts(ctx, b, k, id, min(after, object.PartsMax), limit)
}

// ListUploads reads a page of uploads in progress. NoSuchBucket.
func (s *Store) ListUploads(ctx context.Context, q fdblayer.ListUploads) (fdblayer.UploadPage, error) {
	const op = "store.ListUploads"
	if err := q.Bucket.Validate(); err != nil {
		return fdblayer.UploadPage{}, err
	}
	if err := validateListing(op, listing{prefix: q.Prefix, delimiter: q.Delimiter, after: q.AfterKey}); err != nil {
		return fdblayer.UploadPage{}, err
	}
	var err error
	if q.UploadsMax, err = pageLimit(op, "max-uploads", q.UploadsMax); err != nil {
		return fdblayer.UploadPage{}, err
	}
	return s.layer.ListUploads(ctx, q)
}
