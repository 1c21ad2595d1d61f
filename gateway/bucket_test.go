package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/gateway"
	"github.com/stampede-store/stampede/object"
)

func inRegion(region string) func(o *gateway.Options) {
	return func(o *gateway.Options) { o.Region = region }
}

// TestCreateBucket goes through locations, headers and what the store may say.
func TestCreateBucket(t *testing.T) {
	constraint := func(c string) string {
		return "<CreateBucketConfiguration><LocationConstraint>" + c + "</LocationConstraint></CreateBucketConfiguration>"
	}
	owned := &object.Error{Op: "test", Kind: object.BucketAlreadyOwnedByYou}
	others := &object.Error{Op: "test", Kind: object.BucketAlreadyExists}
	for _, row := range []struct {
		name, region, body string
		bucket             string // default: bucket
		headers            map[string]string
		err                error
		code               string
	}{
		{name: "no body", region: "us-east-1"},
		{name: "no body elsewhere", region: "eu-west-1"},
		{name: "empty constraint", region: "eu-west-1", body: constraint("")},
		{name: "own region", region: "eu-west-1", body: constraint("eu-west-1")},
		{name: "old name", region: "eu-west-1", body: constraint("EU")},
		{name: "other region", region: "us-east-1", body: constraint("eu-west-1"), code: "InvalidLocationConstraint"},
		{name: "us-east-1 elsewhere", region: "eu-west-1", body: constraint("us-east-1"), code: "InvalidLocationConstraint"},
		{name: "malformed", region: "us-east-1", body: "<Create", code: "MalformedXML"},
		{name: "too large", region: "us-east-1", body: constraint(strings.Repeat(" ", 64<<10)), code: "EntityTooLarge"},
		{name: "directory bucket", region: "us-east-1", body: "<CreateBucketConfiguration><Location/></CreateBucketConfiguration>", code: "NotImplemented"},
		{name: "tags", region: "us-east-1", body: "<CreateBucketConfiguration><Tags/></CreateBucketConfiguration>", code: "NotImplemented"},
		{name: "bad name", region: "us-east-1", bucket: "Bad_Name", code: "InvalidBucketName"},
		{name: "private", region: "us-east-1", headers: map[string]string{"x-amz-acl": "private"}},
		{name: "public", region: "us-east-1", headers: map[string]string{"x-amz-acl": "public-read"}, code: "AccessControlListNotSupported"},
		{name: "without lock", region: "us-east-1", headers: map[string]string{"x-amz-bucket-object-lock-enabled": "false"}},
		{name: "with lock", region: "us-east-1", headers: map[string]string{"x-amz-bucket-object-lock-enabled": "true"}, code: "NotImplemented"},
		{name: "ownership as it is", region: "us-east-1", headers: map[string]string{"x-amz-object-ownership": "BucketOwnerEnforced"}},
		{name: "ownership otherwise", region: "us-east-1", headers: map[string]string{"x-amz-object-ownership": "ObjectWriter"}, code: "NotImplemented"},
		{name: "again in us-east-1", region: "us-east-1", err: owned},
		{name: "again elsewhere", region: "eu-west-1", err: owned, code: "BucketAlreadyOwnedByYou"},
		{name: "someone else's", region: "us-east-1", err: others, code: "BucketAlreadyExists"},
		{name: "wrong Content-MD5", region: "us-east-1", body: constraint(""), headers: map[string]string{"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, code: "BadDigest"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var made object.Bucket
			f := &fake{createBucket: func(b object.Bucket) error { made = b; return row.err }}
			name := row.bucket
			if name == "" {
				name = "bucket"
			}
			res := call{method: "PUT", target: "/" + name, body: row.body, headers: row.headers}.do(t, newGateway(t, f, inRegion(row.region)))
			expectCode(t, res, row.code)
			if row.code == "" && (made.Name != "bucket" || made.Region != row.region || made.Owner == "" || res.Header.Get("Location") != "/bucket") {
				t.Errorf("made %+v, Location %q", made, res.Header.Get("Location"))
			}
		})
	}
}

func TestHeadAndLocateBucket(t *testing.T) {
	f := &fake{getBucket: func(n object.BucketName) (object.Bucket, error) {
		if n == "none" {
			return object.Bucket{}, &object.Error{Op: "test", Kind: object.NoSuchBucket}
		}
		return object.Bucket{Name: n, Region: string(n)}, nil
	}}
	g := newGateway(t, f, nil)
	res := call{method: "HEAD", target: "/eu-west-1"}.do(t, g)
	if res.StatusCode != 200 || res.Header.Get("x-amz-bucket-region") != "eu-west-1" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if res := (call{method: "HEAD", target: "/none"}).do(t, g); res.StatusCode != 404 || len(readAll(t, res)) != 0 {
		t.Errorf("got %d for a bucket that is not there", res.StatusCode)
	}
	for region, want := range map[string]string{"eu-west-1": ">eu-west-1</LocationConstraint>", "us-east-1": "></LocationConstraint>"} {
		res := call{method: "GET", target: "/" + region + "?location"}.do(t, g)
		if body := string(readAll(t, res)); res.StatusCode != 200 || !strings.HasSuffix(body, want) {
			t.Errorf("%s: got %d %s", region, res.StatusCode, body)
		}
	}
	expectCode(t, call{method: "GET", target: "/none?location"}.do(t, g), "NoSuchBucket")
}

func TestDeleteBucket(t *testing.T) {
	var err error
	g := newGateway(t, &fake{deleteBucket: func(object.BucketName) error { return err }}, nil)
	if res := (call{method: "DELETE", target: "/b"}).do(t, g); res.StatusCode != 204 {
		t.Errorf("got %d", res.StatusCode)
	}
	err = &object.Error{Op: "test", Kind: object.BucketNotEmpty}
	expectCode(t, call{method: "DELETE", target: "/b"}.do(t, g), "BucketNotEmpty")
}

// TestListBuckets goes on from page to page, and refuses bad parameters.
func TestListBuckets(t *testing.T) {
	var after string
	var limit int
	f := &fake{listBuckets: func(prefix, a string, n int) (fdblayer.BucketPage, error) {
		if prefix != "p" && prefix != "" {
			return fdblayer.BucketPage{}, errors.New("another prefix")
		}
		after, limit = a, n
		return fdblayer.BucketPage{Buckets: []object.Bucket{{Name: "p-b", Created: someTime, Region: "us-east-1"}}, More: true}, nil
	}}
	g := newGateway(t, f, nil)
	body := string(readAll(t, call{method: "GET", target: "/"}.do(t, g)))
	if limit != object.BucketsMaxPage || after != "" || !strings.Contains(body, "<Name>p-b</Name><CreationDate>2026-05-04T03:02:01.009Z</CreationDate>") {
		t.Errorf("asked for %d behind %q, got %s", limit, after, body)
	}
	_, rest, _ := strings.Cut(body, "<ContinuationToken>")
	token, _, ok := strings.Cut(rest, "</ContinuationToken>")
	if !ok {
		t.Fatalf("no token in %s", body)
	}
	expectCode(t, call{method: "GET", target: "/?prefix=p&max-buckets=1&continuation-token=" + token}.do(t, g), "")
	if limit != 1 || after != "p-b" {
		t.Errorf("asked for %d behind %q", limit, after)
	}
	for _, query := range []string{"max-buckets=0", "max-buckets=10001", "max-buckets=x", "continuation-token=x"} {
		expectCode(t, call{method: "GET", target: "/?" + query}.do(t, g), "InvalidArgument")
	}
}
