package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
	"github.com/stampede-store/stampede/store"
)

// TestUpload makes an object of some of the uploaded parts, one of which was replaced, and completes twice.
func TestUpload(t *testing.T) {
	for _, b := range []object.BucketName{bucket, versioned} {
		t.Run(string(b), func(t *testing.T) {
			h := newHarness(t)
			ctx := context.Background()
			meta := object.Metadata{Headers: object.Headers{ContentType: "video/x"}, User: map[string]string{"a": "b"}}
			u, _, err := h.CreateUpload(ctx, b, object.Upload{Key: "k", Metadata: meta})
			if err != nil {
				t.Fatal(err)
			}
			if u.ID.IsZero() || !u.Initiated.Equal(clock) {
				t.Errorf("upload is %+v", u)
			}
			one, two, last := randomBytes(1, 5*mib), randomBytes(2, 5*mib+9), randomBytes(3, 300)
			h.putPart(b, u, 2, randomBytes(9, 5*mib))
			p7 := h.putPart(b, u, 7, two)
			h.putPart(b, u, 5, []byte("is not listed"))
			p2 := h.putPart(b, u, 2, one) // replaces
			p9 := h.putPart(b, u, 9, last)
			h.absent(b, "k")
			c := store.CompleteUpload{Bucket: b, Key: "k", Upload: u.ID, Parts: []store.CompletePart{p2, p7, p9}, SizeBytes: -1}
			made, err := h.CompleteUpload(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			h.want(b, "k", slices.Concat(one, two, last))
			v := made.Version
			if v.SizeBytes != 10*mib+309 || v.Metadata.Headers.ContentType != "video/x" || v.Metadata.User["a"] != "b" || v.ETag[32:] != "-3" {
				t.Errorf("made %+v", v)
			}
			again, err := h.CompleteUpload(ctx, c)
			if err != nil || again.Version.ETag != v.ETag || again.Version.ID() != v.ID() {
				t.Errorf("completed again: %+v, %v", again.Version, err)
			}
			if _, _, err := h.PutPart(ctx, store.PutPart{Bucket: b, Key: "k", Upload: u.ID, Number: 1, SizeBytes: 0}); !errors.Is(err, object.NoSuchUpload) {
				t.Errorf("a part of a completed upload: %v", err)
			}
			if _, err := h.AbortUpload(ctx, b, "k", u.ID); !errors.Is(err, object.NoSuchUpload) {
				t.Errorf("aborting a completed upload: %v", err)
			}
		})
	}
}

// TestUploadConditions completes on conditions.
func TestUploadConditions(t *testing.T) {
	for _, row := range []struct {
		name string
		c    store.Conditions
		want error
	}{
		{"if-none-match any", store.Conditions{IfNoneMatch: []object.ETag{"*"}}, object.PreconditionFailed},
		{"if-match other", store.Conditions{IfMatch: []object.ETag{"x"}}, object.PreconditionFailed},
		{"if-match", store.Conditions{IfMatch: []object.ETag{md5Hex([]byte("old"))}}, nil},
		{"condition S3 lacks", store.Conditions{IfNoneMatch: []object.ETag{"x"}}, object.NotImplemented},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHarness(t)
			h.put(bucket, "k", []byte("old"))
			u, _, err := h.CreateUpload(context.Background(), bucket, object.Upload{Key: "k"})
			if err != nil {
				t.Fatal(err)
			}
			p := h.putPart(bucket, u, 1, []byte("new"))
			_, err = h.CompleteUpload(context.Background(), store.CompleteUpload{
				Bucket: bucket, Key: "k", Upload: u.ID, Parts: []store.CompletePart{p}, SizeBytes: -1, If: row.c,
			})
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if row.want == nil {
				h.want(bucket, "k", []byte("new"))
			} else {
				h.want(bucket, "k", []byte("old"))
			}
		})
	}
}

// TestPutPartRefused sends parts that must not be taken: nothing of them is stored.
func TestPutPartRefused(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	u, _, err := h.CreateUpload(ctx, bucket, object.Upload{Key: "k", Algorithm: object.CRC32, Composite: true})
	if err != nil {
		t.Fatal(err)
	}
	data := randomBytes(1, 2*mib)
	for _, row := range []struct {
		name   string
		change func(p *store.PutPart)
		want   object.Kind
	}{
		{"number 0", func(p *store.PutPart) { p.Number = 0 }, object.InvalidArgument},
		{"number 10001", func(p *store.PutPart) { p.Number = 10_001 }, object.InvalidArgument},
		{"other upload", func(p *store.PutPart) { p.Upload = object.Stamp{Era: 7} }, object.NoSuchUpload},
		{"other key", func(p *store.PutPart) { p.Key = "other" }, object.NoSuchUpload},
		{"other bucket", func(p *store.PutPart) { p.Bucket = versioned }, object.NoSuchUpload},
		{"no bucket", func(p *store.PutPart) { p.Bucket = missing }, object.NoSuchBucket},
		{"other algorithm", func(p *store.PutPart) { p.Digests.Algorithm = object.SHA256 }, object.InvalidRequest},
		{"wrong checksum", func(p *store.PutPart) {
			p.Digests.Algorithm, p.Digests.Value = object.CRC32, make([]byte, 4)
		}, object.BadDigest},
		{"wrong md5", func(p *store.PutPart) { p.Digests.MD5 = make([]byte, 16) }, object.BadDigest},
		{"shorter", func(p *store.PutPart) { p.SizeBytes++ }, object.IncompleteBody},
		{"too large", func(p *store.PutPart) { p.SizeBytes = object.PutMaxBytes + 1 }, object.EntityTooLarge},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := store.PutPart{Bucket: bucket, Key: "k", Upload: u.ID, Number: 1, Body: bytes.NewReader(data), SizeBytes: int64(len(data))}
			row.change(&p)
			if _, _, err := h.PutPart(ctx, p); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if left := h.node.Chunks(); len(left) > 0 {
				t.Errorf("%d chunks are left", len(left))
			}
		})
	}
	page, err := h.ListParts(ctx, bucket, "k", u.ID, 0, 1000)
	if err != nil || len(page.Parts) != 0 {
		t.Errorf("parts are listed: %+v, %v", page.Parts, err)
	}
}

