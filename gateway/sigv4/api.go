// Package sigv4 verifies AWS Signature Version 4 on incoming requests: header,
// presigned query, streaming chunks (signed, unsigned, with trailers). It is
// pure: no clock, no store of its own.
package sigv4

import (
	"io"
	"net/http"
	"time"
)

// Verifier checks requests. It is safe for concurrent use.
type Verifier struct {
	// Region is the region that credentials' scopes must name.
	Region string
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Secret finds the secret key of an access key.
	Secret func(accessKey string) (secret string, ok bool)
}

// Auth is a request whose signature is good.
type Auth struct {
	AccessKey string
	Presigned bool
	// Body yields the payload: aws-chunked framing removed, chunk signatures and the payload hash checked. A
	// payload that does not match ends with an error (an object.Error) instead of io.EOF.
	Body io.Reader
	// SizeBytes is the payload's length, -1 if the client did not say.
	SizeBytes int64
	// ContentEncoding is the header without aws-chunked.
	ContentEncoding string
	// Trailer has the trailing headers after Body gave io.EOF; nil if none were announced.
	Trailer func() http.Header
}

// Verify checks r. Errors are object.Errors: AccessDenied (anonymous, expired presigned URL as RequestExpired), InvalidAccessKeyID,
// SignatureMismatch, AuthorizationMalformed, QueryMalformed, RequestTimeSkewed, MissingSecurityHeader, InvalidArgument, MissingContentLength, InvalidDigest.
func (v *Verifier) Verify(r *http.Request) (*Auth, error) { panic("being written") }
