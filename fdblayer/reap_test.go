package fdblayer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// keyHistory is one sequence of writes to a key of its own.
type keyHistory struct {
	key   object.Key
	kinds []object.VersionKind // oldest first, as far as they were to be written
	ids   []string             // version ids given, "" for a purge
}

// writeSequences writes every sequence of kinds up to a length, each to its own key, by the operations that make such
// rows: all keys' first rows, then all second ones, ...
func (l *testLayer) writeSequences(b object.BucketName, length int) (all []keyHistory) {
	l.t.Helper()
	sequences(length, func(kinds []object.VersionKind) {
		k := object.Key(fmt.Sprintf("%v", kinds))
		all = append(all, keyHistory{key: k, kinds: slices.Clone(kinds), ids: make([]string, len(kinds))})
	})
	for i := range length {
		l.setVersioning(b, object.VersioningEnabled)
		l.writeRound(b, all, i, object.Kept, object.Marker)
		l.setVersioning(b, object.VersioningSuspended)
		l.writeRound(b, all, i, object.NullVersion, object.NullMarker)
		l.writeRound(b, all, i, object.Purge)
	}
	return all
}

func (l *testLayer) writeRound(b object.BucketName, all []keyHistory, i int, kinds ...object.VersionKind) {
	l.t.Helper()
	var deletes []DeleteObject
	var of []*keyHistory
	for n := range all {
		h := &all[n]
		switch {
		case i >= len(h.kinds) || !slices.Contains(kinds, h.kinds[i]):
		case h.kinds[i].HasContent():
			p, _ := l.putBlob(b, h.key)
			h.ids[i] = p.Version.ID()
		default:
			d := DeleteObject{Key: h.key}
			if h.kinds[i] == object.Purge {
				d.VersionID = nullID
			}
			deletes, of = append(deletes, d), append(of, h)
		}
	}
	for begin := 0; begin < len(deletes); begin += object.DeleteKeysMax {
		batch := deletes[begin:min(begin+object.DeleteKeysMax, len(deletes))]
		results, _, err := l.DeleteObjects(l.t.Context(), b, batch)
		if err != nil {
			l.t.Fatal(err)
		}
		for j, r := range results {
			if r.Err != nil {
				l.t.Fatal(r.Err)
			}
			if h := of[begin+j]; h.kinds[i] != object.Purge {
				h.ids[i] = r.VersionID
			}
		}
	}
}

// checkSequence compares what readers see of a key with what S3 promises.
func (l *testLayer) checkSequence(b object.BucketName, h *keyHistory) {
	l.t.Helper()
	versions := promised(h.kinds)
	current, null := "no such key", "no such version"
	for n, i := range versions {
		got := l.get(b, h.key, h.ids[i])
		if marker := h.kinds[i].IsMarker(); marker != (got == "marker") || kindOfText(got) {
			l.t.Errorf("%s: version %d %q reads %q", h.key, i, h.ids[i], got)
		}
		if n == 0 {
			current = got
		}
		if h.ids[i] == nullID {
			null = got
		}
	}
	if got := l.get(b, h.key, ""); got != current {
		l.t.Errorf("%s: the current version reads %q, want %q", h.key, got, current)
	}
	if got := l.get(b, h.key, nullID); got != null {
		l.t.Errorf("%s: the null version reads %q, want %q", h.key, got, null)
	}
}

// kindOfText: the text is that of an error.
func kindOfText(s string) bool { return s == "no such key" || s == "no such version" }

// TestSequences writes every sequence of kinds of rows, compares what readers and listings see with what S3
// promises, reaps, and compares again; then exactly the promised rows are left, with their blobs.
func TestSequences(t *testing.T) {
	t.Parallel()
	length := 4
	if testing.Short() {
		length = 3
	}
	l := newLayer(t, newEngine(t))
	l.bucket("bucket", object.VersioningEnabled)
	all := l.writeSequences("bucket", length)
	for range 2 {
		for i := range all {
			l.checkSequence("bucket", &all[i])
		}
		l.checkListing("bucket", all)
		l.age()
		l.reap()
	}
	left, blobs := 0, 0
	for i := range all {
		versions := promised(all[i].kinds)
		left += len(versions)
		for _, v := range versions {
			if all[i].kinds[v].HasContent() {
				blobs++
			}
		}
		if got := l.rows(l.keys.Versions(1, all[i].key)); got != len(versions) {
			t.Errorf("%s: %d rows are left, want %d", all[i].key, got, len(versions))
		}
	}
	l.renewed()
	l.emptyTrash()
	l.checkCounters(1, int64(left))
	id := l.session.Load().id
	if got := l.rows(l.keys.SessionBlobRefs(id, 0, 1<<62)); got != blobs {
		t.Errorf("%d references to blobs are left, want %d", got, blobs)
	}
}

