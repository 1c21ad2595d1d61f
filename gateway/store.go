package gateway

import (
	"context"
	"io"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// Store is what the gateway needs of the object store. FromStore makes one of
// a *store.Store, whose method comments hold here.
type Store interface {
	buckets
	objects
	uploads
	// Token is the newest state known, for responses without one of their own.
	Token() object.Token
}

type buckets interface {
	CreateBucket(ctx context.Context, b object.Bucket) (object.Token, error)
	GetBucket(ctx context.Context, name object.BucketName) (object.Bucket, object.Token, error)
	DeleteBucket(ctx context.Context, name object.BucketName) (object.Token, error)
	ListBuckets(ctx context.Context, prefix, after string, limit int) (fdblayer.BucketPage, error)
}

type objects interface {
	PutObject(ctx context.Context, p store.PutObject) (store.Put, error)
	// GetObject returns the bytes beside the object, so that tests can bring
	// their own. They are nil when the error is not.
	GetObject(ctx context.Context, g store.GetObject) (*store.Object, Content, error)
	HeadObject(ctx context.Context, g store.GetObject) (*store.Object, error)
	CopyObject(ctx context.Context, c store.CopyObject) (store.Put, object.Version, error)
	DeleteObject(ctx context.Context, b object.BucketName, d fdblayer.DeleteObject) (fdblayer.Deleted, object.Token, error)
	DeleteObjects(ctx context.Context, b object.BucketName, d []fdblayer.DeleteObject) ([]fdblayer.Deleted, object.Token, error)
	ListObjects(ctx context.Context, q fdblayer.ListObjects) (fdblayer.Listing, error)
}

type uploads interface {
	CreateUpload(ctx context.Context, b object.BucketName, u object.Upload) (object.Upload, object.Token, error)
	PutPart(ctx context.Context, p store.PutPart) (object.Part, object.Token, error)
	CompleteUpload(ctx context.Context, c store.CompleteUpload) (store.Put, error)
	AbortUpload(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp) (object.Token, error)
	ListParts(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp, after, limit int) (fdblayer.PartPage, error)
	ListUploads(ctx context.Context, q fdblayer.ListUploads) (fdblayer.UploadPage, error)
}

// Content is the bytes of an open object, as *store.Object has them.
type Content interface {
	io.WriterTo
	io.Closer
}

// FromStore fits a *store.Store to Store.
func FromStore(s *store.Store) Store { return fromStore{s} }

type fromStore struct{ *store.Store }

func (s fromStore) GetObject(ctx context.Context, g store.GetObject) (*store.Object, Content, error) {
	o, err := s.Store.GetObject(ctx, g)
	if err != nil {
		return o, nil, err
	}
	return o, o, nil
}
