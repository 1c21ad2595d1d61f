package sigv4

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stampede-store/stampede/object"
)

const (
	algorithm     = "AWS4-HMAC-SHA256"
	scopeService  = "s3"
	scopeTerminal = "aws4_request"

	timestampLayout = "20060102T150405Z"
	timestampBytes  = len(timestampLayout)
	dateBytes       = len("20060102")

	signatureBytes = 32
)

// claim is what a request says about its own signature, in the header or in the
// query. Its strings are parts of the request's.
type claim struct {
	presigned bool

	accessKey string
	// The credential's scope: the text "date/region/service/terminal" and its
	// parts.
	scope, date, region, service, terminal string

	signedHeaders string // "host;x-amz-date"
	signature     [signatureBytes]byte
	// signatureWellFormed is false if the signature was no 64 hex digits. S3
	// calls that a mismatch; so do we, after the usual work.
	signatureWellFormed bool

	timestamp string // as timestampLayout
	time      time.Time
	expires   time.Duration // presigned only

	payload string // the x-amz-content-sha256, or what stands for it
}

// readClaim finds the one mechanism that r uses.
func readClaim(r *http.Request, s *scratch) (claim, error) {
	header := r.Header["Authorization"]
	q := s.findAuthParameters()
	switch {
	case len(header) > 0 && (q.v4 || q.v2):
		return claim{}, refuse(object.InvalidArgument, msgTwoMechanisms)
	case len(header) > 1:
		return claim{}, refuse(object.AuthorizationMalformed, msgThreeComponents)
	case len(header) == 1:
		return readHeader(header[0], r.Header)
	case q.v4:
		return readPresigned(s, r.Header)
	case q.v2:
		return claim{}, refuse(object.InvalidRequest, msgUnsupportedAuth)
	}
	return claim{}, refuse(object.AccessDenied, msgAnonymous)
}

// readHeader reads the Authorization header:
//
//	AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
func readHeader(value string, h http.Header) (claim, error) {
	var c claim
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	switch {
	case scheme == algorithm:
	case strings.HasPrefix(scheme, "AWS"): // "AWS" is version 2, "AWS4-ECDSA-…" 4A
		return c, refuse(object.InvalidRequest, msgUnsupportedAuth)
	default:
		return c, refuseArgument(object.InvalidArgument, msgAuthType, "Authorization", "")
	}
	credential, signature, err := c.readComponents(rest)
	if err != nil {
		return c, err
	}
	if err := c.readCredential(credential); err != nil {
		return c, err
	}
	if err := c.checkHeaderList(); err != nil {
		return c, err
	}
	c.readSignature(signature)
	if err := c.readHeaderTime(h); err != nil {
		return c, err
	}
	switch payload := h["X-Amz-Content-Sha256"]; len(payload) {
	case 1:
		c.payload = payload[0]
	case 0:
		return c, refuse(object.InvalidRequest, msgNoPayloadHash)
	default:
		return c, refuseArgument(object.InvalidArgument, msgBadPayloadHash, "x-amz-content-sha256", strings.Join(payload, ","))
	}
	return c, nil
}

// readComponents splits the three components, in any order, each once.
func (c *claim) readComponents(rest string) (credential, signature string, err error) {
	for rest != "" {
		var component string
		component, rest, _ = strings.Cut(rest, ",")
		name, value, ok := strings.Cut(strings.Trim(component, " \t"), "=")
		var field *string
		switch name {
		case "Credential":
			field = &credential
		case "SignedHeaders":
			field = &c.signedHeaders
		case "Signature":
			field = &signature
		}
		if !ok || field == nil || *field != "" {
			return "", "", refuse(object.AuthorizationMalformed, msgThreeComponents)
		}
		if value == "" {
			return "", "", malformed(false, "missing %s.", name)
		}
		*field = value
	}
	if credential == "" || c.signedHeaders == "" || signature == "" {
		return "", "", refuse(object.AuthorizationMalformed, msgThreeComponents)
	}
	return credential, signature, nil
}

