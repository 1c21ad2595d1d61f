package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/object"
)

// AbortUpload ends an upload; its parts go the way of a manifest: into the trash, and are released there, in transactions of
// bounded size. NoSuchBucket, NoSuchUpload unless it is in progress.
func (l *Layer) AbortUpload(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp) (object.Token, error) {
	name := uploadName{b, k, id}
	op := name.operation("fdblayer.AbortUpload")
	c, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		bucket, err := t.bucket(ctx, b)
		if err != nil {
			return err
		}
		row := l.keys.Upload(bucket.ID, k, id)
		if _, err := t.liveUpload(ctx, op, t.Get(row), name); err != nil {
			return err
		}
		t.Clear(row)
		t.trash(keys.ShardOfUpload(id), keys.Trash{Upload: id})
		return nil
	})
	if err != nil {
		return object.Token{}, err
	}
	return l.token(c.Version), nil
}
