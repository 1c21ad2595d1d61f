package fdblayer

import (
	"context"
	"fmt"
	"testing"

	"github.com/stampede-store/stampede/object"
)

// TestDeleteAgainstPut has a PUT land between the reads and the commit of a DELETE of a version: the
// list row must be that of the PUT afterwards.
func TestDeleteAgainstPut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		versioning object.Versioning
		id         func(current object.Version) string
		left       int // visible versions
	}{
		{"version", object.VersioningEnabled, func(v object.Version) string { return v.ID() }, 2},
		{"null version", object.VersioningSuspended, func(object.Version) string { return nullID }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := newEngine(t)
			l, other := newLayer(t, db), newLayer(t, db)
			l.bucket("bucket", c.versioning)
			l.put("bucket", "k", "1")
			id := c.id(l.put("bucket", "k", "2").Version)
			var put Put
			attempts := 0
			_, err := l.mutate(t.Context(), operation{name: "test.Delete"}, func(ctx context.Context, t *txn) error {
				b, err := t.bucket(ctx, "bucket")
				if err != nil {
					return err
				}
				d, r := deletion{}, Deleted{}
				d.start(t, b, DeleteObject{Key: "k", VersionID: id})
				if _, err := d.finish(ctx, t, &r, l.clock.Now()); err != nil {
					return err
				}
				if attempts++; attempts == 1 {
					put = other.put("bucket", "k", "3")
				}
				return t.releaseAll(ctx, d.released...)
			})
			if err != nil || attempts != 2 {
				t.Fatalf("%d attempts, %v; want a conflict and no error", attempts, err)
			}
			page, err := l.ListObjects(t.Context(), ListObjects{Bucket: "bucket", KeysMax: 10})
			if err != nil {
				t.Fatal(err)
			}
			listed := len(page.Entries) == 1 && page.Entries[0].Stamp == put.Version.Stamp
			if want := c.left > 0; listed != want {
				t.Errorf("listed is %+v, the last PUT was %v", page.Entries, put.Version.Stamp)
			}
		})
	}
}

// TestDeleteObjects deletes a thousand keys, some of them twice, absent, or by version, in one call.
func TestDeleteObjects(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("bucket", object.VersioningEnabled)
	var asked []DeleteObject
	var want []Deleted
	for i := range 300 {
		k := object.Key(fmt.Sprintf("k%03d", i))
		p, _ := l.putBlob("bucket", k)
		asked = append(asked, DeleteObject{Key: k}, DeleteObject{Key: k, VersionID: p.Version.ID()})
		want = append(want, Deleted{Marker: true}, Deleted{VersionID: p.Version.ID()})
	}
	asked = append(asked, DeleteObject{Key: "absent", VersionID: "null"}, DeleteObject{Key: "absent", VersionID: "bad id"})
	want = append(want, Deleted{VersionID: "null"}, Deleted{VersionID: "bad id"})
	got, token, err := l.DeleteObjects(t.Context(), "bucket", asked)
	if err != nil || len(got) != len(asked) || token.Version == 0 {
		t.Fatalf("%d results, token %v, %v", len(got), token, err)
	}
	for i := range got {
		if want[i].VersionID == "" { // the marker's, which the commit decides
			if reads := l.get("bucket", asked[i].Key, got[i].VersionID); reads != "marker" {
				t.Errorf("%+v: %+v reads %q", asked[i], got[i], reads)
			}
			want[i].VersionID = got[i].VersionID
		}
		if got[i] != want[i] {
			t.Errorf("%+v: %+v, want %+v", asked[i], got[i], want[i])
		}
	}
	l.checkCounters(1, 300) // the markers
	l.renewed()
	if n := len(l.emptyTrash()); n != 300 {
		t.Errorf("%d blobs deleted, want 300", n)
	}
	if _, _, err := l.DeleteObjects(t.Context(), "absent", asked[:1]); !isKind(err, object.NoSuchBucket) {
		t.Errorf("in an absent bucket: %v", err)
	}
	if _, _, err := l.DeleteObjects(t.Context(), "bucket", make([]DeleteObject, object.DeleteKeysMax+1)); !isKind(err, object.InvalidArgument) {
		t.Errorf("too many: %v", err)
	}
	if got, _, err := l.DeleteObjects(t.Context(), "bucket", nil); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
}