// readCredential splits "access key/date/region/service/terminal". An access
// key may hold slashes, so the scope is the last four parts.
func (c *claim) readCredential(credential string) error {
	end := len(credential)
	for _, part := range []*string{&c.terminal, &c.service, &c.region, &c.date} {
		slash := strings.LastIndexByte(credential[:end], '/')
		if slash < 0 {
			return c.badCredential()
		}
		*part = credential[slash+1 : end]
		end = slash
	}
	if end == 0 || end > accessKeyMaxBytes {
		return c.badCredential()
	}
	c.accessKey, c.scope = credential[:end], credential[end+1:]
	return nil
}

func (c *claim) badCredential() error {
	return malformed(c.presigned,
		"the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
}

func (c *claim) readSignature(text string) {
	if len(text) != hex.EncodedLen(signatureBytes) {
		return
	}
	_, err := hex.Decode(c.signature[:], []byte(text))
	c.signatureWellFormed = err == nil
}

// readHeaderTime takes x-amz-date, or Date where there is none: in the ISO form
// or in one of HTTP's.
func (c *claim) readHeaderTime(h http.Header) error {
	values, isHTTP := h["X-Amz-Date"], false
	if len(values) == 0 {
		values, isHTTP = h["Date"], true
	}
	if len(values) != 1 {
		return refuse(object.AccessDenied, msgNoDate)
	}
	if c.readTimestamp(values[0]) {
		return nil
	}
	if t, err := http.ParseTime(values[0]); isHTTP && err == nil {
		t = t.UTC()
		c.time, c.timestamp = t, t.Format(timestampLayout)
		// A year of other than four digits would move the date within the text.
		if len(c.timestamp) == timestampBytes {
			return nil
		}
	}
	return refuse(object.AccessDenied, msgNoDate)
}

func (c *claim) readTimestamp(text string) bool {
	if len(text) != timestampBytes {
		return false
	}
	t, err := time.Parse(timestampLayout, text)
	c.time, c.timestamp = t, text
	return err == nil
}

// isDate reports whether text has the form of a date; that it is one follows
// from being equal to the timestamp's.
func isDate(text string) bool {
	if len(text) != dateBytes {
		return false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// readPresigned reads the claim from the query's parameters.
func readPresigned(s *scratch, h http.Header) (claim, error) {
	c := claim{presigned: true}
	var p [authParameters]string
	if err := s.authValues(&p); err != nil {
		return c, err
	}
	for i := range requiredParameters {
		if p[i] == "" {
			return c, refuse(object.QueryMalformed, msgSixParameters)
		}
	}
	if p[paramAlgorithm] != algorithm {
		return c, refuse(object.QueryMalformed, msgAlgorithm)
	}
	if err := c.readCredential(p[paramCredential]); err != nil {
		return c, err
	}
	c.signedHeaders = p[paramSignedHeaders]
	if err := c.checkHeaderList(); err != nil {
		return c, err
	}
	c.readSignature(p[paramSignature])
	if !c.readTimestamp(p[paramDate]) {
		return c, refuse(object.QueryMalformed, msgQueryDate)
	}
	if err := c.readExpires(p[paramExpires]); err != nil {
		return c, err
	}
	c.payload = p[paramPayload]
	if values := h["X-Amz-Content-Sha256"]; c.payload == "" && len(values) > 0 {
		c.payload = strings.Join(values, ",")
	} else if c.payload == "" {
		c.payload = payloadUnsigned
	}
	return c, nil
}

func (c *claim) readExpires(text string) error {
	seconds, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return refuse(object.QueryMalformed, msgExpiresNumber)
	case seconds < 0:
		return refuse(object.QueryMalformed, msgExpiresNegative)
	case seconds > expiresMaxSeconds:
		return refuse(object.QueryMalformed, msgExpiresTooLarge)
	}
	c.expires = time.Duration(seconds) * time.Second
	return nil
}
