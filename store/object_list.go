package store

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// ListObjects reads a page of current objects. NoSuchBucket, KeyTooLong for
// what is longer than a key, InvalidArgument for a negative KeysMax; more than object.ListKeysMax is that.
func (s *Store) ListObjects(ctx context.Context, q fdblayer.ListObjects) (fdblayer.Listing, error) {
	const op = "store.ListObjects"
	if err := q.Bucket.Validate(); err != nil {
		return fdblayer.Listing{}, err
	}
	if err := validateListing(op, listing{prefix: q.Prefix, delimiter: q.Delimiter, after: q.After}); err != nil {
		return fdblayer.Listing{}, err
	}
	var err error
	if q.KeysMax, err = pageLimit(op, "max-keys", q.KeysMax); err != nil {
		return fdblayer.Listing{}, err
	}
	return s.layer.ListObjects(ctx, q)
}

// listing is what listings of keys have in common.
type listing struct{ prefix, delimiter, after string }

func validateListing(op string, l listing) error {
	for _, field := range []struct{ name, text string }{
		{"prefix", l.prefix}, {"delimiter", l.delimiter}, {"marker", l.after},
	} {
		if err := validatePrefix(op, field.name, field.text); err != nil {
			return err
		}
	}
	return nil
}

// pageLimit bounds a page as S3 does: more than the maximum is the maximum.
func pageLimit(op, argument string, limit int) (int, error) {
	if limit < 0 {
		return 0, &object.Error{Op: op, Kind: object.InvalidArgument, Ref: object.Ref{Argument: argument}}
	}
	return min(limit, object.ListKeysMax), nil
}
