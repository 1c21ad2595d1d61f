package fdblayer

import (
	"errors"
	"testing"

	"github.com/stampede-store/stampede/object"
)

// TestCopy copies versions of every kind, within and between buckets of every versioning state.
func TestCopy(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	for name, v := range map[object.BucketName]object.Versioning{
		"plain": object.Unversioned, "kept": object.VersioningEnabled, "suspended": object.VersioningSuspended,
	} {
		l.bucket(name, v)
	}
	l.put("plain", "k", "plain")
	old, newest := l.put("kept", "k", "old"), l.put("kept", "k", "newest")
	l.put("kept", "gone", "x")
	marker := l.del("kept", "gone", "")
	l.put("plain", "purged", "x")
	l.del("plain", "purged", "")
	l.put("suspended", "k", "null")
	_, blob := l.putBlob("plain", "blob")
	refused := &object.Error{Op: "test", Kind: object.PreconditionFailed}
	for _, row := range []struct {
		name     string
		from     object.BucketName
		key      object.Key
		id       string
		to       object.BucketName
		make, If error
		want     string // content of the copy, or the error
	}{
		{name: "current", from: "plain", key: "k", to: "kept", want: "plain"},
		{name: "blob", from: "plain", key: "blob", to: "plain", want: "blob " + blob.String()},
		{name: "current of several", from: "kept", key: "k", to: "plain", want: "newest"},
		{name: "older version", from: "kept", key: "k", id: old.Version.ID(), to: "suspended", want: "old"},
		{name: "newest version by id", from: "kept", key: "k", id: newest.Version.ID(), to: "kept", want: "newest"},
		{name: "null version", from: "suspended", key: "k", id: "null", to: "plain", want: "null"},
		{name: "null version of an unversioned bucket", from: "plain", key: "k", id: "null", to: "plain", want: "plain"},
		{name: "absent", from: "plain", key: "none", to: "plain", want: "no such key"},
		{name: "purged", from: "plain", key: "purged", to: "plain", want: "no such key"},
		{name: "purged, by id", from: "plain", key: "purged", id: "null", to: "plain", want: "no such version"},
		{name: "absent version", from: "kept", key: "k", id: marker.VersionID, to: "plain", want: "no such version"},
		{name: "no version id", from: "kept", key: "k", id: "x", to: "plain", want: "no such version"},
		{name: "behind a marker", from: "kept", key: "gone", to: "plain", want: "no such key"},
		{name: "marker by id", from: "kept", key: "gone", id: marker.VersionID, to: "plain", want: "invalid request"},
		{name: "no bucket", from: "none", key: "k", to: "plain", want: "no such bucket"},
		{name: "no bucket for it", from: "plain", key: "k", to: "none", want: "no such bucket"},
		{name: "refused by make", from: "plain", key: "k", to: "plain", make: refused, want: "precondition failed"},
		{name: "refused by a condition", from: "plain", key: "k", to: "plain", If: refused, want: "precondition failed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := copyOf(row.from, row.key, "copy of "+object.Key(row.name))
			c.SourceID, c.Bucket = row.id, row.to
			if row.make != nil {
				c.Make = func(*object.Version) (object.Version, error) { return object.Version{}, row.make }
			}
			if row.If != nil {
				c.If = func(*object.Version) error { return row.If }
			}
			copied, source, err := l.CopyObject(t.Context(), c)
			got := kindText(err)
			if err == nil {
				got = l.get(row.to, "copy of "+object.Key(row.name), "")
				if source.Key != row.key || copied.Version.Stamp.Compare(source.Stamp) <= 0 || copied.Version.SizeBytes != source.SizeBytes {
					t.Errorf("copied %+v from %+v", copied.Version, source)
				}
			}
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
	l.checkReferences(&deletedBlobs{})
}

// TestCopyOntoItself replaces an object by its copy, with other metadata: the blob stays, through the reaper too.
func TestCopyOntoItself(t *testing.T) {
	t.Parallel()
	for _, v := range []object.Versioning{object.Unversioned, object.VersioningEnabled, object.VersioningSuspended} {
		l := newLayer(t, newEngine(t))
		l.bucket("b", v)
		_, blob := l.putBlob("b", "k")
		d := &deletedBlobs{}
		for i := range 3 {
			c := copyOf("b", "k", "k")
			made := c.Make
			c.Make = func(source *object.Version) (object.Version, error) {
				v, err := made(source)
				v.Metadata.User = map[string]string{"copies": string(rune('a' + i))}
				return v, err
			}
			c.If = func(current *object.Version) error {
				if current == nil || current.Content.Blob == nil {
					return errors.New("the condition did not see the current version")
				}
				return nil
			}
			if _, _, err := l.CopyObject(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			l.reclaim(d)
		}
		if got := l.get("b", "k", ""); got != "blob "+blob.String() || d.has(blob) {
			t.Errorf("%v: the copy has %s, deleted %v", v, got, d.ids)
		}
		l.checkReferences(d)
	}
}

// TestCopySharesBlob: a blob goes with the last of those who share it, in whatever order they go.
func TestCopySharesBlob(t *testing.T) {
	t.Parallel()
	for _, order := range [][]object.Key{{"a", "b", "c"}, {"b", "a", "c"}, {"c", "b", "a"}} {
		l := newLayer(t, newEngine(t))
		l.bucket("b", object.Unversioned)
		_, blob := l.putBlob("b", "a")
		d := &deletedBlobs{}
		for _, to := range []object.Key{"b", "c"} {
			if _, _, err := l.CopyObject(t.Context(), copyOf("b", "a", to)); err != nil {
				t.Fatal(err)
			}
		}
		for i, k := range order {
			if d.has(blob) {
				t.Errorf("order %v: the blob was deleted before %s", order, k)
			}
			l.del("b", k, "")
			l.reclaim(d)
			l.checkReferences(d)
			if i == 2 && !d.has(blob) {
				t.Errorf("order %v: the blob was not deleted", order)
			}
		}
		if left := l.kinds(); len(left) != 0 {
			t.Errorf("left over: %v", left)
		}
	}
}

// TestCopySharesManifest: copies of a multipart object share its parts, which go with the last of them.
func TestCopySharesManifest(t *testing.T) {
	t.Parallel()
	for _, first := range []object.Key{"original", "copy"} {
		l := newLayer(t, newEngine(t))
		l.bucket("b", object.Unversioned)
		d := &deletedBlobs{}
		u := l.upload("b", "original")
		blobs := []object.BlobID{l.part("b", u, 1), l.part("b", u, 2)}
		if _, err := l.complete("b", u, 1, 2); err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.CopyObject(t.Context(), copyOf("b", "original", "copy")); err != nil {
			t.Fatal(err)
		}
		l.del("b", first, "")
		l.reclaim(d)
		l.checkReferences(d)
		if len(d.ids) != 0 || l.kinds()["part"] != 2 {
			t.Errorf("%s deleted first: deleted %v, rows %v", first, d.ids, l.kinds())
		}
		l.del("b", "original", "")
		l.del("b", "copy", "")
		l.reclaim(d)
		if !d.has(blobs[0]) || !d.has(blobs[1]) {
			t.Errorf("deleted %v, want %v", d.ids, blobs)
		}
		if left := l.kinds(); left["upload"] != 1 || left["tombstone"] != 1 || len(left) != 2 {
			t.Errorf("left over: %v, want the tombstone alone", left)
		}
	}
}
