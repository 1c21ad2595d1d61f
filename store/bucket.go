package store

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// CreateBucket makes a bucket. BucketAlreadyOwnedByYou when it exists with the same owner,
// BucketAlreadyExists with another.
func (s *Store) CreateBucket(ctx context.Context, b object.Bucket) (object.Token, error) {
	if err := b.Name.Validate(); err != nil {
		return object.Token{}, err
	}
	if b.Created.IsZero() {
		b.Created = s.now()
	}
	return s.commitToken(ctx, "store.CreateBucket", func(ctx context.Context) (object.Token, error) {
		return s.layer.CreateBucket(ctx, b)
	})
}

// GetBucket finds a bucket. NoSuchBucket.
func (s *Store) GetBucket(ctx context.Context, name object.BucketName) (object.Bucket, object.Token, error) {
	if err := name.Validate(); err != nil {
		return object.Bucket{}, object.Token{}, err
	}
	return s.layer.GetBucket(ctx, name)
}

// DeleteBucket removes an empty bucket. NoSuchBucket, BucketNotEmpty (objects,
// or uploads in progress).
func (s *Store) DeleteBucket(ctx context.Context, name object.BucketName) (object.Token, error) {
	if err := name.Validate(); err != nil {
		return object.Token{}, err
	}
	return s.commitToken(ctx, "store.DeleteBucket", func(ctx context.Context) (object.Token, error) {
		return s.layer.DeleteBucket(ctx, name)
	})
}

// ListBuckets lists names with a prefix, behind after; limit is at most object.BucketsMaxPage.
func (s *Store) ListBuckets(ctx context.Context, prefix, after string, limit int) (fdblayer.BucketPage, error) {
	const op = "store.ListBuckets"
	if err := validateListing(op, listing{prefix: prefix, after: after}); err != nil {
		return fdblayer.BucketPage{}, err
	}
	if limit < 1 || limit > object.BucketsMaxPage {
		return fdblayer.BucketPage{}, &object.Error{Op: op, Kind: object.InvalidArgument, Ref: object.Ref{Argument: "max-buckets"}}
	}
	return s.layer.ListBuckets(ctx, prefix, after, limit)
}

// commitToken is commit for a change that answers with a token only.
func (s *Store) commitToken(ctx context.Context, op string, f func(ctx context.Context) (object.Token, error)) (object.Token, error) {
	var token object.Token
	err := commit(ctx, func(ctx context.Context) (err error) {
		token, err = f(ctx)
		return err
	})
	return token, notNow(op, err)
}