// TestUploadChecksums uploads with each algorithm and type, checksums not being given for every part: they are
// computed, listed, and make that of the whole.
func TestUploadChecksums(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	one, two := randomBytes(1, 5*mib), randomBytes(2, 77)
	for _, a := range checksum.Algorithms() {
		composite := store.CompositeByDefault(a)
		t.Run(checksum.Name(a), func(t *testing.T) {
			h.t = t
			u, _, err := h.CreateUpload(ctx, bucket, object.Upload{Key: "k", Algorithm: a, Composite: composite})
			if err != nil {
				t.Fatal(err)
			}
			list := []store.CompletePart{h.putPart(bucket, u, 1, one), h.putPart(bucket, u, 2, two)}
			page, err := h.ListParts(ctx, bucket, "k", u.ID, 0, 1000)
			if err != nil || len(page.Parts) != 2 || page.Upload.Algorithm != a {
				t.Fatalf("listed %+v, %v", page, err)
			}
			for i, p := range page.Parts {
				list[i].Checksum = p.Checksum
			}
			made, err := h.CompleteUpload(ctx, store.CompleteUpload{Bucket: bucket, Key: "k", Upload: u.ID, Parts: list, SizeBytes: -1})
			if err != nil {
				t.Fatal(err)
			}
			h1 := checksum.New(a)
			if composite {
				for _, p := range page.Parts {
					h1.Write(p.Checksum.Value)
				}
			} else {
				h1.Write(slices.Concat(one, two))
			}
			_, o, err := h.get(store.GetObject{Bucket: bucket, Key: "k"})
			if err != nil {
				t.Fatal(err)
			}
			for name, sum := range map[string]*object.Checksum{"made": made.Version.Checksum, "read": o.Version.Checksum} {
				if sum == nil || sum.Algorithm != a || sum.Composite != composite || !bytes.Equal(sum.Value, h1.Sum(nil)) {
					t.Errorf("%s: %+v", name, sum)
				}
			}
		})
	}
	for _, u := range []object.Upload{{Key: "k", Algorithm: object.CRC64NVME, Composite: true}, {Key: "k", Algorithm: object.SHA1}, {Key: "k", Composite: true}} {
		if _, _, err := h.CreateUpload(ctx, bucket, u); !errors.Is(err, object.InvalidRequest) {
			t.Errorf("%+v: got %v", u, err)
		}
	}
}

// TestGaps reads an object whose part numbers lie far apart, over all borders.
func TestGaps(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	u, _, err := h.CreateUpload(ctx, bucket, object.Upload{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	const count = 6
	data := randomBytes(1, object.PartMinBytes)
	var list []store.CompletePart
	for i := range count {
		data[0] = byte(i)
		list = append(list, h.putPart(bucket, u, 1+i*(object.PartsMax-1)/(count-1), data))
	}
	if _, err := h.CompleteUpload(ctx, store.CompleteUpload{Bucket: bucket, Key: "k", Upload: u.ID, Parts: list, SizeBytes: count * object.PartMinBytes}); err != nil {
		t.Fatal(err)
	}
	got, _, err := h.get(store.GetObject{Bucket: bucket, Key: "k"})
	if err != nil || len(got) != count*object.PartMinBytes {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	for i := range count {
		part := got[i*object.PartMinBytes:][:object.PartMinBytes]
		if part[0] != byte(i) || !bytes.Equal(part[1:], data[1:]) {
			t.Errorf("part %d is wrong", i)
		}
	}
}

// TestAbort ends an upload; listings forget it.
func TestAbort(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	var ids []object.Stamp
	for i := range 3 {
		u, _, err := h.CreateUpload(ctx, bucket, object.Upload{Key: object.Key(fmt.Sprintf("k%d", i))})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
		h.putPart(bucket, u, 1, randomBytes(1, 2*mib))
	}
	if _, err := h.AbortUpload(ctx, bucket, "k1", ids[1]); err != nil {
		t.Fatal(err)
	}
	page, err := h.ListUploads(ctx, fdblayer.ListUploads{Bucket: bucket, UploadsMax: 10})
	if err != nil || len(page.Uploads) != 2 || page.Uploads[0].ID != ids[0] || page.Uploads[1].ID != ids[2] {
		t.Errorf("listed %+v, %v", page, err)
	}
	if _, _, err := h.GetUpload(ctx, bucket, "k1", ids[1]); !errors.Is(err, object.NoSuchUpload) {
		t.Errorf("the upload itself: %v", err)
	}
	if _, _, err := h.GetUpload(ctx, bucket, "k2", ids[2]); err != nil {
		t.Errorf("another upload: %v", err)
	}
	if _, err := h.CompleteUpload(ctx, store.CompleteUpload{Bucket: bucket, Key: "k1", Upload: ids[1], Parts: []store.CompletePart{{Number: 1}}, SizeBytes: -1}); !errors.Is(err, object.NoSuchUpload) {
		t.Errorf("completing it: %v", err)
	}
}
