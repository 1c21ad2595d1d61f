package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// TestDeleteObjects deletes a batch with doubles, absent keys and bad names: each is answered in its place.
func TestDeleteObjects(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	h.put(bucket, "a", []byte("a"))
	h.put(bucket, "b", randomBytes(1, 2*mib))
	h.put(bucket, "stays", []byte("stays"))
	rows := []struct {
		d    fdblayer.DeleteObject
		want error
	}{
		{fdblayer.DeleteObject{Key: "a"}, nil},
		{fdblayer.DeleteObject{Key: ""}, object.InvalidArgument},
		{fdblayer.DeleteObject{Key: "a"}, nil},
		{fdblayer.DeleteObject{Key: "absent"}, nil},
		{fdblayer.DeleteObject{Key: object.Key(strings.Repeat("k", 1025))}, object.KeyTooLong},
		{fdblayer.DeleteObject{Key: "b"}, nil},
		{fdblayer.DeleteObject{Key: "stays", VersionID: "nonsense"}, object.InvalidArgument},
	}
	var batch []fdblayer.DeleteObject
	for _, row := range rows {
		batch = append(batch, row.d)
	}
	deleted, _, err := h.DeleteObjects(ctx, bucket, batch)
	if err != nil || len(deleted) != len(rows) {
		t.Fatalf("got %d answers, %v", len(deleted), err)
	}
	for i, row := range rows {
		if !errors.Is(deleted[i].Err, row.want) {
			t.Errorf("entry %d: got %v, want %v", i, deleted[i].Err, row.want)
		}
	}
	h.absent(bucket, "a")
	h.absent(bucket, "b")
	h.want(bucket, "stays", []byte("stays"))
}

// TestDeleteDoubles: a key named twice gets one delete marker, and both answers name it.
func TestDeleteDoubles(t *testing.T) {
	h := newHarness(t)
	h.put(versioned, "k", []byte("x"))
	deleted, _, err := h.DeleteObjects(context.Background(), versioned, []fdblayer.DeleteObject{{Key: "k"}, {Key: "k"}})
	if err != nil || !deleted[0].Marker || deleted[0] != deleted[1] || deleted[0].VersionID == "" {
		t.Errorf("got %+v, %v", deleted, err)
	}
}

func TestDeleteBatches(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	full := make([]fdblayer.DeleteObject, object.DeleteKeysMax)
	for i := range full {
		full[i].Key = object.Key(fmt.Sprintf("k%04d", i))
	}
	for _, i := range []int{0, 100, 999} {
		h.put(bucket, full[i].Key, []byte("x"))
	}
	for _, row := range []struct {
		name   string
		bucket object.BucketName
		batch  []fdblayer.DeleteObject
		want   error
	}{
		{"none", bucket, nil, object.MalformedXML},
		{"too many", bucket, append(full, fdblayer.DeleteObject{Key: "one more"}), object.MalformedXML},
		{"no bucket", missing, full, object.NoSuchBucket},
		{"only bad names, no bucket", missing, make([]fdblayer.DeleteObject, 2), object.NoSuchBucket},
		{"bucket name", "-", full, object.InvalidBucketName},
		{"the most", bucket, full, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			deleted, _, err := h.DeleteObjects(ctx, row.bucket, row.batch)
			if !errors.Is(err, row.want) || row.want == nil && len(deleted) != len(row.batch) {
				t.Errorf("got %d answers, %v", len(deleted), err)
			}
		})
	}
	page, err := h.ListObjects(ctx, fdblayer.ListObjects{Bucket: bucket, KeysMax: 1000})
	if err != nil || len(page.Entries) != 0 {
		t.Errorf("%d keys are left, %v", len(page.Entries), err)
	}
}
