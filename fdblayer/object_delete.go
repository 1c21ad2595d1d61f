package fdblayer

import (
	"context"
	"time"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/fdblayer/kv"
	"github.com/stampede-store/stampede/object"
)

// deleteKeysPerCommit bounds the keys of one transaction of a batch delete.
const deleteKeysPerCommit = 100

// DeleteObject names one deletion: VersionID "" deletes as S3 does without one.
type DeleteObject struct {
	Key       object.Key
	VersionID string
}

// Deleted is what became of one deletion.
type Deleted struct {
	// Marker is set when a delete marker was added, or one was removed.
	Marker bool
	// VersionID is that of the marker added, or of the version removed.
	VersionID string
	Err       error
}

// DeleteObjects deletes up to object.DeleteKeysMax objects, each on its own: the result has one entry for each,
// in order. An absent object is deleted successfully. err is for what concerns all (NoSuchBucket). Deletions of one
// key take effect in their order.
func (l *Layer) DeleteObjects(ctx context.Context, b object.BucketName, d []DeleteObject) ([]Deleted, object.Token, error) {
	op := operation{name: "fdblayer.DeleteObjects", ref: object.Ref{Bucket: b}}
	if len(d) > object.DeleteKeysMax {
		return nil, object.Token{}, &object.Error{Op: op.name, Kind: object.InvalidArgument, Ref: op.ref}
	}
	results := make([]Deleted, len(d))
	now := l.o.Now()
	var newest commit
	var failed error
	done := 0
	for begin, end := 0, 0; begin < len(d); begin = end {
		end = begin + withoutDoubles(d[begin:])
		c, err := l.deleteBatch(ctx, op, deletions{bucket: b, now: now, asked: d[begin:end], results: results[begin:end]})
		if err != nil {
			failed = err
			for i := begin; i < end; i++ {
				results[i] = Deleted{Err: err}
			}
			continue
		}
		done++
		newest = c
	}
	if done == 0 && failed != nil {
		return nil, object.Token{}, failed
	}
	if done == 0 { // nothing was asked for
		_, token, err := l.GetBucket(ctx, b)
		return results, token, err
	}
	return results, l.token(newest.Version), nil
}

// withoutDoubles is how many of d, from the first on, go into one transaction: each key once, because
// what a transaction adds under a stamp it can't read again.
func withoutDoubles(d []DeleteObject) int {
	d = d[:min(len(d), deleteKeysPerCommit)]
	seen := make(map[object.Key]struct{}, len(d))
	for i := range d {
		if _, double := seen[d[i].Key]; double {
			return i
		}
		seen[d[i].Key] = struct{}{}
	}
	return len(d)
}

// deletions are those of one transaction.
type deletions struct {
	bucket  object.BucketName
	now     time.Time
	asked   []DeleteObject
	results []Deleted
}

func (l *Layer) deleteBatch(ctx context.Context, op operation, d deletions) (commit, error) {
	if len(d.asked) == 1 {
		op.ref.Key, op.ref.Version = d.asked[0].Key, d.asked[0].VersionID
	}
	places := make([]keys.Pending, len(d.asked)) // of the markers added
	var wrote bool
	c, err := l.mutate(ctx, op, func(ctx context.Context, t *txn) error {
		wrote = false
		b, err := t.bucket(ctx, d.bucket)
		if err != nil {
			return err
		}
		work := make([]deletion, len(d.asked))
		for i, asked := range d.asked {
			work[i].start(t, b, asked)
		}
		var released []use
		for i := range work {
			r := &d.results[i]
			*r = Deleted{}
			did, err := work[i].finish(ctx, t, r, d.now)
			if err != nil {
				return err
			}
			places[i] = work[i].marker
			released = append(released, work[i].released...)
			wrote = wrote || did
		}
		if !wrote {
			return errNothing
		}
		return t.releaseAll(ctx, released...)
	})
	if err != nil {
		return c, err
	}
	for i := range d.results {
		if r := &d.results[i]; r.Marker && d.asked[i].VersionID == "" && r.VersionID == "" {
			r.VersionID = places[i].Stamp(c.Stamp).String()
		}
	}
	return c, nil
}

// deletion is one of a transaction, in two steps so that the reads of all are under way together.
type deletion struct {
	DeleteObject
	b        *pinnedBucket
	stamp    object.Stamp       // of VersionID, zero if it is not one
	newest   kv.Future[kv.Page] // the first page of the key's rows, if they are needed
	target   kv.Future[[]byte]  // the row with that stamp
	marker   keys.Pending       // place of the marker added
	released []use              // of the version removed, to be released with those of the others
}

// start issues the reads.
func (d *deletion) start(t *txn, b *pinnedBucket, asked DeleteObject) {
	d.DeleteObject, d.b = asked, b
	rows := t.l.keys.Versions(b.ID, d.Key)
	switch {
	case d.VersionID == "" && b.Versioning != object.Unversioned:
		// Adds a marker whatever is there.
	case d.VersionID == "":
		// A snapshot, at a fresh version: a PUT that lands meanwhile is older than the purge and hidden by it,
		// and if there is nothing to delete the answer holds at the read version.
		d.newest = t.Snapshot().GetRange(rows, firstPage(b))
	case d.VersionID == nullID:
		d.newest = t.GetRange(rows, firstPage(b))
	default:
		var err error
		if d.stamp, err = object.ParseStamp(d.VersionID); err == nil {
			d.newest = t.GetRange(rows, firstPage(b))
			d.target = t.Get(t.l.keys.Version(b.ID, d.Key, d.stamp))
		}
	}
}

