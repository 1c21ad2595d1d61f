package fdblayer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// TestUpload goes through the life of an upload: parts, one replaced and one not listed, completion and its
// repetition, reading, deletion; at the end nothing of it is left, and every blob was deleted when its last use was gone.
func TestUpload(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("b", object.Unversioned)
	d := &deletedBlobs{}
	u := l.upload("b", "big")
	replaced := l.part("b", u, 2)
	first, second, unlisted, last := l.part("b", u, 1), l.part("b", u, 2), l.part("b", u, 3), l.part("b", u, 9)
	l.checkReferences(d)

	got, _, err := l.GetUpload(t.Context(), "b", "big", u.ID)
	if err != nil || got.Metadata.User["of"] != "big" || got.ID != u.ID || !got.Initiated.Equal(u.Initiated) {
		t.Errorf("get upload: %+v, %v, want %+v", got, err, u)
	}
	put, err := l.complete("b", u, 1, 2, 9)
	if err != nil {
		t.Fatal(err)
	}
	want := []object.ManifestPart{{Number: 1, SizeBytes: 1 << 20}, {Number: 2, SizeBytes: 1 << 20}, {Number: 9, SizeBytes: 1 << 20}}
	if m := put.Version.Content.Manifest; m == nil || m.Upload != u.ID || !slices.Equal(m.Parts, want) {
		t.Errorf("manifest %+v, want %v", m, want)
	}
	if put.Version.SizeBytes != 3<<20 {
		t.Errorf("%d bytes, want %d", put.Version.SizeBytes, 3<<20)
	}
	again, err := l.complete("b", u, 1, 2, 9)
	if err != nil || again.Version.Stamp != put.Version.Stamp || again.Version.ETag != put.Version.ETag ||
		again.Version.SizeBytes != put.Version.SizeBytes || again.Version.Metadata.User["of"] != "big" {
		t.Errorf("completed again: %+v, %v, want %+v", again.Version, err, put.Version)
	}
	r, err := l.OpenVersion(t.Context(), "b", "big", "")
	if err != nil {
		t.Fatal(err)
	}
	l.reclaim(d)
	l.checkReferences(d)
	if !d.has(replaced) || len(d.ids) != 1 {
		t.Errorf("deleted %v, want the replaced part %v, and nothing that went after the reader began", d.ids, replaced)
	}
	parts, err := r.Parts(t.Context(), 0, 3)
	if err != nil || len(parts) != 3 || parts[0].Content.Blob.ID != first || parts[1].Content.Blob.ID != second || parts[2].Content.Blob.ID != last {
		t.Errorf("parts %+v, %v", parts, err)
	}
	r.Close()
	l.reclaim(d)
	if !d.has(unlisted) || len(d.ids) != 2 {
		t.Errorf("deleted %v, want also the part not listed %v", d.ids, unlisted)
	}
	l.del("b", "big", "")
	l.reclaim(d)
	if !d.has(first) || !d.has(second) || !d.has(last) {
		t.Errorf("deleted %v, want also %v, %v, %v", d.ids, first, second, last)
	}
	if again, err = l.complete("b", u, 1, 2, 9); err != nil || again.Version.Stamp != put.Version.Stamp {
		t.Errorf("completed again after the object was deleted: %+v, %v", again.Version, err)
	}
	if n := l.buryUploads(); n != 0 {
		t.Errorf("%d tombstones were cleared on the same day", n)
	}
	l.clock.advance(24*time.Hour + time.Minute)
	l.renewed()
	if n := l.buryUploads(); n != 1 {
		t.Errorf("%d tombstones were cleared a day later, want 1", n)
	}
	if _, err := l.complete("b", u, 1, 2, 9); !isKind(err, object.NoSuchUpload) {
		t.Errorf("completed again after more than a day: %v", err)
	}
	if left := l.kinds(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestUploadAbort: an aborted upload leaves nothing.
func TestUploadAbort(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("b", object.VersioningEnabled)
	d := &deletedBlobs{}
	u := l.upload("b", "k")
	var blobs []object.BlobID
	for i := range 2*releasePartsPerCommit + 1 {
		blobs = append(blobs, l.part("b", u, i+1))
	}
	if _, err := l.AbortUpload(t.Context(), "b", "k", u.ID); err != nil {
		t.Fatal(err)
	}
	l.reclaim(d)
	for _, id := range blobs {
		if !d.has(id) {
			t.Errorf("blob %v was not deleted", id)
		}
	}
	if left := l.kinds(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestUploadManyUnlisted: more parts than one transaction releases are not listed.
func TestUploadManyUnlisted(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("b", object.Unversioned)
	d := &deletedBlobs{}
	u := l.upload("b", "k")
	for i := range 2 * releasePartsPerCommit {
		l.part("b", u, 1+i)
	}
	keep := l.part("b", u, object.PartsMax)
	if _, err := l.complete("b", u, object.PartsMax); err != nil {
		t.Fatal(err)
	}
	l.reclaim(d)
	l.checkReferences(d)
	if n := l.kinds()["part"]; n != 1 || d.has(keep) || len(d.ids) != 2*releasePartsPerCommit {
		t.Errorf("%d parts left, %d blobs deleted, the listed one: %t", n, len(d.ids), d.has(keep))
	}
	// The object goes before its event is looked at: nothing is released twice.
	u = l.upload("b", "k")
	l.part("b", u, 1)
	l.part("b", u, 2)
	if _, err := l.complete("b", u, 2); err != nil {
		t.Fatal(err)
	}
	l.del("b", "k", "")
	l.reclaim(d)
	if left := l.kinds(); left["part"] != 0 || left["blob reference"] != 0 || left["trash"] != 0 || left["event"] != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestUploadRefused: what can't be done with an upload, and what is left as it was.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("b", object.Unversioned)
	l.bucket("c", object.Unversioned)
	l.put("b", "there", "x")
	open, ended, aborted := l.upload("b", "open"), l.upload("b", "ended"), l.upload("b", "aborted")
	for _, u := range []object.Upload{open, ended, aborted} {
		l.part("b", u, 1)
		l.part("b", u, 5)
	}
	if _, err := l.complete("b", ended, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AbortUpload(t.Context(), "b", "aborted", aborted.ID); err != nil {
		t.Fatal(err)
	}
	otherKey, unknown := open, open
	otherKey.Key = "other"
	unknown.ID.Row++
	errMake := errors.New("make")
	made := completion("b", open, 1)
	made.Make = func(object.Upload, []object.Part) (object.Version, error) { return object.Version{}, errMake }
	conditional := completion("b", open, 1)
	conditional.If = func(current *object.Version) error {
		if current == nil {
			return &object.Error{Op: "test", Kind: object.PreconditionFailed}
		}
		return nil
	}
	part := func(b object.BucketName, u object.Upload) error {
		_, err := l.putPart(b, u, 1)
		return err
	}
	abort := func(b object.BucketName, u object.Upload) error {
		_, err := l.AbortUpload(t.Context(), b, u.Key, u.ID)
		return err
	}
	get := func(b object.BucketName, u object.Upload) error {
		_, _, err := l.GetUpload(t.Context(), b, u.Key, u.ID)
		return err
	}
	list := func(b object.BucketName, u object.Upload) error {
		_, err := l.ListParts(t.Context(), b, u.Key, u.ID, 0, 1)
		return err
	}
	complete := func(b object.BucketName, u object.Upload) error {
		_, err := l.complete(b, u, 1)
		return err
	}
	with := func(c CompleteUpload) func(object.BucketName, object.Upload) error {
		return func(object.BucketName, object.Upload) error {
			_, err := l.CompleteUpload(t.Context(), c)
			return err
		}
	}
	before := l.kinds()
	for _, row := range []struct {
		name   string
		try    func(object.BucketName, object.Upload) error
		bucket object.BucketName
		upload object.Upload
		want   error
	}{
		{"part of an unknown upload", part, "b", unknown, object.NoSuchUpload},
		{"part of another key's upload", part, "b", otherKey, object.NoSuchUpload},
		{"part of another bucket's upload", part, "c", open, object.NoSuchUpload},
		{"part in no bucket", part, "d", open, object.NoSuchBucket},
		{"part of a completed upload", part, "b", ended, object.NoSuchUpload},
		{"part of an aborted upload", part, "b", aborted, object.NoSuchUpload},
		{"get a completed upload", get, "b", ended, object.NoSuchUpload},
		{"get another key's upload", get, "b", otherKey, object.NoSuchUpload},
		{"list parts of a completed upload", list, "b", ended, object.NoSuchUpload},
		{"list parts of an unknown upload", list, "b", unknown, object.NoSuchUpload},
		{"abort a completed upload", abort, "b", ended, object.NoSuchUpload},
		{"abort an aborted upload", abort, "b", aborted, object.NoSuchUpload},
		{"complete an aborted upload", complete, "b", aborted, object.NoSuchUpload},
		{"complete another key's upload", complete, "b", otherKey, object.NoSuchUpload},
		{"complete in no bucket", complete, "d", open, object.NoSuchBucket},
		{"complete with a part that is not there", with(completion("b", open, 1, 2)), "", open, object.InvalidPart},
		{"complete with no parts", with(completion("b", open)), "", open, object.InvalidPart},
		{"complete refused by make", with(made), "", open, errMake},
		{"complete refused by a condition", with(conditional), "", open, object.PreconditionFailed},
	} {
		if err := row.try(row.bucket, row.upload); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	if after := l.kinds(); after["part"] != before["part"] || after["version row"] != before["version row"] {
		t.Errorf("rows before %v, after %v", before, after)
	}
	if _, err := l.complete("b", open, 1, 5); err != nil {
		t.Errorf("complete after all that was refused: %v", err)
	}
}

// TestListParts lists pages of parts from every position.
func TestListParts(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("b", object.Unversioned)
	u := l.upload("b", "k")
	numbers := []int{1, 2, 3, 255, 256, 257, 9999, 10000}
	for _, n := range numbers {
		l.part("b", u, n)
	}
	for _, after := range []int{-1, 0, 1, 2, 254, 255, 300, 9999, 10000, 20000} {
		for _, limit := range []int{0, 1, 2, 3, 8, 5000} {
			page, err := l.ListParts(t.Context(), "b", "k", u.ID, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			want := []int{}
			for _, n := range numbers {
				if n > after {
					want = append(want, n)
				}
			}
			more := limit > 0 && len(want) > limit
			want = want[:min(len(want), limit)]
			got := []int{}
			for _, p := range page.Parts {
				got = append(got, p.Number)
			}
			if !slices.Equal(got, want) || page.More != more || page.Upload.ID != u.ID {
				t.Errorf("parts behind %d, at most %d: %v, more %t, of %v; want %v, %t", after, limit, got, page.More, page.Upload.ID, want, more)
			}
		}
	}
}

// TestListUploads compares pages of uploads with a naive listing: several of one key, common prefixes, completed and aborted
// ones between them.
func TestListUploads(t *testing.T) {
	t.Parallel()
	l := newLayer(t, newEngine(t))
	l.bucket("b", object.Unversioned)
	l.bucket("c", object.Unversioned)
	l.upload("c", "a")
	var all []object.Upload
	for _, k := range []object.Key{"a", "a", "a", "a/", "a/1", "a/1", "a/2", "a\x00", "b", "b/c/d", "b/c/e", "é", "z/only-completed"} {
		for _, end := range []string{"", "complete", "abort"} {
			u := l.upload("b", k)
			switch {
			case end == "abort":
				if _, err := l.AbortUpload(t.Context(), "b", k, u.ID); err != nil {
					t.Fatal(err)
				}
			case end == "complete" || k == "z/only-completed":
				l.part("b", u, 1)
				if _, err := l.complete("b", u, 1); err != nil {
					t.Fatal(err)
				}
			default:
				all = append(all, u)
			}
		}
	}
	slices.SortFunc(all, func(a, b object.Upload) int {
		if a.Key != b.Key {
			return slices.Compare([]byte(a.Key), []byte(b.Key))
		}
		return a.ID.Compare(b.ID)
	})
	for _, prefix := range []string{"", "a", "a/", "b/", "z", "none"} {
		for _, delimiter := range []string{"", "/", "a"} {
			for _, uploadsMax := range []int{0, 1, 2, 3, 1000} {
				l.walkUploads(all, ListUploads{Bucket: "b", Prefix: prefix, Delimiter: delimiter, UploadsMax: uploadsMax})
			}
			for _, u := range all {
				q := ListUploads{Bucket: "b", Prefix: prefix, Delimiter: delimiter, UploadsMax: 2, AfterKey: string(u.Key)}
				l.walkUploads(all, q)
				q.AfterUpload = u.ID
				l.walkUploads(all, q)
			}
		}
	}
	if _, err := l.ListUploads(t.Context(), ListUploads{Bucket: "none"}); !isKind(err, object.NoSuchBucket) {
		t.Errorf("list uploads of no bucket: %v", err)
	}
}

// walkUploads compares all pages from a position on with the model.
func (l *testLayer) walkUploads(all []object.Upload, q ListUploads) {
	l.t.Helper()
	var want []listed
	names := make([]string, 0, len(all))
	for _, u := range all {
		if string(u.Key) == q.AfterKey && !q.AfterUpload.IsZero() && u.ID.Compare(q.AfterUpload) > 0 {
			// It is behind the position although its key isn't.
			if len(naiveList([]string{string(u.Key)}, ListObjects{Prefix: q.Prefix})) == 0 {
				continue
			}
			item := naiveList([]string{string(u.Key)}, ListObjects{Prefix: q.Prefix, Delimiter: q.Delimiter})[0]
			if !item.prefix {
				want = append(want, listed{text: u.ID.String()})
			}
			continue
		}
		names = append(names, string(u.Key))
	}
	// Keys may have several uploads: naiveList would take neighbours for one, so each is listed by itself.
	for i, k := range names {
		for _, item := range naiveList([]string{k}, ListObjects{Prefix: q.Prefix, Delimiter: q.Delimiter, After: q.AfterKey}) {
			if !item.prefix {
				item.text = uploadOf(all, names, i).ID.String()
			}
			if len(want) == 0 || want[len(want)-1] != item {
				want = append(want, item)
			}
		}
	}
	if q.UploadsMax == 0 {
		want = nil
	}
	var got []listed
	start := q
	for more := true; more; {
		page, err := l.ListUploads(l.t.Context(), q)
		if err != nil {
			l.t.Fatalf("list uploads %+v: %v", q, err)
		}
		if n := len(page.Uploads) + len(page.Prefixes); n > q.UploadsMax {
			l.t.Fatalf("list uploads %+v: %d items", q, n)
		}
		got = append(got, page.inOrder()...)
		more = page.More
		q.AfterKey, q.AfterUpload, q.AfterPrefix = page.NextKey, page.NextUpload, page.NextIsPrefix
	}
	if !slices.Equal(got, want) {
		l.t.Fatalf("list uploads %+v\n got %v\nwant %v", start, got, want)
	}
}

// uploadOf is the upload of the i-th name; names leaves some of all out, in order.
func uploadOf(all []object.Upload, names []string, i int) object.Upload {
	behind := 0
	for _, n := range names[i+1:] {
		if n == names[i] {
			behind++
		}
	}
	for j := len(all) - 1; ; j-- {
		if string(all[j].Key) == names[i] {
			if behind == 0 {
				return all[j]
			}
			behind--
		}
	}
}

// inOrder are a page's uploads, by id, and common prefixes in the order of their keys.
func (p *UploadPage) inOrder() (items []listed) {
	prefixes := p.Prefixes
	for _, u := range p.Uploads {
		for len(prefixes) > 0 && prefixes[0] < string(u.Key) {
			items, prefixes = append(items, listed{text: prefixes[0], prefix: true}), prefixes[1:]
		}
		items = append(items, listed{text: u.ID.String()})
	}
	for _, x := range prefixes {
		items = append(items, listed{text: x, prefix: true})
	}
	return items
}

// TestUploadLargest completes an upload of 10,000 parts of sizes that all differ, with and without all of them listed, and
// gets rid of it again: no transaction and no value becomes too large.
func TestUploadLargest(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes 20,000 rows")
	}
	l := newLayer(t, newEngine(t))
	l.bucket("b", object.Unversioned)
	d := &deletedBlobs{}
	for _, listed := range []int{object.PartsMax, 1} {
		u := l.upload("b", "k")
		l.fillParts("b", u, object.PartsMax)
		numbers := make([]int, listed)
		for i := range numbers {
			numbers[i] = i + 1
		}
		put, err := l.complete("b", u, numbers...)
		if err != nil {
			t.Fatal(err)
		}
		r, err := l.OpenVersion(t.Context(), "b", "k", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Version.Content.Manifest.Parts; !slices.Equal(got, put.Version.Content.Manifest.Parts) || len(got) != listed {
			t.Errorf("%d parts read, want %d", len(got), listed)
		}
		parts, err := r.Parts(t.Context(), 0, listed)
		r.Close()
		if err != nil || len(parts) != listed {
			t.Errorf("%d part rows read, want %d: %v", len(parts), listed, err)
		}
		l.del("b", "k", "")
		l.reclaim(d)
	}
	left := l.kinds()
	if left["part"] != 0 || left["blob reference"] != 0 || left["trash"] != 0 || left["event"] != 0 || left["version row"] != 0 {
		t.Errorf("left over: %v", left)
	}
	if len(d.ids) != 2*object.PartsMax {
		t.Errorf("%d blobs were deleted, want %d", len(d.ids), 2*object.PartsMax)
	}
}

// fillParts puts parts into an upload, many in a transaction, each of another size.
func (l *testLayer) fillParts(b object.BucketName, u object.Upload, parts int) {
	l.t.Helper()
	const batch = 500
	for first := 1; first <= parts; first += batch {
		_, err := l.mutate(l.t.Context(), operation{name: "fill"}, func(ctx context.Context, t *txn) error {
			for n := first; n < first+batch; n++ {
				lease, err := l.NewBlob()
				if err != nil {
					return err
				}
				v := blobVersion("", lease)
				lease.Abandon()
				v.Content.Blob.SizeBytes += int64(n)
				place := t.pending()
				t.refer(&v.Content, place)
				t.Atomic(kv.SetVersionstampedValue, l.keys.Part(u.ID, n), keys.EncodePartOperand(&object.Part{
					SizeBytes: v.Content.Blob.SizeBytes, ETag: v.ETag, Content: v.Content,
				}, place))
			}
			return nil
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
}
