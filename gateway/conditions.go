package gateway

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// readConditions are the conditions of GET and HEAD. A date that can't be parsed is
// ignored (RFC 9110 §13.1.3).
func (r *request) readConditions() store.Conditions {
	h := r.http.Header
	return store.Conditions{
		IfMatch:           parseETags(h.Values("If-Match")),
		IfNoneMatch:       parseETags(h.Values("If-None-Match")),
		IfModifiedSince:   parseHTTPTime(h.Get("If-Modified-Since")),
		IfUnmodifiedSince: parseHTTPTime(h.Get("If-Unmodified-Since")),
	}
}

// writeConditions are the conditions of PUT, Complete and copy on the key that is
// written. S3 knows If-Match with one entity tag and If-None-Match with *; the
// others mean a functionality that is not there.
func (r *request) writeConditions() (store.Conditions, error) {
	var c store.Conditions
	h := r.http.Header
	for _, name := range [...]string{"If-Modified-Since", "If-Unmodified-Since"} {
		if h.Get(name) != "" {
			return c, notImplemented(name)
		}
	}
	if h.Get("If-Match") != "" {
		c.IfMatch = parseETags(h.Values("If-Match"))
		if len(c.IfMatch) != 1 || c.IfMatch[0] == "*" {
			return c, notImplemented("If-Match")
		}
	}
	if h.Get("If-None-Match") != "" {
		c.IfNoneMatch = parseETags(h.Values("If-None-Match"))
		if len(c.IfNoneMatch) != 1 || c.IfNoneMatch[0] != "*" {
			return c, notImplemented("If-None-Match")
		}
	}
	if c.IfMatch != nil && c.IfNoneMatch != nil {
		return c, notImplemented("If-None-Match")
	}
	return c, nil
}

// writeError adds to a write's error what S3's document has: the condition that failed.
func (r *request) writeError(err error) error {
	if !errors.Is(err, object.PreconditionFailed) {
		return err
	}
	condition := "If-None-Match"
	if r.header("If-Match") != "" {
		condition = "If-Match"
	}
	return &s3err.Error{Kind: object.PreconditionFailed, Err: err, Fields: []s3err.Field{{Name: "Condition", Value: condition}}}
}

// sourceConditions are those of x-amz-copy-source-if-*.
func (r *request) sourceConditions() store.Conditions {
	h := r.http.Header
	return store.Conditions{
		IfMatch:           parseETags(h.Values("X-Amz-Copy-Source-If-Match")),
		IfNoneMatch:       parseETags(h.Values("X-Amz-Copy-Source-If-None-Match")),
		IfModifiedSince:   parseHTTPTime(h.Get("X-Amz-Copy-Source-If-Modified-Since")),
		IfUnmodifiedSince: parseHTTPTime(h.Get("X-Amz-Copy-Source-If-Unmodified-Since")),
	}
}

// parseETags splits lists of entity tags. Quotes are optional, as S3's clients
// leave them out; a weak tag counts as its strong one (S3 makes none).
func parseETags(values []string) []object.ETag {
	var tags []object.ETag
	for _, list := range values {
		for tag := range strings.SplitSeq(list, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"' {
				tag = tag[1 : len(tag)-1]
			}
			if tag != "" {
				tags = append(tags, object.ETag(tag))
			}
		}
	}
	return tags
}

// parseHTTPTime is zero for what is no date.
func parseHTTPTime(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// parseRange parses a Range header (RFC 9110 §14.1.2). It is nil for what S3 ignores: no
// header, another unit, bad syntax, and several ranges, which get the whole
// object. A position beyond int64 is taken as the largest one.
func parseRange(header string) *store.Range {
	unit, set, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return nil
	}
	first, last, ok := strings.Cut(set, "-")
	if !ok {
		return nil
	}
	switch {
	case first == "":
		n, ok := parsePosition(last)
		if !ok {
			return nil
		}
		return &store.Range{First: -1, Last: n}
	case last == "":
		n, ok := parsePosition(first)
		if !ok {
			return nil
		}
		return &store.Range{First: n, Last: -1}
	}
	a, okFirst := parsePosition(first)
	b, okLast := parsePosition(last)
	if !okFirst || !okLast || a > b {
		return nil
	}
	return &store.Range{First: a, Last: b}
}

// parsePosition takes digits only, unlike strconv.ParseInt.
func parsePosition(text string) (int64, bool) {
	if text == "" {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}
