package fdblayer

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// deletedBlobs are the blobs whose chunks a test's janitor has deleted.
type deletedBlobs struct {
	mu  sync.Mutex // guards ids
	ids map[object.BlobID]bool
}

func (d *deletedBlobs) add(ids ...object.BlobID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids == nil {
		d.ids = map[object.BlobID]bool{}
	}
	for _, id := range ids {
		d.ids[id] = true
	}
}

func (d *deletedBlobs) has(id object.BlobID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ids[id]
}

// reclaim runs the background work until nothing is left that it would do today.
func (l *testLayer) reclaim(d *deletedBlobs) {
	l.t.Helper()
	for range 4 { // events, manifests in the trash, their blobs, and what those waited for
		l.age()
		l.reap()
		d.add(l.emptyTrash()...)
	}
}

// buryUploads clears the tombstones that are a day old.
func (l *testLayer) buryUploads() (ended int) {
	l.t.Helper()
	for shard := range Shards {
		var c Cursor
		for n := 1; n > 0; {
			var err error
			if n, c, err = l.ReapUploads(l.t.Context(), shard, c, 3); err != nil {
				l.t.Fatalf("reap uploads of shard %d: %v", shard, err)
			}
			ended += n
		}
	}
	return ended
}

// kinds counts the rows of objects, uploads and queues by the name of their kind.
func (l *testLayer) kinds() map[string]int {
	l.t.Helper()
	n := map[string]int{}
	for _, row := range l.allRows() {
		layout, _, err := l.keys.Identify(row.Key)
		if err != nil {
			l.t.Fatal(err)
		}
		switch layout.Kind {
		case keys.ListRow, keys.VersionRow, keys.BlobRefRow, keys.UploadRow, keys.PartRow, keys.ManifestRefRow, keys.QueueRow:
			n[layout.Name]++
		}
	}
	return n
}

func (l *testLayer) allRows() (rows []kv.KeyValue) {
	l.t.Helper()
	_, err := kv.Run(context.Background(), l.db, kv.RunOptions{}, func(tx kv.Tx) error {
		page, err := tx.Snapshot().GetRange(l.keys.All(), kv.RangeOptions{}).Get(context.Background())
		rows = page.Rows
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return rows
}

// checkReferences compares the references with the rows that use blobs and manifests: each row has its own, there
// are no others, and nothing in use is deleted or in the trash.
func (l *testLayer) checkReferences(d *deletedBlobs) {
	l.t.Helper()
	used, found, trashed := map[string]bool{}, map[string]bool{}, map[string]bool{}
	must := func(err error) {
		if err != nil {
			l.t.Fatal(err)
		}
	}
	blobUse := func(id object.BlobID, ref object.Stamp) string { return fmt.Sprintf("blob %v by %v", id, ref) }
	for _, row := range l.allRows() {
		layout, _, err := l.keys.Identify(row.Key)
		must(err)
		switch layout.Name {
		case "version row":
			_, k, stamp, err := l.keys.ParseVersion(row.Key)
			must(err)
			v, err := keys.DecodeVersion(k, stamp, row.Value)
			must(err)
			if v.Content.Blob != nil {
				used[blobUse(v.Content.Blob.ID, stamp)] = true
			}
			if v.Content.Manifest != nil {
				used[fmt.Sprintf("manifest %v by %v", v.Content.Manifest.Upload, stamp)] = true
			}
		case "part":
			_, n, err := l.keys.ParsePart(row.Key)
			must(err)
			p, err := keys.DecodePart(n, row.Value)
			must(err)
			if p.Content.Blob != nil {
				used[blobUse(p.Content.Blob.ID, p.Ref)] = true
			}
		case "blob reference":
			id, ref, err := l.keys.ParseBlobRef(row.Key)
			must(err)
			found[blobUse(id, ref)] = true
			if d.has(id) {
				l.t.Errorf("blob %v is in use and was deleted", id)
			}
			trashed["blob "+id.String()] = trashed["blob "+id.String()]
		case "manifest reference":
			upload, ref, err := l.keys.ParseManifestRef(row.Key)
			must(err)
			found[fmt.Sprintf("manifest %v by %v", upload, ref)] = true
		case "trash":
			x, err := keys.DecodeTrash(row.Value)
			must(err)
			if x.Blob != nil {
				trashed["blob "+x.Blob.ID.String()] = true
			}
		}
	}
	for _, u := range sortedKeys(used) {
		if !found[u] {
			l.t.Errorf("no reference to %s", u)
		}
	}
	for _, u := range sortedKeys(found) {
		if !used[u] {
			l.t.Errorf("a reference to %s, which is not there", u)
		}
		var id string
		if _, err := fmt.Sscanf(u, "blob %s", &id); err == nil && trashed["blob "+id] {
			l.t.Errorf("%s, and it is in the trash", u)
		}
	}
}

func sortedKeys(m map[string]bool) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// upload begins an upload.
func (l *testLayer) upload(b object.BucketName, k object.Key) object.Upload {
	l.t.Helper()
	u, _, err := l.CreateUpload(l.t.Context(), b, object.Upload{
		Key: k, Initiated: l.clock.Now(), Metadata: object.Metadata{User: map[string]string{"of": string(k)}},
	})
	if err != nil {
		l.t.Fatalf("create upload of %s/%s: %v", b, k, err)
	}
	return u
}

// putPart puts a part whose content is a blob.
func (l *testLayer) putPart(b object.BucketName, u object.Upload, number int) (object.BlobID, error) {
	l.t.Helper()
	lease, err := l.NewBlob()
	if err != nil {
		l.t.Fatal(err)
	}
	v := blobVersion("", lease)
	_, err = l.PutPart(l.t.Context(), b, u.Key, u.ID, object.Part{
		Number: number, SizeBytes: v.SizeBytes, ETag: v.ETag, LastModified: l.clock.Now(), Content: v.Content,
	}, lease)
	return lease.ID(), err
}

func (l *testLayer) part(b object.BucketName, u object.Upload, number int) object.BlobID {
	l.t.Helper()
	id, err := l.putPart(b, u, number)
	if err != nil {
		l.t.Fatalf("put part %d of %s/%s: %v", number, b, u.Key, err)
	}
	return id
}

// complete completes an upload with some of its parts.
func (l *testLayer) complete(b object.BucketName, u object.Upload, numbers ...int) (Put, error) {
	return l.CompleteUpload(l.t.Context(), completion(b, u, numbers...))
}

func completion(b object.BucketName, u object.Upload, numbers ...int) CompleteUpload {
	return CompleteUpload{
		Bucket: b, Key: u.Key, Upload: u.ID, Numbers: numbers,
		Make: func(u object.Upload, stored []object.Part) (object.Version, error) {
			return object.Version{
				ETag: object.ETag(fmt.Sprintf("%032x-%d", len(stored), len(stored))), LastModified: u.Initiated, Metadata: u.Metadata,
			}, nil
		},
	}
}

// copyOf copies the current version of a key.
func copyOf(b object.BucketName, from, to object.Key) CopyObject {
	return CopyObject{
		Source: b, SourceKey: from, Bucket: b,
		Make: func(source *object.Version) (object.Version, error) {
			v := *source
			v.Key = to
			return v, nil
		},
	}
}
