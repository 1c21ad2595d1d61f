package s3err_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/gateway/s3err"
	"github.com/stampede-store/stampede/object"
)

// TestTableIsComplete walks every kind: each has a row, the row's status fits the kind's
// family, and only refusals of the moment invite a retry.
func TestTableIsComplete(t *testing.T) {
	for _, k := range object.Kinds() {
		row := s3err.Of(k)
		if row.Code == "" || row.Message == "" || row.Status < 300 || row.Status > 599 {
			t.Errorf("%v: got row %+v", k, row)
		}
		if k != object.Internal && k != object.ChunkConflict && k != object.NoSuchChunk && k != object.NewerFormat && row == s3err.Of(object.Internal) {
			t.Errorf("%v has no row of its own", k)
		}
		if (row.RetryAfterSeconds > 0) != (row.Status == http.StatusServiceUnavailable) {
			t.Errorf("%v: status %d with Retry-After %d", k, row.Status, row.RetryAfterSeconds)
		}
	}
	for _, k := range []object.Kind{0, object.KindsEnd, object.KindsEnd + 1} {
		if got := s3err.Of(k); got != s3err.Of(object.Internal) {
			t.Errorf("kind %d: got %+v", k, got)
		}
	}
}

// TestOurFaults expects no failure of ours to look like an absent object or a mistake of the client.
func TestOurFaults(t *testing.T) {
	for _, k := range []object.Kind{
		object.Internal, object.Corrupt, object.LostBytes, object.OutcomeUnknown, object.NoSuchChunk, object.ChunkConflict,
		object.Fenced, object.NewerFormat, object.Full, object.Unavailable, object.SlowDown, object.SessionLost,
	} {
		if got := s3err.Of(k).Status; got < 500 {
			t.Errorf("%v: got status %d", k, got)
		}
	}
}

func TestKindOf(t *testing.T) {
	for _, row := range []struct {
		err  error
		want object.Kind
	}{
		{&object.Error{Kind: object.NoSuchKey}, object.NoSuchKey},
		{fmt.Errorf("in a wrapper: %w", &object.Error{Kind: object.Full, Err: errors.New("disk")}), object.Full},
		{&s3err.Error{Kind: object.InvalidRange, Err: &object.Error{Kind: object.Corrupt}}, object.InvalidRange},
		{&object.Error{Kind: object.Unavailable, Err: context.Canceled}, object.Unavailable},
		{object.BadDigest, object.BadDigest},
		{errors.New("anything"), object.Internal},
		{nil, object.Internal},
	} {
		if got := s3err.KindOf(row.err); got != row.want {
			t.Errorf("%v: got %v, want %v", row.err, got, row.want)
		}
	}
}

// TestDocument expects the elements in S3's order, the fields of the kind, and nothing of a cause.
func TestDocument(t *testing.T) {
	where := s3err.Where{Resource: "/b/a&b", Region: "eu-west-1", RequestID: "ID", HostID: "HOST"}
	for _, row := range []struct {
		name string
		err  error
		want string // between Error and Resource
	}{
		{
			"key", &object.Error{Kind: object.NoSuchKey, Ref: object.Ref{Bucket: "b", Key: "a&b"}, Err: errors.New("secret")},
			"<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b</Key>",
		},
		{
			"bucket", &object.Error{Kind: object.NoSuchBucket, Ref: object.Ref{Bucket: "b"}},
			"<Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><BucketName>b</BucketName>",
		},
		{
			"argument", &object.Error{Kind: object.InvalidArgument, Message: "Bad.", Ref: object.Ref{Argument: "n", Value: "v"}},
			"<Code>InvalidArgument</Code><Message>Bad.</Message><ArgumentName>n</ArgumentName><ArgumentValue>v</ArgumentValue>",
		},
		{
			"own fields", &s3err.Error{Kind: object.EntityTooLarge, Message: "Big.", Fields: []s3err.Field{{Name: "MaxSizeAllowed", Value: "5"}}},
			"<Code>EntityTooLarge</Code><Message>Big.</Message><MaxSizeAllowed>5</MaxSizeAllowed>",
		},
		{
			"region", &object.Error{Kind: object.AuthorizationMalformed},
			"<Code>AuthorizationHeaderMalformed</Code><Message>The authorization header you provided is invalid.</Message><Region>eu-west-1</Region>",
		},
		{
			"ours", errors.New("the disk at /secret"),
			"<Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message>",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := string(s3err.Document(row.err, where))
			want := "<Error>" + row.want + "<Resource>/b/a&amp;b</Resource><RequestId>ID</RequestId><HostId>HOST</HostId></Error>"
			if !strings.HasSuffix(got, want) || !strings.HasPrefix(got, `<?xml version="1.0" encoding="UTF-8"?>`) {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if err := xml.Unmarshal([]byte(got), new(struct{ XMLName xml.Name })); err != nil {
				t.Error(err)
			}
		})
	}
}
