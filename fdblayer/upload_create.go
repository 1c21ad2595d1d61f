package fdblayer

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// uploadName names an upload as requests do.
type uploadName struct {
	bucket object.BucketName
	key    object.Key
	id     object.Stamp
}

func (n uploadName) operation(name string) operation {
	return operation{name: name, ref: object.Ref{Bucket: n.bucket, Key: n.key, Upload: n.id.String()}}
}

// noSuchUpload is the error of an upload that is not there, or is not in progress any more.
func (op operation) noSuchUpload() error {
	return &object.Error{Op: op.name, Kind: object.NoSuchUpload, Ref: op.ref}
}

// CreateUpload begins an upload; u.ID is decided by the commit. NoSuchBucket.
func (l *Layer) CreateUpload(ctx context.Context, b object.BucketName, u object.Upload) (object.Upload, object.Token, error) {
	op := operation{name: "fdblayer.CreateUpload", ref: object.Ref{Bucket: b, Key: u.Key}}
	value, err := keys.EncodeUpload(&keys.Upload{Upload: u})
	if err != nil {
		return object.Upload{}, object.Token{}, err
	}
	op.sizeBytes = rowsBytes + len(value) + 4*len(u.Key)
	var place keys.Pending
	c, err := l.blind(ctx, op, func(ctx context.Context, t *txn) error {
		bucket, err := t.bucket(ctx, b)
		if err != nil {
			return err
		}
		place = t.pending()
		t.Atomic(kv.SetVersionstampedKey, l.keys.UploadOperand(bucket.ID, u.Key, place), value)
		return nil
	})
	if err != nil {
		return object.Upload{}, object.Token{}, err
	}
	u.ID = place.Stamp(c.Stamp)
	return u, l.token(c.Version), nil
}

// GetUpload finds an upload in progress under that key. NoSuchBucket, NoSuchUpload.
func (l *Layer) GetUpload(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp) (object.Upload, object.Token, error) {
	name := uploadName{b, k, id}
	op := name.operation("fdblayer.GetUpload")
	var u object.Upload
	token, err := l.read(ctx, op, func(ctx context.Context, t *txn) error {
		bucket, err := t.bucket(ctx, b)
		if err != nil {
			return err
		}
		found, err := t.liveUpload(ctx, op, t.Snapshot().Get(l.keys.Upload(bucket.ID, k, id)), name)
		if err != nil {
			return err
		}
		u = found.Upload
		return nil
	})
	if err != nil {
		return object.Upload{}, object.Token{}, err
	}
	return u, token, nil
}

// liveUpload waits for an upload's row. NoSuchUpload if there is none, or the upload is completed.
func (t *txn) liveUpload(ctx context.Context, op operation, row kv.Future[[]byte], n uploadName) (keys.Upload, error) {
	u, err := t.upload(ctx, op, row, n)
	if err == nil && u.Completed != nil {
		err = op.noSuchUpload()
	}
	return u, err
}

// upload is liveUpload that gives completed ones too, as long as their tombstone is there.
func (t *txn) upload(ctx context.Context, op operation, row kv.Future[[]byte], n uploadName) (keys.Upload, error) {
	value, err := row.Get(ctx)
	if err != nil {
		return keys.Upload{}, err
	}
	if value == nil {
		return keys.Upload{}, op.noSuchUpload()
	}
	return keys.DecodeUpload(n.key, n.id, value)
}
