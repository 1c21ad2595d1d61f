package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/stampede-store/stampede/object"
)

// upload is a multipart upload that a test drives.
type upload struct {
	t           *testing.T
	c           *s3.Client
	bucket, key string
	id          *string
}

func begin(t *testing.T, c *s3.Client, bucket, key string) upload {
	t.Helper()
	out, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &key, ContentType: aws.String("text/parts"), Metadata: map[string]string{"m": "v"},
	})
	noError(t, err)
	return upload{t, c, bucket, key, out.UploadId}
}

func (u upload) try(number int, body []byte) (string, error) {
	out, err := u.c.UploadPart(u.t.Context(), &s3.UploadPartInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: u.id, PartNumber: aws.Int32(int32(number)), Body: bytes.NewReader(body),
	})
	if err != nil {
		return "", err
	}
	return *out.ETag, nil
}

func (u upload) part(number int, body []byte) types.CompletedPart {
	u.t.Helper()
	etag, err := u.try(number, body)
	noError(u.t, err)
	return types.CompletedPart{PartNumber: aws.Int32(int32(number)), ETag: &etag}
}

func (u upload) complete(parts ...types.CompletedPart) (*s3.CompleteMultipartUploadOutput, error) {
	return u.c.CompleteMultipartUpload(u.t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: u.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
}

func (u upload) abort() error {
	_, err := u.c.AbortMultipartUpload(u.t.Context(), &s3.AbortMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: u.id})
	return err
}

// TestMultipart: parts in any order and in parallel, one sent again, a subset
// listed; ranges across parts; complete repeated.
func TestMultipart(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	u := begin(t, c, b, "dir/k")
	bodies := map[int][]byte{
		2: random(2, object.PartMinBytes+1), 5: random(5, 2*object.PartMinBytes), 7: random(7, 10), 9999: random(9, object.PartMinBytes),
	}
	u.part(5, random(55, object.PartMinBytes)) // replaced below
	parts := map[int]types.CompletedPart{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n, body := range bodies {
		wg.Go(func() {
			p := u.part(n, body)
			mu.Lock()
			defer mu.Unlock()
			parts[n] = p
		})
	}
	wg.Wait()
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b, Key: aws.String("dir/k")})
	wantError(t, err, "NoSuchKey", 404) // nothing is visible before the completion

	out, err := u.complete(parts[2], parts[5], parts[7]) // 9999 is left out
	noError(t, err)
	whole := slices.Concat(bodies[2], bodies[5], bodies[7])
	want := wholeETag(bodies[2], bodies[5], bodies[7])
	if *out.ETag != want || *out.Bucket != b || *out.Key != "dir/k" {
		t.Errorf("complete: got %v %v %v, want ETag %s", *out.ETag, *out.Bucket, *out.Key, want)
	}
	got, body := get(t, c, b, "dir/k")
	if !bytes.Equal(body, whole) || *got.ETag != want || *got.ContentType != "text/parts" || got.Metadata["m"] != "v" {
		t.Errorf("got %s %s %s %v", brief(body), *got.ETag, *got.ContentType, got.Metadata)
	}
	for _, r := range [][2]int{{0, 0}, {object.PartMinBytes - 5, object.PartMinBytes + 5}, {100, len(whole) - 2}, {len(whole) - 11, len(whole) - 1}} {
		_, body := get(t, c, b, "dir/k", func(in *s3.GetObjectInput) { in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r[0], r[1])) })
		if !bytes.Equal(body, whole[r[0]:r[1]+1]) {
			t.Errorf("range %v: got %s", r, brief(body))
		}
	}
	again, err := u.complete(parts[2], parts[5], parts[7])
	noError(t, err)
	if *again.ETag != want {
		t.Errorf("complete repeated: got %s, want %s", *again.ETag, want)
	}
	_, err = u.try(1, []byte("late"))
	wantError(t, err, "NoSuchUpload", 404)
	wantBody(t, c, b, "dir/k", whole)

	copied := aws.String("copy")
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &b, Key: copied, CopySource: aws.String(b + "/dir/k")})
	noError(t, err)
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("dir/k")})
	noError(t, err)
	wantBody(t, c, b, "copy", whole)
}

// wholeETag is the ETag of a multipart object.
func wholeETag(parts ...[]byte) string {
	var sums []byte
	for _, p := range parts {
		sum := md5.Sum(p)
		sums = append(sums, sum[:]...)
	}
	sum := md5.Sum(sums)
	return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(sum[:]), len(parts))
}

