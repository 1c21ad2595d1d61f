package object

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// BucketName is the global name of a bucket.
type BucketName string

// Validate reports InvalidBucketName unless n follows the naming rules of
// general purpose buckets (S3 User Guide, "Bucket naming rules"): 3 to 63
// characters of a-z, 0-9, dot and hyphen, beginning and ending with a letter
// or digit, no dot beside a dot or a hyphen, not shaped like an IPv4 address, and none of
// the reserved prefixes and suffixes.
func (n BucketName) Validate() error {
	s := string(n)
	bad := func() error {
		return &Error{Op: "bucket name", Kind: InvalidBucketName, Ref: Ref{Bucket: n}}
	}
	if len(s) < BucketNameMinBytes || len(s) > BucketNameMaxBytes {
		return bad()
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || i == len(s)-1 || c != '-' && c != '.') {
			return bad()
		}
	}
	// Between dots stand labels of a host name, which neither begin nor end with a hyphen.
	for _, p := range []string{"..", ".-", "-."} {
		if strings.Contains(s, p) {
			return bad()
		}
	}
	if s[0] <= '9' { // a digit: most names are spared the parsing
		if addr, err := netip.ParseAddr(s); err == nil && addr.Is4() {
			return bad()
		}
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(s, p) {
			return bad()
		}
	}
	for _, p := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(s, p) {
			return bad()
		}
	}
	return nil
}

// Key is the name of an object in its bucket.
type Key string

// Validate reports KeyTooLong above KeyMaxBytes, and InvalidArgument for an
// empty key or one that is not UTF-8.
func (k Key) Validate() error {
	switch {
	case len(k) > KeyMaxBytes:
		return &Error{Op: "key", Kind: KeyTooLong, Ref: Ref{Key: k}}
	case k == "" || !utf8.ValidString(string(k)):
		return &Error{Op: "key", Kind: InvalidArgument, Ref: Ref{Key: k}}
	}
	return nil
}
