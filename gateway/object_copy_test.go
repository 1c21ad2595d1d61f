package gateway_test

import (
	"strings"
	"testing"

	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// TestCopyObject expects the source, the conditions and the directive to arrive, and the result's document.
func TestCopyObject(t *testing.T) {
	var asked store.CopyObject
	f := &fake{copyObject: func(c store.CopyObject) (store.Put, object.Version, error) {
		asked = c
		return written(object.Version{ETag: "e"}), object.Version{Kind: object.Kept, Stamp: someStamp}, nil
	}}
	g := newGateway(t, f, nil)
	res := call{method: "PUT", target: "/b/k", headers: map[string]string{
		"x-amz-copy-source":                   "/source/a%20b%2Fc/d+e?versionId=" + someStamp.String(),
		"x-amz-copy-source-if-match":          `"s"`,
		"x-amz-copy-source-if-modified-since": "Mon, 04 May 2026 03:02:01 GMT",
		"If-None-Match":                       "*",
		"x-amz-meta-a":                        "ignored",
		"x-amz-tagging-directive":             "COPY",
	}}.do(t, g)
	body := string(readAll(t, res))
	if res.StatusCode != 200 || !strings.Contains(body, "<ETag>&quot;e&quot;</ETag>") || res.Header.Get("x-amz-copy-source-version-id") != someStamp.String() {
		t.Errorf("got %d %s %v", res.StatusCode, body, res.Header)
	}
	if asked.Source != "source" || asked.SourceKey != "a b/c/d+e" || asked.SourceID != someStamp.String() || asked.Bucket != "b" || asked.Key != "k" ||
		len(asked.SourceIf.IfMatch) != 1 || asked.SourceIf.IfModifiedSince.IsZero() || len(asked.If.IfNoneMatch) != 1 || asked.Replace || asked.Metadata.User != nil {
		t.Errorf("asked for %+v", asked)
	}
	if asked.Restates {
		t.Errorf("asked for %+v", asked)
	}
	expectCode(t, call{method: "PUT", target: "/b/k", headers: map[string]string{
		"x-amz-copy-source": "source/x", "x-amz-meta-a": "ignored", "x-amz-storage-class": "STANDARD_IA", "x-amz-website-redirect-location": "/y",
	}}.do(t, g), "")
	if asked.Replace || !asked.Restates || asked.Metadata.User != nil || asked.Metadata.Headers != (object.Headers{WebsiteRedirect: "/y"}) ||
		asked.Metadata.StorageClass != "STANDARD_IA" {
		t.Errorf("asked for %+v", asked)
	}
	expectCode(t, call{method: "PUT", target: "/b/k", headers: map[string]string{
		"x-amz-copy-source": "source/x", "x-amz-storage-class": "STANDARD",
	}}.do(t, g), "")
	if !asked.Restates {
		t.Errorf("asked for %+v", asked)
	}
	expectCode(t, call{method: "PUT", target: "/b/k", headers: map[string]string{
		"x-amz-copy-source": "source/x", "x-amz-metadata-directive": "REPLACE", "x-amz-meta-a": "new", "Content-Type": "text/plain", "x-amz-storage-class": "ONEZONE_IA",
	}}.do(t, g), "")
	if !asked.Replace || asked.Metadata.User["a"] != "new" || asked.Metadata.Headers.ContentType != "text/plain" || asked.Metadata.StorageClass != "ONEZONE_IA" {
		t.Errorf("asked for %+v", asked)
	}
}

func TestCopyObjectRefusals(t *testing.T) {
	for _, row := range []struct {
		name, source string
		header       [2]string
		code         string
	}{
		{"no key", "/b", [2]string{}, "InvalidArgument"},
		{"empty key", "/b/", [2]string{}, "InvalidArgument"},
		{"empty", "", [2]string{}, "InvalidArgument"},
		{"bad escape", "/b/%zz", [2]string{}, "InvalidArgument"},
		{"other query", "/b/k?acl", [2]string{}, "InvalidArgument"},
		{"bad version", "/b/k?versionId=x", [2]string{}, "InvalidArgument"},
		{"access point", "arn:aws:s3:us-west-2:123456789012:accesspoint/p/object/k", [2]string{}, "InvalidArgument"},
		{"key too long", "/b/" + strings.Repeat("k", 1025), [2]string{}, "KeyTooLongError"},
		{"directive", "/b/k", [2]string{"x-amz-metadata-directive", "MERGE"}, "InvalidArgument"},
		{"replace tags", "/b/k", [2]string{"x-amz-tagging-directive", "REPLACE"}, "NotImplemented"},
		{"recompute", "/b/k", [2]string{"x-amz-checksum-algorithm", "SHA256"}, "NotImplemented"},
		{"archive class", "/b/k", [2]string{"x-amz-storage-class", "GLACIER"}, "InvalidStorageClass"},
		{"redirect", "/b/k", [2]string{"x-amz-website-redirect-location", "x"}, "InvalidRedirectLocation"},
		{"too much metadata", "/b/k", [2]string{"x-amz-meta-a", strings.Repeat("m", 2048)}, "MetadataTooLarge"},
		{"source's owner", "/b/k", [2]string{"x-amz-source-expected-bucket-owner", "1"}, "AccessDenied"},
	} {
		t.Run(row.name, func(t *testing.T) {
			headers := map[string]string{"x-amz-copy-source": row.source}
			if row.header[0] != "" {
				headers[row.header[0]] = row.header[1]
			}
			expectCode(t, call{method: "PUT", target: "/b/k", headers: headers}.do(t, newGateway(t, &fake{}, nil)), row.code)
		})
	}
}