// checkListing compares the list rows with the current versions.
func (l *testLayer) checkListing(b object.BucketName, all []keyHistory) {
	l.t.Helper()
	listed := map[object.Key]object.Stamp{}
	for after, more := "", true; more; {
		page, err := l.ListObjects(l.t.Context(), ListObjects{Bucket: b, After: after, KeysMax: object.ListKeysMax})
		if err != nil {
			l.t.Fatal(err)
		}
		for _, e := range page.Entries {
			listed[e.Key] = e.Stamp
		}
		after, more = page.Next, page.More
	}
	for i := range all {
		h := &all[i]
		var want object.Stamp
		if r, err := l.OpenVersion(l.t.Context(), b, h.key, ""); err == nil {
			if r.Version.Kind.HasContent() {
				want = r.Version.Stamp
			}
			r.Close()
		}
		if got := listed[h.key]; got != want {
			l.t.Errorf("%s: listed is %v, current is %v", h.key, got, want)
		}
	}
}

// checkCounters compares the sum of a bucket's version counters.
func (l *testLayer) checkCounters(b object.BucketID, want int64) {
	l.t.Helper()
	var sum int64
	_, err := kv.Run(l.t.Context(), l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		sum = 0
		for slice := range keys.CounterSlices {
			value, err := tx.Snapshot().Get(l.keys.Counter(slice, b, keys.CountVersions)).Get(l.t.Context())
			if err != nil {
				return err
			}
			if value == nil {
				continue
			}
			n, err := keys.DecodeCount(value)
			if err != nil {
				return err
			}
			sum += n
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if sum != want {
		l.t.Errorf("the counters say %d versions, %d are there", sum, want)
	}
}

// TestReapLeavesYoung: what is younger than five seconds is left alone, by the process's own clock.
func TestReapLeavesYoung(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("bucket", object.Unversioned)
	l.put("bucket", "k", "1")
	l.put("bucket", "k", "2")
	if n := l.reap(); n != 0 {
		t.Fatalf("%d events ended at once", n)
	}
	l.clock.advance(time.Second)
	l.renewed()
	l.clock.advance(reapAfter - time.Millisecond)
	if n := l.reap(); n != 0 {
		t.Fatalf("%d events ended too early", n)
	}
	l.put("bucket", "k", "3") // young
	l.clock.advance(time.Millisecond)
	if n := l.reap(); n != 2 {
		t.Fatalf("%d events ended after five seconds, want 2", n)
	}
	if n := l.rows(l.keys.Versions(1, "k")); n != 2 {
		t.Errorf("%d rows are left, want the young one and the one that it hides", n)
	}
	l.age()
	if n := l.reap(); n != 1 {
		t.Errorf("%d events ended, want 1", n)
	}
	if n := l.rows(l.keys.Versions(1, "k")); n != 1 {
		t.Errorf("%d rows are left", n)
	}
}

// TestReapManyRows: a key that was overwritten more often than one transaction clears, with kept versions in between and a
// purge at the end.
func TestReapManyRows(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("bucket", object.VersioningSuspended)
	for i := range 2*reapRowsPerCommit + 50 {
		if i%50 == 10 {
			l.setVersioning("bucket", object.VersioningEnabled)
			l.put("bucket", "k", "kept")
			l.setVersioning("bucket", object.VersioningSuspended)
		}
		l.putBlob("bucket", "k")
	}
	l.del("bucket", "k", nullID)
	l.age()
	l.reap()
	if n := l.rows(l.keys.Versions(1, "k")); n != 5 {
		t.Errorf("%d rows are left, want the 5 kept ones", n)
	}
	if got := l.get("bucket", "k", ""); got != "kept" {
		t.Errorf("the key reads %q", got)
	}
	l.renewed()
	if n := len(l.emptyTrash()); n != 2*reapRowsPerCommit+50 {
		t.Errorf("%d blobs were deleted, want %d", n, 2*reapRowsPerCommit+50)
	}
	l.checkCounters(1, 5)
}

// TestHeldReading: a version that is read is not reclaimed, however long that takes and whatever
// happens to the key; when it is let go, it is.
func TestHeldReading(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	l, janitor := newLayer(t, db), newLayer(t, db)
	l.bucket("bucket", object.Unversioned)
	_, blob := l.putBlob("bucket", "k")
	r, err := l.OpenVersion(t.Context(), "bucket", "k", "")
	if err != nil {
		t.Fatal(err)
	}
	l.put("bucket", "k", "2")
	for range 3 {
		l.age()
		janitor.age()
		janitor.reap()
		l.renewed()
		janitor.renewed()
		if deleted := janitor.emptyTrash(); len(deleted) != 0 {
			t.Fatalf("%v deleted while it is read", deleted)
		}
		if !r.Held() {
			t.Error("the version is not held")
		}
	}
	if n := l.rows(l.keys.Versions(1, "k")); n != 1 {
		t.Errorf("%d rows; the reaper was to clear the hidden one", n)
	}
	r.Close()
	r.Close()
	if deleted := janitor.emptyTrash(); len(deleted) != 0 {
		t.Fatalf("%v deleted before the mark moved", deleted)
	}
	l.renewed()
	janitor.renewed()
	if deleted := janitor.emptyTrash(); !slices.Equal(deleted, []object.BlobID{blob}) {
		t.Errorf("deleted %v, want %v", deleted, blob)
	}
}

// TestHorizon: sessions that stand still, and a hold, keep the trash; a fence ends that.
func TestHorizon(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	l, still := newLayer(t, db), newLayer(t, db)
	l.bucket("bucket", object.Unversioned)
	hold := func(value []byte) {
		t.Helper()
		_, err := kv.Run(t.Context(), db, kv.RunOptions{}, func(tx kv.Tx) error {
			if value == nil {
				tx.Clear(l.keys.Hold())
			} else {
				tx.Set(l.keys.Hold(), value)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	l.putBlob("bucket", "k")
	l.del("bucket", "k", "")
	hold(keys.EncodeHold(keys.Hold{OldestRead: kv.Version(l.Token().Version), Era: l.era}))
	l.age()
	l.reap()
	l.renewed()
	if n := len(l.emptyTrash()); n != 0 {
		t.Fatalf("%d blobs deleted past a session's mark", n)
	}
	still.renewed()
	if n := len(l.emptyTrash()); n != 0 {
		t.Fatalf("%d blobs deleted past the hold", n)
	}
	_, second := l.putBlob("bucket", "k")
	hold(nil)
	if n := len(l.emptyTrash()); n != 1 {
		t.Fatalf("%d blobs deleted, want 1", n)
	}
	l.del("bucket", "k", "")
	l.age()
	l.reap()
	l.renewed()
	if n := len(l.emptyTrash()); n != 0 {
		t.Fatalf("%d blobs deleted past a session's mark", n)
	}
	if err := l.fence(t.Context(), still.session.Load().id, false); err != nil {
		t.Fatal(err)
	}
	if got := l.emptyTrash(); !slices.Equal(got, []object.BlobID{second}) {
		t.Errorf("deleted %v, want %v", got, second)
	}
}

// TestReapTwice has two reapers clear the same row: one of them must find it gone, or it would be
// counted twice.
func TestReapTwice(t *testing.T) {
	t.Parallel()
	db := newEngine(t)
	l, other := newLayer(t, db), newLayer(t, db)
	l.bucket("bucket", object.Unversioned)
	l.put("bucket", "k", "1")
	newest := l.put("bucket", "k", "2").Version.Stamp
	newest.Row++ // of the event
	other.age()
	attempts := 0
	_, err := l.mutate(t.Context(), operation{name: "test.Reap"}, func(ctx context.Context, t *txn) error {
		k := keyEvents{bucket: 1, key: "k", upTo: newest}
		page, err := t.hiddenRows(k, newest, reapRowsPerKey).Get(ctx)
		if err != nil {
			return err
		}
		if attempts++; attempts == 1 {
			other.reap()
		}
		return t.reapPage(k, page, &hiding{})
	})
	if err != nil || attempts != 2 {
		t.Errorf("%d attempts, %v; want a conflict and no error", attempts, err)
	}
	l.checkCounters(1, 1)
}
