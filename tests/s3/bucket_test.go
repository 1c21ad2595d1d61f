package s3_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestBucketLife: create, head, find in the list, delete, gone.
func TestBucketLife(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	head, err := c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &b})
	noError(t, err)
	if aws.ToString(head.BucketRegion) != "us-east-1" {
		t.Errorf("region of the bucket: got %q", aws.ToString(head.BucketRegion))
	}
	location, err := c.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: &b})
	noError(t, err)
	if location.LocationConstraint != "" { // S3 gives none for us-east-1
		t.Errorf("location: got %q, want none", location.LocationConstraint)
	}
	list, err := c.ListBuckets(t.Context(), &s3.ListBucketsInput{Prefix: &b})
	noError(t, err)
	if len(list.Buckets) != 1 || *list.Buckets[0].Name != b || list.Buckets[0].CreationDate.IsZero() {
		t.Errorf("list: got %v, want %s", list.Buckets, b)
	}
	_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &b})
	noError(t, err)
	_, err = c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &b})
	wantError(t, err, "NotFound", 404)
	_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &b})
	wantError(t, err, "NoSuchBucket", 404)
	_, err = c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b})
	noError(t, err) // the name is free again
}

// TestBucketNames: S3's naming rules.
func TestBucketNames(t *testing.T) {
	c := client(t)
	for _, tc := range []struct {
		name string
		good bool
	}{
		{"abc-%d", true},
		{"a.b.c-%d", true},
		{"0-starts-with-digit-%d", true},
		{strings.Repeat("x", 62-19) + "-%d", true},
		{"ab", false},
		{strings.Repeat("x", 64), false},
		{"Upper-%d", false},
		{"under_score", false},
		{"-starts-with-hyphen", false},
		{"ends-with-hyphen-", false},
		{"double..dot", false},
		{"dot.-hyphen", false},
		{"hyphen-.dot", false},
		{"192.168.1.1", false},
		{"xn--puny", false},
		{"sthree-reserved", false},
		{"reserved-s3alias", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			name := tc.name
			if strings.Contains(name, "%d") {
				name = fmt.Sprintf(name, bucketCount.Add(1)+1_000_000_000_000)
			}
			r := send(t, rawRequest{method: "PUT", path: "/" + name})
			if tc.good {
				wantRaw(t, r, "", 200)
				if r.Header.Get("Location") != "/"+name {
					t.Errorf("Location: got %q", r.Header.Get("Location"))
				}
				_, err := c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &name})
				noError(t, err)
			} else {
				wantRaw(t, r, "InvalidBucketName", 400)
			}
		})
	}
}

// TestBucketCreateLocation: a location constraint must be the server's region.
func TestBucketCreateLocation(t *testing.T) {
	c := client(t)
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket:                    aws.String("located-elsewhere"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"},
	})
	wantError(t, err, "InvalidLocationConstraint", 400)
	r := send(t, rawRequest{method: "PUT", path: "/malformed-location", body: "<CreateBucketConfiguration><Loc"})
	wantRaw(t, r, "MalformedXML", 400)
}

// TestBucketNotEmpty: a bucket with an object is not deleted; an upload in progress ends with its
// bucket.
func TestBucketNotEmpty(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	put(t, c, b, "a", []byte("x"))
	_, err := c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &b})
	wantError(t, err, "BucketNotEmpty", 409)
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("a")})
	noError(t, err)
	u := begin(t, c, b, "k")
	u.part(1, []byte("x"))
	_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &b})
	noError(t, err)
	_, err = u.try(2, []byte("x"))
	wantError(t, err, "NoSuchBucket", 404)
}

// TestBucketAbsent: every family of operations on a bucket that is not there.
func TestBucketAbsent(t *testing.T) {
	for _, tc := range []rawRequest{
		{method: "GET", path: "/absent-bucket?list-type=2"},
		{method: "GET", path: "/absent-bucket"},
		{method: "GET", path: "/absent-bucket?location"},
		{method: "GET", path: "/absent-bucket?uploads"},
		{method: "GET", path: "/absent-bucket/key"},
		{method: "PUT", path: "/absent-bucket/key", body: "x"},
		{method: "DELETE", path: "/absent-bucket/key"},
		{method: "DELETE", path: "/absent-bucket"},
		{method: "POST", path: "/absent-bucket/key?uploads"},
		{method: "POST", path: "/absent-bucket?delete", body: "<Delete><Object><Key>a</Key></Object></Delete>"},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			wantRaw(t, send(t, tc), "NoSuchBucket", 404)
		})
	}
}

// TestListBucketsPages: pages by max-buckets and a token.
func TestListBucketsPages(t *testing.T) {
	c := client(t)
	prefix := newBucket(t, c) + "-p"
	var want []string
	for i := range 5 {
		name := fmt.Sprintf("%s%d", prefix, i)
		want = append(want, name)
		_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
		noError(t, err)
	}
	var got []string
	in := &s3.ListBucketsInput{Prefix: &prefix, MaxBuckets: aws.Int32(2)}
	for {
		page, err := c.ListBuckets(t.Context(), in)
		noError(t, err)
		if len(page.Buckets) > 2 {
			t.Errorf("a page of %d buckets, want at most 2", len(page.Buckets))
		}
		for _, b := range page.Buckets {
			got = append(got, *b.Name)
		}
		if page.ContinuationToken == nil {
			break
		}
		in.ContinuationToken = page.ContinuationToken
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, want %v", got, want)
	}
}
