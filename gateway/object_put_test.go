package gateway_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/gateway/sigv4"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// putAnything reads the body and makes a version of it.
func putAnything(_ context.Context, p store.PutObject) (store.Put, error) {
	n, err := io.Copy(io.Discard, p.Body)
	if err != nil {
		return store.Put{}, err
	}
	return written(object.Version{Key: p.Key, SizeBytes: n, ETag: "e", Metadata: p.Metadata}), nil
}

// TestPutObject expects the store to be asked for what the request's headers say, and the
// answer to carry what the store made.
func TestPutObject(t *testing.T) {
	var got store.PutObject
	var body []byte
	f := &fake{put: func(_ context.Context, p store.PutObject) (store.Put, error) {
		got = p
		body, _ = io.ReadAll(p.Body)
		sum := &object.Checksum{Algorithm: object.CRC32C, Value: []byte{1, 2, 3, 4}}
		return written(object.Version{ETag: "abc", Checksum: sum}), nil
	}}
	res := call{method: "PUT", target: "/bucket/key", body: "hello", headers: map[string]string{
		"Content-Type": "text/plain", "Cache-Control": "no-store", "Content-Disposition": "inline",
		"Content-Language": "fr", "Expires": "soon", "Content-Encoding": "gzip",
		"x-amz-meta-Colour": "red", "x-amz-meta-name": "=?UTF-8?B?SsO8cmdlbg==?=",
		"x-amz-storage-class": "STANDARD_IA", "x-amz-acl": "private",
		"x-amz-website-redirect-location": "/elsewhere",
		"Content-MD5":                     base64.StdEncoding.EncodeToString(make([]byte, md5.Size)),
		"x-amz-checksum-crc32c":           "AQIDBA==", "x-amz-sdk-checksum-algorithm": "crc32c",
		"If-Match": `"old"`,
	}}.do(t, newGateway(t, f, nil))
	expectCode(t, res, "")
	want := object.Headers{
		ContentType: "text/plain", CacheControl: "no-store", ContentDisposition: "inline", ContentLanguage: "fr",
		Expires: "soon", ContentEncoding: "gzip", WebsiteRedirect: "/elsewhere",
	}
	if got.Bucket != "bucket" || got.Key != "key" || string(body) != "hello" || got.SizeBytes != 5 {
		t.Errorf("got %+v with body %q", got, body)
	}
	if got.Metadata.Headers != want || got.Metadata.StorageClass != "STANDARD_IA" ||
		!maps.Equal(got.Metadata.User, map[string]string{"colour": "red", "name": "Jürgen"}) {
		t.Errorf("got metadata %+v", got.Metadata)
	}
	if got.Digests.Algorithm != object.CRC32C || !bytes.Equal(got.Digests.Value, []byte{1, 2, 3, 4}) || len(got.Digests.MD5) != md5.Size {
		t.Errorf("got digests %+v", got.Digests)
	}
	if len(got.If.IfMatch) != 1 || got.If.IfMatch[0] != "old" || got.If.IfNoneMatch != nil {
		t.Errorf("got conditions %+v", got.If)
	}
	h := res.Header
	if h.Get("ETag") != `"abc"` || h.Get("x-amz-checksum-crc32c") != "AQIDBA==" || h.Get("x-amz-checksum-type") != "FULL_OBJECT" ||
		h.Get("x-stampede-version") != resultToken.String() || h.Get("x-amz-version-id") != "" {
		t.Errorf("got headers %v", h)
	}
}

