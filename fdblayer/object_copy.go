package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/object"
)

// CopyObject copies without moving bytes.
type CopyObject struct {
	Source    object.BucketName
	SourceKey object.Key
	SourceID  string // version id, "null" for the null version, "" for the current one
	// Make builds the new version (all but Stamp, Kind and Content) from the
	// source, which has content; it returns the error to give when a source condition fails. Pure.
	Make   func(source *object.Version) (object.Version, error)
	Bucket object.BucketName // of the copy
	If     Condition         // on the copy's key
}

// CopyObject adds a version that shares the source's content: one more reference, no byte moves. NoSuchBucket of
// either; NoSuchKey, NoSuchVersion of the source; InvalidRequest if SourceID names a delete marker; what Make and If
// return. On every error but OutcomeUnknown the copy does not exist and never will. A copy of the current version
// conflicts with every new version of the source's key: where it commits, that was the current one.
func (l *Layer) CopyObject(ctx context.Context, c CopyObject) (copied Put, source object.Version, err error) {
	op := operation{
		name: "fdblayer.CopyObject", ref: object.Ref{Bucket: c.Source, Key: c.SourceKey, Version: c.SourceID},
		conditional: c.If != nil,
	}
	var v object.Version
	var place keys.Pending
	done, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		from, err := t.bucket(ctx, c.Source)
		if err != nil {
			return err
		}
		to, err := t.bucket(ctx, c.Bucket)
		if err != nil {
			return err
		}
		found, err := t.source(ctx, op, from, &c)
		if err != nil {
			return err
		}
		source = *found
		if v, err = c.Make(&source); err != nil {
			return err
		}
		v.Content = source.Content
		if err := t.check(ctx, to, v.Key, c.If); err != nil {
			return err
		}
		place, err = t.addVersion(to, &v)
		return err
	})
	if err != nil {
		return Put{}, object.Version{}, err
	}
	v.Stamp = place.Stamp(done.Stamp)
	return Put{Version: v, Token: l.token(done.Version)}, source, nil
}

// source finds what to copy, serializably: the copy conflicts with whoever clears its row, so that it never refers to a
// blob in the trash; and for the current or the null version, whose rows are read from the newest down, with
// whatever takes its place. A version with an id of its own depends on no other row.
func (t *txn) source(ctx context.Context, op operation, b *pinnedBucket, c *CopyObject) (*object.Version, error) {
	found, err := t.l.find(ctx, t, b, c.SourceKey, c.SourceID)
	if err != nil {
		return nil, err
	}
	switch {
	case found == nil || c.SourceID == "" && !found.Kind.HasContent():
		return nil, op.absent()
	case !found.Kind.HasContent():
		return nil, &object.Error{Op: op.name, Kind: object.InvalidRequest, Ref: op.ref}
	}
	return found, nil
}
