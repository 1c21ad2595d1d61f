package object

import (
	"fmt"
	"strings"
)

// Error is what every package of Stampede returns for a failure that a caller
// may act on. It unwraps to its Kind and its cause, so that
// errors.Is(err, object.NoSuchKey) is the test.
type Error struct {
	// Op says what was attempted, "store.PutObject": set once, by the package
	// that detected the failure.
	Op string
	// Kind is what the caller may act on.
	Kind Kind
	// Ref is whatever is known of the thing concerned.
	Ref Ref
	// Message, if not empty, is what the client may be told instead of the
	// kind's own message: S3's words, where it has several for one code.
	Message string
	// Err is the cause, for the log; it may be nil. Never a secret.
	Err error
}

// Ref names what an error is about.
type Ref struct {
	Bucket  BucketName
	Key     Key
	Version string
	Upload  string
	Part    int
	Chunk   string
	// Argument and Value name a bad argument as the client sent it.
	Argument, Value string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Kind.Error())
	for _, f := range []struct{ name, value string }{
		{"bucket", string(e.Ref.Bucket)},
		{"key", string(e.Ref.Key)},
		{"version", e.Ref.Version},
		{"upload", e.Ref.Upload},
		{"chunk", e.Ref.Chunk},
		{"argument", e.Ref.Argument},
		{"value", e.Ref.Value},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s=%q", f.name, f.value)
		}
	}
	if e.Ref.Part != 0 {
		fmt.Fprintf(&b, " part=%d", e.Ref.Part)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap makes both the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Kind is a class of failure. It is itself an error, for errors.Is. The
// numbers travel between processes: append only, never renumber.
type Kind uint16

// The kinds. Each belongs to one of three families: the caller's fault (4xx),
// not now (503), ours (500). gateway/s3err maps each to an S3 code.
const (
	Internal Kind = iota + 1 // ours; also for what has no better kind

	// Absent or present.
	NoSuchBucket
	NoSuchKey
	NoSuchVersion
	NoSuchUpload
	BucketAlreadyExists
	BucketAlreadyOwnedByYou
	BucketNotEmpty

	// Bad input.
	InvalidBucketName
	InvalidArgument
	InvalidRequest
	InvalidRange
	InvalidPart
	InvalidPartOrder
	InvalidDigest
	InvalidTag
	InvalidStorageClass
	InvalidLocationConstraint
	KeyTooLong
	MetadataTooLarge
	EntityTooSmall
	EntityTooLarge
	MissingContentLength
	MalformedXML
	IncompleteBody
	BadDigest             // Content-MD5 or x-amz-checksum-* does not match the bytes
	ContentSHA256Mismatch // x-amz-content-sha256 does not match the bytes
	MethodNotAllowed
	NotImplemented

	// Conditions.
	PreconditionFailed
	NotModified
	ConditionalConflict // 409: lost a race with another conditional request
	OperationAborted    // 409: a conflicting operation is in progress

	// Who may.
	AccessDenied
	InvalidAccessKeyID
	SignatureMismatch
	AuthorizationMalformed // header
	QueryMalformed         // presigned URL
	RequestTimeSkewed
	RequestExpired
	MissingSecurityHeader

	// Not now.
	SlowDown       // too much in flight
	Unavailable    // metadata or chunk nodes can't be reached; not ready; deadline over
	Full           // no space for new bytes; reading goes on
	SessionLost    // fenced: write the data again under a new session
	OutcomeUnknown // the write may or may not have taken effect
	RequestTimeout // the client was too slow

	// Ours.
	Corrupt   // bytes were found, and are wrong
	LostBytes // bytes that must be there are not

	// Between our processes.
	NoSuchChunk
	ChunkConflict // same id, other bytes
	Fenced        // a put below the node's fence position
	NewerFormat   // written by a newer release

	ACLNotSupported // an access control list other than the owner's own

	InvalidPartNumber // 416: a part asked for by number that the object doesn't have

	InvalidRedirectLocation // a website redirect that is neither a path nor a URL
	MalformedTrailer        // behind a chunked body

	KindsEnd // not a kind: one past the last
)

var kindNames = [KindsEnd]string{
	Internal:                  "internal error",
	NoSuchBucket:              "no such bucket",
	NoSuchKey:                 "no such key",
	NoSuchVersion:             "no such version",
	NoSuchUpload:              "no such upload",
	BucketAlreadyExists:       "bucket already exists",
	BucketAlreadyOwnedByYou:   "bucket already owned by you",
	BucketNotEmpty:            "bucket not empty",
	InvalidBucketName:         "invalid bucket name",
	InvalidArgument:           "invalid argument",
	InvalidRequest:            "invalid request",
	InvalidRange:              "invalid range",
	InvalidPart:               "invalid part",
	InvalidPartOrder:          "invalid part order",
	InvalidDigest:             "invalid digest",
	InvalidTag:                "invalid tag",
	InvalidStorageClass:       "invalid storage class",
	InvalidLocationConstraint: "invalid location constraint",
	KeyTooLong:                "key too long",
	MetadataTooLarge:          "metadata too large",
	EntityTooSmall:            "entity too small",
	EntityTooLarge:            "entity too large",
	MissingContentLength:      "missing content length",
	MalformedXML:              "malformed xml",
	IncompleteBody:            "incomplete body",
	BadDigest:                 "bad digest",
	ContentSHA256Mismatch:     "content sha256 mismatch",
	MethodNotAllowed:          "method not allowed",
	NotImplemented:            "not implemented",
	PreconditionFailed:        "precondition failed",
	NotModified:               "not modified",
	ConditionalConflict:       "conditional request conflict",
	OperationAborted:          "operation aborted",
	AccessDenied:              "access denied",
	InvalidAccessKeyID:        "invalid access key id",
	SignatureMismatch:         "signature mismatch",
	AuthorizationMalformed:    "authorization header malformed",
	QueryMalformed:            "authorization query malformed",
	RequestTimeSkewed:         "request time skewed",
	RequestExpired:            "request expired",
	MissingSecurityHeader:     "missing security header",
	SlowDown:                  "slow down",
	Unavailable:               "unavailable",
	Full:                      "full",
	SessionLost:               "session lost",
	OutcomeUnknown:            "outcome unknown",
	RequestTimeout:            "request timeout",
	Corrupt:                   "corrupt",
	LostBytes:                 "lost bytes",
	NoSuchChunk:               "no such chunk",
	ChunkConflict:             "chunk conflict",
	Fenced:                    "fenced",
	NewerFormat:               "written by a newer release",
	ACLNotSupported:           "access control lists not supported",
	InvalidPartNumber:         "invalid part number",
	InvalidRedirectLocation:   "invalid redirect location",
	MalformedTrailer:          "malformed trailer",
}

func (k Kind) Error() string {
	if k < KindsEnd && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint16(k))
}

// Kinds lists every kind, for tables that must be complete.
func Kinds() []Kind {
	kinds := make([]Kind, 0, KindsEnd-1)
	for k := Internal; k < KindsEnd; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}