// TestPutObjectRefusals expects bad headers to be refused before the store is asked.
func TestPutObjectRefusals(t *testing.T) {
	one := func(name, value string) map[string]string { return map[string]string{name: value} }
	for _, row := range []struct {
		name    string
		headers map[string]string
		code    string
	}{
		{"MD5 that is no base64", one("Content-MD5", "?"), "InvalidDigest"},
		{"MD5 that is short", one("Content-MD5", "AAAA"), "InvalidDigest"},
		{"MD5 that is empty", one("Content-MD5", ""), "InvalidDigest"},
		{"two checksums", map[string]string{"x-amz-checksum-crc32": "AQIDBA==", "x-amz-checksum-crc32c": "AQIDBA=="}, "InvalidRequest"},
		{"checksum and trailer", map[string]string{"x-amz-checksum-crc32": "AQIDBA==", "x-amz-trailer": "x-amz-checksum-crc32"}, "InvalidRequest"},
		{"checksum of wrong length", one("x-amz-checksum-sha256", "AQIDBA=="), "InvalidRequest"},
		{"checksum unknown", one("x-amz-checksum-md6", "AQIDBA=="), "NotImplemented"},
		{"trailer unknown", one("x-amz-trailer", "x-amz-meta-a"), "InvalidRequest"},
		{"algorithm without value", one("x-amz-sdk-checksum-algorithm", "CRC32"), "InvalidRequest"},
		{"algorithm and other value", map[string]string{"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32c": "AQIDBA=="}, "InvalidRequest"},
		{"algorithm unknown", map[string]string{"x-amz-sdk-checksum-algorithm": "CRC33", "x-amz-checksum-crc32c": "AQIDBA=="}, "InvalidRequest"},
		{"public ACL", one("x-amz-acl", "public-read"), "AccessControlListNotSupported"},
		{"no ACL of S3", one("x-amz-acl", "public"), "InvalidArgument"},
		{"grant", one("x-amz-grant-read", "id=1"), "AccessControlListNotSupported"},
		{"tags", one("x-amz-tagging", "a=b"), "NotImplemented"},
		{"encryption", one("x-amz-server-side-encryption", "AES256"), "NotImplemented"},
		{"customer key", one("x-amz-server-side-encryption-customer-algorithm", "AES256"), "NotImplemented"},
		{"lock", one("x-amz-object-lock-mode", "GOVERNANCE"), "NotImplemented"},
		{"append", one("x-amz-write-offset-bytes", "5"), "NotImplemented"},
		{"archive class", one("x-amz-storage-class", "GLACIER"), "InvalidStorageClass"},
		{"redirect", one("x-amz-website-redirect-location", "x"), "InvalidRedirectLocation"},
		{"If-None-Match with a tag", one("If-None-Match", `"a"`), "NotImplemented"},
		{"If-Match with two tags", one("If-Match", `"a", "b"`), "NotImplemented"},
		{"If-Match with any", one("If-Match", "*"), "NotImplemented"},
		{"If-Modified-Since", one("If-Modified-Since", "Mon, 04 May 2026 03:02:01 GMT"), "NotImplemented"},
		{"metadata too large", one("x-amz-meta-a", strings.Repeat("v", object.UserMetaBytes)), "MetadataTooLarge"},
		{"metadata not UTF-8", one("x-amz-meta-a", "\xff"), "InvalidArgument"},
		{"content type not UTF-8", one("Content-Type", "\xff"), "InvalidArgument"},
		{"someone else's bucket", one("x-amz-expected-bucket-owner", "111122223333"), "AccessDenied"},
	} {
		t.Run(row.name, func(t *testing.T) {
			res := call{method: "PUT", target: "/bucket/key", body: "hello", headers: row.headers}.do(t, newGateway(t, &fake{}, nil))
			expectCode(t, res, row.code)
		})
	}
	t.Run("version id", func(t *testing.T) {
		res := call{method: "PUT", target: "/bucket/key?versionId=null", body: "x"}.do(t, newGateway(t, &fake{}, nil))
		expectCode(t, res, "InvalidArgument")
	})
}

// TestPutObjectMetadataLimit puts exactly as much metadata as S3 takes.
func TestPutObjectMetadataLimit(t *testing.T) {
	g := newGateway(t, &fake{put: putAnything}, nil)
	headers := map[string]string{"x-amz-meta-a": strings.Repeat("v", object.UserMetaBytes-1)}
	expectCode(t, call{method: "PUT", target: "/b/k", headers: headers}.do(t, g), "")
}

