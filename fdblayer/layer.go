package fdblayer

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// Options are the choices of a Layer. DB is required.
type Options struct {
	DB kv.Database
	// Prefix is put before every key.
	Prefix []byte
	// Log takes what an operator should know. Default: nothing is logged.
	Log *zap.Logger
	// Now is the wall clock of Last-Modified. Default: time.Now.
	Now func() time.Time
	// SoleProcess says that no other process can be using the database (the
	// embedded engine, its folder locked): Open fences every session it finds.
	SoleProcess bool
	// HeartbeatEvery is the time between two heartbeats. Default: 1 s.
	HeartbeatEvery time.Duration
}

// Layer is the metadata of one cluster as one process sees it. It is safe for
// concurrent use.
type Layer struct{}

// Open checks (or, in an empty database, writes) the format, opens a session
// and starts its heartbeat. A format newer than this program's is NewerFormat.
func Open(ctx context.Context, o Options) (*Layer, error) { panic("being written") }

// Close settles what is under way, fences the own session and stops the heartbeat. The
// database stays open.
func (l *Layer) Close(ctx context.Context) error { panic("being written") }

// Token is the newest state of the database that this process knows of, for responses
// that have none of their own.
func (l *Layer) Token() object.Token { panic("being written") }

// Ready says nil when requests can be served: the session is alive and was
// renewed lately enough.
func (l *Layer) Ready() error { panic("being written") }

// ---- buckets ----

// CreateBucket: BucketAlreadyOwnedByYou when it exists with the same owner,
// BucketAlreadyExists with another.
func (l *Layer) CreateBucket(ctx context.Context, b object.Bucket) (object.Token, error) {
	panic("being written")
}

// GetBucket: NoSuchBucket.
func (l *Layer) GetBucket(ctx context.Context, name object.BucketName) (object.Bucket, object.Token, error) {
	panic("being written")
}

// DeleteBucket: NoSuchBucket, BucketNotEmpty (visible objects, versions, or uploads in progress).
// Hidden rows that the reaper has not cleared yet don't count; they must still be reclaimed.
func (l *Layer) DeleteBucket(ctx context.Context, name object.BucketName) (object.Token, error) {
	panic("being written")
}

// BucketPage is a page of buckets in name order.
type BucketPage struct {
	Buckets []object.Bucket
	More    bool
	Token   object.Token
}

// ListBuckets lists names with a prefix, behind after.
func (l *Layer) ListBuckets(ctx context.Context, prefix, after string, limit int) (BucketPage, error) {
	panic("being written")
}

// ---- blobs and reading ----

// BlobLease is a blob id whose upload is under way: while it lives, the
// session's low-water mark stays below it.
type BlobLease struct{}

// NewBlob reserves the next blob id of the live session. Unavailable without one.
func (l *Layer) NewBlob() (*BlobLease, error) { panic("being written") }

// ID is the reserved id.
func (b *BlobLease) ID() object.BlobID { panic("being written") }

// Group is where the blob is to be written.
func (b *BlobLease) Group() object.GroupID { panic("being written") }

// Abandon ends a lease that no commit has been given. The caller deletes its
// chunks. After a commit was given the lease it does nothing: that call ends it, when the
// outcome is settled.
func (b *BlobLease) Abandon() { panic("being written") }

// Condition looks at the version that a request would replace or read, nil if the key has no
// current one (or it is a delete marker), and returns the error to give. It must be pure: it may run often.
type Condition func(current *object.Version) error

// Reading is a version held open: neither its rows nor its chunks are reclaimed until Close.
type Reading struct {
	Version object.Version
	Token   object.Token
}

// OpenVersion finds a version: the current one when id is "", the null version for "null", else the
// one with that version id. NoSuchBucket, NoSuchKey, NoSuchVersion. A delete marker
// is returned as it is (Version.Kind): the caller decides.
func (l *Layer) OpenVersion(ctx context.Context, b object.BucketName, k object.Key, id string) (*Reading, error) {
	panic("being written")
}

