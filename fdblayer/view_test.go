package fdblayer

import (
	"context"
	"fmt"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// setVersioning changes a bucket as a configuration request will.
func (l *testLayer) setVersioning(name object.BucketName, v object.Versioning) {
	l.t.Helper()
	_, err := l.mutate(l.t.Context(), operation{name: "test.SetVersioning"}, func(ctx context.Context, t *txn) error {
		b, err := l.readBucket(ctx, t, name)
		if err != nil || b == nil {
			return fmt.Errorf("bucket %v: %w", b, err)
		}
		changed := b.Bucket
		changed.Versioning = v
		changed.EverVersioned = changed.EverVersioned || v != object.Unversioned
		t.Set(b.pinned.Begin, keys.EncodeBucket(changed))
		t.change(b.pinned.Begin)
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// TestViewFollows: what one process changes is seen by the very next request of another one, also that something is
// absent, or present again.
func TestViewFollows(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	a, b := newLayer(t, db), newLayer(t, db)
	put := func(l *testLayer) (object.VersionKind, string) {
		p, err := l.PutObject(t.Context(), PutObject{Bucket: "photos", Version: version("cat", "meow")})
		return p.Version.Kind, kindOrNil(err)
	}
	for round := range 20 {
		if _, got := put(b); got != "no such bucket" {
			t.Fatalf("round %d: put before the bucket is made: %s", round, got)
		}
		a.bucket("photos", object.Unversioned)
		if kind, got := put(b); got != "<nil>" || kind != object.NullVersion {
			t.Fatalf("round %d: put after it was made: kind %d, %s", round, kind, got)
		}
		a.setVersioning("photos", object.VersioningEnabled)
		if kind, got := put(b); got != "<nil>" || kind != object.Kept {
			t.Fatalf("round %d: put after versioning was enabled: kind %d, %s", round, kind, got)
		}
		b.setVersioning("photos", object.VersioningSuspended)
		if m := a.del("photos", "cat", ""); m.VersionID != nullID {
			t.Fatalf("round %d: delete after versioning was suspended: %+v", round, m)
		}
		a.del("photos", "cat", nullID)
		b.removeKept("photos", "cat")
		if _, err := b.DeleteBucket(t.Context(), "photos"); err != nil {
			t.Fatalf("round %d: delete bucket: %v", round, err)
		}
		if _, _, err := a.GetBucket(t.Context(), "photos"); !isKind(err, object.NoSuchBucket) {
			t.Fatalf("round %d: get of the deleted bucket: %v", round, err)
		}
	}
}

// removeKept deletes every kept version of a key.
func (l *testLayer) removeKept(b object.BucketName, k object.Key) {
	l.t.Helper()
	for {
		r, err := l.OpenVersion(l.t.Context(), b, k, "")
		if err != nil {
			return
		}
		r.Close()
		l.del(b, k, r.Version.ID())
	}
}

// TestViewCatchesUp: a view that is more entries behind than it reads one by one drops everything.
func TestViewCatchesUp(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	a, b := newLayer(t, db), newLayer(t, db)
	a.bucket("photos", object.Unversioned)
	a.bucket("other", object.Unversioned)
	b.put("photos", "cat", "1")
	for i := range viewLogMax + 10 {
		a.setVersioning("other", []object.Versioning{object.VersioningEnabled, object.VersioningSuspended}[i%2])
	}
	a.setVersioning("photos", object.VersioningEnabled)
	if p := b.put("photos", "cat", "2"); p.Version.Kind != object.Kept {
		t.Errorf("kind %d", p.Version.Kind)
	}
}

// TestViewGap: when the last entry that a view knows is gone, nothing cached is trusted, and a new
// session is opened; the old one does not stay.
func TestViewGap(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	a, b := newLayer(t, db), newLayer(t, db)
	a.bucket("photos", object.Unversioned)
	b.put("photos", "cat", "1")
	old := b.session.Load()
	// The bucket is changed, and the log trimmed before b has read of it.
	a.setVersioning("photos", object.VersioningEnabled)
	a.renewed()
	_, err := kv.Run(t.Context(), db, kv.RunOptions{}, func(tx kv.Tx) error {
		tx.ClearRange(a.keys.Logs())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.bucket("other", object.Unversioned)
	_, err = b.PutObject(t.Context(), PutObject{Bucket: "photos", Version: version("cat", "2")})
	if err != nil && !isKind(err, object.Unavailable) {
		t.Errorf("put: %v", err)
	}
	b.renewed()
	if b.session.Load().id == old.id {
		t.Error("no new session after a gap")
	}
	if p := b.put("photos", "cat", "3"); p.Version.Kind != object.Kept {
		t.Errorf("kind %d", p.Version.Kind)
	}
	if n := b.rows(keys.Only(old.row)); n != 0 {
		t.Error("the old session stays")
	}
}
