package s3_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// TestConditionalReads: the four conditions, with S3's precedence (RFC 9110,
// §13.2.2).
func TestConditionalReads(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	etag := *put(t, c, b, "k", []byte("x")).ETag
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
	noError(t, err)
	modified := *head.LastModified
	earlier, later := aws.Time(modified.Add(-time.Hour)), aws.Time(modified.Add(time.Hour))
	for _, tc := range []struct {
		name   string
		set    func(*s3.GetObjectInput)
		status int
	}{
		{"If-Match, same", func(in *s3.GetObjectInput) { in.IfMatch = &etag }, 200},
		{"If-Match, other", func(in *s3.GetObjectInput) { in.IfMatch = aws.String(`"other"`) }, 412},
		{"If-Match, any", func(in *s3.GetObjectInput) { in.IfMatch = aws.String("*") }, 200},
		{"If-None-Match, same", func(in *s3.GetObjectInput) { in.IfNoneMatch = &etag }, 304},
		{"If-None-Match, other", func(in *s3.GetObjectInput) { in.IfNoneMatch = aws.String(`"other"`) }, 200},
		{"If-Modified-Since, earlier", func(in *s3.GetObjectInput) { in.IfModifiedSince = earlier }, 200},
		{"If-Modified-Since, same", func(in *s3.GetObjectInput) { in.IfModifiedSince = &modified }, 304},
		{"If-Unmodified-Since, earlier", func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = earlier }, 412},
		{"If-Unmodified-Since, same", func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = &modified }, 200},
		{"If-Match true beats If-Unmodified-Since false", func(in *s3.GetObjectInput) { in.IfMatch, in.IfUnmodifiedSince = &etag, earlier }, 200},
		{"If-None-Match false beats If-Modified-Since true", func(in *s3.GetObjectInput) { in.IfNoneMatch, in.IfModifiedSince = &etag, earlier }, 304},
		{"If-None-Match true, If-Modified-Since false", func(in *s3.GetObjectInput) { in.IfNoneMatch, in.IfModifiedSince = aws.String(`"other"`), &modified }, 200},
		{"If-Unmodified-Since, later", func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = later }, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := &s3.GetObjectInput{Bucket: &b, Key: aws.String("k")}
			tc.set(in)
			out, err := c.GetObject(t.Context(), in)
			switch tc.status {
			case 200:
				noError(t, err)
				out.Body.Close()
			case 304:
				wantError(t, err, "NotModified", 304)
			case 412:
				wantError(t, err, "PreconditionFailed", 412)
			}
		})
	}
}

// TestConditionalWrites: If-None-Match: * and If-Match on PUT.
func TestConditionalWrites(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	try := func(key, body string, match, noneMatch *string) error {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &b, Key: &key, Body: readerOf(body), IfMatch: match, IfNoneMatch: noneMatch,
		})
		return err
	}
	star := aws.String("*")
	noError(t, try("k", "first", nil, star))
	wantError(t, try("k", "second", nil, star), "PreconditionFailed", 412)
	wantBody(t, c, b, "k", []byte("first"))
	wantError(t, try("k", "second", aws.String(`"0123456789abcdef0123456789abcdef"`), nil), "PreconditionFailed", 412)
	wantError(t, try("absent", "x", aws.String(`"0123456789abcdef0123456789abcdef"`), nil), "NoSuchKey", 404)
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: aws.String("k")})
	noError(t, err)
	noError(t, try("k", "third", head.ETag, nil))
	wantBody(t, c, b, "k", []byte("third"))
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("k")})
	noError(t, err)
	noError(t, try("k", "fourth", nil, star))
}

// TestCounter increments an object with If-Match from several clients at once:
// the end value equals the acknowledged increments.
func TestCounter(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	put(t, c, b, "counter", []byte("0"))
	const clients, each = 8, 10
	var acknowledged atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				for !increment(t, c, b) {
				}
				acknowledged.Add(1)
			}
		})
	}
	wg.Wait()
	_, body := get(t, c, b, "counter")
	if string(body) != fmt.Sprint(acknowledged.Load()) || acknowledged.Load() != clients*each {
		t.Errorf("the counter is %s after %d acknowledged increments", body, acknowledged.Load())
	}
}

// increment tries once; false says that another client was faster.
func increment(t *testing.T, c *s3.Client, b string) bool {
	out, body := get(t, c, b, "counter")
	n, err := strconv.Atoi(string(body))
	if err != nil {
		t.Errorf("the counter is %q", body)
		return true
	}
	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &b, Key: aws.String("counter"), Body: readerOf(fmt.Sprint(n + 1)), IfMatch: out.ETag,
	})
	if err == nil {
		return true
	}
	if e, ok := errors.AsType[smithy.APIError](err); !ok ||
		e.ErrorCode() != "PreconditionFailed" && e.ErrorCode() != "ConditionalRequestConflict" {
		t.Errorf("increment: %v", err)
		return true
	}
	return false
}

// TestCreateOnce: of many clients that create the same key, one succeeds.
func TestCreateOnce(t *testing.T) {
	c := client(t)
	b := newBucket(t, c)
	for round := range 10 {
		key := fmt.Sprint(round)
		var won atomic.Int64
		var winner atomic.Value
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				body := fmt.Sprint(i)
				_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: &b, Key: &key, Body: readerOf(body), IfNoneMatch: aws.String("*"),
				})
				if err == nil {
					won.Add(1)
					winner.Store(body)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d clients created the key", round, won.Load())
		}
		wantBody(t, c, b, key, []byte(winner.Load().(string)))
	}
}
