package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// CreateBucket: BucketAlreadyOwnedByYou when it exists with the same owner,
// BucketAlreadyExists with another. b.ID is decided by the commit.
func (l *Layer) CreateBucket(ctx context.Context, b object.Bucket) (object.Token, error) {
	op := operation{name: "fdblayer.CreateBucket", ref: object.Ref{Bucket: b.Name}}
	c, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		found, err := l.readBucket(ctx, t, b.Name)
		if err != nil {
			return err
		}
		if found != nil {
			kind := object.BucketAlreadyExists
			if found.Owner == b.Owner {
				kind = object.BucketAlreadyOwnedByYou
			}
			return &object.Error{Op: op.name, Kind: kind, Ref: op.ref}
		}
		id, err := t.nextBucketID(ctx)
		if err != nil {
			return err
		}
		made := keys.Bucket{Bucket: b, EverVersioned: b.Versioning != object.Unversioned}
		made.ID = id
		name, row := l.keys.BucketName(b.Name), l.keys.Bucket(id)
		t.Set(name, keys.EncodeBucketName(id))
		t.Set(row, keys.EncodeBucket(made))
		t.change(name, row)
		return nil
	})
	if err != nil {
		return object.Token{}, err
	}
	return l.token(c.Version), nil
}

// nextBucketID takes a bucket id. None is ever used again: rows of a bucket that was deleted may still be there.
func (t *txn) nextBucketID(ctx context.Context) (object.BucketID, error) {
	row := t.l.keys.Meta(keys.MetaNextBucket)
	value, err := t.Get(row).Get(ctx)
	if err != nil {
		return 0, err
	}
	next, err := keys.DecodeMeta(value)
	if err != nil {
		return 0, err
	}
	t.Set(row, keys.EncodeMeta(keys.Meta{Number: next.Number + 1}))
	return object.BucketID(next.Number), nil
}

// GetBucket: NoSuchBucket.
func (l *Layer) GetBucket(ctx context.Context, name object.BucketName) (object.Bucket, object.Token, error) {
	op := operation{name: "fdblayer.GetBucket", ref: object.Ref{Bucket: name}}
	var b *pinnedBucket
	token, err := l.read(ctx, op, func(ctx context.Context, t *txn) (err error) {
		b, err = t.bucket(ctx, name)
		return err
	})
	if err != nil {
		return object.Bucket{}, token, err
	}
	return b.Bucket.Bucket, token, nil
}

// DeleteBucket: NoSuchBucket, BucketNotEmpty (visible objects or versions). Uploads in progress end with the bucket,
// as in S3, and rows that are hidden don't count; both are reclaimed afterwards.
func (l *Layer) DeleteBucket(ctx context.Context, name object.BucketName) (object.Token, error) {
	op := operation{name: "fdblayer.DeleteBucket", ref: object.Ref{Bucket: name}}
	c, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		b, err := l.readBucket(ctx, t, name)
		if err != nil {
			return err
		}
		if b == nil {
			return &object.Error{Op: op.name, Kind: object.NoSuchBucket, Ref: op.ref}
		}
		empty, err := t.bucketEmpty(ctx, b)
		if err != nil {
			return err
		}
		if !empty {
			return &object.Error{Op: op.name, Kind: object.BucketNotEmpty, Ref: op.ref}
		}
		row := l.keys.BucketName(name)
		t.Clear(row)
		t.Clear(b.pinned.Begin)
		t.ClearRange(l.keys.Documents(b.ID))
		t.change(row, b.pinned.Begin)
		t.bucketGone(b.ID)
		return nil
	})
	if err != nil {
		return object.Token{}, err
	}
	return l.token(c.Version), nil
}

// emptyPage is the number of rows looked at together when a bucket is searched for something visible.
const emptyPage = 500

// bucketEmpty reports whether nothing visible is in a bucket. It reads serializably: a PUT that lands
// meanwhile is a conflict.
func (t *txn) bucketEmpty(ctx context.Context, b *pinnedBucket) (bool, error) {
	k := t.l.keys
	current := t.GetRange(k.BucketLists(b.ID), kv.RangeOptions{Limit: 1})
	page, err := current.Get(ctx)
	if err != nil || len(page.Rows) > 0 {
		return false, err
	}
	if !b.EverVersioned {
		return true, nil // what is visible there is current, and has a list row
	}
	r := k.BucketVersions(b.ID)
	var last object.Key
	var seen visibility
	for {
		// In reverse, so that the rows of a key come newest first.
		if page, err = t.GetRange(r, kv.RangeOptions{Limit: emptyPage, Reverse: true}).Get(ctx); err != nil {
			return false, err
		}
		for _, row := range page.Rows {
			_, key, stamp, err := k.ParseVersion(row.Key)
			if err != nil {
				return false, err
			}
			v, err := keys.DecodeVersion(key, stamp, row.Value)
			if err != nil {
				return false, err
			}
			if key != last {
				last, seen = key, visibility{}
			}
			if seen.counts(v.Kind) {
				return false, nil
			}
			r.End = row.Key
		}
		if !page.More {
			return true, nil
		}
	}
}

// bucketGone tells the reaper of a bucket that was deleted: an event without a key.
func (t *txn) bucketGone(id object.BucketID) {
	t.event(keys.ShardOfKey(id, ""), keys.Event{Bucket: id})
}

// BucketPage is a page of buckets in name order.
type BucketPage struct {
	Buckets []object.Bucket
	More    bool
	Token   object.Token
}

// ListBuckets lists names with a prefix, behind after. limit is at most object.BucketsMaxPage.
func (l *Layer) ListBuckets(ctx context.Context, prefix, after string, limit int) (BucketPage, error) {
	op := operation{name: "fdblayer.ListBuckets"}
	var p BucketPage
	if limit <= 0 {
		var err error
		p.Token, err = l.read(ctx, op, func(context.Context, *txn) error { return nil })
		return p, err
	}
	limit = min(limit, object.BucketsMaxPage)
	token, err := l.read(ctx, op, func(ctx context.Context, t *txn) error {
		r := t.Snapshot() // one version, and nothing is written
		// One more tells whether there is one: a page that the limit ended may be the last.
		page, err := r.GetRange(l.keys.BucketNames(prefix, after), kv.RangeOptions{Limit: limit + 1}).Get(ctx)
		if err != nil {
			return err
		}
		more := len(page.Rows) > limit
		page.Rows = page.Rows[:min(len(page.Rows), limit)]
		p = BucketPage{Buckets: make([]object.Bucket, 0, len(page.Rows)), More: more}
		ids := make([]object.BucketID, len(page.Rows))
		rows := make([]kv.Future[[]byte], len(page.Rows))
		for i, row := range page.Rows {
			if ids[i], err = keys.DecodeBucketName(row.Value); err != nil {
				return err
			}
			rows[i] = r.Get(l.keys.Bucket(ids[i]))
		}
		for i, f := range rows {
			value, err := f.Get(ctx)
			if err != nil {
				return err
			}
			b, err := keys.DecodeBucket(ids[i], value)
			if err != nil {
				return err
			}
			p.Buckets = append(p.Buckets, b.Bucket)
		}
		return nil
	})
	if err != nil {
		return BucketPage{}, err
	}
	p.Token = token
	return p, nil
}