// TestMultipartRefused: what a completion may not list, parts that may not be.
func TestMultipartRefused(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	u := begin(t, c, b, "k")
	big, small := u.part(1, random(1, object.PartMinBytes)), u.part(2, random(2, 100))
	third := u.part(3, random(3, 100))
	other := types.CompletedPart{PartNumber: aws.Int32(1), ETag: aws.String(`"00000000000000000000000000000000"`)}
	absent := types.CompletedPart{PartNumber: aws.Int32(4), ETag: big.ETag}
	for _, tc := range []struct {
		name, code string
		parts      []types.CompletedPart
	}{
		{"small part in the middle", "EntityTooSmall", []types.CompletedPart{big, small, third}},
		{"out of order", "InvalidPartOrder", []types.CompletedPart{small, big}},
		{"twice", "InvalidPartOrder", []types.CompletedPart{big, big}},
		{"wrong ETag", "InvalidPart", []types.CompletedPart{other}},
		{"absent part", "InvalidPart", []types.CompletedPart{big, absent}},
		{"nothing", "MalformedXML", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := u.complete(tc.parts...)
			wantError(t, err, tc.code, 400)
		})
	}
	for _, number := range []int{0, 10001, -1} {
		_, err := u.try(number, []byte("x"))
		wantError(t, err, "InvalidArgument", 400)
	}
	_, err := u.complete(big, small)
	noError(t, err)
	for _, id := range []string{"absent", strings.Repeat("0", 26), *u.id + "0"} {
		v := u
		v.id = &id
		_, err := v.try(1, []byte("x"))
		wantError(t, err, "NoSuchUpload", 404)
		_, err = v.complete(big)
		wantError(t, err, "NoSuchUpload", 404)
		wantError(t, v.abort(), "NoSuchUpload", 404)
	}
}

// TestAbort: an aborted upload is gone, its key untouched.
func TestAbort(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	put(t, c, b, "k", []byte("old"))
	u := begin(t, c, b, "k")
	p := u.part(1, random(1, 100))
	noError(t, u.abort())
	_, err := u.complete(p)
	wantError(t, err, "NoSuchUpload", 404)
	_, err = u.try(1, []byte("x"))
	wantError(t, err, "NoSuchUpload", 404)
	list, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b})
	noError(t, err)
	if len(list.Uploads) != 0 {
		t.Errorf("an aborted upload is listed: %v", list.Uploads)
	}
	wantBody(t, c, b, "k", []byte("old"))
}

// TestListParts: in order, in pages, the newest write of each.
func TestListParts(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	u := begin(t, c, b, "k")
	for _, n := range []int{7, 3, 10000, 1, 3} {
		u.part(n, random(uint64(n), n))
	}
	var numbers []int32
	in := &s3.ListPartsInput{Bucket: &b, Key: &u.key, UploadId: u.id, MaxParts: aws.Int32(2)}
	for {
		page, err := c.ListParts(t.Context(), in)
		noError(t, err)
		for _, p := range page.Parts {
			numbers = append(numbers, *p.PartNumber)
			if *p.Size != int64(*p.PartNumber) || p.LastModified.IsZero() || aws.ToString(p.ETag) == "" {
				t.Errorf("part: got %+v", p)
			}
		}
		if !*page.IsTruncated {
			break
		}
		in.PartNumberMarker = page.NextPartNumberMarker
	}
	if !slices.Equal(numbers, []int32{1, 3, 7, 10000}) {
		t.Errorf("got parts %v", numbers)
	}
}

// TestListUploads: by key, then by age; prefix, delimiter, markers.
func TestListUploads(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	var want []string
	for _, key := range []string{"a/1", "a/1", "a/2", "b", "c/d/e"} {
		u := begin(t, c, b, key)
		want = append(want, key+" "+*u.id)
	}
	var got []string
	in := &s3.ListMultipartUploadsInput{Bucket: &b, MaxUploads: aws.Int32(2)}
	for {
		page, err := c.ListMultipartUploads(t.Context(), in)
		noError(t, err)
		for _, u := range page.Uploads {
			got = append(got, *u.Key+" "+*u.UploadId)
		}
		if !*page.IsTruncated {
			break
		}
		in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	page, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b, Delimiter: aws.String("/")})
	noError(t, err)
	if len(page.Uploads) != 1 || len(page.CommonPrefixes) != 2 || *page.CommonPrefixes[0].Prefix != "a/" {
		t.Errorf("by delimiter: got %v %v", page.Uploads, page.CommonPrefixes)
	}
	page, err = c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b, Prefix: aws.String("a/")})
	noError(t, err)
	if len(page.Uploads) != 3 {
		t.Errorf("by prefix: got %v", page.Uploads)
	}
}
