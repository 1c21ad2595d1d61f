package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// TestGetRanges reads ranges of an inline object, of a blob, and of a multipart object whose parts differ.
func TestGetRanges(t *testing.T) {
	h := newHarness(t)
	inline, blob := randomBytes(1, 3000), randomBytes(2, 3*mib+17)
	pieces := [][]byte{randomBytes(3, 5*mib), randomBytes(4, 6*mib+1), randomBytes(5, 5*mib), randomBytes(6, 100)}
	h.put(bucket, "inline", inline)
	h.put(bucket, "blob", blob)
	h.upload(bucket, "parts", pieces...)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for key, data := range map[object.Key][]byte{"inline": inline, "blob": blob, "parts": slices.Concat(pieces...)} {
		size := int64(len(data))
		ranges := []store.Range{{First: 0, Last: 0}, {First: size - 1, Last: -1}, {First: -1, Last: 1}, {First: -1, Last: size * 2}, {First: 0, Last: size * 2}}
		if key == "parts" { // over every border
			for _, border := range []int64{5 * mib, 11*mib + 1, 16*mib + 1} {
				ranges = append(ranges, store.Range{First: border - 1, Last: border}, store.Range{First: border, Last: border}, store.Range{First: border - 1, Last: border - 1})
			}
		}
		for range 30 {
			first := rnd.Int64N(size)
			ranges = append(ranges, store.Range{First: first, Last: first + rnd.Int64N(size-first)})
		}
		for _, r := range ranges {
			from, to := r.First, min(r.Last, size-1)+1
			switch {
			case r.First < 0:
				from, to = max(size-r.Last, 0), size
			case r.Last < 0:
				to = size
			}
			got, o, err := h.get(store.GetObject{Bucket: bucket, Key: key, Range: &r})
			if err != nil || !bytes.Equal(got, data[from:to]) || o.Offset != from || o.Length != to-from {
				t.Fatalf("seed %d: %s %+v: %d bytes, %v", seed, key, r, len(got), err)
			}
		}
		for _, r := range []store.Range{{First: size, Last: -1}, {First: -1, Last: 0}} {
			_, o, err := h.get(store.GetObject{Bucket: bucket, Key: key, Range: &r})
			if !errors.Is(err, object.InvalidRange) || o == nil || o.Version.SizeBytes != size {
				t.Errorf("%s %+v gave %+v, %v", key, r, o, err)
			}
		}
	}
}

// TestGetPartNumber reads by part number.
func TestGetPartNumber(t *testing.T) {
	h := newHarness(t)
	pieces := [][]byte{randomBytes(3, 5*mib), randomBytes(4, 7)}
	h.upload(bucket, "parts", pieces...)
	h.put(bucket, "plain", []byte("abc"))
	h.put(bucket, "empty", nil)
	for _, row := range []struct {
		key    object.Key
		number int
		want   []byte
		count  int
		err    error
	}{
		{"parts", 1, pieces[0], 2, nil},
		{"parts", 2, pieces[1], 2, nil},
		{"parts", 3, nil, 2, object.InvalidPartNumber},
		{"plain", 1, []byte("abc"), 0, nil},
		{"plain", 2, nil, 0, object.InvalidPartNumber},
		{"empty", 1, nil, 0, nil},
	} {
		t.Run(fmt.Sprintf("%s %d", row.key, row.number), func(t *testing.T) {
			got, o, err := h.get(store.GetObject{Bucket: bucket, Key: row.key, PartNumber: row.number})
			if !errors.Is(err, row.err) || !bytes.Equal(got, row.want) || o.PartsCount != row.count {
				t.Errorf("got %d bytes, count %d, %v", len(got), o.PartsCount, err)
			}
		})
	}
	if _, _, err := h.get(store.GetObject{Bucket: bucket, Key: "parts", PartNumber: 1, Range: &store.Range{}}); !errors.Is(err, object.InvalidRequest) {
		t.Errorf("range and part number: %v", err)
	}
}

