package store

import (
	"slices"
	"time"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// Conditions of a request (RFC 9110 §13; S3 API reference). Zero: none.
type Conditions struct {
	// IfMatch and IfNoneMatch hold entity tags without quotes; "*" matches any.
	IfMatch, IfNoneMatch               []object.ETag
	IfModifiedSince, IfUnmodifiedSince time.Time
}

// anyETag matches every object that exists.
const anyETag object.ETag = "*"

func (c Conditions) isZero() bool {
	return len(c.IfMatch) == 0 && len(c.IfNoneMatch) == 0 && c.IfModifiedSince.IsZero() && c.IfUnmodifiedSince.IsZero()
}

func matches(tags []object.ETag, v *object.Version) bool {
	return slices.Contains(tags, anyETag) || slices.Contains(tags, v.ETag)
}

// checkRead evaluates the conditions of a GET or HEAD in the order of RFC 9110 §13.2.2,
// which S3 follows ("GetObject": If-Match outweighs If-Unmodified-Since, If-None-Match outweighs
// If-Modified-Since). It returns 0, PreconditionFailed or NotModified.
func (c Conditions) checkRead(v *object.Version) object.Kind {
	// HTTP dates have whole seconds.
	modified := v.LastModified.Truncate(time.Second)
	switch {
	case len(c.IfMatch) > 0:
		if !matches(c.IfMatch, v) {
			return object.PreconditionFailed
		}
	case !c.IfUnmodifiedSince.IsZero() && modified.After(c.IfUnmodifiedSince):
		return object.PreconditionFailed
	}
	switch {
	case len(c.IfNoneMatch) > 0:
		if matches(c.IfNoneMatch, v) {
			return object.NotModified
		}
	case !c.IfModifiedSince.IsZero() && !modified.After(c.IfModifiedSince):
		return object.NotModified
	}
	return 0
}

// forWrite is the condition of a PUT, copy or completion on the key's current version.
// S3 has two: If-None-Match "*" (there must be none) and If-Match with one tag. The others are
// NotImplemented, as there. If none is asked for it is nil.
func (c Conditions) forWrite(op string, ref object.Ref) (fdblayer.Condition, error) {
	if c.isZero() {
		return nil, nil
	}
	unsupported := func(header string) (fdblayer.Condition, error) {
		return nil, &object.Error{Op: op, Kind: object.NotImplemented, Ref: object.Ref{Bucket: ref.Bucket, Key: ref.Key, Argument: header}}
	}
	switch {
	case !c.IfModifiedSince.IsZero():
		return unsupported("If-Modified-Since")
	case !c.IfUnmodifiedSince.IsZero():
		return unsupported("If-Unmodified-Since")
	case len(c.IfNoneMatch) > 0 && (len(c.IfNoneMatch) > 1 || c.IfNoneMatch[0] != anyETag):
		return unsupported("If-None-Match")
	case len(c.IfMatch) > 1, len(c.IfMatch) > 0 && len(c.IfNoneMatch) > 0:
		return unsupported("If-Match")
	}
	return func(current *object.Version) error {
		switch {
		case len(c.IfNoneMatch) > 0 && current != nil:
			return &object.Error{Op: op, Kind: object.PreconditionFailed, Ref: ref}
		case len(c.IfMatch) > 0 && current == nil:
			// S3 User Guide, "Conditional writes": 404 when there is no object.
			return &object.Error{Op: op, Kind: object.NoSuchKey, Ref: ref}
		case len(c.IfMatch) > 0 && !matches(c.IfMatch, current):
			return &object.Error{Op: op, Kind: object.PreconditionFailed, Ref: ref}
		}
		return nil
	}, nil
}