// finish waits for them and writes; false means that there was nothing to delete.
func (d *deletion) finish(ctx context.Context, t *txn, r *Deleted, now time.Time) (wrote bool, err error) {
	switch {
	case d.VersionID == "" && d.b.Versioning != object.Unversioned:
		return true, d.addMarker(t, r, now)
	case d.VersionID == "":
		return d.purgeCurrent(ctx, t, now)
	}
	r.VersionID = d.VersionID
	if d.newest == nil {
		return false, nil // no version has such an id
	}
	return d.removeVersion(ctx, t, r, now)
}

// addMarker is a DELETE where versions are kept, or were.
func (d *deletion) addMarker(t *txn, r *Deleted, now time.Time) (err error) {
	v := object.Version{Key: d.Key, Kind: object.Marker, LastModified: now}
	r.Marker = true
	if d.b.Versioning == object.VersioningSuspended {
		v.Kind, r.VersionID = object.NullMarker, nullID
	}
	t.Clear(t.l.keys.List(d.b.ID, d.Key))
	d.marker, err = t.addRow(d.b, &v)
	return err
}

// purgeCurrent is a DELETE in a bucket that never kept versions.
func (d *deletion) purgeCurrent(ctx context.Context, t *txn, now time.Time) (bool, error) {
	page, err := d.newest.Get(ctx)
	if err != nil || len(page.Rows) == 0 {
		return false, err
	}
	v, err := t.l.decodeVersion(d.Key, page.Rows[0])
	if err != nil || v.Kind == object.Purge {
		return false, err
	}
	t.Clear(t.l.keys.List(d.b.ID, d.Key))
	return true, d.purge(t, now)
}

// purge adds a purge, which hides the null version and, unlike clearing its row, those behind it.
func (d *deletion) purge(t *txn, now time.Time) error {
	_, err := t.addRow(d.b, &object.Version{Key: d.Key, Kind: object.Purge, LastModified: now})
	return err
}

// removeVersion is a DELETE of one version. The rows from the newest down to the second visible one are
// read serializably, as far as they decide what is current afterwards.
func (d *deletion) removeVersion(ctx context.Context, t *txn, r *Deleted, now time.Time) (bool, error) {
	target, err := d.targetRow(ctx)
	if err != nil {
		return false, err
	}
	if d.VersionID != nullID && target == nil {
		return false, nil
	}
	isTarget := func(v *object.Version) bool {
		if d.VersionID == nullID {
			return v.Kind.IsNull()
		}
		return v.Stamp == d.stamp
	}
	current := true          // the row at hand is the current version
	var wasCurrent bool      // the target is
	var next *object.Version // what is current without it
	rows := t.l.keys.Versions(d.b.ID, d.Key)
	err = t.l.walkPages(ctx, t, rows, d.newest, walker{b: d.b, key: d.Key, f: func(v *object.Version) bool {
		first := current
		current = false
		switch {
		case isTarget(v):
			target, wasCurrent = v, first
			return first // then the next one decides
		case wasCurrent:
			next = v
			return false
		}
		// Behind the current version only an unknown target is looked for.
		return target == nil
	}})
	if err != nil || target == nil {
		return false, err
	}
	r.Marker = target.Kind.IsMarker()
	if wasCurrent {
		d.list(t, next)
	}
	if target.Kind.IsNull() {
		return true, d.purge(t, now)
	}
	d.released = append(d.released, t.clearVersion(d.b.ID, target))
	return true, nil
}

// targetRow waits for the row with the version id, if it has that of a stamp; nil if there is none. A null row has
// another id.
func (d *deletion) targetRow(ctx context.Context) (*object.Version, error) {
	if d.target == nil {
		return nil, nil
	}
	value, err := d.target.Get(ctx)
	if err != nil || value == nil {
		return nil, err
	}
	v, err := keys.DecodeVersion(d.Key, d.stamp, value)
	if err != nil || v.Kind.IsNull() {
		return nil, err
	}
	return &v, nil
}

// list makes the list row that of v, which is current now.
func (d *deletion) list(t *txn, v *object.Version) {
	row := t.l.keys.List(d.b.ID, d.Key)
	if v == nil || !v.Kind.HasContent() {
		t.Clear(row)
		return
	}
	t.Set(row, keys.EncodeList(keys.ListOf(v)))
}

// clearVersion clears a version row for good and returns the use of its content, which is to be released in the same
// transaction. That must conflict with others that clear the row.
func (t *txn) clearVersion(b object.BucketID, v *object.Version) use {
	t.Clear(t.l.keys.Version(b, v.Key, v.Stamp))
	if v.Kind != object.Purge {
		t.count(b, v.Key, -1, -v.SizeBytes)
	}
	return use{Content: v.Content, ref: v.Stamp}
}
