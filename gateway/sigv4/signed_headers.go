package sigv4

import (
	"net/http"
	"strings"

	"github.com/stampede-store/stampede/object"
)

// nextHeader cuts the first name from a list such as "host;x-amz-date".
func nextHeader(list string) (name, rest string) {
	name, rest, _ = strings.Cut(list, ";")
	return name, rest
}

// checkHeaderList refuses a list of signed headers that is not names in lower
// case, each once. Their order is the client's: a list that was not sorted when
// it was signed fails by its signature.
func (c *claim) checkHeaderList() error {
	bad := func() error {
		if c.presigned {
			return refuse(object.QueryMalformed, "X-Amz-SignedHeaders must be header names in lower case, each once, separated by semicolons")
		}
		return malformed(false, "SignedHeaders must be header names in lower case, each once, separated by semicolons.")
	}
	count, previous, ascending := 0, "", true
	for name, rest := nextHeader(c.signedHeaders); ; name, rest = nextHeader(rest) {
		count++
		if count > signedHeadersMax || !isLowerToken(name) {
			return bad()
		}
		ascending = ascending && previous < name
		previous = name
		if rest == "" {
			break
		}
	}
	if strings.HasSuffix(c.signedHeaders, ";") || !ascending && c.repeatsHeader() {
		return bad()
	}
	return nil
}

// repeatsHeader is the slow check for lists that are not in order.
func (c *claim) repeatsHeader() bool {
	for name, rest := nextHeader(c.signedHeaders); rest != ""; name, rest = nextHeader(rest) {
		if listHas(rest, name) {
			return true
		}
	}
	return false
}

// isLowerToken reports whether name is a header name of RFC 9110 (a token)
// without capitals.
func isLowerToken(name string) bool {
	for i := range len(name) {
		switch b := name[i]; {
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return name != ""
}

// listHas reports whether the list of lower-case names has name, in any case.
func listHas(list, name string) bool {
	for list != "" {
		var item string
		if item, list = nextHeader(list); len(item) == len(name) && strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

// checkSignedHeaders refuses a request that does not sign what could change its
// meaning: host, and every x-amz-* header that is present. S3 answers
// AccessDenied, for presigned URLs too.
func checkSignedHeaders(h http.Header, c *claim) error {
	if !listHas(c.signedHeaders, "host") {
		return refuseArgument(object.AccessDenied, msgNotSigned, "HeadersNotSigned", "host")
	}
	const prefix = "X-Amz-" // net/http keeps names in this form
	for name := range h {
		if strings.HasPrefix(name, prefix) && !listHas(c.signedHeaders, name) {
			return refuseArgument(object.AccessDenied, msgNotSigned, "HeadersNotSigned", strings.ToLower(name))
		}
	}
	return nil
}
