package s3_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// listed is a whole listing: keys and common prefixes, page after page.
type listed struct{ keys, prefixes []string }

// add takes over a page.
func (l *listed) add(t *testing.T, contents []types.Object, prefixes []types.CommonPrefix) {
	t.Helper()
	for _, o := range contents {
		l.keys = append(l.keys, decoded(t, *o.Key))
	}
	for _, p := range prefixes {
		l.prefixes = append(l.prefixes, decoded(t, *p.Prefix))
	}
}

// naive is what a listing must give, by the definition.
func naive(keys []string, prefix, delimiter, after string) (l listed) {
	for _, k := range keys {
		if !strings.HasPrefix(k, prefix) || k <= after {
			continue
		}
		if i := strings.Index(k[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			p := k[:len(prefix)+i+len(delimiter)]
			if n := len(l.prefixes); n == 0 || l.prefixes[n-1] != p {
				l.prefixes = append(l.prefixes, p)
			}
			continue
		}
		l.keys = append(l.keys, k)
	}
	return l
}

// checkPage: a page keeps its bound, and says how many it has.
func checkPage(t *testing.T, keys, prefixes, bound int) {
	t.Helper()
	if keys+prefixes > bound {
		t.Errorf("a page of %d keys and %d prefixes, want at most %d", keys, prefixes, bound)
	}
}

func listV2(t *testing.T, c *s3.Client, in s3.ListObjectsV2Input) (l listed) {
	t.Helper()
	in.EncodingType = types.EncodingTypeUrl
	for range 10_000 {
		page, err := c.ListObjectsV2(t.Context(), &in)
		noError(t, err)
		checkPage(t, len(page.Contents), len(page.CommonPrefixes), int(*in.MaxKeys))
		if int(*page.KeyCount) != len(page.Contents)+len(page.CommonPrefixes) {
			t.Errorf("KeyCount %d of %d keys, %d prefixes", *page.KeyCount, len(page.Contents), len(page.CommonPrefixes))
		}
		l.add(t, page.Contents, page.CommonPrefixes)
		if !*page.IsTruncated {
			return l
		}
		in.ContinuationToken = page.NextContinuationToken
	}
	t.Fatal("the listing does not end")
	return l
}

func listV1(t *testing.T, c *s3.Client, in s3.ListObjectsInput) (l listed) {
	t.Helper()
	in.EncodingType = types.EncodingTypeUrl
	for range 10_000 {
		page, err := c.ListObjects(t.Context(), &in)
		noError(t, err)
		checkPage(t, len(page.Contents), len(page.CommonPrefixes), int(*in.MaxKeys))
		l.add(t, page.Contents, page.CommonPrefixes)
		if !*page.IsTruncated {
			return l
		}
		next := aws.ToString(page.NextMarker) // given with a delimiter only
		if next == "" {
			next = *page.Contents[len(page.Contents)-1].Key
		}
		in.Marker = aws.String(decoded(t, next))
	}
	t.Fatal("the listing does not end")
	return l
}

func decoded(t *testing.T, s string) string {
	t.Helper()
	d, err := url.QueryUnescape(s)
	noError(t, err)
	return d
}

// TestListAgainstModel lists a bucket of awkward keys with many prefixes,
// delimiters, starts and page sizes, in both versions, and compares with the
// definition.
func TestListAgainstModel(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	keys := []string{
		"a", "a/", "a/1", "a/2", "a//", "a//x", "a0", "ab/c/d", "ab/c/e", "ab/d", "b", "b/c", "/", "//", "/x", "é/1", "é/2", "日/本/語",
		"x-", "x-1-", "x-1-2", "x-2", "z/\x01", "z/\x7f", "z/\U0010ffff", "z0",
	}
	for i := range 40 {
		keys = append(keys, fmt.Sprintf("many/%02d/%d", i/4, i))
	}
	slices.Sort(keys)
	for _, k := range keys {
		put(t, c, b, k, nil)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for range 150 {
		prefix := pick("", "", "a", "a/", "ab/", "many/", "many/0", "é/", "z/", "absent", "x-")
		delimiter := pick("", "/", "/", "-", "//", "/c", "日")
		after := pick("", "", "a/1", "b", "many/05/", "many/05/21", "zz", keys[r.IntN(len(keys))])
		bound := int32(1 + r.IntN(12))
		name := fmt.Sprintf("seed %d: prefix %q delimiter %q after %q max %d", seed, prefix, delimiter, after, bound)
		if delimiter != "" {
			after = "" // where it lies in a common prefix is TestListStartInPrefix's
		}
		want := naive(keys, prefix, delimiter, after)
		v2 := listV2(t, c, s3.ListObjectsV2Input{
			Bucket: &b, Prefix: &prefix, Delimiter: &delimiter, StartAfter: &after, MaxKeys: &bound,
		})
		if !slices.Equal(v2.keys, want.keys) || !slices.Equal(v2.prefixes, want.prefixes) {
			t.Fatalf("v2 %s:\n got %q\nwant %q", name, v2, want)
		}
		v1 := listV1(t, c, s3.ListObjectsInput{
			Bucket: &b, Prefix: &prefix, Delimiter: &delimiter, Marker: &after, MaxKeys: &bound,
		})
		if !slices.Equal(v1.keys, want.keys) || !slices.Equal(v1.prefixes, want.prefixes) {
			t.Fatalf("v1 %s:\n got %q\nwant %q", name, v1, want)
		}
	}
}

// TestListDetails: what an entry and a page say; limits; bad arguments.
func TestListDetails(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	etag := *put(t, c, b, "k", []byte("hello")).ETag
	put(t, c, b, "l", nil)
	page, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(1), FetchOwner: aws.Bool(true)})
	noError(t, err)
	o := page.Contents[0]
	if *o.Key != "k" || *o.ETag != etag || *o.Size != 5 || o.LastModified.IsZero() || o.StorageClass != types.ObjectStorageClassStandard ||
		o.Owner == nil || aws.ToString(o.Owner.ID) == "" {
		t.Errorf("entry: got %+v", o)
	}
	if !*page.IsTruncated || *page.Name != b || *page.MaxKeys != 1 {
		t.Errorf("page: got %+v", page)
	}
	none, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(0)})
	noError(t, err)
	if len(none.Contents) != 0 || *none.IsTruncated {
		t.Errorf("max-keys 0: got %+v", none)
	}
	all, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(5000)})
	noError(t, err)
	if *all.MaxKeys != 1000 || all.Contents[0].Owner != nil {
		t.Errorf("max-keys 5000: got %d, owner %v", *all.MaxKeys, all.Contents[0].Owner)
	}
	for _, query := range []string{"list-type=2&max-keys=x", "list-type=2&max-keys=-1", "max-keys=x", "list-type=2&encoding-type=rot13", "list-type=2&continuation-token=!"} {
		wantRaw(t, send(t, rawRequest{method: "GET", path: "/" + b + "?" + query}), "InvalidArgument", 400)
	}
}

// TestListWhileWriting: a page is one consistent state, and what was
// acknowledged before the listing began is in it.
func TestListWhileWriting(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for i := range 30 {
		key := fmt.Sprintf("%03d", i)
		put(t, c, b, key, nil)
		page, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b})
		noError(t, err)
		if len(page.Contents) != i+1 || *page.Contents[i].Key != key {
			t.Fatalf("after %d puts the listing has %d keys", i+1, len(page.Contents))
		}
	}
}
