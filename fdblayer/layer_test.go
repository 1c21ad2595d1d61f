package fdblayer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

func isKind(err error, k object.Kind) bool { return errors.Is(err, k) }

// TestReopen: what was written is found by the next process; an unclean end is fenced by the folder's lock.
func TestReopen(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	first := newLayer(t, db)
	first.bucket("photos", object.Unversioned)
	first.put("photos", "cat", "meow")
	sole := newLayer(t, db, func(o *Options) { o.SoleProcess = true })
	if got := sole.get("photos", "cat", ""); got != "meow" {
		t.Errorf("the next process reads %q", got)
	}
	if first.Token().Cluster != sole.Token().Cluster {
		t.Errorf("cluster ids %q and %q differ", first.Token().Cluster, sole.Token().Cluster)
	}
	// The first one is a zombie now.
	if _, err := first.PutObject(t.Context(), PutObject{Bucket: "photos", Version: version("cat", "late")}); err == nil {
		t.Error("a fenced process could write")
	}
	if got := sole.get("photos", "cat", ""); got != "meow" {
		t.Errorf("after a fenced process wrote: %q", got)
	}
	first.renewed()
	first.put("photos", "cat", "again")
	if got := sole.get("photos", "cat", ""); got != "again" {
		t.Errorf("after the fenced process opened a new session: %q", got)
	}
}

// TestClose: a closed layer takes nothing more, and leaves no session, heartbeat or evidence.
func TestClose(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	l := newLayer(t, db)
	l.bucket("photos", object.Unversioned)
	l.put("photos", "cat", "meow")
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.PutObject(t.Context(), PutObject{Bucket: "photos", Version: version("cat", "late")}); !isKind(err, object.Unavailable) {
		t.Errorf("put after close: %v", err)
	}
	if _, err := l.NewBlob(); !isKind(err, object.Unavailable) {
		t.Errorf("new blob after close: %v", err)
	}
	for name, r := range map[string]kv.Range{
		"sessions": l.keys.Sessions(), "heartbeats": l.keys.Heartbeats(), "evidence": l.keys.AllEvidence(l.session.Load().id),
	} {
		if n := l.rows(r); n != 0 {
			t.Errorf("%d %s are left", n, name)
		}
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	l := newLayer(t, db)
	l.bucket("photos", object.Unversioned)
	l.bucket("films", object.VersioningEnabled)
	create := func(owner string) error {
		_, err := l.CreateBucket(t.Context(), object.Bucket{Name: "photos", Owner: owner})
		return err
	}
	if err := create("me"); !isKind(err, object.BucketAlreadyOwnedByYou) {
		t.Errorf("created again: %v", err)
	}
	if err := create("you"); !isKind(err, object.BucketAlreadyExists) {
		t.Errorf("created by another: %v", err)
	}
	b, token, err := l.GetBucket(t.Context(), "films")
	if err != nil || b.Name != "films" || b.Versioning != object.VersioningEnabled || token.Version == 0 {
		t.Errorf("get: %+v %v %v", b, token, err)
	}
	if _, _, err := l.GetBucket(t.Context(), "nothing"); !isKind(err, object.NoSuchBucket) {
		t.Errorf("get of an absent bucket: %v", err)
	}
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          []object.BucketName
		more          bool
	}{
		{"", "", 10, []object.BucketName{"films", "photos"}, false},
		{"", "", 1, []object.BucketName{"films"}, true},
		{"", "films", 10, []object.BucketName{"photos"}, false},
		{"p", "", 10, []object.BucketName{"photos"}, false},
		{"x", "", 10, nil, false},
		{"", "", 0, nil, false},
	} {
		page, err := l.ListBuckets(t.Context(), c.prefix, c.after, c.limit)
		var got []object.BucketName
		for _, b := range page.Buckets {
			got = append(got, b.Name)
		}
		if err != nil || !slices.Equal(got, c.want) || page.More != c.more || page.Token.Version == 0 {
			t.Errorf("list %+v: %v more %v, %v", c, got, page.More, err)
		}
	}
}