// Parts reads the listed parts from index first to last (excluded) of a version whose content is a
// manifest (indexes into Manifest.Parts).
func (r *Reading) Parts(ctx context.Context, first, last int) ([]object.Part, error) {
	panic("being written")
}

// Close lets go. It may be called twice.
func (r *Reading) Close() { panic("being written") }

// ---- objects ----

// PutObject is one new version.
type PutObject struct {
	Bucket object.BucketName
	// Version has everything but Stamp and Kind, which the commit decides.
	Version object.Version
	// Lease is that of Version.Content.Blob; nil without a blob. The call ends it.
	Lease *BlobLease
	// If, when set, is checked against the current version in the same transaction;
	// a lost race that repeats is ConditionalConflict.
	If Condition
}

// Put is what became of a write.
type Put struct {
	Version object.Version
	Token   object.Token
}

// PutObject adds a version. NoSuchBucket; what If returns; OutcomeUnknown only when the evidence can't be
// read: then the chunks must stay. On every other error the version does not exist and never will.
func (l *Layer) PutObject(ctx context.Context, p PutObject) (Put, error) { panic("being written") }

// CopyObject copies without moving bytes.
type CopyObject struct {
	Source    object.BucketName
	SourceKey object.Key
	SourceID  string // version id, "" for the current one
	// Make builds the new version (all but Stamp, Kind and Content) from the
	// source; it returns the error to give when a source condition fails. Pure.
	Make   func(source *object.Version) (object.Version, error)
	Bucket object.BucketName // of the copy
	If     Condition         // on the copy's key
}

// CopyObject adds a version that shares the source's content. NoSuchBucket, NoSuchKey, NoSuchVersion of the source.
func (l *Layer) CopyObject(ctx context.Context, c CopyObject) (copied Put, source object.Version, err error) {
	panic("being written")
}

// DeleteObject names one deletion: VersionID "" deletes as S3 does without one.
type DeleteObject struct {
	Key       object.Key
	VersionID string
}

// Deleted is what became of one deletion.
type Deleted struct {
	// Marker is set when a delete marker was added, or one was removed.
	Marker bool
	// VersionID is that of the marker added, or of the version removed.
	VersionID string
	Err       error
}

// DeleteObjects deletes up to object.DeleteKeysMax objects, each on its own: the result has one entry for each,
// in order. An absent object is deleted successfully. err is for what concerns all (NoSuchBucket).
func (l *Layer) DeleteObjects(ctx context.Context, b object.BucketName, d []DeleteObject) ([]Deleted, object.Token, error) {
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

// ---- background work (janitor) ----

// Reap looks at up to limit events of a shard from the cursor on, clears the rows that visibility hides and releases their
// blobs. It returns how many events it ended and where to go on. Events younger than 5 s are left for later.
func (l *Layer) Reap(ctx context.Context, shard int, c Cursor, limit int) (ended int, next Cursor, err error) {
	panic("being written")
}

// Trash is a blob (or a completed upload's manifest) whose last user is gone.
type Trash struct {
	Blob *object.Blob
	// Upload is set for a manifest.
	Upload *object.Stamp
	// (the row's own key, unexported)
}

// ListTrash returns up to limit entries of a shard that the horizon has passed.
func (l *Layer) ListTrash(ctx context.Context, shard int, c Cursor, limit int) (t []Trash, next Cursor, err error) {
	panic("being written")
}

// ClearTrash ends entries: for a blob its chunks are already deleted and synced; a manifest's parts are released here, into trash.
func (l *Layer) ClearTrash(ctx context.Context, t []Trash) error { panic("being written") }

// Cursor is where a consumer of a queue goes on; the zero value is the start.
type Cursor struct{}

// Shards is the number of queue shards.
const Shards = 16
