package fdblayer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/fdblayer/kv/kvenv"
	"github.com/stampede-store/stampede/object"
)

// clock is a clock that tests move. It is a wall clock and a monotonic one.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newEngine is an engine of the test's own, chosen by the environment.
func newEngine(t testing.TB) kv.Database {
	t.Helper()
	return kvenv.Open(t)
}

// combineMax makes all tests of the package put requests together, at most so many:
//
//	go test ./fdblayer -combine 16
var combineMax = flag.Int("combine", 0, "requests that are put together in one commit")

// combined is the option for it. One commit at a time, so that whatever comes beside it waits.
func combined(o *Options, most int) { o.CombineMax, o.CommitsInFlight = most, 1 }

// testLayer is a Layer whose heartbeats and clock the test drives.
type testLayer struct {
	*Layer
	t     testing.TB
	clock *clock
}

// newLayer opens a Layer that beats only when told to.
func newLayer(t testing.TB, db kv.Database, change ...func(*Options)) *testLayer {
	t.Helper()
	c := newClock()
	o := Options{DB: db, Prefix: []byte("test"), Now: c.Now, Monotonic: c.Now, HeartbeatEvery: 1000 * time.Hour}
	combined(&o, *combineMax)
	for _, f := range change {
		f(&o)
	}
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open a layer: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close the layer: %v", err)
		}
	})
	return &testLayer{Layer: l, t: t, clock: c}
}

// renewed does what the heartbeat does every second.
func (l *testLayer) renewed() {
	l.t.Helper()
	const unknownMax = 10 // the heartbeat beats again after a second, whatever became of the last one
	err := l.renew(l.t.Context())
	for range unknownMax {
		if !kv.KindOf(err).Unknown() {
			break
		}
		err = l.renew(l.t.Context())
	}
	if err != nil {
		l.t.Fatalf("renew the session: %v", err)
	}
}

// age lets all that is there become old enough for the reaper.
func (l *testLayer) age() {
	l.t.Helper()
	l.renewed()
	for range 6 {
		l.clock.advance(time.Second)
		l.renewed()
	}
}

func (l *testLayer) bucket(name object.BucketName, v object.Versioning) {
	l.t.Helper()
	_, err := l.CreateBucket(l.t.Context(), object.Bucket{Name: name, Owner: "me", Versioning: v, Created: l.clock.Now()})
	if err != nil {
		l.t.Fatalf("create bucket %s: %v", name, err)
	}
}

// version is an object with some bytes.
func version(k object.Key, content string) object.Version {
	sum := md5.Sum([]byte(content))
	return object.Version{
		Key: k, SizeBytes: int64(len(content)), ETag: object.ETag(hex.EncodeToString(sum[:])),
		LastModified: time.UnixMilli(1_700_000_000_000), Content: object.Content{Inline: []byte(content)},
	}
}

func (l *testLayer) put(b object.BucketName, k object.Key, content string) Put {
	l.t.Helper()
	p, err := l.PutObject(l.t.Context(), PutObject{Bucket: b, Version: version(k, content)})
	if err != nil {
		l.t.Fatalf("put %s/%s: %v", b, k, err)
	}
	return p
}

// putBlob puts an object whose content is a blob.
func (l *testLayer) putBlob(b object.BucketName, k object.Key) (Put, object.BlobID) {
	l.t.Helper()
	lease, err := l.NewBlob()
	if err != nil {
		l.t.Fatal(err)
	}
	p, err := l.PutObject(l.t.Context(), PutObject{Bucket: b, Version: blobVersion(k, lease), Lease: lease})
	if err != nil {
		l.t.Fatalf("put %s/%s: %v", b, k, err)
	}
	return p, lease.ID()
}

func blobVersion(k object.Key, lease *BlobLease) object.Version {
	v := version(k, "")
	v.SizeBytes = 1 << 20
	v.Content = object.Content{Blob: &object.Blob{
		ID: lease.ID(), Group: lease.Group(), SizeBytes: v.SizeBytes, StripeBytes: 1 << 20, Copies: 1,
	}}
	return v
}

// read is the content of a key, or "no such key", "marker".
func (l *testLayer) get(b object.BucketName, k object.Key, id string) string {
	l.t.Helper()
	r, err := l.OpenVersion(l.t.Context(), b, k, id)
	if err != nil {
		return kindText(err)
	}
	defer r.Close()
	switch c := r.Version.Content; {
	case r.Version.Kind.IsMarker():
		return "marker"
	case c.Blob != nil:
		return "blob " + c.Blob.ID.String()
	case c.Manifest != nil:
		return "manifest " + c.Manifest.Upload.String()
	default:
		return string(c.Inline)
	}
}

func (l *testLayer) del(b object.BucketName, k object.Key, id string) Deleted {
	l.t.Helper()
	d, _, err := l.DeleteObjects(l.t.Context(), b, []DeleteObject{{Key: k, VersionID: id}})
	if err != nil {
		l.t.Fatalf("delete %s/%s %q: %v", b, k, id, err)
	}
	if d[0].Err != nil {
		l.t.Fatalf("delete %s/%s %q: %v", b, k, id, d[0].Err)
	}
	return d[0]
}

// reap runs the reaper until nothing is left that is old enough, and returns the number of events ended.
func (l *testLayer) reap() (ended int) {
	l.t.Helper()
	for shard := range Shards {
		var c Cursor
		for {
			n, next, err := l.Reap(l.t.Context(), shard, c, 10)
			if err != nil {
				l.t.Fatalf("reap shard %d: %v", shard, err)
			}
			ended += n
			if n == 0 {
				break
			}
			c = next
		}
	}
	return ended
}

// emptyTrash does what the janitor does, and returns the blobs that it would delete.
func (l *testLayer) emptyTrash() (deleted []object.BlobID) {
	l.t.Helper()
	for again := true; again; {
		again = false
		for shard := range Shards {
			trash, _, err := l.ListTrash(l.t.Context(), shard, Cursor{}, 10)
			if err != nil {
				l.t.Fatalf("list trash of shard %d: %v", shard, err)
			}
			for _, x := range trash {
				if x.Blob != nil {
					deleted = append(deleted, x.Blob.ID)
				}
			}
			if err := l.ClearTrash(l.t.Context(), trash); err != nil {
				l.t.Fatalf("clear trash: %v", err)
			}
			again = again || len(trash) > 0
		}
	}
	return deleted
}

// rows counts the rows of a range.
func (l *testLayer) rows(r kv.Range) int {
	l.t.Helper()
	var n int
	_, err := kv.Run(l.t.Context(), l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		page, err := tx.Snapshot().GetRange(r, kv.RangeOptions{}).Get(l.t.Context())
		n = len(page.Rows)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// kindText is the text of an error's kind.
func kindText(err error) string {
	for _, k := range object.Kinds() {
		if isKind(err, k) {
			return k.Error()
		}
	}
	return fmt.Sprint(err)
}

func queueOf(tag string) keys.Queue { return keys.Queue(tag) }