// TestDeleteBucket deletes buckets with and without something visible in them, and checks
// that nothing of a deleted one stays.
func TestDeleteBucket(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		versioning object.Versioning
		fill       func(l *testLayer, b object.BucketName)
		want       string
	}{
		{"empty", object.Unversioned, func(*testLayer, object.BucketName) {}, "<nil>"},
		{"object", object.Unversioned, func(l *testLayer, b object.BucketName) { l.put(b, "k", "1") }, "bucket not empty"},
		{"overwritten and deleted", object.Unversioned, func(l *testLayer, b object.BucketName) {
			l.putBlob(b, "k")
			l.put(b, "k", "2")
			l.del(b, "k", "")
		}, "<nil>"},
		{"many hidden", object.Unversioned, func(l *testLayer, b object.BucketName) {
			for i := range 150 {
				l.put(b, "k", fmt.Sprint(i))
			}
			l.del(b, "k", "")
		}, "<nil>"},
		{"uploads in progress", object.Unversioned, func(l *testLayer, b object.BucketName) {
			for range 120 {
				l.part(b, l.upload(b, "k"), 1)
			}
		}, "<nil>"},
		{"an upload in progress, one completed and deleted", object.Unversioned, func(l *testLayer, b object.BucketName) {
			done := l.upload(b, "k")
			l.part(b, done, 1)
			l.completes(b, done, 1)
			l.del(b, "k", "")
			l.part(b, l.upload(b, "k"), 1)
		}, "<nil>"},
		{"kept version", object.VersioningEnabled, func(l *testLayer, b object.BucketName) { l.put(b, "k", "1") }, "bucket not empty"},
		{"delete marker", object.VersioningEnabled, func(l *testLayer, b object.BucketName) { l.del(b, "k", "") }, "bucket not empty"},
		{"suspended, null version deleted", object.VersioningSuspended, func(l *testLayer, b object.BucketName) {
			l.put(b, "k", "1")
			l.put(b, "k", "2")
			l.del(b, "k", "null")
		}, "<nil>"},
		{"all versions deleted", object.VersioningEnabled, func(l *testLayer, b object.BucketName) {
			v := l.put(b, "k", "1").Version
			m := l.del(b, "k", "")
			l.del(b, "k", v.ID())
			l.del(b, "k", m.VersionID)
		}, "<nil>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := newEngine(t)
			l, other := newLayer(t, db), newLayer(t, db)
			l.bucket("bucket", c.versioning)
			c.fill(l, "bucket")
			other.get("bucket", "k", "") // to have it cached
			_, err := l.DeleteBucket(t.Context(), "bucket")
			if got := kindOrNil(err); got != c.want {
				t.Fatalf("delete: %s, want %s", got, c.want)
			}
			if err != nil {
				return
			}
			if _, err := other.PutObject(t.Context(), PutObject{Bucket: "bucket", Version: version("k", "late")}); !isKind(err, object.NoSuchBucket) {
				t.Errorf("put into the deleted bucket: %v", err)
			}
			if _, err := l.DeleteBucket(t.Context(), "bucket"); !isKind(err, object.NoSuchBucket) {
				t.Errorf("deleted again: %v", err)
			}
			l.bucket("bucket", object.Unversioned)
			if got := other.get("bucket", "k", ""); got != "no such key" {
				t.Errorf("the new bucket of that name has %q", got)
			}
			if err := other.Close(t.Context()); err != nil { // its marks would hold the trash back
				t.Fatal(err)
			}
			l.checkReclaimed("bucket")
		})
	}
}

// TestDeleteBucketAgainstPut has a write land between the reads and the commit of a bucket's end: the bucket must stay.
func TestDeleteBucketAgainstPut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		versioning object.Versioning
		write      func(l *testLayer)
	}{
		{"object", object.Unversioned, func(l *testLayer) { l.put("bucket", "k", "1") }},
		{"version", object.VersioningEnabled, func(l *testLayer) { l.put("bucket", "k", "1") }},
		{"marker", object.VersioningEnabled, func(l *testLayer) { l.del("bucket", "k", "") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := newEngine(t)
			l, other := newLayer(t, db), newLayer(t, db)
			l.bucket("bucket", c.versioning)
			attempts, empty := 0, false
			_, err := l.mutate(t.Context(), operation{name: "test.DeleteBucket"}, func(ctx context.Context, t *txn) error {
				b, err := l.readBucket(ctx, t, "bucket")
				if err != nil {
					return err
				}
				if empty, err = t.bucketEmpty(ctx, b); err != nil {
					return err
				}
				if attempts++; attempts == 1 {
					c.write(other)
				}
				t.Clear(l.keys.BucketName("bucket"))
				return nil
			})
			if err != nil || attempts != 2 || empty {
				t.Errorf("%d attempts, empty %v, %v; want a conflict, and something found", attempts, empty, err)
			}
		})
	}
}

func kindOrNil(err error) string {
	if err == nil {
		return "<nil>"
	}
	return kindText(err)
}

// checkReclaimed lets reaper and trash do their work and checks that buckets which have nothing visible have no rows.
func (l *testLayer) checkReclaimed(empty ...object.BucketName) {
	l.t.Helper()
	l.age()
	l.reap()
	for range 2 { // an upload's parts wait in the trash in their turn
		l.renewed()
		l.emptyTrash()
	}
	k := l.keys
	for _, b := range empty {
		found, err := l.view.bucket(l.t.Context(), b)
		if err != nil || found == nil {
			l.t.Fatalf("bucket %s: %v, %v", b, found, err)
		}
		for id := range found.ID + 1 {
			if n := l.rows(k.BucketVersions(id)); n != 0 {
				l.t.Errorf("bucket id %d: %d version rows are left", id, n)
			}
			if id == found.ID {
				continue
			}
			if n := l.rows(k.Uploads(id, "")); n != 0 {
				l.t.Errorf("deleted bucket id %d: %d uploads are left", id, n)
			}
			for slice := range 16 {
				if n := l.rows(k.Counters(slice, id)); n != 0 {
					l.t.Errorf("deleted bucket id %d: %d counters are left", id, n)
				}
			}
		}
	}
	for shard := range Shards {
		for _, q := range []string{"E", "T"} {
			if n := l.rows(k.QueueEntries(shard, queueOf(q), object.Stamp{})); n != 0 {
				l.t.Errorf("%d entries of queue %s are left in shard %d", n, q, shard)
			}
		}
	}
	if n := l.rows(kv.Range{Begin: k.BlobRefs(object.BlobID{}).Begin, End: k.SessionBlobRefs(1<<64-1, 0, 1<<64-1).End}); n != 0 {
		l.t.Errorf("%d blob references are left", n)
	}
}
