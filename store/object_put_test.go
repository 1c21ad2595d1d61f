package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkwire"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/object/checksum"
	"github.com/stampede-store/stampede/store"
)

// TestPutGet stores objects of sizes around every border, of known and unknown length, and reads them back with all that was
// stored beside them.
func TestPutGet(t *testing.T) {
	h := newHarness(t)
	meta := object.Metadata{
		Headers: object.Headers{ContentType: "text/plain", CacheControl: "no-store", Expires: "never"},
		User:    map[string]string{"colour": "grün"},
		Tags:    map[string]string{"a": "b"},
	}
	for _, b := range []object.BucketName{bucket, versioned} {
		for _, size := range []int{0, 1, 1 * kib, 1*kib + 1, 4 * kib, 4*kib + 1, 64 * kib, mib, mib + 1, 5*mib + 3} {
			for _, known := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%d/known=%v", b, size, known), func(t *testing.T) {
					data := randomBytes(uint64(size), size)
					key := object.Key(fmt.Sprintf("key %d %v", size, known))
					p := store.PutObject{Bucket: b, Key: key, Body: bytes.NewReader(data), SizeBytes: -1, Metadata: meta, Digests: store.Digests{Algorithm: object.SHA256}}
					if known {
						p.SizeBytes = int64(size)
					}
					made, err := h.PutObject(context.Background(), p)
					if err != nil {
						t.Fatal(err)
					}
					got, o, err := h.get(store.GetObject{Bucket: b, Key: key})
					if err != nil || !bytes.Equal(got, data) {
						t.Fatalf("read %d bytes, %v", len(got), err)
					}
					for name, v := range map[string]object.Version{"made": made.Version, "read": o.Version} {
						sum := checksum.New(object.SHA256)
						sum.Write(data)
						if v.ETag != md5Hex(data) || v.SizeBytes != int64(size) || !v.LastModified.Equal(clock) || v.Key != key ||
							v.Metadata.Headers != meta.Headers || v.Metadata.User["colour"] != "grün" || v.Metadata.Tags["a"] != "b" ||
							v.Checksum == nil || !bytes.Equal(v.Checksum.Value, sum.Sum(nil)) {
							t.Errorf("%s: %+v", name, v)
						}
					}
					inlineMax := object.InlineMaxBytes
					if b == versioned {
						inlineMax = object.InlineVersionedMaxBytes
					}
					c := o.Version.Content
					if inline, blob := c.Inline != nil, c.Blob != nil; inline != (size > 0 && size <= inlineMax) || blob != (size > inlineMax) {
						t.Errorf("%d bytes are inline: %v, a blob: %v", size, inline, blob)
					}
				})
			}
		}
	}
}

// failingReader gives data, then err.
func failingReader(data []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(data), iotest.ErrReader(err))
}

// TestPutRefused sends bodies that must not become objects, short and long: the error is the one that says why,
// no object is there, and no chunk is left.
func TestPutRefused(t *testing.T) {
	broken := errors.New("signature of a chunk is wrong")
	for _, size := range []int{100, 3 * kib, 3*mib + 1} {
		data := randomBytes(1, size)
		good := func() store.PutObject {
			return store.PutObject{Bucket: bucket, Key: "k", Body: bytes.NewReader(data), SizeBytes: int64(size)}
		}
		for _, row := range []struct {
			name   string
			change func(p *store.PutObject)
			want   error
		}{
			{"shorter", func(p *store.PutObject) { p.SizeBytes++ }, object.IncompleteBody},
			{"longer", func(p *store.PutObject) { p.SizeBytes-- }, object.IncompleteBody},
			{"no body", func(p *store.PutObject) { p.Body = nil }, object.IncompleteBody},
			{"cut off", func(p *store.PutObject) { p.Body = failingReader(data[:size/2], io.ErrUnexpectedEOF) }, object.IncompleteBody},
			{"reader fails", func(p *store.PutObject) { p.Body = failingReader(data[:size/2], broken) }, broken},
			{"reader fails at the end", func(p *store.PutObject) { p.Body = failingReader(data, broken) }, broken},
			{"reader fails, unknown size", func(p *store.PutObject) { p.Body, p.SizeBytes = failingReader(data, broken), -1 }, broken},
			{"reader gives a kind", func(p *store.PutObject) {
				p.Body = failingReader(data, &object.Error{Kind: object.ContentSHA256Mismatch})
			}, object.ContentSHA256Mismatch},
			{"md5 wrong", func(p *store.PutObject) { p.Digests.MD5 = make([]byte, 16) }, object.BadDigest},
			{"md5 malformed", func(p *store.PutObject) { p.Digests.MD5 = make([]byte, 5) }, object.InvalidDigest},
			{"checksum wrong", func(p *store.PutObject) {
				p.Digests.Algorithm, p.Digests.Value = object.CRC32, make([]byte, 4)
			}, object.BadDigest},
			{"trailer wrong", func(p *store.PutObject) {
				p.Digests.Algorithm = object.SHA1
				p.Digests.Trailer = func() ([]byte, error) { return make([]byte, 20), nil }
			}, object.BadDigest},
			{"trailer fails", func(p *store.PutObject) {
				p.Digests.Algorithm = object.SHA1
				p.Digests.Trailer = func() ([]byte, error) { return nil, broken }
			}, broken},
			{"too large", func(p *store.PutObject) { p.SizeBytes = object.PutMaxBytes + 1 }, object.EntityTooLarge},
			{"no bucket", func(p *store.PutObject) { p.Bucket = missing }, object.NoSuchBucket},
			{"bucket name", func(p *store.PutObject) { p.Bucket = "NO" }, object.InvalidBucketName},
			{"no key", func(p *store.PutObject) { p.Key = "" }, object.InvalidArgument},
			{"key too long", func(p *store.PutObject) { p.Key = object.Key(strings.Repeat("x", 1025)) }, object.KeyTooLong},
			{"key not UTF-8", func(p *store.PutObject) { p.Key = "\xff" }, object.InvalidArgument},
			{"metadata too large", func(p *store.PutObject) {
				p.Metadata.User = map[string]string{"a": strings.Repeat("x", 2048)}
			}, object.MetadataTooLarge},
			{"headers too large", func(p *store.PutObject) { p.Metadata.Headers.ContentType = strings.Repeat("x", 9000) }, object.MetadataTooLarge},
			{"tag without a key", func(p *store.PutObject) { p.Metadata.Tags = map[string]string{"": "x"} }, object.InvalidTag},
			{"tag too long", func(p *store.PutObject) { p.Metadata.Tags = map[string]string{"k": strings.Repeat("ü", 257)} }, object.InvalidTag},
			{"if-match without an object", func(p *store.PutObject) { p.If.IfMatch = []object.ETag{"x"} }, object.NoSuchKey},
			{"condition S3 lacks", func(p *store.PutObject) { p.If.IfModifiedSince = time.Unix(1, 0) }, object.NotImplemented},
		} {
			t.Run(fmt.Sprintf("%d/%s", size, row.name), func(t *testing.T) {
				h := newHarness(t)
				p := good()
				row.change(&p)
				if _, err := h.PutObject(context.Background(), p); !errors.Is(err, row.want) {
					t.Errorf("got %v, want %v", err, row.want)
				}
				h.absent(bucket, "k")
				if left := h.node.Chunks(); len(left) > 0 {
					t.Errorf("%d chunks are left", len(left))
				}
			})
		}
	}
}