// TestGetRefused asks for what is not there, or is not wanted.
func TestGetRefused(t *testing.T) {
	h := newHarness(t)
	h.put(bucket, "k", []byte("abc"))
	other := object.Stamp{Era: 9}.String()
	etag := md5Hex([]byte("abc"))
	for _, row := range []struct {
		name       string
		g          store.GetObject
		want       error
		withObject bool
	}{
		{"no key", store.GetObject{Bucket: bucket, Key: "other"}, object.NoSuchKey, false},
		{"no bucket", store.GetObject{Bucket: missing, Key: "k"}, object.NoSuchBucket, false},
		{"no version", store.GetObject{Bucket: bucket, Key: "k", VersionID: other}, object.NoSuchVersion, false},
		{"bucket name", store.GetObject{Bucket: "x", Key: "k"}, object.InvalidBucketName, false},
		{"key", store.GetObject{Bucket: bucket}, object.InvalidArgument, false},
		{"version id", store.GetObject{Bucket: bucket, Key: "k", VersionID: "nonsense"}, object.InvalidArgument, false},
		{"not modified", store.GetObject{Bucket: bucket, Key: "k", If: store.Conditions{IfNoneMatch: []object.ETag{etag}}}, object.NotModified, true},
		{"not modified since", store.GetObject{Bucket: bucket, Key: "k", If: store.Conditions{IfModifiedSince: clock.Truncate(time.Second)}}, object.NotModified, true},
		{"other etag", store.GetObject{Bucket: bucket, Key: "k", If: store.Conditions{IfMatch: []object.ETag{"x"}}}, object.PreconditionFailed, true},
		{"condition before range", store.GetObject{Bucket: bucket, Key: "k", Range: &store.Range{First: 99}, If: store.Conditions{IfMatch: []object.ETag{"x"}}}, object.PreconditionFailed, true},
	} {
		for name, f := range map[string]func(context.Context, store.GetObject) (*store.Object, error){"get": h.GetObject, "head": h.HeadObject} {
			t.Run(row.name+"/"+name, func(t *testing.T) {
				o, err := f(context.Background(), row.g)
				if !errors.Is(err, row.want) {
					t.Errorf("got %v, want %v", err, row.want)
				}
				if (o != nil) != row.withObject {
					t.Fatalf("an object is returned: %v", o != nil)
				}
				if o != nil && (o.Version.ETag != etag || o.Close() != nil) {
					t.Errorf("object %+v", o)
				}
			})
		}
	}
}

// TestDeleteMarker reads around a delete marker.
func TestDeleteMarker(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	first := h.put(versioned, "k", []byte("one"))
	second := h.put(versioned, "k", randomBytes(1, 2*mib))
	deleted, _, err := h.DeleteObject(ctx, versioned, fdblayer.DeleteObject{Key: "k"})
	if err != nil || !deleted.Marker {
		t.Fatal(deleted, err)
	}
	_, err = h.GetObject(ctx, store.GetObject{Bucket: versioned, Key: "k"})
	var e *object.Error
	if !errors.Is(err, object.NoSuchKey) || !errors.As(err, &e) || e.Ref.Version != deleted.VersionID {
		t.Errorf("the key itself: %v", err)
	}
	if _, err := h.GetObject(ctx, store.GetObject{Bucket: versioned, Key: "k", VersionID: deleted.VersionID}); !errors.Is(err, object.MethodNotAllowed) {
		t.Errorf("the marker: %v", err)
	}
	if got, _, err := h.get(store.GetObject{Bucket: versioned, Key: "k", VersionID: first.ID()}); err != nil || string(got) != "one" {
		t.Errorf("the first version: %q, %v", got, err)
	}
	if got, _, err := h.get(store.GetObject{Bucket: versioned, Key: "k", VersionID: second.ID()}); err != nil || len(got) != 2*mib {
		t.Errorf("the second version: %d bytes, %v", len(got), err)
	}
}

// TestBadBytes loses or damages a chunk: a GET ends with an error of its own, never "no such key".
func TestBadBytes(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(h *harness, id object.ChunkID)
		want  object.Kind
	}{
		{"lost", func(h *harness, id object.ChunkID) { h.node.Drop(id) }, object.LostBytes},
		{"damaged", func(h *harness, id object.ChunkID) { h.node.Damage(id, 70*kib) }, object.Corrupt},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHarness(t)
			data := randomBytes(1, 3*mib)
			h.put(bucket, "k", data)
			row.spoil(h, h.node.Chunks()[1])
			got, _, err := h.get(store.GetObject{Bucket: bucket, Key: "k"})
			if !errors.Is(err, row.want) || errors.Is(err, object.NoSuchKey) || !bytes.Equal(got, data[:mib]) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestReadOutlivesItsKey: a GET that has begun ends with the version it began with, whatever happens to the key.
func TestReadOutlivesItsKey(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	old := randomBytes(1, 3*mib)
	h.put(bucket, "k", old)
	o, err := h.GetObject(ctx, store.GetObject{Bucket: bucket, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	h.put(bucket, "k", []byte("new"))
	if _, _, err := h.DeleteObject(ctx, bucket, fdblayer.DeleteObject{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := o.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), old) {
		t.Errorf("read %d bytes, %v", out.Len(), err)
	}
	if err := errors.Join(o.Close(), o.Close()); err != nil {
		t.Error(err)
	}
	h.absent(bucket, "k")
}

// TestGetEndsWithContext: a read whose request is over stops.
func TestGetEndsWithContext(t *testing.T) {
	h := newHarness(t)
	h.put(bucket, "k", randomBytes(1, 9*mib))
	ctx, cancel := context.WithCancel(context.Background())
	o, err := h.GetObject(ctx, store.GetObject{Bucket: bucket, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	cancel()
	if _, err := o.WriteTo(io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
