package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

// TestCopy copies objects of every kind of content: no byte moves, and the copy outlives its source.
func TestCopy(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	inline, blob, part1, part2 := randomBytes(1, 100), randomBytes(2, 2*mib+1), randomBytes(3, 5*mib), randomBytes(4, 5)
	h.put(bucket, "inline", inline)
	h.put(bucket, "blob", blob)
	h.put(bucket, "empty", nil)
	h.upload(bucket, "parts", part1, part2)
	putsBefore, _, _ := h.node.Calls()
	for key, data := range map[object.Key][]byte{"inline": inline, "blob": blob, "empty": nil, "parts": append(part1, part2...)} {
		t.Run(string(key), func(t *testing.T) {
			h.t = t
			to := "copy of " + key
			made, source, err := h.CopyObject(ctx, store.CopyObject{Source: bucket, SourceKey: key, Bucket: versioned, Key: to})
			if err != nil {
				t.Fatal(err)
			}
			if made.Version.ETag != source.ETag || made.Version.Key != to || source.Key != key || made.Version.SizeBytes != int64(len(data)) {
				t.Errorf("made %+v of %+v", made.Version, source)
			}
			h.want(versioned, to, data)
			if _, _, err := h.DeleteObject(ctx, bucket, fdblayer.DeleteObject{Key: key}); err != nil {
				t.Fatal(err)
			}
			h.want(versioned, to, data)
		})
	}
	if puts, _, _ := h.node.Calls(); puts != putsBefore {
		t.Errorf("%d chunks were written by copying", puts-putsBefore)
	}
}

// TestCopyMetadata: metadata and tags go along, or are replaced, each by its own directive.
func TestCopyMetadata(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	meta := func(text string) object.Metadata {
		return object.Metadata{Headers: object.Headers{ContentType: text}, User: map[string]string{"u": text}, Tags: map[string]string{"t": text}}
	}
	if _, err := h.PutObject(ctx, store.PutObject{Bucket: bucket, Key: "k", SizeBytes: 0, Metadata: meta("old")}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name                 string
		replace, replaceTags bool
		header, tag          string
	}{
		{"copy", false, false, "old", "old"},
		{"replace", true, false, "new", "old"},
		{"replace tags", false, true, "old", "new"},
		{"replace all", true, true, "new", "new"},
	} {
		for _, to := range []object.Key{"other", "k"} {
			if to == "k" && !row.replace {
				continue // illegal: see TestCopyRefused
			}
			t.Run(row.name+" to "+string(to), func(t *testing.T) {
				if _, err := h.PutObject(ctx, store.PutObject{Bucket: bucket, Key: "k", SizeBytes: 0, Metadata: meta("old")}); err != nil {
					t.Fatal(err)
				}
				made, _, err := h.CopyObject(ctx, store.CopyObject{
					Source: bucket, SourceKey: "k", Bucket: bucket, Key: to,
					Replace: row.replace, ReplaceTags: row.replaceTags, Metadata: meta("new"),
				})
				if err != nil {
					t.Fatal(err)
				}
				m := made.Version.Metadata
				if m.Headers.ContentType != row.header || m.User["u"] != row.header || m.Tags["t"] != row.tag {
					t.Errorf("got %+v", m)
				}
			})
		}
	}
}

func TestCopyRefused(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	h.put(bucket, "k", []byte("abc"))
	h.put(bucket, "there", []byte("there"))
	h.put(versioned, "gone", []byte("x"))
	marker, _, err := h.DeleteObject(ctx, versioned, fdblayer.DeleteObject{Key: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	etag := md5Hex([]byte("abc"))
	for _, row := range []struct {
		name   string
		change func(c *store.CopyObject)
		want   error
	}{
		{"no source", func(c *store.CopyObject) { c.SourceKey = "none" }, object.NoSuchKey},
		{"no source bucket", func(c *store.CopyObject) { c.Source = missing }, object.NoSuchBucket},
		{"no target bucket", func(c *store.CopyObject) { c.Bucket = missing }, object.NoSuchBucket},
		{"no source version", func(c *store.CopyObject) { c.SourceID = object.Stamp{Era: 3}.String() }, object.NoSuchVersion},
		{"bad source version", func(c *store.CopyObject) { c.SourceID = "x" }, object.InvalidArgument},
		{"bad target", func(c *store.CopyObject) { c.Key = "" }, object.InvalidArgument},
		{"onto itself", func(c *store.CopyObject) { c.Key = "k" }, object.InvalidRequest},
		{"if-match", func(c *store.CopyObject) { c.SourceIf.IfMatch = []object.ETag{"x"} }, object.PreconditionFailed},
		{"if-none-match", func(c *store.CopyObject) { c.SourceIf.IfNoneMatch = []object.ETag{etag} }, object.PreconditionFailed},
		{"modified since", func(c *store.CopyObject) { c.SourceIf.IfModifiedSince = clock }, object.PreconditionFailed},
		{"unmodified since", func(c *store.CopyObject) { c.SourceIf.IfUnmodifiedSince = clock.Add(-time.Hour) }, object.PreconditionFailed},
		{"target is there", func(c *store.CopyObject) { c.Key, c.If.IfNoneMatch = "there", []object.ETag{"*"} }, object.PreconditionFailed},
		{"delete marker", func(c *store.CopyObject) { c.Source, c.SourceKey = versioned, "gone" }, object.NoSuchKey},
		{"delete marker by id", func(c *store.CopyObject) {
			c.Source, c.SourceKey, c.SourceID = versioned, "gone", marker.VersionID
		}, object.InvalidRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := store.CopyObject{Source: bucket, SourceKey: "k", Bucket: bucket, Key: "to"}
			row.change(&c)
			if _, _, err := h.CopyObject(ctx, c); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
	h.absent(bucket, "to")
	h.want(bucket, "there", []byte("there"))
}
