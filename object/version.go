package object

import "time"

// VersionKind says what a version row stands for (DESIGN §6).
type VersionKind uint8

// The kinds of version rows. They are stored: append only.
const (
	// NullVersion was written while its bucket was unversioned or suspended. It
	// counts only if no newer null row exists.
	NullVersion VersionKind = iota + 1
	// Kept was written while its bucket kept versions.
	Kept
	// Marker is a delete marker written while the bucket kept versions.
	Marker
	// NullMarker is a delete marker written while the bucket was suspended.
	NullMarker
	// Purge is a null row without content: it hides older null rows.
	Purge
)

// IsNull reports whether the row takes the place of the key's null version.
func (k VersionKind) IsNull() bool {
	return k == NullVersion || k == NullMarker || k == Purge
}

// IsMarker reports whether the row is a delete marker.
func (k VersionKind) IsMarker() bool { return k == Marker || k == NullMarker }

// HasContent reports whether the row is an object that can be read.
func (k VersionKind) HasContent() bool { return k == NullVersion || k == Kept }

// ETag is an entity tag without its quotes: the MD5 in hex, or for a multipart
// object the MD5 of its parts' MD5s, a hyphen and the number of parts.
type ETag string

// Headers are the system headers stored with an object and returned with it.
type Headers struct {
	ContentType        string
	CacheControl       string
	ContentDisposition string
	ContentEncoding    string
	ContentLanguage    string
	Expires            string // as the client sent it
	WebsiteRedirect    string
}

// Metadata is what a client stores beside an object's bytes.
type Metadata struct {
	Headers Headers
	// User holds the x-amz-meta-* headers, names in lower case without the
	// prefix.
	User map[string]string
	// Tags is the object's tag set.
	Tags map[string]string
	// StorageClass is empty for STANDARD.
	StorageClass string
}

// ChecksumAlgorithm is one of S3's additional checksums. Stored: append only.
type ChecksumAlgorithm uint8

// The checksum algorithms of S3.
const (
	CRC32 ChecksumAlgorithm = iota + 1
	CRC32C
	CRC64NVME
	SHA1
	SHA256
)

// Checksum is an additional checksum of an object or a part.
type Checksum struct {
	Algorithm ChecksumAlgorithm
	// Composite is true for a checksum of the parts' checksums.
	Composite bool
	// Value is the raw checksum, big-endian for CRCs.
	Value []byte
	// Parts is the number of parts of a composite checksum.
	Parts int
}

// Version is one version of a key, as it is stored and read.
type Version struct {
	Key   Key
	Stamp Stamp
	Kind  VersionKind

	SizeBytes    int64
	ETag         ETag
	LastModified time.Time // to the millisecond
	Metadata     Metadata
	Checksum     *Checksum // nil: none is stored

	Content Content
}

// ID is the version id that clients see: "null", or the stamp in text.
func (v *Version) ID() string {
	if v.Kind.IsNull() {
		return "null"
	}
	return v.Stamp.String()
}

// Content says where a version's bytes are: exactly one field is set, or none
// when the version is empty or has no content.
type Content struct {
	Inline   []byte
	Blob     *Blob
	Manifest *Manifest
}

// Manifest is the content of a completed multipart upload: the listed parts
// of the upload, in order.
type Manifest struct {
	Upload Stamp
	// Parts are the numbers and sizes of the listed parts, ascending.
	Parts []ManifestPart
}

// ManifestPart is one listed part.
type ManifestPart struct {
	Number    int
	SizeBytes int64
}

// Part is one uploaded part.
type Part struct {
	Number       int
	SizeBytes    int64
	ETag         ETag
	LastModified time.Time
	Checksum     *Checksum
	Content      Content // inline or blob
}

// Bucket is a bucket as everyone sees it.
type Bucket struct {
	ID      BucketID
	Name    BucketName
	Created time.Time
	Region  string
	Owner   string
	// Versioning says what a write adds and what a delete leaves.
	Versioning Versioning
}

// BucketID is a bucket's number; it is never reused.
type BucketID uint64

// Versioning is the versioning state of a bucket. Stored: append only.
type Versioning uint8

// The versioning states of S3.
const (
	Unversioned Versioning = iota
	VersioningEnabled
	VersioningSuspended
)

// Upload is a multipart upload.
type Upload struct {
	ID        Stamp
	Key       Key
	Initiated time.Time
	Metadata  Metadata
	// Checksum is the algorithm the client asked for, 0 for none, and whether
	// the whole is to have a composite one.
	Algorithm ChecksumAlgorithm
	Composite bool
}
