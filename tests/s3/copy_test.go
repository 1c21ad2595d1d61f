package s3_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestCopy: sizes of every kind, from another bucket, to another key, with odd
// names; the copy outlives its source.
func TestCopy(t *testing.T) {
	c := client(t)
	from, to := newBucket(t, c), newBucket(t, c)
	for _, tc := range []struct {
		key  string
		size int
	}{{"empty", 0}, {"inline", 100}, {"blob", 100_000}, {"striped/with space+ü", 3<<20 + 1}} {
		t.Run(tc.key, func(t *testing.T) {
			body := random(9, tc.size)
			etag := *put(t, c, from, tc.key, body, func(in *s3.PutObjectInput) {
				in.ContentType, in.Metadata = aws.String("text/a"), map[string]string{"m": "source"}
			}).ETag
			out, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{
				Bucket: &to, Key: &tc.key, CopySource: aws.String(from + "/" + url.PathEscape(tc.key)),
			})
			noError(t, err)
			if *out.CopyObjectResult.ETag != etag || out.CopyObjectResult.LastModified.IsZero() {
				t.Errorf("result: got %+v, want ETag %s", out.CopyObjectResult, etag)
			}
			_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &from, Key: &tc.key})
			noError(t, err)
			wantBody(t, c, to, tc.key, body)
			got, _ := get(t, c, to, tc.key)
			if *got.ContentType != "text/a" || got.Metadata["m"] != "source" {
				t.Errorf("copied metadata: got %q %v", *got.ContentType, got.Metadata)
			}
		})
	}
}

// TestCopyMetadata: the directive, and a copy onto itself.
func TestCopyMetadata(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	put(t, c, b, "k", []byte("x"), func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"m": "old"} })
	source := aws.String(b + "/k")
	_, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &b, Key: aws.String("k"), CopySource: source})
	wantError(t, err, "InvalidRequest", 400)
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: &b, Key: aws.String("k"), CopySource: source, MetadataDirective: types.MetadataDirectiveReplace,
		Metadata: map[string]string{"m": "new"}, ContentType: aws.String("text/new"),
	})
	noError(t, err)
	out, body := get(t, c, b, "k")
	if out.Metadata["m"] != "new" || *out.ContentType != "text/new" || string(body) != "x" {
		t.Errorf("got %v %q %q", out.Metadata, *out.ContentType, body)
	}
}

// TestCopyOwn: storage class and website redirect belong to the copy. They are not the source's, can be
// given without replacing the metadata, and make a copy onto itself legal.
func TestCopyOwn(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	const key = "k"
	put(t, c, b, key, []byte("x"), func(in *s3.PutObjectInput) {
		in.Metadata = map[string]string{"m": "source"}
		in.StorageClass, in.WebsiteRedirectLocation = types.StorageClassStandardIa, aws.String("/source")
	})
	for _, tc := range []struct {
		name, to        string
		set             func(*s3.CopyObjectInput)
		class, redirect string
	}{
		{"neither", "other", nil, "", ""},
		{"class", "other", func(in *s3.CopyObjectInput) { in.StorageClass = types.StorageClassOnezoneIa }, "ONEZONE_IA", ""},
		{"redirect", "other", func(in *s3.CopyObjectInput) { in.WebsiteRedirectLocation = aws.String("/copy") }, "", "/copy"},
		{"back to the default, in place", key, func(in *s3.CopyObjectInput) { in.StorageClass = types.StorageClassStandard }, "", ""},
		{"redirect, in place", key, func(in *s3.CopyObjectInput) { in.WebsiteRedirectLocation = aws.String("https://x/") }, "", "https://x/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := &s3.CopyObjectInput{Bucket: &b, Key: &tc.to, CopySource: aws.String(b + "/" + key)}
			if tc.set != nil {
				tc.set(in)
			}
			_, err := c.CopyObject(t.Context(), in)
			noError(t, err)
			out, _ := get(t, c, b, tc.to)
			if string(out.StorageClass) != tc.class || aws.ToString(out.WebsiteRedirectLocation) != tc.redirect || out.Metadata["m"] != "source" {
				t.Errorf("got class %q, redirect %q, metadata %v; want %q, %q", out.StorageClass, aws.ToString(out.WebsiteRedirectLocation), out.Metadata, tc.class, tc.redirect)
			}
		})
	}
}

// TestCopyRefused: conditions on the source, and sources that are not there.
func TestCopyRefused(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	etag := put(t, c, b, "k", []byte("x")).ETag
	other := aws.String(`"other"`)
	for _, tc := range []struct {
		name, source, code string
		status             int
		set                func(*s3.CopyObjectInput)
	}{
		{"no such key", b + "/absent", "NoSuchKey", 404, nil},
		{"no such bucket", "absent-bucket-x/k", "NoSuchBucket", 404, nil},
		{"no key", b, "InvalidArgument", 400, nil},
		{"If-Match, other", b + "/k", "PreconditionFailed", 412, func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = other }},
		{"If-None-Match, same", b + "/k", "PreconditionFailed", 412, func(in *s3.CopyObjectInput) { in.CopySourceIfNoneMatch = etag }},
		{"If-Modified-Since, later", b + "/k", "PreconditionFailed", 412, func(in *s3.CopyObjectInput) {
			in.CopySourceIfModifiedSince = aws.Time(time.Now().Add(time.Hour))
		}},
		{"If-Unmodified-Since, earlier", b + "/k", "PreconditionFailed", 412, func(in *s3.CopyObjectInput) {
			in.CopySourceIfUnmodifiedSince = aws.Time(time.Now().Add(-time.Hour))
		}},
		{"If-Match, same", b + "/k", "", 200, func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = etag }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := &s3.CopyObjectInput{Bucket: &b, Key: aws.String("copy"), CopySource: &tc.source}
			if tc.set != nil {
				tc.set(in)
			}
			_, err := c.CopyObject(t.Context(), in)
			if tc.status == 200 {
				noError(t, err)
				return
			}
			wantError(t, err, tc.code, tc.status)
		})
	}
}
