package store_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stampede-store/stampede/chunkclient"
	"github.com/stampede-store/stampede/chunkclient/clienttest"
	"github.com/stampede-store/stampede/chunkd/segment"
	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvenv"
	"github.com/stampede-store/stampede/fdblayer/kv/pebblekv"
	"github.com/stampede-store/stampede/object"
	"github.com/stampede-store/stampede/store"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	// bucket is there in every harness; versioned keeps versions.
	bucket    = object.BucketName("the-bucket")
	versioned = object.BucketName("the-versioned-bucket")
	missing   = object.BucketName("no-such-bucket")
)

// clock is the time of every version.
var clock = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

// harness is a store on the engine that the environment chooses.
type harness struct {
	*store.Store
	t     testing.TB
	layer *fdblayer.Layer
	// node is the chunk node, unless the test brought its own.
	node *clienttest.Node
}

// setup are a test's choices of a harness. The zero value is good.
type setup struct {
	// fs holds the metadata of the embedded engine, in the folder dir; default: the engine of the environment.
	fs  vfs.FS
	dir string
	// node is the chunk node; default: a clienttest.Node.
	node chunkclient.Node
	// database wraps the engine.
	database func(kv.Database) kv.Database
	// heartbeat is the time between heartbeats; default: fdblayer's.
	heartbeat time.Duration
	// unsettled: the test leaves an outcome unknown, so closing does not wait for it.
	unsettled bool
}

func newHarness(t testing.TB) *harness { return newHarnessOn(t, setup{}) }

// openEngine opens the engine of the environment, unless the test has a file system for it.
func (o setup) openEngine(t testing.TB) kv.Database {
	t.Helper()
	if o.fs == nil {
		return kvenv.Open(t)
	}
	db, err := pebblekv.Open(pebblekv.Options{Dir: filepath.Join(o.dir, "metadata"), FS: o.fs, CacheBytes: mib, MemTableBytes: 4 * mib, ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, db.Close()) })
	return db
}

// newHarnessOn opens a store with the two buckets, which a store opened before on the same file
// system may have made.
func newHarnessOn(t testing.TB, o setup) *harness {
	t.Helper()
	h := &harness{t: t}
	if o.node == nil {
		h.node = &clienttest.Node{}
		o.node = h.node
	}
	db := o.openEngine(t)
	if o.database != nil {
		db = o.database(db)
	}
	var err error
	h.layer, err = fdblayer.Open(context.Background(), fdblayer.Options{DB: db, SoleProcess: true, HeartbeatEvery: o.heartbeat})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if o.unsettled {
			cancel()
		}
		if err := h.layer.Close(ctx); err != nil && !(o.unsettled && errors.Is(err, context.Canceled)) {
			t.Error(err)
		}
	})
	lease, err := h.layer.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	lease.Abandon()
	chunks, err := chunkclient.New(chunkclient.Options{Groups: chunkclient.FixedGroups{lease.Group(): {o.node}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		check(t, chunks.Close(context.Background()))
		if held := chunks.Stats().MemoryBytes; held != 0 {
			t.Errorf("%d bytes of memory are still held", held)
		}
	})
	h.Store = store.New(store.Options{Layer: h.layer, Chunks: chunks, Now: func() time.Time { return clock }})
	for _, b := range []object.Bucket{
		{Name: bucket, Owner: "me", Region: "here"},
		{Name: versioned, Owner: "me", Versioning: object.VersioningEnabled},
	} {
		if _, err := h.CreateBucket(context.Background(), b); err != nil && !errors.Is(err, object.BucketAlreadyOwnedByYou) {
			t.Fatal(err)
		}
	}
	return h
}

// openSegments opens a real chunk node in a folder of a file system.
func openSegments(t testing.TB, fs vfs.FS, dir string) *segment.Store {
	t.Helper()
	s, err := segment.Open(segment.Options{Dir: filepath.Join(dir, "chunks"), FS: fs, Node: 1, SegmentBytes: 64 * mib, MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b) // never fails
	return b
}

func md5Hex(b []byte) object.ETag {
	sum := md5.Sum(b)
	return object.ETag(hex.EncodeToString(sum[:]))
}

// put stores an object that must succeed.
func (h *harness) put(b object.BucketName, k object.Key, data []byte) object.Version {
	h.t.Helper()
	made, err := h.PutObject(context.Background(), store.PutObject{Bucket: b, Key: k, Body: bytes.NewReader(data), SizeBytes: int64(len(data))})
	if err != nil {
		h.t.Fatal(err)
	}
	return made.Version
}

// get reads what g asks for.
func (h *harness) get(g store.GetObject) ([]byte, *store.Object, error) {
	o, err := h.GetObject(context.Background(), g)
	if err != nil {
		return nil, o, err
	}
	var out bytes.Buffer
	n, err := o.WriteTo(&out)
	if err == nil && n != o.Length {
		err = io.ErrUnexpectedEOF
	}
	return out.Bytes(), o, errors.Join(err, o.Close())
}

// want checks that a key has exactly these bytes.
func (h *harness) want(b object.BucketName, k object.Key, data []byte) {
	h.t.Helper()
	got, o, err := h.get(store.GetObject{Bucket: b, Key: k})
	if err != nil || !bytes.Equal(got, data) || o.Version.SizeBytes != int64(len(data)) {
		h.t.Errorf("%s/%s has %d bytes (%v), want %d", b, k, len(got), err, len(data))
	}
}

// absent checks that a key has no object.
func (h *harness) absent(b object.BucketName, k object.Key) {
	h.t.Helper()
	if _, err := h.HeadObject(context.Background(), store.GetObject{Bucket: b, Key: k}); !errors.Is(err, object.NoSuchKey) {
		h.t.Errorf("%s/%s: got %v, want no such key", b, k, err)
	}
}

// upload makes a multipart object of pieces with the part numbers 1, 2, ….
func (h *harness) upload(b object.BucketName, k object.Key, pieces ...[]byte) object.Version {
	h.t.Helper()
	ctx := context.Background()
	u, _, err := h.CreateUpload(ctx, b, object.Upload{Key: k})
	if err != nil {
		h.t.Fatal(err)
	}
	var list []store.CompletePart
	for i, data := range pieces {
		list = append(list, h.putPart(b, u, i+1, data))
	}
	made, err := h.CompleteUpload(ctx, store.CompleteUpload{Bucket: b, Key: k, Upload: u.ID, Parts: list, SizeBytes: int64(len(slices.Concat(pieces...)))})
	if err != nil {
		h.t.Fatal(err)
	}
	return made.Version
}

func (h *harness) putPart(b object.BucketName, u object.Upload, number int, data []byte) store.CompletePart {
	h.t.Helper()
	p, _, err := h.PutPart(context.Background(), store.PutPart{
		Bucket: b, Key: u.Key, Upload: u.ID, Number: number, Body: bytes.NewReader(data), SizeBytes: int64(len(data)),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return store.CompletePart{Number: number, ETag: p.ETag}
}
