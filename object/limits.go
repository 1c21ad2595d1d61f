package object

// Limits that clients see. S3's own, from the S3 User Guide ("Amazon S3
// multipart upload limits", "Bucket naming rules", "Object key names").
const (
	BucketNameMinBytes = 3
	BucketNameMaxBytes = 63
	KeyMaxBytes        = 1024

	ObjectMaxBytes = 5 << 40 // one object, by multipart
	PutMaxBytes    = 5 << 30 // one PUT, one part, one copy
	PartMinBytes   = 5 << 20 // every part of a completed upload but the last
	PartsMax       = 10_000  // part numbers are 1 to PartsMax

	ListKeysMax    = 1000 // keys, uploads or parts in one page of a listing
	DeleteKeysMax  = 1000 // keys in one batch delete
	UserMetaBytes  = 2 << 10
	BucketsMaxPage = 10_000
)

// Limits of our own formats.
const (
	// BlockBytes is the unit of integrity: one CRC-32C per block of a chunk,
	// the last block of a chunk being shorter.
	BlockBytes = 64 << 10
	// ChunkMaxBytes bounds what one node stores under one chunk id.
	ChunkMaxBytes = 1 << 20
	// InlineMaxBytes is the largest object whose bytes live in its version
	// row, in a bucket that keeps no versions.
	InlineMaxBytes = 4 << 10
	// InlineVersionedMaxBytes is the same for a bucket that keeps versions.
	InlineVersionedMaxBytes = 1 << 10
)
