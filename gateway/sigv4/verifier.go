package sigv4

import (
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/stampede-store/stampede/object"
)

// Verifier checks requests. It is safe for concurrent use; its fields must not
// change after the first use, and it must not be copied.
type Verifier struct {
	// Region is the region that credentials' scopes must name.
	Region string
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
	// Secret finds the secret key of an access key. It is asked for every
	// request, so a revoked or changed secret counts at once.
	Secret func(accessKey string) (secret string, ok bool)

	keys keyCache
}

// Auth is a request whose signature is good.
type Auth struct {
	AccessKey string
	// Presigned is true if the signature came in the query.
	Presigned bool
	// Body yields the payload: aws-chunked framing removed, chunk signatures
	// and the payload hash checked. A payload that does not match ends with an
	// object.Error instead of io.EOF: ContentSHA256Mismatch, SignatureMismatch
	// (a chunk or the trailer), IncompleteBody (also for malformed framing, as
	// in S3), MalformedTrailer. The last bytes are held back until everything behind
	// them is checked, so a consumer that stops after SizeBytes bytes without
	// waiting for io.EOF is safe too, unless SizeBytes is 0 or -1. Bytes given
	// out before that may still turn out to be bad: they must not become visible
	// to anyone before the end. Other errors of the connection pass unwrapped.
	// Not safe for concurrent use.
	Body io.Reader
	// SizeBytes is the payload's length, -1 if the client did not say.
	SizeBytes int64
	// ContentEncoding is the header without aws-chunked, which says how the
	// payload travelled and not what it is.
	ContentEncoding string
	// Trailer has the trailing headers after Body gave its last byte, and is
	// nil before; the field is nil if none were announced. Every announced
	// trailer is there, and no other.
	Trailer func() http.Header
}

// Verify checks r; it does not read the body. Errors are object.Errors:
//
//	AccessDenied            anonymous, not yet valid, an x-amz-* header or host unsigned, no date
//	InvalidRequest          Signature Version 2, no x-amz-content-sha256, trailers where none may be
//	InvalidArgument         another mechanism, two mechanisms, a bad x-amz-content-sha256 or length
//	NotImplemented          Signature Version 4A in the payload mode
//	AuthorizationMalformed  the Authorization header (its region, Ref.Argument "Region", included)
//	QueryMalformed          the same in a presigned query
//	RequestTimeSkewed       more than 15 minutes off
//	RequestExpired          a presigned URL after its time
//	InvalidAccessKeyID      unknown; found out in the time that a wrong signature takes
//	SignatureMismatch
//	MissingContentLength    aws-chunked without x-amz-decoded-content-length
//	ContentSHA256Mismatch   a hash of something on an empty body
func (v *Verifier) Verify(r *http.Request) (*Auth, error) {
	s := scratchPool.Get().(*scratch)
	defer s.release()
	if err := s.parseQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	c, err := readClaim(r, s)
	if err != nil {
		return nil, err
	}
	if err := v.checkClaim(&c); err != nil {
		return nil, err
	}
	if err := checkSignedHeaders(r.Header, &c); err != nil {
		return nil, err
	}
	p, err := readPayload(r, &c)
	if err != nil {
		return nil, err
	}
	key, err := v.checkSignature(r, s, &c)
	if err != nil {
		return nil, err
	}
	return newAuth(r, &c, p, key)
}

// checkSignature computes the signature and compares. The work is the same for
// an unknown access key.
func (v *Verifier) checkSignature(r *http.Request, s *scratch, c *claim) (*signingKey, error) {
	secret, known := v.Secret(c.accessKey)
	owner := c.accessKey
	if !known {
		// No access key is empty, so nobody has this entry of the cache.
		owner, secret = "", ""
	}
	key := v.keys.get(keyID{owner, c.date, c.region}, secret)
	want := s.signature(r, c, key, keepSlashEscapes)
	good := subtle.ConstantTimeCompare(want[:], c.signature[:]) == 1
	if !good && hasEscapedSlash(r.URL) {
		// S3 takes %2F for a slash in a key, and signers disagree on which of
		// the two they sign. Both name the same object.
		want = s.signature(r, c, key, slashForEscape)
		good = subtle.ConstantTimeCompare(want[:], c.signature[:]) == 1
	}
	switch {
	case !known:
		return nil, refuseArgument(object.InvalidAccessKeyID, msgUnknownKey, "Credential", c.accessKey)
	case !good || !c.signatureWellFormed:
		return nil, refuse(object.SignatureMismatch, msgMismatch)
	}
	return key, nil
}

// checkClaim checks the scope and the time.
func (v *Verifier) checkClaim(c *claim) error {
	if err := v.checkScope(c); err != nil {
		return err
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	age := now().Sub(c.time)
	switch {
	case c.presigned && age < -clockSkewMax:
		return refuse(object.AccessDenied, msgNotYetValid)
	case c.presigned && age > c.expires:
		return refuse(object.RequestExpired, msgExpired)
	case !c.presigned && (age > clockSkewMax || age < -clockSkewMax):
		return refuse(object.RequestTimeSkewed, msgSkewed)
	}
	return nil
}

func (v *Verifier) checkScope(c *claim) error {
	switch {
	case c.terminal != scopeTerminal:
		return malformed(c.presigned, "incorrect terminal %q. This endpoint uses %q.", c.terminal, scopeTerminal)
	case c.service != scopeService:
		return malformed(c.presigned, "incorrect service %q. This endpoint belongs to %q.", c.service, scopeService)
	case c.region != v.Region:
		err := malformed(c.presigned, "the region '%s' is wrong; expecting '%s'", c.region, v.Region)
		err.(*object.Error).Ref = object.Ref{Argument: "Region", Value: c.region}
		return err
	case !isDate(c.date):
		return malformed(c.presigned,
			"incorrect date format %q. This date in the credential must be in the format \"yyyyMMdd\".", c.date)
	case c.date != c.timestamp[:dateBytes]:
		return badScopeDate(c)
	}
	return nil
}

func badScopeDate(c *claim) error {
	const format = "Invalid credential date %q. This date is not the same as X-Amz-Date: %q."
	if c.presigned {
		return refuse(object.QueryMalformed, Message(fmt.Sprintf(format, c.date, c.timestamp[:dateBytes])))
	}
	return malformed(false, format, c.date, c.timestamp[:dateBytes])
}
