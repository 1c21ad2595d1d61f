package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// scratch is the memory for one request's canonical form, kept for the next.
type scratch struct {
	query     []parameter
	queryText []byte // what query's parameters point into
	text      []byte
	name      []byte
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

// release gives s back. It forgets the request, and drops unusually large
// buffers.
func (s *scratch) release() {
	clear(s.query)
	if cap(s.text)+cap(s.queryText) > scratchKeepBytes || cap(s.query) > signedHeadersMax {
		return
	}
	scratchPool.Put(s)
}

// slashMode says what a %2F in a path becomes.
type slashMode bool

const (
	keepSlashEscapes slashMode = false
	slashForEscape   slashMode = true
)

// signature is the signature that r must have.
func (s *scratch) signature(r *http.Request, c *claim, key *signingKey, slashes slashMode) [signatureBytes]byte {
	s.appendCanonical(r, c, slashes)
	digest := sha256.Sum256(s.text)
	t := append(s.text[:0], algorithm...)
	t = append(t, '\n')
	t = append(t, c.timestamp...)
	t = append(t, '\n')
	t = append(t, c.scope...)
	t = append(t, '\n')
	t = hex.AppendEncode(t, digest[:])
	s.text = t
	return key.sign(t)
}

// appendCanonical builds the canonical request in s.text.
func (s *scratch) appendCanonical(r *http.Request, c *claim, slashes slashMode) {
	s.text = append(s.text[:0], r.Method...)
	s.text = append(s.text, '\n')
	s.appendPath(r.URL, slashes)
	s.text = append(s.text, '\n')
	s.appendQuery(c.presigned)
	s.text = append(s.text, '\n')
	for name, rest := nextHeader(c.signedHeaders); name != ""; name, rest = nextHeader(rest) {
		s.text = append(s.text, name...)
		s.text = append(s.text, ':')
		s.appendHeader(r, name)
		s.text = append(s.text, '\n')
	}
	s.text = append(s.text, '\n')
	s.text = append(s.text, c.signedHeaders...)
	s.text = append(s.text, '\n')
	s.text = append(s.text, c.payload...)
}

// appendPath appends the path in S3's canonical form: every byte that is not
// unreserved or a slash percent-encoded, once; nothing cleaned away. It starts
// from the escaped path, so that %2F stays apart from a slash.
func (s *scratch) appendPath(u *url.URL, slashes slashMode) {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b == '/' {
			s.text = append(s.text, '/')
			continue
		}
		if b == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]) {
			b = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
			if b == '/' && slashes == slashForEscape {
				s.text = append(s.text, '/')
				continue
			}
		}
		s.text = appendEscaped(s.text, b)
	}
}

// hasEscapedSlash reports whether the path has a %2F.
func hasEscapedSlash(u *url.URL) bool {
	// RawPath is empty unless the path was escaped in an unusual way.
	return strings.Contains(u.RawPath, "%2F") || strings.Contains(u.RawPath, "%2f")
}

// appendHeader appends the value of the header name, given in lower case. A
// header that is absent has an empty value. net/http keeps some headers outside
// of the map; Trailer it does not keep as it came, so that can't be signed.
func (s *scratch) appendHeader(r *http.Request, name string) {
	if name == "host" {
		s.appendValue(r.Host)
		return
	}
	values := r.Header[string(s.canonicalName(name))]
	if len(values) == 0 {
		switch {
		case name == "content-length" && r.ContentLength >= 0:
			s.text = strconv.AppendInt(s.text, r.ContentLength, 10)
			return
		case name == "transfer-encoding":
			values = r.TransferEncoding
		}
	}
	for i, v := range values {
		if i > 0 {
			s.text = append(s.text, ',')
		}
		s.appendValue(v)
	}
}

// canonicalName is the form in which net/http keeps the header: "X-Amz-Date".
func (s *scratch) canonicalName(lower string) []byte {
	s.name = append(s.name[:0], lower...)
	start := true
	for i, b := range s.name {
		if start && b >= 'a' && b <= 'z' {
			s.name[i] = b - ('a' - 'A')
		}
		start = b == '-'
	}
	return s.name
}

// appendValue appends v trimmed, with runs of spaces made one.
func (s *scratch) appendValue(v string) {
	v = strings.Trim(v, " \t")
	for {
		i := strings.Index(v, "  ")
		if i < 0 {
			s.text = append(s.text, v...)
			return
		}
		s.text = append(s.text, v[:i+1]...)
		v = strings.TrimLeft(v[i:], " ")
	}
}

const upperHex = "0123456789ABCDEF"

// appendEscaped appends b as S3's UriEncode has it: as it is if it is one of
// RFC 3986's unreserved characters, else percent-encoded in capitals.
func appendEscaped(to []byte, b byte) []byte {
	switch {
	case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9',
		b == '-', b == '.', b == '_', b == '~':
		return append(to, b)
	}
	return append(to, '%', upperHex[b>>4], upperHex[b&15])
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

// unhex is the value of a hexadecimal digit.
func unhex(b byte) byte {
	switch {
	case b <= '9':
		return b - '0'
	case b <= 'F':
		return b - 'A' + 10
	}
	return b - 'a' + 10
}