// TestPutConditional writes on conditions over an object.
func TestPutConditional(t *testing.T) {
	first, second := randomBytes(1, 10), randomBytes(2, 2*mib)
	for _, row := range []struct {
		name string
		c    store.Conditions
		want error
	}{
		{"if-none-match any", store.Conditions{IfNoneMatch: []object.ETag{"*"}}, object.PreconditionFailed},
		{"if-match", store.Conditions{IfMatch: []object.ETag{md5Hex(first)}}, nil},
		{"if-match any", store.Conditions{IfMatch: []object.ETag{"*"}}, nil},
		{"if-match other", store.Conditions{IfMatch: []object.ETag{md5Hex(second)}}, object.PreconditionFailed},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHarness(t)
			h.put(bucket, "k", first)
			_, err := h.PutObject(context.Background(), store.PutObject{Bucket: bucket, Key: "k", Body: bytes.NewReader(second), SizeBytes: int64(len(second)), If: row.c})
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if row.want == nil {
				h.want(bucket, "k", second)
				return
			}
			h.want(bucket, "k", first)
			if left := h.node.Chunks(); len(left) > 0 {
				t.Errorf("%d chunks are left", len(left))
			}
		})
	}
}

// TestPutNodeFails lets the node refuse a chunk: the client is told what it may do, and nothing is left.
func TestPutNodeFails(t *testing.T) {
	for _, row := range []struct {
		node, want object.Kind
	}{
		{object.Full, object.Full},
		{object.Unavailable, object.Unavailable},
		{object.Fenced, object.Unavailable},
	} {
		t.Run(row.node.Error(), func(t *testing.T) {
			node := &clienttest.Node{BeforePut: func(_ context.Context, p chunkwire.Put) error {
				if p.ID.Stripe == 2 {
					return &object.Error{Op: "node", Kind: row.node}
				}
				return nil
			}}
			h := newHarnessOn(t, setup{node: node})
			data := randomBytes(1, 5*mib)
			_, err := h.PutObject(context.Background(), store.PutObject{Bucket: bucket, Key: "k", Body: bytes.NewReader(data), SizeBytes: -1})
			var kind object.Kind
			if !errors.As(err, &kind) || kind != row.want {
				t.Errorf("got %v, want %v", err, row.want)
			}
			h.absent(bucket, "k")
			if left := node.Chunks(); len(left) > 0 {
				t.Errorf("%d chunks are left", len(left))
			}
		})
	}
}

// TestPutCancelled ends the request while its body arrives, as a disconnect does.
func TestPutCancelled(t *testing.T) {
	for _, size := range []int{100, 3 * mib} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			h := newHarness(t)
			ctx, cancel := context.WithCancel(context.Background())
			body := io.MultiReader(bytes.NewReader(make([]byte, size)), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, io.EOF
			}))
			if _, err := h.PutObject(ctx, store.PutObject{Bucket: bucket, Key: "k", Body: body, SizeBytes: -1}); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			h.absent(bucket, "k")
			if left := h.node.Chunks(); len(left) > 0 {
				t.Errorf("%d chunks are left", len(left))
			}
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