// TestPresignedHeaders expects the x-amz-* parameters of a presigned URL to count as the headers they
// stand for, and those of the signature not to.
func TestPresignedHeaders(t *testing.T) {
	var got store.PutObject
	f := &fake{put: func(ctx context.Context, p store.PutObject) (store.Put, error) {
		got = p
		return putAnything(ctx, p)
	}}
	g := newGateway(t, f, nil)
	expectCode(t, call{method: "PUT", target: "/b/k?x-amz-meta-a=b&X-Amz-Signature=s&x-amz-storage-class=ONEZONE_IA"}.do(t, g), "")
	if got.Metadata.User["a"] != "b" || got.Metadata.StorageClass != "ONEZONE_IA" || len(got.Metadata.User) != 1 {
		t.Errorf("got metadata %+v", got.Metadata)
	}
	expectCode(t, call{method: "PUT", target: "/b/k?X-Amz-Signature=s&x-amz-tagging=a%3Db"}.do(t, g), "NotImplemented")
	for _, bad := range []string{"x-amz-meta-a%0D%0AX-Evil=1", "x-amz-meta-a%20b=1", "x-amz-website-redirect-location=/a%0D%0AX-Evil:1"} {
		expectCode(t, call{method: "PUT", target: "/b/k?X-Amz-Signature=s&" + bad}.do(t, g), "InvalidArgument")
	}
	expectCode(t, call{method: "PUT", target: "/b/k?x-amz-meta-a=b"}.do(t, g), "")
	if got.Metadata.User != nil {
		t.Errorf("a request that is not presigned got metadata %v from its query", got.Metadata.User)
	}
}

// TestPutObjectTrailer expects the claim of a trailer to be asked for after the body.
func TestPutObjectTrailer(t *testing.T) {
	for _, row := range []struct {
		name, trailer string
		want          []byte
		code          string
	}{
		{"good", "AQIDBA==", []byte{1, 2, 3, 4}, ""},
		{"missing", "", nil, "InvalidRequest"},
		{"malformed", "x", nil, "InvalidRequest"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var claimed []byte
			f := &fake{put: func(ctx context.Context, p store.PutObject) (put store.Put, err error) {
				if put, err = putAnything(ctx, p); err == nil {
					claimed, err = p.Digests.Trailer()
				}
				return put, err
			}}
			g := newGateway(t, f, withAuth(func(a *sigv4.Auth) { a.Trailer = trailers("X-Amz-Checksum-Crc32", row.trailer) }))
			res := call{method: "PUT", target: "/b/k", body: "x", headers: map[string]string{"x-amz-trailer": "x-amz-checksum-crc32"}}.do(t, g)
			expectCode(t, res, row.code)
			if !bytes.Equal(claimed, row.want) {
				t.Errorf("got claim %x, want %x", claimed, row.want)
			}
		})
	}
}

// TestBodySize refuses bodies of unknown length and beyond the limit, for objects and parts.
func TestBodySize(t *testing.T) {
	for _, target := range []string{"/b/k", "/b/k?partNumber=1&uploadId=" + someStamp.String()} {
		for code, size := range map[string]int64{"MissingContentLength": -1, "EntityTooLarge": object.PutMaxBytes + 1} {
			g := newGateway(t, &fake{}, withAuth(func(a *sigv4.Auth) { a.SizeBytes = size }))
			expectCode(t, call{method: "PUT", target: target, body: "x"}.do(t, g), code)
		}
	}
}

// TestBodyErrors expects an error of the payload to be answered as what it is.
func TestBodyErrors(t *testing.T) {
	for _, kind := range []object.Kind{object.ContentSHA256Mismatch, object.SignatureMismatch, object.IncompleteBody} {
		bad := &object.Error{Op: "test", Kind: kind, Err: errors.New("detail")}
		g := newGateway(t, &fake{put: putAnything}, withAuth(func(a *sigv4.Auth) { a.Body = failingReader{bad} }))
		res := call{method: "PUT", target: "/b/k", body: "x"}.do(t, g)
		if f := readFailure(t, res); res.StatusCode/100 != 4 || strings.Contains(f.Message, "detail") {
			t.Errorf("%v: got %d %+v", kind, res.StatusCode, f)
		}
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// TestPutObjectCondition expects a failed condition to be named.
func TestPutObjectCondition(t *testing.T) {
	f := &fake{put: func(context.Context, store.PutObject) (store.Put, error) {
		return store.Put{}, &object.Error{Op: "test", Kind: object.PreconditionFailed}
	}}
	g := newGateway(t, f, nil)
	for header, value := range map[string]string{"If-Match": "e", "If-None-Match": "*"} {
		res := call{method: "PUT", target: "/b/k", headers: map[string]string{header: value}}.do(t, g)
		if f := readFailure(t, res); res.StatusCode != 412 || f.field("Condition") != header {
			t.Errorf("%s: got %d %+v", header, res.StatusCode, f)
		}
	}
}
