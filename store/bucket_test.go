package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

func TestBuckets(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	b, token, err := h.GetBucket(ctx, bucket)
	if err != nil || b.Name != bucket || b.Region != "here" || !b.Created.Equal(clock) || token.Cluster == "" {
		t.Errorf("got %+v, %+v, %v", b, token, err)
	}
	for _, row := range []struct {
		name string
		b    object.Bucket
		want error
	}{
		{"mine", object.Bucket{Name: bucket, Owner: "me"}, object.BucketAlreadyOwnedByYou},
		{"another's", object.Bucket{Name: bucket, Owner: "you"}, object.BucketAlreadyExists},
		{"bad name", object.Bucket{Name: "Bad", Owner: "me"}, object.InvalidBucketName},
		{"new", object.Bucket{Name: "a-new-one", Owner: "me"}, nil},
	} {
		t.Run("create "+row.name, func(t *testing.T) {
			if _, err := h.CreateBucket(ctx, row.b); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
	page, err := h.ListBuckets(ctx, "", "", 10)
	var names []object.BucketName
	for _, b := range page.Buckets {
		names = append(names, b.Name)
	}
	if want := []object.BucketName{"a-new-one", bucket, versioned}; err != nil || !slices.Equal(names, want) {
		t.Errorf("listed %v, %v", names, err)
	}
	h.put(bucket, "k", []byte("x"))
	for _, row := range []struct {
		name object.BucketName
		want error
	}{
		{bucket, object.BucketNotEmpty},
		{"a-new-one", nil},
		{"a-new-one", object.NoSuchBucket},
		{"Bad", object.InvalidBucketName},
	} {
		if _, err := h.DeleteBucket(ctx, row.name); !errors.Is(err, row.want) {
			t.Errorf("deleting %s gave %v, want %v", row.name, err, row.want)
		}
	}
	if _, err := h.deleteAll(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.DeleteBucket(ctx, bucket); err != nil {
		t.Errorf("deleting the emptied bucket gave %v", err)
	}
}

// deleteAll deletes keys of bucket.
func (h *harness) deleteAll(ctx context.Context, keys ...object.Key) ([]fdblayer.Deleted, error) {
	var d []fdblayer.DeleteObject
	for _, k := range keys {
		d = append(d, fdblayer.DeleteObject{Key: k})
	}
	deleted, _, err := h.DeleteObjects(ctx, bucket, d)
	return deleted, err
}

// TestListingBounds checks what is refused, and what is cut, before the metadata is asked.
func TestListingBounds(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	h.put(bucket, "a/b", []byte("x"))
	h.put(bucket, "c", []byte("xyz"))
	long := strings.Repeat("x", object.KeyMaxBytes+1)
	for _, row := range []struct {
		name string
		q    fdblayer.ListObjects
		keys int
		want error
	}{
		{"all", fdblayer.ListObjects{Bucket: bucket, KeysMax: 1000}, 2, nil},
		{"more than the maximum", fdblayer.ListObjects{Bucket: bucket, KeysMax: 1 << 30}, 2, nil},
		{"none", fdblayer.ListObjects{Bucket: bucket}, 0, nil},
		{"prefix", fdblayer.ListObjects{Bucket: bucket, KeysMax: 9, Prefix: "a"}, 1, nil},
		{"delimiter", fdblayer.ListObjects{Bucket: bucket, KeysMax: 9, Delimiter: "/"}, 1, nil},
		{"after", fdblayer.ListObjects{Bucket: bucket, KeysMax: 9, After: "b"}, 1, nil},
		{"longest prefix", fdblayer.ListObjects{Bucket: bucket, KeysMax: 9, Prefix: long[1:]}, 0, nil},
		{"negative", fdblayer.ListObjects{Bucket: bucket, KeysMax: -1}, 0, object.InvalidArgument},
		{"long prefix", fdblayer.ListObjects{Bucket: bucket, KeysMax: 9, Prefix: long}, 0, object.KeyTooLong},
		{"long delimiter", fdblayer.ListObjects{Bucket: bucket, KeysMax: 9, Delimiter: long}, 0, object.KeyTooLong},
		{"long marker", fdblayer.ListObjects{Bucket: bucket, KeysMax: 9, After: long}, 0, object.KeyTooLong},
		{"no bucket", fdblayer.ListObjects{Bucket: missing, KeysMax: 9}, 0, object.NoSuchBucket},
		{"bucket name", fdblayer.ListObjects{Bucket: "x", KeysMax: 9}, 0, object.InvalidBucketName},
	} {
		t.Run(row.name, func(t *testing.T) {
			page, err := h.ListObjects(ctx, row.q)
			if !errors.Is(err, row.want) || len(page.Entries) != row.keys {
				t.Errorf("got %d keys, %v; want %d, %v", len(page.Entries), err, row.keys, row.want)
			}
		})
	}
}
