package fdblayer

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// interposed is a database that runs something between the reads of a transaction and its commit, or between the commit
// and its answer.
type interposed struct {
	kv.Database
	before, after atomic.Pointer[func()]
}

type interposedTx struct {
	kv.Tx
	db *interposed
}

func (db *interposed) Begin(o kv.TxOptions) kv.Tx { return &interposedTx{db.Database.Begin(o), db} }

func (tx *interposedTx) Commit(ctx context.Context) (kv.Commit, error) {
	if f := tx.db.before.Swap(nil); f != nil {
		(*f)()
	}
	c, err := tx.Tx.Commit(ctx)
	if f := tx.db.after.Swap(nil); f != nil {
		(*f)()
	}
	return c, err
}

// TestInterleaved runs one operation between the reads and the commit of another one: the later one must see
// what the earlier did, or the references tell.
func TestInterleaved(t *testing.T) {
	t.Parallel()
	const b = "kept"
	for _, row := range []struct {
		name string
		// prepare returns the operation of this process, the one of another process that comes between, and the error that the
		// first ends with.
		prepare func(l, other *testLayer) (op func() error, between func(), want string)
		// trash is the number of blobs that nobody uses afterwards.
		trash int
	}{
		{"two releases of one blob", func(l, other *testLayer) (func() error, func(), string) {
			a, _ := l.putBlob(b, "a")
			c, _, err := l.CopyObject(l.t.Context(), copyOf(b, "a", "c"))
			if err != nil {
				l.t.Fatal(err)
			}
			return l.deletes(b, "a", a.Version.ID()), func() { other.del(b, "c", c.Version.ID()) }, "<nil>"
		}, 1},
		{"copy, and the source is deleted", func(l, other *testLayer) (func() error, func(), string) {
			a, _ := l.putBlob(b, "a")
			return l.copies(b, "a", "c"), func() { other.del(b, "a", a.Version.ID()) }, "no such key"
		}, 1},
		{"copy, and the source is replaced", func(l, other *testLayer) (func() error, func(), string) {
			l.putBlob(b, "a")
			return l.copies(b, "a", "c"), func() { other.putBlob(b, "a") }, "<nil>"
		}, 0},
		{"copy, and the source gets a marker", func(l, other *testLayer) (func() error, func(), string) {
			l.putBlob(b, "a")
			return l.copies(b, "a", "c"), func() { other.del(b, "a", "") }, "no such key"
		}, 0},
		{"delete, and the object is copied", func(l, other *testLayer) (func() error, func(), string) {
			a, _ := l.putBlob(b, "a")
			return l.deletes(b, "a", a.Version.ID()), func() {
				if err := other.copies(b, "a", "c")(); err != nil {
					other.t.Error(err)
				}
			}, "<nil>"
		}, 0},
		{"two writes of a part", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			return l.puts(b, u, 1), func() { other.part(b, u, 1) }, "<nil>"
		}, 1},
		{"two replacements of a part", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			l.part(b, u, 1)
			return l.puts(b, u, 1), func() { other.part(b, u, 1) }, "<nil>"
		}, 2},
		{"part, and the upload is completed", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			l.part(b, u, 1)
			return l.puts(b, u, 2), func() { other.completes(b, u, 1) }, "no such upload"
		}, 0},
		{"part, and the upload is aborted", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			l.part(b, u, 1)
			return l.puts(b, u, 1), func() { other.aborts(b, u) }, "no such upload"
		}, 1},
		{"complete, and a part is replaced", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			l.part(b, u, 1)
			return func() error { _, err := l.complete(b, u, 1); return err }, func() { other.part(b, u, 1) }, "<nil>"
		}, 1},
		{"complete, and a part is added", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			l.part(b, u, 1)
			return func() error { _, err := l.complete(b, u, 1); return err }, func() { other.part(b, u, 2) }, "<nil>"
		}, 1},
		{"complete, and the upload is aborted", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			l.part(b, u, 1)
			return func() error { _, err := l.complete(b, u, 1); return err }, func() { other.aborts(b, u) }, "no such upload"
		}, 1},
		{"abort, and the upload is completed", func(l, other *testLayer) (func() error, func(), string) {
			u := l.upload(b, "a")
			l.part(b, u, 1)
			return func() error {
				_, err := l.AbortUpload(l.t.Context(), b, u.Key, u.ID)
				return err
			}, func() { other.completes(b, u, 1) }, "no such upload"
		}, 0},
		{"create an upload, and the bucket is deleted", func(l, other *testLayer) (func() error, func(), string) {
			return func() error {
					_, _, err := l.CreateUpload(l.t.Context(), b, object.Upload{Key: "a"})
					return err
				}, func() {
					if _, err := other.DeleteBucket(other.t.Context(), b); err != nil {
						other.t.Error(err)
					}
				}, "no such bucket"
		}, 0},
		{"delete the bucket, and an upload is created", func(l, other *testLayer) (func() error, func(), string) {
			return func() error {
				_, err := l.DeleteBucket(l.t.Context(), b)
				return err
			}, func() { other.part(b, other.upload(b, "a"), 1) }, "<nil>" // the upload ends with the bucket
		}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			engine := newEngine(t)
			db := &interposed{Database: engine}
			l, other := newLayer(t, db), newLayer(t, engine)
			l.bucket(b, object.VersioningEnabled)
			d := &deletedBlobs{}
			op, between, want := row.prepare(l, other)
			db.before.Store(&between)
			err := op()
			if db.before.Load() != nil {
				t.Fatal("there was no commit")
			}
			got := "<nil>"
			if err != nil {
				got = kindText(err)
			}
			if got != want {
				t.Errorf("ended with %s, want %s", got, want)
			}
			for range 4 {
				other.age()
				l.reclaim(d)
			}
			l.checkReferences(d)
			if len(d.ids) != row.trash {
				t.Errorf("%d blobs were reclaimed, want %d", len(d.ids), row.trash)
			}
		})
	}
}

func (l *testLayer) deletes(b object.BucketName, k object.Key, id string) func() error {
	return func() error {
		d, _, err := l.DeleteObjects(l.t.Context(), b, []DeleteObject{{Key: k, VersionID: id}})
		if err == nil {
			err = d[0].Err
		}
		return err
	}
}

func (l *testLayer) copies(b object.BucketName, from, to object.Key) func() error {
	return func() error {
		_, _, err := l.CopyObject(l.t.Context(), copyOf(b, from, to))
		return err
	}
}

func (l *testLayer) puts(b object.BucketName, u object.Upload, number int) func() error {
	return func() error {
		_, err := l.putPart(b, u, number)
		return err
	}
}

func (l *testLayer) completes(b object.BucketName, u object.Upload, numbers ...int) {
	if _, err := l.complete(b, u, numbers...); err != nil {
		l.t.Error(err)
	}
}

func (l *testLayer) aborts(b object.BucketName, u object.Upload) {
	if _, err := l.AbortUpload(l.t.Context(), b, u.Key, u.ID); err != nil {
		l.t.Error(err)
	}
}
