package fdblayer

import (
	"context"
	"time"

	"github.com/stampede-store/stampede/object"
)

// uploadInProgress reports whether a bucket has an upload that is not completed. It reads serializably.
func (t *txn) uploadInProgress(ctx context.Context, b object.BucketID) (bool, error) {
	panic("being written")
}

// reapUpload ends the event of a completed upload: its parts that the manifest does not list are released.
func (l *Layer) reapUpload(ctx context.Context, op operation, e uploadEvent) error {
	panic("being written")
}

// ListObjects asks for a page.
type ListObjects struct {
	Bucket            object.BucketName
	Prefix, Delimiter string
	// After begins behind this key; with AfterPrefix also behind every key that
	// begins with it.
	After       string
	AfterPrefix bool
	// KeysMax bounds keys and common prefixes together, 0 to object.ListKeysMax.
	KeysMax int
}

// ListEntry is one key of a page.
type ListEntry struct {
	Key          object.Key
	Stamp        object.Stamp
	SizeBytes    int64
	ETag         object.ETag
	LastModified time.Time
	StorageClass string
	Checksum     object.ChecksumAlgorithm // 0: none
	Composite    bool
}

// Listing is a page: one consistent state. Entries and Prefixes are each in
// key order.
type Listing struct {
	Entries  []ListEntry
	Prefixes []string
	More     bool
	// Next and NextIsPrefix continue behind this page (After, AfterPrefix).
	Next         string
	NextIsPrefix bool
	Token        object.Token
}

// ListObjects reads a page of current objects. NoSuchBucket.
func (l *Layer) ListObjects(ctx context.Context, q ListObjects) (Listing, error) {
	panic("being written")
}

// ---- multipart uploads ----

// CreateUpload begins an upload; u.ID is decided by the commit.
func (l *Layer) CreateUpload(ctx context.Context, b object.BucketName, u object.Upload) (object.Upload, object.Token, error) {
	panic("being written")
}

// GetUpload: NoSuchUpload unless it is in progress under that key.
func (l *Layer) GetUpload(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp) (object.Upload, object.Token, error) {
	panic("being written")
}

// PutPart adds or replaces a part. lease as in PutObject. NoSuchUpload.
func (l *Layer) PutPart(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp, p object.Part, lease *BlobLease) (object.Token, error) {
	panic("being written")
}

// CompleteUpload names the parts that make the object.
type CompleteUpload struct {
	Bucket object.BucketName
	Key    object.Key
	Upload object.Stamp
	// Make checks the parts that the client listed against those stored, and builds the version (all but Stamp, Kind
	// and Content). stored has the parts with the numbers asked for in Numbers that exist. It is pure. Errors
	// such as InvalidPart, EntityTooSmall are its own.
	Numbers []int
	Make    func(u object.Upload, stored []object.Part) (object.Version, error)
	If      Condition
}

// CompleteUpload makes the object. Repeated after success (within a day) it returns the same
// version again. NoSuchUpload.
func (l *Layer) CompleteUpload(ctx context.Context, c CompleteUpload) (Put, error) {
	panic("being written")
}

// AbortUpload ends an upload and releases its parts. NoSuchUpload.
func (l *Layer) AbortUpload(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp) (object.Token, error) {
	panic("being written")
}

// PartPage is a page of parts in number order.
type PartPage struct {
	Upload object.Upload
	Parts  []object.Part
	More   bool
	Token  object.Token
}

// ListParts lists parts with numbers above after.
func (l *Layer) ListParts(ctx context.Context, b object.BucketName, k object.Key, id object.Stamp, after, limit int) (PartPage, error) {
	panic("being written")
}

// ListUploads asks for uploads in progress, ordered by key, then by id (which is by initiation).
type ListUploads struct {
	Bucket            object.BucketName
	Prefix, Delimiter string
	// AfterKey and AfterUpload: behind this key's upload; with AfterUpload zero, behind all of the key's.
	// AfterPrefix as in ListObjects.
	AfterKey    string
	AfterUpload object.Stamp
	AfterPrefix bool
	UploadsMax  int
}

// UploadPage is a page of uploads.
type UploadPage struct {
	Uploads      []object.Upload
	Prefixes     []string
	More         bool
	NextKey      string
	NextUpload   object.Stamp
	NextIsPrefix bool
	Token        object.Token
}

// ListUploads reads a page. NoSuchBucket.
func (l *Layer) ListUploads(ctx context.Context, q ListUploads) (UploadPage, error) {
	panic("being written")
}
